"""Where samples differ: the SD of every voxel in colours that the colour-blind can tell apart."""

import io
from dataclasses import dataclass

import matplotlib
import numpy as np
from PIL import Image

from cohort.page_template import embedded

PALETTE = "cividis"  # rises evenly in lightness, and looks the same to nearly all colour-blind people
MOST_PIXELS = 1_500_000  # of all pictures together; larger grids are shown coarser
STEPS = 5  # numbers at the colour bar


@dataclass(frozen=True)
class SpreadMap:
    """The map of one patient.

    Attributes:
        pictures: [slice][phase] PNG as a data URL. top: the largest SD, in percent of the way from black to white.
        ticks: numbers at the colour bar. colours: CSS colours of the bar, from 0 to the top.
    """

    pictures: list[list[str]]
    top: float
    ticks: list[float]
    colours: list[str]


def spread_map(hearts: np.ndarray) -> SpreadMap | None:
    """The SD over samples (samples, slices, phases, height, width) in [0, 1]; None of a single sample.

    The scale ends at the largest SD of this patient, so no colour stands for more than one number.
    """
    if len(hearts) < 2:
        return None
    percent = 100 * hearts.std(axis=0)
    top = float(percent.max())
    coarser = int(np.ceil(np.sqrt(max(percent.size / MOST_PIXELS, 1))))
    percent = percent[..., ::coarser, ::coarser]
    numbers = np.round(255 * percent / top).astype(np.uint8) if top > 0 else np.zeros(percent.shape, np.uint8)
    colours = (255 * matplotlib.colormaps[PALETTE](np.arange(256))[:, :3]).round().astype(np.uint8)
    pictures = [[_png(phase, colours) for phase in slice_] for slice_ in numbers]
    ticks = [top * k / (STEPS - 1) for k in range(STEPS)]
    return SpreadMap(pictures, top, ticks, [f"rgb({r},{g},{b})" for r, g, b in colours[::15].tolist()])


def _png(numbers: np.ndarray, colours: np.ndarray) -> str:
    image = Image.fromarray(numbers, "P")
    image.putpalette(colours.tobytes())
    out = io.BytesIO()
    image.save(out, "PNG", optimize=True)
    return embedded(out.getvalue())
