"""Row B1: kill -9 at random instants; the same command resumes the run, which must end in the same bits.

    python tests/torture/kills.py            # 100 runs of one process, 24 + 6 of two, 3 of train_diffusion.py
    python tests/torture/kills.py --quick    # 4, 1 and none

Half the kills are aimed inside a save. To save time, runs are forked from this warm process. Those of two processes
get the environment that torchrun gives, and torchrun itself starts six of them.
"""

import argparse
import hashlib
import random
import shutil
import sys
import tempfile
import time
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from _tiny_training import ROOT, Started, fork, half_written, launch, launch_script, left_by, row, saved, wait_for

GRID = ["slices=3", "phases=2", "height=32", "width=32", "slice-step-mm=30", "pixel-mm=5.4"]
STAGES = ("autoencoder", "segmenter", "ceiling", "condition", "prior")


@dataclass
class Count:
    """What the kills led to."""

    runs: int = 0
    equal: int = 0
    in_a_save: int = 0
    wrong: list[str] = field(default_factory=list)


def killed_somewhere(start, folder: Path, seconds: float, in_a_save: bool, chance: random.Random) -> bool | None:
    """Start a training and kill all its processes; returns whether a save was torn, None if it ended first.

    Args:
        seconds: how long a whole training takes from its first checkpoint to its end.
    """
    started: Started = start(folder)
    wait_for(lambda: (folder / "config.json").exists() or started.code(0) is not None)
    time.sleep(chance.uniform(0, seconds))
    if in_a_save:
        started.alive()  # so that the kill need not look for them
        wait_for(lambda: half_written(folder) or started.code(0) is not None)
        time.sleep(chance.uniform(0, 0.015))
    finished = started.code(0) is not None
    started.kill()
    wait_for(lambda: not started.alive())
    return None if finished else half_written(folder)


def torture(start, place: Path, runs: int, chance: random.Random) -> Count:
    """Kill and resume `runs` trainings and compare each with one that was left alone."""
    whole = place / "whole"
    begun = time.monotonic()
    started = start(whole)
    wait_for(lambda: saved(whole))
    after_start = time.monotonic() - begun
    assert started.code() == 0, started.said()
    seconds, expected, count = time.monotonic() - begun - after_start, left_by(whole), Count()
    while count.runs < runs:
        folder = place / f"run_{count.runs}"
        torn = killed_somewhere(start, folder, seconds, count.in_a_save * 2 <= count.runs, chance)
        if torn is None:  # the instant was after its end: draw another
            seconds *= 0.9
        else:
            count.runs += 1
            count.in_a_save += torn
            again = start(folder)
            same = again.code() == 0 and left_by(folder) == expected
            count.equal += same
            if not same:
                count.wrong.append(again.said()[-2000:])
        shutil.rmtree(folder)
    return count


def weights_and_metrics(folder: Path) -> dict[str, str]:
    """sha256 of all weights of the pipeline and of every stage's metrics."""
    files = [*folder.rglob("pipeline/**/*.safetensors"), *folder.rglob("metrics.jsonl")]
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(files)}


def torture_diffusion(place: Path, runs: int, chance: random.Random) -> Count:
    """The same with train_diffusion.py itself on a phantom cohort, from reading it to the pipeline."""
    data = place / "UKBB"
    phantom = launch_script(place / "phantom", 1, ROOT / "make_phantom.py", "--output", data, "--subjects", 24)
    assert phantom.code() == 0, phantom.said()
    options = ["--preset", "nano", "--steps", "24", "--hearts-per-batch", "4", "--checkpoint-every", "6"]
    options += [f"--stage-steps.{stage}=12" for stage in STAGES] + [f"--geometry.{value}" for value in GRID]

    def start(folder: Path) -> Started:
        places = ["--output", folder / "run", "--autoencoder", folder / "autoencoder", "--segmenter", folder / "seg"]
        places += ["--data", data, "--prepared", folder / "prepared"]
        return launch_script(folder, 1, ROOT / "train_diffusion.py", *places, *options)

    begun = time.monotonic()
    whole = start(place / "whole")
    assert whole.code(1200) == 0, whole.said()
    seconds, expected, count = time.monotonic() - begun, weights_and_metrics(place / "whole"), Count()
    while count.runs < runs:
        folder = place / f"run_{count.runs}"
        folder.mkdir()
        kills = 0
        for _ in range(3):  # three kills on the way
            started = start(folder)
            kills += started.code(chance.uniform(0.2, 0.8) * seconds) is None
            started.kill()
            wait_for(lambda killed=started: not killed.alive())
        count.runs += kills > 0
        again = start(folder)
        code, found = again.code(1200), weights_and_metrics(folder)
        other = sorted(name for name in expected.keys() | found.keys() if expected.get(name) != found.get(name))
        same = code == 0 and not other
        count.equal += kills > 0 and same
        if not same:
            count.wrong.append(f"code {code}, other files: {other}\n{again.said()[-2000:]}")
        shutil.rmtree(folder)
    return count


def report(number: str, what: str, count: Count, half: bool) -> bool:
    """One row; `half`: whether half the kills must have torn a save."""
    for log in count.wrong:
        print(log, file=sys.stderr)
    saves = f", {count.in_a_save} of them torn inside a save" if count.in_a_save else ""
    met = count.equal == count.runs and (not half or 2 * count.in_a_save >= count.runs)
    target = "weights, EMA, optimiser, losses sha256-equal to the uninterrupted run"
    return row(number, f"{count.runs} {what}", target, f"{count.equal} of {count.runs} equal{saves}", met)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--seed", type=int, default=0, help="of the instants")
    parser.add_argument("--runs", type=int, nargs=4, help="of 1 process, of 2, of 2 by torchrun, of train_diffusion.py")
    options = parser.parse_args()
    ones, twos, launched, trainings = options.runs or ((4, 1, 0, 0) if options.quick else (100, 24, 6, 3))
    chance = random.Random(options.seed)
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        met = True
        starts = {
            "1 process": (fork, ones),
            "2 processes": (partial(fork, processes=2), twos),
            "2 processes, by torchrun": (partial(launch, processes=2), launched),
        }
        for number, (kind, (start, runs)) in enumerate(starts.items()):
            if runs:
                (place / str(number)).mkdir()
                count = torture(start, place / str(number), runs, chance)
                met &= report("B1", f"runs of {kind}, killed -9", count, half=not options.quick)
        if trainings:
            (place / "diffusion").mkdir()
            count = torture_diffusion(place / "diffusion", trainings, chance)
            what = "runs of train_diffusion.py on phantoms, each killed -9 up to three times"
            met &= report("B1", what, count, half=False)
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main())
