"""JPEG Lossless of the first predictor (ITU-T T.81, annex H): archives store MRI so, and no library here writes it."""

import struct

import numpy as np

CODE_BITS, CATEGORIES = 5, 17  # every category of difference has a code of five bits: its own number
SOI, EOI = b"\xff\xd8", b"\xff\xd9"


def jpeg_lossless(values: np.ndarray, precision: int = 12) -> bytes:
    """One image (rows, columns) of whole numbers below 2 ** precision."""
    rows, columns = values.shape
    header = SOI + b"\xff\xc3" + struct.pack(">HBHHB3B", 11, precision, rows, columns, 1, 1, 0x11, 0)
    lengths = bytes(CATEGORIES if bits == CODE_BITS else 0 for bits in range(1, 17))
    header += b"\xff\xc4" + struct.pack(">HB", 19 + CATEGORIES, 0) + lengths + bytes(range(CATEGORIES))
    header += b"\xff\xda" + struct.pack(">HB5B", 8, 1, 1, 0, 1, 0, 0)
    whole = values.astype(int)
    before = np.empty_like(whole)
    before[:, 1:] = whole[:, :-1]
    before[1:, 0] = whole[:-1, 0]
    before[0, 0] = 1 << (precision - 1)
    bits = "".join(_code(int(difference)) for difference in (whole - before).ravel())
    bits += "1" * (-len(bits) % 8)
    packed = int(bits, 2).to_bytes(len(bits) // 8, "big").replace(b"\xff", b"\xff\x00")
    return header + packed + EOI


def _code(difference: int) -> str:
    category = abs(difference).bit_length()
    code = f"{category:0{CODE_BITS}b}"
    if category == 0:
        return code
    low = difference if difference > 0 else difference + (1 << category) - 1
    return code + f"{low:0{category}b}"
