"""How training's step time and memory grow: with people, slices, phases, image size, batch, processes.

    python benchmarks/growth.py

Every point is a fresh process that trains a few steps of the nano preset on a cohort of noise on disk (up to 5.3 GB in
a temporary folder, one cohort at a time). Writes results/growth.md, .json and .png.
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

from cohort.errors import exit_code_of

POINT = Path(__file__).with_name("growth_point.py")
CURVES = {
    "people": (1_000, 10_000, 100_000),
    "slices": (1, 2, 5, 10, 20),
    "phases": (2, 10, 25, 50),
    "side": (8, 12, 16, 24, 32),
    "hearts": (4, 8, 16, 32, 64),
    "processes": (1, 2),
}
NOTE = """Slope of the logarithm of time (of peak memory beyond the imported packages) over that of the size, with its
standard error: 0 does not grow, 1 grows in proportion. On one thread time is CPU time. What a curve does not change:
1,000 people, 8 hearts of 3 slices a step, 2 phases, latents of 12 x 12, one process."""
NAMES = {
    "people": "people in the cohort",
    "slices": "slices drawn of a heart",
    "phases": "phases of a heart",
    "side": "side of a latent, cells",
    "hearts": "hearts a step",
    "processes": "processes, each its own hearts",
}


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

    from benchmarks.machine import described, load_average
    from benchmarks.table import markdown, write_tables

    torch.set_num_threads(config.threads)
    machine = described(torch.device("cuda" if torch.cuda.is_available() else "cpu"))
    points = list(measured(config))
    rows = [summary(curve, [p for p in points if p["curve"] == curve]) for curve in config.curves]
    machine["load_at_end"] = load_average()
    print(markdown(rows))
    write_tables(config.output, "growth", machine, {"Growth of a training step": rows}, NOTE, {"points": points})
    draw(config.output / "growth.png", points, rows)


def measured(config: Config) -> Iterator[dict]:
    """Every point of every curve, `repeats` times; points of one cohort share its files."""
    for _ in range(config.repeats):
        for curve in config.curves:
            for value in CURVES[curve]:
                setting = replace(Setting(), **{curve: value})
                point = {"curve": curve, "value": value, **run_point(setting, config)}
                print(json.dumps(point), flush=True)
                yield point


def run_point(setting: Setting, config: Config) -> dict[str, float]:
    """Write the cohort, train a few steps in a fresh process (or several), read what the first one says."""
    from benchmarks.growth_point import STRIP_S
    from benchmarks.synthetic_cohort import CohortSize, write_noise

    launcher = ["-m", "torch.distributed.run", "--standalone", "--nproc_per_node", str(setting.processes)]
    options = {name: getattr(setting, name) for name in ("people", "phases", "side", "hearts", "slices")}
    options |= {"steps": config.steps, "threads": config.threads}
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


def summary(curve: str, points: list[dict]) -> dict:
    """A curve's line: its ends, and the exponents of time and memory with their standard errors."""
    from benchmarks.scaling import exponent

    sizes = [point["value"] for point in points]
    first, last = (next(p for p in points if p["value"] == edge(sizes)) for edge in (min, max))
    exponents = {
        name: exponent(sizes, [cost(p) for p in points]) for name, cost in (("time", time_ms), ("memory", training_mb))
    }
    return {
        "grows": NAMES[curve],
        "from": first["value"],
        "to": last["value"],
        "ms a step, from": time_ms(first),
        "ms a step, to": time_ms(last),
        **{f"exponent of {name}": told(*found) for name, found in exponents.items()},
        "MB, from": training_mb(first),
        "MB, to": training_mb(last),
    }


def told(slope: float, error: float) -> str:
    """An exponent with its standard error; two points have none."""
    return f"{slope:.2f} ± {error:.2f}" if error == error else f"{slope:.2f}"


def time_ms(point: dict) -> float:
    """Of a step: CPU time on one thread, which a busy machine hardly changes, else the wall's."""
    return point["ms"]


def training_mb(point: dict) -> float:
    """Peak memory beyond what the imported packages take."""
    return point["peak_mb"] - point["imports_mb"]


def draw(path: Path, points: list[dict], rows: list[dict]) -> None:
    """Time above, memory below, one column a curve."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(2, len(rows), figsize=(2.6 * len(rows), 4.6), squeeze=False)
    by_name = {row["grows"]: row for row in rows}
    for column, curve in enumerate(dict.fromkeys(point["curve"] for point in points)):
        mine = [point for point in points if point["curve"] == curve]
        lines = (("time", time_ms, "ms a step"), ("memory", training_mb, "peak MB beyond imports"))
        for line, (name, cost, label) in enumerate(lines):
            axis = axes[line, column]
            axis.loglog([p["value"] for p in mine], [cost(p) for p in mine], "o", markersize=4, color="black")
            axis.set_title(f"exponent {by_name[NAMES[curve]][f'exponent of {name}']}", fontsize=9)
            axis.set_xlabel(NAMES[curve], fontsize=8)
            low, high = axis.get_ylim()
            axis.set_ylim(min(low, high / 10), max(high, low * 10))  # what does not grow looks flat
            sizes = sorted({p["value"] for p in mine})
            axis.set_xticks(sizes, [f"{size:_}" for size in sizes])
            axis.set_xticks([], minor=True)
            axis.yaxis.set_minor_formatter("")
            axis.tick_params(labelsize=7)
            if column == 0:
                axis.set_ylabel(label, fontsize=8)
    figure.tight_layout()
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}")
    figure.savefig(partial, dpi=80, format="png")
    partial.replace(path)


if __name__ == "__main__":
    sys.exit(exit_code_of(main))
