"""Learning the autoencoder: its loss, the measured statistics of its latents, and patch PCA, which it must beat."""

from dataclasses import asdict
from pathlib import Path

import torch
from accelerate import Accelerator
from accelerate.utils import set_seed
from einops import rearrange
from torch import Tensor, nn
from torchmetrics.functional.image import peak_signal_noise_ratio

from cohort.disk import whole_folder, write_json
from cohort.errors import InputError
from cohort.prepared import PreparedCohort
from models.autoencoder import SliceAutoencoder
from sampling.pipeline import load_part

from .batch import draw_slices
from .checkpoint import bytes_of
from .fit import Task, fit
from .objectives import heart_window
from .order import keyed_generator
from .recipe import Recipe
from .run import Run, finish, is_finished, told_finished
from .session import Session

SLICES = 32  # per process and step


class Reconstruction(nn.Module):
    """Slices (n, 1, height, width) -> reconstruction and KL divergence, as the one module Accelerate wraps.

    It runs in float32 under any mixed precision: half precision gives NaN here (diffusers#7188).
    """

    def __init__(self, autoencoder: nn.Module) -> None:
        super().__init__()
        self.autoencoder = autoencoder

    def forward(self, slices: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
        with torch.autocast(slices.device.type, enabled=False):
            posterior = self.autoencoder.posterior(slices)  # (N, C, h, w) Gaussian
            return self.autoencoder.pixels(posterior.mean + posterior.std * noise), posterior.kl().mean()


def reconstruction_loss(predicted: Tensor, slices: Tensor, kl: Tensor) -> Tensor:
    """L1 + 2 MSE + half the L1 of gradients (for sharp walls) + a very small KL; the middle of a slice counts most."""
    error = (predicted - slices) * heart_window(slices.shape[-2:]).to(slices.device)
    edges = sum((error.diff(dim=d)).abs().mean() for d in (2, 3))
    return error.abs().mean() + 2 * error.square().mean() + 0.5 * edges + 1e-6 * kl


def autoencoder_recipe(steps: int, learning_rate: float = 2e-3, checkpoint_every: int = 500) -> Recipe:
    return Recipe(steps, learning_rate, checkpoint_every=checkpoint_every)


def learn_autoencoder(
    width: int,
    cohort: PreparedCohort,
    folder: Path,
    recipe: Recipe,
    accelerator: Accelerator,
    seed: int,
    batch: int = SLICES,
) -> SliceAutoencoder:
    """Train in float32, measure the latents' mean and spread, compare with patch PCA, and put it all into `folder`.

    Writes folder/model (the autoencoder) and folder/report.json. Continues an interrupted run, and leaves a finished
    one as it is.

    Args:
        width: of the autoencoder. Its fresh weights depend on the seed alone.
        batch: slices per process and step.

    Raises:
        InputError: slices that the autoencoder cannot cut into latent cells.
    """
    set_seed(seed)
    autoencoder = SliceAutoencoder(width)
    require_cells(autoencoder, *cohort.hearts.shape[-2:])
    # diffusers' own entries, "_...", have another order in every process
    architecture = {name: value for name, value in autoencoder.config.items() if not name.startswith("_")}
    settings = {**asdict(recipe), "batch": batch, "seed": seed, "data": cohort.folder.name, **architecture}
    if is_finished(folder, settings):
        accelerator.print(told_finished(folder))
        return load_part(SliceAutoencoder, folder / "model")
    run = Run(folder, settings, accelerator.is_main_process, lengths=("steps",))
    session = Session(run, recipe, accelerator, seed)
    known, held_out = known_and_held_out(cohort, seed)
    autoencoder.start_from_patches(*patch_basis(known, autoencoder.downsampling, autoencoder.config.latent_channels))
    fit(reconstruction(session, autoencoder, cohort, held_out, batch), session)
    known, held_out = known.to(accelerator.device), held_out.to(accelerator.device)
    measure_latents(autoencoder, known)
    if session.main:
        report = fidelity(autoencoder, known, held_out)
        finish(run, autoencoder, report)
        print("autoencoder on held-out slices: {psnr_db:.1f} dB, patch PCA {patch_pca_psnr_db:.1f} dB".format(**report))
    accelerator.wait_for_everyone()
    return autoencoder


def keep_autoencoder(
    autoencoder: SliceAutoencoder, cohort: PreparedCohort, folder: Path, accelerator: Accelerator, seed: int
) -> None:
    """Put a trained autoencoder into `folder` as it is, with what it reaches on this cohort's held-out slices.

    Its latents are those that the denoiser of its pipeline knows. A training of its own would make other latents.

    Raises:
        InputError: slices that the autoencoder cannot cut into latent cells.
    """
    require_cells(autoencoder, *cohort.hearts.shape[-2:])
    if accelerator.is_main_process:
        known, held_out = known_and_held_out(cohort, seed)
        report = fidelity(autoencoder, known.to(accelerator.device), held_out.to(accelerator.device))
        with whole_folder(folder / "model", bytes_of({"model": autoencoder.state_dict()})) as unfinished:
            autoencoder.save_pretrained(unfinished, safe_serialization=True)
        write_json(folder / "report.json", report)
        told = "begins with the autoencoder of --init as it is: {psnr_db:.1f} dB on held-out slices"
        print((told + ", patch PCA {patch_pca_psnr_db:.1f} dB").format(**report))
        if report["psnr_db"] <= report["patch_pca_psnr_db"]:
            print(
                f"warning: no better than patch PCA. train_autoencoder.py --output {folder} makes one of these slices"
            )
    accelerator.wait_for_everyone()


def known_and_held_out(cohort: PreparedCohort, seed: int) -> tuple[Tensor, Tensor]:
    """Slices (n, 1, height, width): of training people, by which latents are measured, and of validation people."""
    held_out = draw_slices(cohort, cohort.rows("validation"), 256, keyed_generator(seed, "validation slices"))[0]
    known = draw_slices(cohort, cohort.rows("train"), 2048, keyed_generator(seed, "latent statistics"))[0]
    return known, held_out


def require_cells(autoencoder: SliceAutoencoder, height: int, width: int) -> None:
    """Refuse slices whose sides are no multiples of the autoencoder's downsampling."""
    f = autoencoder.downsampling
    if height % f or width % f:
        raise InputError("--geometry", f"height and width must be multiples of {f}", "choose e.g. 96 x 96")


def reconstruction(
    session: Session, autoencoder: SliceAutoencoder, cohort: PreparedCohort, held_out: Tensor, batch: int
) -> Task:
    """The task of reconstructing slices of the cohort's training people; held_out: (n, 1, height, width)."""
    device, train = session.device, cohort.rows("train")

    def loss_of(wrapped: nn.Module, step: int) -> tuple[Tensor, dict[str, Tensor]]:
        generator = session.generator("autoencoder", step)
        slices, _ = draw_slices(cohort, train, batch, generator)
        noise = torch.randn(_latent_shape(autoencoder, slices), generator=generator)
        slices = slices.to(device)
        predicted, kl = wrapped(slices, noise.to(device))
        loss = reconstruction_loss(predicted, slices, kl)
        return loss, {"loss": loss.detach(), "kl": kl.detach()}

    def evaluate(trained: nn.Module, step: int) -> dict[str, float]:
        slices = held_out.to(device)
        zero = torch.zeros(_latent_shape(autoencoder, slices), device=device)
        return {"validation_psnr_db": psnr_db(trained(slices, zero)[0], slices)}

    return Task("autoencoder", Reconstruction(autoencoder), loss_of, evaluate)


@torch.no_grad()
def measure_latents(autoencoder: nn.Module, slices: Tensor) -> None:
    """Store the mean and spread of the raw latents of (n, 1, height, width) training slices in the configuration."""
    raw = torch.cat([autoencoder.posterior(part).mode() for part in slices.split(256)])  # (N, C, h, w)
    autoencoder.set_latent_statistics(raw.mean(dim=(0, 2, 3)), raw.std(dim=(0, 2, 3)))


def psnr_db(predicted: Tensor, truth: Tensor) -> float:
    """Peak signal-to-noise ratio in dB of pixels in [0, 1]."""
    return float(peak_signal_noise_ratio(predicted.clamp(0, 1), truth, data_range=1.0))


def to_patches(slices: Tensor, side: int) -> Tensor:
    """(n, 1, height, width) -> (n * height / side * width / side, side * side)."""
    return rearrange(slices, "n 1 (h a) (w b) -> (n h w) (a b)", a=side, b=side)


def patch_basis(slices: Tensor, side: int, components: int) -> tuple[Tensor, Tensor, Tensor]:
    """Principal components of side x side patches of (n, 1, height, width) slices.

    Returns:
        mean (side * side,), orthonormal basis (side * side, components), spread of the code (components,).
    """
    patches = to_patches(slices, side).cpu().double()  # on the CPU: Apple's GPUs know no float64
    mean = patches.mean(dim=0)
    values, vectors = torch.linalg.eigh((patches - mean).T @ (patches - mean) / len(patches))
    spread = values[-components:].clamp(min=1e-12).sqrt()
    return tuple(part.float().to(slices.device) for part in (mean, vectors[:, -components:], spread))


def patch_pca(train: Tensor, held_out: Tensor, side: int, components: int) -> Tensor:
    """Reconstruct slices by the best linear code of the same size: PCA of side x side patches.

    Args:
        train, held_out: (n, 1, height, width).

    Returns:
        reconstruction of `held_out`.
    """
    mean, basis, _ = patch_basis(train, side, components)
    code = (to_patches(held_out, side) - mean) @ basis
    height, width = (size // side for size in held_out.shape[-2:])
    return rearrange(code @ basis.T + mean, "(n h w) (a b) -> n 1 (h a) (w b)", h=height, w=width, a=side)


def fidelity(autoencoder: nn.Module, train: Tensor, held_out: Tensor) -> dict[str, float]:
    """PSNR of reconstructed held-out slices in dB: the autoencoder's, and that of patch PCA with as long a code."""
    side, components = autoencoder.downsampling, autoencoder.config.latent_channels
    with torch.no_grad():
        ours = torch.cat([autoencoder.decode(autoencoder.encode(part)) for part in held_out.split(128)])
    linear = patch_pca(train, held_out, side, components)
    return {"psnr_db": psnr_db(ours, held_out), "patch_pca_psnr_db": psnr_db(linear, held_out)}


def _latent_shape(autoencoder: nn.Module, slices: Tensor) -> tuple[int, int, int, int]:
    f = autoencoder.downsampling
    return (len(slices), autoencoder.config.latent_channels, slices.shape[2] // f, slices.shape[3] // f)
