"""Rows K: twenty changes of what a cache was made of, and no stale answer.

    python tests/torture/cache_keys.py [--quick]

Each change keeps all it can: names, sizes and times of modification. After it, the arrays, the latents or the
measurements must have another key, or be refused. A touched or copied file must keep the key. --quick leaves nothing
out.
"""

import argparse
import gzip
import os
import shutil
import struct
import sys
import tempfile
import zlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from unittest import mock

sys.path.insert(0, str(Path(__file__).parents[2]))

import numpy as np
import torch

import cohort.prepared
import evaluation.record
import training.latents
from cohort.content import END_BYTES, WHOLE_BYTES, content_of, fingerprint
from cohort.discovery import find_subjects
from cohort.errors import InputError
from cohort.heart_grid import GridGeometry
from cohort.prepared import Preparation, PreparedCohort, cohort_fingerprint, load_prepared, prepare_cohort
from cohort.step_code import code_sha256, modules_of
from cohort.subjects import pairs
from evaluation.given_hearts import GivenHearts
from evaluation.record import measurements_key
from evaluation.study import Study
from models.autoencoder import SliceAutoencoder
from phantom.cohort_writer import FIRST_EID
from sampling.pipeline import ECGToMRIPipeline, weights_sha256
from tests.torture.tiny import GRID, ROOT, table_row, tiny_cohort, tiny_pipeline
from training.latents import cohort_latents, latents_key

PEOPLE = 4
PREPARATION = Preparation(GridGeometry(**GRID))
LARGE = 3 * WHOLE_BYTES  # bytes of a file whose middle alone changes


class Caches:
    """A cohort, its prepared arrays, its latents, and a study of it, in a folder that may be changed."""

    def __init__(self, place: Path, source: Path, pipeline: Path) -> None:
        self.place = place
        self.data = Path(shutil.copytree(source, place / "UKBB"))
        self.pipeline = Path(shutil.copytree(pipeline, place / "run" / "pipeline"))
        self.hearts = place / "hearts" / f"{FIRST_EID}_20205_2_0"
        self.hearts.mkdir(parents=True)
        (self.hearts / "sa_ED.nii.gz").write_bytes(gzip.compress(bytes(999)))
        _settle(place)

    def arrays(self, preparation: Preparation = PREPARATION) -> str:
        """The key of the prepared arrays, by way of the remembered hashes."""
        memory = self.place / "memory.npy"
        return cohort_fingerprint(self.data, pairs(find_subjects(self.data)), preparation, memory)

    def prepared(self) -> PreparedCohort:
        return prepare_cohort(self.data, self.place / "prepared", PREPARATION, quiet=True)

    def measurements(self, **changed: object) -> str:
        """The key of a study's measurements."""
        rows = np.arange(PEOPLE)
        study = Study(None, self.pipeline, None, self.prepared(), rows, steps=2, guidance_scale=1.0)
        study = replace(study, pipeline=ECGToMRIPipeline.load(self.pipeline), **changed)
        return measurements_key(study, None, self.pipeline / "segmenter", weights_sha256(self.pipeline))


def _settle(place: Path) -> None:
    """Set the times of all files back, so that their hashes are remembered from call to call."""
    for path in place.rglob("*"):
        if path.is_file():
            os.utime(path, (1_600_000_000, 1_600_000_000))


def _flip(path: Path, place: float = 0.5) -> None:
    """Change one bit, and keep size and time of modification."""
    about, content = path.stat(), bytearray(path.read_bytes())
    content[int(place * (len(content) - 1))] ^= 1
    path.write_bytes(content)
    os.utime(path, ns=(about.st_atime_ns, about.st_mtime_ns))


def _exchange(one: Path, other: Path) -> None:
    aside = one.with_name("aside")
    one.rename(aside), other.rename(one), aside.rename(other)


# ---- The changes ----


