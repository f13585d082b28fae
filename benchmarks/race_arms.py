"""The two arms of the race: this project's stages, and a baseline assembled from the field's defaults."""

from collections.abc import Callable
from copy import deepcopy
from pathlib import Path

import numpy as np
import torch
from cohort.dataset import draw_slices, heart_batch
from einops import rearrange
from torch import Tensor, nn
from torch.nn import functional

from models.ecg_encoder import ECGEncoder, sinusoid
from sampling.patients import condition_of
from training.order import keyed_generator, rows_of_step

JUDGED_EVERY = 100  # of our steps
AUTOENCODER_SHARE = 0.3  # of the baseline's minutes
KEPT_AT = (0.4, 0.6, 0.8, 1.0)  # shares of the baseline's minutes whose weights are kept to be judged
WIDTH = 128


class Enough(Exception):
    """The goal is reached: an arm need not learn on."""


def learn_ours(cohort, folder: Path, steps: int, accelerator, seen: Callable) -> None:
    """The stages of train_diffusion.py, short, judged every hundred steps until the goal is reached."""
    from dataclasses import asdict

    from models.unet import PRESETS, denoise_heart
    from training.condition import learn_prior, learn_reading
    from training.diffusion import Diet, Lesson, learn_diffusion

    from models.autoencoder import SliceAutoencoder
    from sampling.patients import generate as generate_hearts
    from sampling.pipeline import ECGToMRIPipeline
    from sampling.schedulers import DEFAULT_SCHEDULER, make_scheduler
    from training.autoencoder import learn_autoencoder
    from training.ceiling import PEOPLE, learn_ceiling, readings
    from training.fit import Recipe
    from training.latents import cohort_latents
    from training.networks import begin_from, fresh_generator, fresh_reader
    from training.objectives import HeartDenoiser
    from training.run import Run
    from training.targets import heart_codes

    torch.manual_seed(0)
    nano, device = PRESETS["nano"], accelerator.device
    autoencoder = SliceAutoencoder(nano.autoencoder_width)
    learn_autoencoder(autoencoder, cohort, folder / "autoencoder", Recipe(450, 2e-3), accelerator, batch=32, seed=0)
    latents = cohort_latents(autoencoder, cohort, device, True)
    reader = fresh_reader(cohort, nano, 24)
    prior, unet = fresh_generator(reader.conditioner, nano, latents.shape[-3:])
    codes = heart_codes(cohort, latents, reader.conditioner)
    people = readings(cohort, codes, None, reader.conditioner)

    def recipe(steps: int, rate: float) -> Recipe:
        return Recipe(steps, rate, weight_decay=0.05, ema_decay=0.99, evaluate_every=100)

    ceiling, _ = learn_ceiling(cohort, None, nano, Run(folder / "ceiling", {}), recipe(800, 1e-3), accelerator, 0)
    begin_from(reader, ceiling)
    half = recipe(500, 5e-4)
    run = Run(folder / "condition", {})
    learn_reading(reader, people.train, people.held_out, run, half, accelerator, PEOPLE, 0.1, 0, "condition")
    short = Recipe(600, 1e-3, ema_decay=0.995, evaluate_every=100)
    run = Run(folder / "prior", {})
    learn_prior(prior, reader, people.train, people.held_out, run, short, accelerator, 256, 0.1, 0)
    parts = (reader.ecg_encoder, reader.conditioner, prior, unet, autoencoder, make_scheduler(DEFAULT_SCHEDULER))
    pipeline = ECGToMRIPipeline(*parts, geometry=asdict(cohort.preparation.geometry), shared_noise=0.5)
    pipeline.set_progress_bar_config(disable=True)

    def generate(patients: list, samples: int) -> np.ndarray:
        return np.stack([hearts for _, hearts in generate_hearts(pipeline, patients, samples, 0, 8)])

    lesson = Lesson(cohort, latents, codes, Diet(20, 3, 0.1, 0.5, 0))
    recipe = Recipe(steps, 1e-3, evaluate_every=JUDGED_EVERY)
    denoiser, run = HeartDenoiser(unet, denoise_heart), Run(folder, {})

    def judged(step: int) -> None:
        if seen(generate, step):
            raise Enough

    learn_diffusion(denoiser, reader, lesson, run, recipe, accelerator, judged)


