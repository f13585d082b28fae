"""Row A3: good ECG files with a few bytes changed, by a seed: the same number gives the same file."""

from functools import cache

import numpy as np

from tests.corpora.byte_edits import KINDS, drawn_piece, edit
from tests.corpora.device_files import cardiosoft, counts_of, full_disclosure, muse, true_ecg, true_leads

# What turns up in damaged, edited or hostile files, beside random bytes.
PIECES = (
    *(b"<", b">", b"&", b"</", b"/>", b"<!--", b"-->", b"<![CDATA[", b"]]>", b"<?", b"?>", b"&#0;", b"&#x110000;"),
    *(b"\0", b"\xff", b"\xef\xbb\xbf", b"\r", b"\n\n", b'"', b"'", b"=", b",", b",,", b"-", b"--", b"+", b".", b" "),
    *(b"1e9", b"1e999", b"NaN", b"inf", b"0x1", b"1_0", b"99999999999999999999", b"-0", b"\xd9\xa3", b"%s%n", b"../"),
    *(b"</StripData>", b"<StripData>", b"<WaveformData>", b'lead="V1"', b"<Resolution/>", b"<Strip>", b"&a;"),
    *(b"<!DOCTYPE a>", b'<!ENTITY a "b">', b'encoding="UTF-16"', b'xmlns="a"', b"<Waveform>", b"<LeadID>V1</LeadID>"),
)  # fmt: skip


@cache
def bases() -> list[bytes]:
    """Five good files of 5 s at 100 Hz, so that ten thousand of them can be read."""
    leads = true_leads(100, 5, step_uv=5)
    strip = cardiosoft(leads, '<SampleRate units="Hz">100</SampleRate>', '<Resolution units="uVperLsb">5</Resolution>')
    disclosure = cardiosoft(strip=full_disclosure(5, rate=100))
    device = muse(counts_of(true_ecg(100, 5)), base="100")
    return [
        strip.encode("latin-1"),
        strip.replace("ISO-8859-1", "UTF-8").encode(),
        strip.replace("ISO-8859-1", "UTF-16").encode("utf-16"),
        disclosure.encode("latin-1"),
        device.encode("latin-1"),
    ]


def mutated(content: bytes, number: int) -> bytes:
    """One change or a few, some near markup: a bit flipped, bytes deleted, inserted, overwritten, repeated."""
    rng = np.random.default_rng(number)
    changed = bytearray(content)
    for _ in range(rng.geometric(0.6)):
        if not changed:
            break
        at = int(rng.integers(len(changed)))
        if rng.random() < 0.3:
            at = max(0, changed.find(b"<", at) + int(rng.integers(-3, 20)))
        at = min(at, len(changed) - 1)
        length, piece = drawn_piece(rng, PIECES)
        kind = int(rng.integers(KINDS + 2))
        if kind < KINDS:
            edit(changed, kind, at, length, piece, rng)
        elif kind == KINDS:
            changed[at : at + 1] = b"%d" % rng.integers(10)
        else:
            del changed[at : None if rng.random() < 0.1 else at + 1]
    return bytes(changed)
