"""One picture a patient: slices from left to right; phases and samples from top to bottom, the true heart first."""

import io
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from cohort.disk import write_bytes
from cohort.intensity import as_grey_levels
from cohort.phases import PHASES

from .contours import draw_contours
from .red_line import framed

MARGIN, CAPTION = 34, 14
ZOOM = 2  # pixels of the picture for one of the grid: a wall is three pixels thick, and its outlines must not hide it

Named = tuple[str, np.ndarray]


def heart_rows(heart: np.ndarray) -> np.ndarray:
    """(slices, phases, height, width) in [0, 1] -> (phases * height, slices * width) uint8, base left, ED above ES."""
    _, phases, height, width = heart.shape
    rows = heart.transpose(1, 2, 0, 3).reshape(phases * height, -1, width).reshape(phases * height, -1)
    return as_grey_levels(rows)


def write_grid(
    path: Path,
    hearts: list[Named],
    phase_names: tuple[str, ...] = PHASES,
    labels: tuple[np.ndarray | None, ...] = (),
    pixel_mm: float | None = None,
) -> None:
    """Write what `draw_grid` draws to a PNG file, whole or not at all."""
    content = io.BytesIO()
    draw_grid(hearts, phase_names, labels, pixel_mm).save(content, format="PNG")
    write_bytes(path, content.getvalue())


def draw_grid(
    hearts: list[Named],
    phase_names: tuple[str, ...] = PHASES,
    labels: tuple[np.ndarray | None, ...] = (),
    pixel_mm: float | None = None,
) -> Image.Image:
    """Draw named hearts under one another, one intensity window for all, with the red line and marks.

    Args:
        hearts: (name, (slices, phases, height, width) in [0, 1]), top to bottom.
        phase_names: of the phases; numbered where there are more phases than names.
        labels: the `Label` map of each heart, of its shape, whose outlines are drawn; None, or too few, draw none.
        pixel_mm: of the grid; without it no scale bar is drawn.
    """
    blocks = [heart_rows(heart).repeat(ZOOM, axis=0).repeat(ZOOM, axis=1) for _, heart in hearts]
    height = sum(block.shape[0] + CAPTION for block in blocks)
    canvas = Image.new("RGB", (MARGIN + max(block.shape[1] for block in blocks), height))
    draw = ImageDraw.Draw(canvas)
    top = 0
    maps = (*labels, *(None,) * (len(hearts) - len(labels)))
    for (name, heart), block, own in zip(hearts, blocks, maps, strict=True):
        draw.text((2, top + 1), name, fill=(255, 255, 255))
        top += CAPTION
        canvas.paste(Image.fromarray(block), (MARGIN, top))
        if own is not None:
            _draw_outlines(draw, own, top)
        for phase in range(heart.shape[1]):
            label = phase_names[phase] if heart.shape[1] <= len(phase_names) else str(phase)
            middle = top + ZOOM * (phase * heart.shape[2] + heart.shape[2] // 2)
            draw.text((4, middle), label, fill=(200, 200, 200))
        top += block.shape[0]
    return framed(canvas, MARGIN, ZOOM / pixel_mm if pixel_mm else None)


def _draw_outlines(draw: ImageDraw.ImageDraw, labels: np.ndarray, top: int) -> None:
    slices, phases, height, width = labels.shape
    for number in range(slices):
        for phase in range(phases):
            left, upper = MARGIN + ZOOM * number * width, top + ZOOM * phase * height
            draw_contours(draw, labels[number, phase], left, upper, ZOOM)


def write_overview(
    path: Path, patients: list[tuple[str, np.ndarray | None, np.ndarray]], pixel_mm: float | None = None
) -> None:
    """Draw several patients in one picture: (name, true heart or None, generated heart), the true one above."""
    rows = []
    for name, true_heart, generated in patients:
        if true_heart is not None:
            rows.append((f"{name}: true heart", true_heart))
        rows.append((f"{name}: generated from the ECG", generated))
    write_grid(path, rows, pixel_mm=pixel_mm)
