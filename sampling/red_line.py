"""What stands in every picture of a generated heart: that it is simulated, its scale, where base and apex lie."""

from PIL import Image, ImageDraw, ImageFont

RED_LINE = "Simulated, not this patient, not for diagnosis"
BESIDE_REAL = "Generated hearts: simulated, not this patient, not for diagnosis"  # where an MRI lies above them
RED = (255, 64, 64)  # on black; 6.1 to 1 in contrast
FONT_SIZE, WIDE_AS = 13, 75  # pixels; letters grow with wide pictures, which are shown smaller: a 75th of the width
SCALE_MM = 50
WHITE, GREY = (255, 255, 255), (200, 200, 200)


def framed(
    picture: Image.Image, first: int = 0, pixels_per_mm: float | None = None, line: str = RED_LINE
) -> Image.Image:
    """The picture below a red line and above its marks: base on the left, apex on the right, a bar of SCALE_MM.

    Args:
        picture: of slices in a row, base left, in RGB. first: the column where they begin.
        pixels_per_mm: None leaves out the bar. line: RED_LINE, or BESIDE_REAL.
    """
    size = font_size(picture.width)
    font, small = ImageFont.load_default(size), ImageFont.load_default(size - 3)
    head, foot = head_and_foot(picture.width)
    wide = max(picture.width, round(font.getlength(line)) + 6)
    canvas = Image.new("RGB", (wide, head + picture.height + foot))
    canvas.paste(picture, (0, head))
    draw = ImageDraw.Draw(canvas)
    draw.text((3, head // 2), line, fill=RED, font=font, anchor="lm")
    middle = head + picture.height + foot // 2
    draw.text((first + 2, middle), "base", fill=GREY, font=small, anchor="lm")
    draw.text((picture.width - 2, middle), "apex", fill=GREY, font=small, anchor="rm")
    if pixels_per_mm:
        left, length = first + 4 * size, round(SCALE_MM * pixels_per_mm)
        _draw_bar(draw, left, middle, length)
        draw.text((left + length + 5, middle), f"{SCALE_MM} mm", fill=GREY, font=small, anchor="lm")
    return canvas


def font_size(wide: int) -> int:
    """Pixels of the red line's letters in a picture of this width."""
    return max(FONT_SIZE, wide // WIDE_AS)


def head_and_foot(wide: int) -> tuple[int, int]:
    """Pixels that `framed` puts above and below a picture of this width."""
    size = font_size(wide)
    return size + 7, size + 3


def _draw_bar(draw: ImageDraw.ImageDraw, left: int, middle: int, length: int) -> None:
    """A bar with its ends."""
    draw.line([(left, middle), (left + length, middle)], fill=WHITE)
    for end in (left, left + length):
        draw.line([(end, middle - 3), (end, middle + 3)], fill=WHITE)
