"""Row B14: the disk gets full under every command that writes: arrays, latents, weights, pictures, reports.

    python tests/torture/disk_writers.py            # six levels of every command
    python tests/torture/disk_writers.py --quick    # one level of the quickest commands

Each command runs on a small tmpfs that only this script sees (`unshare -rm`), with a share of the room it needs. It
must end with exit code 2 and one line that says the bytes, or with 0 and all it had to write. No signal may end it.
What lay there before must be as it was, or as the whole command leaves it. With room again, the same command must end
with 0.
"""

import argparse
import re
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from _small_disk import disk, leave, refusal, resize, unmount, with_own_mounts

from cohort.disk import PARTIAL, sha256_of
from cohort.heart_grid import GridGeometry
from cohort.prepared import Preparation, prepare_cohort
from cohort.stored_arrays import CHECKED
from tests.torture.tiny import (
    FEW_STEPS,
    GRID,
    TRAIN_DIFFUSION,
    Done,
    files_of,
    forked,
    table_row,
    tiny_cohort,
    tiny_pipeline,
)

DISK_BYTES = 2**30  # a checkpoint of the nano size takes 66 MB
LEFT_BEHIND = re.compile(re.escape(PARTIAL) + "[0-9a-f]{8}-")  # a draft of prepared arrays has another name, and stays
LEVELS = (0.0, 0.2, 0.4, 0.6, 0.8, 0.95)
QUICK_LEVELS = (0.6,)
SLOW = (  # how their names begin
    *("measurements", "autoencoder", "segmenter", "ceiling"),
    *("the pipeline", "a whole", "a distilled"),
)


@dataclass(frozen=True)
class Trial:
    """A command that writes to a disk.

    Attributes:
        script: module with a `main`; options: its arguments, given the disk.
        before: what lies there when it starts.
    """

    script: str
    options: Callable[[Path], list[object]]
    before: Callable[[Path], object] = lambda place: None

    def run(self, place: Path, work: Path) -> Done:
        return forked(self.script, *self.options(place), cwd=work)


def trials(work: Path) -> dict[str, Trial]:
    """Every kind of output, by what it is."""
    data, few, pipeline = work / "UKBB", work / "few", work / "pipeline"
    arrays = work / "prepared"
    sampled = ["--ecg", few / "ecg", "--pipeline", pipeline, "--samples", 2, "--steps", 1, "--mri", few / "NIFTI"]
    measured = ["--samples", 1, "--steps", 1, "--controls", "shuffled_ecg", "--data", few]

    def training(script: str, *options: object) -> Callable[[Path], list[object]]:
        return lambda place: ["--data", data, "--prepared", arrays, "--output", place / script, *options]

    def evaluating(*options: object) -> Callable[[Path], list[object]]:
        return lambda place: [*measured, "--pipeline", place / "pipeline", "--prepared", place / "arrays", *options]

    def diffusion(place: Path) -> list[object]:
        made = ["--autoencoder", place / "autoencoder", "--segmenter", place / "segmenter"]
        return [*training("diffusion", *TRAIN_DIFFUSION)(place), *made]

    def trained(place: Path) -> None:
        done = forked("train_diffusion", *diffusion(place), cwd=work)
        assert done.code == 0, done.said.decode(errors="replace")[-3000:]
        shutil.rmtree(place / "diffusion" / "pipeline")

    def evaluated(place: Path) -> None:
        shutil.copytree(pipeline, place / "pipeline")

    def with_arrays(place: Path) -> None:
        evaluated(place)
        shutil.copytree(work / "arrays", place / "arrays")

    def sampled_before(place: Path) -> None:
        assert forked("sample", *sampled, "--seed", 1, "--output", place / "out", cwd=work).code == 0

    return {
        "prepared arrays": Trial(
            "train_autoencoder",
            lambda place: ["--data", data, "--prepared", place / "a", "--output", work / "other", *FEW_STEPS],
        ),
        "hearts of sample.py": Trial("sample", lambda place: [*sampled, "--output", place / "out"], sampled_before),
        "phantoms": Trial("make_phantom", lambda p: ["--output", p / "new", "--subjects", 2, "--processes", 1]),
        "the data doctor's table and page": Trial(
            "cohort.report", lambda place: ["--data", few, "--output", place / "report", "--quiet", "--full"]
        ),
        "measurements and report": Trial(
            "evaluate_samples", lambda p: [*evaluating("--split", "all")(p), "--output", p / "report"], with_arrays
        ),
        "calibration": Trial("evaluate_samples", evaluating("--split", "validation", "--calibrate"), with_arrays),
        "autoencoder": Trial("train_autoencoder", training("autoencoder", *FEW_STEPS)),
        "segmenter": Trial("train_segmenter", training("segmenter", *FEW_STEPS)),
        "ceiling": Trial("train_ceiling", training("ceiling", "--pipeline", work / "taught", "--sizes", 8)),
        "a whole training": Trial("train_diffusion", diffusion),
        "the pipeline's folder": Trial("train_diffusion", diffusion, trained),
        "a distilled pipeline": Trial(
            "distil",
            lambda place: [
                *("--data", data, "--prepared", arrays, "--output", place / "student", "--pipeline", work / "taught"),
                *("--steps", 1, "--teacher-steps", 2, "--pairs", 4, "--optimiser-steps", 2, "--hearts-per-batch", 2),
            ],
        ),
    }


