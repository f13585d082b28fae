"""What a training step costs: ours beside a bare diffusers loop, MONAI and denoising-diffusion-pytorch.

    python benchmarks/training_step.py

Every contender works on the same latents of noise in ONE process. They take turns, round by round, so that whatever
else the machine does hits all alike. Ours is `training.fit.fit` itself: the others run while it waits between two of
its steps. Needs benchmarks/requirements.txt. Writes results/training_step.md and .json.
"""

import sys
from dataclasses import dataclass
from pathlib import Path

import tyro

sys.path.insert(0, str(Path(__file__).parents[1]))  # the repository, wherever the command is given

from cohort.errors import exit_code_of

NOTE = """Time is the process's CPU time where one thread works, else the wall's; rates follow from it. Operations are
those of products and convolutions, forward and backward. The floor is the rate of large matrix products, measured in
every round: float32 on a CPU, bfloat16 on a GPU. Convolutions by faster algorithms can pass it. Ratios: median, least
and most of the rounds."""


@dataclass(frozen=True)
class Config:
    """Time training steps."""

    rounds: int = 7
    steps: int = 2
    """Of each contender in a round."""
    hearts: tuple[int, ...] = (20, 16)
    """A batch's hearts; one table each."""
    slices: tuple[int, ...] = (3, 20)
    """Of each heart, for the same tables."""
    threads: int = 1
    """Of a CPU."""
    output: Path = Path(__file__).parent / "results"


def main() -> None:
    config = tyro.cli(Config, description=__doc__)
    import torch
    from accelerate import Accelerator

    from benchmarks.contenders import Load
    from benchmarks.machine import described, load_average
    from benchmarks.peers import PEERS
    from benchmarks.step_cost import compare
    from benchmarks.table import markdown, write_tables

    torch.set_num_threads(config.threads)
    cuda = torch.cuda.is_available()
    accelerator = Accelerator(cpu=not cuda, mixed_precision="bf16" if cuda else "no")
    machine = described(accelerator.device, "monai", "denoising-diffusion-pytorch")
    tables = {}
    for hearts, slices in zip(config.hearts, config.slices, strict=True):
        load = Load(hearts, slices)
        title = f"{hearts} hearts x {slices} slices, latents {' x '.join(map(str, load.latent))}"
        tables[title] = compare(load, PEERS, config.rounds, config.steps, accelerator)
        print(f"{title}\n{markdown(tables[title])}", flush=True)
    machine["load_at_end"] = load_average()
    write_tables(config.output, "training_step", machine, tables, NOTE)


if __name__ == "__main__":
    sys.exit(exit_code_of(main))
