"""Row A1: XML that is hostile, damaged or merely unusual, around one known ECG."""

import codecs
import gzip
import io
import os
import re
import zipfile
from collections.abc import Callable
from pathlib import Path

from cohort.ecg import LEADS
from tests.corpora.case import CANARY, Case, bytes_case
from tests.corpora.device_files import cardiosoft, full_disclosure, muse, right_ecg

MB = 1 << 20
DOCTYPE = "<!DOCTYPE CardiologyXML"
AWAY = 'SYSTEM "http://127.0.0.1:9/a.dtd"'
TRUNCATIONS = 20


def xml_cases() -> list[Case]:
    return [*_encodings(), *_harmless(), *_entities(), *_damaged(), *_excessive(), *_no_file()]


def _after_declaration(text: str, inserted: str) -> str:
    return text.replace("?>", f"?>{inserted}", 1)


def _encodings() -> list[Case]:
    text = cardiosoft().replace(CANARY, f"{CANARY} Müller")
    declared = {
        "latin-1": "latin-1",
        "ISO8859-1": "latin-1",
        "iso-8859-1": "latin-1",
        "ISO-8859-15": "iso8859-15",
        "cp1252": "cp1252",
        "windows-1252": "cp1252",
        "UTF-8": "utf-8",
        "KOI8-R": "koi8-r",
    }
    cases = []
    for label, codec in declared.items():
        content = text.replace("ISO-8859-1", label).replace("ü", "Ж" if codec == "koi8-r" else "ü").encode(codec)
        cases.append(bytes_case(f"encoding {label}", content, right=right_ecg()))
    utf8, utf16 = text.replace("ISO-8859-1", "UTF-8"), text.replace("ISO-8859-1", "UTF-16")
    good = {
        "UTF-8 with a byte order mark": codecs.BOM_UTF8 + utf8.encode(),
        "no encoding declared": utf8.replace(' encoding="UTF-8"', "").encode(),
        "no XML declaration": utf8.partition("?>")[2].strip().encode(),
        "declaration in single quotes": utf8.replace('"UTF-8"', "'UTF-8'").encode(),
        "UTF-16, little end first, with mark": codecs.BOM_UTF16_LE + utf16.encode("utf-16-le"),
        "UTF-16, big end first, with mark": codecs.BOM_UTF16_BE + utf16.encode("utf-16-be"),
        "UTF-16, little end first, no mark": utf16.encode("utf-16-le"),
        "UTF-16, big end first, no mark": utf16.encode("utf-16-be"),
    }
    cases += [bytes_case(name, content, right=right_ecg()) for name, content in good.items()]
    bad = {
        "an unknown encoding": text.replace("ISO-8859-1", "KLINGON-1").encode("latin-1"),
        "a multi-byte encoding": text.replace("ISO-8859-1", "shift_jis").replace("ü", "u").encode("shift_jis"),
        "UTF-7": text.replace("ISO-8859-1", "UTF-7").encode("utf-7"),
        "UTF-32": text.replace("ISO-8859-1", "UTF-32").encode("utf-32"),
        "EBCDIC": text.replace("ISO-8859-1", "cp037").encode("cp037"),
        "UTF-8 declared, latin-1 written": utf8.encode("latin-1"),
        "UTF-16 declared, 8 bits written": utf16.encode("latin-1"),
        "a mark of UTF-16 and 8 bits": codecs.BOM_UTF16_LE + text.encode("latin-1"),
        "UTF-16 that declares ISO-8859-1": codecs.BOM_UTF16_LE + text.encode("utf-16-le"),
        "a codec that is no encoding": text.replace("ISO-8859-1", "base64").encode("latin-1"),
    }
    return cases + [bytes_case(name, content, "well-formed|encoding|empty") for name, content in bad.items()]