def large_gzip(seed: int, changed: bool) -> bytes:
    """LARGE bytes of noise as one stored gzip member; one byte of the middle may differ, and the CRC with it."""
    noise = bytearray(np.random.default_rng(seed).integers(0, 256, LARGE, np.uint8).tobytes())
    if changed:
        noise[LARGE // 2] ^= 1
    packing = zlib.compressobj(0, zlib.DEFLATED, -zlib.MAX_WBITS)
    body = packing.compress(bytes(noise)) + packing.flush()
    return b"\x1f\x8b\x08" + bytes(7) + body + struct.pack("<II", zlib.crc32(noise), LARGE)


def in_the_middle(head: bytes, packed: bool) -> Callable[[Caches], bool]:
    """Whether a large file's middle decides the key; `packed` as gzip with the CRC of its content."""

    def differs(caches: Caches) -> bool:
        path, memory, keys = caches.place / "large", caches.place / "large.npy", []
        for changed in (False, True):
            if packed:
                path.write_bytes(large_gzip(1, changed))
            else:
                content = bytearray(head + bytes(LARGE))
                content[LARGE // 2] = changed
                path.write_bytes(content)
            os.utime(path, (1_600_000_000, 1_600_000_000))
            keys.append(fingerprint({}, [("file", path)], memory))
        assert path.stat().st_size > WHOLE_BYTES + 2 * END_BYTES and content_of(path)
        return keys[0] != keys[1]

    return differs


def arrays_after(change: Callable[[Caches], object]) -> Callable[[Caches], bool]:
    """Whether the arrays have another key after a change of the files."""

    def differs(caches: Caches) -> bool:
        before = caches.arrays()
        change(caches)
        return caches.arrays() != before

    return differs


def arrays_of(preparation: Preparation) -> Callable[[Caches], bool]:
    return lambda caches: caches.arrays(preparation) != caches.arrays()


def arrays_of_other_code(caches: Caches) -> bool:
    """A reader's code changes: it is part of the code that is hashed, and that hash decides the key."""
    changed = Path(shutil.copytree(ROOT / "cohort", caches.place / "code" / "cohort")).parent
    before = code_sha256("cohort.prepared", changed)
    reader = changed / "cohort" / "muse.py"
    reader.write_text(reader.read_text() + "\nCHANGED = True\n")
    other = Path(shutil.copytree(changed, caches.place / "changed"))
    after, own = code_sha256("cohort.prepared", other), caches.arrays()
    with mock.patch.object(cohort.prepared, "code_sha256", lambda module: after):
        return after != before and caches.arrays() != own and "cohort.muse" in modules_of("cohort.prepared")


def wfdb_signals(caches: Caches) -> None:
    """One byte of the .dat beside a header."""
    _flip(next((caches.data / "ecg").glob("*.dat")))


def with_wfdb(caches: Caches) -> None:
    """One of the ECGs becomes a WFDB record; only names and bytes count here."""
    path = sorted((caches.data / "ecg").glob("*.xml"))[0]
    path.with_suffix(".dat").write_bytes(path.read_bytes()[:120_000])
    path.with_suffix(".hea").write_text(f"{path.stem} 1 500 5000\n{path.stem}.dat 16 1000/mV 16 0 0 0 0 I\n")
    path.unlink()
    _settle(caches.data)


def unpacked(caches: Caches) -> None:
    """One person's images become .nii."""
    for path in (caches.data / "NIFTI" / str(FIRST_EID)).glob("*.nii.gz"):
        path.with_suffix("").write_bytes(gzip.decompress(path.read_bytes()))
        path.unlink()
    _settle(caches.data)


def first(then: Callable[[Caches], object], change: Callable[[Caches], object]) -> Callable[[Caches], bool]:
    """As `arrays_after`, of a cohort that `then` has made."""

    def differs(caches: Caches) -> bool:
        then(caches)
        return arrays_after(change)(caches)

    return differs


def added_person(caches: Caches) -> None:
    eid, new = str(FIRST_EID), str(FIRST_EID + 77)
    shutil.copytree(caches.data / "NIFTI" / eid, caches.data / "NIFTI" / new)
    shutil.copy(caches.data / "ecg" / f"{eid}_20205_2_0.xml", caches.data / "ecg" / f"{new}_20205_2_0.xml")


def arrays_on_disk(caches: Caches) -> bool:
    """Prepared arrays changed on the disk are refused."""
    folder = caches.prepared().folder
    _flip(folder / "hearts.npy")
    return _refused(lambda: load_prepared(folder))


def latents_on_disk(caches: Caches) -> bool:
    latents = cohort_latents(_autoencoder(), caches.prepared(), torch.device("cpu"), main=True)
    _flip(Path(latents.filename))
    return _refused(lambda: cohort_latents(_autoencoder(), caches.prepared(), torch.device("cpu"), main=True))


def _refused(opening: Callable[[], object]) -> bool:
    try:
        opening()
    except InputError:
        return True
    return False


def _autoencoder(seed: int = 0) -> SliceAutoencoder:
    torch.manual_seed(seed)
    autoencoder = SliceAutoencoder(width=8, latent_channels=4).eval()
    autoencoder.set_latent_statistics(torch.zeros(4), torch.ones(4))
    return autoencoder


def latents_of_other_weights(caches: Caches) -> bool:
    return latents_key(_autoencoder(0), caches.prepared().folder) != latents_key(
        _autoencoder(1), caches.prepared().folder
    )


def latents_of_other_hearts(caches: Caches) -> bool:
    before = caches.prepared()
    _flip_voxels(next((caches.data / "NIFTI" / str(FIRST_EID)).glob("sa_ED.nii.gz")))
    return latents_key(_autoencoder(), before.folder) != latents_key(_autoencoder(), caches.prepared().folder)


def _flip_voxels(path: Path) -> None:
    """Mirror the voxels of an image: a change that a heart cannot miss."""
    content = gzip.decompress(path.read_bytes())
    voxels = np.frombuffer(content, np.uint8, offset=352)
    path.write_bytes(gzip.compress(content[:352] + voxels.reshape(-1, 2)[::-1].tobytes(), 1))


def latents_of_other_code(caches: Caches) -> bool:
    own = latents_key(_autoencoder(), caches.prepared().folder)
    with mock.patch.object(training.latents, "code_sha256", lambda module: "other"):
        return latents_key(_autoencoder(), caches.prepared().folder) != own


def measurements_after(change: Callable[[Caches], object]) -> Callable[[Caches], bool]:
    def differs(caches: Caches) -> bool:
        before = caches.measurements()
        change(caches)
        return caches.measurements() != before

    return differs


def measurements_of_other_code(caches: Caches) -> bool:
    own = caches.measurements()
    with mock.patch.object(evaluation.record, "code_sha256", lambda module: "other"):
        return caches.measurements() != own


def given_hearts(caches: Caches) -> bool:
    """Hearts of the same folder name and the same file names, of another content."""
    before = caches.measurements(given=GivenHearts(caches.hearts.parent))
    _flip(caches.hearts / "sa_ED.nii.gz")
    return caches.measurements(given=GivenHearts(caches.hearts.parent)) != before


def _weights(caches: Caches, part: str) -> Path:
    return next((caches.pipeline / part).glob("*.safetensors"))


def _other_rate(caches: Caches) -> None:
    path = caches.pipeline / "scheduler" / "scheduler_config.json"
    path.write_text(path.read_text().replace("1000", "1001"))


CHANGES = {
    "a bit of an XML's middle": arrays_after(lambda caches: _flip(next((caches.data / "ecg").glob("*.xml")))),
    "a bit of a .nii.gz": arrays_after(lambda caches: _flip(next(caches.data.rglob("sa_ED.nii.gz")))),
    "a bit of a .nii's middle": first(unpacked, lambda caches: _flip(next(caches.data.rglob("sa_ED.nii")))),
    "a bit of a label map": arrays_after(lambda caches: _flip(next(caches.data.rglob("seg_sa_ES.nii.gz")))),
    "a bit of a .dat beside its header": first(with_wfdb, wfdb_signals),
    "a bit of a header": first(with_wfdb, lambda caches: _flip(next((caches.data / "ecg").glob("*.hea")), 0.9)),
    "the middle of 12 MB, not packed": in_the_middle(b"", packed=False),
    "the middle of a gzip of 12 MB, and its CRC": in_the_middle(b"", packed=True),
    "a bit of persons.csv": arrays_after(lambda caches: _flip(caches.data / "persons.csv", 0.9)),
    "a bit of phenotypes.csv": arrays_after(lambda caches: _flip(caches.data / "phenotypes.csv", 0.9)),
    "phenotypes.csv a broken link": first(
        lambda caches: (caches.data / "phenotypes.csv").unlink(),
        lambda caches: (caches.data / "phenotypes.csv").symlink_to("gone.csv"),
    ),
    "two people's MRI folders exchanged": arrays_after(
        lambda caches: _exchange(*sorted((caches.data / "NIFTI").iterdir())[:2])
    ),
    "two people's ECGs exchanged": arrays_after(lambda caches: _exchange(*sorted((caches.data / "ecg").iterdir())[:2])),
    "a person more": arrays_after(added_person),
    "another code of a reader": arrays_of_other_code,
    "another geometry": arrays_of(replace(PREPARATION, geometry=GridGeometry(**GRID | {"pixel_mm": 5.0}))),
    "another sampling rate": arrays_of(replace(PREPARATION, sampling_rate=500)),
    "arrays changed on the disk": arrays_on_disk,
    "latents changed on the disk": latents_on_disk,
    "latents of other weights": latents_of_other_weights,
    "latents of other hearts": latents_of_other_hearts,
    "latents of other code": latents_of_other_code,
    "measurements by another segmenter": measurements_after(lambda caches: _flip(_weights(caches, "segmenter"), 1.0)),
    "measurements of another denoiser": measurements_after(lambda caches: _flip(_weights(caches, "denoiser"), 0.99)),
    "measurements of another scheduler": measurements_after(_other_rate),
    "measurements of another cohort": measurements_after(added_person),
    "measurements by other code": measurements_of_other_code,
    "measurements of other given hearts": given_hearts,
}


def _touched(caches: Caches) -> None:
    for path in caches.data.rglob("*"):
        os.utime(path)


def _copied(caches: Caches) -> None:
    shutil.copytree(caches.data, caches.place / "copy")
    caches.data = caches.place / "copy"


SAME = {"files touched": arrays_after(_touched), "the folder copied": arrays_after(_copied)}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true")
    parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        source, pipeline = tiny_cohort(place / "source", PEOPLE), tiny_pipeline(place / "pipeline")
        tried = {}
        for number, (what, differs) in enumerate((CHANGES | SAME).items()):
            (place / str(number)).mkdir()
            tried[what] = differs(Caches(place / str(number), source, pipeline))
            shutil.rmtree(place / str(number))
    stale = [what for what in CHANGES if not tried[what]]
    anew = [what for what in SAME if tried[what]]
    reached = f"{len(stale)} stale{': ' if stale else ''}{', '.join(stale)}"
    met = table_row("K", f"{len(CHANGES)} changes of what caches are made of", "0 stale answers", reached, not stale)
    reached = f"{len(anew)} read anew{': ' if anew else ''}{', '.join(anew)}"
    met &= table_row("K", f"{len(SAME)} changes of times and places alone", "0 read anew", reached, not anew)
    return int(not met)


if __name__ == "__main__":
    sys.exit(main())
