"""How many cores a process on a CPU may use, and which of several processes this one is."""

import os

import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState

from cohort.cores import available_cores


def share_cores(processes: int) -> None:
    """Give each process of this machine its share of the cores.

    `accelerate launch` sets OMP_NUM_THREADS to 1 unless it is told otherwise. That leaves a laptop's other cores idle:
    half the speed on two. A number chosen by --num_cpu_threads_per_process or OMP_NUM_THREADS (above 1) is kept. A
    process that accelerate did not launch is left as it is.
    """
    launched = "ACCELERATE_MIXED_PRECISION" in os.environ
    if launched and os.environ.get("OMP_NUM_THREADS", "1") == "1":
        local = int(os.environ.get("LOCAL_WORLD_SIZE", processes))
        torch.set_num_threads(max(1, available_cores() // local))


def started_state() -> AcceleratorState:
    """Accelerate's state of this process, which has its share of the cores. It heeds ACCELERATE_USE_CPU."""
    state = Accelerator().state
    share_cores(state.num_processes)
    return state
