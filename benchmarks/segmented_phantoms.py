"""Simulated hearts as the heart grid shows them, segmented and held against their truth."""

from collections.abc import Sequence
from itertools import product
from pathlib import Path

import numpy as np

from cohort.cine import CineStack, Label
from cohort.heart_grid import GridGeometry, HeartGrid, heart_grid
from cohort.intensity import as_grey_levels, as_unit
from cohort.phenotypes import dice, phenotypes_of
from models.segmenter import Segmenter
from phantom.acquisition import SCANNERS
from phantom.cohort_plan import VERSION
from phantom.population import POPULATIONS
from phantom.teaching_hearts import Kind, PlainKind
from sampling.pipeline import load_part
from sampling.segmentation import segment

VOLUMES = ("LVEDV", "LVESV", "LVM", "RVEDV", "RVESV")


def every_kind() -> list[Kind | PlainKind]:
    """Each scanner and population of the phantom, and plain hearts."""
    return [*(Kind(population, scanner, False) for population, scanner in product(POPULATIONS, SCANNERS)), PlainKind()]


def drawn_grid(kind: Kind | PlainKind, seed: int, index: int) -> HeartGrid:
    """ED and ES of a heart on the grid, as `cohort.prepare` lays them down."""
    scan, _ = kind.imaged(seed, index, (0.0, "es"), np.random.default_rng(0))
    stacks = [CineStack(array[..., t : t + 1], scan.affine) for array in (scan.voxels, scan.labels) for t in range(2)]
    return heart_grid(*stacks, GridGeometry(), f"phantom {index}")


def accuracy(folders: Sequence[Path], kinds: Sequence[Kind | PlainKind], hearts: int, seed: int) -> list[dict]:
    """A row for each kind and segmenter, and one of all kinds of the phantom."""
    segmenters = {folder: load_part(Segmenter, folder) for folder in folders}
    found: dict[tuple, list[dict]] = {}
    for kind in kinds:
        for index in range(hearts):
            grid = drawn_grid(kind, seed, index)
            for folder, segmenter in segmenters.items():
                found.setdefault((folder, kind.name), []).append(_held_against_truth(segmenter, grid))
    rows = []
    for folder in folders:
        of_phantom = [row for kind in kinds if isinstance(kind, Kind) for row in found[folder, kind.name]]
        rows += [_summary(folder, kind.name, found[folder, kind.name]) for kind in kinds]
        rows += [_summary(folder, f"all of phantom {VERSION}", of_phantom)] if of_phantom else []
    return rows


def _held_against_truth(segmenter: Segmenter, grid: HeartGrid) -> dict[str, float]:
    """Dice by structure, errors in percent of volumes, and in points of EF."""
    labels, _ = segment(segmenter, as_unit(as_grey_levels(grid.voxels)))
    labels[~grid.mask] = Label.BACKGROUND
    told, true = (phenotypes_of(map_, grid.geometry.pixel_mm, grid.slice_step_mm) for map_ in (labels, grid.labels))
    errors = {name: 100 * (told[name] / true[name] - 1) for name in VOLUMES}
    points = {name: told[name] - true[name] for name in ("LVEF", "RVEF")}
    return {label.name: dice(labels, grid.labels, label) for label in list(Label)[1:]} | errors | points


def _summary(folder: Path, kind: str, rows: list[dict]) -> dict[str, object]:
    """Mean Dice, and the median size of the errors."""
    columns = {name: np.array([row[name] for row in rows]) for name in rows[0]}
    overlaps = {name: round(float(columns.pop(name).mean()), 3) for name in [label.name for label in list(Label)[1:]]}
    errors = {f"{name} error": round(float(np.median(np.abs(column))), 1) for name, column in columns.items()}
    return {"segmenter": "/".join(folder.parts[-2:]), "hearts of": kind, "n": len(rows)} | overlaps | errors
