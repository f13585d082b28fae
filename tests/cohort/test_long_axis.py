"""Field 20208: long-axis cines are named by their series, never against geometry, converted, and listed."""

import csv
import shutil
import sys

import numpy as np
import pytest
import tyro

from cohort.cine import read_nifti
from cohort.convert import NOTES, REFUSED, UNFINISHED, main
from cohort.dicom_stack import long_axis_views, read_long_axis
from cohort.discovery import find_subjects
from cohort.errors import InputError, exit_code_of
from cohort.examination import examine_cohort, write_subjects
from cohort.long_axis_views import name_views, view_word
from phantom.heart import draw_heart
from tests.corpora.case import CANARY, CANARY_PID
from tests.corpora.dicom_corpus import LONG, long_axis_images, short_axis_images, view_of
from tests.corpora.dicom_files import TOWARDS_APEX, contents, images, zipped

EID = 9_000_001
NORMAL = TOWARDS_APEX * [-1, -1, 1]
VIEWS = ["la_2ch.nii.gz", "la_3ch.nii.gz", "la_4ch.nii.gz"]


@pytest.fixture(scope="module")
def long():
    return zipped(contents(long_axis_images()))


@pytest.fixture(scope="module")
def short():
    return zipped(contents(images()))


def put(folder, field, content, eid=EID):
    (folder / "UKBB" / "NIFTI").mkdir(parents=True, exist_ok=True)
    (folder / "UKBB" / "NIFTI" / f"{eid}_{field}_2_0.zip").write_bytes(content)
    return folder / "UKBB"


def converted(folder, monkeypatch):
    options = ["--data", str(folder / "UKBB"), "--output", str(folder / "out"), "--quiet"]
    monkeypatch.setattr(sys, "argv", ["convert", *options])
    return exit_code_of(lambda: tyro.cli(main))


def names(folder, eid=EID):
    return sorted(path.name for path in (folder / "out" / f"{eid}_2").iterdir())


def rows(path):
    with path.open(newline="") as file:
        return list(csv.reader(file))[1:]


@pytest.mark.parametrize(
    ("description", "view"),
    [
        (b"CINE_segmented_LAX_2Ch", "2ch"),
        (b"LAX 3-chamber", "3ch"),
        (b"4CH", "4ch"),
        (b"CINE_3ch_LVOT", "3ch"),
        (b"cine_LVOT_cor", "lvot"),
        (b"CINE_segmented_SAX_b12", ""),
        (b"solvote", ""),
        (b"12ch", ""),
    ],
)
def test_words_of_a_series_name_its_view(description, view):
    assert view_word(description) == view


def test_without_a_short_axis_only_the_words_and_the_planes_among_themselves_count():
    along = np.eye(3)
    assert name_views(["2ch", "4ch"], along[:2]) == (["2ch", "4ch"], ())
    assert name_views(["2ch", "4ch"], along[:2], along[2]) == (["2ch", "4ch"], ())
    named, (note,) = name_views(["2ch", "4ch"], along[:2], along[0])
    assert named == ["", "4ch"] and "called 2ch lies as the short axis does" in note


def test_an_outflow_tract_is_the_three_chamber_view_only_where_none_is_called_so():
    along = np.eye(3)
    assert name_views(["lvot", "2ch"], along[:2])[0] == ["3ch", "2ch"]
    assert name_views(["lvot", "3ch", "2ch"], along)[0] == ["", "3ch", "2ch"]


def test_the_views_of_a_zip_are_read_and_no_short_axis(tmp_path, long):
    (tmp_path / "a.zip").write_bytes(long)
    study = read_long_axis(tmp_path / "a.zip", NORMAL)
    assert study.short_axis is None and study.notes == () and list(study.long_axis) == ["2ch", "3ch", "4ch"]
    assert long_axis_views(tmp_path / "a.zip", NORMAL) == (("2ch", "3ch", "4ch"), ())
    for number, cine in enumerate(study.long_axis.values()):
        voxels, in_plane = view_of(number)
        assert np.array_equal(cine.voxels, voxels) and np.abs(cine.affine[:3, :2] - in_plane).max() < 1e-4
        assert cine.frame_interval_s == pytest.approx(0.11)


def test_a_stack_in_the_zip_is_not_taken_for_a_view_nor_for_the_short_axis(tmp_path, short):
    (tmp_path / "a.zip").write_bytes(zipped(contents([*long_axis_images(), *images()])))
    study = read_long_axis(tmp_path / "a.zip")
    assert study.short_axis is None and list(study.long_axis) == ["2ch", "3ch", "4ch"]
    assert study.notes == ("1 stacks of parallel cines are no long axis: they are left out",)
    (tmp_path / "b.zip").write_bytes(short)
    with pytest.raises(InputError, match="no long-axis cine .but 1 stacks of 5 or more parallel cines"):
        read_long_axis(tmp_path / "b.zip")


def test_long_axis_zips_become_nifti_beside_the_short_axis(tmp_path, long, short, monkeypatch, capsys):
    put(tmp_path, 20208, long)
    put(tmp_path, 20209, short)
    assert converted(tmp_path, monkeypatch) == 0
    assert names(tmp_path) == [*VIEWS, "sa.nii.gz"] and rows(tmp_path / "out" / NOTES) == []
    for number, name in enumerate(VIEWS):
        found = read_nifti(tmp_path / "out" / f"{EID}_2" / name)
        voxels, in_plane = view_of(number)
        assert np.array_equal(found.voxels, voxels) and np.abs(found.affine[:3, :2] - in_plane).max() < 1e-4
        assert found.frame_interval_s == pytest.approx(0.11)
        content = (tmp_path / "out" / f"{EID}_2" / name).read_bytes()
        assert CANARY.encode() not in content and CANARY_PID.encode() not in content
    capsys.readouterr()
    assert converted(tmp_path, monkeypatch) == 0
    assert "0 converted, 1 were there" in capsys.readouterr().out


