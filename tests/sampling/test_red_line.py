"""The red line, the scale bar and the marks in every picture that sample.py writes."""

import io

import numpy as np
from PIL import Image

from cohort.heart_grid import GridGeometry
from evaluation.volume_plot import volume_plot
from sampling.grid import write_grid, write_overview
from sampling.heart_film import heart_film
from sampling.red_line import SCALE_MM, framed, head_and_foot
from sampling.shown_heart import ShownHeart

GEOMETRY = GridGeometry(slices=10, phases=2, height=48, width=48)
HEART = np.full(GEOMETRY.shape, 0.3, np.float32)


def red(pixels: np.ndarray) -> np.ndarray:
    pixels = pixels.astype(int)
    return (pixels[..., 0] > 150) & (pixels[..., 1] < 70) & (pixels[..., 2] < 70)


def assert_red_on_top_only(pixels: np.ndarray, head: int) -> None:
    where = red(pixels)
    assert where[:head].sum() > 150 and not where[head:].any()


def test_a_grid_and_an_overview_begin_with_the_red_line(tmp_path):
    write_grid(tmp_path / "grid.png", [("generated", HEART)], pixel_mm=1.8)
    write_overview(tmp_path / "overview.png", [("somebody", HEART, HEART)], 1.8)
    for name in ("grid.png", "overview.png"):
        pixels = np.asarray(Image.open(tmp_path / name))
        assert_red_on_top_only(pixels, head_and_foot(pixels.shape[1])[0])


def test_every_frame_of_a_film_begins_with_the_red_line():
    beating = np.linspace(0.2, 0.8, 4, dtype=np.float32)[None, :, None, None] * np.ones((10, 1, 48, 48), np.float32)
    film = Image.open(io.BytesIO(heart_film([ShownHeart("generated", beating)], 0.8, 1.8)))
    assert film.n_frames == 4
    for frame in range(4):
        film.seek(frame)
        assert_red_on_top_only(np.asarray(film.convert("RGB")), head_and_foot(480)[0])


def test_a_curve_begins_with_the_red_line():
    flat = np.full((1, 4), 90.0)
    with Image.open(io.BytesIO(volume_plot(flat, flat, 0.4, 0.8))) as image:
        pixels = np.asarray(image.convert("RGB"))
    assert_red_on_top_only(pixels, 30)


def test_the_line_is_never_cut_however_narrow_the_picture():
    narrow, wide = (np.asarray(framed(Image.new("RGB", (size, 20)))) for size in (16, 600))
    assert red(narrow).sum() == red(wide).sum() > 150


def test_the_bar_is_as_long_as_it_says_and_is_left_out_where_pixels_have_no_size():
    for pixel_mm in (1.0, 2.5):
        picture = np.asarray(framed(Image.new("RGB", (700, 30)), 10, 1 / pixel_mm)).astype(int)
        foot = (picture[-head_and_foot(700)[1] :] == 255).all(axis=2)
        assert max(np.diff(np.flatnonzero(np.diff(np.pad(row, 1).astype(int)))).max(initial=0) for row in foot) in (
            round(SCALE_MM / pixel_mm) + 1,
            round(SCALE_MM / pixel_mm) + 2,
        )
    without = np.asarray(framed(Image.new("RGB", (700, 30)), 10))
    assert not (without[-head_and_foot(700)[1] :] == 255).all(axis=2).any()


def test_base_is_marked_on_the_left_and_apex_on_the_right():
    picture = np.asarray(framed(Image.new("RGB", (700, 30)), 34)).max(axis=2)
    foot = picture[-head_and_foot(700)[1] :].max(axis=0) > 100
    assert foot[34:65].any() and foot[-30:].any() and not foot[:34].any() and not foot[70:-40].any()
