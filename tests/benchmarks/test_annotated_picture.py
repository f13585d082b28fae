"""The picture that tells how to read a result has every number beside what it is about, and in its list of words."""

import numpy as np
import pytest
from PIL import Image

from benchmarks.annotated_picture import main
from benchmarks.callouts import CALLOUT, RADIUS, WIDE, WORDS, annotated
from cohort.errors import InputError
from sampling.grid import draw_grid


def test_every_number_lies_on_the_picture_and_beside_its_words():
    hearts = [
        (name, np.full((10, 2, 96, 96), grey)) for name, grey in (("true", 0.2), ("1", 0.4), ("2", 0.6), ("3", 1))
    ]
    picture, places = annotated(draw_grid(hearts, pixel_mm=1.8), Image.new("RGBA", (700, 420)), 4)
    pixels = np.asarray(picture)
    assert len(places) == len(WORDS) and picture.width == WIDE
    for x, y in places:
        edge = pixels[max(y - RADIUS + 3, 0), x]
        assert tuple(edge) == CALLOUT or y < RADIUS  # the first is cut by the upper edge
    rings = (pixels == CALLOUT).all(axis=2)
    assert rings[:, picture.width // 2 :].any() and not rings[-4:].any()  # the list ends above the lower edge
    rows = [int(pixels[y, 600, 0]) for _, y in places[1:4]]
    assert rows == sorted(rows) and rows[0] == round(255 * 0.2)  # the true heart, then samples 1 and 2


def test_a_patient_without_pictures_is_refused(tmp_path):
    with pytest.raises(InputError, match="grid.png: is not there"):
        main(tmp_path)
