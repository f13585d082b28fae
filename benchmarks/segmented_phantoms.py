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
from phantom.heart import Draw
from phantom.population import POPULATIONS
from phantom.renderers import RENDERERS
from phantom.teaching_hearts import Kind
from sampling.pipeline import load_part
from sampling.segmentation import segment

VOLUMES = ("LVEDV", "LVESV", "LVM", "RVEDV", "RVESV")


def every_kind() -> list[Kind]:
    """Each scanner and population of the second phantom, and the first phantom."""
    second = [Kind(2, population, scanner, False) for population, scanner in product(POPULATIONS, SCANNERS)]
    return [*second, Kind(1, "usual", "usual", False)]


def drawn_grid(kind: Kind, seed: int, index: int) -> HeartGrid:
    """ED and ES of a heart on the grid, as `cohort.prepare` lays them down."""
    version = RENDERERS[kind.version]
    scan = version.scan(
        version.draw_heart(seed, index, Draw(population=kind.population, scanner=kind.scanner)), [0, "es"]
    )
    stacks = [CineStack(array[..., t : t + 1], scan.affine) for array in (scan.voxels, scan.labels) for t in range(2)]
    return heart_grid(*stacks, GridGeometry(), f"phantom {index}")


def accuracy(folders: Sequence[Path], kinds: Sequence[Kind], hearts: int, seed: int) -> list[dict]:
    """A row for each kind and segmenter, and one of all kinds of the second phantom."""
    segmenters = {folder: load_part(Segmenter, folder) for folder in folders}
    found: dict[tuple, list[dict]] = {}
    for kind in kinds:
        for index in range(hearts):
            grid = drawn_grid(kind, seed, index)
            for folder, segmenter in segmenters.items():
                found.setdefault((folder, kind.name), []).append(_held_against_truth(segmenter, grid))
    rows = []
    for folder in folders:
        of_second = [row for kind in kinds if kind.version == 2 for row in found[folder, kind.name]]
        rows += [_summary(folder, kind.name, found[folder, kind.name]) for kind in kinds]
        rows += [_summary(folder, "all of phantom 2", of_second)] if of_second else []
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
