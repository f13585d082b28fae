"""Row B13: two commands of other options write into one place at once, and what is left is of one of them.

    python tests/torture/two_writers.py            # 50 rounds of every kind
    python tests/torture/two_writers.py --quick    # one round of the quickest kinds

The second command starts a moment after the first one. It may wait, or be refused with exit code 2 and one line. What
lies there afterwards must be, file by file, what one of the two commands leaves when it runs alone.
"""

import argparse
import json
import random
import re
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from cohort.disk import sha256_of
from cohort.heart_grid import GridGeometry
from cohort.prepared import Preparation, prepare_cohort
from tests.torture.tiny import FEW_STEPS, GRID, begun, files_of, forked, table_row, tiny_cohort, tiny_pipeline

LATEST_S = 0.6  # after the first command, the second begins
CHANGING = (
    "environment.json",
    "metrics.jsonl",
    "prepared.json",
    "checked.npy",
    "index.html",
)  # times, or the disk's own numbers
SLOW = ("reports",)
MADE_THEN = {"seconds": None, "date": None, "command": None}  # of a report


@dataclass(frozen=True)
class Pair:
    """Two commands that write into one folder.

    Attributes:
        options: of the command with a seed, given the folder.
        before: what lies in the folder when they start.
        left: what is compared, by name.
    """

    script: str
    options: Callable[[Path, int], list[object]]
    before: Callable[[Path], object] = lambda place: place.mkdir()
    left: Callable[[Path], dict[str, object]] = lambda place: sums(place)


def sums(place: Path) -> dict[str, object]:
    """sha256 of every file by path, but for hidden ones and those that hold times."""
    paths = [path.relative_to(place) for path in files_of(place) if path.name not in CHANGING]
    seen = [path for path in paths if not any(part.startswith(".") for part in path.parts)]
    return {str(path): sha256_of(place / path) for path in seen}


def report(place: Path) -> dict[str, object]:
    """The numbers of a report and the page beside it, without how long they took."""
    content = json.loads((place / "report" / "report.json").read_text())
    page = (place / "report" / "report.html").read_text()
    return {"numbers": content | MADE_THEN, "page": re.sub(r"<dt>(date|command)</dt><dd>.*?</dd>", "", page)}


def pairs(work: Path) -> dict[str, Pair]:
    """Every kind of output that two commands may want."""
    few, pipeline = work / "few", work / "pipeline"
    measured = ["--data", few, "--prepared", work / "arrays", "--samples", 1, "--steps", 1]
    made = ["--ecg", few / "ecg", "--pipeline", pipeline, "--samples", 2, "--steps", 1, "--mri", few / "NIFTI"]

    def with_pipeline(place: Path) -> None:
        place.mkdir()
        shutil.copytree(pipeline, place / "pipeline")

    return {
        "hearts": Pair("sample", lambda place, seed: [*made, "--output", place, "--seed", seed]),
        "phantoms": Pair(
            "make_phantom",
            lambda place, seed: ["--output", place, "--subjects", 2, "--seed", seed, "--processes", 1],
        ),
        "trainings": Pair(
            "train_autoencoder",
            lambda place, seed: [
                *("--data", few, "--prepared", work / "arrays", "--output", place, "--seed", seed, *FEW_STEPS)
            ],
        ),
        "prepared arrays": Pair(
            "train_autoencoder",
            lambda place, seed: [
                *("--data", few, "--prepared", place, "--output", f"{place}-{seed}-{time.time_ns()}", *FEW_STEPS)
            ],
        ),
        "calibrations": Pair(
            "evaluate_samples",
            lambda place, seed: [
                *(*measured, "--pipeline", place / "pipeline", "--seed", seed, "--calibrate", "--split", "validation")
            ],
            with_pipeline,
        ),
        "reports": Pair(
            "evaluate_samples",
            lambda place, seed: [
                *(*measured, "--pipeline", pipeline, "--seed", seed, "--output", place / "report"),
                *("--controls", "shuffled_ecg", "--split", "all"),
            ],
            left=report,
        ),
    }


def alone(pair: Pair, place: Path, seed: int, work: Path) -> dict[str, object]:
    """What one of the two leaves when nobody else writes."""
    pair.before(place)
    done = forked(pair.script, *pair.options(place, seed), cwd=work)
    assert done.code == 0, done.said.decode(errors="replace")[-3000:]
    return pair.left(place)


def fault_of(pair: Pair, place: Path, work: Path, expected: list[dict[str, object]], wait_s: float) -> tuple[str, int]:
    """What went wrong in a round ("" for nothing), and how many were refused."""
    pair.before(place)
    running = []
    for seed in (0, 1):
        running.append(begun(pair.script, *pair.options(place, seed), cwd=work))
        time.sleep(wait_s * (seed == 0))
    ended = [one.ended() for one in running]
    said = [done.said.decode(errors="replace") for done in ended]
    refused = [done.code == 2 for done in ended]
    for done, words in zip(ended, said, strict=True):
        told = [line for line in words.splitlines() if line.startswith("error: ")]
        if done.code not in (0, 2) or "Traceback" in words or len(told) != (done.code == 2):
            return f"code {done.code}: {words[-1500:]}", sum(refused)
    if all(refused):
        return f"both were refused: {said}", 2
    left = pair.left(place)
    if left not in expected:
        apart = [{name for name in left.keys() | one.keys() if left.get(name) != one.get(name)} for one in expected]
        return f"is neither the one's nor the other's: {sorted(min(apart, key=len))[:5]}; {said}", sum(refused)
    if sum(refused) == 1 and left != expected[refused.index(False)]:
        return "is what the refused one would have left", 1
    return "", sum(refused)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true")
    quick = parser.parse_args().quick
    rounds, met, chance = 1 if quick else 50, True, random.Random(0)
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        tiny_cohort(work / "few", 3)
        tiny_pipeline(work / "pipeline")
        prepare_cohort(work / "few", work / "arrays", Preparation(GridGeometry(**GRID)), quiet=True)
        for what, pair in pairs(work).items():
            if quick and what.startswith(SLOW):
                continue
            expected = [alone(pair, work / f"{what}_alone_{seed}", seed, work) for seed in (0, 1)]
            good = refusals = 0
            for number in range(rounds):
                wait_s = LATEST_S * chance.random() * (number % 3 > 0)  # a third of them start together
                fault, refused = fault_of(pair, work / f"{what}_{number}", work, expected, wait_s)
                good, refusals = good + (not fault), refusals + refused
                if fault:
                    print(f"two {what}, {wait_s:.2f} s apart: {fault}", file=sys.stderr)
            reached = f"{rounds - good} of {rounds} mixed or failed, {refusals} refused"
            met &= table_row("B13", f"two {what} into one place", "0 mixed; refused or waited", reached, good == rounds)
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main())
