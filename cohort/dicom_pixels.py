"""The grey values of a DICOM object: native ones read in place, compressed ones by pydicom's decoders."""

import struct
from dataclasses import dataclass

import numpy as np
from pydicom.encaps import get_frame
from pydicom.pixels import get_decoder
from pydicom.uid import UID

from cohort.errors import InputError

NATIVE = {  # transfer syntax -> byte order of the pixels
    "1.2.840.10008.1.2": "<",  # implicit VR
    "1.2.840.10008.1.2.1": "<",  # explicit VR
    "1.2.840.10008.1.2.1.99": "<",  # the whole object deflated; inflated by then
    "1.2.840.10008.1.2.2": ">",  # explicit VR, big end first
}
CODECS = "pylibjpeg, pylibjpeg-libjpeg and pylibjpeg-openjpeg"
LARGEST_SIDE = 4096  # pixels; no heart MRI has a quarter of it
GREY = ("MONOCHROME2", "MONOCHROME1")
JPEG, RLE = "1.2.840.10008.1.2.4.", "1.2.840.10008.1.2.5"
COPY_AGAIN = "copy or download it again"
SOI, SOC, SIZ = b"\xff\xd8", b"\xff\x4f", b"\xff\x51"  # how a JPEG and a JPEG 2000 begin; the size in the latter
START_OF_FRAME = {*range(0xC0, 0xD0), 0xF7} - {0xC4, 0xC8, 0xCC}  # JPEG's markers with the size; F7 is JPEG-LS
SEARCHED = 1 << 16  # bytes, from the start of a compressed image, in which its size stands


@dataclass(slots=True)
class PixelData:
    """The pixels of one DICOM object, as stored.

    Attributes:
        content: the value of its Pixel Data.
        syntax: the UID of its transfer syntax.
        rows, columns, frames: its shape. allocated, stored, high: its bits. signed: whether values may be negative.
        inverted: whether large values are dark (MONOCHROME1).
    """

    content: bytes
    syntax: str
    rows: int
    columns: int
    frames: int
    allocated: int
    stored: int
    high: int
    signed: bool
    inverted: bool = False

    @property
    def dtype(self) -> np.dtype:
        """Of the values: int16 where they fit it, as other converters have it."""
        if self.allocated == 16 and not self.signed and self.stored < 16:
            return np.dtype(np.int16)
        return np.dtype(f"{'i' if self.signed else 'u'}{self.allocated // 8}")

    def frame(self, source: object, index: int = 0) -> np.ndarray:
        """(rows, columns) values of one frame, before any rescaling.

        Args:
            source: what to name in an error.

        Raises:
            InputError: the data is truncated or damaged, or a codec is missing.
        """
        order = NATIVE.get(self.syntax)
        values = self._decoded(source, index) if order is None else self._native(source, index, order)
        return self._masked(values).view(self.dtype)

    def _native(self, source: object, index: int, order: str) -> np.ndarray:
        kind = np.dtype(f"{order}{'i' if self.signed else 'u'}{self.allocated // 8}")
        pixels = self.rows * self.columns
        if len(self.content) < self.frames * pixels * kind.itemsize:
            raise InputError(source, "holds an image that ends within its pixels", COPY_AGAIN, code="truncated")
        if self.allocated == 8 and order == ">":  # words of two pixels: each pair is exchanged
            content = np.frombuffer(self.content[: len(self.content) // 2 * 2], np.uint16).byteswap().view(kind)
            values = content[index * pixels : (index + 1) * pixels]
        else:
            values = np.frombuffer(self.content, kind, pixels, index * pixels * kind.itemsize)
        return values.reshape(self.rows, self.columns).astype(kind.newbyteorder("="), copy=False)

    def _decoded(self, source: object, index: int) -> np.ndarray:
        syntax = UID(self.syntax)
        try:
            decoder = get_decoder(syntax) if self.syntax == RLE or self.syntax.startswith(JPEG) else None
        except NotImplementedError:
            decoder = None
        if decoder is None:
            fault = "holds images of an unknown transfer syntax"
            raise InputError(source, fault, "export it as uncompressed DICOM", code="format")
        if not decoder.is_available:
            fault = f"is compressed as {syntax.name}, which nothing installed can read"
            raise InputError(source, fault, f"pip install {CODECS}", code="format")
        try:
            coded = get_frame(self.content, index, number_of_frames=self.frames)
            self._check_compressed(source, coded)
            values, _ = decoder.as_array(
                self.content,
                index=index,
                raw=True,
                rows=self.rows,
                columns=self.columns,
                number_of_frames=self.frames,
                samples_per_pixel=1,
                photometric_interpretation=GREY[0],
                bits_allocated=self.allocated,
                bits_stored=self.stored,
                pixel_representation=int(self.signed),
                pixel_keyword="PixelData",
            )
        except InputError:
            raise
        except Exception:  # the codecs raise whatever they like
            raise InputError(source, "holds a damaged compressed image", COPY_AGAIN, code="damaged") from None
        if values.shape != (self.rows, self.columns) or values.dtype.itemsize * 8 != self.allocated:
            raise InputError(source, "holds a compressed image of another size", COPY_AGAIN, code="damaged")
        return np.ascontiguousarray(values)

    def _check_compressed(self, source: object, coded: bytes) -> None:
        """Refuse an image whose own header says another size than the object: a decoder would allocate that."""
        if self.syntax == RLE:
            return
        sizes = {size for size in _coded_sizes(coded) if size != (self.rows, self.columns)}
        if sizes:
            raise InputError(source, "holds a compressed image of another size", COPY_AGAIN, code="damaged")

    def _masked(self, values: np.ndarray) -> np.ndarray:
        """Without what lies above and below the stored bits, such as an overlay."""
        below = self.high + 1 - self.stored
        if self.stored == self.allocated or self.syntax not in NATIVE:  # a codec gives stored bits alone
            return values
        above = self.allocated - 1 - self.high
        if self.signed:
            return values << above >> (above + below)
        limit = (1 << (self.high + 1)) - 1
        if below or int(values.max()) > limit:
            values = (values & values.dtype.type(limit)) >> below
        return values


def _coded_sizes(content: bytes) -> list[tuple[int, int]]:
    """(rows, columns) that a compressed image says; empty where it says none."""
    starts = [at for at in (content.find(SOI, 0, SEARCHED), content.find(SOC + SIZ, 0, SEARCHED)) if at >= 0]
    if not starts:
        return []
    at = min(starts)
    if content[at : at + 2] == SOC:
        header = content[at + 8 : at + 24]
        if len(header) < 16:
            return []
        right, bottom, left, top = struct.unpack(">4L", header)
        return [(bottom - top, right - left)]
    at += 2
    while at + 9 <= len(content) and content[at] == 0xFF:
        if content[at + 1] in START_OF_FRAME:
            return [struct.unpack_from(">2H", content, at + 5)]
        at += 2 + struct.unpack_from(">H", content, at + 2)[0]
    return []
