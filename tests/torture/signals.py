"""Rows B3 and B4: a training asked to stop leaves a checkpoint, and one that loses a process ends. No orphan stays.

python tests/torture/signals.py            # python, accelerate launch, torchrun, and train_diffusion.py itself
python tests/torture/signals.py --quick    # processes forked from this warm one only; a minute to save

Row B12: SIGTERM at random instants of every command, also while it reads the cohort and between a training's stages.
Each time the same command goes on where it was. It ends with 130 and one line, and nothing half-written is left.
"""

import argparse
import importlib
import math
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import chain
from pathlib import Path

import tiny
from _tiny_training import (
    PARTIAL,
    ROOT,
    Started,
    damaged,
    fork,
    half_written,
    launch,
    launch_script,
    row,
    saved,
    wait_for,
)

LONG = 100_000  # steps: no training here ends by itself, and no checkpoint is due
OPTIONS = ["--steps", LONG, "--checkpoint-every", LONG, "--pause", 0.02]
STOP_SECONDS, GONE_SECONDS = 20, 60
QUICK_SECONDS = 60  # instead of STOP_SECONDS: the machine may be busy with other things


@dataclass
class Ending:
    """How a training ended after it was hit."""

    name: str
    code: int | None
    saved_after: float  # seconds until a whole checkpoint was there; infinite if none ever was
    gone_after: float  # seconds until no process was left; infinite if one had to be killed
    said: str

    def told(self, number: str, target: str, good: bool) -> bool:
        """Print its row, and the training's output where a target was missed."""
        left = "orphans" if math.isinf(self.gone_after) else f"all gone after {self.gone_after:.1f} s"
        reached = f"{left}, code {self.code}"
        if number == "B3":
            reached = f"checkpoint after {self.saved_after:.1f} s, {reached}"
        if not good:
            print(self.name, self.said, sep="\n", file=sys.stderr)
        return row(number, self.name, target, reached, good)


def slow(step: int, rank: int) -> float:
    time.sleep(0.02)
    return 1.0


def long_look(folder: Path) -> None:
    """An evaluation that takes longer than a stop is allowed to."""
    (folder / "evaluating").touch()
    time.sleep(2 * GONE_SECONDS)


def fails(step: int, rank: int) -> float:
    if rank == 1 and step == 10:
        raise RuntimeError("this process fails on purpose")
    return slow(step, rank)


def nan(step: int, rank: int) -> float:
    return float("nan") if rank == 1 and step == 10 else slow(step, rank)


def hit_training(name: str, start: Callable, folder: Path, hit: Callable, running: Callable | None = None) -> Ending:
    """Start a training, hit it while it runs, and look at how it ends.

    Args:
        hit: called with what was started.
        running: whether the moment has come; by default when the first metrics are there.
    """
    started = start(folder)
    running = running or (lambda: (folder / "metrics.jsonl").exists())
    wait_for(lambda: running() or started.code(0) is not None, 900)
    members = started.ranks()
    begun = time.monotonic()
    hit(started, members)
    saved_after = math.inf
    while time.monotonic() - begun < 2 * GONE_SECONDS:
        if math.isinf(saved_after) and saved(folder):
            saved_after = time.monotonic() - begun
        if not started.alive():
            break
        time.sleep(0.02)
    gone_after = math.inf if started.alive() else time.monotonic() - begun
    code = started.code(30)
    started.kill()
    whole = saved(folder) and damaged(saved(folder)[-1]) is None
    if whole and math.isinf(saved_after):  # in the same look at which the last process was gone
        saved_after = gone_after
    return Ending(name, code, saved_after if whole else math.inf, gone_after, started.said()[-2000:])


def sends(number: signal.Signals, rank: int | None = None) -> Callable:
    """A hit: this signal to the process that was started, or to one of its children."""

    def hit(started: Started, members: list[int]) -> None:
        os.kill(started.pids[0] if rank is None else members[rank], number)

    return hit


def nothing(started: Started, members: list[int]) -> None:
    """A hit that does nothing: the training fails by itself."""


