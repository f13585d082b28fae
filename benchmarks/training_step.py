"""What a training step costs: ours beside a bare diffusers loop, MONAI and denoising-diffusion-pytorch.

    python benchmarks/training_step.py

Every contender works on the same latents of noise in ONE process, round by round alternately, so that whatever else the
machine does hits all alike; ours is `training.diffusion.learn_diffusion` itself, the others run while it waits between
two of its steps. Needs benchmarks/requirements.txt. Writes results/training_step.md and .json.
"""

import copy
import sys
from collections import defaultdict
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import tyro

sys.path.insert(0, str(Path(__file__).parents[1]))  # the repository, wherever the command is given

from cohort.errors import exit_code_of

WHOLE_HEART = 20  # slices: 10 levels, ED and ES
OURS, FLOOR = "ours, the whole step", "matrix products"
BARE = "(a) bare diffusers loop, same UNet"
PEOPLE = 1000  # of the synthetic cohort
NOTE = """Time is the process's CPU time where one thread works, else the wall's; rates follow from it. Operations are
those of products and convolutions, forward and backward. The floor is the rate of large matrix products, measured in
every round (float32 on a CPU, bfloat16 on a GPU); convolutions by faster algorithms can pass it. Ratios: median, least
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
    from benchmarks.table import markdown, write_tables

    torch.set_num_threads(config.threads)
    cuda = torch.cuda.is_available()
    accelerator = Accelerator(cpu=not cuda, mixed_precision="bf16" if cuda else "no")
    machine = described(accelerator.device, "monai", "denoising-diffusion-pytorch")
    tables = {}
    for hearts, slices in zip(config.hearts, config.slices, strict=True):
        load = Load(hearts, slices)
        title = f"{hearts} hearts x {slices} slices, latents {' x '.join(map(str, load.latent))}"
        tables[title] = compare(load, config, accelerator)
        print(f"{title}\n{markdown(tables[title])}", flush=True)
    machine["load_at_end"] = load_average()
    write_tables(config.output, "training_step", machine, tables, NOTE)


def compare(load, config: Config, accelerator) -> list[dict]:
    """One table."""
    from models.unet import PRESETS

    from benchmarks.contenders import OurTraining, diffusers_loop, lucidrains_loop, monai_loop
    from benchmarks.machine import WARMUP
    from benchmarks.synthetic_cohort import CohortSize, synthetic_cohort, write_noise

    preset, on_gpu = PRESETS["nano"], accelerator.device.type == "cuda"
    with TemporaryDirectory() as folder:
        write_noise(Path(folder), CohortSize(PEOPLE))
        cohort, latents = synthetic_cohort(Path(folder), CohortSize(PEOPLE))
        ours, to_count = (OurTraining(cohort, latents, load, preset, accelerator) for _ in range(2))
        unet = ours.module.unet
        bare = {
            BARE: diffusers_loop(copy.deepcopy(unet), load, accelerator),
            "(a) with its slices apart": diffusers_loop(copy.deepcopy(unet), load, accelerator, joined=False),
            "(b) MONAI": monai_loop(load, accelerator, preset.ecg_width),
            "(c) denoising-diffusion-pytorch": lucidrains_loop(load, accelerator),
        }
        gflop = {name: gflop_of(loop.step) for name, loop in bare.items()} | {OURS: gflop_of_ours(to_count)}
        if on_gpu:
            for module in (ours.module, *(loop.module for loop in bare.values())):
                module.compile()
        for loop in bare.values():
            for _ in range(WARMUP):
                loop.step()
        laps, gflop[FLOOR] = measured(ours, bare, config, accelerator.device)
    modules = {OURS: ours.module} | {name: loop.module for name, loop in bare.items()}
    return [_row(name, modules[name], gflop, laps, load, config) for name in modules]


def gflop_of(step: Callable[[], object]) -> float:
    """GFLOP of products and convolutions, forward and backward, that a step does."""
    with ExitStack() as stack:
        counter = _counting(stack)
        step()
    return counter.get_total_flops() / 1e9


def gflop_of_ours(ours) -> float:
    """The same of one step within `learn_diffusion`: its reader's forward pass is counted too."""
    stack, counters = ExitStack(), []

    def begins(step: int) -> None:
        if step == 1:
            counters.append(_counting(stack))
        elif step == 2:
            stack.close()

    ours.run(2, begins)
    return counters[0].get_total_flops() / 1e9


def _counting(stack: ExitStack):
    """A counter that runs until `stack` closes, with attention spelt out: it does not know a CPU's fused kernels."""
    import torch
    from torch.nn.attention import SDPBackend, sdpa_kernel
    from torch.utils.flop_counter import FlopCounterMode

    fast = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    stack.callback(torch.backends.mha.set_fastpath_enabled, fast)
    stack.enter_context(sdpa_kernel(SDPBackend.MATH))
    return stack.enter_context(FlopCounterMode(display=False))


def measured(ours, bare: dict, config: Config, device) -> tuple[dict[str, list], float]:
    """Laps of `config.steps` steps of every contender and of the matrix products, and the GFLOP of a lap of those."""
    from benchmarks.machine import WARMUP, Clock, matrix_products

    multiply, gflop = matrix_products(device)
    clock, laps = Clock(device), defaultdict(list)

    def lap_of(name: str, step: Callable[[], object], times: int) -> None:
        clock.start()
        for _ in range(times):
            step()
        laps[name].append(clock.lap())

    def begins(step: int) -> None:
        rounds, within = divmod(step - WARMUP, config.steps)
        if step < WARMUP or within:
            return
        if rounds:
            laps[OURS].append(clock.lap())
        if rounds < config.rounds:
            for name, loop in bare.items():
                lap_of(name, loop.step, config.steps)
            lap_of(FLOOR, multiply, 1)
            clock.start()

    ours.run(WARMUP + config.rounds * config.steps, begins)
    return laps, gflop


def _row(name: str, module, gflop: dict[str, float], laps: dict[str, list], load, config: Config) -> dict:
    """A contender's line: medians over rounds, ratios taken within each round."""
    from benchmarks.contenders import parameters
    from benchmarks.machine import seconds_of

    device = next(module.parameters()).device
    seconds, bare = ([seconds_of(lap, device) / config.steps for lap in laps[which]] for which in (name, BARE))
    floor = [gflop[FLOOR] / seconds_of(lap, device) for lap in laps[FLOOR]]  # GF/s
    ratios = sorted(mine / theirs for mine, theirs in zip(seconds, bare, strict=True))
    step = median(seconds)
    return {
        "step": name,
        "parameters, M": round(parameters(module) / 1e6, 2),
        "ms a step": 1e3 * step,
        "wall ms a step": 1e3 * median(lap.wall_s / config.steps for lap in laps[name]),
        "slices/s": load.images / step,
        f"hearts of {WHOLE_HEART} slices/s": load.images / step / WHOLE_HEART,
        "GFLOP a heart": gflop[name] / load.images * WHOLE_HEART,
        "GF/s": gflop[name] / step,
        "of the floor": median(gflop[name] / s / f for s, f in zip(seconds, floor, strict=True)),
        "ratio to (a)": f"{median(ratios):.3f} ({ratios[0]:.3f} to {ratios[-1]:.3f})",
    }


if __name__ == "__main__":
    sys.exit(exit_code_of(main))
