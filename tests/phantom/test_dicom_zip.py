"""Phantoms as UK Biobank's field 20209: what the zips hold, where they lie, and that they are always the same."""

import csv
import io
import json
import re
import zipfile

import numpy as np
import pydicom
import pytest
from pydicom.uid import ExplicitVRLittleEndian

from cohort.cine import CineStack
from cohort.discovery import find_subjects
from cohort.errors import InputError
from cohort.heart_grid import cine_grid, read_heart, read_stacks
from phantom.cohort_folders import zip_path
from phantom.cohort_plan import CohortPlan
from phantom.cohort_writer import write_cohort
from phantom.dicom_zip import write_dicom_zip
from phantom.heart import draw_heart
from phantom.scanner import scan

PLAN = CohortPlan(seed=6, subjects=2, frames=4, dicom=True)


def contents(folder):
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    folder = tmp_path_factory.mktemp("dicom")
    write_cohort(folder, PLAN, processes=1)
    return folder


@pytest.fixture(scope="module")
def frames(written):
    """(series description, trigger time) -> DICOM file of the first person."""
    with zipfile.ZipFile(zip_path(written, 0)) as archive:
        files = [pydicom.dcmread(io.BytesIO(archive.read(n))) for n in archive.namelist() if n.endswith(".dcm")]
    return {(file.SeriesDescription, float(file.TriggerTime)): file for file in files}


@pytest.fixture(scope="module")
def drawn():
    return scan(draw_heart(6, 0), [0.0, 0.25, 0.5, 0.75])


def test_every_voxel_and_its_place_are_kept(frames, drawn):
    slices, times = drawn.voxels.shape[2], sorted({time for _, time in frames})
    assert len(frames) == slices * 4
    cycle_ms = 60_000 / draw_heart(6, 0).heart_rate_bpm
    np.testing.assert_allclose(times, [0, cycle_ms / 4, cycle_ms / 2, 3 * cycle_ms / 4], rtol=1e-9)
    for z in range(slices):
        for t, time in enumerate(times):
            file = frames[f"CINE_segmented_SAX_b{z + 1}", time]
            assert file.pixel_array.dtype == np.uint16
            np.testing.assert_array_equal(file.pixel_array.T, drawn.voxels[:, :, z, t])
            corner = drawn.affine @ [0, 0, z, 1]
            np.testing.assert_allclose(file.ImagePositionPatient, corner[:3] * [-1, -1, 1], atol=1e-6)
            rows, columns = (float(mm) for mm in file.PixelSpacing)
            across, down = np.reshape(file.ImageOrientationPatient, (2, 3)).astype(float)
            np.testing.assert_allclose(across * columns, drawn.affine[:3, 0] * [-1, -1, 1], atol=1e-6)
            np.testing.assert_allclose(down * rows, drawn.affine[:3, 1] * [-1, -1, 1], atol=1e-6)


def test_a_file_is_plain_and_names_nobody(frames):
    for file in frames.values():
        assert file.file_meta.TransferSyntaxUID == ExplicitVRLittleEndian
        assert "SpacingBetweenSlices" not in file
        assert not (file.PatientName or file.PatientID or file.PatientBirthDate or file.PatientSex or file.StudyDate)
    assert len({file.SOPInstanceUID for file in frames.values()}) == len(frames)
    by_series = {file.SeriesInstanceUID: file.SeriesDescription for file in frames.values()}
    assert len(by_series) == len(set(by_series.values())) == len(frames) // 4


def test_the_manifest_lists_every_file_and_its_dates_hold_a_comma(written):
    with zipfile.ZipFile(zip_path(written, 0)) as archive:
        names, text = archive.namelist(), archive.read("manifest.csv").decode()
    header, *rows = csv.reader(io.StringIO(text))
    assert all(len(row) == len(header) + 1 for row in rows)  # as UK Biobank's, which whoever reads it must mend
    mended = re.sub(r"([A-Z]\w\w) (\d{1,2}), (20\d\d)", r"\2-\1-\3", text)
    table = list(csv.DictReader(io.StringIO(mended)))
    assert sorted(row["filename"] for row in table) == sorted(set(names) - {"manifest.csv"})
    assert {row["series discription"] for row in table} >= {"CINE_segmented_SAX_b1", "CINE_segmented_SAX_b2"}