def test_views_are_added_where_the_short_axis_was_converted_before(tmp_path, long, short, monkeypatch):
    data = put(tmp_path, 20209, short)
    assert converted(tmp_path, monkeypatch) == 0 and names(tmp_path) == ["sa.nii.gz"]
    before = (tmp_path / "out" / f"{EID}_2" / "sa.nii.gz").stat().st_mtime_ns
    put(tmp_path, 20208, zipped(contents([*short_axis_images(LONG[0], 0), *long_axis_images(LONG[1:], (60, 120))])))
    assert converted(tmp_path, monkeypatch) == 0
    assert names(tmp_path) == ["la_1.nii.gz", *VIEWS[1:], "sa.nii.gz"]  # the short axis there contradicts the name
    assert [row[2] for row in rows(tmp_path / "out" / NOTES)] == [
        "a series called 2ch lies as the short axis does: it is not taken for that view"
    ]
    assert (tmp_path / "out" / f"{EID}_2" / "sa.nii.gz").stat().st_mtime_ns == before
    assert data.exists()


def test_an_interrupted_conversion_of_views_begins_again(tmp_path, long, short, monkeypatch):
    put(tmp_path, 20208, long)
    put(tmp_path, 20209, short)
    assert converted(tmp_path, monkeypatch) == 0
    person = tmp_path / "out" / f"{EID}_2"
    (person / UNFINISHED).mkdir()
    (person / VIEWS[0]).replace(person / UNFINISHED / VIEWS[0])
    (person / UNFINISHED / "old").touch()
    assert converted(tmp_path, monkeypatch) == 0
    assert names(tmp_path) == [*VIEWS, "sa.nii.gz"]


def test_a_broken_long_axis_zip_leaves_the_short_axis_and_is_told(tmp_path, long, short, monkeypatch, capsys):
    put(tmp_path, 20208, long[:3000])
    put(tmp_path, 20209, short)
    assert converted(tmp_path, monkeypatch) == 2
    assert names(tmp_path) == ["sa.nii.gz"] and "1 of 1 cannot be read" in capsys.readouterr().err
    (row,) = rows(tmp_path / "out" / REFUSED)
    assert row[:3] == [str(EID), "2", "truncated"] and "20208" in row[3]
    put(tmp_path, 20208, long)
    assert converted(tmp_path, monkeypatch) == 0 and names(tmp_path) == [*VIEWS, "sa.nii.gz"]


@pytest.fixture
def two(tmp_path, phantom_data, long):
    """Two phantoms of good short-axis stacks: one with three views, of the other's two one has no name."""
    stacks = [draw_heart(3, index).acquisition for index in range(12)]
    good = [k for k, stack in enumerate(stacks) if min(stack.end_slices) >= 1 and stack.slice_shift_mm < 2]
    for number, content in enumerate(
        (
            zipped(contents(long_axis_images())),
            zipped(contents(long_axis_images(("CINE_segmented_LAX_4Ch", "cine"), (0, 60)))),
        )
    ):
        eid, drawn = EID + number, EID + good[number]
        put(tmp_path, 20208, content, eid)
        shutil.copytree(phantom_data / "NIFTI" / str(drawn), tmp_path / "UKBB" / "NIFTI" / str(eid))
        (tmp_path / "UKBB" / "ecg").mkdir(exist_ok=True)
        shutil.copy(phantom_data / "ecg" / f"{drawn}_20205_2_0.xml", tmp_path / "UKBB" / "ecg" / f"{eid}_20205_2_0.xml")
    return tmp_path / "UKBB"


def test_the_doctor_lists_the_views_of_everybody(two, tmp_path):
    report = examine_cohort(two)
    assert "2  with long-axis MRI (field 20208): 2ch 1, 3ch 1, 4ch 2, unnamed 1; training" in str(report)
    assert len(report.usable) == 2
    write_subjects(tmp_path / "subjects.csv", report)
    with (tmp_path / "subjects.csv").open(newline="") as file:
        found = {row["eid"]: row for row in csv.DictReader(file)}
    assert [found[str(EID + number)]["long_axis"] for number in (0, 1)] == ["2ch 3ch 4ch", "4ch la_1"]
    assert found[str(EID)]["codes"] == "" and found[str(EID + 1)]["codes"] == "mri_long_axis"
    assert "name no view" in found[str(EID + 1)]["findings"]
    for depth in ("names", "headers"):  # the zips of the long axis are opened with --full alone
        assert "with long-axis MRI (field 20208); training" in str(examine_cohort(two, depth))


def test_the_doctor_says_why_a_long_axis_zip_cannot_be_read_and_leaves_nobody_out(two, long):
    (two / "NIFTI" / f"{EID}_20208_2_0.zip").write_bytes(long[:3000])
    report = examine_cohort(two)
    first = report.subjects[0]
    assert first.usable and first.views == () and [f.code for f in first.findings] == ["mri_long_axis"]
    assert "truncated" in first.findings[0].words


def test_the_doctor_lists_views_that_are_nifti_already(two):
    for eid, view in ((EID, "la_2ch"), (EID + 1, "la_4ch")):
        (two / "NIFTI" / f"{eid}_20208_2_0.zip").unlink()
        (two / "NIFTI" / str(eid) / f"{view}.nii.gz").touch()
    assert [subject.long_axis.rpartition("/")[2] for subject in find_subjects(two)] == [str(EID), str(EID + 1)]
    assert [subject.views for subject in examine_cohort(two).subjects] == [("2ch",), ("4ch",)]