def _harmless() -> list[Case]:
    text = cardiosoft()
    good = {
        "as the device writes it": text,
        "line feeds alone": cardiosoft(end="\n"),
        "one line": cardiosoft(end=" "),
        "blank lines at the end": text + "\r\n" * 50,
        "comments and instructions": _after_declaration(text, "<!-- c --><?target data?>").replace(
            "</PatientInfo>", "<!-- -5,7 --></PatientInfo>"
        ),
        "a comment within the samples": text.replace('lead="V1">', 'lead="V1"><!-- 1,2 -->'),
        "samples in CDATA": text.replace('lead="V1">', 'lead="V1"><![CDATA[').replace(
            '</WaveformData>\r\n\t\t<WaveformData lead="V2"', ']]></WaveformData>\r\n\t\t<WaveformData lead="V2"'
        ),
        "samples with character references": text.replace('lead="V1">', 'lead="V1">&#32;&#x9;'),
        "many short comments": text.replace("</PatientInfo>", "<!-- -->\r\n" * 5_000 + "</PatientInfo>"),
        "a DOCTYPE that names a file": _after_declaration(text, DOCTYPE + ' SYSTEM "file:///etc/hostname">'),
        "a DOCTYPE that names an address": _after_declaration(text, f"{DOCTYPE} {AWAY}>"),
        "a public DOCTYPE": _after_declaration(text, DOCTYPE + ' PUBLIC "-//GE//ECG//EN" "http://127.0.0.1:9/a.dtd">'),
        "a DOCTYPE of elements": _after_declaration(text, f"{DOCTYPE} [<!ELEMENT CardiologyXML ANY>]>"),
        "an XInclude, which is not followed": text.replace(
            "</PatientInfo>", '<i:include xmlns:i="http://www.w3.org/2001/XInclude" href="/etc/passwd"/></PatientInfo>'
        ),
        "the schema's location, which is not fetched": text.replace(
            "<CardiologyXML>",
            '<CardiologyXML xmlns:x="http://www.w3.org/2001/XMLSchema-instance" '
            'x:noNamespaceSchemaLocation="http://127.0.0.1:9/a.xsd">',
        ),
        "MUSE with its DOCTYPE": muse(),
    }
    cases = [bytes_case(name, content.encode("latin-1"), right=right_ecg()) for name, content in good.items()]
    return [*cases, bytes_case("XML under another suffix", text.encode(), right=right_ecg(), file="case.txt")]


def _entities() -> list[Case]:
    laughs = '<!ENTITY a0 "ha">' + "".join(f'<!ENTITY a{i + 1} "{f"&a{i};" * 10}">' for i in range(10))
    declared = {
        "billion laughs": (laughs, "&a10;"),
        "quadratic blow-up": (f'<!ENTITY a "{"a" * 20_000}">', "&a;" * 10_000),
        "an entity never used": ('<!ENTITY a "b">', ""),
        "external entity, a file": ('<!ENTITY a SYSTEM "file:///etc/hostname">', "&a;"),
        "external entity, an address": (f"<!ENTITY a {AWAY}>", "&a;"),
        "parameter entity": (f"<!ENTITY % a {AWAY}> %a;", ""),
        "an entity that is no text": ('<!NOTATION n SYSTEM "n"><!ENTITY a SYSTEM "a.gif" NDATA n>', ""),
        "an entity in an attribute": ('<!ENTITY a "I">', '<b lead="&a;"/>'),
        "an entity that contains itself": ('<!ENTITY a "&b;"><!ENTITY b "&a;">', "&a;"),
    }
    text = cardiosoft()
    cases = []
    for name, (subset, use) in declared.items():
        content = _after_declaration(text, f"{DOCTYPE} [{subset}]>").replace("<CardiologyXML>", f"<CardiologyXML>{use}")
        cases.append(bytes_case(name, content.encode(), "declares entities"))
    undeclared = text.replace(CANARY, f"&{CANARY};")
    return [
        *cases,
        bytes_case("an undeclared entity", undeclared.encode(), r"\(undefined entity, line"),
        bytes_case(
            "an entity of 100 kB",
            _after_declaration(text, f'{DOCTYPE} [<!ENTITY a "{"a" * 100_000}">]>').encode(),
            "longer",
        ),
        bytes_case(
            "an undeclared entity and a DTD elsewhere",
            _after_declaration(undeclared, f"{DOCTYPE} {AWAY}>").encode(),
            r"\(undefined entity, line",
        ),
    ]


