"""Row A8: DICOM that is damaged, hostile, contradictory or merely unusual, around one known beating stack."""

import bz2
import io
import os
import struct
import zipfile
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate, get_frame
from pydicom.sequence import Sequence
from pydicom.uid import JPEG2000Lossless, RLELossless

from cohort.dicom_stack import DicomStudy, read_dicom
from tests.corpora.bomb import deflated_zeros
from tests.corpora.case import CANARY, Case, bytes_case
from tests.corpora.dicom_files import (
    FRAMES,
    INTERVAL_MS,
    PIXEL_MM,
    SLICES,
    TOWARDS_APEX,
    Image,
    contents,
    dataset,
    enhanced,
    images,
    numbers,
    place_of,
    true_affine,
    true_values,
    turn,
    write_folder,
    written,
    zipped,
)
from tests.corpora.jpeg_lossless import jpeg_lossless

MB = 1 << 20
ACROSS = np.cross(TOWARDS_APEX, [0.0, 0.6, 0.8])
ACROSS /= np.linalg.norm(ACROSS)  # a normal of planes along the long axis
INNER = "Helge_Hertage_workflow_perfect_gridlock_sax"  # LGE, tag, flow, perfusion, grid: none of them a word
LONG = ("CINE_segmented_LAX_2Ch", "LAX_3Ch", "4 ch cine")
IMPLICIT, DEFLATED, BIG = "1.2.840.10008.1.2", "1.2.840.10008.1.2.1.99", "1.2.840.10008.1.2.2"


def read_case(path: Path) -> DicomStudy:
    return read_dicom(path)


def dicom_cases() -> list[Case]:
    return [
        *(*_places(), *_syntaxes(), *_values(), *_times(), *_repeats(), *_gaps(), *_company(), *_no_cine()),
        *(*_zips(), *_objects(), *_attributes(), *_no_dicom()),
    ]


def right_study(
    values: np.ndarray | None = None,
    affine: np.ndarray | None = None,
    interval_s: float | None = INTERVAL_MS / 1000,
    note: str = "",
    long_axis: tuple[str, ...] = (),
) -> Callable[[DicomStudy], str]:
    """A check that voxels (slices, frames, rows, columns) are exactly these, and of the place, the time, the notes."""
    values = true_values() if values is None else values
    affine = true_affine() if affine is None else affine

    def right(study: DicomStudy) -> str:
        found, told = study.short_axis, " ".join(study.notes)
        if found is None:
            return "no short-axis cine"
        if found.voxels.shape != values.transpose(3, 2, 0, 1).shape:
            return f"shape {found.voxels.shape}"
        if not np.array_equal(found.voxels, values.transpose(3, 2, 0, 1)):
            return "other voxels"
        if np.abs(found.affine - affine).max() > 1e-4:
            return f"another affine:\n{found.affine}"
        if (note in told) != bool(note or not told) or (not note and told):
            return f"notes {told!r}"
        if CANARY in told:
            return "a note quotes the patient"
        if tuple(study.long_axis) != long_axis:
            return f"long axis {tuple(study.long_axis)}"
        if interval_s is None or found.frame_interval_s is None:
            return "" if interval_s is found.frame_interval_s else f"interval {found.frame_interval_s}"
        return "" if abs(found.frame_interval_s - interval_s) < 1e-6 else f"interval {found.frame_interval_s}"

    return right


def _zip(name: str, files: Iterable[bytes] | Callable, refused: str = "", right: Callable | None = None) -> Case:
    """A zip of objects, which are made when the case is written."""

    def content() -> bytes:
        return zipped(files() if callable(files) else files)

    return bytes_case(name, content, refused, right or right_study(), file="case.zip")


def _made(name: str, made: list[Image], refused: str = "", right: Callable | None = None) -> Case:
    return _zip(name, lambda: contents(made), refused, right)


def _bytes(name: str, content: bytes | Callable[[], bytes], refused: str = "", right: Callable | None = None) -> Case:
    return bytes_case(name, content, refused, right or right_study(), file="case.zip")


def _only(made: list[Image], which: Callable[[Image], bool], **changes: object) -> list[Image]:
    """The same images, with changes in some of them."""
    return [image.but(**changes) if which(image) else image for image in made]


def _aside(normal: np.ndarray, slices: int, seed: int, name: str, series: int, **changes: object) -> list[Image]:
    """Other images of this study: planes along another normal."""
    made = []
    for image in images(true_values(slices, FRAMES, seed)):
        made.append(
            image.but(
                SeriesInstanceUID=f"1.2.9.{series}.{image.slice}",
                SOPInstanceUID=f"1.2.9.{series}.{image.slice}.{image.frame}",
                SeriesDescription=name,
                SeriesNumber=series,
                ImageOrientationPatient=numbers(turn(normal).ravel()),
                ImagePositionPatient=numbers(place_of(image.slice, normal)),
                **changes,
            )
        )
    return made


