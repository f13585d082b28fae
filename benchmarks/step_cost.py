"""Time and operations of our training step and of others', all in one process and in turns."""

import copy
from collections import defaultdict
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import torch
from accelerate import Accelerator
from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.contenders import BareLoop, Load, OurTraining, diffusers_loop, parameters
from benchmarks.machine import WARMUP, Clock, Lap, matrix_products, seconds_of
from benchmarks.synthetic_cohort import CohortSize, synthetic_cohort, write_noise
from models.presets import PRESETS

WHOLE_HEART = 20  # slices: 10 positions, ED and ES
OURS, FLOOR = "ours, the whole step", "matrix products"
BARE, APART = "(a) bare diffusers loop, same UNet", "(a) with its slices apart"
PEOPLE = 1000  # of the synthetic cohort


def compare(
    load: Load,
    peers: dict[str, Callable[[Load, Accelerator], BareLoop]],
    rounds: int,
    steps: int,
    accelerator: Accelerator,
) -> list[dict]:
    """One table: our step, the bare loop and the peers' steps under one load, in the nano preset.

    Args:
        peers: functions that make further loops, by name.
        rounds, steps: of each contender so many steps in each round.
    """
    with TemporaryDirectory() as folder:
        write_noise(Path(folder), CohortSize(PEOPLE))
        cohort, latents = synthetic_cohort(Path(folder), CohortSize(PEOPLE))
        ours, to_count = (OurTraining(cohort, latents, load, PRESETS["nano"], accelerator) for _ in range(2))
        bare = {
            BARE: diffusers_loop(copy.deepcopy(ours.module.unet), load, accelerator),
            APART: diffusers_loop(copy.deepcopy(ours.module.unet), load, accelerator, joined=False),
        } | {name: loop_of(load, accelerator) for name, loop_of in peers.items()}
        gflop = {name: gflop_of(loop.step) for name, loop in bare.items()} | {OURS: gflop_of_ours(to_count)}
        modules = {OURS: ours.module} | {name: loop.module for name, loop in bare.items()}
        if accelerator.device.type == "cuda":
            for module in modules.values():
                module.compile()
        for loop in bare.values():
            for _ in range(WARMUP):
                loop.step()
        laps, gflop[FLOOR] = measured(ours, bare, rounds, steps, accelerator.device)
    return [_row(name, module, gflop, laps, load, steps) for name, module in modules.items()]


# ---- Operations ----


def gflop_of(step: Callable[[], object]) -> float:
    """GFLOP of products and convolutions, forward and backward, that a step does."""
    with ExitStack() as stack:
        counter = _counting(stack)
        step()
    return counter.get_total_flops() / 1e9


def gflop_of_ours(ours: OurTraining) -> float:
    """The same of one step within `fit`: its regressor's forward pass is counted too."""
    stack, counters = ExitStack(), []

    def begins(step: int) -> None:
        if step == 1:
            counters.append(_counting(stack))
        elif step == 2:
            stack.close()

    ours.run(2, begins)
    return counters[0].get_total_flops() / 1e9


def _counting(stack: ExitStack) -> FlopCounterMode:
    """A counter that runs until `stack` closes, with attention spelt out: it does not know a CPU's fused kernels."""
    fast = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    stack.callback(torch.backends.mha.set_fastpath_enabled, fast)
    stack.enter_context(sdpa_kernel(SDPBackend.MATH))
    return stack.enter_context(FlopCounterMode(display=False))


# ---- Time ----


def measured(
    ours: OurTraining, bare: dict[str, BareLoop], rounds: int, steps: int, device: torch.device
) -> tuple[dict[str, list[Lap]], float]:
    """Laps of `steps` steps of every contender and of the matrix products, and the GFLOP of a lap of those."""
    multiply, gflop = matrix_products(device)
    clock, laps = Clock(device), defaultdict(list)

    def lap_of(name: str, step: Callable[[], object], times: int) -> None:
        clock.start()
        for _ in range(times):
            step()
        laps[name].append(clock.lap())

    def begins(step: int) -> None:
        done, within = divmod(step - WARMUP, steps)
        if step < WARMUP or within:
            return
        if done:
            laps[OURS].append(clock.lap())
        if done < rounds:
            for name, loop in bare.items():
                lap_of(name, loop.step, steps)
            lap_of(FLOOR, multiply, 1)
            clock.start()

    ours.run(WARMUP + rounds * steps, begins)
    return laps, gflop


def _row(
    name: str, module: nn.Module, gflop: dict[str, float], laps: dict[str, list[Lap]], load: Load, steps: int
) -> dict:
    """A contender's line: medians over rounds, ratios taken within each round."""
    device = next(module.parameters()).device
    seconds, bare = ([seconds_of(lap, device) / steps for lap in laps[which]] for which in (name, BARE))
    floor = [gflop[FLOOR] / seconds_of(lap, device) for lap in laps[FLOOR]]  # GF/s
    ratios = sorted(mine / theirs for mine, theirs in zip(seconds, bare, strict=True))
    step = median(seconds)
    return {
        "step": name,
        "parameters, M": round(parameters(module) / 1e6, 2),
        "ms a step": 1e3 * step,
        "wall ms a step": 1e3 * median(lap.wall_s / steps for lap in laps[name]),
        "slices/s": load.images / step,
        f"hearts of {WHOLE_HEART} slices/s": load.images / step / WHOLE_HEART,
        "GFLOP a heart": gflop[name] / load.images * WHOLE_HEART,
        "GF/s": gflop[name] / step,
        "of the floor": median(gflop[name] / s / f for s, f in zip(seconds, floor, strict=True)),
        "ratio to (a)": f"{median(ratios):.3f} ({ratios[0]:.3f} to {ratios[-1]:.3f})",
    }
