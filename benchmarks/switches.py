"""What each switch of a training step is worth on this machine: one changed at a time, all in one run, alternately.

    python benchmarks/switches.py

The step is the bare loop of training_step.py around our UNet. Writes results/switches.md and .json.
"""

import copy
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import tyro

sys.path.insert(0, str(Path(__file__).parents[1]))  # the repository, wherever the command is given

from cohort.errors import exit_code_of

PLAIN = "as training has it"
TOLD = 165  # numbers a heart's slices are told alike: about what training tells


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

    from benchmarks.machine import alternated, described, load_average
    from benchmarks.table import markdown, write_tables

    torch.set_num_threads(config.threads)
    accelerator = Accelerator(cpu=not torch.cuda.is_available(), mixed_precision="no")
    machine = described(accelerator.device)
    seconds = alternated(steps_of(config, accelerator), config.rounds, config.steps, accelerator.device)
    rows = [_row(name, seconds) for name in seconds]
    machine["load_at_end"] = load_average()
    print(markdown(rows))
    title = f"{config.hearts} hearts x {config.slices} slices, {accelerator.device.type}"
    write_tables(config.output, "switches", machine, {title: rows})


def steps_of(config: Config, accelerator) -> dict[str, Callable[[], object]]:
    """The step as training has it, and with one thing changed."""
    import torch
    from models.unet import PRESETS, build_unet

    from benchmarks.contenders import Load, diffusers_loop

    load, device = Load(config.hearts, config.slices), accelerator.device
    torch.manual_seed(0)
    unet = build_unet(PRESETS["nano"], load.latent[0], load.latent[1:], TOLD)

    def loop(**switches):
        return diffusers_loop(copy.deepcopy(unet), load, accelerator, **switches)

    def half_precision(loop):
        """As Accelerate does it: the forward pass alone."""
        loop.module.forward = torch.autocast(device.type, torch.bfloat16)(loop.module.forward)
        return loop

    def channels_last(loop):
        loop.module.to(memory_format=torch.channels_last)
        return loop

    loops = {
        PLAIN: loop(),
        "channels_last": channels_last(loop()),
        "AdamW tensor by tensor": loop(fused=False),
        "EMA tensor by tensor": loop(foreach=False),
        "bf16": half_precision(loop()),
        "bf16 and channels_last": half_precision(channels_last(loop())),
    }
    if config.compile or device.type == "cuda":
        loops["torch.compile"] = loop()
        loops["torch.compile"].module.compile()
    return {name: loop.step for name, loop in loops.items()}


def _row(name: str, seconds: dict[str, list[float]]) -> dict:
    ratios = sorted(mine / plain for mine, plain in zip(seconds[name], seconds[PLAIN], strict=True))
    return {
        "switch": name,
        "ms a step": 1e3 * median(seconds[name]),
        "ratio": f"{median(ratios):.3f} ({ratios[0]:.3f} to {ratios[-1]:.3f})",
    }


if __name__ == "__main__":
    sys.exit(exit_code_of(main))
