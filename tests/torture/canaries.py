"""Strings that stand for a patient's identity: planted wherever files can hold one, and searched for everywhere."""

import base64
import gzip
import html
import io
import json
import re
import struct
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np

CANARIES = {  # where it is planted: what; invented, and found nowhere else
    "CardioSoft PID": "QZ44187K2093",
    "CardioSoft family name": "Zwölfkanarienfink",
    "CardioSoft given name": "Isidorazeline",
    "CardioSoft birth date": "1931-04-17",
    "CardioSoft street": "Girlitzsteg 86b",
    "CardioSoft city": "Kanarienhausen",
    "CardioSoft telephone": "+49 5561 774 0093",
    "CardioSoft technician": "Stieglitzova",
    "CardioSoft doctor": "Dompfaffenberg",
    "CardioSoft comment": "brought by her brother Ottokar",
    "CardioSoft diagnosis": "known to ward Zeisig",
    "CardioSoft attribute": "bed-Zaunkoenig-12",
    "XML comment": "exported by pc-rotkehlchen",
    "XML processing instruction": "audit-goldammer-7741",
    "MUSE patient id": "MUQZ7719283X",
    "MUSE last name": "Wintergoldhaehnchen",
    "MUSE site": "Klinikum Hausrotschwanz",
    "WFDB comment": "seen with daughter Walpurga",
    "WFDB name": "Teichrohrsaenger",
    "WFDB channel": "pulse-of-Amselfeld",
    "CSV column": "Mauersegler, Hildburg",
    "NIfTI descrip": "Nachtigallen^Theodolinde^19310417",
    "NIfTI db_name": "PACS-Eisvogel-88",
    "NIfTI intent_name": "Kleiber Adelgund",
    "NIfTI aux_file": "rawdata_Pirol_Wanda.dat",
    "NIfTI extension": "(0010,0010) Sperlingsdorf^Kunigunde",
}
DATES = ("19310417", "17.04.1931", "17/04/1931", "1931/04/17")  # the birth date, written otherwise


# ---- Searching ----


def spellings(text: str) -> set[bytes]:
    """How a string may stand in a file, in lower case: encodings, and escapes of JSON, HTML and Python."""
    forms = {text, html.escape(text), json.dumps(text)[1:-1], text.encode("unicode_escape").decode("ascii")}
    forms |= {html.escape(text).encode("ascii", "xmlcharrefreplace").decode("ascii")}
    codes = ("utf-8", "latin-1", "utf-16-le", "utf-16-be", "utf-32-le")  # the last: numpy's strings
    cases = {case for form in forms for case in (form, form.upper())}  # bytes.lower() knows ASCII alone
    return {case.encode(code, "ignore").lower() for case in cases for code in codes}


SOUGHT = {form: where for where, text in CANARIES.items() for form in spellings(text)}
SOUGHT |= {form: "CardioSoft birth date" for text in DATES for form in spellings(text)}


def hits(content: bytes, sought: dict[bytes, str] = SOUGHT) -> set[str]:
    """Which of these strings a file contains, however it is packed."""
    lowered = [layer.lower() for layer in layers(content)]
    return {where for form, where in sought.items() if any(form in layer for layer in lowered)}


def layers(content: bytes, depth: int = 3) -> Iterator[bytes]:
    """The content and everything compressed or encoded in it: gzip, zip (.npz), PNG texts, base64 pictures."""
    yield content
    if depth:
        for inner in _unpacked(content):
            yield from layers(inner, depth - 1)


def _unpacked(content: bytes) -> Iterator[bytes]:
    if content.startswith(b"\x1f\x8b"):
        yield _inflated(content, 31)
    elif content.startswith(b"PK\x03\x04"):
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            yield from (archive.read(name) for name in archive.namelist())
    elif content.startswith(b"\x89PNG"):
        yield from _png_texts(content)
    for found in re.finditer(rb"base64,([A-Za-z0-9+/=\s]{16,})", content):
        yield base64.b64decode(found[1])


