"""A refusal in the words of the page."""

from pathlib import Path

import pytest

from cohort.errors import InputError
from showing.words import OwnFileNames, refusal

FOLDER = Path("/tmp/ecg-to-mri-x/pages/3f/tmp9")


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (InputError(FOLDER / "ecg" / "a b.xml", "empty", "copy it"), "a b.xml: empty; copy it"),
        (InputError(FOLDER / "mri", "holds no DICOM", "give one"), "the true MRI: holds no DICOM; give one"),
        (InputError(FOLDER / "mri/NIFTI/9000001/sa.nii.gz", "bad", "copy it"), "sa.nii.gz: bad; copy it"),
        (InputError("--age", "3 is not possible", "give 18 to 99"), "Age: 3 is not possible; give 18 to 99"),
        (InputError("a.csv", "no rate", "give --sampling-rate, in Hz"), "a.csv: no rate; give Sampling rate, in Hz"),
        (InputError("a\n.csv", "--agents", "--age-old"), "a .csv: --agents; --age-old"),
    ],
)
def test_a_refusal_names_fields_and_files_and_neither_options_nor_folders(fault, words):
    assert refusal(fault, FOLDER) == words


def test_warnings_call_files_by_their_own_names():
    naming = OwnFileNames(folder=FOLDER)
    assert naming.shown(f"{FOLDER}/mri/x.zip: two frames, {FOLDER}/ecg/a.xml") == "x.zip: two frames, a.xml"
    assert naming("jo") == "jo"