def _places() -> list[Case]:
    whole = images()
    mixed = [whole[i] for i in np.random.default_rng(1).permutation(len(whole))]
    backwards = [image.but(SeriesNumber=40 - image.slice, SeriesDescription="x") for image in reversed(whole)]
    flipped_turn = numbers((turn() * [[1], [-1]]).ravel())
    flipped_place = [
        image.but(
            ImageOrientationPatient=flipped_turn,
            ImagePositionPatient=numbers(place_of(image.slice) + turn()[1] * 1.5 * (image.values.shape[0] - 1)),
        )
        for image in whole
    ]
    flipped = [Image(i.values[::-1].copy(), i.slice, i.frame, i.changes) for i in flipped_place]
    upside_down = true_affine()
    upside_down[:3, 3] += upside_down[:3, 1] * (whole[0].values.shape[0] - 1)
    upside_down[:3, 1] *= -1
    names = {"manifest.csv": b"file,date\na.dcm,Jan 1, 2020\n", "manifest.cvs": b"\xff\xfe,,\n"}
    odd_names = {"../../up.txt": b"x", "/etc/absolute": b"x", "C:\\x": b"x", "a/b/c/d/e": b"x"}

    def folder(name: str, files: Callable[[], list[bytes]], below: str = "", more: dict | None = None) -> Case:
        def write(place: Path) -> Path:
            path = write_folder(place, files(), below)
            for extra, content in (more or {}).items():
                (path / extra).write_bytes(content)
            return path

        return Case(name, write, right=right_study())

    def linked(place: Path) -> Path:
        files = write_folder(place, contents(whole))
        away = files.rename(place / "elsewhere")
        (place / "case").mkdir()
        for file in away.iterdir():
            (place / "case" / file.name).symlink_to(file)
        return place / "case"

    def linked_folder(place: Path) -> Path:
        """The three slices at the apex lie in a folder elsewhere."""
        path = write_folder(place, contents([i for i in whole if i.slice < 3]), "base")
        away = write_folder(place / "elsewhere", contents([i for i in whole if i.slice >= 3]))
        (path / "apex").symlink_to(away, target_is_directory=True)
        return path

    def looped(place: Path) -> Path:
        path = write_folder(place, contents(whole), "a")
        (path / "a" / "b").symlink_to(path, target_is_directory=True)
        os.mkfifo(path / "pipe")
        return path

    return [
        _made("a series a slice", whole),
        _made("one series", _only(whole, lambda i: True, SeriesInstanceUID="1.2.3.9", SeriesNumber=9)),
        _made("in any order", mixed),
        _made("from apex to base, numbered backwards", backwards),
        _made("rows from the other side", flipped, right=right_study(true_values()[:, :, ::-1], upside_down)),
        _made("no description, no numbers", _only(whole, lambda i: True, SeriesDescription=None, SeriesNumber=None)),
        _made(
            "a thickness and a location that lie", _only(whole, lambda i: True, SliceThickness="1", SliceLocation="0")
        ),
        _made(
            "places a hair off",
            [i.but(ImagePositionPatient=numbers(place_of(i.slice) + 4e-5 * (i.frame % 2))) for i in whole],
        ),
        _bytes("a manifest", lambda: zipped(contents(whole), **names)),
        _bytes("names that lead out", lambda: zipped(contents(whole), **odd_names)),
        _bytes("a zip that is not deflated", lambda: zipped(contents(whole), zipfile.ZIP_STORED)),
        _bytes("bytes before the zip", lambda: _prefixed(zipped(contents(whole)))),
        _bytes("two files of one name", lambda: _same_name(contents(whole))),
        _zip("every file twice", lambda: contents([*whole, *whole])),
        folder("a folder", lambda: contents(whole)),
        folder("folders two deep", lambda: contents(whole), "a/b"),
        folder(
            "a folder with a table",
            lambda: contents(whole),
            more={"manifest.csv": b"x", ".hidden": bytes(128) + b"DICM"},
        ),
        Case("a folder of links", linked, right=right_study()),
        Case("a folder with a link to a folder", linked_folder, right=right_study()),
        Case("a folder with a loop and a pipe", looped, right=right_study()),
        Case("a folder three deep", lambda place: write_folder(place, contents(whole), "a/b/c"), "no DICOM file"),
        _bytes("one enhanced object", lambda: enhanced(true_values())),
        _zip("one enhanced object in a zip", lambda: [enhanced(true_values())]),
        _zip("an enhanced object, frames in another order", lambda: [enhanced(true_values(), _reversed_groups)]),
        _zip("enhanced objects, one a slice", _enhanced_each),
        _zip("enhanced objects without UIDs, one a slice", lambda: _enhanced_each(unnamed=True)),
    ]


def _prefixed(content: bytes) -> bytes:
    """A self-extracting zip begins with a program, but ours must begin as a zip: with an empty member."""
    file = io.BytesIO(content)
    with zipfile.ZipFile(file, "a") as archive:
        archive.comment = b"Canarina"
    return file.getvalue()


def _same_name(files: list[bytes]) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for content in files:
            archive.writestr(zipfile.ZipInfo("a.dcm"), content)
    return file.getvalue()


def _reversed_groups(made: Dataset) -> None:
    made.PerFrameFunctionalGroupsSequence = Sequence(list(made.PerFrameFunctionalGroupsSequence)[::-1])
    size = made.Rows * made.Columns * 2
    data = made.PixelData
    made.PixelData = b"".join(data[at : at + size] for at in range(len(data) - size, -1, -size))


def _enhanced_each(unnamed: bool = False) -> list[bytes]:
    files = []
    for number in range(SLICES):

        def change(made: Dataset, number: int = number) -> None:
            made.SOPInstanceUID, made.SeriesInstanceUID = f"1.2.4.{number}", f"1.2.4.9.{number}"
            if unnamed:
                del made.SOPInstanceUID
            for group in made.PerFrameFunctionalGroupsSequence:
                group.PlanePositionSequence[0].ImagePositionPatient = numbers(place_of(number))

        files.append(enhanced(true_values()[number : number + 1], change))
    return files


def _large(values: np.ndarray | None = None) -> np.ndarray:
    """Of as many pixels as JPEG 2000 wants."""
    return np.repeat(np.repeat(true_values() if values is None else values, 4, axis=2), 4, axis=3)


def encoded_objects(syntax: str, values: np.ndarray | None = None) -> list[bytes]:
    """The objects of a stack, compressed; its pixels four times as many along each side."""
    files = []
    for image in images(_large(values)):
        files.append(written(_compressed(image, syntax), syntax))
    return files


def _compressed(image: Image, syntax: str) -> Dataset:
    made = dataset(image)
    written(made)  # gives it the header that pydicom asks for
    made.compress(syntax, generate_instance_uid=False)
    return made


def misnamed() -> list[bytes]:
    """The headers of explicit objects before implicit ones, as some archives write them."""
    explicit, implicit = contents(images()), contents([image.but(syntax=IMPLICIT) for image in images()])
    ends = [[144 + struct.unpack("<L", c[140:144])[0] for c in files] for files in (explicit, implicit)]
    return [a[:end] + b[other:] for a, b, end, other in zip(explicit, implicit, *ends, strict=True)]


def _enhanced_jpeg(change: Callable[[Dataset], None] | None = None) -> bytes:
    """All frames compressed in one object; `change` is made to the last image."""
    made = []
    for image in images(_large()):
        one = _compressed(image, JPEG2000Lossless)
        if change and (image.slice, image.frame) == (SLICES - 1, FRAMES - 1):
            change(one)
        made.append(get_frame(one.PixelData, 0, number_of_frames=1))

    def pack(whole: Dataset) -> None:
        whole.PixelData = encapsulate(made)
        whole["PixelData"].VR, whole["PixelData"].is_undefined_length = "OB", True

    return enhanced(_large(), pack, JPEG2000Lossless)


def _jpeg_lossless(syntax: str) -> list[bytes]:
    files = []
    for image in images():
        made = dataset(image)
        made.PixelData = encapsulate([jpeg_lossless(image.values)])
        made["PixelData"].VR = "OB"
        made["PixelData"].is_undefined_length = True
        files.append(written(made, syntax))
    return files