def stops(place: Path, quick: bool) -> Iterator[tuple[Ending, set]]:
    """All ways to be asked to stop, with the right exit codes."""
    forked = {"steps": LONG, "checkpoint_every": LONG, "at_step": slow}

    def one(folder: Path) -> Started:
        return fork(folder, **forked)

    def two(folder: Path) -> Started:
        return fork(folder, 2, **forked)

    def often(folder: Path) -> Started:
        return fork(folder, steps=LONG)

    def evaluating(folder: Path, processes: int = 1) -> Started:
        return fork(folder, processes, at_evaluation=long_look, **forked, evaluate_every=10)

    cases = [
        ("SIGTERM", one, sends(signal.SIGTERM), {130}),
        ("SIGINT", one, sends(signal.SIGINT), {130}),
        ("SIGHUP", one, sends(signal.SIGHUP), {130}),
        ("SIGTERM inside a save", often, sends(signal.SIGTERM), {130}),
        ("SIGTERM to one of two processes", two, sends(signal.SIGTERM, 1), {130}),
        ("SIGTERM into an evaluation", evaluating, sends(signal.SIGTERM), {130}),
        ("SIGTERM into an evaluation, two processes", lambda f: evaluating(f, 2), sends(signal.SIGTERM, 0), {130}),
    ]
    if not quick:
        accelerate, torchrun = (lambda folder, n=n: launch(folder, n, *OPTIONS) for n in (0, 2))
        cases += [
            ("SIGTERM to accelerate launch", accelerate, sends(signal.SIGTERM), {-signal.SIGTERM}),
            ("SIGINT to accelerate launch", accelerate, sends(signal.SIGINT), {1, 130, -signal.SIGINT}),
            ("kill -9 of accelerate launch", accelerate, sends(signal.SIGKILL), {-signal.SIGKILL}),
            ("SIGTERM to torchrun", torchrun, sends(signal.SIGTERM), {1}),
            ("SIGINT to torchrun", torchrun, sends(signal.SIGINT), {1}),
            ("SIGUSR1 to torchrun", torchrun, sends(signal.SIGUSR1), {-signal.SIGUSR1}),
            ("kill -9 of torchrun", torchrun, sends(signal.SIGKILL), {-signal.SIGKILL}),
            ("SIGTERM to one process of torchrun", torchrun, sends(signal.SIGTERM, 1), {1}),
        ]
    for number, (name, start, hit, codes) in enumerate(cases):
        folder = place / f"stop_{number}"
        running = None
        if "a save" in name:
            running = partial(half_written, folder)
        elif "an evaluation" in name:
            running = (folder / "evaluating").exists
        yield hit_training(name, start, folder, hit, running), codes


def losses(place: Path, quick: bool) -> Iterator[Ending]:
    """All ways to lose a process."""
    forked = {"steps": LONG, "checkpoint_every": LONG}
    cases = [
        ("one of two killed", lambda folder: fork(folder, 2, at_step=slow, **forked), sends(signal.SIGKILL, 1)),
        ("one of two raises", lambda folder: fork(folder, 2, at_step=fails, **forked), nothing),
        ("the loss of one of two is NaN", lambda folder: fork(folder, 2, at_step=nan, **forked), nothing),
    ]
    if not quick:
        for rank in (0, 1):
            cases.append(
                (f"torchrun, process {rank} killed", lambda f: launch(f, 2, *OPTIONS), sends(signal.SIGKILL, rank))
            )
        cases += [
            ("torchrun, process 1 raises", lambda f: launch(f, 2, *OPTIONS, "--raise-at", 10), nothing),
            ("torchrun, NaN in process 1", lambda f: launch(f, 2, *OPTIONS, "--nan-at", 10), nothing),
        ]
    for number, (name, start, hit) in enumerate(cases):
        yield hit_training(name, start, place / f"loss_{number}", hit)


def diffusion_stops(place: Path) -> Iterator[tuple[Ending, set]]:
    """train_diffusion.py, nano at full size: SIGTERM between evaluations, and into an evaluation."""
    data = place / "UKBB"
    phantom = launch_script(place / "phantom", 1, ROOT / "make_phantom.py", "--output", data, "--subjects", 24)
    assert phantom.code() == 0, phantom.said()
    stages = [f"--stage-steps.{stage}=2" for stage in ("autoencoder", "segmenter", "ceiling", "condition", "prior")]
    places = [word for name in ("autoencoder", "segmenter", "prepared") for word in (f"--{name}", place / name)]
    for name, every in (("between evaluations", LONG), ("into an evaluation", 1)):
        output = place / f"every_{every}"

        def start(folder: Path, every: int = every) -> Started:
            options = ["--data", data, "--output", folder, *places, *stages, "--preset", "nano", "--steps", LONG]
            options += ["--evaluate-every", every, "--checkpoint-every", LONG]
            return launch_script(folder, 1, ROOT / "train_diffusion.py", *options)

        yield hit_training(f"SIGTERM to train_diffusion.py, {name}", start, output, sends(signal.SIGTERM)), {130}


# ---- Every command, at any instant ----

