"""Learning hearts: the people, slices and noise of every step, and what the denoiser is given."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import torch
from torch import Generator, Tensor, nn

from cohort.prepared import PreparedCohort
from models.code_regressor import CodeRegressor
from models.denoiser import HeartDenoiser
from models.noise import heart_noise

from .ahead import Ahead, steps_ahead
from .augmentation import augment_ecg
from .batch import HeartBatch, Tensors, heart_batch
from .fit import Task
from .objectives import dropped, flow_loss, interpolated, stratified_sigma, without_some_fields
from .order import keyed_generator
from .session import Session

VALIDATION_PEOPLE = 64
CODE_NOISE = 0.1  # SDs; without it the denoiser would trust drawn codes too much, which are less exact


@dataclass(frozen=True)
class BatchPlan:
    """What a step is made of, per process.

    Attributes:
        hearts: how many. slices: how many of each heart.
        condition_dropout: probability with which ECG, person and code are withheld, independently.
        shared_noise: share of the noise's variance that is common to the slices of a heart.
    """

    hearts: int
    slices: int
    condition_dropout: float
    shared_noise: float


@dataclass(frozen=True)
class TrainingData:
    """The cohort, its latents (N, slices, phases, C, h, w), its heart codes (N, K), and the plan of a batch."""

    cohort: PreparedCohort
    latents: np.ndarray
    codes: Tensor
    plan: BatchPlan

    def rows(self, session: Session, step: int) -> Tensor:
        """A step's people, (hearts,) rows of the cohort."""
        return session.rows(self._train_rows, self.plan.hearts, step)

    @cached_property
    def _train_rows(self) -> Tensor:
        """Computed once: for 500,000 people it would take 38 ms a step."""
        return torch.from_numpy(self.cohort.rows("train"))

    def train_batch(self, session: Session, step: int) -> tuple[HeartBatch, Tensor, Generator]:
        """A step's people with augmented ECGs, their codes, and the noise's generator, all by (seed, step, rank)."""
        generator, rows = session.generator("step", step), self.rows(session, step)
        batch = heart_batch(self.cohort, self.latents, rows, self.plan.slices, generator)
        batch = batch.with_ecg(*augment_ecg(batch.ecg, batch.lead_mask, generator))
        return replace(batch, person=without_some_fields(batch.person, generator)), self.codes[rows], generator

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
    ahead: int | None = None,
) -> Task:
    """The task of denoising hearts; every random choice is a function of (seed, step, process).

    Args:
        regressor: already trained; it is not changed.
        on_evaluate: called with the step while the averaged weights are in place, e.g. to draw samples.
        ahead: steps that are drawn while one is computed; None for what suits the device.
    """
    device, plan = session.device, data.plan
    regressor = regressor.to(device).eval()

    def drawn(step: int) -> tuple[HeartBatch, Tensor, Draws]:
        batch, codes, generator = data.train_batch(session, step)
        present = present_parts(len(codes), plan.condition_dropout, generator)
        return batch, codes, drawn_of(batch, codes, present, plan.shared_noise, generator)

    drawn_ahead = Ahead(drawn, steps_ahead(device.type) if ahead is None else ahead)

    def loss_of(wrapped: nn.Module, step: int) -> tuple[Tensor, dict[str, Tensor]]:
        batch, codes, draws = drawn_ahead(step)
        batch = batch.to(device)
        inputs, velocity = noised(regressor, batch, codes, draws)
        loss = flow_loss(wrapped(*inputs), velocity, batch.mask)
        return loss, {"flow_loss": loss.detach()}

    def evaluate(trained: nn.Module, step: int) -> dict[str, float]:
        on_evaluate(step)
        batch, codes, generator = data.held_out_batch(session.seed)
        everything = tuple(torch.ones(3, len(codes), dtype=torch.bool))
        draws, batch = drawn_of(batch, codes, everything, plan.shared_noise, generator), batch.to(device)
        inputs, velocity = noised(regressor, batch, codes, draws)
        return {"validation_flow_loss": float(flow_loss(trained(*inputs), velocity, batch.mask))}

    def people_of(step: int) -> list:
        return data.rows(session, step).tolist()

    return Task("diffusion", denoiser, loss_of, evaluate, people_of=people_of)


def present_parts(people: int, dropout: float, generator: Generator) -> tuple[Tensor, Tensor, Tensor]:
    """Whether ECG, person and heart code are given, each (B,) bool."""
    ecg, person = dropped(people, dropout, generator)
    return ecg, person, torch.rand(people, generator=generator) >= dropout


@dataclass(frozen=True)
class Draws(Tensors):
    """A step's random choices besides its people and slices, on the CPU.

    Attributes:
        ecg_present, person_present, code_present: (B,) bool.
        blur: (B, K) of heart codes. sigma: (B,) share of noise. noise: (B, S, C, h, w).
    """

    ecg_present: Tensor
    person_present: Tensor
    code_present: Tensor
    blur: Tensor
    sigma: Tensor
    noise: Tensor


def drawn_of(
    batch: HeartBatch,
    codes: Tensor,
    present: tuple[Tensor, Tensor, Tensor],
    shared_noise: float,
    generator: Generator,
) -> Draws:
    """What chance decides for a batch of B people; `present` as of `present_parts`."""
    blur = CODE_NOISE * torch.randn(codes.shape, generator=generator)  # (B, K)
    sigma = stratified_sigma(len(codes), generator)  # (B,)
    noise = heart_noise(tuple(batch.latents.shape), shared_noise, [generator] * len(codes))  # (B, S, C, h, w)
    return Draws(*present, blur, sigma, noise)


def noised(regressor: CodeRegressor, batch: HeartBatch, codes: Tensor, draws: Draws) -> tuple[tuple, Tensor]:
    """What the denoiser is given for one batch, and the velocity that it has to predict.

    Args:
        batch: on the device. codes: (B, K) of its hearts; an unknown number is replaced by the predicted one.

    Returns:
        the arguments of HeartDenoiser.forward, and the velocity (B, S, C, h, w).
    """
    device = batch.latents.device
    draws = draws.to(device)
    with torch.no_grad():
        given = (batch.ecg, batch.lead_mask, batch.person, draws.ecg_present, draws.person_present)
        tokens, summary = regressor(*given)  # (B, n, D), (B, D)
        own = codes.to(device)
        known = torch.where(own.isnan(), regressor.conditioner.predicted(summary), own) + draws.blur  # (B, K)
        condition = regressor.conditioner.global_condition(summary, known, draws.code_present)
    noisy, velocity = interpolated(batch.latents, draws.noise, draws.sigma)
    return (noisy, draws.sigma, batch.places, tokens, condition), velocity
