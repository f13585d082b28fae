"""What stands in every picture of a generated heart: that it is simulated, how long 5 cm are, where base and apex lie."""

from PIL import Image, ImageDraw, ImageFont

RED_LINE = "Simulated, not this patient, not for diagnosis"
RED = (255, 64, 64)  # on black; 6.1 to 1 in contrast
HEAD, FOOT = 20, 16  # pixels above and below
FONT_SIZE = 13
SCALE_MM = 50
WHITE, GREY = (255, 255, 255), (200, 200, 200)


def framed(picture: Image.Image, first: int = 0, pixels_per_mm: float | None = None) -> Image.Image:
    """The picture below RED_LINE and above its marks: base on the left, apex on the right, a bar of SCALE_MM.

    Args:
        picture: of slices in a row, base left, in RGB. first: the column where they begin.
        pixels_per_mm: None leaves out the bar.
    """
    font = ImageFont.load_default(FONT_SIZE)
    wide = max(picture.width, round(font.getlength(RED_LINE)) + 6)
    canvas = Image.new("RGB", (wide, HEAD + picture.height + FOOT))
    canvas.paste(picture, (0, HEAD))
    draw = ImageDraw.Draw(canvas)
    draw.text((3, 2), RED_LINE, fill=RED, font=font)
    top = HEAD + picture.height
    draw.text((first + 2, top + 2), "base", fill=GREY)
    draw.text((picture.width - 2, top + 2), "apex", fill=GREY, anchor="ra")
    if pixels_per_mm:
        _draw_bar(draw, first + 40, top + FOOT // 2, round(SCALE_MM * pixels_per_mm))
    return canvas


def _draw_bar(draw: ImageDraw.ImageDraw, left: int, middle: int, length: int) -> None:
    """A bar with its ends and its length in words."""
    draw.line([(left, middle), (left + length, middle)], fill=WHITE)
    for end in (left, left + length):
        draw.line([(end, middle - 3), (end, middle + 3)], fill=WHITE)
    draw.text((left + length + 5, middle - 6), f"{SCALE_MM} mm", fill=GREY)
