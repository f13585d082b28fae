"""A refusal in the words of the page."""

import gzip
from pathlib import Path

import numpy as np
import pytest

from cohort.cine import CineStack, write_nifti
from cohort.disk import MAKE_ROOM
from cohort.ecg import read_ecg
from cohort.errors import InputError
from sampling.inputs import require_mri
from showing.words import FEWER, ODD_FILES, RATE, OwnFileNames, refusal
from tests.corpora.device_files import write_wfdb

FOLDER = Path("/tmp/ecg-to-mri-x/pages/3f/tmp9")


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (InputError(FOLDER / "ecg" / "a b.xml", "empty", "copy it"), "a b.xml: empty; copy it"),
        (InputError(FOLDER / "mri", "holds no DICOM", "give one"), "the true MRI: holds no DICOM; give one"),
        (InputError(FOLDER / "mri/NIFTI/9000001/sa.nii.gz", "bad", "copy it"), "sa.nii.gz: bad; copy it"),
        (InputError("--age", "3 is not possible", "give 18 to 99"), "Age: 3 is not possible; give 18 to 99"),
        (InputError("a\n.csv", "--agents", "none"), "a .csv: --agents; none"),
        (InputError("a.xml", "too large", "--no-page"), "a.xml: too large; --no-page (an option of the command line)"),
    ],
)
def test_a_refusal_names_fields_and_files_and_neither_options_nor_folders(fault, words):
    assert refusal(fault, FOLDER) == words


@pytest.mark.parametrize(
    ("fault", "field"),
    [
        (lambda csv: read_ecg(csv), RATE),
        (lambda csv: read_ecg(csv, sampling_rate=500), FEWER),
        (lambda csv: require_mri(csv / "none"), ODD_FILES),
    ],
)
def test_a_remedy_names_the_field_and_where_it_lies(tmp_path, fault, field):
    rows = [f"{i % 7 / 10},{i % 5 / 10},{i % 3 / 10}" for i in range(5000)]
    (tmp_path / "a.csv").write_text("\n".join(["I,II,V1", *rows]))
    with pytest.raises(InputError) as told:
        fault(tmp_path / "a.csv")
    said = refusal(told.value, tmp_path)
    assert f"“{field}”" in said and f"under “{ODD_FILES}”" in said and "--" not in said and "allow" not in said


def test_a_header_without_its_signals_asks_for_them(tmp_path):
    (tmp_path / "ecg").mkdir()
    header = write_wfdb(tmp_path / "ecg")
    header.with_suffix(".dat").unlink()
    with pytest.raises(InputError, match="put it beside the header") as told:
        read_ecg(header)
    said = refusal(told.value, tmp_path)
    assert said == "case.dat: there is no such file, and the header names it; drop it as well"


@pytest.mark.parametrize("ending", [".nii", ".nii.gz"])
def test_an_mri_in_place_of_an_ecg_is_told_as_what_it_is(tmp_path, ending):
    write_nifti(tmp_path / "sa.nii.gz", CineStack(np.ones((4, 4, 2, 3), np.int16), np.eye(4), 0.05))
    if ending == ".nii":
        (tmp_path / "sa.nii").write_bytes(gzip.decompress((tmp_path / "sa.nii.gz").read_bytes()))
    with pytest.raises(InputError, match="NIfTI, the format of an MRI.*; give it with --mri") as told:
        read_ecg(tmp_path / f"sa{ending}")
    assert f"give it as the true MRI, under “{ODD_FILES}”" in refusal(told.value, tmp_path)


def test_a_full_disk_does_not_promise_that_a_command_continues():
    said = refusal(InputError(FOLDER / "out", "cannot be written", MAKE_ROOM), FOLDER)
    assert "command" not in said and said.endswith("then draw the heart again")


def test_warnings_call_files_by_their_own_names():
    naming = OwnFileNames(folder=FOLDER)
    assert naming.shown(f"{FOLDER}/mri/x.zip: two frames, {FOLDER}/ecg/a.xml") == "x.zip: two frames, a.xml"
    assert naming("jo") == "jo"
