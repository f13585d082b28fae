"""A beating heart as a GIF: slices side by side, at the patient's own rhythm, the true heart above it."""

import io

import numpy as np
from PIL import Image, ImageDraw

from cohort.intensity import as_grey_levels

from .contours import OUTLINES, draw_contours
from .red_line import BESIDE_REAL, RED, RED_LINE, framed
from .shown_heart import ShownHeart

CAPTION = 14
TICK_MS = 10  # in which a GIF counts
SHORTEST_MS = 20  # of a frame; viewers slow down what is shorter
STANDARD_MS = 1000  # of a beat whose length nobody knows
SHADES = 4  # of red: its letters have soft edges
GREYS = 256 - SHADES - len(OUTLINES)  # a GIF has 256 colours


def heart_film(
    hearts: list[ShownHeart],
    beat_s: float | None,
    pixel_mm: float | None = None,
) -> bytes:
    """Draw named hearts under one another, over one beat that repeats for ever, with the red line and marks.

    Args:
        hearts: top to bottom, of as many frames each. Outlines are drawn where there are labels.
        beat_s: how long a beat lasts; None where unknown, which a caption says.
        pixel_mm: of the grid; without it no scale bar is drawn.

    Returns:
        a GIF of `shown_frames`, which last `frame_durations_ms`.
    """
    shown = shown_frames(hearts[0].frames.shape[1], beat_s)
    said = f"a beat of {beat_s * 1000:.0f} ms" if beat_s else "a beat of 1 s, as its rhythm is unknown"
    line = RED_LINE if len(hearts) == 1 else BESIDE_REAL
    scale = 1 / pixel_mm if pixel_mm else None
    pictures = [_in_few_colours(framed(_picture(hearts, frame, said), 0, scale, line)) for frame in shown]
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


def _picture(hearts: list[ShownHeart], frame: int, said: str) -> Image.Image:
    """One frame of all hearts; said: of the beat, behind each name."""
    high = sum(CAPTION + heart.frames.shape[2] for heart in hearts)
    canvas = Image.new("RGB", (max(heart.frames.shape[0] * heart.frames.shape[3] for heart in hearts), high))
    draw, top = ImageDraw.Draw(canvas), 0
    for heart in hearts:
        draw.text((2, top + 1), f"{heart.name}, {said}", fill=(255, 255, 255))
        top += CAPTION
        row = np.concatenate(list(heart.frames[:, frame]), axis=1)
        canvas.paste(Image.fromarray(as_grey_levels(row)), (0, top))
        for number, own in enumerate(() if heart.labels is None else heart.labels[:, frame]):
            draw_contours(draw, own, number * own.shape[1], top)
        top += heart.frames.shape[2]
    return canvas


def _palette() -> np.ndarray:
    """(256, 3): GREYS from black to white, SHADES of red, the outlines' colours."""
    greys = np.repeat(np.round(np.linspace(0, 255, GREYS))[:, None], 3, axis=1)
    reds = np.outer(np.arange(1, SHADES + 1) / SHADES, RED)
    return np.concatenate([greys, reds, [outline.colour for outline in OUTLINES]]).round().astype(np.uint8)


def _in_few_colours(picture: Image.Image) -> Image.Image:
    """The same in the colours of `_palette`: greys to within one level, any other pixel in the nearest colour."""
    pixels, palette = np.asarray(picture).astype(np.int32), _palette()
    numbers = np.round(pixels[..., 0] * (GREYS - 1) / 255).astype(np.uint8)
    coloured = (pixels != pixels[..., :1]).any(axis=2)
    apart = np.square(pixels[coloured][:, None] - palette.astype(np.int32)[None]).sum(axis=2)
    numbers[coloured] = apart.argmin(axis=1)
    image = Image.fromarray(numbers, "P")
    image.putpalette(palette.tobytes())
    return image
