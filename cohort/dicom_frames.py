"""One DICOM object -> its frames: where each lies in the patient, when it was taken, and its pixels.

Names, dates of birth, ids and every other word about the patient are never asked for. UIDs and times serve to group
and to order frames while a study is read, and are kept nowhere.
"""

import io
import math
import re
import zlib
from dataclasses import dataclass
from functools import lru_cache

from isal import isal_zlib
from pydicom import dcmread
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset

from cohort.dicom_pixels import COPY_AGAIN, GREY, LARGEST_SIDE, PixelData
from cohort.errors import InputError
from cohort.long_axis_views import view_word

SYNTAX = "TransferSyntaxUID"
CLASS, TYPE, INSTANCE_UID, MODALITY = 0x00080016, 0x00080008, 0x00080018, 0x00080060
SERIES_DATE, ACQUIRED_DATE, SERIES_TIME, ACQUIRED_TIME = 0x00080021, 0x00080022, 0x00080031, 0x00080032
DESCRIPTION, COMPONENT = 0x0008103E, 0x00089208
REPETITION, TRIGGER, CYCLE = 0x00180080, 0x00181060, 0x00181062
STUDY, SERIES, SERIES_NUMBER, ACQUISITION, INSTANCE = 0x0020000D, 0x0020000E, 0x00200011, 0x00200012, 0x00200013
POSITION, ORIENTATION, TEMPORAL = 0x00200032, 0x00200037, 0x00200100
SAMPLES, PHOTOMETRIC, FRAMES, ROWS, COLUMNS, SPACING = (
    *(0x00280002, 0x00280004, 0x00280008),
    *(0x00280010, 0x00280011, 0x00280030),
)
ALLOCATED, STORED, HIGH, SIGNED = 0x00280100, 0x00280101, 0x00280102, 0x00280103
INTERCEPT, SLOPE = 0x00281052, 0x00281053
SHARED, PER_FRAME, PIXELS = 0x52009229, 0x52009230, 0x7FE00010
READ = [
    *(CLASS, TYPE, INSTANCE_UID, MODALITY, SERIES_DATE, ACQUIRED_DATE, SERIES_TIME, ACQUIRED_TIME),
    *(DESCRIPTION, COMPONENT, REPETITION, TRIGGER, CYCLE),
    *(STUDY, SERIES, SERIES_NUMBER, ACQUISITION, INSTANCE, POSITION, ORIENTATION, TEMPORAL),
    *(SAMPLES, PHOTOMETRIC, FRAMES, ROWS, COLUMNS, SPACING, ALLOCATED, STORED, HIGH, SIGNED, INTERCEPT, SLOPE),
    *(SHARED, PER_FRAME, PIXELS),
]
MR_IMAGES = (b"1.2.840.10008.5.1.4.1.1.4", b"1.2.840.10008.5.1.4.1.1.4.1")
DEFLATED = b"1.2.840.10008.1.2.1.99"
PLAIN = b"1.2.840.10008.1.2.1".ljust(len(DEFLATED), b"\0")
META_LENGTH = b"\x02\x00\x00\x00UL\x04\x00"  # the first element after the preamble: how long the header is
LARGEST_OBJECT = 1 << 30  # bytes, inflated
LARGEST_UNASKED_BYTES = 64 << 20  # beyond it, a deflated object must not inflate further than images do
LARGEST_RATIO = 100  # as in cohort.dicom_files
UNIT_TOLERANCE = 1e-2  # of the length and of the right angle of direction cosines
LARGEST_MM = 1e4  # a position beyond it, or a pixel of a hundredth of it, is no patient's
LARGEST_SCALE = 1e9
NO_MAGNITUDE = {
    *("P", "PHASE", "PHASE MAP", "VELOCITY", "VELOCITY MAP", "PCA", "M_PCA", "PHASE CONTRAST M", "PS"),
    *("R", "REAL", "I", "IMAGINARY"),
}
HUMP = re.compile(rb"(?<=[a-z])(?=[A-Z])")  # where a word begins in CineTag


