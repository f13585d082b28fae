"""Every refusal of a reader has a code; codes do not change with the wording of a message."""

import ast
import gzip
from pathlib import Path

import numpy as np
import pytest

from cohort.cine import CineStack, read_nifti, write_nifti
from cohort.ecg import read_ecg
from cohort.errors import InputError
from cohort.exclusion import EXCLUDED, REASONS, Exclusion, counts, read_excluded, reason_code, write_excluded
from cohort.heart_grid import heart_grid

ROOT = Path(__file__).parents[2]
READERS = (
    "cardiosoft",
    "device_xml",
    "ecg",
    "exchanged_ecg",
    "input_file",
    "leads",
    "muse",
    "wfdb_record",
    "cine",
    "heart_grid",
    "label_numbering",
    "labelled_orientation",
)
WRITERS = {"write_nifti", "_storable", "_orthonormal"}  # refuse what they are given, not what they read


def refusals(module: str) -> list[ast.Call]:
    """The calls of InputError in a module's readers."""
    tree = ast.parse((ROOT / "cohort" / f"{module}.py").read_text())
    readers = [node for node in tree.body if getattr(node, "name", "") not in WRITERS]
    calls = [node for reader in readers for node in ast.walk(reader) if isinstance(node, ast.Call)]
    return [call for call in calls if getattr(call.func, "id", "") == "InputError"]


def test_every_refusal_of_a_reader_has_a_code():
    given = [
        (ast.unparse(call), next((word.value for word in call.keywords if word.arg == "code"), None))
        for module in READERS
        for call in refusals(module)
    ]
    assert len(given) > 40
    assert not [call for call, code in given if code is None]
    fixed = {code.value for _, code in given if isinstance(code, ast.Constant)}
    assert fixed | {"empty", "crc"} == set(REASONS)  # these two depend on what was read: see the tests below


def test_what_nobody_foresaw_is_other():
    assert reason_code("mri", InputError("a", "the moon is full", "wait")) == "mri_other"


def test_a_code_stays_when_the_message_is_reworded():
    assert reason_code("mri", InputError("a", "the moon is full", "wait", code="crc")) == "mri_crc"


STILL = CineStack(np.random.default_rng(0).integers(0, 90, (6, 6, 4, 1)).astype(np.int16), np.diag([2.0, 2, 8, 1]))
FLAT = CineStack(np.ones((6, 6, 4, 1), np.int16), STILL.affine)
HTML = b"<html><body>Not found</body></html>"
BAD_MRI = {
    "mri_absent": None,
    "mri_empty": b"",
    "mri_format": HTML * 20,
    "mri_crc": lambda gz: gz[:-8] + bytes([gz[-8] ^ 1]) + gz[-7:],
    "mri_truncated": lambda gz: gz[: len(gz) // 2],
    "mri_damaged": lambda gz: gz[:40] + bytes(30) + gz[70:],
    "mri_geometry": lambda gz: changed(gz, 80, np.float32(np.nan).tobytes()),  # pixdim[1]
    "mri_too_large": lambda gz: changed(gz, 42, b"\xff\x7f\xff\x7f\x40\x00"),  # dim[1:4]
    "mri_samples": lambda gz: changed(gz, 70, b"\x20\x00"),  # complex
}
BAD_ECG = {
    "ecg_absent": None,
    "ecg_empty": b" \n",
    "ecg_format": HTML,
    "ecg_truncated": b"<CardiologyXML><ObservationType>RestECG</Obser",
    "ecg_damaged": b"<CardiologyXML></Cardiology>",
    "ecg_no_waveform": b"<CardiologyXML><ObservationType>RestECG</ObservationType></CardiologyXML>",
    "ecg_too_large": b"<a>" * 99,
}


def changed(gz: bytes, start: int, new: bytes) -> bytes:
    content = gzip.decompress(gz)
    return gzip.compress(content[:start] + new + content[start + len(new) :])


def code_of(part, read, path, bad) -> str:
    if bad is not None:
        path.write_bytes(bad(path.read_bytes()) if callable(bad) else bad)
    else:
        path.unlink(missing_ok=True)
    with pytest.raises(InputError) as refusal:
        read(path)
    return reason_code(part, refusal.value)


@pytest.mark.parametrize("code", BAD_MRI)
def test_a_damaged_mri_gets_the_code_of_its_damage(tmp_path, code):
    write_nifti(tmp_path / "sa.nii.gz", STILL)
    assert code_of("mri", read_nifti, tmp_path / "sa.nii.gz", BAD_MRI[code]) == code


@pytest.mark.parametrize("code", BAD_ECG)
def test_a_damaged_ecg_gets_the_code_of_its_damage(tmp_path, code):
    assert code_of("ecg", read_ecg, tmp_path / "ecg.xml", BAD_ECG[code]) == code


def test_what_is_wrong_with_the_pixels_has_codes_too(tmp_path):
    write_nifti(tmp_path / "a.nii.gz", FLAT)
    with pytest.raises(InputError) as constant:
        read_nifti(tmp_path / "a.nii.gz")
    with pytest.raises(InputError) as differing:
        heart_grid(STILL, CineStack(STILL.voxels[:5], STILL.affine))
    assert [reason_code("mri", found.value) for found in (constant, differing)] == ["mri_flat", "mri_geometry"]


def test_the_list_says_who_and_why(tmp_path):
    excluded = [
        Exclusion(9_000_001, 2, "ecg_empty", "a.xml: empty; copy it again"),
        Exclusion(9_000_002, 3, "mri_crc", "x"),
    ]
    write_excluded(tmp_path, excluded)
    assert read_excluded(tmp_path) == excluded
    assert (tmp_path / EXCLUDED).read_text().splitlines()[0] == "eid,instance,code,remark"
    assert counts(excluded * 2 + excluded[1:]) == "3 mri_crc, 2 ecg_empty"
