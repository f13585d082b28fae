"""Fewer strides: a student learns to reach in one to four evaluations the heart its teacher reaches in many.

Every starting noise has one heart, the one the teacher walks to. A flow taught on such pairs is straightened (Liu 2022,
section 2.2, reflow), so that one stride does the work of many. Here the flow is asked only where the student's own walk
leads it, and is taught the way from there to the teacher's heart: a later stride mends what an earlier one missed.
"""

from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path

import torch
from accelerate import Accelerator
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from tqdm import tqdm

from .fit import Recipe, fit
from .objectives import TIMESTEPS, HeartDenoiser, flow_loss
from .order import rows_of_step
from .run import Run

PAIRS_PER_FILE = 16
Velocity = Callable[[Tensor, Tensor], Tensor]  # points (B, S, C, h, w), time (B,) in [0, 1] -> noise - latents


@dataclass(frozen=True)
class Pairs:
    """Where n walks began, what the denoiser was told on them, and where the teacher's ended.

    Attributes:
        noise, latents: (n, S, C, h, w) float16, S all slices of a heart.
        tokens: (n, M, D) float16 and told: (n, told_length), of HeartConditioner.
    """

    noise: Tensor
    latents: Tensor
    tokens: Tensor
    told: Tensor

    def take(self, which: Tensor, device: torch.device) -> "Pairs":
        """Those of `which` (B,), in float32."""
        return Pairs(*(getattr(self, f.name)[which].to(device).float() for f in fields(self)))

    def __len__(self) -> int:
        return len(self.noise)


@dataclass(frozen=True)
class Places:
    """Where the slices of a heart lie: level_mm and phase, each (1, S); HeartDenoiser asks for no more of a batch."""

    level_mm: Tensor
    phase: Tensor

    def of(self, hearts: Tensor) -> "Places":
        """The same for each of B hearts (B, S, ...)."""
        return Places(*(place.to(hearts.device).expand(len(hearts), -1) for place in (self.level_mm, self.phase)))


@dataclass(frozen=True)
class Walk:
    """From noise to a heart in `steps` strides of a diffusers scheduler that knows flows and draws no noise."""

    scheduler: object
    steps: int

    def until(self, stride: int, velocity: Velocity, noise: Tensor) -> Tensor:
        """Where a walk from `noise` (B, S, C, h, w) stands before this stride; before stride `steps` it has ended."""
        self.scheduler.set_timesteps(self.steps, device=noise.device)
        points = noise
        for timestep in self.scheduler.timesteps[:stride]:
            found = velocity(points, self._time(timestep, points))
            points = self.scheduler.step(found, timestep, points, return_dict=False)[0]
        return points

    def now(self, stride: int, points: Tensor) -> tuple[Tensor, Tensor]:
        """Of this stride: the time (B,) the denoiser is told, and the share of noise in the points."""
        return self._time(self.scheduler.timesteps[stride], points), self.scheduler.sigmas[stride].to(points.device)

    @staticmethod
    def _time(timestep: Tensor, points: Tensor) -> Tensor:
        return (timestep / TIMESTEPS).to(points).expand(len(points))


def teacher_pairs(
    folder: Path, count: int, make: Callable[[Tensor], dict[str, Tensor]], accelerator: Accelerator
) -> Pairs:
    """Pairs 0 to `count` - 1, made by all processes together; those an interrupted run has left are kept.

    Args:
        folder: of one file for every PAIRS_PER_FILE pairs.
        make: numbers (B,) -> the fields of Pairs; must depend on the numbers alone.
    """
    folder.mkdir(parents=True, exist_ok=True)
    parts = torch.arange(count).split(PAIRS_PER_FILE)
    paths = [folder / f"from_{int(part[0]):06d}.safetensors" for part in parts]
    mine = list(zip(paths, parts, strict=True))[accelerator.process_index :: accelerator.num_processes]
    todo = [(path, part) for path, part in mine if not path.exists()]  # of mine: others are writing already
    for path, part in tqdm(todo, desc=f"teacher's hearts, {folder.name}", disable=not accelerator.is_main_process):
        partial = path.with_name(f".{path.name}.partial")
        save_file({name: value.cpu().contiguous() for name, value in make(part).items()}, partial)
        partial.replace(path)
    accelerator.wait_for_everyone()
    files = [load_file(path) for path in paths]
    return Pairs(**{f.name: torch.cat([file[f.name] for file in files]) for f in fields(Pairs)})


def learn_strides(
    student: HeartDenoiser,
    walk: Walk,
    pairs: Pairs,
    held_out: Pairs,
    places: Places,
    run: Run,
    recipe: Recipe,
    accelerator: Accelerator,
    hearts: int,
    seed: int,
) -> None:
    """Teach a student, which begins with its teacher's weights, to end its walk where the teacher's ended.

    The strides are taught in turn, one a step. The weights whose walks end nearest on `held_out` are kept.

    Args:
        hearts: whole hearts per process and step.
    """
    device = accelerator.device
    everyone = torch.arange(len(pairs))

    def loss_of(wrapped: nn.Module, step: int) -> tuple[Tensor, dict[str, Tensor]]:
        which = rows_of_step(everyone, hearts, step, seed, accelerator.process_index, accelerator.num_processes)
        batch = pairs.take(which, device)
        stride = step % walk.steps
        velocity = velocity_of(wrapped, batch, places)
        with torch.no_grad():
            points = walk.until(stride, velocity, batch.noise)
        time, sigma = walk.now(stride, points)
        loss = flow_loss(velocity(points, time), (points - batch.latents) / sigma, points.new_ones(points.shape[:2]))
        return loss, {"stride_loss": loss.detach()}

    def evaluate(trained: nn.Module, step: int) -> dict[str, float]:
        return {"validation_end_error": end_error(trained, walk, held_out, places, hearts, device)}

    fit(student, loss_of, run, recipe, accelerator, evaluate, "distillation", best="validation_end_error")


def velocity_of(denoiser: nn.Module, given: Pairs, places: Places) -> Velocity:
    """A HeartDenoiser's velocity, told what `given` says."""
    return lambda points, time: denoiser(points, time, places.of(points), given.tokens, given.told)


@torch.no_grad()
def end_error(
    denoiser: nn.Module, walk: Walk, pairs: Pairs, places: Places, hearts: int, device: torch.device
) -> float:
    """RMS distance between where the denoiser's walks end and where the teacher's did, in the RMS of the latents."""
    squares = []
    for which in torch.arange(len(pairs)).split(hearts):
        batch = pairs.take(which, device)
        end = walk.until(walk.steps, velocity_of(denoiser, batch, places), batch.noise)
        squares.append((end - batch.latents).square().mean(dim=(1, 2, 3, 4)).cpu())
    return float(torch.cat(squares).mean().sqrt() / pairs.latents.float().square().mean().sqrt())