# ---- The baseline ----


class SliceDenoiser(nn.Module):
    """One slice at a time: a stock UNet with cross-attention at every level on the tokens of an ECG transformer.

    Tokens: the ECG's, one for the person and one for the slice's place (level and phase).
    """

    def __init__(self) -> None:
        from diffusers import UNet2DConditionModel

        super().__init__()
        self.ecg_encoder = ECGEncoder(width=WIDTH)
        self.person, self.place = nn.Linear(4, WIDTH), nn.Linear(48, WIDTH)
        self.null = nn.Parameter(torch.zeros(WIDTH))
        self.unet = UNet2DConditionModel(
            sample_size=12,
            in_channels=4,
            out_channels=4,
            block_out_channels=(64, 128),
            layers_per_block=2,
            down_block_types=("CrossAttnDownBlock2D",) * 2,
            up_block_types=("CrossAttnUpBlock2D",) * 2,
            cross_attention_dim=WIDTH,
        )

    def tokens(self, ecg: Tensor, lead_mask: Tensor, person: Tensor, present: Tensor) -> Tensor:
        """ecg (B, 12, T), person (B, 4), present (B,) bool -> (B, N + 1, D)."""
        tokens, _ = self.ecg_encoder(ecg, lead_mask)  # (B, N, D)
        standard = (person - person.new_tensor([0.5, 62.0, 169.0, 76.0])) / person.new_tensor([0.5, 9.0, 9.0, 14.0])
        tokens = torch.cat([tokens, self.person(standard.nan_to_num()).unsqueeze(1)], dim=1)  # (B, N + 1, D)
        return torch.where(present[:, None, None], tokens, self.null)  # (B, N + 1, D)

    def forward(self, noisy: Tensor, timesteps: Tensor, tokens: Tensor, level_mm: Tensor, phase: Tensor) -> Tensor:
        """noisy (B, C, h, w), one slice each -> noise."""
        place = torch.cat([sinusoid(level_mm, 32), sinusoid(phase * 6.2832, 16, longest=10.0)], dim=-1)  # (B, 48)
        tokens = torch.cat([tokens, self.place(place).unsqueeze(1)], dim=1)  # (B, N + 2, D)
        return self.unet(noisy, timesteps, encoder_hidden_states=tokens).sample  # (B, C, h, w)


def learn_baseline(cohort, minutes: float, seen: Callable) -> None:
    """The field's defaults: AutoencoderKL (L1 + 1e-6 KL), epsilon DDPM, 16 slices a step, AdamW 1e-4, EMA."""
    from diffusers import DDPMScheduler
    from diffusers.training_utils import EMAModel
    from tqdm import tqdm

    torch.manual_seed(0)
    autoencoder, scale = baseline_autoencoder(cohort, AUTOENCODER_SHARE * minutes, seen)
    pixels = cohort.hearts[:, :, :, None]  # (N, slices, phases, 1, H, W), encoded as they are drawn
    model = SliceDenoiser()
    optimizer, ema = (
        torch.optim.AdamW(model.parameters(), lr=1e-4),
        EMAModel(model.parameters(), 0.9999, use_ema_warmup=True),
    )
    noising, train = DDPMScheduler(1000), torch.from_numpy(cohort.rows("train"))
    due, step, kept = list(KEPT_AT), 0, []
    with tqdm(desc="baseline, minutes", total=round(minutes, 1)) as bar:
        while due:
            generator = keyed_generator(0, "baseline", step)
            batch = heart_batch(cohort, pixels, rows_of_step(train, 16, step, 0, 0, 1), 1, generator)
            with torch.no_grad():
                clean = autoencoder.encode(batch.latents[:, 0] / 127.5 - 1).latent_dist.mode() * scale  # (B, C, h, w)
            noise, times = (
                torch.randn(clean.shape, generator=generator),
                torch.randint(1000, (16,), generator=generator),
            )
            present = torch.rand(16, generator=generator) >= 0.1
            tokens = model.tokens(batch.ecg, batch.lead_mask, batch.person, present)
            found = model(
                noising.add_noise(clean, noise, times), times, tokens, batch.level_mm[:, 0], batch.phase[:, 0]
            )
            functional.mse_loss(found, noise).backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            optimizer.zero_grad()
            ema.step(model.parameters())
            step += 1
            if step % 50 == 0:
                spent = seen.spent()
                bar.update(min(spent["minutes"], bar.total) - bar.n)
                if spent["minutes"] >= due[0] * minutes:
                    due.pop(0)
                    ema.store(model.parameters())
                    ema.copy_to(model.parameters())
                    kept.append((step, spent, deepcopy(model.state_dict())))
                    ema.restore(model.parameters())
    for step, spent, weights in reversed(kept):  # sampling is slow: earlier ones only where later ones were enough
        model.load_state_dict(weights)
        if not seen(lambda p, m: baseline_hearts(model.eval(), autoencoder, scale, p, m, cohort), step, spent):
            break