def _word(pattern: bytes) -> re.Pattern[bytes]:
    """A pattern of whole words: no letter stands before or after, so that "Helge" is no LGE."""
    return re.compile(rb"(?<![a-z])(?:" + pattern + rb")(?![a-z])", re.IGNORECASE)


WORDS = (  # of a series' description -> what the series is, in our words; nothing else of a description is kept
    (_word(rb"inline.?vf"), "images with drawn contours"),
    (_word(rb"(?:grid|cine|cmr)?.?tag(?:s|ged|ging)?|c?spamm|csnap|grids?"), "tagged images"),
    (_word(rb"(?:[24]d)?flows?|phase.?contrast|pc|venc|veloc(?:ity|ities)?"), "flow images"),
    (_word(rb"(?:sh|mod)?.?molli|t[12].?(?:map|mapping|star)s?|t2\*|mapping"), "T1 or T2 maps"),
    (_word(rb"perf(?:usion)?"), "perfusion images"),
    (_word(rb"lge|psir|delayed(?:.?enhancement)?|late.?gad(?:olinium)?"), "late enhancement images"),
    (_word(rb"locali[sz]ers?|scouts?|survey|haste"), "localisers"),
)


@dataclass(slots=True)
class DicomFrame:
    """One image in space and time.

    Attributes:
        uid: of the image; empty where it has none. study, series, acquisition: for grouping.
        taken: when, as text that sorts in time; "" where unknown.
        series_number: the number of its series; None where it has none.
        kind: what else than a cine it is, in words; "" where nothing says so.
        derived: whether it was computed from other images, as a scanner's own analysis is.
        view: what its series says of it (`cohort.long_axis_views.view_word`), else "".
        orientation: (6,) direction cosines of a row and of a column, LPS. position: (3,) LPS mm of its first pixel.
        pixel_mm: from row to row and from column to column.
        trigger_ms: after the R wave. temporal, instance: its numbers in time and in the series. None where unknown.
        cycle_ms, repetition_ms: of the heart and of the sequence; None where unknown.
        slope, intercept: of the rescaling to the values meant.
        pixels, index: the object's pixels and this frame's place in them.
    """

    uid: bytes
    study: bytes
    series: bytes
    acquisition: int | None
    taken: str
    series_number: int | None
    kind: str
    derived: bool
    view: str
    orientation: tuple[float, ...]
    position: tuple[float, ...]
    pixel_mm: tuple[float, ...]
    trigger_ms: float | None
    temporal: int | None
    instance: int | None
    cycle_ms: float | None
    repetition_ms: float | None
    slope: float
    intercept: float
    pixels: PixelData
    index: int = 0


def read_frames(source: object, content: bytes) -> list[DicomFrame] | str:
    """The frames of one DICOM object, single or multi-frame.

    Args:
        source: what to name in an error. content: of the object.

    Returns:
        Its frames; or, of an object that is no MRI in a patient's space, what it is in words.

    Raises:
        InputError: damaged, or an image whose place, time or size cannot be true.
    """
    content = _inflated(source, content)
    try:
        dataset = dcmread(io.BytesIO(content), force=True, specific_tags=READ)
    except Exception:  # pydicom lets through whatever its parts raise on damaged bytes, with values in their words
        raise InputError(source, "holds a damaged DICOM file", COPY_AGAIN, code="damaged") from None
    try:
        return _frames(source, dataset)
    except InputError:
        raise
    except Exception:  # as above: values are converted when they are asked for
        raise InputError(source, "holds a DICOM file of damaged values", COPY_AGAIN, code="damaged") from None


def forget() -> None:
    """Empty the memory of texts read so far: a series' description may hold a name."""
    for remembering in (_kind, _position, _pixel_mm, _orientation):
        remembering.cache_clear()


