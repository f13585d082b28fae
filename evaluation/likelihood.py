"""How well a pipeline's denoiser knows given hearts: what a membership attack would look at."""

import numpy as np
import torch
from torch import Tensor

from cohort.intensity import as_unit
from models.noise import heart_noise
from models.places import Places
from sampling.patients import Patient, patient_batch
from sampling.pipeline import ECGToMRIPipeline, sample_generator

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
    for patient, heart, mask in zip(patients, hearts, masks, strict=True):
        acquired = torch.from_numpy(np.flatnonzero(mask)).to(pipeline.device)
        losses.append(_loss(pipeline, patient, heart, acquired, seed) if len(acquired) else np.nan)
    return np.array(losses)


def _loss(pipeline: ECGToMRIPipeline, patient: Patient, heart: np.ndarray, acquired: Tensor, seed: int) -> float:
    """Of one heart (slices, phases, height, width) uint8; acquired: numbers of its slices, position by position."""
    levels, device = len(SIGMAS), pipeline.device
    tokens, summary = pipeline.encode(patient_batch([patient]), guided=False)
    present = torch.ones(1, dtype=torch.bool, device=device)
    condition = pipeline.conditioner.global_condition(summary, pipeline.conditioner.predicted(summary), present)
    latents = pipeline.encode_heart(torch.from_numpy(as_unit(np.asarray(heart))))  # (1, S*P, C, h, w)
    generators = [sample_generator(seed, "membership", k) for k in range(levels)]  # the same for everybody
    noise = heart_noise((levels, *latents.shape[1:]), pipeline.config.shared_noise, generators).to(device)
    latents, noise = latents[:, acquired], noise[:, acquired]  # after the noise: a slice's is the same in any mask
    sigma = torch.tensor(SIGMAS, device=device)
    share = sigma.view(-1, 1, 1, 1, 1)
    places = pipeline.places.to(device)
    some = Places(places.pose[:, acquired], places.phase[:, acquired]).repeated(levels)
    repeated = (part.expand(levels, *part.shape[1:]) for part in (tokens, condition))
    velocity = pipeline.denoiser((1 - share) * latents + share * noise, sigma, some, *repeated)
    return float((velocity - (noise - latents)).square().mean())
