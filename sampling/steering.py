"""Steering: before the last step of a sampler, a heart is moved until it measures what its code tells.

A denoiser learned pixels, and a single wall is a few of them. Told one thicker wall, it draws all four a little thicker
(LOG.md, 27 November 2026). So the segmenter looks at the heart that the last step would give. The point before that
step follows the gradient of the error. The last step itself is the denoiser's, so the heart stays one that it draws.

It is guidance by a loss on the clean estimate, with a few steps of Adam at one noise level. See Chung 2023, "Diffusion
Posterior Sampling", equation 16, and Bansal 2023, "Universal Guidance", section 3.1.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from cohort.heart_grid import GridGeometry
from models.autoencoder import SliceAutoencoder
from models.code_correction import CodeCorrection
from models.conditioning import HeartConditioner
from models.segmenter import Segmenter

from .soft_phenotypes import ED, ES, soft_phenotypes

FRACTIONS = (("LVEF", "LVEDV", "LVESV"), ("RVEF", "RVEDV", "RVESV"))  # of the volumes at ED and ES
LEAST_ML = 1.0  # of a cavity, lest a fraction be infinite
RATE, BETAS = 0.1, (0.8, 0.9)  # of Adam, in the latents' SDs
SMALL_SD = 1.0  # of an error; beyond it the loss is linear, so that a failing segmenter does not drive a heart away
ON_A_CPU, ON_A_GPU = 1, 16  # hearts at once: gradients of one take 350 MB, and a CPU is no faster with more


@dataclass(frozen=True)
class Sight:
    """What a frozen segmenter sees of hearts with a gradient, beside what it would see on true hearts of their codes.

    Args:
        correction: says which phenotypes count, and what is found on true hearts. conditioner: names their SDs.
    """

    autoencoder: SliceAutoencoder
    segmenter: Segmenter
    correction: CodeCorrection
    conditioner: HeartConditioner
    grid: GridGeometry

    def errors(self, latents: Tensor, codes: Tensor) -> Tensor:
        """(B, P) what is seen on hearts (B, S*2, C, h, w) less what is due, in the cohort's SDs; NaN where unseen.

        The wall's mass at ES is due to be that at ED. A code tells fractions beside volumes, and the two may disagree;
        so both count.
        """
        both = latents.unflatten(1, (self.grid.slices, self.grid.phases))  # (B, S, 2, C, h, w)
        ed, es = (soft_phenotypes(self._shares(both[:, :, phase]), phase, self.grid) for phase in (ED, ES))
        volumes = ed | {name: es[name] for name in ("LVESV", "RVESV")}
        seen = volumes | {name: _per_cent(volumes[before], volumes[after]) for name, before, after in FRACTIONS}
        counted = [(name, value) for name, value in (*seen.items(), ("LVM", es["LVM"])) if name in self.known]
        return torch.stack([self._error(name, value, codes) for name, value in counted], dim=1)

    @property
    def known(self) -> tuple[str, ...]:
        """Names of the phenotypes in a code."""
        return tuple(self.conditioner.config.phenotypes)

    def _error(self, name: str, seen: Tensor, codes: Tensor) -> Tensor:
        """(B,) of one phenotype: what is seen (B,) in its own unit less what is due, in the cohort's SDs."""
        about, corrected, place = self.conditioner.config, self.correction.config.corrected, self.known.index(name)
        slope, offset = self.correction.seen[corrected.index(name)] if name in corrected else (1.0, 0.0)
        due = slope * codes[:, place] + offset  # (B,)
        return (seen - about.phenotype_mean[place]) / about.phenotype_std[place] - due

    def _shares(self, latents: Tensor) -> Tensor:
        """Shares of the classes (B, S, 4, H, W) of hearts at one phase (B, S, C, h, w)."""
        pixels = self.autoencoder.decode(latents.flatten(0, 1))  # (B*S, 1, H, W)
        logits = self.segmenter(pixels.contiguous(memory_format=torch.channels_last))  # (B*S, 4, H, W)
        return logits.softmax(dim=1).unflatten(0, latents.shape[:2])  # (B, S, 4, H, W)


def steered(
    points: Tensor, clean: Callable[[Tensor, Tensor], Tensor], sight: Sight, codes: Tensor, steps: int
) -> Tensor:
    """Hearts (B, S, C, h, w) that measure what their codes tell, of the points before the sampler's last step.

    Args:
        points: (B, S, C, h, w). codes: (B, K) that were to be drawn, in the cohort's SDs.
        clean: (points of some hearts, their numbers in the batch) -> the hearts that the last step would give.
        steps: of Adam; 0 leaves the hearts as the sampler would.
    """
    at_once = ON_A_CPU if points.device.type == "cpu" else ON_A_GPU
    parts = torch.arange(len(points), device=points.device).split(at_once)
    return torch.cat([_steered(points[which], which, clean, sight, codes[which], steps) for which in parts])


def _steered(points: Tensor, which: Tensor, clean: Callable, sight: Sight, codes: Tensor, steps: int) -> Tensor:
    moving = points.clone()
    adam = torch.optim.Adam([moving], lr=RATE, betas=BETAS)
    for _ in range(steps):
        with torch.enable_grad():
            moving.requires_grad_()
            error = sight.errors(clean(moving, which), codes)  # (B, P)
            known = torch.where(error.isfinite(), error, 0.0)
            loss = functional.smooth_l1_loss(known, torch.zeros_like(known), beta=SMALL_SD, reduction="sum")
            (moving.grad,) = torch.autograd.grad(loss, moving)
        adam.step()
    return clean(moving.detach(), which)


def _per_cent(before: Tensor, after: Tensor) -> Tensor:
    """Ejected share of a volume, (B,) %."""
    return 100 * (before - after) / before.clamp_min(LEAST_ML)