def _inflated(source: object, content: bytes) -> bytes:
    """An object of the deflated transfer syntax as a plain one. pydicom would inflate a bomb, too."""
    at = content.find(DEFLATED, 0, 2048)
    if at < 0 or content[132:140] != META_LENGTH:
        if at >= 0:
            raise InputError(source, "holds a damaged DICOM file", COPY_AGAIN, code="damaged")
        return content
    end = 144 + int.from_bytes(content[140:144], "little")
    stream = isal_zlib.decompressobj(-zlib.MAX_WBITS)
    try:
        data = stream.decompress(content[end:], max(LARGEST_UNASKED_BYTES, LARGEST_RATIO * len(content)))
    except isal_zlib.error as error:
        raise InputError(source, "holds a damaged deflated file", COPY_AGAIN, code="damaged") from error
    if not stream.eof:
        raise InputError(source, "holds a deflated file that is truncated or a bomb", COPY_AGAIN, code="truncated")
    return content[:at] + PLAIN + content[at + len(DEFLATED) : end] + data


def _frames(source: object, dataset: Dataset) -> list[DicomFrame] | str:
    if PIXELS not in dataset or ROWS not in dataset:
        if _text(dataset, CLASS) in (*MR_IMAGES, b""):  # pydicom says nothing of a file that ends within its header
            raise InputError(source, "holds an image without pixels", COPY_AGAIN, code="truncated")
        return "files without an image"
    modality = _text(dataset, MODALITY)
    if modality not in (b"MR", b""):
        return "images that are no MRI"
    if (_whole(dataset, SAMPLES) or 1) != 1 or _text(dataset, PHOTOMETRIC).decode("latin-1") not in GREY:
        return "images in colour"
    if PER_FRAME in dataset:
        return _enhanced(source, dataset)
    if not all(_text(dataset, tag) for tag in (POSITION, ORIENTATION, SPACING)):
        return "images that say no place"
    if (_number(source, dataset, FRAMES) or 1) != 1:
        return "films that say no place for each frame"
    return [
        DicomFrame(
            **_series_of(source, dataset),
            orientation=_orientation(source, _text(dataset, ORIENTATION)),
            position=_position(source, _text(dataset, POSITION)),
            pixel_mm=_pixel_mm(source, _text(dataset, SPACING)),
            trigger_ms=_number(source, dataset, TRIGGER),
            temporal=_index(source, dataset, TEMPORAL),
            instance=_index(source, dataset, INSTANCE),
            cycle_ms=_number(source, dataset, CYCLE),
            repetition_ms=_number(source, dataset, REPETITION),
            slope=_scale(source, dataset, SLOPE, 1.0),
            intercept=_scale(source, dataset, INTERCEPT, 0.0),
            pixels=_pixels(source, dataset, 1),
        )
    ]


def _series_of(source: object, dataset: Dataset) -> dict:
    """What is common to all frames of an object."""
    description = _text(dataset, DESCRIPTION)
    times = ((ACQUIRED_DATE, ACQUIRED_TIME), (SERIES_DATE, SERIES_TIME))
    taken = (b"".join(_text(dataset, tag) for tag in pair) for pair in times if _text(dataset, pair[1]))
    return {
        "uid": _text(dataset, INSTANCE_UID),
        "study": _text(dataset, STUDY),
        "series": _text(dataset, SERIES),
        "acquisition": _index(source, dataset, ACQUISITION),
        "taken": next(taken, b"").decode("latin-1"),
        "series_number": _index(source, dataset, SERIES_NUMBER),
        "kind": _kind(_text(dataset, TYPE), _text(dataset, COMPONENT), description),
        "derived": _text(dataset, TYPE).upper().startswith(b"DERIVED"),
        "view": view_word(description),
    }


@lru_cache(maxsize=256)
def _kind(image_type: bytes, component: bytes, description: bytes) -> str:
    """What else than a cine of magnitudes an image is, in words of ours; "" where nothing says so."""
    types = {part.strip().upper() for part in image_type.decode("latin-1").split("\\")[2:]}
    types.add(component.decode("latin-1").strip().upper())
    if types & NO_MAGNITUDE:
        return "phase or velocity images"
    if any("MAP" in part for part in types):
        return "T1 or T2 maps"
    words = HUMP.sub(b" ", description)
    return next((kind for pattern, kind in WORDS if pattern.search(words)), "")


