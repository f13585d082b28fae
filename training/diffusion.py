"""Learning hearts from ECGs: which people, which slices, which noise at every step, and what is watched."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from accelerate import Accelerator
from torch import Generator, Tensor, nn

from cohort.dataset import HeartBatch, heart_batch
from cohort.prepared import PreparedCohort
from models.noise import heart_noise

from .augmentation import augment_ecg
from .fit import Recipe, fit
from .objectives import HeartDenoiser, dropped, flow_loss, interpolated, target_loss
from .order import keyed_generator, rows_of_step
from .run import Run

VALIDATION_PEOPLE = 64


@dataclass(frozen=True)
class Diet:
    """What a step is made of (per process)."""

    hearts: int
    slices: int
    condition_dropout: float
    target_weight: float
    shared_noise: float
    seed: int


@dataclass(frozen=True)
class Lesson:
    """What is learned from: the cohort, its latents (N, slices, phases, C, h, w) and its targets (N, K)."""

    cohort: PreparedCohort
    latents: np.ndarray
    targets: Tensor
    diet: Diet

    def train_batch(self, step: int, hearts: int, rank: int, ranks: int) -> tuple[HeartBatch, Tensor, Generator]:
        """A step's people, augmented, their targets, and the generator of its noise: all of (seed, step, rank)."""
        generator = keyed_generator(self.diet.seed, "step", step, rank)
        rows = rows_of_step(torch.from_numpy(self.cohort.rows("train")), hearts, step, self.diet.seed, rank, ranks)
        batch = heart_batch(self.cohort, self.latents, rows, self.diet.slices, generator)
        return batch.with_ecg(*augment_ecg(batch.ecg, batch.lead_mask, generator)), self.targets[rows], generator

    def held_out_batch(self) -> tuple[HeartBatch, Tensor, Generator]:
        """The same validation people, slices and noise every time."""
        generator = keyed_generator(self.diet.seed, "validation")
        rows = torch.from_numpy(self.cohort.rows("validation"))[:VALIDATION_PEOPLE]
        batch = heart_batch(self.cohort, self.latents, rows, self.diet.slices, generator)
        return batch, self.targets[rows], generator


class ConditionReader(nn.Module):
    """The part of a denoiser that reads ECG and person, as the one module Accelerate wraps."""

    def __init__(self, denoiser: HeartDenoiser) -> None:
        super().__init__()
        self.ecg_encoder, self.conditioner = denoiser.ecg_encoder, denoiser.conditioner
        self._read = denoiser.condition_only

    def forward(self, batch: HeartBatch, ecg_present: Tensor, person_present: Tensor) -> Tensor:
        return self._read(batch, ecg_present, person_present)  # (B, K)


def learn_condition(
    denoiser: HeartDenoiser, lesson: Lesson, run: Run, recipe: Recipe, accelerator: Accelerator, people: int
) -> None:
    """Teach encoder and conditioner the targets first: a tenth of the cost of a denoising step, and most of the ECG.

    Args:
        people: per process and step.
    """
    device = accelerator.device

    def loss_of(wrapped: nn.Module, step: int) -> tuple[Tensor, dict[str, Tensor]]:
        batch, targets, generator = lesson.train_batch(
            step, people, accelerator.process_index, accelerator.num_processes
        )
        present = dropped(people, lesson.diet.condition_dropout, generator)
        loss = target_loss(wrapped(batch.to(device), *(p.to(device) for p in present)), targets.to(device))
        return loss, {"target_loss": loss.detach()}

    def evaluate(trained: nn.Module, step: int) -> dict[str, float]:
        batch, targets, _ = lesson.held_out_batch()
        present = torch.ones(len(targets), dtype=torch.bool, device=device)
        loss = target_loss(trained(batch.to(device), present, present), targets.to(device))
        return {"validation_target_loss": float(loss)}

    fit(ConditionReader(denoiser), loss_of, run, recipe, accelerator, evaluate, "condition")


def learn_diffusion(
    denoiser: HeartDenoiser,
    lesson: Lesson,
    run: Run,
    recipe: Recipe,
    accelerator: Accelerator,
    on_evaluate: Callable[[int], None],
) -> None:
    """Train the denoiser; every random choice is a function of (seed, step, process).

    Args:
        on_evaluate: called with the step while the EMA weights are in place, e.g. to draw samples.
    """
    device = accelerator.device

    def loss_of(wrapped: nn.Module, step: int) -> tuple[Tensor, dict[str, Tensor]]:
        people = lesson.diet.hearts
        batch, targets, generator = lesson.train_batch(
            step, people, accelerator.process_index, accelerator.num_processes
        )
        present = dropped(people, lesson.diet.condition_dropout, generator)
        return _loss(wrapped, batch, targets, present, lesson.diet, generator, device)

    def evaluate(trained: nn.Module, step: int) -> dict[str, float]:
        on_evaluate(step)
        batch, targets, generator = lesson.held_out_batch()
        present = torch.ones(2, len(targets), dtype=torch.bool)
        _, metrics = _loss(trained, batch, targets, tuple(present), lesson.diet, generator, device)
        return {f"validation_{name}": float(value) for name, value in metrics.items()}

    fit(denoiser, loss_of, run, recipe, accelerator, evaluate, "diffusion")


def _loss(
    wrapped: nn.Module,
    batch: HeartBatch,
    targets: Tensor,
    present: tuple[Tensor, Tensor],
    diet: Diet,
    generator: Generator,
    device: torch.device,
) -> tuple[Tensor, dict[str, Tensor]]:
    people = len(batch.latents)
    sigma = (torch.randperm(people, generator=generator) + torch.rand(people, generator=generator)) / people  # uniform
    noise = heart_noise(tuple(batch.latents.shape), diet.shared_noise, [generator] * people)
    noisy, velocity = interpolated(batch.latents, noise, sigma)
    arguments = (batch, noisy, sigma, *present)
    found, predicted = wrapped(*(argument.to(device) for argument in arguments))
    flow = flow_loss(found, velocity.to(device), batch.mask.to(device))
    told = target_loss(predicted, targets.to(device))
    return flow + diet.target_weight * told, {"flow_loss": flow.detach(), "target_loss": told.detach()}