def _syntaxes() -> list[Case]:
    whole, large = images(), images(_large())

    def spoiled(change: Callable[[Dataset], None], syntax: str = JPEG2000Lossless) -> list[bytes]:
        files = contents(large[1:])
        made = _compressed(large[0], syntax)
        change(made)
        return [written(made, syntax), *files]

    def rubbish(made: Dataset) -> None:
        made.PixelData = encapsulate([b"\xff\x4f\xff\x51" + bytes(60)])

    def cut(made: Dataset) -> None:
        made.PixelData = made.PixelData[:60] + made.PixelData[-8:]

    def larger(made: Dataset) -> None:
        made.PixelData = made.PixelData.replace(b"\xff\x4f\xff\x51", b"\xff\x4f\xff\x51", 1)
        at = made.PixelData.index(b"\xff\x51") + 6
        made.PixelData = made.PixelData[:at] + struct.pack(">2L", 60_000, 60_000) + made.PixelData[at + 8 :]

    headless = [content[132 + 12 + struct.unpack("<L", content[140:144])[0] :] for content in contents(whole)]
    implicit_headless = [
        content[132 + 12 + struct.unpack("<L", content[140:144])[0] :]
        for content in contents([image.but(syntax=IMPLICIT) for image in whole])
    ]
    return [
        _made("implicit VR", [image.but(syntax=IMPLICIT) for image in whole]),
        _made("big end first", [image.but(syntax=BIG) for image in whole]),
        _zip("deflated objects", lambda: [_deflated(content) for content in contents(whole)]),
        _zip("RLE", lambda: encoded_objects(RLELossless), right=right_study(_large())),
        _zip("JPEG 2000, lossless", lambda: encoded_objects(JPEG2000Lossless), right=right_study(_large())),
        _zip("JPEG, lossless", lambda: _jpeg_lossless("1.2.840.10008.1.2.4.57")),
        _zip("JPEG, lossless, first order", lambda: _jpeg_lossless("1.2.840.10008.1.2.4.70")),
        _zip("no header, explicit VR", headless),
        _zip("no header, implicit VR", implicit_headless),
        _zip("explicit VR by its header, implicit in truth", misnamed),
        _zip("a damaged JPEG 2000", lambda: spoiled(rubbish), "damaged|another size"),
        _zip("a cut JPEG 2000", lambda: spoiled(cut), "damaged|another size"),
        _zip("a JPEG 2000 that claims 3.6 gigapixels", lambda: spoiled(larger), "another size"),
        _zip("an enhanced JPEG 2000", lambda: [_enhanced_jpeg()], right=right_study(_large())),
        _zip("an enhanced JPEG 2000 of which one image is larger", lambda: [_enhanced_jpeg(larger)], "another size"),
        _zip("a cut RLE", lambda: spoiled(cut, RLELossless), "damaged"),
        _zip(
            "an unknown transfer syntax",
            lambda: [_of_syntax(c, b"1.2.840.99999.1.2.1") for c in contents(whole)],
            "transfer syntax",
        ),
        _zip(
            "video", lambda: [_of_syntax(c, b"1.2.840.10008.1.2.4.100") for c in contents(whole)], "syntax|read|damaged"
        ),
        _zip("a deflated bomb", lambda: [_deflated(contents(whole)[0], zeros=1200 * MB)], "truncated|larger|damaged"),
        _zip("a cut deflated object", lambda: [_deflated(c)[:-20] for c in contents(whole)], "truncated|damaged"),
        _zip("a deflated object of rubbish", lambda: [_deflated(c, b"\xff" * 99) for c in contents(whole)], "damaged"),
    ]


def _of_syntax(content: bytes, uid: bytes) -> bytes:
    """The same bytes under another transfer syntax."""
    end = 144 + struct.unpack("<L", content[140:144])[0]
    plain = b"\x02\x00\x10\x00UI" + struct.pack("<H", 20) + b"1.2.840.10008.1.2.1\0"
    uid += b"\0" * (len(uid) % 2)
    meta = content[144:end].replace(plain, b"\x02\x00\x10\x00UI" + struct.pack("<H", len(uid)) + uid)
    assert meta != content[144:end]
    return content[:140] + struct.pack("<L", len(meta)) + meta + content[end:]


def _deflated(content: bytes, data: bytes | None = None, zeros: int = 0) -> bytes:
    """As the deflated transfer syntax has it: the header, and the rest packed, with zeros behind it."""
    content = _of_syntax(content, DEFLATED.encode())
    end = 144 + struct.unpack("<L", content[140:144])[0]
    return content[:end] + (data if data is not None else deflated_zeros(content[end:], zeros))


def _values() -> list[Case]:
    values = true_values()
    signed = values.astype(np.int16) - 2000
    eight = (values >> 4).astype(np.uint8)
    long = values.astype(np.uint32) * 100
    overlay = values | np.uint16(0xA000)
    high = (values << 4).astype(np.uint16)
    wide = values * np.uint16(16)
    scaled = [i.but(RescaleSlope=str(0.5 + i.slice), RescaleIntercept="-3") for i in images()]
    meant = values * (0.5 + np.arange(SLICES))[:, None, None, None] - 3
    negative = [i.but(BitsStored=16, HighBit=15) for i in images(signed)]
    return [
        _made("signed values", negative, right=right_study(signed)),
        _made(
            "signed values of 12 bits",
            [Image(i.values & 0xFFF, i.slice, i.frame).but(PixelRepresentation=1) for i in images(signed)],
            right=right_study(signed),
        ),
        _made("8 bits", [i.but(BitsStored=8, HighBit=7) for i in images(eight)], right=right_study(eight)),
        _made(
            "8 bits, big end first",
            [i.but(BIG, BitsStored=8, HighBit=7, PixelData=_swapped(i.values.tobytes())) for i in images(eight)],
            right=right_study(eight),
        ),
        _made("32 bits", [i.but(BitsStored=32, HighBit=31) for i in images(long)], right=right_study(long)),
        _made("16 bits, all used", [i.but(BitsStored=16, HighBit=15) for i in images(wide)], right=right_study(wide)),
        _made("an overlay in the high bits", images(overlay)),
        _made("values in the high bits", [i.but(HighBit=15) for i in images(high)]),
        _made("rescaled, each slice otherwise", scaled, right=right_study(meant.astype(np.float32))),
        _made(
            "dark is large",
            [i.but(PhotometricInterpretation="MONOCHROME1") for i in images()],
            right=right_study(-values.astype(np.float32)),
        ),
        _made("an odd byte of padding", [i.but(PixelData=i.values.tobytes() + b"\0\0") for i in images()]),
        _made("no contrast at all", images(np.full_like(values, 7)), "one and the same value"),
    ]


def _swapped(content: bytes) -> bytes:
    return np.frombuffer(content, np.uint16).byteswap().tobytes()