def test_there_is_one_zip_a_person_and_no_label_map(written):
    assert [name for name in contents(written) if name.startswith("NIFTI")] == [
        "NIFTI/9000001_20209_2_0.zip",
        "NIFTI/9000002_20209_2_0.zip",
    ]
    assert (written / "truth.csv").exists()


def test_the_bytes_depend_on_nothing_but_the_subject(written, tmp_path):
    write_cohort(tmp_path, CohortPlan(seed=6, subjects=3, frames=4, dicom=True), processes=2)
    few, many = contents(written), contents(tmp_path)
    assert all(many[name] == few[name] for name in few if name.startswith(("ecg", "NIFTI")))


def test_the_platform_shards_by_the_first_two_digits(written, tmp_path):
    plan = CohortPlan(seed=6, subjects=1, frames=4, dicom=True, platform=True)
    write_cohort(tmp_path, plan, processes=1)
    there = contents(tmp_path)
    assert {name for name in there if name.startswith("Bulk")} == {
        "Bulk/Electrocardiogram/Resting/90/9000001_20205_2_0.xml",
        "Bulk/Heart MRI/Short axis/90/9000001_20209_2_0.zip",
    }
    assert there["Bulk/Heart MRI/Short axis/90/9000001_20209_2_0.zip"] == zip_path(written, 0).read_bytes()
    write_cohort(tmp_path, plan, processes=1)  # its own folder is known again
    assert contents(tmp_path) == there
    (tmp_path / "Bulk/Heart MRI/Short axis/90/scan.zip").touch()
    with pytest.raises(InputError, match="other people's files"):
        write_cohort(tmp_path, plan, processes=1)


def test_what_cannot_be_is_refused(tmp_path, written):
    with pytest.raises(InputError, match="add --dicom"):
        write_cohort(tmp_path / "a", CohortPlan(seed=6, subjects=1, platform=True))
    with pytest.raises(InputError, match="has dicom True, not False"):
        write_cohort(written, CohortPlan(seed=6, subjects=2, frames=4))
    with pytest.raises(InputError, match="2 is out of range; give 4 to 100"):  # fewer are no cine to any reader
        write_cohort(tmp_path / "b", CohortPlan(seed=6, subjects=1, dicom=True))
    for value in (-1, 65_536):
        voxels = np.full((2, 2, 1, 1), value, np.int32)
        with pytest.raises(ValueError, match="0 to 65_535"):
            write_dicom_zip(tmp_path / "x.zip", 9_000_001, voxels, np.eye(4), [0.0], 1000.0)
    assert not (tmp_path / "x.zip").exists()


def test_from_phantom_to_zip_to_grid_is_from_phantom_to_grid(written, drawn):
    """As a training would: found by its name, read from the zip, put onto the grid."""
    subject, _ = find_subjects(written)
    assert subject.images.dicom and not subject.missing
    (cine,), (labels,) = read_stacks(subject)
    assert labels is None
    np.testing.assert_array_equal(cine.voxels, drawn.voxels)
    np.testing.assert_allclose(cine.affine, drawn.affine, atol=1e-6)
    interval_s = 60 / draw_heart(6, 0).heart_rate_bpm / 4
    assert cine.frame_interval_s == pytest.approx(interval_s, rel=1e-6)
    grid, expected = read_heart(subject), cine_grid(CineStack(drawn.voxels, drawn.affine, interval_s))
    np.testing.assert_allclose(grid.affine, expected.affine, atol=1e-6)
    np.testing.assert_allclose(grid.voxels, expected.voxels, atol=1e-5)
    assert grid.notes == expected.notes


def test_a_cohort_older_than_the_options_goes_on(tmp_path):
    write_cohort(tmp_path, CohortPlan(seed=6, subjects=1, ecg_only=True), processes=1)
    note = tmp_path / "cohort.json"
    older = {key: value for key, value in json.loads(note.read_text()).items() if key not in ("dicom", "platform")}
    note.write_text(json.dumps(older))
    write_cohort(tmp_path, CohortPlan(seed=6, subjects=2, ecg_only=True), processes=1)
    assert len(list((tmp_path / "ecg").iterdir())) == 2
