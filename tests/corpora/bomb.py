"""Deflate streams that inflate to gigabytes of zeros, made without packing them."""

import zlib

PIECE = 16 << 20


def deflated_zeros(head: bytes, zeros: int) -> bytes:
    """A raw deflate stream of `head` and then as many zeros, in whole pieces of 16 MB.

    After a full flush a deflate block does not look back, so its bytes may be repeated.
    """
    packer = zlib.compressobj(9, wbits=-15)
    start = packer.compress(head) + packer.flush(zlib.Z_FULL_FLUSH)
    piece = packer.compress(bytes(PIECE)) + packer.flush(zlib.Z_FULL_FLUSH) if zeros else b""
    return start + piece * (zeros // PIECE) + packer.flush()
