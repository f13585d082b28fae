"""What one GPU makes of a training: step time, model FLOP utilisation, hearts a second, memory. At most 8 minutes.

    python benchmarks/gpu.py            # preset base, bf16, torch.compile
    python benchmarks/gpu.py --small    # preset nano, a few steps: does it run here at all? Also on a CPU

The denoiser's stage trains some steps on latents of noise, is ended, goes on from its checkpoint, and draws hearts.
Prints the tables and writes results/gpu.json. A GPU that is not in the table needs --peak-tflops.
"""

import sys
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal

import tyro

sys.path.insert(0, str(Path(__file__).parents[1]))  # the repository, wherever the command is given

from cohort.errors import InputError, exit_code_of, require_within


@dataclass(frozen=True)
class Config:
    """Train, go on, draw."""

    small: bool = False
    """Preset nano, 4 hearts, a few steps, not compiled; on a CPU where there is no GPU."""
    preset: Literal["nano", "base", "large"] = "base"
    hearts: int = 64
    """Of a step."""
    slices: int = 3
    """Of each heart."""
    first: int = 60
    """Steps before the training is broken off."""
    rest: int = 400
    """Steps after it goes on; fewer where the minutes would not do."""
    drawn: int = 64
    """Hearts drawn at once."""
    mixed_precision: Literal["bf16", "no"] = "bf16"
    dynamo: Literal["inductor", "aot_eager", "eager", "no"] = "inductor"
    """How torch.compile compiles; no: it does not."""
    peak_tflops: float | None = None
    """The device's dense bfloat16 TFLOP/s, where the table does not know it."""
    minutes: float = 8.0
    """All of it takes about so long at most."""
    output: Path = Path(__file__).parent / "results" / "gpu.json"
    """JSON to write the tables to."""


def main() -> None:
    config = tyro.cli(Config, description=__doc__)
    require_within("--minutes", config.minutes, 0.1, 600)
    require_within("--hearts", config.hearts, 1, 100_000)
    require_within("--slices", config.slices, 1, 20)
    require_within("--drawn", config.drawn, 1, 100_000)
    import torch

    if not (torch.cuda.is_available() or config.small):
        raise InputError("torch", "sees no GPU, and this measures one", "run it where there is one, or give --small")
    from accelerate import Accelerator

    from benchmarks.gpu_run import FEWEST, GpuLoad, measure, peak_tflops
    from benchmarks.machine import described, load_average
    from benchmarks.synthetic_cohort import CohortSize
    from benchmarks.table import markdown
    from cohort.disk import write_json, writing

    dynamo = "no" if config.small else config.dynamo
    cpu = not torch.cuda.is_available()
    accelerator = Accelerator(cpu=cpu, mixed_precision=config.mixed_precision, dynamo_backend=dynamo)
    peak = peak_tflops(accelerator.device, config.peak_tflops)
    machine = described(accelerator.device) | {"mixed_precision": config.mixed_precision, "dynamo": dynamo}
    machine |= {"peak_tflops": peak}
    if config.small:
        size = CohortSize(people=60, side=4, positions=3)
        load = GpuLoad("nano", 4, 2, first=FEWEST, rest=FEWEST + 2, drawn=2, evaluations=2, size=size)
    else:
        given = (config.preset, config.hearts, config.slices, config.first, config.rest, config.drawn)
        load = GpuLoad(*given, evaluations=None, size=CohortSize(people=2000))
    with TemporaryDirectory() as folder:
        tables = measure(Path(folder), load, accelerator, peak, 60 * config.minutes)
    machine["load_at_end"] = load_average()
    with writing(config.output.parent):
        config.output.parent.mkdir(parents=True, exist_ok=True)
    write_json(config.output, {"machine": machine, "small": config.small, "tables": tables})
    for title, rows in tables.items():
        print(f"{title}\n\n{markdown(rows)}", flush=True)


if __name__ == "__main__":
    sys.exit(exit_code_of(main))