def _damaged() -> list[Case]:
    text = cardiosoft()
    content = text.encode("latin-1")
    zipped = io.BytesIO()
    with zipfile.ZipFile(zipped, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.xml", content)
    broken = {
        "a letter": b"Dear colleague, please find the ECG enclosed.",
        "random bytes": bytes(range(130, 256)) * 20,
        "two roots": content + b"<CardiologyXML/>",
        "text behind the root": content + b"end of file",
        "NUL within": content[:200] + b"\0" + content[200:],
        "NUL behind": content + bytes(512),
        "half of it NUL": content[: len(content) // 2] + bytes(len(content) // 2),
        "mail's end of lines lost": content.replace(b'\r\n\t\t<WaveformData lead="V1">', b"=\r\n3D<Waveform"),
        "a tag closed twice": content.replace(b"</StripData>", b"</StripData></StripData>"),
        "a tag never closed": content.replace(b"</StripData>", b""),
        "crossed tags": content.replace(b"</PatientInfo>", b"<a><b></a></b></PatientInfo>"),
        "an attribute twice": content.replace(b'lead="I"', b'lead="I" lead="II"'),
        "an attribute without quotes": content.replace(b'lead="I"', b"lead=I"),
        "a bare ampersand": content.replace(CANARY.encode(), b"M & S"),
        "a control character": content.replace(CANARY.encode(), b"\x07"),
        "CDATA never closed": content.replace(b"<PatientInfo>", b"<PatientInfo><![CDATA["),
        "an unknown namespace prefix": content.replace(b"<PatientInfo>", b"<x:a/><PatientInfo>"),
        "the declaration in the middle": b"\r\n" + content,
        "the declaration alone": content[: content.index(b"?>") + 2],
    }
    blank = {"empty": b"", "blank": b" \r\n\t", "NUL only": bytes(4096), "a byte order mark alone": codecs.BOM_UTF8}
    namespace = b"<CardiologyXML>", b'<CardiologyXML xmlns="urn:x">'
    others = {
        "another root": content.replace(b"CardiologyXML", b"Cookbook"),
        "the root in lower case": content.replace(b"CardiologyXML", b"cardiologyxml"),
    }
    foreign = {
        "ZIP": zipped.getvalue(),
        "PDF": b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n" + content,
        "a picture (PNG)": b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 20,
        "a picture (JPEG)": b"\xff\xd8\xff\xe0\0\x10JFIF" + bytes(99),
        "DICOM": bytes(128) + b"DICM" + content,
        "JSON": b'\n {"ecg": [1, 2, 3]}',
        "EDF": b"0       X X X X" + bytes(300),
        "SCP-ECG": b"\x12\x34\xa0\x0f\0\0" + bytes(2) + b"\0\0\x88\0\0\0\x14\x14SCPECG" + bytes(99),
        "ISHNE Holter": b"ISHNE1.0" + bytes(99),
        "MFER": b"@ MFR Standard 12 leads ECG",
        "HDF5": b"\x89HDF\r\n\x1a\n" + bytes(99),
        "NumPy": b"\x93NUMPY\x01\0" + bytes(99),
        "git-lfs": b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 294694\n",
        "HTML": b"<html><body>404 not found</body></html>",
        "HTML, perhaps a page to sign in": b"\r\n<!DOCTYPE HTML><html><br></html>",
        "HL7 annotated ECG": b'<?xml version="1.0"?><AnnotatedECG xmlns="urn:hl7-org:v3"><id root="1"/></AnnotatedECG>',
        "Philips Sierra": b'<restingecgdata xmlns="http://www3.medical.philips.com"></restingecgdata>',
    }
    return [
        *(
            bytes_case(f"cut at {part} of {TRUNCATIONS}", content[: len(content) * part // TRUNCATIONS], "well-formed")
            for part in range(1, TRUNCATIONS)
        ),
        bytes_case("cut before its last tag's end", content.rstrip()[:-1], "well-formed"),
        *(bytes_case(name, damaged, "well-formed") for name, damaged in broken.items()),
        *(bytes_case(name, nothing, "empty|no element found") for name, nothing in blank.items()),
        *(bytes_case(name, other, "not an ECG") for name, other in others.items()),
        *(
            bytes_case(
                name,
                other,
                rf"it is (a pointer of )?{re.escape(name)}.*(: not read| and (cannot be decoded|holds no ECG))",
            )
            for name, other in foreign.items()
        ),
        bytes_case("the root in a namespace", content.replace(*namespace), right=right_ecg()),
        bytes_case(
            "a comment never closed", content.replace(b"<PatientInfo>", b"<PatientInfo><!--"), "comment in it is longer"
        ),
        bytes_case("gzip inside", gzip.compress(content), "gzip-compressed.*unzip"),
    ]


HEAD, TAIL = b"<CardiologyXML><ObservationType>RestECG</ObservationType>", b"</CardiologyXML>"


def _filled(piece: bytes, size: int = 15 * MB) -> bytes:
    return HEAD + piece * (size // len(piece)) + TAIL


def _attributes(count: int, value: bytes) -> bytes:
    return b"<b " + b" ".join(b'a%d="%s"' % (i, value) for i in range(count)) + b"/>"


def _namespaces() -> bytes:
    names = b"".join(b"<n:a%d/>" % i for i in range(50_000))
    return b'<a xmlns:n="' + b"x" * 60_000 + b'">' + names + b"</a>"


def _long_disclosure() -> bytes:
    lines = full_disclosure(1)
    start, stop = lines.index("</SampleCountTotal>") + 20, lines.index("</FullDisclosureData>")
    second = lines[start:stop]
    return cardiosoft(strip=lines[:start] + second * (15 * MB // len(second)) + lines[stop:]).encode()


def _excessive() -> list[Case]:
    excess = {
        "elements 200,000 deep": lambda: b"<a>" * 200_000,
        "elements 65 deep": lambda: b"<a>" * 65 + b"</a>" * 65,
        "15 MB of elements": lambda: _filled(b"<b/>"),
        "15 MB of elements with attributes": lambda: _filled(b'<b c="d" e="f" g="h" i="j"/>'),
        "15 MB of attributes": lambda: _filled(_attributes(100, b"1")),
        "one tag of 10 MB": lambda: HEAD + _attributes(1_100_000, b"1") + TAIL,
        "one tag of 10 MB, all its values >": lambda: HEAD + _attributes(1_100_000, b">") + TAIL,
        "one attribute of 15 MB": lambda: HEAD + b'<b c="' + b"x" * (15 * MB) + b'"/>' + TAIL,
        "a name of 15 MB": lambda: b"<" + b"x" * (15 * MB) + b"/>",
        "a comment of 15 MB": lambda: HEAD + b"<!--" + b"x" * (15 * MB) + b"-->" + TAIL,
        "15 MB of comments": lambda: _filled(b"<!---->"),
        "15 MB of <": lambda: _filled(b"<" * 65_000 + b">"),
        "a namespace of 60 kB behind every name": _namespaces,
    }
    empty = {"one text": b"x", "empty lines": b"\n", "references": b"&lt;", "CDATA": b"<![CDATA[a]]>"}
    return [
        *(bytes_case(name, content, "not the XML of an ECG|well-formed") for name, content in excess.items()),
        *(
            bytes_case(f"15 MB of {name}", lambda piece=piece: _filled(piece), "no waveform")
            for name, piece in empty.items()
        ),
        bytes_case("15 MB of full disclosure", _long_disclosure, right=_ten_seconds),
        bytes_case(
            "one lead of 15 MB", lambda: cardiosoft([("I", "1," * (7 * MB))]).encode(), "samples a lead, more than"
        ),
        bytes_case("one sample of 15 MB", lambda: cardiosoft([("I", "1" * (15 * MB))]).encode(), "not a whole number"),
        bytes_case("twelve leads of 1 MB", _most_samples, right=lambda found: ""),
        Case("120 MB", _of_size(120 * MB), "larger than"),
    ]


def _most_samples() -> bytes:
    return cardiosoft({lead: ",".join(["-100", "100"] * 149_000) for lead in LEADS}).encode()


def _ten_seconds(found) -> str:
    return "" if found.signal.shape == (12, 5000) else f"read as {found.signal.shape}"


def _of_size(size: int) -> Callable[[Path], Path]:
    def write(folder: Path) -> Path:
        path = folder / "case.xml"
        path.write_bytes(cardiosoft().encode())
        os.truncate(path, size)  # sparse: takes no disk, and must not be read
        return path

    return write


def _no_file() -> list[Case]:
    def linked(folder: Path) -> Path:
        (folder / "case.xml").symlink_to(folder / "case.xml")
        return folder / "case.xml"

    def directory(folder: Path) -> Path:
        (folder / "case.xml").mkdir()
        return folder / "case.xml"

    def pipe(folder: Path) -> Path:
        os.mkfifo(folder / "case.xml")  # opening it would wait for a writer for ever
        return folder / "case.xml"

    return [
        Case("a link to itself", linked, "no such file|cannot be read"),
        Case("a folder", directory, "no such file"),
        Case("a named pipe", pipe, "no such file"),
        Case("no file", lambda folder: folder / "case.xml", "no such file"),
        Case("a name of 300 characters", lambda folder: folder / ("x" * 300 + ".xml"), "cannot be read|no such file"),
        Case("a device", lambda folder: Path("/dev/zero"), "no such file"),
    ]
