"""Outlines of the ventricles on a label map, as lines that a picture or a page can draw."""

from typing import NamedTuple

import contourpy
import numpy as np
from PIL import ImageDraw

from cohort.cine import Label


class Outline(NamedTuple):
    """One line round a part of the heart: its name in words, what lies within, and its colour."""

    words: str
    within: tuple[Label, ...]
    colour: tuple[int, int, int]


OUTLINES = (  # colours of Okabe and Ito, which the colour-blind tell apart on grey
    Outline("LV cavity", (Label.LV_CAVITY,), (86, 180, 233)),
    Outline("LV wall", (Label.LV_CAVITY, Label.LV_MYOCARDIUM), (240, 228, 66)),
    Outline("RV cavity", (Label.RV_CAVITY,), (230, 120, 40)),
)


def contours_of(labels: np.ndarray) -> list[list[np.ndarray]]:
    """Closed lines of each of OUTLINES on one slice (height, width).

    Returns:
        For each outline its lines (n, 2), x and y in pixels from the picture's left top corner.
    """
    return [_lines(np.isin(labels, outline.within)) for outline in OUTLINES]


def draw_contours(draw: ImageDraw.ImageDraw, labels: np.ndarray, left: int, top: int, zoom: int = 1) -> None:
    """Draw the outlines of one slice (height, width) as thin lines.

    Args:
        left, top: where the slice's corner lies in the picture. zoom: pixels of the picture for one of the slice.
    """
    for outline, lines in zip(OUTLINES, contours_of(labels), strict=True):
        for line in lines:
            # A pixel's middle is half a pixel from its corner.
            points = [(left + zoom * x - 0.5, top + zoom * y - 0.5) for x, y in line]
            draw.line(points, fill=outline.colour, width=1)


def _lines(within: np.ndarray) -> list[np.ndarray]:
    if not within.any():
        return []
    padded = np.pad(within.astype(np.float32), 1)  # so that lines close at the picture's edge
    found = contourpy.contour_generator(z=padded, line_type=contourpy.LineType.Separate).lines(0.5)
    return [_without_middles(np.asarray(line) - 0.5) for line in found]


def _without_middles(line: np.ndarray) -> np.ndarray:
    """The line without points that lie straight between their neighbours; it stays closed."""
    before, after = np.diff(line[:-1], axis=0), np.diff(line[1:], axis=0)
    turns = before[:, 0] * after[:, 1] != before[:, 1] * after[:, 0]
    return line[np.concatenate([[True], turns, [True]])]
