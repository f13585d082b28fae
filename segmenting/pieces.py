"""Connected pieces of a shape."""

from enum import IntEnum

import numpy as np
import scipy  # its parts load when first used


class Touching(IntEnum):
    """What makes two pixels neighbours: along how many axes they may differ, as scipy counts it."""

    FACES = 1
    CORNERS = 3


def pieces(shape: np.ndarray, touching: Touching) -> tuple[np.ndarray, np.ndarray]:
    """The number of each pixel's piece, 0 outside, and the size of each piece, 0 for what is outside.

    Args:
        shape: bool of two or three axes.
    """
    neighbours = scipy.ndimage.generate_binary_structure(shape.ndim, touching)
    numbers, _ = scipy.ndimage.label(shape, neighbours)
    sizes = np.bincount(numbers.ravel())
    sizes[0] = 0
    return numbers, sizes


def largest_piece(shape: np.ndarray, touching: Touching) -> np.ndarray:
    """The largest piece of a shape, the first of equal ones; empty where the shape is."""
    numbers, sizes = pieces(shape, touching)
    return (numbers == sizes.argmax()) & shape
