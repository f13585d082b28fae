"""A beating heart as a GIF: slices side by side, at the patient's own rhythm, the true heart above it."""

import io

import numpy as np
from PIL import Image, ImageDraw

from cohort.intensity import as_grey_levels

CAPTION = 14
TICK_MS = 10  # in which a GIF counts
SHORTEST_MS = 20  # of a frame; viewers slow down what is shorter
STANDARD_MS = 1000  # of a beat whose length nobody knows


def heart_film(rows: list[tuple[str, np.ndarray]], beat_s: float | None) -> bytes:
    """Draw named hearts under one another, over one beat that repeats for ever.

    Args:
        rows: (name, (slices, frames, height, width) in [0, 1]), top to bottom, of as many frames each.
        beat_s: how long a beat lasts; None where unknown, which a caption says.

    Returns:
        a GIF of `shown_frames`, which last `frame_durations_ms`.
    """
    shown = shown_frames(rows[0][1].shape[1], beat_s)
    wide = max(heart.shape[0] * heart.shape[3] for _, heart in rows)
    said = f"a beat of {beat_s * 1000:.0f} ms" if beat_s else "a beat of 1 s, as its rhythm is unknown"
    pictures = [_picture([(f"{name}, {said}", heart[:, frame]) for name, heart in rows], wide) for frame in shown]
    out = io.BytesIO()
    durations = frame_durations_ms(len(shown), beat_s)
    pictures[0].save(out, "GIF", save_all=True, append_images=pictures[1:], duration=durations, loop=0, optimize=False)
    return out.getvalue()


def shown_frames(frames: int, beat_s: float | None) -> list[int]:
    """Numbers of the frames that a film shows: all, or as many as can last SHORTEST_MS each, evenly spread."""
    beat_ms = 1000 * beat_s if beat_s else STANDARD_MS
    count = int(np.clip(beat_ms // SHORTEST_MS, 1, frames))
    return [k * frames // count for k in range(count)]


def frame_durations_ms(shown: int, beat_s: float | None) -> list[int]:
    """How long each frame shown lasts: whole ticks, whose sum is the beat to the nearest tick."""
    beat_ms = 1000 * beat_s if beat_s else STANDARD_MS
    ends = np.round(beat_ms / TICK_MS * np.arange(1, shown + 1) / shown).astype(int)
    return [TICK_MS * int(ticks) for ticks in np.diff(ends, prepend=0)]


def still_film(heart: np.ndarray, inside: np.ndarray) -> np.ndarray:
    """ED and ES (slices, 2, height, width) shown in turn: ES while less than half of the stroke volume is inside.

    Args:
        inside: (frames,) share of the stroke volume inside the heart that beats below.
    """
    return heart[:, (inside < 0.5).astype(int)]


def _picture(rows: list[tuple[str, np.ndarray]], wide: int) -> Image.Image:
    """Rows of (name, (slices, height, width))."""
    high = sum(CAPTION + heart.shape[1] for _, heart in rows)
    canvas = Image.new("L", (wide, high), 0)
    draw, top = ImageDraw.Draw(canvas), 0
    for name, heart in rows:
        draw.text((2, top + 1), name, fill=255)
        top += CAPTION
        canvas.paste(Image.fromarray(as_grey_levels(np.concatenate(list(heart), axis=1))), (0, top))
        top += heart.shape[1]
    return canvas
