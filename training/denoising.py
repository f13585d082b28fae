"""Learning hearts: which people, which slices and which noise at every step, and what is watched."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from torch import Generator, Tensor, nn

from cohort.prepared import PreparedCohort
from models.code_regressor import CodeRegressor
from models.denoiser import HeartDenoiser
from models.noise import heart_noise

from .augmentation import augment_ecg
from .batch import HeartBatch, heart_batch
from .fit import Task
from .objectives import dropped, flow_loss, interpolated, stratified_sigma
from .order import keyed_generator
from .session import Session

VALIDATION_PEOPLE = 64
CODE_NOISE = 0.1  # SDs: the denoiser must not take a heart's own code for more exact than a drawn one is


@dataclass(frozen=True)
class BatchPlan:
    """What a step is made of, per process.

    Attributes:
        hearts, slices: so many hearts, so many slices of each.
        condition_dropout: probability with which ECG, person and code are withheld, independently.
        shared_noise: share of the noise's variance that is common to the slices of a heart.
    """

    hearts: int
    slices: int
    condition_dropout: float
    shared_noise: float


@dataclass(frozen=True)
class TrainingData:
    """What is learned from: the cohort, its latents (N, slices, phases, C, h, w) and its heart codes (N, K)."""

    cohort: PreparedCohort
    latents: np.ndarray
    codes: Tensor
    plan: BatchPlan

    def rows(self, session: Session, step: int) -> Tensor:
        """A step's people, (hearts,) rows of the cohort."""
        return session.rows(self._train_rows, self.plan.hearts, step)

    @cached_property
    def _train_rows(self) -> Tensor:
        """Looked for once: of 500,000 people it would take 38 ms a step."""
        return torch.from_numpy(self.cohort.rows("train"))

    def train_batch(self, session: Session, step: int) -> tuple[HeartBatch, Tensor, Generator]:
        """A step's people, augmented, their codes, and the generator of its noise: all of (seed, step, rank)."""
        generator, rows = session.generator("step", step), self.rows(session, step)
        batch = heart_batch(self.cohort, self.latents, rows, self.plan.slices, generator)
        return batch.with_ecg(*augment_ecg(batch.ecg, batch.lead_mask, generator)), self.codes[rows], generator

    def held_out_batch(self, seed: int) -> tuple[HeartBatch, Tensor, Generator]:
        """The same validation people, slices and noise every time."""
        generator = keyed_generator(seed, "validation")
        rows = torch.from_numpy(self.cohort.rows("validation"))[:VALIDATION_PEOPLE]
        batch = heart_batch(self.cohort, self.latents, rows, self.plan.slices, generator)
        return batch, self.codes[rows], generator


def denoising(
    session: Session,
    denoiser: HeartDenoiser,
    regressor: CodeRegressor,
    data: TrainingData,
    on_evaluate: Callable[[int], None],
) -> Task:
    """Teach the denoiser; every random choice is a function of (seed, step, process).

    Args:
        regressor: has learned before and stays as it is.
        on_evaluate: called with the step while the averaged weights are in place, e.g. to draw samples.
    """
    device, plan = session.device, data.plan
    regressor = regressor.to(device).eval()

    def loss_of(wrapped: nn.Module, step: int) -> tuple[Tensor, dict[str, Tensor]]:
        batch, codes, generator = data.train_batch(session, step)
        batch, present = batch.to(device), present_parts(len(codes), plan.condition_dropout, generator)
        inputs, velocity = noised(regressor, batch, codes, present, plan.shared_noise, generator)
        loss = flow_loss(wrapped(*inputs), velocity, batch.mask)
        return loss, {"flow_loss": loss.detach()}

    def evaluate(trained: nn.Module, step: int) -> dict[str, float]:
        on_evaluate(step)
        batch, codes, generator = data.held_out_batch(session.seed)
        batch, present = batch.to(device), tuple(torch.ones(3, len(codes), dtype=torch.bool))
        inputs, velocity = noised(regressor, batch, codes, present, plan.shared_noise, generator)
        return {"validation_flow_loss": float(flow_loss(trained(*inputs), velocity, batch.mask))}

    def people_of(step: int) -> list:
        return data.rows(session, step).tolist()

    return Task("diffusion", denoiser, loss_of, evaluate, people_of=people_of)


def present_parts(people: int, dropout: float, generator: Generator) -> tuple[Tensor, Tensor, Tensor]:
    """Whether ECG, person and heart code are given, each (B,) bool."""
    ecg, person = dropped(people, dropout, generator)
    return ecg, person, torch.rand(people, generator=generator) >= dropout


def noised(
    regressor: CodeRegressor,
    batch: HeartBatch,
    codes: Tensor,
    present: tuple[Tensor, Tensor, Tensor],
    shared_noise: float,
    generator: Generator,
) -> tuple[tuple, Tensor]:
    """One batch as the denoiser is given it, with the hearts' own codes, and the velocity it has to predict.

    Args:
        batch: on the device. codes: (B, K) of its hearts; an unknown number is replaced by the predicted one.
        present: ECG, person and code, each (B,) bool.

    Returns:
        the arguments of HeartDenoiser.forward, and the velocity (B, S, C, h, w).
    """
    people, device = len(codes), batch.latents.device
    ecg_present, person_present, code_present = (p.to(device) for p in present)
    with torch.no_grad():
        tokens, summary = regressor(batch.ecg, batch.lead_mask, batch.person, ecg_present, person_present)
        own, blur = codes.to(device), (CODE_NOISE * torch.randn(codes.shape, generator=generator)).to(device)
        blurred = torch.where(own.isnan(), regressor.conditioner.predicted(summary), own) + blur  # (B, K)
        condition = regressor.conditioner.global_condition(summary, blurred, code_present)
    sigma = stratified_sigma(people, generator).to(device)
    noise = heart_noise(tuple(batch.latents.shape), shared_noise, [generator] * people).to(device)
    noisy, velocity = interpolated(batch.latents, noise, sigma)
    return (noisy, sigma, batch.places, tokens, condition), velocity
