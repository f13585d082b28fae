"""DICOM within a cohort: found, hashed, put onto the grid, converted; and nothing of the patient comes out."""

import csv
import gzip
import logging
import sys
import warnings

import numpy as np
import pytest
import tyro

from benchmarks.dicom_person import write_zip
from cohort.cine import CineStack, Label, read_nifti, write_nifti
from cohort.content import fingerprint
from cohort.convert import NOTES, REFUSED, main
from cohort.dicom_files import holds_dicom
from cohort.dicom_pixels import PixelData
from cohort.dicom_stack import read_dicom, read_short_axis
from cohort.discovery import find_subjects
from cohort.errors import InputError, exit_code_of
from cohort.heart_grid import read_heart, read_stacks
from cohort.prepared import source_files
from cohort.subjects import ShortAxis, Subject
from tests.corpora.case import CANARY, CANARY_PID
from tests.corpora.dicom_corpus import dicom_cases, misnamed
from tests.corpora.dicom_files import contents, images, true_affine, true_values, write_folder, zipped

EID = 9_000_001
TRUE = CineStack(np.asarray(true_values().transpose(3, 2, 0, 1), np.int16), true_affine(), 0.11)


@pytest.fixture(scope="module")
def sound():
    return zipped(contents(images()))


def data_of(folder, **zips):
    """A data folder with zips of field 20209: eid_<number>=content."""
    (folder / "UKBB" / "NIFTI").mkdir(parents=True)
    for name, content in zips.items():
        (folder / "UKBB" / "NIFTI" / f"{name[1:]}_20209_2_0.zip").write_bytes(content)
    return folder / "UKBB"


def test_a_zip_in_the_folder_is_a_subjects_mri(tmp_path, sound):
    (subject,) = find_subjects(data_of(tmp_path, **{f"_{EID}": sound}))
    assert (subject.eid, subject.instance, subject.has_mri) == (EID, 2, True)
    (cine,), (labels,) = read_stacks(subject)
    assert np.array_equal(cine.voxels, TRUE.voxels) and labels is None


def test_a_label_map_of_the_same_geometry_is_used_and_another_refused(tmp_path):
    write_zip(tmp_path / "a.zip", slices=6, frames=8)
    cine = read_short_axis(tmp_path / "a.zip")
    maps = np.zeros(cine.voxels.shape, np.uint8)
    maps[100:140, 80:120] = Label.LV_MYOCARDIUM
    for frame in range(8):
        maps[108 + frame : 132 - frame, 88:112, :, frame] = Label.LV_CAVITY
    moved = cine.affine.copy()
    moved[0, 3] += 5
    grids = []
    for name, affine in (("same", cine.affine), ("moved", moved)):
        write_nifti(tmp_path / f"{name}.nii.gz", CineStack(maps, affine, 0.02))
        images_of = ShortAxis(dicom=tmp_path / "a.zip", labels_cine=tmp_path / f"{name}.nii.gz")
        grids.append(lambda images_of=images_of: read_heart(Subject(EID, 2, images=images_of)))
    assert (grids[0]().labels == Label.LV_CAVITY).any(axis=(0, 2, 3)).all()
    with pytest.raises(InputError, match="differ in size or affine"):
        grids[1]()


def test_a_nifti_of_the_same_person_goes_first(tmp_path, sound):
    (tmp_path / "a.zip").write_bytes(b"no zip")
    write_nifti(tmp_path / "sa.nii.gz", TRUE)
    both = ShortAxis(cine=tmp_path / "sa.nii.gz", dicom=tmp_path / "a.zip")
    assert np.array_equal(read_stacks(Subject(EID, 2, images=both))[0][0].voxels, TRUE.voxels)


def key(subject):
    return fingerprint({}, source_files(subject))


def test_the_key_follows_what_a_zip_and_a_folder_hold(tmp_path, sound):
    (tmp_path / "a.zip").write_bytes(sound)
    folder = write_folder(tmp_path, contents(images()), "a")
    first, nested = sorted((folder / "a").iterdir())[0], Subject(EID, 2, images=ShortAxis(dicom=folder))
    packed = Subject(EID, 2, images=ShortAxis(dicom=tmp_path / "a.zip"))
    before = key(packed), key(nested)
    (tmp_path / "a.zip").write_bytes(sound + b"\0")
    content = first.read_bytes()
    first.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    after = key(packed), key(nested)
    assert before[0] != after[0] and before[1] != after[1]
    first.write_bytes(content)
    assert key(nested) == before[1]


def test_only_long_axis_cines_are_no_short_axis(tmp_path):
    case = next(case for case in dicom_cases() if case.name == "only long-axis cines")
    path = case.write(tmp_path)
    assert list(read_dicom(path).long_axis) == ["2ch", "3ch", "4ch"]
    with pytest.raises(InputError, match="no stack of 5 or more parallel ones"):
        read_short_axis(path)


def test_nothing_is_written_and_nothing_said_while_reading(tmp_path, capfd, caplog):
    """pydicom warns of such objects in two ways; other warnings of it quote values."""
    (tmp_path / "a.zip").write_bytes(zipped(misnamed()))
    before = sorted(tmp_path.rglob("*"))
    caplog.clear()
    with warnings.catch_warnings(record=True) as warned, caplog.at_level(logging.DEBUG):
        warnings.simplefilter("always")
        study = read_dicom(tmp_path / "a.zip")
    out, err = capfd.readouterr()
    assert not warned and not caplog.records and out == err == ""
    assert sorted(tmp_path.rglob("*")) == before
    held = repr(study) + repr(study.short_axis) + repr(study.notes)
    assert CANARY not in held and CANARY_PID not in held and "1.2.3" not in held


