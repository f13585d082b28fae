"""Where a real heart is brighter or darker than its ECG leads one to expect, as one picture of all slices."""

import io

import matplotlib
import numpy as np
from PIL import Image

PALETTE = "RdBu_r"  # red is brighter, blue darker: the colour-blind tell them apart
SHOWN_Z = 4.0  # the colours' ends; what lies beyond has the end's colour
MOST_WIDTH = 2000  # pixels; larger grids are shown coarser


def departure_picture(z: np.ndarray) -> bytes:
    """PNG of z (slices, phases, height, width): slices from left to right, phases from top to bottom."""
    rows = np.concatenate([np.concatenate(list(phase), axis=1) for phase in z.swapaxes(0, 1)], axis=0)
    coarser = int(np.ceil(rows.shape[1] / MOST_WIDTH))
    shares = (rows[::coarser, ::coarser] / SHOWN_Z).clip(-1, 1) / 2 + 0.5
    image = Image.fromarray(np.round(255 * shares).astype(np.uint8), "P")
    colours = 255 * matplotlib.colormaps[PALETTE](np.arange(256))[:, :3]
    image.putpalette(colours.round().astype(np.uint8).tobytes())
    out = io.BytesIO()
    image.save(out, "PNG", optimize=True)
    return out.getvalue()
