"""Numbered callouts on a drawn heart's grid.png and curve.png, and what each of them is about."""

import io
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from cohort.disk import write_bytes
from cohort.errors import InputError
from sampling.grid import room_for_words
from sampling.outputs import CURVE
from sampling.red_line import head_and_foot

SHOWN = 3  # blocks of the grid: the true heart and two samples
WIDE, LEFT, CURVE_WIDE = 1200, 44, 560  # pixels: of the picture, of its margin for numbers, of the curve
RADIUS, LETTERS, LINE = 14, 17, 25
INK, PAPER, CALLOUT = (20, 20, 20), (255, 255, 255), (200, 0, 110)
WORDS = (
    "What every picture of a drawn heart says.",
    "The true heart. It is there with --mri only.",
    "Sample 1: one heart drawn from the ECG.",
    "Sample 2, of the same ECG. Where 3 and 4\ndiffer, the ECG is silent.",
    "ED: the heart at its fullest.",
    "ES: the heart at its emptiest.",
    "Slices from the base (left) to the apex (right).",
    "Outlines: LV cavity blue, LV wall yellow,\nRV cavity orange.",
    "Volumes of LV and RV over one beat, of sample 1.",
    "The 90 % interval. A wide band means\nthat this ECG tells little of the volume.",
)


def annotated(grid: Image.Image, curve: Image.Image, blocks: int) -> tuple[Image.Image, list[tuple[int, int]]]:
    """The picture, and where its callouts lie (x, y), in the order of WORDS.

    Args:
        grid: of `sampling.grid.draw_grid`, with outlines. curve: of `evaluation.volume_plot`.
        blocks: hearts in the grid, SHOWN or more, the true one first.
    """
    head, foot = head_and_foot(grid.width)
    margin, caption = room_for_words(grid.width)  # to a pixel or two: the hearts are a little narrower
    block = (grid.height - head - foot) // blocks
    part = grid.crop((0, 0, grid.width, head + SHOWN * block))
    scale = (WIDE - LEFT) / part.width
    part = part.resize((WIDE - LEFT, round(part.height * scale)), Image.Resampling.LANCZOS)
    curve = curve.resize((CURVE_WIDE, round(curve.height * CURVE_WIDE / curve.width)), Image.Resampling.LANCZOS)
    top = part.height + LETTERS
    canvas = Image.new("RGB", (WIDE, top + max(curve.height, _height_of_words()) + LETTERS), PAPER)
    canvas.paste(part, (LEFT, 0))
    canvas.paste(curve.convert("RGB"), (LEFT, top))
    middles = [round(scale * (head + (k + 0.5) * block)) for k in range(SHOWN)]
    phase = round(scale * (block - caption) / 2)
    first = round(scale * (head + caption)) + phase // 2  # the middle of ED of the true heart
    slice_wide = scale * (grid.width - margin) / 10
    places = [
        (LEFT // 2, round(scale * head / 2)),
        *((LEFT // 2, middle) for middle in middles),
        (LEFT + round(scale * margin) + RADIUS, first - phase // 3),
        (LEFT + round(scale * margin) + RADIUS, first + phase - phase // 3),
        (WIDE - RADIUS - 4, first - phase // 3),
        (LEFT + round(scale * margin + 3.95 * slice_wide), first + phase // 5),
        (LEFT + round(0.2 * CURVE_WIDE), top + round(0.45 * curve.height)),
        (LEFT + round(0.75 * CURVE_WIDE), top + round(0.53 * curve.height)),
    ]
    draw = ImageDraw.Draw(canvas)
    for number, place in enumerate(places, start=1):
        _draw_number(draw, number, place)
    _draw_words(draw, LEFT + CURVE_WIDE + 50, top + RADIUS)
    return canvas, places


def _draw_number(draw: ImageDraw.ImageDraw, number: int, place: tuple[int, int]) -> None:
    x, y = place
    draw.ellipse((x - RADIUS, y - RADIUS, x + RADIUS, y + RADIUS), fill=CALLOUT, outline=PAPER, width=2)
    draw.text(place, str(number), fill=PAPER, font=ImageFont.load_default(LETTERS), anchor="mm")


def _height_of_words() -> int:
    return sum(LINE * (text.count("\n") + 1) + LINE // 4 for text in WORDS)


def _draw_words(draw: ImageDraw.ImageDraw, left: int, top: int) -> None:
    font = ImageFont.load_default(LETTERS)
    for number, text in enumerate(WORDS, start=1):
        _draw_number(draw, number, (left, top))
        for line in text.split("\n"):
            draw.text((left + 2 * RADIUS, top), line, fill=INK, font=font, anchor="lm")
            top += LINE
        top += LINE // 4


def write_annotated(patient: Path, output: Path) -> None:
    """Draw the callouts on the pictures in a patient's folder.

    Raises:
        InputError: a picture is not there, or there is one sample only.
    """
    pictures = [patient / "grid.png", patient / CURVE]
    for path in pictures:
        if not path.is_file():
            raise InputError(path, "is not there", "run sample.py with --mri for this patient")
    samples = len([*patient.glob("sample_*")]) + 1
    if samples + 1 < SHOWN:
        raise InputError(patient, "holds one sample", "run sample.py with --samples 4")
    grid, curve = (Image.open(path) for path in pictures)
    out = io.BytesIO()
    annotated(grid, curve, samples + 1)[0].quantize(256, Image.Quantize.MAXCOVERAGE).save(out, "PNG", optimize=True)
    write_bytes(output, out.getvalue())
