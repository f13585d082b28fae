"""Rows W: whoever taught a pipeline is never measured as unseen, and nobody else is left out.

    python tests/torture/who_taught.py [--quick]

A tiny pipeline learns from a cohort and from ECGs of further people. Then cohorts are evaluated in which those who
taught come back: under other eids, in other folders, in other formats, at another visit. --quick leaves nothing out.
"""

import argparse
import gzip
import shutil
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

import numpy as np
import torch
import wfdb

import cohort.prepared
from cohort.discovery import find_subjects
from cohort.ecg import read_ecg
from cohort.errors import InputError
from cohort.leads import LEADS
from cohort.subjects import split_of
from evaluation.opening import UNSEEN, people_to_measure
from phantom.cohort_writer import FIRST_EID
from sampling.pipeline import ECGToMRIPipeline
from tests.torture.tiny import TRAIN_DIFFUSION, forked, table_row, tiny_cohort

SUBJECTS = 28  # the fewest phantoms of whom three people never teach
STRANGERS, MORE = 8, 6
cohort.prepared.FEW = 100  # so many are read sooner than another process starts, on this small grid
MOVED = 500  # added to an eid that is renamed


class Trial:
    """Cohorts of seed 3, which taught, and of other seeds under the same eids, which did not."""

    def __init__(self, place: Path) -> None:
        self.place, self.number = place, 0
        self.own = tiny_cohort(place / "own", SUBJECTS, seed=3)
        self.strangers = tiny_cohort(place / "strangers", STRANGERS, seed=4)
        self.more = tiny_cohort(place / "more", MORE, seed=5)
        extra = place / "extra"
        (extra / "ecg").mkdir(parents=True)
        for path in (self.more / "ecg").iterdir():
            shutil.copy(path, extra / "ecg" / _renamed(path.name, 2 * MOVED))
        head, *rows = (self.more / "phenotypes.csv").read_text().splitlines()
        cells = [row.partition(",") for row in rows]
        rows = [f"{int(eid) + 2 * MOVED},{rest}" for eid, _, rest in cells]
        (extra / "phenotypes.csv").write_text("\n".join([head, *rows]))
        learning = (
            "--data",
            self.own,
            "--more-ecgs",
            extra,
            "--output",
            place / "run",
            "--prepared",
            place / "prepared",
        )
        parts = ("--autoencoder", place / "autoencoder", "--segmenter", place / "segmenter")
        done = forked("train_diffusion", *learning, *parts, *TRAIN_DIFFUSION, cwd=place)
        assert done.code == 0, done.said.decode()
        self.folder = place / "run" / "pipeline"
        self.pipeline = ECGToMRIPipeline.load(self.folder)
        eids = range(FIRST_EID, FIRST_EID + SUBJECTS)
        self.unseen = {eid for eid in eids if split_of(eid) == "test"}
        self.taught = set(eids) - self.unseen
        further = range(FIRST_EID + 2 * MOVED, FIRST_EID + 2 * MOVED + MORE)
        self.further = {eid for eid in further if split_of(eid) == "train"}

    def copy(self, source: Path | None = None) -> Path:
        """A cohort to change, with the tables taken away: they name eids."""
        self.number += 1
        data = Path(shutil.copytree(source or self.own, self.place / f"cohort_{self.number}"))
        for table in data.glob("*.csv"):
            table.unlink()
        return data

    def measured(self, data: Path, split: str = UNSEEN) -> set[tuple[int, int]]:
        """(eid, instance) of those who would be measured."""
        people, rows = people_to_measure(data, self.place / "prepared", self.pipeline, self.folder, split, 1000)
        return {(int(people.eid[row]), int(people.instance[row])) for row in rows}


def _renamed(name: str, more: int, instance: int = 2) -> str:
    eid, _, rest = name.partition("_")
    return f"{int(eid) + more}_{rest.replace('20205_2', f'20205_{instance}')}" if rest else f"{int(eid) + more}"


def moved(data: Path, more: int = MOVED, instance: int = 2) -> Path:
    """The same people under other eids, or at another visit."""
    for path in list((data / "ecg").iterdir()):
        path.rename(path.with_name(_renamed(path.name, more, instance)))
    for path in list((data / "NIFTI").iterdir()):
        visit = "" if instance == 2 else f"_{instance}"
        path.rename(path.with_name(f"{int(path.name) + more}{visit}"))
    return data


def joined(data: Path, others: Path) -> Path:
    """The people of a second folder put into the first."""
    for room in ("ecg", "NIFTI"):
        for path in (others / room).iterdir():
            (shutil.copytree if path.is_dir() else shutil.copy)(path, data / room / path.name)
    return data


