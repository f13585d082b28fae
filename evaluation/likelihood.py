"""How well a pipeline's denoiser knows given hearts: a membership attack would look at this."""

import numpy as np
import torch
from einops import rearrange, repeat

from models.noise import heart_noise
from models.unet import denoise_heart
from sampling.patients import Patient, condition_of
from sampling.pipeline import ECGToMRIPipeline, sample_generator, slice_places

SIGMAS = (0.3, 0.6)


@torch.no_grad()
def denoising_losses(
    pipeline: ECGToMRIPipeline, patients: list[Patient], hearts: np.ndarray, masks: np.ndarray, seed: int = 0
) -> np.ndarray:
    """Mean squared error of the predicted velocity, over SIGMAS and the acquired slices of each patient's own heart.

    The denoiser is given the heart code predicted from ECG and person, so only its weights can know the heart.

    Args:
        hearts: (n, slices, phases, height, width) uint8, memory-mapped or not; masks: (n, slices, phases).

    Returns:
        (n,); NaN where nothing was acquired.
    """
    losses = []
    level_mm, phase = (place.to(pipeline.device) for place in slice_places(pipeline.grid))
    for patient, heart, mask in zip(patients, hearts, masks, strict=True):
        there = torch.from_numpy(np.flatnonzero(mask)).to(pipeline.device)
        if not len(there):
            losses.append(np.nan)
            continue
        tokens, summary = pipeline.encode(condition_of([patient]), guided=False)
        code = pipeline.conditioner.predicted(summary)
        told = pipeline.conditioner.told(summary, code, torch.ones(1, dtype=torch.bool, device=pipeline.device))
        pixels = torch.from_numpy(np.asarray(heart)).to(pipeline.device).float() / 255
        latents = pipeline.autoencoder.encode(rearrange(pixels, "s p h w -> (s p) 1 h w"))  # (S*P, C, h, w)
        latents = repeat(latents, "s c h w -> b s c h w", b=len(SIGMAS))  # of all slices, for the same noise
        generators = [sample_generator(seed, "membership", k) for k in range(len(SIGMAS))]  # the same for everybody
        noise = heart_noise(tuple(latents.shape), pipeline.config.shared_noise, generators).to(pipeline.device)
        sigma = torch.tensor(SIGMAS, device=pipeline.device)
        share = sigma.view(-1, 1, 1, 1, 1)
        latents, noise = latents[:, there], noise[:, there]
        places = (level_mm[:, there], phase[:, there], tokens, told)
        given = (part.expand(len(SIGMAS), *part.shape[1:]) for part in places)
        velocity = denoise_heart(pipeline.unet, (1 - share) * latents + share * noise, sigma * 1000, *given)
        losses.append(float((velocity - (noise - latents)).square().mean()))
    return np.array(losses)