BEGUN, STOPPED = "begun", "stopped; the same command continues\n"
PIPELINE = ("--pipeline", "../given/pipeline")
MEASURE = (*PIPELINE, "--data", "../unseen", "--training-data", "../UKBB", "--samples", 2, "--steps", 2)
STUDENT = (*PIPELINE, "--data", "../UKBB", "--pairs", 40, "--optimiser-steps", 4, "--hearts-per-batch", 2)
COMMANDS = {  # those after the first need its pipeline
    "train_diffusion": ("--data", "../UKBB", *tiny.TRAIN_DIFFUSION),
    "sample": (*PIPELINE, "--ecg", "../UKBB/ecg", "--samples", 2, "--steps", 2),
    "evaluate_samples": MEASURE,
    "distil": (*STUDENT, "--teacher-steps", 3),
    "train_autoencoder": ("--data", "../UKBB", *tiny.FEW_STEPS),
    "train_segmenter": ("--data", "../UKBB", *tiny.FEW_STEPS),
    "make_phantom": ("--output", "phantom", "--subjects", 12),
}
IN_QUICK = ("train_diffusion", "sample")


def run_script(folder: Path, script: str, words: tuple) -> None:
    """What a fork does: the script's main in its folder. Once it has said so, it heeds signals."""
    os.chdir(folder)
    sys.argv = [f"{script}.py", *map(str, words)]
    main_of = importlib.import_module(script).main
    print(BEGUN, flush=True)
    main_of()


@dataclass
class Hits:
    """How a command ended that was hit again and again, and was each time started once more."""

    stopped: int = 0
    faults: tuple[str, ...] = ()


def hit_again_and_again(folder: Path, script: str, words: tuple, hits: int, chance: random.Random) -> Hits:
    """Start a command, hit it at a random instant, until it has been stopped `hits` times; then let it end."""
    found, seconds = Hits(), [2.0]

    def start() -> Started:
        log = folder.with_name(f"{folder.name}.log")
        log.write_text("")
        folder.mkdir(exist_ok=True)
        started = fork(folder, log=log, job=run_script, script=script, words=words)
        wait_for(lambda: BEGUN in started.said() or started.code(0) is not None)
        return started

    for _ in range(5 * hits):
        if found.stopped == hits:
            break
        started = start()
        begun = time.monotonic()
        ended = started.code(chance.uniform(0.0, seconds[-1]))
        if ended is None:
            os.kill(started.pids[0], signal.SIGTERM)
            ended = started.code(GONE_SECONDS)
            started.kill()
        if ended == 130:
            found.stopped += 1
        if ended == 0:  # it was quicker
            seconds.append(time.monotonic() - begun)
            shutil.rmtree(folder)
        elif ended != 130 or started.said().count(STOPPED) != 1 or "Traceback" in started.said():
            found.faults += (f"{script}: code {ended}, {started.said()[-800:]}",)
            return found
    started = start()
    code, halves = started.code(600), [path.name for path in folder.rglob(f"{PARTIAL}*")]
    if halves or code != 0:
        found.faults += (f"{script} afterwards: code {code}, {halves} {started.said()[-800:]}",)
    return found


def stops_of_every_command(place: Path, quick: bool, seed: int) -> bool:
    """Row B12; returns whether its target is met."""
    heavy = ("training.pipeline_folder", "training.student", "evaluation.study_report", "evaluation.heart_sampler")
    for module in (*COMMANDS, *heavy):
        importlib.import_module(module)  # the forks need not
    tiny.tiny_cohort(place / "UKBB")
    tiny.tiny_cohort(place / "unseen", 5, seed=4)
    chance, met = random.Random(seed), True
    for script, words in COMMANDS.items():
        if quick and script not in IN_QUICK:
            continue
        hits = 1 if quick else 20
        found = hit_again_and_again(place / script, script, words, hits, chance)
        if script == "train_diffusion" and not found.faults:
            (place / "given").mkdir()
            shutil.copytree(place / script / "runs" / "diffusion" / "pipeline", place / "given" / "pipeline")
        for fault in found.faults:
            print(fault, file=sys.stderr)
        target = "exit code 130, one line, nothing half-written after the end"
        good = found.stopped > 0 and not found.faults
        reached = f"{found.stopped} stops, {len(found.faults)} faults"
        met &= row("B12", f"SIGTERM to {script}.py at random instants", target, reached, good)
    return met


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--seed", type=int, default=0, help="of the instants")
    options = parser.parse_args()
    met, seconds = True, QUICK_SECONDS if options.quick else STOP_SECONDS
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        for e, codes in chain(stops(place, options.quick), () if options.quick else diffusion_stops(place)):
            code = " or ".join(map(str, sorted(codes)))
            target = f"checkpoint within {seconds} s, exit code {code}, no orphan"
            good = e.saved_after <= seconds and math.isfinite(e.gone_after) and e.code in codes
            met &= e.told("B3", target, good)
        for e in losses(place, options.quick):
            good = e.gone_after <= GONE_SECONDS and e.code not in (0, None)
            met &= e.told("B4", f"all gone within {GONE_SECONDS} s, exit code not 0", good)
        (place / "commands").mkdir()
        met &= stops_of_every_command(place / "commands", options.quick, options.seed)
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main())
