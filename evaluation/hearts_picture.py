"""True hearts above the hearts drawn from the same people's ECGs, phase by phase, as one picture."""

import io
from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from cohort.intensity import as_grey_levels
from cohort.phases import PHASES
from sampling.red_line import framed

NAMES, CAPTION, LETTERS = 92, 28, 15  # pixels: width of the rows' names, height of a caption, size of letters
MOST_SLICES = 10  # across, so that letters and hearts stay large enough to be seen
WHITE_PERCENT = 99.5  # of the SDs in a picture that are not white


def hearts_picture(people: list[tuple[np.ndarray, np.ndarray, np.ndarray]], names: Sequence[str]) -> bytes:
    """PNG of a few people: for each phase the true slices, those drawn, and the SD of the samples.

    One SD is white in the whole picture: hardly any is larger. Each caption says which, of grey values from 0 to 1.

    The red line stands above them, as above every picture of a generated heart.

    Args:
        people: true heart, drawn heart, SD of the samples; each (slices, phases, height, width) in [0, 1].
        names: of them; who has none is called by number.
    """
    white = float(np.percentile([spread for _, _, spread in people], WHITE_PERCENT)) or 1.0
    named = enumerate(zip(names, people, strict=True), 1)
    blocks = [_person(name or f"patient {number}", *hearts, white) for number, (name, hearts) in named]
    canvas = Image.new("L", (max(block.width for block in blocks), sum(block.height for block in blocks)), 0)
    top = 0
    for block in blocks:
        canvas.paste(block, (0, top))
        top += block.height
    out = io.BytesIO()
    framed(canvas.convert("RGB"), NAMES).save(out, format="PNG", optimize=True)
    return out.getvalue()


def _person(name: str, true: np.ndarray, drawn: np.ndarray, spread: np.ndarray, white: float) -> Image.Image:
    slices, phases, height, width = true.shape
    shown = np.unique(np.linspace(0, slices - 1, min(slices, MOST_SLICES)).round().astype(int))
    rows = [
        (f"{words} {PHASES[phase] if phases <= len(PHASES) else phase}", as_grey_levels(hearts[shown, phase]))
        for phase in range(phases)
        for words, hearts in (("true", true), ("drawn", drawn), ("SD", spread / white))
    ]
    image = Image.new("L", (NAMES + len(shown) * width, CAPTION + len(rows) * height), 0)
    draw, letters = ImageDraw.Draw(image), ImageFont.load_default(size=LETTERS)
    draw.text((4, 5), f"{name}: slices from base to apex; an SD of {white:.2g} is white", fill=255, font=letters)
    for number, (words, pixels) in enumerate(rows):
        top = CAPTION + number * height
        draw.text((4, top + height / 2), words, fill=230, font=letters, anchor="lm")
        image.paste(Image.fromarray(np.concatenate(list(pixels), axis=1)), (NAMES, top))
    return image
