"""Batches of hearts and of slices, as tensors."""

from dataclasses import dataclass, fields, replace
from typing import Self

import numpy as np
import torch
from torch import Generator, Tensor

from cohort.intensity import as_unit
from cohort.prepared import PreparedCohort
from models.places import Places


class Tensors:
    """A dataclass whose fields go to a device together."""

    def to(self, device: torch.device) -> Self:
        return replace(self, **{f.name: getattr(self, f.name).to(device) for f in fields(self)})


@dataclass(frozen=True)
class HeartBatch(Tensors):
    """B people, S slices each: a slice is one position at one phase.

    Attributes:
        latents: (B, S, C, h, w) standardised latents.
        mask: (B, S) bool, False where the slice lies outside the acquisition.
        places: of B x S planes.
        ecg: (B, 12, samples) mV; lead_mask: (B, 12) bool.
        person: (B, 4 + F) sex, age, height, weight, further fields, NaN where absent.
        phenotypes: (B, K) in their own units, NaN where unknown.
    """

    latents: Tensor
    mask: Tensor
    places: Places
    ecg: Tensor
    lead_mask: Tensor
    person: Tensor
    phenotypes: Tensor

    def with_ecg(self, ecg: Tensor, lead_mask: Tensor) -> "HeartBatch":
        """The same people with another (augmented) recording."""
        return replace(self, ecg=ecg, lead_mask=lead_mask)


def heart_batch(
    cohort: PreparedCohort, latents: np.ndarray, rows: Tensor, slices: int | None, generator: Generator | None = None
) -> HeartBatch:
    """Gather people, and a few random acquired slices of each heart.

    Args:
        latents: (N, slices, phases, C, h, w), of this cohort.
        rows: (B,) people.
        slices: how many of each heart; None takes all, position by position.
        generator: draws the slices.
    """
    rows_np, grid = rows.numpy(), cohort.preparation.geometry
    positions, phases = latents.shape[1:3]
    mask = torch.from_numpy(np.asarray(cohort.mask[rows_np])).flatten(1)  # (B, L*P)
    if slices is None:
        chosen = torch.arange(positions * phases).expand(len(rows), -1)  # (B, L*P)
    else:  # acquired slices first, in random order
        draw = torch.rand(mask.shape, generator=generator) + 2.0 * ~mask
        chosen = draw.argsort(dim=1)[:, :slices]  # (B, S)
    position, phase = np.divmod(chosen.numpy(), phases)  # (B, S) each
    return HeartBatch(
        latents=torch.from_numpy(latents[rows_np[:, None], position, phase]).float(),
        mask=mask.gather(1, chosen),
        places=Places.stack(grid.slice_position_mm, grid.phase).of(chosen),
        ecg=torch.from_numpy(cohort.ecg[rows_np]).float(),
        lead_mask=torch.from_numpy(cohort.lead_mask[rows_np]),
        person=torch.from_numpy(cohort.person[rows_np]),
        phenotypes=torch.from_numpy(cohort.phenotypes[rows_np]),
    )


def draw_slices(cohort: PreparedCohort, rows: np.ndarray, count: int, generator: Generator) -> tuple[Tensor, Tensor]:
    """`count` random acquired slices of the given people.

    Returns:
        slices (count, 1, height, width) in [0, 1] and labels (count, height, width) int64 (NO_LABELS where unknown).
    """
    positions, phases = cohort.mask.shape[1:]
    person = rows[torch.randint(len(rows), (count,), generator=generator).numpy()]
    draw = torch.rand(count, positions * phases, generator=generator).numpy()
    draw[~cohort.mask[person].reshape(count, -1)] = -1  # never a slice outside the acquisition
    position, phase = np.divmod(draw.argmax(axis=1), phases)
    slices = torch.from_numpy(as_unit(cohort.hearts[person, position, phase])).unsqueeze(1)
    return slices, torch.from_numpy(cohort.labels[person, position, phase]).long()
