"""Row A6: damaged people in a cohort of 1,000 are left out by name and code; more than allowed stop the run.

    python tests/torture/bad_cohort.py            # 1,000 people, 1, 5 and 20 % of them damaged
    python tests/torture/bad_cohort.py --quick    # 60 people, 5 and 20 %

The cohort is a dozen phantoms under many eids. First, half as many bad people are allowed as there are. The run must
end with exit code 2 and list all bad people. Then 20 % are allowed, and the run goes on from there. Everybody else must
have the arrays of the phantom they are a copy of. The list must name exactly the damaged, each with the right code.
"""

import argparse
import contextlib
import gzip
import io
import os
import random
import re
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

import numpy as np

from cohort.errors import exit_code_of
from cohort.exclusion import EXCLUDED, read_excluded
from cohort.heart_grid import GridGeometry
from cohort.prepared import Preparation, load_prepared, prepare_cohort
from phantom.cohort_plan import CohortPlan
from phantom.cohort_writer import FIRST_EID, ecg_path, write_cohort
from tests.corpora.trial import markdown_row

SHARES, ALLOWED = (0.01, 0.05, 0.20), 0.20
PHANTOMS = 12
PREPARATION = Preparation(GridGeometry(slices=3, phases=2, height=32, width=32, slice_step_mm=30.0, pixel_mm=5.4))
HTML = b"<html><body>Not found</body></html>"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true")
    quick = parser.parse_args().quick
    people, shares = (60, SHARES[1:]) if quick else (1000, SHARES)
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        with contextlib.redirect_stderr(io.StringIO()):
            write_cohort(place / "phantoms", CohortPlan(seed=3, subjects=PHANTOMS), processes=1)
        truth, _ = prepared(place / "phantoms", place / "truth", ALLOWED)
        reached, faults = [], []
        for share in shares:
            damaged = write_damaged(place / f"UKBB_{share}", place / "phantoms", people, round(share * people))
            found = faults_of(place / f"UKBB_{share}", place / "prepared", damaged, people, load_prepared(truth))
            faults += [f"{share:.0%}: {fault}" for fault in found]
            reached.append(f"{share:.0%}: {len(damaged)} bad, {'as promised' if not found else 'not so'}")
    print("\n".join(faults), file=sys.stderr)
    target = "finishes, lists each with its code; exit code 2 above the limit"
    print(markdown_row("A6", f"bad people in a cohort of {people:_}", target, "; ".join(reached)))
    return int(bool(faults))


def write_damaged(data: Path, phantoms: Path, people: int, bad: int) -> dict[int, str]:
    """Link the phantoms' files under many eids and damage `bad` of them; returns eid -> the expected code."""
    (data / "ecg").mkdir(parents=True)
    for index in range(people):
        source = phantoms / "NIFTI" / str(FIRST_EID + index % PHANTOMS)
        folder = data / "NIFTI" / str(FIRST_EID + index)
        folder.mkdir(parents=True)
        os.link(ecg_path(phantoms, index % PHANTOMS), ecg_path(data, index))
        for path in source.iterdir():
            os.link(path, folder / path.name)
    chosen = random.Random(bad).sample(range(people), bad)
    damaged = {}
    for number, index in enumerate(chosen):
        code, name, damage = DAMAGES[number % len(DAMAGES)]
        path = ecg_path(data, index) if code.startswith("ecg") else data / "NIFTI" / str(FIRST_EID + index) / name
        content = damage(path.read_bytes())
        path.unlink()  # the phantom's own file stays as it is
        path.write_bytes(content)
        damaged[FIRST_EID + index] = code
    return damaged


def inflated(change):
    """A change of the inflated file, gzipped again."""
    return lambda content: gzip.compress(change(gzip.decompress(content)), 1)


def overwritten(content: bytes, start: int, new: bytes) -> bytes:
    return content[:start] + new + content[start + len(new) :]


DAMAGES = [  # code, file, damage; dim is at byte 40 of a NIfTI header, pixdim at 76, voxels from 352
    ("ecg_truncated", "", lambda xml: xml[: len(xml) // 2]),
    ("mri_crc", "sa_ED.nii.gz", lambda gz: gz[:-8] + bytes([gz[-8] ^ 1]) + gz[-7:]),
    ("ecg_empty", "", lambda xml: b""),
    ("mri_truncated", "sa_ES.nii.gz", lambda gz: gz[: len(gz) // 2]),
    ("ecg_format", "", lambda xml: HTML),
    ("mri_format", "sa_ED.nii.gz", lambda gz: HTML * 20),
    ("ecg_leads", "", lambda xml: xml.replace(b'lead="V3"', b'lead="V33"')),
    ("mri_flat", "sa_ES.nii.gz", inflated(lambda nii: nii[:352] + bytes(len(nii) - 352))),
    ("ecg_samples", "", lambda xml: re.sub(rb"(<WaveformData lead=\"V1\">\s*)-?\d+", rb"\1NaN", xml)),
    ("mri_too_large", "sa_ED.nii.gz", inflated(lambda nii: overwritten(nii, 42, b"\xff\x7f\xff\x7f\x40\x00"))),
    ("ecg_unit", "", lambda xml: re.sub(rb"(<Resolution units=)\"[^\"]*\"", rb'\1"furlongs"', xml)),
    ("mri_labels", "seg_sa_ED.nii.gz", inflated(lambda nii: overwritten(nii, 2000, b"\x09"))),
    ("mri_geometry", "sa_ES.nii.gz", inflated(lambda nii: overwritten(nii, 80, np.float32(np.nan).tobytes()))),
    ("mri_empty", "seg_sa_ES.nii.gz", lambda gz: b""),
]


def prepared(data: Path, folder: Path, allowed: float) -> tuple[Path | None, int]:
    """The prepared folder, if there is one, and the exit code a script would end with."""
    found = []
    said = io.StringIO()
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
        code = exit_code_of(lambda: found.append(prepare_cohort(data, folder, PREPARATION, allowed, quiet=True)))
    return (found[0].folder if found else None), code


def faults_of(data: Path, folder: Path, damaged: dict[int, str], people: int, truth) -> list[str]:
    """What is not as promised."""
    faults = []
    _, code = prepared(data, folder, len(damaged) / people / 2)
    lists = [path.parent for path in folder.glob(f"{data.name}-*/{EXCLUDED}")]
    if code != 2 or len(lists) != 1 or listed(lists[0]) != damaged:
        return [f"above the limit: exit code {code}, {len(lists)} lists, or a wrong one"]
    final, code = prepared(data, folder, ALLOWED)
    if final is None:
        return [*faults, f"below the limit: exit code {code}"]
    told = listed(final)
    faults += [f"{eid}: {told.get(eid)}, not {code}" for eid, code in damaged.items() if told.get(eid) != code]
    faults += [f"{eid}: {told[eid]}, though sound" for eid in told.keys() - damaged.keys()]
    cohort = load_prepared(final)
    if set(cohort.eid.tolist()) != set(range(FIRST_EID, FIRST_EID + people)) - damaged.keys():
        return [*faults, "other people in the cohort"]
    same = (np.asarray(cohort.eid) - FIRST_EID) % PHANTOMS
    for name in ("hearts", "labels", "ecg", "affine"):
        if not np.array_equal(getattr(cohort, name), getattr(truth, name)[same]):
            faults.append(f"{name} of others than the phantoms")
    return faults


def listed(folder: Path) -> dict[int, str]:
    return {one.eid: one.code for one in read_excluded(folder)}


if __name__ == "__main__":
    sys.exit(main())
