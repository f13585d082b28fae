"""What was measured on, and how fast it multiplies matrices: the floor under every step."""

import os
import platform
import time
from collections.abc import Callable
from datetime import date
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple

import torch

from cohort.cores import available_cores

PRODUCTS = {"cpu": (1024, 8, torch.float32), "cuda": (8192, 20, torch.bfloat16)}  # side, how many, type

WARMUP = 2


class Lap(NamedTuple):
    wall_s: float
    cpu_s: float


class Clock:
    """Wall and CPU time of this process; waits for the device before it looks."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self.start()

    def start(self) -> None:
        self._wait()
        self._from = time.perf_counter(), time.process_time()

    def lap(self) -> Lap:
        """Since `start`."""
        self._wait()
        return Lap(time.perf_counter() - self._from[0], time.process_time() - self._from[1])

    def _wait(self) -> None:
        if self._device.type == "cuda":
            torch.cuda.synchronize(self._device)


def seconds_of(lap: Lap, device: torch.device) -> float:
    """CPU time where one thread works, for a busy machine hardly changes it; else the wall's."""
    return lap.cpu_s if device.type == "cpu" and torch.get_num_threads() == 1 else lap.wall_s


def alternated(
    steps: dict[str, Callable[[], object]], rounds: int, times: int, device: torch.device
) -> dict[str, list[float]]:
    """Seconds a step by name, one value a round; every round runs each step `times` times, one after the other."""
    clock = Clock(device)
    for step in steps.values():
        for _ in range(WARMUP):
            step()
    seconds: dict[str, list[float]] = {name: [] for name in steps}
    for _ in range(rounds):
        for name, step in steps.items():
            clock.start()
            for _ in range(times):
                step()
            seconds[name].append(seconds_of(clock.lap(), device) / times)
    return seconds


def matrix_products(device: torch.device) -> tuple[Callable[[], None], float]:
    """A function that multiplies square matrices, and how many GFLOP it does: what the machine can reach at all."""
    side, times, dtype = PRODUCTS[device.type]
    a, b = (torch.randn(side, side, device=device).to(dtype) for _ in range(2))

    def multiply() -> None:
        for _ in range(times):
            a @ b

    return multiply, times * 2 * side**3 / 1e9


def processor(device: torch.device) -> str:
    """The name the processor or GPU gives itself."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    about = Path("/proc/cpuinfo")
    lines = about.read_text().splitlines() if about.exists() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def load_average() -> float | None:
    """Mean number of busy processes of the last minute, this one included; None where the system does not tell."""
    return round(os.getloadavg()[0], 1) if hasattr(os, "getloadavg") else None


def described(device: torch.device, *peers: str) -> dict:
    """What every table says of its machine.

    Args:
        peers: further packages whose versions matter.
    """
    packages = ("torch", "diffusers", "accelerate", *peers)
    return {
        "date": date.today().isoformat(),
        "processor": processor(device),
        "cores": available_cores(),
        "threads": torch.get_num_threads(),
        "load_at_start": load_average(),
        "packages": {name: version(name) for name in packages},
    }
