"""python segment.py on files, folders, zips, and on what is broken."""

import csv
import gzip
import importlib
import json
import shutil
import signal
import sys

import nibabel as nib
import numpy as np
import pytest

import segmenting.patient
from cohort.cine import CineStack, read_nifti, write_nifti
from cohort.errors import exit_code_of
from cohort.motion_table import MOTION_TABLE
from segmenting.record import RECORD, TABLE

WRITTEN = ["contours.png", RECORD, "seg_sa.nii.gz"]


@pytest.fixture(scope="module")
def segment():
    """Run the command in this process: its exit code."""

    def segment(*arguments) -> int:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(sys, "argv", ["segment.py", *map(str, arguments), "--processes", "1", "--quiet"])
            return exit_code_of(importlib.import_module("segment").main)

    return segment


@pytest.fixture(scope="module")
def done(segment, files, tmp_path_factory):
    """The folder that the command wrote of `files`; tests must not write there."""
    output = tmp_path_factory.mktemp("segmented")
    assert segment("--mri", files, "--output", output) == 0
    return output


def names(folder):
    return sorted(path.name for path in folder.iterdir() if not path.name.startswith(".lock"))


def rows_of(table):
    with table.open(newline="") as file:
        return list(csv.DictReader(file))


def test_every_patient_has_labels_a_picture_and_numbers_and_a_row(done, beat):
    assert names(done) == ["9000002_2", "9000003_2", MOTION_TABLE, TABLE]
    assert names(done / "9000002_2") == WRITTEN
    rows = rows_of(done / TABLE)
    assert [row["patient"] for row in rows] == ["9000002_2", "9000003_2"]
    record = json.loads((done / "9000002_2" / RECORD).read_text())
    assert float(rows[0]["LVEDV"]) == record["phenotypes"]["LVEDV"] == pytest.approx(beat.heart.lvedv_ml, rel=0.1)
    assert record["frames"]["count"] == len(record["curve"]["time_ms"]) == len(record["curve"]["LV_ml"]) == 5
    assert record["measured_by"] == "a segmenter that learned from simulated hearts only"
    assert 0 < record["confidence"] < 1


def test_a_label_map_has_the_grid_of_its_file(done, files):
    image = nib.load(files / "9000002" / "sa.nii.gz")
    labels = nib.load(done / "9000002_2" / "seg_sa.nii.gz")
    fields = ("dim", "pixdim", "xyzt_units", "qform_code", "sform_code", "quatern_b", "qoffset_x", "srow_x", "srow_z")
    for field in fields:
        assert np.array_equal(image.header[field], labels.header[field]), field
    assert labels.get_data_dtype() == np.uint8
    assert set(np.unique(np.asanyarray(labels.dataobj))) == {0, 1, 2, 3}
    assert bytes(labels.header["descrip"]).strip(b"\0") == b""


def test_names_inside_files_reach_no_output(done, files, somebody):
    name = somebody.encode()
    assert name in next(files.glob("*.zip")).read_bytes()
    assert name in gzip.decompress((files / "9000002" / "sa.nii.gz").read_bytes())
    for path in (path for path in done.rglob("*") if path.is_file()):
        content = path.read_bytes()
        content = gzip.decompress(content) if path.suffix == ".gz" else content
        assert name not in content, path
        assert b"19501231" not in content, path


def test_a_zip_gives_the_labels_of_the_same_hearts_nifti(done):
    nifti, zipped = (read_nifti(done / name / "seg_sa.nii.gz", labels=True) for name in ("9000002_2", "9000003_2"))
    assert np.allclose(nifti.affine, zipped.affine, atol=1e-3)
    assert (nifti.voxels != zipped.voxels).mean() < 1e-5


def test_a_single_file_is_called_as_in_its_folder(segment, done, files, tmp_path):
    assert segment("--mri", files / "9000002" / "sa.nii.gz", "--output", tmp_path / "out") == 0
    assert names(tmp_path / "out") == ["9000002_2", MOTION_TABLE, TABLE]
    one, other = (folder / "9000002_2" / "seg_sa.nii.gz" for folder in (done, tmp_path / "out"))
    assert one.read_bytes() == other.read_bytes()