def _times() -> list[Case]:
    whole = images()

    def every(**changes: object) -> list[Image]:
        return _only(whole, lambda i: True, **changes)

    cycle_s = round(FRAMES * INTERVAL_MS) / FRAMES / 1000
    mixed = [i.but(InstanceNumber=99 - i.frame) for i in whole]
    temporal = [
        i.but(TriggerTime=None, TemporalPositionIdentifier=i.frame + 1, InstanceNumber=99 - i.frame) for i in whole
    ]
    through = [i.but(TriggerTime=None, InstanceNumber=i.frame * SLICES + i.slice + 1) for i in whole]
    late = [i.but(TriggerTime=f"{20 + i.slice + i.frame * INTERVAL_MS:g}") for i in whole]
    untimed = {"TriggerTime": None, "NominalInterval": None}
    return [
        _made("trigger times against instance numbers", mixed),
        _made("temporal positions against instance numbers", temporal, right=right_study(interval_s=cycle_s)),
        _made("instance numbers through all slices", through, right=right_study(interval_s=cycle_s)),
        _made("trigger times all 0", every(TriggerTime="0"), right=right_study(interval_s=cycle_s)),
        _made("trigger times that begin late", late),
        _made("no cycle stated", every(NominalInterval=None)),
        _made("neither trigger times nor cycle", every(**untimed, RepetitionTime="110")),
        _made("a repetition of 3 ms", every(**untimed, RepetitionTime="3"), right=right_study(interval_s=None)),
        _made("no time at all", every(**untimed, RepetitionTime=None), right=right_study(interval_s=None)),
        _made("trigger times in seconds", [i.but(TriggerTime=f"{i.frame * 0.11:g}") for i in whole]),
        _made("no order at all", every(**untimed, InstanceNumber="1"), "order in time"),
        _made("no instance numbers", every(InstanceNumber=None)),
        _made(
            "two acquisitions in one series",
            [
                *(
                    i.but(AcquisitionNumber=1, SOPInstanceUID=f"1.7.{i.slice}.{i.frame}")
                    for i in images(true_values(seed=8))
                ),
                *(i.but(AcquisitionNumber=2, AcquisitionTime="110000") for i in whole),
            ],
            right=right_study(note="taken more than once"),
        ),
        _made("two acquisitions in one series, numbered through", _begun_again(1, 2), right=_the_second),
        _made("a series that begins again", _begun_again(1, 1, AcquisitionTime=None), right=_the_second),
        _made(
            "a series that begins again, without trigger times",
            _begun_again(1, 1, AcquisitionTime=None, TriggerTime=None, NominalInterval=None, RepetitionTime="110"),
            right=_the_second,
        ),
    ]


def _begun_again(first: int, second: int, **changes: object) -> list[Image]:
    """Every series holds two cines of its slice, the later one with the higher instance numbers."""
    earlier = [
        i.but(AcquisitionNumber=first, SOPInstanceUID=f"1.7.{i.slice}.{i.frame}") for i in images(true_values(seed=8))
    ]
    later = [i.but(AcquisitionNumber=second, AcquisitionTime="110000", InstanceNumber=50 + i.frame) for i in images()]
    return [i.but(TemporalPositionIdentifier=i.frame + 1, **changes) for i in (*later, *earlier)]


def _the_second(study: DicomStudy) -> str:
    return right_study(note="6 of 6 slices were taken more than once")(study)


def _repeats() -> list[Case]:
    whole, values = images(), true_values()
    other = true_values(seed=8)

    def again(frames: int = FRAMES, **changes: object) -> list[Image]:
        return [
            i.but(SeriesInstanceUID="1.5", SOPInstanceUID=f"1.5.{i.frame}", **changes)
            for i in images(other)
            if i.slice == 2 and i.frame < frames
        ]

    late, newer = {"AcquisitionTime": "120000"}, values.copy()
    newer[2] = other[2]
    early = {"AcquisitionTime": "090000", "SeriesNumber": 90}
    untimed = {"AcquisitionTime": None}
    numbered = [i.but(**untimed) for i in whole]
    repeated = right_study(newer, note="1 of 6 slices were taken more than once")
    first = right_study(note="1 of 6 slices were taken more than once")
    gone, ends, starts, both = values.copy(), values.copy(), values.copy(), values.copy()
    gone[1, 3] = gone[1, 2]
    ends[1, 7] = ends[1, 0]
    starts[1, 0] = starts[1, 1]
    lost = "frames of 1 of 6 slices are absent"
    every_other = [i for i in whole if i.slice != 4 or i.frame % 2 == 0]
    doubled = [i.but(TriggerTime=f"{i.frame * 110:g}", NominalInterval=880) for i in every_other]
    both[4] = values[4, np.repeat(np.arange(0, 8, 2), 2)]
    return [
        _made("a slice taken again, later", [*again(**late), *whole], right=repeated),
        _made("a slice taken again, earlier but numbered later", [*whole, *again(**early)], right=first),
        _made("a slice taken again, by its number", [*again(**untimed, SeriesNumber=50), *numbered], right=repeated),
        _made("a whole stack taken again, 3 mm further", _twice(), right=right_study(note="6 of 6 slices")),
        _made("a slice whose second series was broken off", [*whole, *again(3, **late)]),
        _made("a frame absent", [i for i in whole if (i.slice, i.frame) != (1, 3)], right=right_study(gone, note=lost)),
        _made(
            "the last frame absent",
            [i for i in whole if (i.slice, i.frame) != (1, 7)],
            right=right_study(ends, note=lost),
        ),
        _made(
            "the first frame absent",
            [i for i in whole if (i.slice, i.frame) != (1, 0)],
            right=right_study(starts, note=lost),
        ),
        *_other_frames_absent(),
        _made(
            "every second frame of a slice absent",
            doubled,
            right=_any_of(both, "1 of 6 slices have another number of frames"),
        ),
        _made("most frames of a slice absent", [i for i in whole if i.slice != 4 or i.frame < 3], "a slice|gaps"),
        _made(
            "a slice of 5 frames where others have 12", _short_slice(), "a slice of 5 frames, where the others have 12"
        ),
        _made("a second series of 5 frames where others have 12", _broken_off(), right=right_study(_twelve())),
        _made(
            "half of a slice", [i for i in whole if i.slice != 0 or i.frame < 5], right=_noted("absent|another number")
        ),
        _made("more frames in one slice", _faster(), right=_noted("1 of 6 slices have another number of frames")),
    ]


def _other_frames_absent() -> list[Case]:
    """Every slice lacks one frame, and each another one: all have equally many."""
    whole, numbered = images(), images(TriggerTime=None)
    within, first = true_values(), true_values()
    for s in range(SLICES):
        within[s, s + 1] = within[s, s]
        first[s, s] = first[s, s - 1] if s else first[s, 1]
    both = [i for i in whole if i.frame not in (i.slice, 7 - i.slice)]
    same, held = [i for i in whole if i.frame != 3], true_values()
    held[:, 3] = held[:, 2]
    every = "frames of 6 of 6 slices are absent"
    through = [i.but(InstanceNumber=i.slice * FRAMES + i.frame + 1) for i in numbered]
    return [
        _made(
            "another frame of every slice absent",
            [i for i in whole if i.frame != i.slice + 1],
            right=right_study(within, note=every),
        ),
        _made(
            "another frame of every slice absent, the first of one",
            [i for i in whole if i.frame != i.slice],
            right=right_study(first, note=every),
        ),
        _made(
            "another frame of every slice absent, by instance numbers",
            [i for i in numbered if i.frame != i.slice],
            right=right_study(first, note=every),
        ),
        _made(
            "another frame of every slice absent, numbered from slice to slice",
            [i for i in through if i.frame != i.slice + 1],
            right=right_study(within, note=every),
        ),
        _made("numbered from slice to slice", through),
        _made("two other frames of every slice absent", both, right=_noted(every)),
        _made("the same frame of every slice absent", same, right=right_study(held, note=every)),
        _made(
            "all frames, each slice of another heart rate",
            [i.but(TriggerTime=f"{i.frame * (100 + 4 * i.slice):g}", NominalInterval=None) for i in whole],
        ),
    ]


