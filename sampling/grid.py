"""One picture a patient: slices from left to right; phases and samples from top to bottom, the true heart first."""

import io
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from cohort.disk import write_bytes
from cohort.intensity import as_grey_levels
from cohort.phases import PHASES

from .contours import draw_contours
from .red_line import BESIDE_REAL, RED_LINE, font_size, framed

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
    line: str = RED_LINE,
) -> None:
    """Write what `draw_grid` draws to a PNG file, whole or not at all."""
    content = io.BytesIO()
    draw_grid(hearts, phase_names, labels, pixel_mm, line).save(content, format="PNG")
    write_bytes(path, content.getvalue())


def draw_grid(
    hearts: list[Named],
    phase_names: tuple[str, ...] = PHASES,
    labels: tuple[np.ndarray | None, ...] = (),
    pixel_mm: float | None = None,
    line: str = RED_LINE,
) -> Image.Image:
    """Draw named hearts under one another, one intensity window for all, with the red line and marks.

    Args:
        hearts: (name, (slices, phases, height, width) in [0, 1]), top to bottom.
        phase_names: of the phases; numbered where there are more phases than names.
        labels: the `Label` map of each heart, of its shape, whose outlines are drawn; None, or too few, draw none.
        pixel_mm: of the grid; without it no scale bar is drawn.
        line: RED_LINE, or BESIDE_REAL where one heart is of an MRI.
    """
    blocks = [heart_rows(heart).repeat(ZOOM, axis=0).repeat(ZOOM, axis=1) for _, heart in hearts]
    wide = max(block.shape[1] for block in blocks)
    margin, caption = room_for_words(wide)
    height = sum(block.shape[0] + caption for block in blocks)
    canvas, letters = Image.new("RGB", (margin + wide, height)), ImageFont.load_default(font_size(wide))
    draw = ImageDraw.Draw(canvas)
    top = 0
    maps = (*labels, *(None,) * (len(hearts) - len(labels)))
    for (name, heart), block, own in zip(hearts, blocks, maps, strict=True):
        draw.text((2, top + caption // 2), name, fill=(255, 255, 255), font=letters, anchor="lm")
        top += caption
        canvas.paste(Image.fromarray(block), (margin, top))
        if own is not None:
            _draw_outlines(draw, own, margin, top)
        for phase in range(heart.shape[1]):
            label = phase_names[phase] if heart.shape[1] <= len(phase_names) else str(phase)
            middle = top + ZOOM * (phase * heart.shape[2] + heart.shape[2] // 2)
            draw.text((4, middle), label, fill=(200, 200, 200), font=letters, anchor="lm")
        top += block.shape[0]
    return framed(canvas, margin, ZOOM / pixel_mm if pixel_mm else None, line)


def room_for_words(wide: int) -> tuple[int, int]:
    """Pixels left of hearts of this width, for the phases, and above each of them, for its name."""
    size = font_size(wide)
    return 2 * size + 8, size + 6


def _draw_outlines(draw: ImageDraw.ImageDraw, labels: np.ndarray, margin: int, top: int) -> None:
    slices, phases, height, width = labels.shape
    for number in range(slices):
        for phase in range(phases):
            left, upper = margin + ZOOM * number * width, top + ZOOM * phase * height
            draw_contours(draw, labels[number, phase], left, upper, ZOOM)


def write_overview(
    path: Path, patients: list[tuple[str, np.ndarray | None, np.ndarray]], pixel_mm: float | None = None
) -> None:
    """Draw several patients in one picture: (name, true heart or None, generated heart), the true one above."""
    rows = []
    for name, true_heart, generated in patients:
        if true_heart is not None:
            rows.append((f"{name}: the heart of the MRI", true_heart))
        rows.append((f"{name}: generated from the ECG", generated))
    line = RED_LINE if len(rows) == len(patients) else BESIDE_REAL
    write_grid(path, rows, pixel_mm=pixel_mm, line=line)