def test_finished_patients_are_passed_over_and_damaged_ones_made_again(segment, done, files, tmp_path, monkeypatch):
    output = tmp_path / "out"
    shutil.copytree(done, output)
    (output / "9000003_2" / "contours.png").write_bytes(b"cut")
    (output / "9000003_2" / "note.txt").write_text("mine")
    made = []
    usual = segmenting.patient.segment_cine
    monkeypatch.setattr(segmenting.patient, "segment_cine", lambda *given: made.append(given[2]) or usual(*given))
    assert segment("--mri", files, "--output", output) == 0
    assert [name.rpartition("/")[2] for name in made] == ["9000003_20209_2_0.zip"]
    assert names(output / "9000003_2") == sorted([*WRITTEN, "note.txt"])
    assert (output / "9000003_2" / "contours.png").read_bytes()[1:4] == b"PNG"


def test_ed_and_es_files_get_a_label_map_each(segment, beat, tmp_path):
    person = tmp_path / "9000007"
    person.mkdir()
    es = int(round(beat.truth["ES_share"] * beat.cine.voxels.shape[3]))
    for phase, frame in (("ED", 0), ("ES", es)):
        write_nifti(person / f"sa_{phase}.nii.gz", CineStack(beat.cine.voxels[..., [frame]], beat.cine.affine))
    assert segment("--mri", person, "--output", tmp_path / "out") == 0
    folder = tmp_path / "out" / "9000007_2"
    assert names(folder) == ["contours.png", RECORD, "seg_sa_ED.nii.gz", "seg_sa_ES.nii.gz"]
    ed, es = (nib.load(folder / f"seg_sa_{phase}.nii.gz") for phase in ("ED", "ES"))
    assert ed.shape == beat.cine.voxels.shape[:3]
    assert np.count_nonzero(np.asanyarray(ed.dataobj) == 1) > 1.5 * np.count_nonzero(np.asanyarray(es.dataobj) == 1)
    record = json.loads((folder / RECORD).read_text())
    assert record["rates"] == dict.fromkeys(record["rates"])
    assert record["curve"]["time_ms"] is None


def broken(kind, cine, files, folder):
    """A file that is no short-axis cine, and why."""
    path = folder / f"{kind}.nii.gz"
    match kind:
        case "truncated":
            path = folder / "truncated.zip"
            path.write_bytes(next(files.glob("*.zip")).read_bytes()[:20_000])
        case "nan":
            voxels = cine.voxels[..., :2].astype(np.float32)
            voxels[0, 0, 0, 0] = np.nan
            write_nifti(path, CineStack(voxels, cine.affine))
        case "still":
            write_nifti(path, CineStack(cine.voxels[..., :1], cine.affine))
        case "one_slice":
            write_nifti(path, CineStack(cine.voxels[:, :, :1], cine.affine))
        case "metres":
            affine = cine.affine.copy()
            affine[:3, :3] *= 20  # as of a writer that mixes its units: a stack of two metres
            write_nifti(path, CineStack(cine.voxels[..., :2], affine))
        case "label_map":
            levels = np.digitize(cine.voxels[..., :2], np.quantile(cine.voxels, (0.5, 0.7, 0.9)))
            write_nifti(path, CineStack(levels.astype(np.uint8), cine.affine))
        case "centimetres":
            affine = cine.affine.copy()
            affine[:3] /= 10
            write_nifti(path, CineStack(cine.voxels[..., :2], affine))
        case "no_heart":
            noise = np.random.default_rng(0).integers(0, 300, cine.voxels[..., :2].shape).astype(np.int16)
            write_nifti(path, CineStack(noise, cine.affine))
    return path


BROKEN = {
    "truncated": "",
    "nan": "not finite",
    "still": "one frame",
    "one_slice": "one slice",
    "metres": "mm long",
    "label_map": "4 different values",
    "centimetres": "too small for a heart",
    "no_heart": "no heart",
}


@pytest.mark.parametrize("kind", BROKEN)
def test_what_is_no_short_axis_cine_is_one_line_and_code_2(segment, short_beat, files, tmp_path, capsys, kind):
    path = broken(kind, short_beat, files, tmp_path)
    assert segment("--mri", path, "--output", tmp_path / "out") == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert kind in said
    assert BROKEN[kind] in said
    assert names(tmp_path / "out") == []


