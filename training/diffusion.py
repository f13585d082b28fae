"""Learning hearts from ECGs: which people, which slices, which noise at every step, and what is watched."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from accelerate import Accelerator
from torch import Tensor, nn

from cohort.dataset import HeartBatch, heart_batch
from cohort.prepared import PreparedCohort
from models.noise import heart_noise

from .augmentation import augment_ecg
from .fit import Recipe, fit
from .objectives import HeartDenoiser, dropped, flow_loss, interpolated, phenotype_loss
from .order import keyed_generator, rows_of_step
from .run import Run

VALIDATION_PEOPLE = 64


@dataclass(frozen=True)
class Diet:
    """What a step is made of (per process)."""

    hearts: int
    slices: int
    condition_dropout: float
    phenotype_weight: float
    shared_noise: float
    seed: int


def learn_diffusion(
    denoiser: HeartDenoiser,
    cohort: PreparedCohort,
    latents: np.ndarray,
    run: Run,
    recipe: Recipe,
    diet: Diet,
    accelerator: Accelerator,
    on_evaluate: Callable[[int], None],
) -> HeartDenoiser:
    """Train the denoiser; every random choice is a function of (seed, step, process).

    Args:
        latents: (N, slices, phases, C, h, w) of the cohort.
        on_evaluate: called with the step while the EMA weights are in place, e.g. to draw samples.
    """
    train = torch.from_numpy(cohort.rows("train"))
    held_out = torch.from_numpy(cohort.rows("validation"))[:VALIDATION_PEOPLE]
    device = accelerator.device

    def loss_of(wrapped: nn.Module, step: int) -> tuple[Tensor, dict[str, Tensor]]:
        rank, ranks = accelerator.process_index, accelerator.num_processes
        generator = keyed_generator(diet.seed, "step", step, rank)
        rows = rows_of_step(train, diet.hearts, step, diet.seed, rank, ranks)
        batch = heart_batch(cohort, latents, rows, diet.slices, generator)
        return _loss(wrapped, denoiser, batch, diet, generator, device, augment=True)

    def evaluate(trained: nn.Module, step: int) -> dict[str, float]:
        on_evaluate(step)
        generator = keyed_generator(diet.seed, "validation")  # the same slices, noise and sigma every time
        batch = heart_batch(cohort, latents, held_out, diet.slices, generator)
        _, metrics = _loss(trained, denoiser, batch, diet, generator, device, augment=False)
        return {f"validation_{name}": float(value) for name, value in metrics.items()}

    fit(denoiser, loss_of, run, recipe, accelerator, evaluate, "diffusion")
    return denoiser


def _loss(
    wrapped: nn.Module,
    denoiser: HeartDenoiser,
    batch: HeartBatch,
    diet: Diet,
    generator: torch.Generator,
    device: torch.device,
    augment: bool,
) -> tuple[Tensor, dict[str, Tensor]]:
    people = len(batch.latents)
    ecg, lead_mask = augment_ecg(batch.ecg, batch.lead_mask, generator) if augment else (batch.ecg, batch.lead_mask)
    batch = batch.with_ecg(ecg, lead_mask)
    presence = dropped(people, diet.condition_dropout if augment else 0.0, generator)
    sigma = (torch.arange(people) + torch.rand(people, generator=generator)) / people  # stratified, uniform in [0, 1]
    sigma = sigma[torch.randperm(people, generator=generator)]
    noise = heart_noise(tuple(batch.latents.shape), diet.shared_noise, [generator] * people)
    noisy, target = interpolated(batch.latents, noise, sigma)
    batch, noisy, target, sigma = batch.to(device), noisy.to(device), target.to(device), sigma.to(device)
    velocity, predicted = wrapped(batch, noisy, sigma, *(p.to(device) for p in presence))
    loss = flow = flow_loss(velocity, target, batch.mask)
    metrics = {"flow_loss": flow.detach()}
    if predicted is not None:
        config = denoiser.conditioner.config
        mean, std = (batch.phenotypes.new_tensor(s) for s in (config.phenotype_mean, config.phenotype_std))
        phenotype = phenotype_loss(predicted, (batch.phenotypes - mean) / std)
        loss = flow + diet.phenotype_weight * phenotype
        metrics["phenotype_loss"] = phenotype.detach()
    return loss, metrics