def _pixels(source: object, dataset: Dataset, frames: int) -> PixelData:
    rows, columns = _whole(dataset, ROWS), _whole(dataset, COLUMNS)
    allocated, signed = _whole(dataset, ALLOCATED), _whole(dataset, SIGNED) or 0
    stored = _whole(dataset, STORED) or allocated
    high = _whole(dataset, HIGH)
    high = stored - 1 if high is None else high
    if not (rows and columns and 2 <= rows <= LARGEST_SIDE and 2 <= columns <= LARGEST_SIDE):
        raise InputError(source, f"holds an image of {rows} x {columns} pixels", COPY_AGAIN, code="geometry")
    if allocated not in (8, 16, 32) or not 1 <= stored <= high + 1 <= allocated or signed not in (0, 1):
        fault = f"holds an image of {stored} bits in {allocated}, up to bit {high}"
        raise InputError(source, fault, "export it as DICOM of 8 or 16 bits", code="samples")
    if rows * columns * frames * allocated // 8 > LARGEST_OBJECT:
        raise InputError(source, "holds an image of more than 1 GB", "give the short-axis series alone", "too_large")
    value = dataset.get_item(PIXELS).value
    return PixelData(
        value if isinstance(value, bytes) else b"",
        str(dataset.file_meta.get(SYNTAX) or _guessed_syntax(dataset)),
        *(rows, columns, frames, allocated, stored, high, bool(signed)),
        inverted=_text(dataset, PHOTOMETRIC) == GREY[1].encode(),
    )


def _guessed_syntax(dataset: Dataset) -> str:
    """Of an object that has no header."""
    implicit, little = dataset.original_encoding
    return "1.2.840.10008.1.2" if implicit else "1.2.840.10008.1.2.1" if little else "1.2.840.10008.1.2.2"


def _enhanced(source: object, dataset: Dataset) -> list[DicomFrame] | str:
    """The frames of an enhanced object, whose places stand in sequences of functional groups."""
    shared = dataset[SHARED].value[0] if SHARED in dataset and dataset[SHARED].value else Dataset()
    groups = dataset[PER_FRAME].value
    count = _number(source, dataset, FRAMES)
    if count != len(groups) or not len(groups):
        raise InputError(source, "holds a multi-frame image of another number of frames", COPY_AGAIN, code="frames")
    pixels, series = _pixels(source, dataset, len(groups)), _series_of(source, dataset)
    frames = []
    for index, group in enumerate(groups):

        def value(sequence: str, keyword: str, group: Dataset = group) -> bytes:
            """As text; b"" where neither the frame nor the whole object says it."""
            for place in (group, shared):
                items = place.get(sequence)
                if items and keyword in items[0]:
                    return _as_text(items[0][keyword].value)
            return b""

        place = value("PlanePositionSequence", "ImagePositionPatient")
        turned = value("PlaneOrientationSequence", "ImageOrientationPatient")
        spacing = value("PixelMeasuresSequence", "PixelSpacing")
        if not (place and turned and spacing):
            return "images that say no place"
        trigger = value("CardiacSynchronizationSequence", "NominalCardiacTriggerDelayTime")
        temporal = value("FrameContentSequence", "TemporalPositionIndex")
        component = value("MRImageFrameTypeSequence", "ComplexImageComponent")
        scales = ("PixelValueTransformationSequence", "RescaleSlope", "RescaleIntercept")
        frames.append(
            DicomFrame(
                **series
                | {
                    "uid": series["uid"] and series["uid"] + b".%d" % index,
                    "kind": series["kind"] or _kind(b"", component, b""),
                },
                orientation=_orientation(source, turned),
                position=_position(source, place),
                pixel_mm=_pixel_mm(source, spacing),
                trigger_ms=_one(source, trigger),
                temporal=_one_index(source, temporal),
                instance=index + 1,
                cycle_ms=_one(source, value("CardiacSynchronizationSequence", "RRIntervalTimeNominal")),
                repetition_ms=_one(source, value("MRTimingAndRelatedParametersSequence", "RepetitionTime")),
                slope=_one_scale(source, value(scales[0], scales[1]), 1.0),
                intercept=_one_scale(source, value(scales[0], scales[2]), 0.0),
                pixels=pixels,
                index=index,
            )
        )
    return frames