def _png_texts(content: bytes) -> Iterator[bytes]:
    """Compressed text chunks, inflated; uncompressed ones stand in the file as they are."""
    at = 8
    while at + 8 <= len(content):
        length, kind = struct.unpack(">I4s", content[at : at + 8])
        if kind in (b"zTXt", b"iTXt"):
            data = content[at + 8 : at + 8 + length]
            starts = [k for k in range(len(data) - 1) if data[k] == 0x78]
            yield from (_inflated(data[start:], 15) for start in starts)
        at += 12 + length


def _inflated(content: bytes, window: int) -> bytes:
    """As much of it as can be inflated, even if the file is torn."""
    try:
        return zlib.decompressobj(window).decompress(content, 1 << 28)
    except zlib.error:
        return b""


def found_in(paths: Iterable[Path], base: Path, sought: dict[bytes, str] = SOUGHT) -> dict[str, set[str]]:
    """File -> planted strings in its content or name; files without any are left out."""
    found = {}
    for path in paths:
        name = str(path.relative_to(base))
        if where := hits(path.read_bytes(), sought) | hits(name.encode(), sought):
            found[name] = where
    return found


def search_works(folder: Path) -> dict[str, bool]:
    """Whether a string planted in each kind of file is found; the search itself is tested first."""
    from PIL import Image, PngImagePlugin
    from safetensors.numpy import save_file

    word = CANARIES["CardioSoft family name"]
    folder.mkdir(parents=True)
    (folder / "text").write_text(f"x {word.upper()} y", encoding="utf-8")
    (folder / "latin-1").write_bytes(word.encode("latin-1"))
    (folder / "utf-16").write_text(word, encoding="utf-16")
    (folder / "json").write_text(json.dumps({"a": word}))
    (folder / "html").write_text(word.encode("ascii", "xmlcharrefreplace").decode())
    (folder / "gzip").write_bytes(gzip.compress(gzip.compress(word.encode())))
    np.savez_compressed(folder / "a.npz", a=np.array([word]))
    np.save(folder / "a.npy", np.array([word]))
    save_file({"a": np.zeros(1, np.float32)}, folder / "a.safetensors", {"note": word})
    picture, texts = Image.new("L", (8, 8)), PngImagePlugin.PngInfo()
    texts.add_itxt("note", word, zip=True)
    picture.save(folder / "a.png", pnginfo=texts)
    png = base64.b64encode((folder / "a.png").read_bytes()).decode()
    (folder / "page").write_text(f'<img src="data:image/png;base64,{png}">')
    found = found_in(folder.iterdir(), folder)
    return {path.name: path.name in found for path in sorted(folder.iterdir())}


# ---- Planting ----


def plant_cohort(folder: Path) -> None:
    """Plant them in every XML, NIfTI and table of a phantom cohort; hearts and voltages stay the same."""
    for path in sorted((folder / "ecg").glob("*.xml")):
        path.write_bytes(planted_xml(path.read_bytes()))
    for path in sorted((folder / "NIFTI").rglob("*.nii.gz")):
        path.write_bytes(planted_nifti(path.read_bytes()))
    persons = folder / "persons.csv"
    lines = persons.read_text().splitlines()
    named = [lines[0] + ",full_name", *(f'{line},"{CANARIES["CSV column"]}"' for line in lines[1:])]
    persons.write_text("\n".join(named) + "\n")