def test_a_missing_codec_is_named(tmp_path, monkeypatch):
    class Decoder:
        is_available = False

    monkeypatch.setattr("cohort.dicom_pixels.get_decoder", lambda syntax: Decoder)
    pixels = PixelData(b"", "1.2.840.10008.1.2.4.70", 4, 4, 1, 16, 12, 11, False)
    with pytest.raises(InputError, match=r"compressed as JPEG Lossless.*pip install pylibjpeg") as refusal:
        pixels.frame("case.zip")
    assert refusal.value.code == "format"


def test_what_holds_dicom_is_told_by_content(tmp_path, sound):
    (tmp_path / "a.nii.gz").write_bytes(sound)
    (tmp_path / "b.zip").write_bytes(gzip.compress(b"no zip"))
    (tmp_path / "empty").mkdir()
    folder = write_folder(tmp_path, contents(images()[:1]), "a")
    assert holds_dicom(tmp_path / "a.nii.gz") and holds_dicom(folder) and holds_dicom(folder / "a" / "00000")
    assert not holds_dicom(tmp_path / "b.zip") and not holds_dicom(tmp_path / "empty")


def converted(data, output, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["convert", "--data", str(data), "--output", str(output), "--quiet"])
    return exit_code_of(lambda: tyro.cli(main))


def test_dicom_becomes_nifti_that_names_nobody(tmp_path, sound, monkeypatch):
    long = next(case for case in dicom_cases() if case.name == "long-axis cines beside").write(tmp_path).read_bytes()
    data = data_of(tmp_path, **{f"_{EID}": sound, f"_{EID + 1}": long})
    assert converted(data, tmp_path / "out", monkeypatch) == 0
    found = read_nifti(tmp_path / "out" / f"{EID}_2" / "sa.nii.gz")
    assert np.array_equal(found.voxels, TRUE.voxels) and np.abs(found.affine - TRUE.affine).max() < 1e-4
    assert found.frame_interval_s == pytest.approx(0.11)
    names = sorted(path.name for path in (tmp_path / "out" / f"{EID + 1}_2").iterdir())
    assert names == ["la_2ch.nii.gz", "la_3ch.nii.gz", "la_4ch.nii.gz", "sa.nii.gz"]
    for path in (tmp_path / "out").rglob("*.nii.gz"):
        content = gzip.decompress(path.read_bytes())
        assert CANARY.encode() not in content and CANARY_PID.encode() not in content
        assert path.stat().st_mode & 0o077 == 0


def test_conversion_says_who_was_refused_and_continues(tmp_path, sound, monkeypatch, capsys):
    data = data_of(tmp_path, **{f"_{EID}": sound, f"_{EID + 1}": sound[:3000]})
    assert converted(data, tmp_path / "out", monkeypatch) == 2
    assert "1 of 2 cannot be read" in capsys.readouterr().err
    with (tmp_path / "out" / REFUSED).open(newline="") as file:
        _, row = csv.reader(file)
    assert row[:3] == [str(EID + 1), "2", "truncated"]
    kept = tmp_path / "out" / f"{EID}_2" / "sa.nii.gz"
    before = kept.stat().st_mtime_ns
    (data / "NIFTI" / f"{EID + 1}_20209_2_0.zip").write_bytes(sound)
    assert converted(data, tmp_path / "out", monkeypatch) == 0
    assert kept.stat().st_mtime_ns == before and (tmp_path / "out" / f"{EID + 1}_2" / "sa.nii.gz").exists()
    assert "1 converted, 1 were there" in capsys.readouterr().out


def test_who_withdrew_is_not_converted_and_what_was_mended_is_told(tmp_path, monkeypatch, capsys):
    lossy = zipped(contents([image for image in images() if (image.slice, image.frame) != (1, 3)]))
    data = data_of(tmp_path, **{f"_{EID}": lossy, f"_{EID + 1}": lossy})
    (data / "withdrawn.csv").write_text(f"{EID + 1}\n")
    assert converted(data, tmp_path / "out", monkeypatch) == 0
    assert [path.name for path in (tmp_path / "out").iterdir() if path.is_dir()] == [f"{EID}_2"]
    assert (tmp_path / "out").stat().st_mode & 0o077 == 0
    for run in range(2):  # the second has nothing left to do, and keeps what the first said
        with (tmp_path / "out" / NOTES).open(newline="") as file:
            _, row = csv.reader(file)
        assert row == [str(EID), "2", "frames of 1 of 6 slices are absent: the nearest ones are repeated"], run
        assert converted(data, tmp_path / "out", monkeypatch) == 0
    assert "1 person who withdrew" in capsys.readouterr().out


def test_a_cohort_without_dicom_is_not_converted(tmp_path, monkeypatch, capsys):
    data = data_of(tmp_path)
    (data / "NIFTI" / str(EID)).mkdir()
    write_nifti(data / "NIFTI" / str(EID) / "sa.nii.gz", TRUE)
    assert converted(data, tmp_path / "out", monkeypatch) == 2
    assert "holds no DICOM" in capsys.readouterr().err and not (tmp_path / "out").exists()
