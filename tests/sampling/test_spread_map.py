"""The map of where samples differ: one scale for all slices, which nothing exceeds."""

import base64
import io

import numpy as np
import pytest
from PIL import Image

from sampling.spread_map import spread_map


def numbers(picture: str) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(picture.partition(",")[2]))))


def test_the_scale_ends_at_the_largest_sd_of_all_slices():
    hearts = np.zeros((2, 3, 2, 8, 8), np.float32)
    hearts[0, 1, 1, 4, 4] = 0.8  # SD 0.4 over two samples
    hearts[0, 2, 0, 2, 2] = 0.4
    found = spread_map(hearts)
    assert found.top == pytest.approx(40) and found.ticks == pytest.approx([0, 10, 20, 30, 40])
    assert numbers(found.pictures[1][1])[4, 4] == 255 and numbers(found.pictures[2][0])[2, 2] in (127, 128)
    assert sum(int((numbers(p) == 255).sum()) for slice_ in found.pictures for p in slice_) == 1


def test_the_palette_rises_in_lightness_and_the_bar_has_its_colours():
    hearts = np.stack([np.zeros((1, 1, 16, 16)), np.linspace(0, 1, 256).reshape(1, 1, 16, 16)]).astype(np.float32)
    found = spread_map(hearts)
    image = Image.open(io.BytesIO(base64.b64decode(found.pictures[0][0].partition(",")[2]))).convert("RGB")
    pixels = np.asarray(image).reshape(-1, 3).astype(float)
    assert (np.diff(pixels @ [0.2126, 0.7152, 0.0722]) > -1.5).all() and pixels[-1].sum() > 2 * pixels[0].sum()
    assert found.colours[-1] == "rgb({},{},{})".format(*pixels[-1].astype(int))


def test_alike_samples_have_an_empty_map_and_a_single_one_none():
    assert spread_map(np.zeros((1, 2, 2, 4, 4), np.float32)) is None
    assert spread_map(np.ones((3, 2, 2, 4, 4), np.float32)).top == 0


def test_a_large_grid_is_shown_coarser():
    found = spread_map(np.random.default_rng(0).random((2, 2, 2, 1200, 1200), dtype=np.float32))
    assert numbers(found.pictures[0][0]).shape == (600, 600)
