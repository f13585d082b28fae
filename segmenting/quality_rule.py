"""Whether a label map at ED may be measured: the rule of ukbb_cardiac's `sa_pass_quality_control`, all three criteria.

Bai et al., J Cardiovasc Magn Reson 20:65, 2018; https://github.com/baiwenjia/ukbb_cardiac, common/cardiac_utils.py.
"""

import numpy as np
import scipy  # its parts load when first used

from cohort.cine import Label
from cohort.label_quality import FEWEST_PIXELS, FEWEST_SLICES, LabelQuality

NAMES = {Label.LV_CAVITY: "LV cavity", Label.LV_MYOCARDIUM: "LV wall", Label.RV_CAVITY: "RV cavity"}


def rule_faults(labels: np.ndarray) -> list[str]:
    """What the rule objects to, a sentence each; empty where the label map passes.

    Args:
        labels: (slices, ., .) of `Label` at ED, in the order of the slices.
    """
    quality = LabelQuality(labels)
    small = [f"{NAMES[label]} has {quality.pixels[label].sum()} pixels at ED" for label in quality.small]
    faults = [f"{fault}, fewer than {FEWEST_PIXELS}" for fault in small]
    if quality.shown.sum() < FEWEST_SLICES:
        faults.append(f"LV cavity and wall are on {quality.shown.sum()} slices at ED, fewer than {FEWEST_SLICES}")
    if quality.gaps:
        where = ", ".join(str(number + 1) for number in quality.gaps)
        faults.append(f"LV cavity and wall are interrupted at slice {where} of {len(labels)} at ED")
    return faults + _faults_of_middle(labels)


def _faults_of_middle(labels: np.ndarray) -> list[str]:
    """The third criterion: the LV's slice in the middle shows the LV and the RV, each in one piece of some size."""
    per_slice = (labels == int(Label.LV_CAVITY)).sum(axis=(1, 2))
    if not per_slice.any():
        return []  # the first criterion says so
    middle = labels[round(float(np.average(np.arange(len(labels)), weights=per_slice)))]
    lv = _largest(middle == int(Label.LV_CAVITY)) | _without_small(middle == int(Label.LV_MYOCARDIUM))
    parts = {"LV": _largest(lv), "RV": _largest(middle == int(Label.RV_CAVITY))}
    return [
        f"the {name} on the LV's middle slice at ED has no piece of {FEWEST_PIXELS} pixels"
        for name, part in parts.items()
        if part.sum() < FEWEST_PIXELS
    ]


def _pieces(shape: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The number of each pixel's piece, 0 outside, and the size of each piece, 0 for what is outside."""
    numbers, _ = scipy.ndimage.label(shape, np.ones((3,) * shape.ndim))
    sizes = np.bincount(numbers.ravel())
    sizes[0] = 0
    return numbers, sizes


def _largest(shape: np.ndarray) -> np.ndarray:
    numbers, sizes = _pieces(shape)
    return (numbers == sizes.argmax()) & shape


def _without_small(shape: np.ndarray) -> np.ndarray:
    """Without pieces of fewer than FEWEST_PIXELS."""
    numbers, sizes = _pieces(shape)
    return (sizes >= FEWEST_PIXELS)[numbers]


def largest_share(shape: np.ndarray) -> float:
    """Share of a shape's pixels that lie in its largest piece; 1 of an empty one."""
    sizes = _pieces(shape)[1]
    return float(sizes.max() / sizes.sum()) if sizes.any() else 1.0
