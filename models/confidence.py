"""How far a segmentation is to be believed: the Dice that the network itself expects of its label map."""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

from models.largest_class import largest_class


def expected_dice(logits: Tensor) -> Tensor:
    """(n,) in [0, 1]: the Dice of each slice's label map with the truth, if the network's shares were probabilities.

    Of LV cavity, wall and RV, weighted by their size. 0 where no heart was found: nothing speaks for such a slice.

    Args:
        logits: (n, classes, height, width); class 0 is the background.
    """
    return _share(*_overlap(logits))


def expected_dice_of_heart(logits: Tensor) -> Tensor:
    """The same of a heart: (n, classes, height, width) logits of its slices at one moment, or more -> a scalar."""
    return _share(*(part.sum(0, keepdim=True) for part in _overlap(logits)))[0]


def calibrated(expected: Tensor, points: Sequence[float] | None, found: Sequence[float] | None) -> Tensor:
    """Expected Dice -> the Dice that hearts of an unseen kind had.

    Args:
        points, found: a rising curve from expected to found Dice, of a segmenter's configuration. Beyond its ends it is
            level. Without points the numbers are left as they are.
    """
    if not points or not found:
        return expected
    given, reached = (expected.new_tensor(column) for column in (points, found))
    above = torch.searchsorted(given, expected.contiguous()).clamp(1, len(given) - 1)
    low, high = given[above - 1], given[above]
    share = ((expected - low) / (high - low).clamp(min=1e-9)).clamp(0, 1)
    return reached[above - 1] + share * (reached[above] - reached[above - 1])


def _overlap(logits: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """(n,) each: the expected overlap of the label map with the truth, the sum of the two sizes, and pixels found."""
    shares = logits.softmax(dim=1)  # (N, C, H, W)
    marks = functional.one_hot(largest_class(shares).long(), shares.shape[1]).movedim(-1, 1)
    overlap, total, found = (part[:, 1:].sum(dim=(1, 2, 3)) for part in (shares * marks, shares + marks, marks))
    return overlap, total, found


def _share(overlap: Tensor, total: Tensor, found: Tensor) -> Tensor:
    return torch.where(found > 0, 2 * overlap / total.clamp(min=1e-6), 0.0)