def baseline_autoencoder(cohort, minutes: float, seen: Callable) -> tuple:
    """A stock AutoencoderKL, and the factor that gives its latents unit variance (Rombach 2022, section G)."""
    from diffusers import AutoencoderKL

    autoencoder = AutoencoderKL(
        in_channels=1,
        out_channels=1,
        latent_channels=4,
        block_out_channels=(16, 32, 64, 64),
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        norm_num_groups=16,
    )
    optimizer, train, step = torch.optim.AdamW(autoencoder.parameters(), lr=1e-4), cohort.rows("train"), 0
    while step % 20 or seen.spent()["minutes"] < minutes:
        slices, _ = draw_slices(cohort, train, 16, keyed_generator(0, "baseline autoencoder", step))
        posterior = autoencoder.encode(slices * 2 - 1).latent_dist
        found = autoencoder.decode(posterior.sample()).sample
        loss = functional.l1_loss(found, slices * 2 - 1) + 1e-6 * posterior.kl().mean()
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        step += 1
    slices, _ = draw_slices(cohort, train, 256, keyed_generator(0, "baseline scale"))
    with torch.no_grad():
        error = functional.mse_loss(
            autoencoder.decode(autoencoder.encode(slices * 2 - 1).latent_dist.mode()).sample / 2 + 0.5, slices
        )
        scale = 1 / float(autoencoder.encode(slices * 2 - 1).latent_dist.mode().std())
    print(f"baseline autoencoder: {step} steps, {-10 * float(error.log10()):.1f} dB", flush=True)
    return autoencoder.eval(), scale


@torch.no_grad()
def baseline_hearts(
    model: SliceDenoiser, autoencoder, scale: float, patients: list, samples: int, cohort
) -> np.ndarray:
    """DDIM-50, every slice by itself: (n, m, slices, phases, height, width) in [0, 1]."""
    from diffusers import DDIMScheduler

    levels, phases = len(cohort.level_mm), len(cohort.phase)
    level = torch.from_numpy(cohort.level_mm).float().repeat_interleave(phases)
    phase = torch.from_numpy(cohort.phase).float().repeat(levels)
    hearts = []
    for number, patient in enumerate(patients):
        c = condition_of([patient])
        tokens = model.tokens(c.ecg, c.lead_mask, c.person, c.ecg_present).expand(levels * phases, -1, -1)
        for sample in range(samples):
            scheduler = DDIMScheduler(1000)
            scheduler.set_timesteps(50)
            generator = keyed_generator(0, "baseline heart", number, sample)
            code = torch.randn(levels * phases, 4, 12, 12, generator=generator)
            for timestep in scheduler.timesteps:
                found = model(code, timestep.expand(len(code)), tokens, level, phase)
                code = scheduler.step(found, timestep, code).prev_sample
            pixels = (autoencoder.decode(code / scale).sample / 2 + 0.5).clamp(0, 1)
            hearts.append(rearrange(pixels, "(s p) 1 h w -> s p h w", p=phases).numpy())
    return np.stack(hearts).reshape(len(patients), samples, *hearts[0].shape)