def planted_xml(content: bytes) -> bytes:
    """A CardioSoft file that names its patient in every field that such files have."""
    c = {where.split(" ", 1)[1]: text for where, text in CANARIES.items() if where.startswith("CardioSoft")}
    text = content.decode("iso-8859-1")
    address = (
        f"<Address><Street1>{c['street']}</Street1><City>{c['city']}</City><Phone>{c['telephone']}</Phone></Address>"
    )
    doctor = f"<AttendingDoctor><FamilyName>{c['doctor']}</FamilyName></AttendingDoctor>"
    for before, after in (
        ("<PID></PID>", f"<PID>{c['PID']}</PID>"),
        ("<FamilyName></FamilyName>", f"<FamilyName>{c['technician']}</FamilyName>"),  # the first is the technician's
        ("<FamilyName></FamilyName>", f"<FamilyName>{c['family name']}</FamilyName>"),
        ("<GivenName></GivenName>", ""),
        ("<GivenName></GivenName>", f"<GivenName>{c['given name']}</GivenName>"),
        ("<BirthDateTime>", f"{address}<DateOfBirth>{c['birth date']}</DateOfBirth><BirthDateTime>"),
        ("<PatientVisit>", f'<PatientVisit room="{c["attribute"]}">{doctor}'),
        ("<ObservationComment></ObservationComment>", f"<ObservationComment>{c['comment']}</ObservationComment>"),
        ("<Interpretation>", f"<Interpretation><Diagnosis>{c['diagnosis']}</Diagnosis>"),
        (
            "<CardiologyXML>",
            f"<?{CANARIES['XML processing instruction']} x?><!-- {CANARIES['XML comment']} --><CardiologyXML>",
        ),
    ):
        assert before in text, before
        text = text.replace(before, after, 1)
    return text.encode("iso-8859-1")


def planted_nifti(content: bytes) -> bytes:
    """A .nii.gz whose free header fields and extension name a patient; voxels and geometry stay the same."""
    import nibabel as nib

    image = nib.Nifti1Image.from_bytes(gzip.decompress(content))
    for field in ("descrip", "db_name", "intent_name", "aux_file"):
        image.header[field] = CANARIES[f"NIfTI {field}"].encode()
    image.header.extensions.append(nib.nifti1.Nifti1Extension("comment", CANARIES["NIfTI extension"].encode()))
    return gzip.compress(image.to_bytes(), 1)


def planted_muse(millivolts: np.ndarray, rate: int) -> bytes:
    """A GE MUSE file of (12, T) mV in LEADS order that names its patient."""
    c = {where.split(" ", 1)[1]: text for where, text in CANARIES.items() if where.startswith("MUSE")}
    counts = np.round(millivolts * 200).astype("<i2")
    leads = "".join(
        f"<LeadData><LeadID>{name}</LeadID><LeadAmplitudeUnits>MICROVOLTS</LeadAmplitudeUnits>"
        f"<LeadAmplitudeUnitsPerBit>5</LeadAmplitudeUnitsPerBit><WaveFormData>"
        f"{base64.b64encode(counts[row].tobytes()).decode()}</WaveFormData></LeadData>"
        for name, row in (("I", 0), ("II", 1), *((f"V{k}", 5 + k) for k in range(1, 7)))
    )
    return (
        f"<RestingECG><!-- {CANARIES['XML comment']} --><PatientDemographics><PatientID>{c['patient id']}</PatientID>"
        f"<PatientLastName>{c['last name']}</PatientLastName><DateofBirth>{DATES[0]}</DateofBirth>"
        "</PatientDemographics>"
        f"<TestDemographics><SiteName>{c['site']}</SiteName></TestDemographics><Waveform><WaveformType>Rhythm"
        f"</WaveformType><SampleBase>{rate}</SampleBase><SampleExponent>0</SampleExponent>"
        f"{leads}</Waveform></RestingECG>"
    ).encode()


def write_planted_wfdb(folder: Path, name: str, millivolts: np.ndarray, rate: int, leads: Iterable[str]) -> None:
    """A WFDB record of (12, T) mV and one more channel, whose header names its patient."""
    counts = np.round(np.vstack([millivolts, millivolts[:1]]) * 1000).astype("<i2")
    (folder / f"{name}.dat").write_bytes(counts.T.tobytes())
    lines = [f"{name} {len(counts)} {rate} {counts.shape[1]}"]
    lines += [f"{name}.dat 16 1000/mV 16 0 0 0 0 {lead}" for lead in (*leads, CANARIES["WFDB channel"])]
    lines += [f"#Name: {CANARIES['WFDB name']}", "#Age: 61", f"# {CANARIES['WFDB comment']}"]
    (folder / f"{name}.hea").write_text("\n".join(lines) + "\n")
