"""The other arm of the race: a baseline assembled from the field's defaults."""

from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass, field

import numpy as np
import torch
from diffusers import AutoencoderKL, DDIMScheduler, DDPMScheduler, UNet2DConditionModel
from diffusers.models.embeddings import get_timestep_embedding
from diffusers.training_utils import EMAModel
from einops import rearrange
from torch import Tensor, nn
from torch.nn import functional
from tqdm import tqdm

from benchmarks.race_judge import Race
from cohort.prepared import PreparedCohort
from models.ecg_encoder import ECGEncoder
from models.places import Places
from sampling.patients import Patient, patient_batch
from training.batch import draw_slices, heart_batch
from training.order import keyed_generator, rows_of_step

AUTOENCODER_SHARE = 0.3  # of the baseline's minutes
KEPT_AT = (0.4, 0.6, 0.8, 1.0)  # shares of the baseline's minutes whose weights are kept to be judged
CLOCK_EVERY = {"autoencoder": 20, "denoiser": 50}  # steps between two looks at the clock
BATCH = 16  # slices a step
CHANNELS, DOWNSAMPLING = 4, 8  # of the latents
WIDTH = 128
TIMESTEPS, SAMPLING_STEPS = 1000, 50


class SliceDenoiser(nn.Module):
    """One slice at a time: a stock UNet with cross-attention at every level on the tokens of an ECG transformer.

    Tokens: the ECG's, one for the person and one for the slice's place (position and phase).

    Args:
        size: height and width of the latents.
    """

    def __init__(self, size: tuple[int, int]) -> None:
        super().__init__()
        self.ecg_encoder = ECGEncoder(width=WIDTH)
        self.person, self.place = nn.Linear(4, WIDTH), nn.Linear(48, WIDTH)
        self.null = nn.Parameter(torch.zeros(WIDTH))
        self.unet = UNet2DConditionModel(
            sample_size=size,
            in_channels=CHANNELS,
            out_channels=CHANNELS,
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

    def forward(
        self, noisy: Tensor, timesteps: Tensor, tokens: Tensor, slice_position_mm: Tensor, phase: Tensor
    ) -> Tensor:
        """noisy (B, C, h, w), one slice each, at slice_position_mm (B,) and phase (B,) -> noise."""
        position = get_timestep_embedding(slice_position_mm, 32, downscale_freq_shift=0)
        angle = get_timestep_embedding(phase * 6.2832, 16, downscale_freq_shift=0, max_period=10)
        place = self.place(torch.cat([position, angle], dim=-1))  # (B, D)
        tokens = torch.cat([tokens, place.unsqueeze(1)], dim=1)  # (B, N + 2, D)
        return self.unet(noisy, timesteps, encoder_hidden_states=tokens).sample  # (B, C, h, w)


@dataclass(frozen=True, eq=False)
class Baseline:
    """A stock AutoencoderKL and a denoiser of single slices.

    Attributes:
        scale: gives the autoencoder's latents unit variance (Rombach 2022, section G).
    """

    autoencoder: AutoencoderKL
    scale: float
    denoiser: SliceDenoiser
    noising: DDPMScheduler = field(default_factory=lambda: DDPMScheduler(TIMESTEPS))

    @torch.no_grad()
    def latents(self, pixels: Tensor) -> Tensor:
        """(n, 1, height, width) in [0, 1] -> (n, C, h, w)."""
        return self.autoencoder.encode(pixels * 2 - 1).latent_dist.mode() * self.scale

    @torch.no_grad()
    def hearts(self, patients: list[Patient], samples: int, places: Places, phases: int) -> np.ndarray:
        """DDIM-50, every slice by itself: (n, m, slices, phases, height, width) in [0, 1].

        Args:
            places: of the slices of one heart (B = 1).
        """
        numbers = [(number, sample) for number in range(len(patients)) for sample in range(samples)]
        hearts = [self._heart(patients[number], places, number, sample) for number, sample in numbers]
        hearts = [rearrange(heart, "(s p) 1 h w -> s p h w", p=phases).numpy() for heart in hearts]
        return np.stack(hearts).reshape(len(patients), samples, *hearts[0].shape)

    def _heart(self, patient: Patient, places: Places, number: int, sample: int) -> Tensor:
        """Pixels (S, 1, height, width) in [0, 1] of all slices of one heart."""
        position, phase = places.slice_position_mm[0], places.phase[0]  # (S,) each
        p, denoiser = patient_batch([patient]), self.denoiser.eval()
        tokens = denoiser.tokens(p.ecg, p.lead_mask, p.person, p.ecg_present).expand(len(phase), -1, -1)
        scheduler = DDIMScheduler(TIMESTEPS)
        scheduler.set_timesteps(SAMPLING_STEPS)
        shape = (len(phase), CHANNELS, *denoiser.unet.config.sample_size)
        latents = torch.randn(shape, generator=keyed_generator(0, "baseline heart", number, sample))
        for timestep in scheduler.timesteps:
            noise = denoiser(latents, timestep.expand(len(latents)), tokens, position, phase)
            latents = scheduler.step(noise, timestep, latents).prev_sample
        return (self.autoencoder.decode(latents / self.scale).sample / 2 + 0.5).clamp(0, 1)


def learn_baseline(cohort: PreparedCohort, minutes: float, race: Race) -> None:
    """The field's defaults: AutoencoderKL (L1 + 1e-6 KL), epsilon DDPM, 16 slices a step, AdamW 1e-4, EMA.

    Weights kept on the way are judged at the end, the latest first. Sampling is slow, so that earlier ones are judged
    only where later ones were enough.
    """
    torch.manual_seed(0)
    geometry = cohort.preparation.geometry
    size = (geometry.height // DOWNSAMPLING, geometry.width // DOWNSAMPLING)
    autoencoder, scale = baseline_autoencoder(cohort, AUTOENCODER_SHARE * minutes, race)
    baseline = Baseline(autoencoder, scale, SliceDenoiser(size))
    places = Places.stack(geometry.slice_position_mm, geometry.phase)
    for step, spent, weights in reversed(list(kept_weights(baseline, cohort, minutes, race))):
        baseline.denoiser.load_state_dict(weights)
        if not race.reached(lambda p, m: baseline.hearts(p, m, places, geometry.phases), step, spent):
            break


def kept_weights(
    baseline: Baseline, cohort: PreparedCohort, minutes: float, race: Race
) -> Iterator[tuple[int, dict[str, float], dict[str, Tensor]]]:
    """Train the denoiser; yield step, minutes spent and averaged weights at each of KEPT_AT."""
    denoiser = baseline.denoiser
    optimizer = torch.optim.AdamW(denoiser.parameters(), lr=1e-4)
    ema = EMAModel(denoiser.parameters(), 0.9999, use_ema_warmup=True)
    due, step = [share * minutes for share in KEPT_AT], 0
    with tqdm(desc="baseline, minutes", total=round(minutes, 1)) as bar:
        while due:
            baseline_loss(baseline, cohort, step).backward()
            nn.utils.clip_grad_norm_(denoiser.parameters(), 1.0)
            optimizer.step()
            optimizer.zero_grad()
            ema.step(denoiser.parameters())
            step += 1
            if step % CLOCK_EVERY["denoiser"]:
                continue
            spent = race.spent()
            bar.update(min(spent["minutes"], bar.total) - bar.n)
            if spent["minutes"] >= due[0]:
                due.pop(0)
                ema.store(denoiser.parameters())
                ema.copy_to(denoiser.parameters())
                yield step, spent, deepcopy(denoiser.state_dict())
                ema.restore(denoiser.parameters())


def baseline_loss(baseline: Baseline, cohort: PreparedCohort, step: int) -> Tensor:
    """Epsilon prediction of one random slice of each of BATCH people, the condition withheld from a tenth."""
    generator, train = keyed_generator(0, "baseline", step), torch.from_numpy(cohort.rows("train"))
    pixels = cohort.hearts[:, :, :, None]  # (N, slices, phases, 1, H, W), encoded as they are drawn
    batch = heart_batch(cohort, pixels, rows_of_step(train, BATCH, step, 0), 1, generator)
    clean = baseline.latents(batch.latents[:, 0] / 255)  # (B, C, h, w)
    noise = torch.randn(clean.shape, generator=generator)
    times = torch.randint(TIMESTEPS, (BATCH,), generator=generator)
    present = torch.rand(BATCH, generator=generator) >= 0.1
    tokens = baseline.denoiser.tokens(batch.ecg, batch.lead_mask, batch.person, present)
    noisy = baseline.noising.add_noise(clean, noise, times)
    places = batch.places
    predicted = baseline.denoiser(noisy, times, tokens, places.slice_position_mm[:, 0], places.phase[:, 0])
    return functional.mse_loss(predicted, noise)


def baseline_autoencoder(cohort: PreparedCohort, minutes: float, race: Race) -> tuple[AutoencoderKL, float]:
    """A stock AutoencoderKL, trained until so many minutes are spent, and the scale of its latents."""
    autoencoder = AutoencoderKL(
        in_channels=1,
        out_channels=1,
        latent_channels=CHANNELS,
        block_out_channels=(16, 32, 64, 64),
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        norm_num_groups=16,
    )
    optimizer, train, step = torch.optim.AdamW(autoencoder.parameters(), lr=1e-4), cohort.rows("train"), 0
    while step % CLOCK_EVERY["autoencoder"] or race.spent()["minutes"] < minutes:
        pixels = draw_slices(cohort, train, BATCH, keyed_generator(0, "baseline autoencoder", step))[0] * 2 - 1
        posterior = autoencoder.encode(pixels).latent_dist
        loss = functional.l1_loss(autoencoder.decode(posterior.sample()).sample, pixels) + 1e-6 * posterior.kl().mean()
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        step += 1
    pixels = draw_slices(cohort, train, 256, keyed_generator(0, "baseline scale"))[0]
    with torch.no_grad():
        latents = autoencoder.encode(pixels * 2 - 1).latent_dist.mode()
        error = functional.mse_loss(autoencoder.decode(latents).sample / 2 + 0.5, pixels)
    print(f"baseline autoencoder: {step} steps, {-10 * float(error.log10()):.1f} dB", flush=True)
    return autoencoder.eval(), 1 / float(latents.std())
