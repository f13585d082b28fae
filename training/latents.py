"""A cohort's hearts as latents, computed once per autoencoder and kept beside the arrays."""

import hashlib
from pathlib import Path

import numpy as np
import torch
from einops import rearrange
from tqdm import tqdm

from cohort.content import fingerprint
from cohort.disk import array_bytes, new_array, whole_file
from cohort.intensity import as_unit
from cohort.lock import locked
from cohort.prepared import PreparedCohort, draft_of
from cohort.private import private
from cohort.step_code import code_sha256
from cohort.stored_arrays import array_sha256, open_arrays, read_about, write_about
from models.autoencoder import SliceAutoencoder

ARRAY = "latents"
ENCODING = "training.latents"  # the code that makes latents, with all it imports


def cohort_latents(
    autoencoder: SliceAutoencoder, cohort: PreparedCohort, device: torch.device, main: bool
) -> np.ndarray:
    """Standardised latents (N, slices, phases, C, h, w) float16, memory-mapped.

    They lie in a folder beside the arrays, named by `latents_key`: other hearts, another autoencoder or other code make
    another folder. If several trainings want it at once, one writes it and the others wait.

    Raises:
        InputError: the latents hold something else than was written.
    """
    folder = cohort.folder / f"latents-{latents_key(autoencoder, cohort.folder)}"
    return _kept(autoencoder, cohort.hearts, device, main, folder)


def cine_latents(
    autoencoder: SliceAutoencoder, folder: Path, cines: np.ndarray, device: torch.device, main: bool
) -> np.ndarray:
    """Latents of every frame of cines (n, slices, frames, height, width): (n, slices, frames, C, h, w) float16.

    Args:
        folder: where the array `cines` lies, of which these are the first n; the latents are kept beside it.
    """
    beside = folder / f"cine-latents-{latents_key(autoencoder, folder, 'cines')}-{len(cines)}"
    return _kept(autoencoder, cines, device, main, beside)


def _kept(
    autoencoder: SliceAutoencoder, hearts: np.ndarray, device: torch.device, main: bool, folder: Path
) -> np.ndarray:
    if main and not folder.exists():
        with locked(folder), private():
            if not folder.exists():
                _encode(autoencoder, hearts, device, folder)
    return open_arrays(folder, read_about(folder))[ARRAY]


def latents_key(autoencoder: SliceAutoencoder, folder: Path, array: str = "hearts") -> str:
    """Twelve hexadecimal digits of all that decides latents: the hearts' content, the autoencoder, and the code."""
    decides = {
        "hearts": array_sha256(folder, array),
        "autoencoder": autoencoder_fingerprint(autoencoder),
        "code": code_sha256(ENCODING),
    }
    return fingerprint(decides, ())


@torch.no_grad()
def _encode(autoencoder: SliceAutoencoder, hearts: np.ndarray, device: torch.device, folder: Path) -> None:
    people, slices, phases, height, width = hearts.shape
    f, channels = autoencoder.downsampling, autoencoder.config.latent_channels
    shape = (people, slices, phases, channels, height // f, width // f)
    draft = draft_of(folder)
    with whole_file(draft / f"{ARRAY}.npy", array_bytes(shape, np.float16)) as unfinished:
        out = new_array(unfinished, shape, np.float16)
        for row in tqdm(range(people), desc="hearts to latents"):
            heart = torch.from_numpy(as_unit(hearts[row])).to(device)  # (S, P, H, W)
            latents = autoencoder.encode(rearrange(heart, "s p h w -> (s p) 1 h w"))  # (S*P, C, h, w)
            out[row] = rearrange(latents, "(s p) c h w -> s p c h w", p=phases).cpu().numpy()
        out.flush()
    write_about(draft, [ARRAY], {"people": people})
    draft.rename(folder)


def autoencoder_fingerprint(autoencoder: SliceAutoencoder) -> str:
    """A hash of the weights and statistics: latents of another autoencoder are other latents."""
    c = autoencoder.config
    digest = hashlib.sha256(repr((c.latents_mean, c.latents_std, c.latents_weight)).encode())
    for value in autoencoder.state_dict().values():
        digest.update(value.detach().cpu().numpy().tobytes())
    return digest.hexdigest()[:12]
