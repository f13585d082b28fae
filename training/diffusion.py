"""Learning hearts: which people, which slices, which noise at every step, and what is watched."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from accelerate import Accelerator
from torch import Generator, Tensor, nn

from cohort.dataset import HeartBatch, heart_batch
from cohort.prepared import PreparedCohort
from models.noise import heart_noise

from .augmentation import augment_ecg
from .fit import Recipe, fit
from .objectives import ConditionReader, HeartDenoiser, dropped, flow_loss, interpolated, stratified_sigma
from .order import keyed_generator, rows_of_step
from .run import Run

VALIDATION_PEOPLE = 64
CODE_NOISE = 0.1  # SDs: the denoiser must not take the told code for more exact than a drawn one is


@dataclass(frozen=True)
class Diet:
    """What a step is made of (per process)."""

    hearts: int
    slices: int
    condition_dropout: float
    shared_noise: float
    seed: int


@dataclass(frozen=True)
class Lesson:
    """What is learned from: the cohort, its latents (N, slices, phases, C, h, w) and its heart codes (N, K)."""

    cohort: PreparedCohort
    latents: np.ndarray
    codes: Tensor
    diet: Diet

    def rows(self, step: int, rank: int, ranks: int) -> Tensor:
        """A step's people, (hearts,) rows of the cohort."""
        return rows_of_step(self._train_rows, self.diet.hearts, step, self.diet.seed, rank, ranks)

    @cached_property
    def _train_rows(self) -> Tensor:
        """Found once: of 500,000 people it would take 38 ms a step."""
        return torch.from_numpy(self.cohort.rows("train"))

    def train_batch(self, step: int, rank: int, ranks: int) -> tuple[HeartBatch, Tensor, Generator]:
        """A step's people, augmented, their codes, and the generator of its noise: all of (seed, step, rank)."""
        generator = keyed_generator(self.diet.seed, "step", step, rank)
        rows = self.rows(step, rank, ranks)
        batch = heart_batch(self.cohort, self.latents, rows, self.diet.slices, generator)
        return batch.with_ecg(*augment_ecg(batch.ecg, batch.lead_mask, generator)), self.codes[rows], generator

    def held_out_batch(self) -> tuple[HeartBatch, Tensor, Generator]:
        """The same validation people, slices and noise every time."""
        generator = keyed_generator(self.diet.seed, "validation")
        rows = torch.from_numpy(self.cohort.rows("validation"))[:VALIDATION_PEOPLE]
        batch = heart_batch(self.cohort, self.latents, rows, self.diet.slices, generator)
        return batch, self.codes[rows], generator


def learn_diffusion(
    denoiser: HeartDenoiser,
    reader: ConditionReader,
    lesson: Lesson,
    run: Run,
    recipe: Recipe,
    accelerator: Accelerator,
    on_evaluate: Callable[[int], None],
) -> None:
    """Train the denoiser; every random choice is a function of (seed, step, process).

    Args:
        reader: of the condition; it has learned before and stays as it is.
        on_evaluate: called with the step while the EMA weights are in place, e.g. to draw samples.
    """
    device = accelerator.device
    reader = reader.to(device).eval()
    place = (accelerator.process_index, accelerator.num_processes)

    def loss_of(wrapped: nn.Module, step: int) -> tuple[Tensor, dict[str, Tensor]]:
        batch, codes, generator = lesson.train_batch(step, *place)
        people, dropout = len(codes), lesson.diet.condition_dropout
        present = dropped(people, dropout, generator)
        code_present = torch.rand(people, generator=generator) >= dropout
        loss = _loss(wrapped, reader, batch.to(device), codes, (*present, code_present), lesson.diet, generator)
        return loss, {"flow_loss": loss.detach()}

    def evaluate(trained: nn.Module, step: int) -> dict[str, float]:
        on_evaluate(step)
        batch, codes, generator = lesson.held_out_batch()
        present = tuple(torch.ones(3, len(codes), dtype=torch.bool))
        loss = _loss(trained, reader, batch.to(device), codes, present, lesson.diet, generator)
        return {"validation_flow_loss": float(loss)}

    people_of = {"people_of": lambda step: lesson.rows(step, *place).tolist()}
    fit(denoiser, loss_of, run, recipe, accelerator, evaluate, "diffusion", **people_of)


def _loss(
    wrapped: nn.Module,
    reader: ConditionReader,
    batch: HeartBatch,
    codes: Tensor,
    present: tuple[Tensor, Tensor, Tensor],
    diet: Diet,
    generator: Generator,
) -> Tensor:
    """Flow loss of one batch, its hearts' own codes told; `present`: ECG, person, code, each (B,) bool."""
    people, device = len(codes), batch.latents.device
    ecg_present, person_present, code_present = (p.to(device) for p in present)
    with torch.no_grad():
        tokens, summary = reader(batch.ecg, batch.lead_mask, batch.person, ecg_present, person_present)
        own, blur = codes.to(device), (CODE_NOISE * torch.randn(codes.shape, generator=generator)).to(device)
        told_codes = torch.where(own.isnan(), reader.conditioner.predicted(summary), own) + blur
        told = reader.conditioner.told(summary, told_codes, code_present)
    sigma = stratified_sigma(people, generator)
    noise = heart_noise(tuple(batch.latents.shape), diet.shared_noise, [generator] * people).to(device)
    sigma = sigma.to(device)
    noisy, velocity = interpolated(batch.latents, noise, sigma)
    return flow_loss(wrapped(noisy, sigma, batch, tokens, told), velocity, batch.mask)
