"""Uploaded files lie where sample.py would find them."""

import pytest

from cohort.errors import InputError
from showing.uploads import Upload, laid_ecg, laid_mri


@pytest.fixture
def given(tmp_path):
    """Uploads of these names, each in a folder and under a name that gradio chose."""

    def given(*names):
        uploads = []
        for number, name in enumerate(names):
            path = tmp_path / "cache" / str(number) / "file"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(name)
            uploads.append(Upload(path, name))
        return uploads

    return given


def names(folder):
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


@pytest.mark.parametrize(
    ("files", "read"),
    [
        (["Jo (1).xml"], "Jo (1).xml"),
        (["a.dat", "a.hea"], "a.hea"),
        (["a.HEA", "a.DAT"], "a.HEA"),
        (["a.mat", "a.hea"], "a.hea"),
        (["a.dat"], "a.dat"),
    ],
)
def test_the_file_that_tells_of_the_others_is_read_under_its_own_name(given, tmp_path, files, read):
    path = laid_ecg(given(*files), tmp_path / "ecg")
    assert path == tmp_path / "ecg" / read and path.read_text() == read
    assert names(tmp_path / "ecg") == sorted(files)


def test_two_recordings_at_once_and_none_are_refused(given, tmp_path):
    with pytest.raises(InputError, match=r"2 recordings are given \(a.xml, b.xml\)"):
        laid_ecg(given("a.xml", "b.xml"), tmp_path / "ecg")
    with pytest.raises(InputError, match="none is given"):
        laid_ecg([], tmp_path / "none")


@pytest.mark.parametrize(
    "name", ["../../outside.xml", "/no/such/folder/outside.xml", "..\\outside.xml", "a\0b.xml", ".."]
)
def test_a_hostile_name_stays_in_the_folder(given, tmp_path, name):
    path = laid_ecg(given(name), tmp_path / "below" / "ecg")
    assert path.parent == tmp_path / "below" / "ecg" and path.is_file()
    assert not list(tmp_path.rglob("../outside.xml")) and len(names(tmp_path / "below")) == 1


def test_an_upload_that_is_gone_is_told_by_its_name(given, tmp_path):
    (upload,) = given("a.xml")
    upload.path.unlink()
    with pytest.raises(InputError, match="^a.xml: is no longer there; drop it again"):
        laid_ecg([upload], tmp_path / "ecg")


def test_an_mri_lies_where_it_is_matched_with_the_ecg(given, tmp_path):
    bulk, visit_3, other = (tmp_path / f"{name}.xml" for name in ("9000001_20205_2_0", "9000001_20205_3_0", "jo"))
    assert laid_mri([], tmp_path / "a", bulk) is None
    assert laid_mri(given("x.zip"), tmp_path / "b", bulk) == tmp_path / "b" / "x.zip"
    assert laid_mri(given("1.dcm", "2.dcm"), tmp_path / "c", bulk) == tmp_path / "c"
    assert names(tmp_path / "c") == ["1.dcm", "2.dcm"]
    assert laid_mri(given("sa.nii.gz", "seg_sa.nii.gz"), tmp_path / "d", bulk) == tmp_path / "d"
    assert names(tmp_path / "d") == ["NIFTI/9000001/sa.nii.gz", "NIFTI/9000001/seg_sa.nii.gz"]
    laid_mri(given("sa_ED.nii.gz", "sa_ES.nii.gz"), tmp_path / "e", visit_3)
    assert names(tmp_path / "e") == ["NIFTI/9000001_3/sa_ED.nii.gz", "NIFTI/9000001_3/sa_ES.nii.gz"]
    assert laid_mri(given("sa.nii.gz", "seg_sa.nii.gz"), tmp_path / "f", other) == tmp_path / "f" / "sa.nii.gz"
    with pytest.raises(InputError, match="does not say whose"):
        laid_mri(given("sa_ED.nii.gz", "sa_ES.nii.gz"), tmp_path / "g", other)
