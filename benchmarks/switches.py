"""What each switch of a training step is worth on this machine: one changed at a time, all in one run, in turns.

    python benchmarks/switches.py

The step is the bare loop of training_step.py around our UNet. Writes results/switches.md and .json.
"""

import sys
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import tyro

sys.path.insert(0, str(Path(__file__).parents[1]))  # the repository, wherever the command is given

from cohort.errors import exit_code_of


@dataclass(frozen=True)
class Config:
    """Turn one switch at a time."""

    rounds: int = 7
    steps: int = 2
    hearts: int = 20
    slices: int = 3
    threads: int = 1
    """Of a CPU."""
    compile: bool = False
    """Try torch.compile on a CPU as well, where it takes minutes to compile."""
    output: Path = Path(__file__).parent / "results"


def main() -> None:
    config = tyro.cli(Config, description=__doc__)
    import torch
    from accelerate import Accelerator

    from benchmarks.contenders import Load
    from benchmarks.machine import alternated, described, load_average
    from benchmarks.switched_loops import PLAIN, switched_loops
    from benchmarks.table import markdown, write_tables

    torch.set_num_threads(config.threads)
    accelerator = Accelerator(cpu=not torch.cuda.is_available(), mixed_precision="no")
    device = accelerator.device
    machine = described(device)
    loops = switched_loops(Load(config.hearts, config.slices), accelerator, config.compile or device.type == "cuda")
    steps = {name: loop.step for name, loop in loops.items()}
    seconds = alternated(steps, config.rounds, config.steps, device)
    rows = [row_of(name, mine, seconds[PLAIN]) for name, mine in seconds.items()]
    machine["load_at_end"] = load_average()
    print(markdown(rows))
    title = f"{config.hearts} hearts x {config.slices} slices, {device.type}"
    write_tables(config.output, "switches", machine, {title: rows})


def row_of(name: str, seconds: list[float], plain: list[float]) -> dict:
    """A switch's line: its seconds a step beside those of the plain loop, round by round."""
    ratios = sorted(mine / theirs for mine, theirs in zip(seconds, plain, strict=True))
    return {
        "switch": name,
        "ms a step": 1e3 * median(seconds),
        "ratio": f"{median(ratios):.3f} ({ratios[0]:.3f} to {ratios[-1]:.3f})",
    }


if __name__ == "__main__":
    sys.exit(exit_code_of(main))
