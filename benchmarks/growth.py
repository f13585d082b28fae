"""How training's step time and memory grow: with people, slices, phases, image size, batch, processes.

    python benchmarks/growth.py

Every point is a fresh process that trains a few steps of the nano preset on a cohort of noise on disk. One cohort at a
time lies in a temporary folder, of up to 5.3 GB. Writes results/growth.md, .json and .png.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

import tyro

sys.path.insert(0, str(Path(__file__).parents[1]))  # the repository, wherever the command is given

from benchmarks.synthetic_cohort import CohortSize, write_noise
from cohort.disk import whole_file
from cohort.errors import exit_code_of

POINT = Path(__file__).with_name("growth_point.py")
STRIP_S = 5.0  # half an ECG: 100,000 whole ones would fill 6 GB
CURVES = {
    "people": (1_000, 10_000, 100_000),
    "slices": (1, 2, 5, 10, 20),
    "phases": (2, 10, 25, 50),
    "side": (8, 12, 16, 24, 32),
    "hearts": (4, 8, 16, 32, 64),
    "processes": (1, 2),
}
NOTE = """An exponent is the slope of the logarithm of a cost over that of the size, with its standard error. 0 does not
grow, 1 grows in proportion. The costs are time, and peak memory beyond the imported packages; on one thread time is CPU
time. What a curve does not change: 1,000 people, 8 hearts of 3 slices a step, 2 phases, latents of 12 x 12, one
process."""


@dataclass(frozen=True)
class Config:
    """Measure curves of growth."""

    curves: tuple[str, ...] = tuple(CURVES)
    repeats: int = 2
    """Of every curve, one after the other; all enter the fit."""
    steps: int = 5
    threads: int = 1
    """Per process."""
    output: Path = Path(__file__).parent / "results"


@dataclass(frozen=True)
class Setting:
    """What one point is made of; a curve changes one number."""

    people: int = 1_000
    phases: int = 2
    side: int = 12
    hearts: int = 8
    slices: int = 3
    processes: int = 1


def main() -> None:
    config = tyro.cli(Config, description=__doc__)
    import torch

    from benchmarks.growth_curve import picture, summary
    from benchmarks.machine import described, load_average
    from benchmarks.table import markdown, write_tables

    torch.set_num_threads(config.threads)
    machine = described(torch.device("cuda" if torch.cuda.is_available() else "cpu"))
    points = list(measured(config))
    by_curve = {curve: [point for point in points if point["curve"] == curve] for curve in config.curves}
    rows = [summary(curve, mine) for curve, mine in by_curve.items()]
    machine["load_at_end"] = load_average()
    print(markdown(rows))
    write_tables(config.output, "growth", machine, {"Growth of a training step": rows}, NOTE, {"points": points})
    with whole_file(config.output / "growth.png") as unfinished:
        unfinished.write_bytes(picture(by_curve, rows))


def measured(config: Config) -> Iterator[dict]:
    """Every point of every curve, `repeats` times."""
    for _ in range(config.repeats):
        for curve in config.curves:
            for value in CURVES[curve]:
                setting = replace(Setting(), **{curve: value})
                point = {"curve": curve, "value": value, **run_point(setting, config)}
                print(json.dumps(point), flush=True)
                yield point


def run_point(setting: Setting, config: Config) -> dict[str, float]:
    """Write the cohort, train a few steps in a fresh process (or several), read what the first one says."""
    launcher = ["-m", "torch.distributed.run", "--standalone", "--nproc_per_node", str(setting.processes)]
    options = {name: getattr(setting, name) for name in ("people", "phases", "side", "hearts", "slices")}
    options |= {"strip-s": STRIP_S, "steps": config.steps, "threads": config.threads}
    environment = {**os.environ, "OMP_NUM_THREADS": str(config.threads), "OMP_WAIT_POLICY": "PASSIVE"}
    if setting.processes > 1:
        environment["ACCELERATE_USE_CPU"] = "1"
    with TemporaryDirectory() as folder:
        write_noise(Path(folder), CohortSize(setting.people, setting.phases, setting.side, strip_s=STRIP_S))
        options["cohort"] = folder
        words = [word for name, value in options.items() for word in (f"--{name}", str(value))]
        command = [sys.executable, *(launcher if setting.processes > 1 else []), str(POINT), *words]
        done = subprocess.run(command, env=environment, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{setting}: {done.stderr[-2000:]}")
    return json.loads(done.stdout.splitlines()[-1])


if __name__ == "__main__":
    sys.exit(exit_code_of(main))
