"""Whether a label map at ED may be measured: the rule of ukbb_cardiac's `sa_pass_quality_control`, all three criteria.

Bai et al., J Cardiovasc Magn Reson 20:65, 2018; https://github.com/baiwenjia/ukbb_cardiac, common/cardiac_utils.py.
"""

import numpy as np

from cohort.cine import Label
from cohort.label_quality import FEWEST_PIXELS, FEWEST_SLICES, LabelQuality

from .pieces import Touching, largest_piece, pieces

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
    lv = largest_piece(middle == int(Label.LV_CAVITY), Touching.CORNERS) | _without_small(
        middle == int(Label.LV_MYOCARDIUM)
    )
    parts = {
        "LV": largest_piece(lv, Touching.CORNERS),
        "RV": largest_piece(middle == int(Label.RV_CAVITY), Touching.CORNERS),
    }
    return [
        f"the {name} on the LV's middle slice at ED has no piece of {FEWEST_PIXELS} pixels"
        for name, part in parts.items()
        if part.sum() < FEWEST_PIXELS
    ]


def _without_small(shape: np.ndarray) -> np.ndarray:
    """Without pieces of fewer than FEWEST_PIXELS."""
    numbers, sizes = pieces(shape, Touching.CORNERS)
    return (sizes >= FEWEST_PIXELS)[numbers]
