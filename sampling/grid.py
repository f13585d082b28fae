"""One picture a patient: slices from left to right; phases and samples from top to bottom, the true heart first."""

import io
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from cohort.disk import write_bytes
from cohort.intensity import as_grey_levels
from cohort.phases import PHASES

MARGIN, CAPTION = 34, 14


def heart_rows(heart: np.ndarray) -> np.ndarray:
    """(slices, phases, height, width) in [0, 1] -> (phases * height, slices * width) uint8, base left, ED above ES."""
    _, phases, height, width = heart.shape
    rows = heart.transpose(1, 2, 0, 3).reshape(phases * height, -1, width).reshape(phases * height, -1)
    return as_grey_levels(rows)


def write_grid(path: Path, hearts: list[tuple[str, np.ndarray]], phase_names: tuple[str, ...] = PHASES) -> None:
    """Write what `draw_grid` draws to a PNG file, whole or not at all."""
    content = io.BytesIO()
    draw_grid(hearts, phase_names).save(content, format="PNG")
    write_bytes(path, content.getvalue())


def draw_grid(hearts: list[tuple[str, np.ndarray]], phase_names: tuple[str, ...] = PHASES) -> Image.Image:
    """Draw named hearts under one another, one intensity window for all.

    Args:
        hearts: (name, (slices, phases, height, width) in [0, 1]), top to bottom.
        phase_names: of the phases; numbered where there are more phases than names.
    """
    blocks = [heart_rows(heart) for _, heart in hearts]
    height = sum(block.shape[0] + CAPTION for block in blocks)
    canvas = Image.new("L", (MARGIN + max(block.shape[1] for block in blocks), height), 0)
    draw = ImageDraw.Draw(canvas)
    top = 0
    for (name, heart), block in zip(hearts, blocks, strict=True):
        draw.text((2, top + 1), name, fill=255)
        top += CAPTION
        canvas.paste(Image.fromarray(block), (MARGIN, top))
        for phase in range(heart.shape[1]):
            label = phase_names[phase] if heart.shape[1] <= len(phase_names) else str(phase)
            draw.text((4, top + phase * heart.shape[2] + heart.shape[2] // 2), label, fill=200)
        top += block.shape[0]
    return canvas


def write_overview(path: Path, patients: list[tuple[str, np.ndarray | None, np.ndarray]]) -> None:
    """Draw several patients in one picture: (name, true heart or None, generated heart), the true one above."""
    rows = []
    for name, true_heart, generated in patients:
        if true_heart is not None:
            rows.append((f"{name}: true heart", true_heart))
        rows.append((f"{name}: generated from the ECG", generated))
    write_grid(path, rows)
