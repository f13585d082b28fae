"""Whether a label map is whole: the rule of ukbb_cardiac's `sa_pass_quality_control`.

Bai et al., J Cardiovasc Magn Reson 20:65, 2018; its criteria 1 and 2.
"""

import numpy as np

from cohort.cine import Label

FEWEST_PIXELS = 10  # fewer pixels of a class, in a slice or in all of them, do not count
FEWEST_SLICES = 6
MOST_UNEVEN = 0.4  # of the LV's area by slice: 0 in 64 phantoms and a real heart; interleaved, 0.6 or more
CLASSES = tuple(label for label in Label if label != Label.BACKGROUND)


class LabelQuality:
    """What the rule looks at in one label map.

    Args:
        labels: (slices, height, width) of `Label`, at ED.
        acquired: (slices,) bool; labels in other slices do not count.

    Attributes:
        pixels: class -> (slices,) number of its pixels.
        small: classes with fewer than FEWEST_PIXELS in all: the first criterion.
        shown: (slices,) bool, with FEWEST_PIXELS each of LV cavity and LV myocardium. The second criterion asks for
            FEWEST_SLICES of them, without a gap.
        gaps: indices of slices between shown ones that are not shown.
    """

    def __init__(self, labels: np.ndarray, acquired: np.ndarray | None = None) -> None:
        acquired = np.ones(len(labels), bool) if acquired is None else acquired
        self.pixels = {label: (labels == int(label)).sum(axis=(1, 2)) * acquired for label in CLASSES}
        self.small = [label for label, counts in self.pixels.items() if counts.sum() < FEWEST_PIXELS]
        smaller = np.minimum(self.pixels[Label.LV_CAVITY], self.pixels[Label.LV_MYOCARDIUM])
        self.shown = smaller >= FEWEST_PIXELS
        first, last = np.flatnonzero(self.shown)[[0, -1]] if self.shown.any() else (0, 0)
        self.gaps = [number for number in range(first, last) if not self.shown[number]]


def unevenness(area: np.ndarray) -> float:
    """How much more (slices,) numbers rise and fall than one hump does, over its height; 0 for one hump."""
    return float(np.abs(np.diff(area, prepend=0, append=0)).sum() / (2 * area.max()) - 1)
