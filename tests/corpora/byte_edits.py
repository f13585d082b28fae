"""What damages a file: a bit flipped, bytes deleted, inserted, overwritten or repeated, drawn by a generator."""

from collections.abc import Sequence

import numpy as np

KINDS = 5  # of `edit`


def drawn_piece(rng: np.random.Generator, pieces: Sequence[bytes]) -> tuple[int, bytes]:
    """A length of up to 1,024 bytes, mostly few; and one of the pieces, or as many random bytes."""
    length = int(rng.integers(1, 5)) ** int(rng.integers(1, 6))
    return length, pieces[rng.integers(len(pieces))] if rng.random() < 0.5 else rng.bytes(length)


def edit(changed: bytearray, kind: int, at: int, length: int, piece: bytes, rng: np.random.Generator) -> None:
    """Change bytes in place. kind: 0 to KINDS - 1; the other arguments are drawn before."""
    match kind:
        case 0:
            changed[at] ^= 1 << int(rng.integers(8))
        case 1:
            del changed[at : at + length]
        case 2:
            changed[at:at] = piece
        case 3:
            changed[at : at + len(piece)] = piece
        case 4:
            changed[at:at] = changed[at : at + length]
