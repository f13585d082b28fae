"""A picture of one patient: slices from base to apex, ED above ES, with the outlines of LV, wall and RV."""

import io

import numpy as np
from PIL import Image, ImageChops, ImageDraw, ImageFilter

from cohort.cine import Label
from cohort.intensity import as_grey_levels

ENLARGED = 3
SOFTENED = 2.0  # picture pixels: a label's corners are rounded, by less than one of its own pixels
MARGIN, CAPTION = 30, 15
OUTLINES = (  # what an outline encloses, and its colour: told apart by colour-blind people too (Okabe and Ito)
    ((Label.RV_CAVITY,), (0, 200, 140)),
    ((Label.LV_CAVITY, Label.LV_MYOCARDIUM), (86, 180, 233)),
    ((Label.LV_CAVITY,), (240, 160, 0)),
)


def draw_contours(slices: np.ndarray, labels: np.ndarray, captions: tuple[str, ...], title: str) -> Image.Image:
    """Draw label maps on the slices they are of.

    Args:
        slices: (slices, rows, height, width) in [0, 1]: each row of the picture is a moment.
        labels: of the same shape, of `Label`.
        captions: of the rows. title: above them.
    """
    count, rows, height, width = slices.shape
    tile = width * ENLARGED, height * ENLARGED
    canvas = Image.new("RGB", (MARGIN + count * tile[0], CAPTION + rows * tile[1]))
    draw = ImageDraw.Draw(canvas)
    draw.text((2, 1), title, fill=(255, 255, 255))
    for row in range(rows):
        top = CAPTION + row * tile[1]
        draw.text((2, top + tile[1] // 2), captions[row], fill=(200, 200, 200))
        for number in range(count):
            picture = Image.fromarray(as_grey_levels(slices[number, row])).resize(tile, Image.Resampling.BICUBIC)
            picture = picture.convert("RGB")
            for enclosed, colour in OUTLINES:
                picture.paste(colour, mask=_outline(np.isin(labels[number, row], enclosed), tile))
            canvas.paste(picture, (MARGIN + number * tile[0], top))
    return canvas


def _outline(shape: np.ndarray, size: tuple[int, int]) -> Image.Image:
    """The edge of a shape (height, width) bool, one pixel wide, smooth at the size of the picture."""
    large = Image.fromarray(shape.astype(np.uint8) * 255).resize(size, Image.Resampling.BICUBIC)
    large = large.filter(ImageFilter.GaussianBlur(SOFTENED))
    filled = large.point(lambda value: 255 * (value > 127))
    return ImageChops.subtract(filled, filled.filter(ImageFilter.MinFilter(3)))


def contours_png(slices: np.ndarray, labels: np.ndarray, captions: tuple[str, ...], title: str) -> bytes:
    """What `draw_contours` draws, as the bytes of a PNG file."""
    content = io.BytesIO()
    draw_contours(slices, labels, captions, title).save(content, format="PNG", compress_level=1)
    return content.getvalue()
