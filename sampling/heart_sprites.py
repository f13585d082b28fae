"""A beating heart as one picture, frames down and slices across, small enough for a page."""

import io
import json
from dataclasses import replace

import numpy as np
from PIL import Image

from cohort.intensity import as_grey_levels
from cohort.page_template import embedded

from .contours import contours_of
from .shown_heart import ShownHeart

QUALITIES = (88, 75, 60, 45, 30)  # of JPEG; the best that fits is taken
FRAME_STEPS = (1, 2, 4, 8)  # every frame, or every second one, ...
LARGEST_SIDE = 30_000  # pixels; JPEG allows 65_535, browsers somewhat less


def packed(hearts: list[ShownHeart], room: int) -> tuple[list[dict], list[int]]:
    """Hearts as a page's script reads them, in at most `room` characters.

    Contours that leave no room for the hearts are left out: a poor segmenter's speckles have thousands.

    Args:
        hearts: of as many frames each.

    Returns:
        For each heart its name, sprite (a data URL) and contours (by frame and slice; None without labels). And which
        frames they show: all, where these fit.

    Raises:
        ValueError: not even few frames of poor quality fit.
    """
    bare = [replace(heart, labels=None) for heart in hearts]
    found = _packed(hearts, room) or _packed(bare, room)
    if found is None:
        raise ValueError("the hearts are too large for a page")
    return found


def _packed(hearts: list[ShownHeart], room: int) -> tuple[list[dict], list[int]] | None:
    """What `packed` returns, with all contours; None where it does not fit."""
    total = hearts[0].frames.shape[1]
    for step in FRAME_STEPS:
        shown = list(range(0, total, step))
        if len(shown) < min(total, 2):
            break
        outlines = [_contours(heart, shown) for heart in hearts]
        left = room - len(json.dumps(outlines))
        for quality in QUALITIES if left > 0 else ():
            sprites = [sprite(heart.frames[:, shown], quality) for heart in hearts]
            if sum(map(len, sprites)) <= left:
                about = zip(hearts, sprites, outlines, strict=True)
                return [{"name": h.name, "sprite": s, "contours": c} for h, s, c in about], shown
    return None


def sprite(frames: np.ndarray, quality: int) -> str:
    """(slices, frames, height, width) in [0, 1] as a data URL of a JPEG, frames down and slices across."""
    slices, count, height, width = frames.shape
    if max(slices * width, count * height) > LARGEST_SIDE:
        raise ValueError("the hearts are too large for a page")
    picture = frames.transpose(1, 2, 0, 3).reshape(count * height, slices * width)
    out = io.BytesIO()
    Image.fromarray(as_grey_levels(picture)).save(out, "JPEG", quality=quality, optimize=True)
    return embedded(out.getvalue(), "jpeg")


def _contours(heart: ShownHeart, shown: list[int]) -> list | None:
    """[frame][slice][outline][line]: x, y, x, y, ... in half pixels, which are whole numbers."""
    if heart.labels is None:
        return None
    return [
        [
            [[(2 * line).round().astype(int).ravel().tolist() for line in lines] for lines in contours_of(slice_)]
            for slice_ in heart.labels[:, frame]
        ]
        for frame in shown
    ]
