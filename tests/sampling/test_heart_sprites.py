"""Films as pictures for a page: frames down and slices across, in the room there is."""

import base64
import io
import json

import numpy as np
import pytest
from PIL import Image

from cohort.cine import Label
from sampling.contours import contours_of
from sampling.heart_sprites import packed, sprite
from sampling.shown_heart import ShownHeart

NOISE = np.random.default_rng(0).random((10, 25, 96, 96), dtype=np.float32)


def pixels(url: str) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(url.partition(",")[2]))))


def test_frames_lie_down_and_slices_across():
    frames = np.zeros((3, 2, 8, 16), np.float32)
    frames[2, 1] = 1.0
    picture = pixels(sprite(frames, 90))
    assert picture.shape == (16, 48)
    assert picture[8:, 32:].min() > 240 and picture[:8].max() < 15 and picture[:, :32].max() < 15


def test_the_best_quality_that_fits_is_taken():
    wide, tight = (packed([ShownHeart("a", NOISE)], room) for room in (4_000_000, 1_200_000))
    assert wide[1] == tight[1] == list(range(25))
    assert len(tight[0][0]["sprite"]) <= 1_200_000 < len(wide[0][0]["sprite"])


def test_frames_are_left_out_before_nothing_fits():
    hearts, frames = packed([ShownHeart("a", NOISE), ShownHeart("b", NOISE)], 500_000)
    assert frames == list(range(0, 25, frames[1])) and frames[1] > 1
    assert sum(len(heart["sprite"]) for heart in hearts) <= 500_000
    assert pixels(hearts[0]["sprite"]).shape == (96 * len(frames), 960)
    with pytest.raises(ValueError, match="too large"):
        packed([ShownHeart("a", NOISE)], 10_000)


def test_contours_are_those_of_every_frame_and_slice_in_half_pixels():
    labels = np.zeros((2, 3, 12, 12), np.uint8)
    for frame in range(3):
        labels[1, frame, 2 : 6 + frame, 3:9] = Label.RV_CAVITY
    (heart, bare), _ = packed([ShownHeart("a", labels / 3, labels), ShownHeart("b", labels / 3)], 100_000)
    assert bare["contours"] is None and heart["contours"][0][0] == [[], [], []]
    for frame in range(3):
        ((line,),) = [lines for lines in heart["contours"][frame][1] if lines]
        expected = contours_of(labels[1, frame])[2][0]
        np.testing.assert_array_equal(np.array(line).reshape(-1, 2) / 2, expected)
    assert json.dumps(heart["contours"])


def test_contours_that_leave_no_room_for_the_hearts_are_left_out():
    speckles = np.random.default_rng(1).integers(0, 4, (10, 2, 96, 96)).astype(np.uint8)
    hearts, frames = packed([ShownHeart("a", NOISE[:, :2], speckles)], 800_000)
    assert frames == [0, 1] and hearts[0]["contours"] is None and len(hearts[0]["sprite"]) <= 800_000
    assert packed([ShownHeart("a", NOISE[:, :2], speckles)], 20_000_000)[0][0]["contours"] is not None
