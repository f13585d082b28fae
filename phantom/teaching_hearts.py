"""Phantom hearts of many kinds, drawn for a segmenter, and hearts of another kind to choose its weights by.

Two moments of each heart are imaged: end-diastole or any other, and end-systole or any other.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from cohort.cine import CineStack
from cohort.heart_grid import GridGeometry, heart_grid
from cohort.intensity import as_grey_levels
from cohort.labelled_hearts import CHOSEN_BY, LEARNED_FROM, LabelledHeart, claim_hearts, lacking_parts, write_part
from phantom.cohort_plan import VERSION
from phantom.cohort_writer import held, in_processes
from phantom.contrast import signals
from phantom.heart import Draw, draw_heart
from phantom.plain_hearts import plain_scan
from phantom.random_contrast import random_signals, wide_acquisition
from phantom.scanner import Scan, scan

SIDE = 112  # pixels; wider than the heart grid, so that a turned or shifted heart is still whole
SLICES = 12
USUAL_STEP_MM = 10.0
BETWEEN_SLICES = 0.3  # share of the hearts whose slices are interpolated to the usual step, as the heart grid does
CHANCE_KEY, PLAIN_KEY = 20, 21


@dataclass(frozen=True)
class Kind:
    """Hearts of the phantom. Attributes: population, scanner: of `Draw`; random_contrast: of each tissue."""

    population: str
    scanner: str
    random_contrast: bool

    @property
    def name(self) -> str:
        """In words."""
        contrast = "random" if self.random_contrast else "real"
        return f"phantom {VERSION}, {self.population} people, {self.scanner} scanner, {contrast} contrast"

    def imaged(
        self, seed: int, index: int, moments: Sequence[float | str], rng: np.random.Generator
    ) -> tuple[Scan, float]:
        """The scan of a heart, and mm from slice to slice. The generator draws the contrast, where it is random."""
        heart = draw_heart(seed, index, Draw(population=self.population, scanner=self.scanner))
        if not self.random_contrast:
            return scan(heart, moments), heart.acquisition.step_mm
        heart = heart.replace(**wide_acquisition(rng, heart.acquisition))
        return scan(heart, moments, random_signals(rng, signals(heart.acquisition))), heart.acquisition.step_mm


@dataclass(frozen=True)
class PlainKind:
    """Hearts of `plain_hearts`."""

    name: str = "plain hearts"

    def imaged(self, seed: int, index: int, moments: Sequence[float | str], _: object) -> tuple[Scan, float]:
        """The scan of a heart, and mm from slice to slice."""
        return plain_scan(np.random.default_rng([seed, index, PLAIN_KEY]), moments), USUAL_STEP_MM


TEACHING = tuple(
    Kind(population, scanner, random_contrast)
    for population in ("usual", "small")
    for scanner in ("usual", "3t")
    for random_contrast in (False, True)
)
# Of other people, by other scanners, and of shapes and contrast that no phantom has. Nothing is learned from them.
UNSEEN = (Kind("clinic", "low", False), PlainKind())


def write_teaching_hearts(folder: Path, hearts: int, unseen: int, seed: int, processes: int | None = None) -> None:
    """Draw so many hearts of TEACHING, and of UNSEEN, into two folders; no seed draws the same heart for both."""
    write_hearts(folder / LEARNED_FROM, TEACHING, hearts, 2 * seed, processes)
    write_hearts(folder / CHOSEN_BY, UNSEEN, unseen, 2 * seed + 1, processes)


def write_hearts(
    folder: Path, kinds: Sequence[Kind | PlainKind], hearts: int, seed: int, processes: int | None = None
) -> None:
    """Draw hearts into a folder (`cohort.labelled_hearts`); the kinds take turns. An interrupted call continues.

    Args:
        folder: new, or what the same call wrote. processes: None for one per core.

    Raises:
        InputError: the folder holds hearts of other kinds, or of another seed, or nobody may write there.
    """
    about = {"hearts": hearts, "seed": seed, "kinds": [kind.name for kind in kinds], "phantom": VERSION}
    with held(folder):
        claim_hearts(folder, about)
        lacking = lacking_parts(folder, hearts)
        everybody = [row for rows in lacking.values() for row in rows]
        drawn = in_processes(partial(labelled_heart, kinds, seed), everybody, processes)
        for number, rows in lacking.items():
            write_part(folder, number, [next(drawn) for _ in rows])


def labelled_heart(kinds: Sequence[Kind | PlainKind], seed: int, index: int) -> LabelledHeart:
    """Heart number `index` of a seed, of the kind whose turn it is; it depends on nothing else."""
    kind = kinds[index % len(kinds)]
    rng = np.random.default_rng([seed, index, CHANCE_KEY])
    ed, es = rng.random(2)
    moments = (0.0 if ed < 0.5 else float(rng.random()), "es" if es < 0.5 else float(rng.random()))
    images, step_mm = kind.imaged(seed, index, moments, rng)
    stacks = [
        CineStack(voxels[..., t : t + 1], images.affine) for voxels in (images.voxels, images.labels) for t in range(2)
    ]
    step_mm = USUAL_STEP_MM if rng.random() < BETWEEN_SLICES else step_mm
    geometry = GridGeometry(slices=SLICES, height=SIDE, width=SIDE, slice_step_mm=step_mm)
    grid = heart_grid(*stacks, geometry, f"phantom {index}")
    if grid.labels is None:
        raise ValueError(f"phantom {index} of seed {seed} has no heart at a moment")
    return LabelledHeart(as_grey_levels(grid.voxels), grid.labels, grid.mask.all(axis=1))