def _twelve(seed: int = 3) -> np.ndarray:
    return true_values(SLICES, 12, seed)


def _short_slice() -> list[Image]:
    return [i for i in images(_twelve(), NominalInterval=1320) if i.slice != 4 or i.frame < 5]


def _broken_off() -> list[Image]:
    """The second series of slice 4 is later, and ends after 5 frames."""
    again = [
        i.but(SeriesInstanceUID="1.5", SOPInstanceUID=f"1.5.{i.frame}", AcquisitionTime="120000")
        for i in images(_twelve(seed=8), NominalInterval=1320)
        if i.slice == 4 and i.frame < 5
    ]
    return [*images(_twelve(), NominalInterval=1320), *again]


def _twice() -> list[Image]:
    """Two series of all slices; before the second the patient moved."""
    first = [
        i.but(
            SeriesInstanceUID="1.5",
            SOPInstanceUID=f"1.5.{i.slice}.{i.frame}",
            ImagePositionPatient=numbers(place_of(i.slice + 1 / 3)),
            AcquisitionTime="090000",
        )
        for i in images(true_values(seed=8))
    ]
    return [*[i.but(SeriesInstanceUID="1.6") for i in images()], *first]


def _faster() -> list[Image]:
    """Slice 2 has 10 frames where the others have 8, over the same cycle."""
    ten = [
        i.but(TriggerTime=f"{i.frame * 88:g}", NominalInterval=880)
        for i in images(true_values(SLICES, 10))
        if i.slice == 2
    ]
    return [*(i.but(NominalInterval=880) for i in images() if i.slice != 2), *ten]


def _any_of(values: np.ndarray, note: str) -> Callable[[DicomStudy], str]:
    """Where two frames are equally near, either is right."""

    def right(study: DicomStudy) -> str:
        found = study.short_axis.voxels.transpose(2, 3, 1, 0)
        if note not in " ".join(study.notes):
            return f"notes {study.notes}"
        rest = [place for place in range(SLICES) if place != 4]
        if not np.array_equal(found[rest], values[rest]) or not np.array_equal(found[4, ::2], values[4, ::2]):
            return "other voxels"
        own = {frame.tobytes() for frame in values[4, ::2].astype(found.dtype)}
        return "" if {np.ascontiguousarray(frame).tobytes() for frame in found[4]} == own else "frames of another slice"

    return right


def _noted(pattern: str) -> Callable[[DicomStudy], str]:
    """A stack of all slices and frames, and a note of this pattern."""
    import re

    def right(study: DicomStudy) -> str:
        if study.short_axis is None or study.short_axis.voxels.shape[2:] != (SLICES, FRAMES):
            return "another shape"
        return "" if re.search(pattern, " ".join(study.notes)) else f"notes {study.notes}"

    return right


def _gaps() -> list[Case]:
    whole = images()

    def moved(place: Callable[[int], np.ndarray]) -> list[Image]:
        return [i.but(ImagePositionPatient=numbers(place(i.slice))) for i in whole]

    uneven = [0, 1, 2.05, 3, 4, 5]
    narrower = [i.but(PixelSpacing=["1.6", "1.6"]) if i.slice == 3 else i for i in whole]
    other_size = [
        Image(i.values[:-1], i.slice, i.frame, i.changes) if i.slice == 3 else i for i in images(true_values(SLICES))
    ]
    return [
        _made("gaps that differ by 5 %", moved(lambda s: place_of(uneven[s])), right=right_study(note="taken as even")),
        _made("a slice absent", [i for i in images(true_values(7)) if i.slice != 3], "has gaps of 9.0 to 18.0 mm"),
        _made("a slice moved by 4 mm", moved(lambda s: place_of(s + 0.45 * (s == 2))), "has gaps of"),
        _made(
            "a slice beside the others", moved(lambda s: place_of(s) + turn()[0] * 30 * (s == 2)), "beside one another"
        ),
        _made(
            "a field of view that moves along",
            moved(lambda s: place_of(s) + turn()[0] * s),
            right=right_study(affine=_leaning()),
        ),
        _made("a slice of other pixels", narrower, "has gaps of"),
        _made("a slice of another size", other_size, "has gaps of"),
        _made("all slices at one place", moved(lambda s: place_of(0)), "", right=_no_short_axis),
        _made("five slices", [i for i in whole if i.slice < 5], right=right_study(true_values()[:5])),
        _made("four slices", [i for i in whole if i.slice < 4], right=_no_short_axis),
    ]


def _leaning() -> np.ndarray:
    affine = true_affine()
    affine[:3, 2] += turn()[0] * [-1, -1, 1]
    return affine


def _no_short_axis(study: DicomStudy) -> str:
    return "a short axis" if study.short_axis is not None else "" if study.long_axis else "nothing"