def fault_at(
    level: float, trial: Trial, place: Path, work: Path, whole: dict[str, str], size: int, again: bool
) -> tuple[str, int]:
    """What went wrong with room for a share of what a command writes ("" for nothing), and its exit code.

    Args:
        whole: sha256 by path of what the command leaves where there is room. size: its bytes.
        again: whether to give the same command again, with room.
    """
    disk(place, DISK_BYTES)
    try:
        trial.before(place)
        before = sums(place)
        leave(place, int(level * size))
        done = trial.run(place, work)
        said = done.said.decode(errors="replace")
        full, after = refusal(done.code, said, "free", "cannot be written", "needed"), sums(place)
        full = full or refusal(done.code, said, "bytes are needed and", "are free")
        full = full or refusal(done.code, said, "the checkpoints to come need", "are free")
        resize(place, DISK_BYTES)
        if not (full or (done.code == 0 and whole.keys() <= after.keys())):
            return f"code {done.code}: {said[-2000:]}", done.code
        lost = [path for path in before if after.get(path) not in (before[path], whole.get(path))]
        drafts = [path.name for path in place.rglob("*") if LEFT_BEHIND.match(path.name)]
        if lost or drafts:
            return f"lost {lost}, left {drafts}", done.code
        last = trial.run(place, work) if again else done
        if again and (last.code != 0 or not whole.keys() <= sums(place).keys()):
            return f"with room again, code {last.code}: {last.said.decode(errors='replace')[-2000:]}", done.code
        return "", done.code
    finally:
        unmount(place)


def sums(place: Path) -> dict[str, str]:
    """sha256 of what may not be lost on a disk, by path: all but logs and locks."""
    files = (path for path in files_of(place) if not path.name.startswith("."))
    return {
        str(path.relative_to(place)): sha256_of(path)
        for path in files
        if path.suffix != ".jsonl" and path.name != CHECKED
    }


def undisturbed(trial: Trial, place: Path, work: Path) -> tuple[dict[str, str], int]:
    """What a command leaves where there is room, and the bytes it takes."""
    disk(place, DISK_BYTES)
    try:
        trial.before(place)
        before = {path: path.stat().st_mtime_ns for path in files_of(place)}
        done = trial.run(place, work)
        assert done.code == 0, done.said.decode(errors="replace")[-3000:]
        written = [path for path in files_of(place) if before.get(path) != path.stat().st_mtime_ns]
        return sums(place), sum(path.stat().st_size for path in written)
    finally:
        unmount(place)


def taught_pipeline(work: Path) -> None:
    """A training of seconds, whose arrays and pipeline the commands begin with."""
    made = ["--autoencoder", work / "autoencoder", "--segmenter", work / "segmenter"]
    where = ["--data", work / "UKBB", "--prepared", work / "prepared", "--output", work / "run"]
    done = forked("train_diffusion", *where, *TRAIN_DIFFUSION, *made, cwd=work)
    assert done.code == 0, done.said.decode(errors="replace")[-3000:]
    shutil.copytree(work / "run" / "pipeline", work / "taught")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true")
    quick = parser.parse_args().quick
    if not with_own_mounts():
        table_row("B14", "disk full under every writer", "code 2", "no disk can be mounted here", True)
        return 0
    levels, tried, good, refused = QUICK_LEVELS if quick else LEVELS, 0, 0, 0
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        tiny_cohort(work / "UKBB"), tiny_cohort(work / "few", 4)
        tiny_pipeline(work / "pipeline")
        prepare_cohort(work / "few", work / "arrays", Preparation(GridGeometry(**GRID)), quiet=True)
        taught_pipeline(work)
        chosen = {what: trial for what, trial in trials(work).items() if not (quick and what.startswith(SLOW))}
        for number, (what, trial) in enumerate(chosen.items()):
            begun = time.monotonic()
            whole, size = undisturbed(trial, work / f"whole_{number}", work)
            for level in levels:
                place = work / f"full_{number}_{level}"
                fault, code = fault_at(level, trial, place, work, whole, size, not quick)
                print(f"{what}, {level:.0%}: code {code}, {time.monotonic() - begun:.1f} s", file=sys.stderr)
                tried, good, refused = tried + 1, good + (not fault), refused + (code == 2)
                if fault:
                    print(f"{what}, room for {level:.0%} of {size:_} bytes: {fault}", file=sys.stderr)
    what = f"disk full at {len(levels)} levels under {len(chosen)} commands (own tmpfs)"
    target = "code 2 and one line with the bytes, or all is written; nothing is lost; with room again, code 0"
    return 0 if table_row("B14", what, target, f"{good} of {tried}, {refused} refused", good == tried) else 1


if __name__ == "__main__":
    sys.exit(main())
