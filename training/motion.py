"""Learning how hearts move: the latents of any frame of a cine from those of its ED and ES."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from torch import Generator, Tensor, nn

from cohort.beat_clock import ES_PLACE, place_of
from cohort.cines import Cines
from cohort.prepared import PreparedCohort
from models.heart_motion import HeartMotion

from .fit import Task
from .motion_targets import MotionTargets
from .objectives import heart_window
from .order import keyed_generator
from .recipe import Recipe
from .session import Session

HEARTS, SLICES, FRAMES = 12, 2, 4  # per process and step; so many slices of a heart, and frames of a slice
HELD_OUT_CINES, HELD_OUT_FRAMES = 24, 6
NUMBER_NOISE = 0.1  # SDs: drawn numbers are less exact than measured ones
WITHHELD = 0.1  # share of hearts whose numbers are withheld: of some cines they are not known


@dataclass(frozen=True)
class MotionBatch:
    """n slices, m frames of each.

    Attributes:
        keys: (n, 3, 2, C, h, w) latents at ED and ES of the slice and its neighbours. target: (n, m, C, h, w).
        position_mm: (n,). place, inside: (n, m) of the frames. numbers: (n, M) in the cohort's SDs, NaN where unknown.
    """

    keys: Tensor
    position_mm: Tensor
    place: Tensor
    inside: Tensor
    numbers: Tensor
    target: Tensor


@dataclass(frozen=True, eq=False)
class MovingHearts:
    """What the motion network learns from.

    Attributes:
        stills: (N, slices, phases, C, h, w) latents of the cohort's ED and ES, of which each cine's are the keys.
        frames: (n, slices, frames, C, h, w) latents of the cines.
        numbers: (N, M) motion numbers in the cohort's SDs, NaN where unknown.
    """

    cohort: PreparedCohort
    cines: Cines
    targets: MotionTargets
    stills: np.ndarray
    frames: np.ndarray
    numbers: Tensor

    def which(self, split: str) -> Tensor:
        """Numbers of the cines of a split whose beat could be measured."""
        return self._which[split]

    @cached_property
    def _which(self) -> dict[str, Tensor]:
        known = np.array([beat is not None for beat in self.targets.beats])
        rows = self.cines.rows
        return {
            split: torch.from_numpy(np.flatnonzero(known & np.isin(rows, self.cohort.rows(split))))
            for split in ("train", "validation", "test")
        }

    @cached_property
    def place(self) -> np.ndarray:
        """(n, frames) on the beat's clock; NaN where it is not known: after ES, of a beat that does not close."""
        frames = self.frames.shape[2]
        places = np.full((len(self.targets.beats), frames), np.nan, np.float32)
        times = np.arange(frames) / frames
        for number, beat in enumerate(self.targets.beats):
            if beat is not None:
                here = place_of(times, beat.es)
                places[number] = here if beat.closes else np.where(times < beat.es, here, np.nan)
        return places

    def batch(self, which: Tensor, slices: int, frames: int, generator: Generator) -> MotionBatch:
        """Random acquired slices, and random frames of each, of the cines `which` (B,)."""
        parts = [self._of(number, slices, frames, generator) for number in which.tolist()]
        return MotionBatch(*(torch.cat(part) for part in zip(*parts, strict=True)))

    def _of(self, number: int, slices: int, frames: int, generator: Generator) -> tuple[Tensor, ...]:
        row, beat, grid = self.cines.rows[number], self.targets.beats[number], self.cohort.preparation.geometry
        acquired = np.flatnonzero(np.asarray(self.cohort.mask[row]).all(axis=1))
        known = np.flatnonzero(np.isfinite(self.place[number]))
        levels = acquired[torch.randint(len(acquired), (slices,), generator=generator).numpy()]  # (s,)
        moments = known[torch.randint(len(known), (slices, frames), generator=generator).numpy()]  # (s, m)
        near = np.clip(levels[:, None] + np.array([-1, 0, 1]), 0, grid.slices - 1)  # (s, 3)
        return (
            torch.from_numpy(self.stills[row][near]).float(),
            torch.as_tensor(grid.slice_position_mm[levels], dtype=torch.float32),
            torch.from_numpy(self.place[number][moments]),
            torch.as_tensor(beat.inside[moments], dtype=torch.float32),
            self.numbers[row].expand(slices, -1),
            torch.from_numpy(self.frames[number][levels[:, None], moments]).float(),
        )


def motion_recipe(steps: int) -> Recipe:
    return Recipe(steps, 2e-3, ema_decay=0.99, evaluate_every=200)


def fresh_motion(targets: MotionTargets, latent_channels: int, width: int) -> HeartMotion:
    """An untrained motion network: it cross-fades."""
    curve = (tuple(targets.curve_mean.tolist()), tuple(tuple(row) for row in targets.curve_basis.tolist()))
    return HeartMotion(latent_channels, targets.names, ES_PLACE, *curve, width=width)


def moving(session: Session, motion: HeartMotion, hearts: MovingHearts) -> Task:
    """The task of learning motion; every random choice is a function of (seed, step, process).

    The weights that did best on validation people are kept; where none of them has a cine, the last ones.
    """
    device, train, held_out = session.device, hearts.which("train"), hearts.which("validation")[:HELD_OUT_CINES]

    def numbers_of(step: int) -> Tensor:
        return session.rows(train, HEARTS, step)

    def loss_of(wrapped: nn.Module, step: int) -> tuple[Tensor, dict[str, Tensor]]:
        generator = session.generator("motion", step)
        batch = hearts.batch(numbers_of(step), SLICES, FRAMES, generator)
        blur = NUMBER_NOISE * torch.randn(batch.numbers.shape, generator=generator)
        kept = torch.rand(len(batch.numbers), 1, generator=generator) >= WITHHELD
        loss = motion_loss(wrapped, batch, torch.where(kept, batch.numbers + blur, torch.nan), device)
        return loss, {"motion_loss": loss.detach()}

    def evaluate(trained: nn.Module, step: int) -> dict[str, float]:
        if not len(held_out):
            return {}
        batch = hearts.batch(held_out, 1, HELD_OUT_FRAMES, keyed_generator(session.seed, "motion validation"))
        share = batch.inside[..., None, None, None].to(device)
        ed, es = (batch.keys[:, 1, phase].unsqueeze(1).to(device) for phase in range(2))
        crossfade = weighted_error(share * ed + (1 - share) * es, batch.target.to(device))
        loss = motion_loss(trained, batch, batch.numbers, device)
        return {"validation_motion_loss": float(loss), "validation_crossfade_loss": float(crossfade)}

    def people_of(step: int) -> list:
        return hearts.cines.rows[numbers_of(step).numpy()].tolist()

    best = "validation_motion_loss" if len(held_out) else None
    return Task("motion", motion, loss_of, evaluate, best, people_of)


def motion_loss(motion: nn.Module, batch: MotionBatch, numbers: Tensor, device: torch.device) -> Tensor:
    """Mean squared error of the frames' latents; numbers: (n, M), NaN where they are not told."""
    given = (batch.keys, batch.position_mm, batch.place, batch.inside, numbers.nan_to_num())
    return weighted_error(motion(*(value.to(device) for value in given)), batch.target.to(device))


def weighted_error(latents: Tensor, target: Tensor) -> Tensor:
    """Mean squared error of latents (n, m, C, h, w), the middle of the grid counting most."""
    window = heart_window(target.shape[-2:]).to(target.device)  # (h, w)
    return ((latents.float() - target).square() * window).mean()
