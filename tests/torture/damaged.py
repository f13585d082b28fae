"""Files that name a patient and are damaged, each so that an error message may quote the name."""

import gzip
import io
import re
import struct
from collections.abc import Iterator

import numpy as np

from tests.torture.canaries import CANARIES, planted_muse

NAME, ID, COMMENT = (CANARIES[f"CardioSoft {field}"] for field in ("family name", "PID", "comment"))
WORD = re.sub("[^A-Za-z]", "", CANARIES["CardioSoft street"])  # fit to be a tag or an entity


def damaged_ecgs(good: bytes, millivolts: np.ndarray, rate: int) -> Iterator[tuple[str, bytes]]:
    """(file name, content) of bad ECGs; `good` is a planted CardioSoft file, and `millivolts` (12, T) its signal."""
    text = good.decode("iso-8859-1")

    def changed(pattern: str, put: str, count: int = 1) -> bytes:
        found, times = re.subn(pattern, lambda _: put, text, count=count, flags=re.DOTALL)
        assert times, pattern
        return found.encode("iso-8859-1")

    for eighth in range(1, 8):
        yield f"truncated_{eighth}.xml", good[: len(good) * eighth // 8]
    head = r"<CardiologyXML>"
    yield "undefined_entity.xml", changed("<PID>", f"<PID>&{WORD};")
    yield "declared_entity.xml", changed("<[?]xml.*?[?]>", f'<!DOCTYPE CardiologyXML [<!ENTITY x "{NAME}">]>')
    yield "external_entity.xml", changed("<[?]xml.*?[?]>", f'<!DOCTYPE a [<!ENTITY x SYSTEM "file:///{WORD}">]>')
    yield "mismatched.xml", changed("</PatientInfo>", f"</{WORD}>")
    yield "root.xml", changed(head, f"<{WORD}>")[:-20].rstrip() + f"</{WORD}>".encode()
    yield "encoding.xml", changed("ISO-8859-1", WORD)
    yield "wrong_encoding.xml", changed("ISO-8859-1", "UTF-8")
    yield "observation.xml", changed("RestECG", NAME)
    yield "lead_unknown.xml", changed('lead="V3"', f'lead="{NAME}"', 0)
    yield "lead_twice.xml", changed('lead="V3"', 'lead="V2"', 0)
    yield "sample.xml", changed(r'(?<=<StripData>).*?lead="I">', f'<WaveformData lead="I">{NAME},')
    yield "rate.xml", changed(r"(?<=<StripData>).*?</SampleRate>", f"<SampleRate>{ID}</SampleRate>")
    yield (
        "resolution.xml",
        changed(r"(?<=<StripData>).*?</Resolution>", f"<SampleRate>500</SampleRate><Resolution>{NAME}</Resolution>"),
    )
    yield "zero_byte.xml", good.replace(b"<PID>", b"<PID>\0")
    yield "deep.xml", changed("<PID>", f"<{WORD}>" * 100)
    yield "long_tag.xml", changed("<PID>", f"<PID {' '.join(f'a{k}={NAME!r}' for k in range(5000))}>")
    yield "two_roots.xml", good + f"<{WORD}/>".encode()
    yield "no_strip.xml", changed("<StripData>.*</StripData>", "")
    yield "page.html.xml", f"<html><title>{NAME}</title></html>".encode()
    yield "zipped.xml", gzip.compress(good)
    yield "person.xml", changed("<Gender>.*?</Gender>", f"<Gender>{NAME}</Gender>").replace(b"</Age>", NAME.encode())
    yield "words.xml", f"patient {NAME}, {COMMENT}".encode()
    yield from _damaged_tables(millivolts)
    yield from _damaged_muse(planted_muse(millivolts, rate).decode())
    yield from _damaged_wfdb()


def _damaged_tables(millivolts: np.ndarray) -> Iterator[tuple[str, bytes]]:
    row = ",".join(["0.1"] * 12)
    yield "head.csv", f"{NAME},{','.join('ABCDEFGHIJK')}\n{row}\n".encode()
    yield "cell.csv", f"{row}\n{row.replace('0.1', NAME, 1)}\n".encode()
    yield "ragged.csv", f"{row}\n{row},{NAME}\n".encode()
    for name, array in {
        "pickled.npy": np.array([{"name": NAME}], dtype=object),
        "words.npy": np.array([[NAME] * 12] * 12),
        "fields.npy": np.zeros(12, dtype=[(WORD, float)]),
        "large.npy": 1e6 * millivolts,
    }.items():
        stored = io.BytesIO()
        np.save(stored, array, allow_pickle=True)
        yield name, stored.getvalue()
    yield "header.npy", b"\x93NUMPY\x01\x00" + struct.pack("<H", 64) + f"{{'descr': '{NAME}'".encode().ljust(64)
    yield "raw_pickle.npy", f"(dp0\nS'name'\nS'{NAME}'\ns.".encode()


def _damaged_muse(text: str) -> Iterator[tuple[str, bytes]]:
    for name, before, after in (
        ("muse_lead.xml", "<LeadID>V3", f"<LeadID>{NAME}"),
        ("muse_unit.xml", "MICROVOLTS", NAME),
        ("muse_scale.xml", "PerBit>5", f"PerBit>{NAME}"),
        ("muse_rate.xml", "<SampleBase>", f"<SampleBase>{ID}"),
        ("muse_samples.xml", "<WaveFormData>", f"<WaveFormData>{NAME}"),
        ("muse_rhythm.xml", "Rhythm", NAME),
        ("muse_torn.xml", "</PatientDemographics>", ""),
    ):
        assert before in text, before
        yield name, text.replace(before, after).encode()


def _damaged_wfdb() -> Iterator[tuple[str, bytes]]:
    signals = "".join(f"lone.dat 16 1000/mV 16 0 0 0 0 {lead}\n" for lead in ("I", "II"))
    comment = f"# {COMMENT}\n"
    yield "lone.hea", f"lone 2 500 5000\n{signals}{comment}".encode()
    yield "record_line.hea", f"{WORD} two {ID}\n{comment}".encode()
    yield "unit.hea", f"unit 1 500 5000\nunit.dat 16 1000/{WORD} 16 0 0 0 0 I\n{comment}".encode()
    yield "other_file.hea", f"other_file 1 500 5000\n{WORD}.dat 16 1000/mV 16 0 0 0 0 I\n{comment}".encode()
    yield "path.hea", f"path 1 500 5000\n../{WORD}.dat 16 1000/mV 16 0 0 0 0 I\n{comment}".encode()
    yield "segments.hea", f"segments/2 2 500 5000\n{WORD} 2500\nb 2500\n{comment}".encode()


def damaged_niftis(good: bytes) -> Iterator[tuple[str, bytes]]:
    """(what is wrong, content of a .nii.gz); `good` is a planted one without damage."""
    raw = bytearray(gzip.decompress(good))

    def with_field(offset: int, form: str, *values: float) -> bytes:
        changed = bytearray(raw)
        struct.pack_into(form, changed, offset, *values)
        return gzip.compress(bytes(changed), 1)

    flipped = bytearray(good)
    flipped[-6] ^= 1
    middle = bytearray(good)
    middle[len(good) // 2] ^= 4
    yield "truncated", good[: len(good) // 2]
    yield "truncated_header", gzip.compress(bytes(raw[:200]))
    yield "checksum", bytes(flipped)
    yield "bit", bytes(middle)
    yield "words", f"{NAME}: {COMMENT}".encode()
    yield "zipped_words", gzip.compress(f"{NAME}: {COMMENT}".encode() * 20)
    yield "dimensions", with_field(40, "<8h", 7, 9, 9, 9, 9, 9, 9, 9)
    yield "negative", with_field(42, "<h", -5)
    yield "huge", with_field(40, "<8h", 4, 32767, 32767, 32767, 9, 1, 1, 1)
    yield "datatype", with_field(70, "<h", 12345)
    yield "complex", with_field(70, "<h", 32)
    yield "spacing", with_field(80, "<3f", float("nan"), float("nan"), float("nan"))
    yield "affine", with_field(280, "<12f", *[float("nan")] * 12)
    yield "slope", with_field(112, "<f", 1e30)
    yield "offset", with_field(108, "<f", 300.0)  # voxels would begin in the header: descrip read as voxels
    yield "magic", with_field(344, "<4s", b"ni1\0")
    yield "empty", b""


def damaged_persons(good: str) -> Iterator[tuple[str, bytes]]:
    """(what is wrong, content of a persons.csv)."""
    head, first, *others = good.splitlines()
    cells = first.split(",")
    for place, column in ((0, "eid"), (1, "sex"), (2, "age"), (3, "height")):
        wrong = ",".join([*cells[:place], NAME, *cells[place + 1 :]])
        yield column, "\n".join([head, wrong, *others]).encode()
    yield "header", "\n".join([head.replace("sex", NAME), first, *others]).encode()
    yield "column_twice", "\n".join([f"{head},{NAME},{NAME}", *others]).encode()
    yield "ragged", "\n".join([head, f"{first},{NAME},{ID}", *others]).encode()
    yield "eid_twice", "\n".join([head, first, first]).encode()
    yield "encoding", good.encode("utf-16-le")  # without a byte-order mark
    yield "quote", "\n".join([head, f'{first},"{NAME}', *others]).encode()
