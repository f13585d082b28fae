"""Row A9: good DICOM with a few bytes changed, by a seed: the same number gives the same file."""

from functools import cache

import numpy as np
from pydicom.uid import JPEG2000Lossless, RLELossless

from tests.corpora.byte_edits import KINDS, drawn_piece, edit
from tests.corpora.dicom_corpus import BIG, IMPLICIT, encoded_objects
from tests.corpora.dicom_files import contents, enhanced, images, true_values, zipped

SLICES, FRAMES = 5, 4  # of a stack that is read in milliseconds
PIECES = (  # what turns up in damaged or hostile objects, beside random bytes
    *(b"\xff\xff\xff\xff", b"\0\0\0\0", b"\xff\xff", b"\0\0", b"SQ", b"UN", b"OB", b"DS", b"US", b"\xfe\xff\x00\xe0"),
    *(b"\xfe\xff\xdd\xe0", b"\xfe\xff\x0d\xe0", b"\\", b"-", b"nan", b"1e999", b"DICM", b"PK\x03\x04", b"\x00\x02"),
    *(b"\xe0\x7f\x10\x00", b"\x28\x00\x10\x00", b"\x20\x00\x32\x00", b"1.2.840.10008.1.2.4.50", b"1.2.840.10008.1.2.2"),
)


@cache
def bases() -> tuple[list[bytes], ...]:
    """Good studies, each the objects of its zip."""
    values = true_values(SLICES, FRAMES)
    return (
        contents(images(values)),
        contents([image.but(syntax=IMPLICIT) for image in images(values)]),
        contents([image.but(syntax=BIG) for image in images(values)]),
        [enhanced(values)],
        encoded_objects(RLELossless, values),
        encoded_objects(JPEG2000Lossless, values),
    )


def mutated(number: int) -> bytes:
    """A zip: one in five is itself changed; of the others an object or a few are, and the checksums are right."""
    rng = np.random.default_rng(number)
    objects = list(bases()[number % len(bases())])
    if rng.random() < 0.2:
        return _changed(zipped(objects), rng, whole=True)
    for _ in range(rng.geometric(0.5)):
        at = int(rng.integers(len(objects)))
        objects[at] = _changed(objects[at], rng, whole=False)
    return zipped(objects)


def _changed(content: bytes, rng: np.random.Generator, whole: bool) -> bytes:
    """A bit flipped, bytes deleted, inserted, overwritten, repeated; in an object mostly before its pixels."""
    changed = bytearray(content)
    for _ in range(rng.geometric(0.6)):
        if not changed:
            break
        reach = len(changed) if whole or rng.random() < 0.3 else min(len(changed), 1400)
        at = int(rng.integers(reach))
        length, piece = drawn_piece(rng, PIECES)
        kind = int(rng.integers(KINDS + 1))
        if kind < KINDS:
            edit(changed, kind, at, length, piece, rng)
        else:
            del changed[at : None if rng.random() < 0.3 else at + 1]
    return bytes(changed)