def _company() -> list[Case]:
    whole = images()
    upwards = np.array([0.0, 0.0, 1.0])
    scouts = [i for i in _aside(upwards, 3, 30, "localizer", 1) if i.frame == 0]
    long = long_axis_images()
    turned_again = _aside(_turned(0.05), 1, 47, "CINE_segmented_LAX_2Ch", 90, AcquisitionTime="130000")
    nameless = _aside(ACROSS, 1, 44, "cine", 66)
    axial = _aside(upwards, 12, 50, "axial cine", 70)
    rows = _aside(ACROSS, 9, 51, "SAX", 71)
    late = [
        i.but(SeriesInstanceUID="1.6", SOPInstanceUID=f"1.6.{i.slice}")
        for i in images(true_values(seed=60))
        if not i.frame
    ]
    velocity = _again(ImageType=["ORIGINAL", "PRIMARY", "P", "RETRO"])
    chosen = "one of 2 stacks of cines"
    report = dataset(whole[0])
    del report.PixelData
    report.SOPInstanceUID, report.Modality, report.SOPClassUID = "1.8", "SR", "1.2.840.10008.5.1.4.1.1.88.22"
    colour = dataset(whole[0])
    colour.SamplesPerPixel, colour.PhotometricInterpretation, colour.PlanarConfiguration = 3, "RGB", 0
    colour.SOPInstanceUID, colour.PixelData = "1.9", whole[0].values.tobytes() * 3
    return [
        _made("localisers beside", [*scouts, *whole]),
        _made("long-axis cines beside", [*long, *whole], right=right_study(long_axis=("2ch", "3ch", "4ch"))),
        _made(
            "a long-axis cine taken again, turned a little",
            [*turned_again, *long, *whole],
            right=_last_view(turned_again, ("2ch", "3ch", "4ch")),
        ),
        _made(
            "a long-axis cine of no name",
            [*nameless, *whole],
            right=right_study(note="name no view", long_axis=("la_1",)),
        ),
        _made(
            "a cine parallel to the short axis that is called 2ch",
            [*short_axis_images("CINE_segmented_LAX_2Ch", 0), *long_axis_images(LONG[1:], (60, 120)), *whole],
            right=right_study(note="a series called 2ch lies as the short axis does", long_axis=("3ch", "4ch", "la_1")),
        ),
        _made(
            "two planes that are called 2ch",
            [*long_axis_images((*LONG, LONG[0]), (0, 60, 120, 30)), *whole],
            right=right_study(
                note="two series called 2ch lie 30 degrees apart", long_axis=("3ch", "4ch", "la_1", "la_2")
            ),
        ),
        _made(
            "one plane that is called 2ch and 4ch",
            [*long_axis_images(LONG, (0, 60, 2)), *whole],
            right=right_study(note="series called 2ch and 4ch lie in one plane", long_axis=("3ch", "la_1", "la_2")),
        ),
        _made(
            "an outflow tract as the three-chamber view",
            [*long_axis_images((LONG[0], "CINE_LVOT", LONG[2])), *whole],
            right=right_study(long_axis=("2ch", "3ch", "4ch")),
        ),
        _made("a larger axial stack beside", [*axial, *whole], right=right_study(note=chosen)),
        _made("a larger stack along the long axis beside", [*rows, *whole], right=right_study(note=chosen)),
        _made("late enhancement in the same planes", [*whole, *late]),
        _made("velocities in the same planes", [*whole, *velocity]),
        _made("the scanner's contours in the same planes", [*whole, *_again(SeriesDescription="CINE_SAX_InlineVF")]),
        _made("derived cines in the same planes", [*whole, *_again(ImageType=["DERIVED", "SECONDARY", "M"])]),
        _made("tagged cines in the same planes", [*whole, *_again(SeriesDescription="SAX_tag")]),
        _made("perfusion in the same planes", [*whole, *_again(SeriesDescription="perfusion_rest")]),
        _made(
            "cines of a name with a word of other images in it", _only(whole, lambda i: True, SeriesDescription=INNER)
        ),
        _made("T1 maps in the same planes", [*whole, *_again(ImageType=["ORIGINAL", "PRIMARY", "M", "T1 MAP"])]),
        _zip("a report beside", lambda: [written(report), *contents(whole)]),
        _zip("a screenshot beside", lambda: [written(colour), *contents(whole)]),
        _made("only long-axis cines", long, right=_no_short_axis),
        _made("only a stack along the long axis", rows, right=_told("do not lie as a short axis does")),
        _made("cines of two studies", [*whole, *_again(StudyInstanceUID="1.2.4")], "cines of 2 studies"),
        _made("a localiser of another study", [*(i.but(StudyInstanceUID="1.2.4") for i in scouts), *whole]),
    ]


def long_axis_images(names: tuple[str, ...] = LONG, turns_deg: tuple[float, ...] = (0, 60, 120)) -> list[Image]:
    """A long-axis cine of each name, its plane turned about the heart's long axis by so much."""
    return [
        image
        for number, (name, turned) in enumerate(zip(names, turns_deg, strict=True))
        for image in _aside(_turned(turned / 60), 1, 40 + number, name, 60 + number)
    ]


def short_axis_images(name: str, number: int) -> list[Image]:
    """One cine that lies as the short axis does, but for 6 degrees, and is called otherwise."""
    normal = TOWARDS_APEX + 0.1 * ACROSS
    return _aside(normal / np.linalg.norm(normal), 1, 70 + number, name, 80 + number)


def view_of(number: int) -> tuple[np.ndarray, np.ndarray]:
    """Voxels (column, row, 1, frame) and the in-plane columns of the affine in RAS of one of `long_axis_images`."""
    normal = _turned(number)
    in_plane = (turn(normal) * [[PIXEL_MM[1]], [PIXEL_MM[0]]]).T * [[-1], [-1], [1]]
    return true_values(1, FRAMES, 40 + number).transpose(3, 2, 0, 1), in_plane


def _last_view(taken: list[Image], views: tuple[str, ...]) -> Callable[[DicomStudy], str]:
    """The two-chamber view is of these images, and that it was taken twice is told."""

    def right(study: DicomStudy) -> str:
        found = study.long_axis["2ch"].voxels[:, :, 0].transpose(2, 1, 0)
        if not np.array_equal(found, [image.values for image in taken]):
            return "the view that was taken first"
        told = [note for note in study.notes if note.startswith("2ch: ") and "more than once" in note]
        return "" if told and set(study.long_axis) == set(views) else f"notes {study.notes}"

    return right


def _told(note: str) -> Callable[[DicomStudy], str]:
    return lambda study: "" if study.short_axis and note in " ".join(study.notes) else f"notes {study.notes}"


def _turned(number: float) -> np.ndarray:
    """A normal of planes along the long axis, turned about it by 60 degrees a number."""
    other, angle = np.cross(TOWARDS_APEX, ACROSS), np.radians(60 * number)
    return np.cos(angle) * ACROSS + np.sin(angle) * other


def _again(**changes: object) -> list[Image]:
    """Other images in the planes of the stack, later."""
    return [
        i.but(
            SeriesInstanceUID=f"1.6.{i.slice}",
            SOPInstanceUID=f"1.6.{i.slice}.{i.frame}",
            AcquisitionTime="130000",
            **changes,
        )
        for i in images(true_values(seed=61))
    ]


def _no_cine() -> list[Case]:
    whole = images()
    upwards = np.array([0.0, 0.0, 1.0])

    def every(**changes: object) -> list[Image]:
        return _only(whole, lambda i: True, **changes)

    return [
        _made("only localisers", [i for i in _aside(upwards, 3, 30, "localizer", 1) if not i.frame], "3 localisers"),
        _made("only velocities", every(ImageType=["ORIGINAL", "PRIMARY", "P"]), "48 phase or velocity images"),
        _made("only flow by its series", every(SeriesDescription="flow_250_tp_AoV"), "48 flow images"),
        _made("only T1 maps", every(SeriesDescription="ShMOLLI_192i_T1MAP"), "48 T1 or T2 maps"),
        _made("only late enhancement", [i for i in whole if not i.frame], "6 images that are no cine"),
        _made("only an axial stack", _aside(upwards, 9, 50, "axial", 7), "72 cines|axial, coronal or sagittal"),
        _made("only CT", every(Modality="CT"), "48 images that are no MRI"),
        _made("only images without a place", every(ImagePositionPatient=None), "48 images that say no place"),
        _made("only images without an orientation", every(ImageOrientationPatient=None), "say no place"),
        _made("only images without a spacing", every(PixelSpacing=None), "say no place"),
        _made("only files without images", every(PixelData=None, Rows=None), "an image without pixels"),
        _made("one frame alone", whole[:1], "1 images that are no cine"),
        _made("a patient's name as the series", every(SeriesDescription=CANARY, ImageType=["A", "B", "P"]), "velocity"),
    ]


