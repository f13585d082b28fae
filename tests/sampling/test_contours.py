"""Outlines of label maps: closed, round the right parts, and where the pixels are."""

import numpy as np
from PIL import Image, ImageDraw

from cohort.cine import Label
from sampling.contours import OUTLINES, contours_of, draw_contours

SQUARE = np.zeros((12, 12), np.uint8)
SQUARE[2:8, 3:9] = Label.LV_MYOCARDIUM
SQUARE[4:6, 5:7] = Label.LV_CAVITY


def area(line: np.ndarray) -> float:
    x, y = line.T
    return 0.5 * abs(float(np.sum(x[:-1] * y[1:] - x[1:] * y[:-1])))


def test_lines_are_closed_and_hold_their_part():
    (cavity,), (wall,), right = contours_of(SQUARE)
    assert right == []
    for line, pixels in ((cavity, 4), (wall, 36)):
        np.testing.assert_array_equal(line[0], line[-1])
        assert pixels - 1 <= area(line) <= pixels
    assert (wall.min(axis=0) == [3, 2]).all() and (wall.max(axis=0) == [9, 8]).all()


def test_a_part_at_the_edge_closes_and_two_parts_have_two_lines():
    labels = np.zeros((6, 9), np.uint8)
    labels[:2, :2] = labels[4:, 6:] = Label.RV_CAVITY
    one, other = contours_of(labels)[2]
    assert min(one.min(), other.min()) == 0 and (one[0] == one[-1]).all() and (other[0] == other[-1]).all()
    assert contours_of(np.zeros((4, 4), np.uint8)) == [[], [], []]


def test_they_are_drawn_in_their_colours_on_the_border_of_their_part():
    picture = Image.new("RGB", (2 * 12 + 5, 2 * 12 + 3))
    draw_contours(ImageDraw.Draw(picture), SQUARE, 5, 3, 2)
    pixels = np.asarray(picture)
    for outline, (low, high) in ((OUTLINES[1], ((3, 2), (9, 8))), (OUTLINES[0], ((5, 4), (7, 6)))):
        rows, columns = np.nonzero((pixels == outline.colour).all(axis=2))
        assert abs(columns.min() - (5 + 2 * low[0])) <= 1 and abs(columns.max() - (5 + 2 * high[0])) <= 1
        assert abs(rows.min() - (3 + 2 * low[1])) <= 1 and abs(rows.max() - (3 + 2 * high[1])) <= 1
    assert not (pixels == OUTLINES[2].colour).all(axis=2).any()