def _as_text(value: object) -> bytes:
    if isinstance(value, bytes):
        return value.strip(b" \0")
    if value is None:
        return b""
    parts = (
        value
        if isinstance(value, list | tuple) or hasattr(value, "__iter__") and not isinstance(value, str)
        else [value]
    )
    return "\\".join(map(str, parts)).encode("utf-8", errors="replace").strip(b" \0")


def _text(dataset: Dataset, tag: int) -> bytes:
    """A value as it is stored, unpadded; b"" where there is none. Converting each would take most of the time."""
    element = dataset.get_item(tag)
    return b"" if element is None else _as_text(element.value)


def _whole(dataset: Dataset, tag: int) -> int | None:
    """A number of 16 bits; None where there is none."""
    element = dataset.get_item(tag)
    if isinstance(element, RawDataElement):
        value = element.value
        return int.from_bytes(value[:2], "little" if element.is_little_endian else "big") if value else None
    return None if element is None or element.value is None else int(element.value)


def _number(source: object, dataset: Dataset, tag: int) -> float | None:
    """A number written as text; None where there is none."""
    return _one(source, _text(dataset, tag))


def _index(source: object, dataset: Dataset, tag: int) -> int | None:
    return _one_index(source, _text(dataset, tag))


def _one(source: object, text: bytes) -> float | None:
    return _numbers(source, text, 1)[0] if text else None


def _one_index(source: object, text: bytes) -> int | None:
    value = _one(source, text)
    return None if value is None else int(value)


def _scale(source: object, dataset: Dataset, tag: int, default: float) -> float:
    return _one_scale(source, _text(dataset, tag), default)


def _one_scale(source: object, text: bytes, default: float) -> float:
    value = _one(source, text)
    if value is not None and abs(value) >= LARGEST_SCALE:
        raise InputError(source, f"rescales an image by {value:g}", "export it again", code="scale")
    return default if value is None else value


def _numbers(source: object, text: bytes, count: int) -> tuple[float, ...]:
    try:
        values = tuple(map(float, text.split(b"\\")))
    except ValueError:
        values = ()
    if len(values) != count or not all(map(math.isfinite, values)):
        raise InputError(source, "holds an image whose place or time is no number", COPY_AGAIN, code="damaged")
    return values


@lru_cache(maxsize=4096)
def _position(source: object, text: bytes) -> tuple[float, ...]:
    values = _numbers(source, text, 3)
    if max(map(abs, values)) > LARGEST_MM:
        raise InputError(source, "holds an image that lies metres away", "export it again", code="geometry")
    return values


@lru_cache(maxsize=256)
def _pixel_mm(source: object, text: bytes) -> tuple[float, ...]:
    values = _numbers(source, text, 2)
    if not all(0 < value < LARGEST_MM / 100 for value in values):
        raise InputError(source, "holds an image whose pixels have no size", "export it again", code="geometry")
    return values


@lru_cache(maxsize=256)
def _orientation(source: object, text: bytes) -> tuple[float, ...]:
    values = _numbers(source, text, 6)
    row, column = values[:3], values[3:]
    lengths = (math.hypot(*row), math.hypot(*column))
    across = sum(a * b for a, b in zip(row, column, strict=True))
    if max(abs(lengths[0] - 1), abs(lengths[1] - 1), abs(across)) > UNIT_TOLERANCE:
        raise InputError(
            source, "holds an image whose rows and columns have no direction", "export it again", "geometry"
        )
    return values
