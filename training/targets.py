"""The code of a heart: its phenotypes where they are known, and its coarse appearance."""

import numpy as np
import torch
from einops import rearrange
from torch import Tensor

from cohort.phenotypes import PHENOTYPES
from cohort.prepared import PreparedCohort
from models.heart_components import HeartComponents

from .motion_targets import MotionTargets, standardised_motion
from .objectives import heart_window

PCA_PEOPLE = 1000  # the leading components of a thousand hearts are those of all


def heart_codes(
    cohort: PreparedCohort,
    latents: np.ndarray | None,
    conditioner,
    motion: MotionTargets | None = None,
    components: HeartComponents | None = None,
) -> Tensor:
    """(N, K + components + M): standardised phenotypes, principal components and motion numbers; NaN where unknown.

    Args:
        latents: (N, slices, phases, C, h, w) of the cohort; None where the conditioner has no components.
        motion: whose numbers the conditioner names; None where it names none.
        conditioner: models.conditioning.HeartConditioner, whose configuration names and standardises the phenotypes.
        components: what the components mean; None to measure these hearts' own.
    """
    parts = [standardised_phenotypes(cohort.phenotypes, conditioner)]
    if conditioner.config.components:
        components = components or heart_components(cohort, latents, conditioner.config.components)
        parts.append(component_scores(cohort, latents, components))
    if motion is not None:
        parts.append(standardised_motion(motion.values, conditioner))
    return torch.cat(parts, dim=1)


def standardised_phenotypes(phenotypes: np.ndarray, conditioner) -> Tensor:
    """The conditioner's own phenotypes in its cohort's SDs: (N, all) -> (N, K), NaN where unknown."""
    columns = [PHENOTYPES.index(name) for name in conditioner.config.phenotypes]
    mean, std = (
        torch.tensor(v).view(-1) for v in (conditioner.config.phenotype_mean, conditioner.config.phenotype_std)
    )
    return ((torch.from_numpy(np.asarray(phenotypes)[:, columns]) - mean) / std).float()


def heart_components(cohort: PreparedCohort, latents: np.ndarray, count: int) -> HeartComponents:
    """Leading principal components of whole hearts, each of unit variance over the training people.

    No label is needed. Slices outside the acquisition count as average ones. The middle of the grid, where the heart
    is, counts most. With fewer hearts than `count`, the rest are 0.
    """
    train = cohort.rows("train")[:PCA_PEOPLE]
    known = _flat(cohort, latents, train)
    mean = torch.nanmean(known, dim=0).nan_to_num()
    known = torch.where(known.isnan(), 0.0, known - mean)
    values, vectors = torch.linalg.eigh(known @ known.T)  # (n, n), far smaller than (cells, cells)
    kept = min(count, int((values > 1e-6 * values[-1]).sum()))
    found = HeartComponents(count, latents.shape[1:])
    found.mean.copy_(mean)
    found.axes[:kept] = (known.T @ vectors[:, -kept:] / values[-kept:].sqrt()).T  # (kept, S*P*C*h*w), orthonormal
    found.scale[:kept] = (len(train) / values[-kept:]).sqrt()
    return found


def component_scores(cohort: PreparedCohort, latents: np.ndarray, components: HeartComponents) -> Tensor:
    """(N, count) of everybody's hearts, by these components."""
    parts = np.array_split(np.arange(len(latents)), max(1, len(latents) // 256))
    return torch.cat([components.scores(_flat(cohort, latents, rows)) for rows in parts])


def _flat(cohort: PreparedCohort, latents: np.ndarray, rows: np.ndarray) -> Tensor:
    """(n, slices * phases * C * h * w) float32, NaN outside the acquisition."""
    hearts = torch.from_numpy(latents[rows].astype(np.float32))
    mask = torch.from_numpy(cohort.mask[rows])[..., None, None, None]
    hearts = torch.where(mask, hearts * heart_window(hearts.shape[-2:]).sqrt(), torch.nan)
    return rearrange(hearts, "n s p c h w -> n (s p c h w)")