def as_wfdb(data: Path) -> Path:
    """The ECGs exported anew, as WFDB of the same samples."""
    for path in list((data / "ecg").glob("*.xml")):
        ecg = read_ecg(path)
        about = {"units": ["mV"] * 12, "sig_name": list(LEADS), "fmt": ["16"] * 12, "adc_gain": [1000.0] * 12}
        signal = np.asarray(ecg.signal, float).T
        wfdb.wrsamp(
            path.stem, ecg.sampling_rate, p_signal=signal, baseline=[0] * 12, write_dir=str(path.parent), **about
        )
        path.unlink()
    return data


def unzipped(data: Path) -> Path:
    """The MRI exported anew, as .nii in place of .nii.gz."""
    for path in list((data / "NIFTI").rglob("*.nii.gz")):
        path.with_suffix("").write_bytes(gzip.decompress(path.read_bytes()))
        path.unlink()
    return data


def without(data: Path, eid: int) -> Path:
    shutil.rmtree(data / "NIFTI" / str(eid))
    next((data / "ecg").glob(f"{eid}_*")).unlink()
    return data


def trials(trial: Trial) -> dict[str, tuple[Callable[[], Path], set[tuple[int, int]]]]:
    """What is done to the cohort -> (its folder, who may be measured)."""

    def at_2(eids: set[int], more: int = 0) -> set[tuple[int, int]]:
        return {(eid + more, 2) for eid in eids}

    own, unseen = trial.copy, trial.unseen
    strangers = set(range(FIRST_EID, FIRST_EID + STRANGERS))
    further = {eid - 2 * MOVED for eid in trial.further}  # as they are called in the folder of seed 5
    others = set(range(FIRST_EID, FIRST_EID + MORE)) - further
    return {
        "the cohort itself": (own, at_2(unseen)),
        "one person more": (
            lambda: joined(own(), moved(without_all_but_one(trial.copy(trial.strangers)))),
            at_2(unseen) | {(FIRST_EID + MOVED, 2)},
        ),
        "one person fewer": (lambda: without(own(), min(trial.taught)), at_2(unseen)),
        "other eids": (lambda: moved(own()), at_2(unseen, MOVED)),
        "another folder": (lambda: Path(shutil.move(own(), trial.place / "elsewhere")), at_2(unseen)),
        "ECGs exported anew (WFDB)": (lambda: as_wfdb(own()), at_2(unseen)),
        "MRI exported anew (.nii)": (lambda: unzipped(own()), at_2(unseen)),
        "both exported anew, other eids": (lambda: as_wfdb(moved(unzipped(own()))), at_2(unseen, MOVED)),
        "a second visit beside the first": (
            lambda: joined(own(), moved(trial.copy(trial.strangers), 0, instance=3)),
            at_2(unseen) | {(eid, 3) for eid in strangers & unseen},
        ),
        "a person of --more-ecgs, now with an MRI": (
            lambda: joined(own(), moved(trial.copy(trial.more), MOVED)),
            at_2(unseen) | at_2(others, MOVED),
        ),
        "strangers under the eids of those who taught": (lambda: trial.copy(trial.strangers), at_2(strangers)),
    }


def without_all_but_one(data: Path) -> Path:
    for subject in find_subjects(data)[1:]:
        without(data, subject.eid)
    return data


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true")
    parser.parse_args()
    torch.set_num_threads(1)  # scripts run in forks: GNU OpenMP's threads do not survive one (tiny.py)
    met = True
    with tempfile.TemporaryDirectory() as folder:
        trial = Trial(Path(folder))
        for what, (changed, expected) in trials(trial).items():
            found = trial.measured(changed())
            taught, lost = len(found - expected), len(expected - found)
            reached = f"{taught} who taught measured, {lost} others left out, of {len(found | expected)}"
            met &= table_row(
                "W", what, "nobody who taught is measured, nobody else left out", reached, found == expected
            )
        met &= all_are_refused(trial)
        alone = trial.measured(moved(trial.copy(trial.strangers), 0, instance=3))
        print(
            f"| W | a second visit without the first | - | {len(alone)} of {STRANGERS} measured: no eid is recorded |"
        )
    return int(not met)


def all_are_refused(trial: Trial) -> bool:
    """--split all of a cohort with somebody who taught."""
    try:
        said = f"{len(trial.measured(trial.copy(), 'all'))} measured"
    except InputError as refusal:
        said = refusal.fault
    met = said.startswith(f"{len(trial.taught)} of its {SUBJECTS} people")
    return table_row("W", "--split all with those who taught", "refused, with their number", said, met)


if __name__ == "__main__":
    sys.exit(main())
