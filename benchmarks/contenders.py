"""The training steps compared: ours inside `fit`, and bare loops around the same UNet."""

from collections.abc import Callable
from contextlib import redirect_stderr, suppress
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch
from accelerate import Accelerator
from diffusers import DDPMScheduler
from diffusers.models.attention_processor import AttnProcessor2_0
from diffusers.training_utils import EMAModel
from torch import Generator, Tensor, nn
from torch.nn import functional

from cohort.prepared import PreparedCohort
from models.denoiser import TIMESTEPS, cell_features
from models.presets import Preset
from training.batch import HeartBatch
from training.denoising import BatchPlan, TrainingData, denoising
from training.fit import fit
from training.networks import fresh_generator, fresh_regressor
from training.recipe import Recipe
from training.run import Run
from training.session import Session
from training.stages import HEART_COMPONENTS

TOKENS = 55  # an ECG's 50, its summary, and 4 of the person
RATE = 1e-4


@dataclass(frozen=True)
class Load:
    """What a step works on: so many hearts, so many slices of each, latents of (channels, height, width)."""

    hearts: int
    slices: int
    latent: tuple[int, int, int] = (4, 12, 12)

    @property
    def images(self) -> int:
        return self.hearts * self.slices


# ---- Bare loops ----


class BareLoop:
    """A training step and nothing around it; its data and its condition lie ready on the device.

    As in diffusers' examples: prediction, mean squared error, backward, clip, AdamW, EMA. Every loop has our fast
    optimiser and average, whatever its authors use, so that only what is compared differs.

    Args:
        module: what is trained.
        loss_of: (wrapped module) -> scalar.
        fused, foreach: of AdamW, of the average.
    """

    def __init__(
        self,
        module: nn.Module,
        loss_of: Callable[[nn.Module], Tensor],
        accelerator: Accelerator,
        fused: bool = True,
        foreach: bool = True,
    ) -> None:
        self.module, self._loss_of, self._accelerator = module, loss_of, accelerator
        module.to(accelerator.device).train()
        optimizer = torch.optim.AdamW(module.parameters(), lr=RATE, weight_decay=0.01, betas=(0.9, 0.99), fused=fused)
        self._ema = EMAModel(module.parameters(), decay=0.998, use_ema_warmup=True, power=0.75, foreach=foreach)
        self._wrapped, self._optimizer = accelerator.prepare(module, optimizer)

    def step(self) -> Tensor:
        """One optimiser step; its loss."""
        loss = self._loss_of(self._wrapped)
        self._accelerator.backward(loss)
        self._accelerator.clip_grad_norm_(self._wrapped.parameters(), 1.0)
        self._optimizer.step()
        self._optimizer.zero_grad()
        self._ema.step(self.module.parameters())
        return loss.detach()


def diffusers_loop(
    unet: nn.Module, load: Load, accelerator: Accelerator, joined: bool = True, **switches: bool
) -> BareLoop:
    """(a) The loop of diffusers' training examples (epsilon prediction) around the UNet of a HeartDenoiser.

    Args:
        joined: whether attention runs over all slices of a heart, as ours does. If not, diffusers' own processors see
            every slice alone, and every slice is given the condition.
        switches: of BareLoop.
    """
    people = load.hearts if joined else load.images
    attention = {"cross_attention_kwargs": {"slices": load.slices}} if joined else {}
    if not joined:
        unet.set_attn_processor(AttnProcessor2_0())
    device, scheduler = accelerator.device, DDPMScheduler(TIMESTEPS)
    latents = torch.randn(load.images, *load.latent, device=device)
    cells = cell_features(latents)
    tokens = torch.randn(people, TOKENS, unet.config.cross_attention_dim, device=device)
    condition = torch.randn(load.images, unet.config.projection_class_embeddings_input_dim, device=device)

    def loss_of(model: nn.Module) -> Tensor:
        noise = torch.randn_like(latents)
        timesteps = torch.randint(TIMESTEPS, (load.images,), device=device)
        noisy = torch.cat([scheduler.add_noise(latents, noise, timesteps), cells], dim=1)  # (N, C + 2, h, w)
        predicted = model(noisy, timesteps, tokens, class_labels=condition, **attention).sample
        return functional.mse_loss(predicted.float(), noise)

    return BareLoop(unet, loss_of, accelerator, **switches)


# ---- Ours ----


class StepsOver(Exception):
    """Leaves `fit` where its next step would begin, without a checkpoint."""


@dataclass(frozen=True)
class WatchedData(TrainingData):
    """Training data for `steps` steps. It calls `begins` when each begins, and when one more would."""

    steps: int
    begins: Callable[[int], None]

    def train_batch(self, session: Session, step: int) -> tuple[HeartBatch, Tensor, Generator]:
        self.begins(step)
        if step == self.steps:
            raise StepsOver
        return super().train_batch(session, step)


class OurTraining:
    """The training of the denoiser itself, `fit` of `denoising`, on fresh networks.

    A step gathers people and slices, augments ECGs, asks the regressor, learns, averages and logs.

    Args:
        latents: (N, slices, phases, C, h, w) of the cohort.
    """

    def __init__(
        self, cohort: PreparedCohort, latents: np.ndarray, load: Load, preset: Preset, accelerator: Accelerator
    ) -> None:
        torch.manual_seed(0)
        self.regressor = fresh_regressor(cohort, preset, HEART_COMPONENTS)
        conditioner = self.regressor.conditioner
        _, self.module = fresh_generator(conditioner, preset, latents.shape[-3:])
        codes = torch.randn(len(latents), conditioner.code_length)
        plan = BatchPlan(load.hearts, load.slices, condition_dropout=0.1, shared_noise=0.5)
        self._data = (cohort, latents, codes, plan)
        self._accelerator = accelerator

    def run(self, steps: int, begins: Callable[[int], None]) -> None:
        """Train. `begins` is called with 0, 1, ... `steps`, where a step begins and the one before has ended."""
        data = WatchedData(*self._data, steps, begins)
        recipe = Recipe(steps + 1, RATE, checkpoint_every=steps + 1, evaluate_every=steps + 1)
        with TemporaryDirectory() as folder, suppress(StepsOver), redirect_stderr(StringIO()):  # no progress bar
            run = Run(Path(folder) / "run", {}, self._accelerator.is_main_process)
            session = Session(run, recipe, self._accelerator, seed=0)
            fit(denoising(session, self.module, self.regressor, data, lambda step: None, ahead=0), session)


def parameters(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())
