"""Where the time of our training step goes: its parts one by one, alternately.

    python benchmarks/step_parts.py

Writes results/step_parts.md and .json.
"""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import tyro

sys.path.insert(0, str(Path(__file__).parents[1]))  # the repository, wherever the command is given

from cohort.errors import exit_code_of

PEOPLE = 1000  # of the synthetic cohort


@dataclass(frozen=True)
class Config:
    """Time the parts of a step."""

    rounds: int = 7
    steps: int = 2
    hearts: int = 20
    slices: int = 3
    threads: int = 1
    """Of a CPU."""
    output: Path = Path(__file__).parent / "results"


def main() -> None:
    config = tyro.cli(Config, description=__doc__)
    import torch
    from accelerate import Accelerator

    from benchmarks.contenders import Load, OurTraining
    from benchmarks.machine import alternated, described, load_average
    from benchmarks.synthetic_cohort import CohortSize, synthetic_cohort, write_noise
    from benchmarks.table import markdown, write_tables
    from models.unet import PRESETS

    torch.set_num_threads(config.threads)
    accelerator = Accelerator(cpu=not torch.cuda.is_available())
    machine = described(accelerator.device)
    with TemporaryDirectory() as folder:
        write_noise(Path(folder), CohortSize(PEOPLE))
        cohort = synthetic_cohort(Path(folder), CohortSize(PEOPLE))
        ours = OurTraining(*cohort, Load(config.hearts, config.slices), PRESETS["nano"], accelerator)
        seconds = alternated(parts_of(ours), config.rounds, config.steps, accelerator.device)
    total = sum(median(of) for of in seconds.values())
    rows = [
        {"part": name, "ms": 1e3 * median(of), "share, %": 100 * median(of) / total} for name, of in seconds.items()
    ]
    machine["load_at_end"] = load_average()
    print(markdown(rows))
    title = f"{config.hearts} hearts x {config.slices} slices, {accelerator.device.type}"
    write_tables(config.output, "step_parts", machine, {title: rows})


def parts_of(ours) -> dict[str, Callable[[], object]]:
    """What a step of `learn_diffusion` does, in its order, each part on the same batch."""
    import torch
    from diffusers.training_utils import EMAModel
    from torch.nn.utils import clip_grad_norm_

    from models.noise import heart_noise
    from training.diffusion import Lesson
    from training.objectives import flow_loss, interpolated, stratified_sigma

    lesson, device, module = Lesson(*ours.given), ours.device, ours.module.to(ours.device).train()
    batch, codes, generator = lesson.train_batch(0, 0, 1)
    batch, present = batch.to(device), torch.ones(len(codes), dtype=torch.bool, device=device)
    reader = ours.reader.to(device).eval()

    def read() -> tuple[torch.Tensor, torch.Tensor]:
        with torch.no_grad():
            return reader(batch.ecg, batch.lead_mask, batch.person, present, present)

    tokens, summary = read()
    told = reader.conditioner.told(summary, codes.to(device), present).detach()

    def noised() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        sigma = stratified_sigma(len(codes), generator).to(device)
        noise = heart_noise(tuple(batch.latents.shape), lesson.diet.shared_noise, [generator] * len(codes)).to(device)
        return sigma, *interpolated(batch.latents, noise, sigma)

    sigma, noisy, velocity = noised()

    def learn() -> None:
        flow_loss(module(noisy, sigma, batch, tokens, told), velocity, batch.mask).backward()

    learn()
    weights = list(module.parameters())
    optimizer = torch.optim.AdamW(weights, lr=1e-6, weight_decay=0.01, betas=(0.9, 0.99), fused=True)
    average = EMAModel(weights, decay=0.998, use_ema_warmup=True, power=0.75, foreach=True)
    return {
        "gathering people and slices, augmenting ECGs": lambda: lesson.train_batch(1, 0, 1),
        "reading ECG and person": read,
        "noise": noised,
        "UNet and loss, forward and backward": learn,
        "clip": lambda: clip_grad_norm_(weights, 1.0),
        "AdamW": optimizer.step,
        "EMA": lambda: average.step(weights),
    }


if __name__ == "__main__":
    sys.exit(exit_code_of(main))