def _zips() -> list[Case]:
    def sound() -> bytes:
        return zipped(contents(images()))

    def flipped(at: int) -> bytes:
        content = bytearray(sound())
        content[at] ^= 1
        return bytes(content)

    def encrypted() -> bytes:
        content = bytearray(sound())
        at = content.rfind(b"PK\x01\x02")
        content[at + 8] |= 1
        return bytes(content)

    def listed(offset: int, size: int, value: int) -> bytes:
        """The first entry of the list says something else."""
        content = bytearray(sound())
        at = content.find(b"PK\x01\x02")
        content[at + offset : at + offset + size] = value.to_bytes(size, "little")
        return bytes(content)

    def ended(offset: int, size: int, value: int) -> bytes:
        content = bytearray(sound())
        at = content.rfind(b"PK\x05\x06")
        content[at + offset : at + offset + size] = value.to_bytes(size, "little")
        return bytes(content)

    def overlapping() -> bytes:
        """Every entry of the list points to the first file, as a bomb of few bytes does."""
        content = bytearray(zipped([contents(images())[0]] + [bytes(40_000)] * 400))
        first = content.find(b"PK\x01\x02")
        head = content[first : content.find(b"PK\x01\x02", first + 4)]
        return bytes(content[:first]) + bytes(head) * 1000 + _end(1000, len(head) * 1000, first)

    bad = "damaged|truncated|shorter|checksum|no DICOM file|claims"
    return [
        *(
            _bytes(f"a zip cut at {part} of 8", lambda part=part: sound()[: len(sound()) * part // 8], bad)
            for part in range(1, 8)
        ),
        _bytes("a zip without its end", lambda: sound()[:-22], bad),
        _bytes("a zip that lacks a byte", lambda: sound()[1:], bad),
        _bytes("a flipped bit in a file", lambda: flipped(300), "damaged|checksum|shorter"),
        _bytes("another checksum", lambda: listed(16, 4, 0x12345678), "checksum is wrong"),
        _bytes("a smaller size", lambda: listed(24, 4, 100), "shorter or longer"),
        _bytes("a larger size", lambda: listed(24, 4, 40_000), "shorter or longer|claims"),
        _bytes("a size of 4 GB", lambda: listed(24, 4, 0xFFFFFFF0), "claims|more than"),
        _bytes("a packed size of 4 GB", lambda: listed(20, 4, 0xFFFFFFF0), "claims"),
        _bytes("a file beyond the end", lambda: listed(42, 4, 0x7FFFFFFF), "damaged"),
        _bytes("a file that begins elsewhere", lambda: listed(42, 4, 33), "damaged"),
        _bytes("more names than there are", lambda: ended(10, 2, 60_000)),
        _bytes("a list of 3 GB", lambda: ended(12, 4, 0xC0000000), "20_000 files"),
        _bytes("a list that begins elsewhere", lambda: ended(16, 4, 5), bad),
        _bytes("encrypted", encrypted, "is encrypted"),
        _bytes("bzip2", lambda: zipped(contents(images()), zipfile.ZIP_BZIP2), "another method than deflate"),
        _bytes("LZMA", lambda: zipped(contents(images()), zipfile.ZIP_LZMA), "another method than deflate"),
        _bytes("an unknown method", lambda: listed(10, 2, 77), "another method than deflate"),
        _bytes("a zip in the zip", lambda: zipped([sound()]), "holds a zip in it"),
        _bytes("a zip beside", lambda: zipped(contents(images()), a__zip=sound()), "holds a zip in it"),
        _bytes(
            "a spreadsheet beside", lambda: zipped(contents(images()), notes__xlsx=_document("[Content_Types].xml"))
        ),
        _bytes(
            "another writer's spreadsheet beside", lambda: zipped(contents(images()), a=_document("docProps/app.xml"))
        ),
        _bytes("a zip of spreadsheets", lambda: zipped([_document("xl/workbook.xml")]), "no DICOM file"),
        _bytes("a zip64", lambda: _zip64(sound())),
        _bytes("a zip64 whose list would take 3 GB", lambda: _zip64(sound(), 0xC0000000), "20_000 files"),
        _bytes("a zip64 behind an end that says little", lambda: _zip64(sound(), 0xC0000000, 100), "20_000 files"),
        _bytes("a length of zip64 without its record", lambda: ended(12, 4, 0xFFFFFFFF), "damaged or truncated"),
        _bytes("an empty zip", lambda: zipped([]), "no DICOM file"),
        _bytes("a zip of text", lambda: zipped([b"eid,date\n"] * 3), "no DICOM file"),
        _bytes("a zip of empty files", lambda: zipped([b""] * 3), "no DICOM file"),
        _bytes("a bomb of zeros", lambda: zipped([bytes(200 * MB)]), "as no images do"),
        _bytes("a bomb of many files", lambda: zipped([bytes(2 * MB)] * 100), "as no images do"),
        _bytes("a bomb of one file, listed often", overlapping, "claims more than it can hold"),
        _bytes("too many files", lambda: zipped([b"x"] * 20_001, zipfile.ZIP_STORED), "20_000 files"),
    ]


def _document(first: str) -> bytes:
    """A spreadsheet as Office writes it: a zip of XML files, in this order."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in (first, "xl/worksheets/sheet1.xml"):
            archive.writestr(name, "<xml/>")
    return file.getvalue()


def _zip64(content: bytes, length: int | None = None, told: int = 0xFFFFFFFF) -> bytes:
    """The same zip with a zip64 record, which says another `length` of the list; its old end says what is `told`."""
    at = content.rfind(b"PK\x05\x06")
    _, _, _, _, count, size, start, _ = struct.unpack("<4s4H2LH", content[at:])
    record = struct.pack("<4sQ2H2L4Q", b"PK\x06\x06", 44, 45, 45, 0, 0, count, count, length or size, start)
    locator = struct.pack("<4sLQL", b"PK\x06\x07", 0, at, 1)
    return content[:at] + record + locator + struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, count, count, told, start, 0)


def _end(count: int, size: int, at: int) -> bytes:
    return struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, count, count, size, at, 0)


def _objects() -> list[Case]:
    def one(change: Callable[[bytes], bytes]) -> Callable[[], list[bytes]]:
        """All of the stack, and the first object changed."""

        def files() -> list[bytes]:
            first, *rest = contents(images())
            return [change(first), *rest]

        return files

    def deep(content: bytes) -> bytes:
        """Sequences in sequences, 5,000 deep."""
        return content + (b"\x40\x00\x75\x02SQ\0\0\xff\xff\xff\xff\xfe\xff\x00\xe0\xff\xff\xff\xff") * 5000

    def long_value(content: bytes) -> bytes:
        at = content.index(b"\x18\x00\x60\x10")
        return content[: at + 6] + b"\xff\xff" + content[at + 8 :]

    bad = "damaged|truncated|ends within|holds|has"
    return [
        _zip("an object cut in its pixels", one(lambda c: c[:-20]), "ends within its pixels"),
        _zip(
            "an object cut in its header",
            one(lambda c: c[:500]),
            bad,
        ),
        _zip(
            "an object of a preamble alone",
            one(lambda c: c[:132]),
            bad,
        ),
        _zip("an object of rubbish", one(lambda c: c[:132] + bytes(range(256)) * 20), bad),
        _zip("an object of zeros", one(lambda c: c[:132] + bytes(5000)), bad),
        _zip("sequences 5,000 deep", one(deep), bad, right=_either),
        _zip("a value longer than the file", one(long_value), bad),
        _zip(
            "no element but pixels",
            one(lambda c: c[: c.index(b"\x08\x00\x05\x00")] + c[c.index(b"\xe0\x7f\x10\x00") :]),
            bad,
        ),
    ]


def _either(study: DicomStudy) -> str:
    return ""


def _attributes() -> list[Case]:
    def every(**changes: object) -> list[Image]:
        return _only(images(), lambda i: True, **changes)

    def raw(name: str, keyword: str, text: bytes, refused: str) -> Case:
        """A text that pydicom would not write."""

        def files() -> list[bytes]:
            made = []
            for image in images():
                content = dataset(image)
                content[keyword]._value = "?" * len(text) if keyword in ("TriggerTime",) else ["?" * len(text)]
                made.append(written(content).replace(b"?" * len(text), text))
            return made

        return _zip(name, files, refused)

    place, turned = "ImagePositionPatient", "ImageOrientationPatient"
    no_number = "place or time is no number"
    return [
        _made("no rows", every(Rows=0), "x 10 pixels"),
        _made("one row", every(Rows=1), "x 10 pixels"),
        _made("65535 rows", every(Rows=65535), "x 10 pixels"),
        _made("a row more", every(Rows=13), "ends within its pixels"),
        _made("bits: 12 allocated", every(BitsAllocated=12), "of 12 bits in 12"),
        _made("bits: 64 allocated", every(BitsAllocated=64), "bits in 64"),
        _made("bits: more stored than allocated", every(BitsStored=17), "of 17 bits"),
        _made("bits: high below stored", every(HighBit=3), "up to bit 3"),
        _made("bits: high above allocated", every(HighBit=16), "up to bit 16"),
        _made("pixels neither signed nor not", every(PixelRepresentation=7), "bits"),
        _made("a place of two numbers", every(**{place: ["1", "2"]}), no_number),
        _made("a place of four numbers", every(**{place: ["1", "2", "3", "4"]}), no_number),
        raw("a place of text", place, b"a\\b\\c ", no_number),
        raw("a place of NaN", place, b"nan\\1\\2 ", no_number),
        raw("a place of infinity", place, b"inf\\1\\2 ", no_number),
        raw("a place with commas", place, b"1,5\\1\\2 ", no_number),
        raw("a name as a place", place, CANARY.encode(), no_number),
        _made("a place 1 km away", every(**{place: ["1e6", "0", "0"]}), "metres away"),
        _made("an orientation of zeros", every(**{turned: ["0"] * 6}), "no direction"),
        _made("an orientation of parallel axes", every(**{turned: ["1", "0", "0", "1", "0", "0"]}), "no direction"),
        _made("an orientation of length 2", every(**{turned: ["2", "0", "0", "0", "2", "0"]}), "no direction"),
        _made("an orientation of three numbers", every(**{turned: ["1", "0", "0"]}), no_number),
        _made("a spacing of 0", every(PixelSpacing=["0", "1"]), "no size"),
        _made("a negative spacing", every(PixelSpacing=["-1", "1"]), "no size"),
        _made("a spacing of one number", every(PixelSpacing=["1"]), no_number),
        _made("a spacing of a metre", every(PixelSpacing=["1000", "1000"]), "no size"),
        raw("a trigger time of text", "TriggerTime", CANARY.encode(), no_number),
        _made("a slope of 1e30", every(RescaleSlope="1e30", RescaleIntercept="0"), "rescales an image"),
        _made("a slope of 0", every(RescaleSlope="0", RescaleIntercept="0"), "one and the same"),
        _made("ten frames in an object of one", every(NumberOfFrames=10), "films that say no place"),
        _zip(
            "enhanced: frames that are not there",
            lambda: [enhanced(true_values(), _more_frames)],
            "another number of frames",
        ),
        _zip("enhanced: pixels that are not there", lambda: [enhanced(true_values(), _fewer_pixels)], "ends within"),
        _zip("enhanced: no place", lambda: [enhanced(true_values(), _no_place)], "say no place"),
        _zip("enhanced: no frames", lambda: [enhanced(true_values(), _no_groups)], "another number of frames"),
        _made("a birth date that is none", every(PatientBirthDate=None)),
    ]


def _more_frames(made: Dataset) -> None:
    made.NumberOfFrames = 1_000_000_000


def _fewer_pixels(made: Dataset) -> None:
    made.PixelData = made.PixelData[:-200]


def _no_place(made: Dataset) -> None:
    del made.PerFrameFunctionalGroupsSequence[5].PlanePositionSequence


def _no_groups(made: Dataset) -> None:
    made.PerFrameFunctionalGroupsSequence = Sequence([])


def _no_dicom() -> list[Case]:
    def absent(folder: Path) -> Path:
        return folder / "case.zip"

    def pipe(folder: Path) -> Path:
        os.mkfifo(folder / "case.zip")
        return folder / "case.zip"

    def empty(folder: Path) -> Path:
        (folder / "case").mkdir()
        return folder / "case"

    return [
        Case("nothing there", absent, "cannot be read"),
        Case("a named pipe", pipe, "it is no file"),
        Case("an empty folder", empty, "no DICOM file"),
        Case("a folder of text", lambda folder: write_folder(folder, [b"text"]), "no DICOM file"),
        Case(
            "a folder that holds the zip", lambda f: write_folder(f, [zipped(contents(images()))]), "no DICOM file|zip"
        ),
        _bytes("an empty file", b"", "no DICOM file"),
        _bytes("an HTML page", b"<html>not found</html>" * 20, "no DICOM file"),
        _bytes("a gzip", lambda: b"\x1f\x8b\x08" + bytes(300), "no DICOM file"),
        _bytes("a bzip2", lambda: bz2.compress(bytes(3000)), "no DICOM file"),
        _bytes("DICM at the wrong place", lambda: b"DICM" + bytes(300), "no DICOM file"),
        _bytes("one object alone", lambda: contents(images())[0], "1 images that are no cine"),
    ]