def test_a_bad_file_of_a_folder_costs_the_others_nothing(segment, files, short_beat, tmp_path, capsys):
    mri, output = tmp_path / "NIFTI", tmp_path / "out"
    shutil.copytree(files, mri)
    (mri / "9000003_20209_2_0.zip").write_bytes(b"PK\x03\x04 and nothing more")
    (mri / "9000004").mkdir()
    (mri / "9000004" / "sa.nii.gz").write_bytes(b"")
    assert segment("--mri", mri, "--output", output) == 2
    assert "2 of 3 MRIs were refused" in capsys.readouterr().err
    assert names(output) == ["9000002_2", MOTION_TABLE, TABLE, "refused.csv"]
    assert [row["code"] for row in rows_of(output / "refused.csv")] == ["truncated", "empty"]
    assert all(row["remedy"] for row in rows_of(output / "refused.csv"))
    for gone in ("9000003_20209_2_0.zip", "9000004/sa.nii.gz"):
        (mri / gone).unlink()
    assert segment("--mri", mri, "--output", output) == 0
    assert "refused.csv" not in names(output)


def test_a_heart_at_the_edge_of_the_picture_and_a_slice_without_one_are_told(segment, short_beat, done, tmp_path):
    whole = json.loads((done / "9000002_2" / RECORD).read_text())
    labels = read_nifti(done / "9000002_2" / "seg_sa.nii.gz", labels=True).voxels
    middle = int(np.argwhere(labels[..., 0] == 1)[:, 0].mean())
    cut = short_beat.voxels[:middle].copy()
    cut[:, :, 4] = 0
    write_nifti(tmp_path / "cut.nii.gz", CineStack(cut, short_beat.affine, short_beat.frame_interval_s))
    assert segment("--mri", tmp_path / "cut.nii.gz", "--output", tmp_path / "out") == 0
    record = json.loads((tmp_path / "out" / "cut" / RECORD).read_text())
    told = {flag["code"]: flag["words"] for flag in record["flags"]}
    assert {"picture_cut", "blank_slice"} <= set(told)
    assert not {"picture_cut", "blank_slice"} & {flag["code"] for flag in whole["flags"]}
    assert told["blank_slice"].startswith("slice 5 of 11,")


def test_a_stop_leaves_nothing_half_written(segment, files, tmp_path, monkeypatch):
    """The signal comes while the second patient's folder is being written."""
    usual = segmenting.patient.write_record

    def stopped(folder, record):
        if record["patient"] == "9000003_2":
            signal.raise_signal(signal.SIGTERM)
        usual(folder, record)

    monkeypatch.setattr(segmenting.patient, "write_record", stopped)
    assert segment("--mri", files, "--output", tmp_path / "out") == 130
    assert names(tmp_path / "out") == ["9000002_2"]
    monkeypatch.undo()
    assert segment("--mri", files, "--output", tmp_path / "out") == 0
    assert names(tmp_path / "out") == ["9000002_2", "9000003_2", MOTION_TABLE, TABLE]


def test_somebody_elses_label_map_is_never_written_over(segment, files, tmp_path, capsys):
    person = tmp_path / "NIFTI" / "9000002_2"
    shutil.copytree(files / "9000002", person)
    (person / "seg_sa.nii.gz").write_bytes(b"a human drew this")
    assert segment("--mri", tmp_path / "NIFTI", "--output", tmp_path / "NIFTI") == 2
    assert "segment.py did not write it" in capsys.readouterr().err
    assert (person / "seg_sa.nii.gz").read_bytes() == b"a human drew this"


def test_a_key_hides_names_and_a_list_leaves_people_out(segment, files, tmp_path, capsys):
    mri, key = tmp_path / "NIFTI", tmp_path / "key"
    shutil.copytree(files, mri)
    (mri / "withdrawn.csv").write_text("9000003\n")
    key.write_text("0123456789abcdef0123456789abcdef")
    key.chmod(0o600)
    assert segment("--mri", mri, "--output", tmp_path / "out", "--pseudonymise", key) == 0
    said = capsys.readouterr()
    written = names(tmp_path / "out")
    assert len(written) == 3
    everything = (tmp_path / "out" / written[0] / RECORD).read_text() + said.out + said.err
    assert "9000002" not in everything
    assert "9000003" not in everything
