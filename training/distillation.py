"""Distillation: a student learns to reach its teacher's heart in one to four evaluations instead of many.

The teacher's sampler leads every starting noise to one heart. A flow that learns such pairs becomes straight (Liu 2022,
section 2.2, reflow), so that one step does the work of many. Here the student learns only at the points that its own
sampler visits. From there it learns the way to the teacher's heart, so that a later step corrects an earlier one.
"""

from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path

import torch
from accelerate import Accelerator
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from tqdm import tqdm

from cohort.disk import whole_file, writing
from models.denoiser import HeartDenoiser
from models.places import Places
from sampling.schedulers import to_flow

from .fit import Task
from .objectives import flow_loss
from .session import Session

PAIRS_PER_FILE = 16
Velocity = Callable[[Tensor, Tensor], Tensor]  # points (B, S, C, h, w), sigma (B,) in [0, 1] -> noise - latents


@dataclass(frozen=True)
class Pairs:
    """n starting noises, what the denoiser was given, and the latents at which the teacher's sampler ended.

    Attributes:
        noise, latents: (n, S, C, h, w) float16, S all slices of a heart.
        tokens: (n, M, D) float16 and condition: (n, condition_length), of HeartConditioner.
    """

    noise: Tensor
    latents: Tensor
    tokens: Tensor
    condition: Tensor

    def take(self, which: Tensor, device: torch.device) -> "Pairs":
        """The pairs with the numbers `which` (B,), in float32."""
        return Pairs(*(getattr(self, f.name)[which].to(device).float() for f in fields(self)))

    def __len__(self) -> int:
        return len(self.noise)


@dataclass(frozen=True)
class FlowSampler:
    """From noise to a heart in `steps` steps of a diffusers scheduler that knows flows and draws no noise."""

    scheduler: object
    steps: int

    def until(self, step: int, velocity: Velocity, noise: Tensor) -> Tensor:
        """The sampler's points (B, S, C, h, w) before a step, from `noise`; its end if `step` is `steps`."""
        self.scheduler.set_timesteps(self.steps, device=noise.device)
        points = noise
        for timestep in self.scheduler.timesteps[:step]:
            predicted = velocity(points, self._sigma(timestep, points))
            points = self.scheduler.step(predicted, timestep, points, return_dict=False)[0]
        return points

    def now(self, step: int, points: Tensor) -> tuple[Tensor, Tensor]:
        """Of this step: sigma (B,) as the denoiser is given it, and the exact share of noise in the points."""
        return self._sigma(self.scheduler.timesteps[step], points), self.scheduler.sigmas[step].to(points.device)

    def _sigma(self, timestep: Tensor, points: Tensor) -> Tensor:
        _, sigma = to_flow(self.scheduler, points, timestep)
        return sigma.to(points).expand(len(points))


def teacher_pairs(
    folder: Path, count: int, make: Callable[[Tensor], dict[str, Tensor]], accelerator: Accelerator
) -> Pairs:
    """Pairs 0 to `count` - 1, made by all processes together; those an interrupted run has left are kept.

    Args:
        folder: of one file for every PAIRS_PER_FILE pairs.
        make: numbers (B,) -> the fields of Pairs; must depend on the numbers alone.
    """
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
    parts = torch.arange(count).split(PAIRS_PER_FILE)
    paths = [folder / f"from_{int(part[0]):06d}.safetensors" for part in parts]
    mine = list(zip(paths, parts, strict=True))[accelerator.process_index :: accelerator.num_processes]
    todo = [(path, part) for path, part in mine if not path.exists()]  # other processes may be writing theirs already
    for path, part in tqdm(todo, desc=f"teacher's hearts, {folder.name}", disable=not accelerator.is_main_process):
        tensors = {name: value.cpu().contiguous() for name, value in make(part).items()}
        with whole_file(path, sum(value.nbytes for value in tensors.values())) as unfinished:
            save_file(tensors, unfinished)
    accelerator.wait_for_everyone()
    files = [load_file(path) for path in paths]
    return Pairs(**{f.name: torch.cat([file[f.name] for file in files]) for f in fields(Pairs)})


def distillation(
    session: Session,
    student: HeartDenoiser,
    sampler: FlowSampler,
    pairs: Pairs,
    held_out: Pairs,
    places: Places,
    hearts: int,
) -> Task:
    """The task of ending where the teacher's sampler ended, for a student that begins with the teacher's weights.

    Each training step teaches one of the sampler's steps, in turn. The weights that end nearest on `held_out` are kept.

    Args:
        places: of one whole heart. hearts: whole ones per process and step.
    """
    device, everyone = session.device, torch.arange(len(pairs))

    def loss_of(wrapped: nn.Module, number: int) -> tuple[Tensor, dict[str, Tensor]]:
        batch = pairs.take(session.rows(everyone, hearts, number), device)
        step = number % sampler.steps
        velocity = velocity_of(wrapped, batch, places)
        with torch.no_grad():
            points = sampler.until(step, velocity, batch.noise)
        given_sigma, sigma = sampler.now(step, points)
        target, everywhere = (points - batch.latents) / sigma, points.new_ones(points.shape[:2])
        loss = flow_loss(velocity(points, given_sigma), target, everywhere)
        return loss, {"distillation_loss": loss.detach()}

    def evaluate(trained: nn.Module, step: int) -> dict[str, float]:
        return {"validation_end_error": end_error(trained, sampler, held_out, places, hearts, device)}

    return Task("distillation", student, loss_of, evaluate, "validation_end_error")


def velocity_of(denoiser: nn.Module, given: Pairs, places: Places) -> Velocity:
    """A HeartDenoiser's velocity under the condition of `given`, on whole hearts at `places` (B = 1)."""
    places = places.to(given.noise.device)
    return lambda points, sigma: denoiser(points, sigma, places.repeated(len(points)), given.tokens, given.condition)


@torch.no_grad()
def end_error(
    denoiser: nn.Module, sampler: FlowSampler, pairs: Pairs, places: Places, hearts: int, device: torch.device
) -> float:
    """RMS distance between this denoiser's hearts and the teacher's, divided by the RMS of the teacher's latents."""
    squares = []
    for which in torch.arange(len(pairs)).split(hearts):
        batch = pairs.take(which, device)
        end = sampler.until(sampler.steps, velocity_of(denoiser, batch, places), batch.noise)
        squares.append((end - batch.latents).square().mean(dim=(1, 2, 3, 4)).cpu())
    return float(torch.cat(squares).mean().sqrt() / pairs.latents.float().square().mean().sqrt())
