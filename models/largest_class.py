"""Which class a network gives each pixel."""

import torch
from torch import Tensor


def largest_class(scores: Tensor) -> Tensor:
    """The class of the largest score, the first of equal ones: as argmax(1), which takes ten times as long on a CPU.

    Args:
        scores: (n, classes, height, width).

    Returns:
        (n, height, width) uint8.
    """
    best = scores[:, 0]
    classes = torch.zeros(best.shape, dtype=torch.uint8, device=scores.device)
    for number in range(1, scores.shape[1]):
        classes.masked_fill_(scores[:, number] > best, number)
        best = torch.maximum(best, scores[:, number])
    return classes
