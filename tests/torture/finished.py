"""Row B11: every command once more after it has finished. No file changes, by sha256 and by time.

python tests/torture/finished.py            # each as a process of its own
python tests/torture/finished.py --quick    # in forks of this warm process

First a whole study is made: pipeline, better ceiling, student, hearts, calibration, report. Then come the same commands
again, in another order. At the end a longer training must set the pipeline aside with all that was added to it.
"""

import argparse
import importlib
import sys
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from cohort.disk import PARTIAL, sha256_of
from cohort.stored_arrays import CHECKED
from tests.torture.tiny import FEW_STEPS, ROOT, TRAIN_DIFFUSION, Done, command, files_of, forked, table_row, tiny_cohort

DRAWS = ("--samples", 2, "--steps", 1)
PIPELINE = ("--pipeline", "runs/diffusion/pipeline")
MEASURE = (*PIPELINE, "--data", "unseen", "--training-data", "UKBB", *DRAWS)
STUDENT = ("--pairs", 4, "--optimiser-steps", 2, "--hearts-per-batch", 2, "--teacher-steps", 3)
COMMANDS = {
    "train_autoencoder": ("--data", "UKBB", *FEW_STEPS),
    "train_segmenter": ("--data", "UKBB", *FEW_STEPS),
    "train_diffusion": ("--data", "UKBB", *TRAIN_DIFFUSION),
    "train_ceiling": ("--data", "UKBB", *PIPELINE, "--sizes", 8),
    "evaluate_samples --calibrate": (*PIPELINE, "--data", "UKBB", "--split", "validation", "--calibrate", *DRAWS),
    "evaluate_samples": MEASURE,
    "distil": ("--data", "UKBB", *STUDENT),
    "sample": (*PIPELINE, "--ecg", "unseen/ecg", "--output", "out", *DRAWS),
    "make_phantom": ("--output", "phantom", "--subjects", 2, "--processes", 1),
    "cohort.report": ("--data", "UKBB", "--quiet", "--full"),
}
SLOW = ("evaluate_samples", "distil", "make_phantom", "cohort.report")  # left out of the quick form
ADDED = ("calibration.json", "ceiling/learning_curve.json", "README.md")  # to a pipeline, after its training
SAYS_SO = ("train_autoencoder", "train_segmenter", "train_diffusion", "train_ceiling", "evaluate_samples", "distil")


def few_steps() -> None:
    """A learning curve of two steps a point, as the shortest is 400 else, and a calibration of two people.

    And 2 codes of each person tell the prior's spread, in place of 8.
    """
    stages = importlib.import_module("training.stages")
    stages.measured_spread = partial(stages.measured_spread, codes=2)
    module = importlib.import_module("training.learning_curve")
    module.STEPS_FLOOR, module.EPOCHS = 2, 0
    importlib.import_module("evaluation.opening").FEWEST_PEOPLE = 1


def started(name: str, words: tuple, place: Path, quick: bool) -> Done:
    """One command, in its own process or in a fork."""
    script, *options = name.split()
    if script == "train_ceiling" or "--calibrate" in options:  # with few people and steps: in a fork only
        return forked(script, *words, cwd=place, before=few_steps)
    if script == "cohort.report":
        return command(sys.executable, "-m", script, *words, cwd=place)
    if quick:
        return forked(script, *words, cwd=place, before=few_steps)
    return command(sys.executable, ROOT / f"{script}.py", *words, cwd=place)


def state_of(place: Path) -> dict[str, tuple[str, int]]:
    """sha256 and time of every file, lock files included, but for the memory of checks (cohort.content).

    That memory takes in a file some seconds after it was written, so that an early second look adds to it.
    """
    files = [path for path in files_of(place) if path.name != CHECKED and not path.name.startswith(".content-")]
    return {path.relative_to(place).as_posix(): (sha256_of(path), path.stat().st_mtime_ns) for path in files}


def fault_of(place: Path, name: str, run: Callable[[], Done]) -> str:
    """What a finished command did that it must not do; empty if nothing."""
    before = state_of(place)
    done = run()
    after = state_of(place)
    changed = sorted(path for path in before.keys() | after.keys() if before.get(path) != after.get(path))
    if done.code:
        return f"{name}: code {done.code}: {done.said.decode(errors='replace')[-800:]}"
    if changed:
        return f"{name}: changed {', '.join(changed[:4])}"
    if name in SAYS_SO and b"finished: " not in done.said:
        return f"{name}: does not say that it is finished"
    return ""


def longer_training(place: Path, quick: bool) -> str:
    """What goes wrong when the pipeline is trained for three steps instead of two; empty if nothing."""
    pipeline, aside = (place / "runs" / "diffusion" / name for name in ("pipeline", "pipeline-earlier-1"))
    before = {name: sha256_of(pipeline / name) for name in ADDED}
    done = started("train_diffusion", ("--data", "UKBB", *TRAIN_DIFFUSION, "--steps", 3), place, quick)
    said = done.said.decode(errors="replace")
    if done.code:
        return f"a longer training: code {done.code}: {said[-800:]}"
    kept = {name: sha256_of(aside / name) if (aside / name).is_file() else "" for name in ADDED}
    told = sum(line.endswith("pipeline-earlier-1") for line in said.splitlines())
    return "" if kept == before and told == 1 else f"a longer training: kept {kept}, told {told} times"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true")
    quick = parser.parse_args().quick
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        tiny_cohort(place / "UKBB")
        tiny_cohort(place / "unseen", 4, seed=4)
        commands = {name: words for name, words in COMMANDS.items() if not (quick and name in SLOW)}
        for name, words in commands.items():
            done = started(name, words, place, quick)
            if done.code:
                print(name, done.code, done.said.decode(errors="replace"), file=sys.stderr)
                return 1
        lost = [name for name in ADDED if not (place / "runs" / "diffusion" / "pipeline" / name).is_file()]
        again = reversed(commands.items())
        faults = [fault_of(place, name, lambda n=name, w=words: started(n, w, place, quick)) for name, words in again]
        faults = [*filter(None, faults), *(f"{name} was never there" for name in lost)]
        longer = longer_training(place, quick)
        halves = [path.name for path in place.rglob(f"{PARTIAL}*")]
    for fault in filter(None, (*faults, longer, *halves)):
        print(fault, file=sys.stderr)
    count = len(commands)
    reached = f"{count - len(faults)} of {count} change nothing"
    met = table_row(
        "B11", f"{count} finished commands again", "no file changes, by sha256 and time", reached, not faults
    )
    kept = "set aside with them, one line" if not longer else "not so"
    met &= table_row("B11", "a longer training of that pipeline", "what was added is set aside", kept, not longer)
    return 0 if met and not halves else 1


if __name__ == "__main__":
    sys.exit(main())
