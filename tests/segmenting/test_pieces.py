"""Connected pieces of a shape, by faces and by corners."""

import numpy as np

from segmenting.pieces import Touching, largest_piece, pieces


def diagonal() -> np.ndarray:
    """(2, 5, 5): two pixels, a third that touches them by a corner across slices, and one far off."""
    shape = np.zeros((2, 5, 5), bool)
    shape[0, 0, :2] = shape[1, 1, 2] = shape[1, 4, 4] = True
    return shape


def test_a_corner_joins_pieces_only_where_it_is_asked_to():
    sizes = {touching: sorted(pieces(diagonal(), touching)[1].tolist()) for touching in Touching}
    assert sizes == {Touching.FACES: [0, 1, 1, 2], Touching.CORNERS: [0, 1, 3]}
    assert np.argwhere(largest_piece(diagonal(), Touching.FACES)).tolist() == [[0, 0, 0], [0, 0, 1]]
    assert largest_piece(diagonal(), Touching.CORNERS).sum() == 3


def test_a_slice_is_taken_as_a_stack_is():
    assert largest_piece(diagonal().any(axis=0), Touching.CORNERS).sum() == 3
    assert largest_piece(diagonal().any(axis=0), Touching.FACES).sum() == 2


def test_an_empty_shape_has_no_piece():
    assert not largest_piece(np.zeros((2, 3, 3), bool), Touching.FACES).any()
