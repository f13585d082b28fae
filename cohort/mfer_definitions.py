"""MFER (ISO 22077-1): a file of definitions, each a tag, a length and content. How many there are, before decoding.

ecgdatakit makes objects of every definition and frame. A small file of very many would take gigabytes.
"""

from collections.abc import Iterator
from pathlib import Path

from cohort.errors import InputError
from cohort.input_file import read_limited

BYTE_ORDER, CHANNELS, WAVE, CHANNEL, GROUP = 0x01, 0x05, 0x1E, 0x3F, 0x67  # tags
LITTLE_END = b"\x01"
MOST_DEFINITIONS, MOST_FRAMES, MOST_CHANNELS = 10_000, 16, 64  # a resting ECG has some 60, 2 and 12
SMALLER = "give a resting ECG of 10 s"


def refuse_many_definitions(path: Path, largest: int) -> None:
    """Refuse an MFER file of more definitions, frames or channels than an ECG has.

    Args:
        largest: bytes of the file.

    Raises:
        InputError: there are more.
    """
    order, frames = "big", 0
    for number, (tag, content) in enumerate(_definitions(read_limited(path, largest))):
        if number >= MOST_DEFINITIONS:
            raise InputError(path, f"it has more than {MOST_DEFINITIONS:_} definitions", SMALLER, code="too_large")
        if tag == BYTE_ORDER:
            order = "little" if content == LITTLE_END else "big"
        frames += tag == WAVE
        if frames > MOST_FRAMES:
            raise InputError(path, f"it has more than {MOST_FRAMES} frames of samples", SMALLER, code="too_large")
        if tag == CHANNELS and int.from_bytes(content, order) > MOST_CHANNELS:
            raise InputError(path, f"it has more than {MOST_CHANNELS} leads", SMALLER, code="too_large")


def _definitions(content: bytes) -> Iterator[tuple[int, bytes]]:
    """(tag, content) of every definition, those within channels and groups too. A broken one ends the list."""
    at = 0
    while at < len(content):
        tag = content[at]
        at += 1
        if tag == 0:
            continue  # padding, or the end of content without a length
        if tag == CHANNEL:  # its number follows, seven bits a byte
            while at < len(content) and content[at] & 0x80:
                at += 1
            at += 1
        if at >= len(content):
            return
        length, at = content[at], at + 1
        if length > 0x80:
            size = length & 0x7F
            length, at = int.from_bytes(content[at : at + size], "big"), at + size
        elif length == 0x80:  # content without a length
            length = 0
        if tag in (CHANNEL, GROUP):
            yield tag, b""
        else:
            yield tag, content[at : at + length]
            at += length
