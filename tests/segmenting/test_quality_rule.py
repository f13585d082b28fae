"""ukbb_cardiac's rule on label maps made by hand."""

import numpy as np
import pytest

from segmenting.quality_rule import rule_faults


def stack(slices=8) -> np.ndarray:
    """(slices, 40, 40): a ring of wall round the LV, the RV beside it."""
    row, column = np.mgrid[:40, :40]
    radius = np.hypot(row - 20, column - 26)
    one = np.zeros((40, 40), np.uint8)
    one[radius < 10] = 2
    one[radius < 6] = 1
    one[10:30, 5:14] = 3
    return np.repeat(one[None], slices, axis=0)


def test_a_whole_heart_passes():
    assert rule_faults(stack()) == []


def without(label, slices=slice(None)):
    labels = stack()
    labels[slices][labels[slices] == label] = 0
    return labels


@pytest.mark.parametrize(
    ("labels", "words"),
    [
        (without(3), "RV cavity has 0 pixels"),
        (without(1), "LV cavity has 0 pixels"),
        (stack(5), "fewer than 6"),
        (without(1, slice(2, 3)), "interrupted at slice 3 of 8"),
        (without(3, slice(2, 6)), "the RV on the LV's middle slice"),
    ],
)
def test_each_criterion_is_told(labels, words):
    assert any(words in fault for fault in rule_faults(labels))


def test_crumbs_of_the_rv_on_the_middle_slice_are_no_rv():
    labels = without(3, slice(2, 6))
    labels[2:6, 10:30:3, 5:14:3] = 3  # 21 pixels, none beside another
    assert any("RV on the LV's middle slice" in fault for fault in rule_faults(labels))
