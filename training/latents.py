"""A cohort's hearts as latents, computed once per autoencoder and kept beside the arrays."""

import hashlib
from pathlib import Path

import numpy as np
import torch
from einops import rearrange
from torch import nn
from tqdm import tqdm

from cohort.disk import array_bytes, new_array, whole_file
from cohort.intensity import as_unit
from cohort.lock import locked
from cohort.prepared import PreparedCohort


def cohort_latents(autoencoder: nn.Module, cohort: PreparedCohort, device: torch.device, main: bool) -> np.ndarray:
    """Standardised latents (N, slices, phases, C, h, w) float16, memory-mapped.

    The file is named by a hash of the autoencoder's weights and statistics: another autoencoder, another file. If
    several trainings want it at once, one writes it and the others wait.
    """
    path = cohort.folder / f"latents-{autoencoder_fingerprint(autoencoder)}.npy"
    if main and not path.exists():
        with locked(path):
            if not path.exists():
                _encode(autoencoder, cohort, device, path)
    return np.load(path, mmap_mode="r")


@torch.no_grad()
def _encode(autoencoder: nn.Module, cohort: PreparedCohort, device: torch.device, path: Path) -> None:
    people, slices, phases, height, width = cohort.hearts.shape
    f, channels = autoencoder.downsampling, autoencoder.config.latent_channels
    shape = (people, slices, phases, channels, height // f, width // f)
    with whole_file(path, array_bytes(shape, np.float16)) as unfinished:
        out = new_array(unfinished, shape, np.float16)
        for row in tqdm(range(people), desc="hearts to latents"):
            heart = torch.from_numpy(as_unit(cohort.hearts[row])).to(device)  # (S, P, H, W)
            latents = autoencoder.encode(rearrange(heart, "s p h w -> (s p) 1 h w"))  # (S*P, C, h, w)
            out[row] = rearrange(latents, "(s p) c h w -> s p c h w", p=phases).cpu().numpy()
        out.flush()


def autoencoder_fingerprint(autoencoder: nn.Module) -> str:
    """A hash of the weights and statistics: latents of another autoencoder are other latents."""
    c = autoencoder.config
    digest = hashlib.sha256(repr((c.latents_mean, c.latents_std, c.latents_weight)).encode())
    for value in autoencoder.state_dict().values():
        digest.update(value.detach().cpu().numpy().tobytes())
    return digest.hexdigest()[:12]
