"""ACDC's and M&Ms' folders as published, with an ECG for each person, become arrays by the usual commands."""

import csv
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from cohort.cine import CineStack, Label, read_nifti, write_nifti
from cohort.discovery import find_subjects
from cohort.discovery import scan as scan_folder
from cohort.errors import InputError
from cohort.heart_grid import GridGeometry, read_heart
from cohort.label_numbering import RENUMBERED
from cohort.labelled_orientation import ORIENTED
from cohort.parts import Part, join_parts, prepare_part
from cohort.person_number import person_number
from cohort.phenotypes import PHENOTYPES
from cohort.prepared import Preparation, prepare_cohort
from cohort.study_tables import read_tables
from phantom.cohort_folders import ecg_path
from phantom.cohort_plan import CohortPlan
from phantom.cohort_writer import FIRST_EID, write_cohort
from phantom.heart import draw_heart
from phantom.scanner import scan
from tests.cohort.drawn_labels import as_acdc

PIXEL_MM, STEP_MM = 1.8, 10.0  # of these hearts
SMALL = Preparation(GridGeometry(slices=3, phases=2, height=32, width=32, slice_step_mm=30.0, pixel_mm=5.4))
FRAMES, ES = 14, 11  # ACDC counts from 1: patient001_frame12
ACDC = ("patient001", "patient002", "patient003")
ITK = np.diag([-PIXEL_MM, -PIXEL_MM, STEP_MM, 1.0])
ORIGIN = np.array([[0, 0, 0, 120.0], [0, 0, 0, 80.0], [0, 0, 0, -40.0], [0, 0, 0, 0]])
LVEF, LVEDV = PHENOTYPES.index("LVEF"), PHENOTYPES.index("LVEDV")


def cine(number: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Voxels and labels of FRAMES frames, of which the first is ED and frame ES the other one that was imaged."""
    images = scan(draw_heart(6, number), (0.0, "es"))
    share = np.r_[np.linspace(0, 1, ES + 1), np.linspace(1, 0, FRAMES - ES)[:-1]]
    voxels = images.voxels[..., :1] * (1 - share) + images.voxels[..., 1:] * share
    return voxels.astype(np.int16), images.labels, images.affine


def write_acdc(folder: Path, name: str, number: int) -> None:
    voxels, labels, _ = cine(number)
    (folder / name).mkdir(parents=True)
    frames = {"_frame01": (0, 0), f"_frame{ES + 1:02}": (ES, 1)}
    write_nifti(folder / name / f"{name}_4d.nii.gz", CineStack(voxels, ITK + ORIGIN))
    for stem, (moment, phase) in frames.items():
        write_nifti(folder / name / f"{name}{stem}.nii.gz", CineStack(voxels[..., moment : moment + 1], ITK + ORIGIN))
        truth = as_acdc(labels[..., phase : phase + 1])
        write_nifti(folder / name / f"{name}{stem}_gt.nii.gz", CineStack(truth, ITK + ORIGIN))
    (folder / name / "Info.cfg").write_text(f"ED: 1\nES: {ES + 1}\nGroup: NOR\nHeight: 184.0\nNbFrame: {FRAMES}\n")


def write_mms(folder: Path, name: str, number: int, affine: np.ndarray | None) -> None:
    """M&Ms' label maps have all frames, of which two are drawn."""
    voxels, labels, own = cine(number)
    maps = np.zeros(voxels.shape, np.uint8)
    maps[..., 0], maps[..., ES] = labels[..., 0], labels[..., 1]
    (folder / name).mkdir(parents=True)
    for ending, held in (("sa", voxels), ("sa_gt", maps)):
        write_nifti(folder / name / f"{name}_{ending}.nii.gz", CineStack(held, own if affine is None else affine))


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    """Three people of ACDC, and two of M&Ms, of whom one has lost the orientation."""
    folder = tmp_path_factory.mktemp("collections") / "UKBB"
    write_cohort(folder, CohortPlan(seed=6, subjects=5), processes=1)
    shutil.rmtree(folder / "NIFTI")
    for table in folder.glob("*.csv"):
        table.unlink()
    people = (*ACDC, "A0S9V9", "B3D0N1")
    for number, name in enumerate(people):
        ecg_path(folder, number).rename(folder / "ecg" / f"{name}.xml")
        if name in ACDC:
            write_acdc(folder / "NIFTI" / "training", name, number)
        else:
            write_mms(folder / "NIFTI", name, number, None if name == "A0S9V9" else ITK)
    return folder


def test_the_report_finds_everybody_and_says_what_was_taken_from_the_labels(data, tmp_path):
    command = [sys.executable, "-m", "cohort.report", "--quiet", "--full", "--data", data, "--output", tmp_path]
    done = subprocess.run(command, capture_output=True, text=True, cwd=Path(__file__).parents[2])
    assert done.returncode == 0, done.stderr
    rows = {row["eid"]: row for row in csv.DictReader((tmp_path / "subjects.csv").open())}
    assert rows.keys() == {*ACDC, "A0S9V9", "B3D0N1"}
    assert all(row["usable"] == row["labelled"] == "1" for row in rows.values())
    told = {name for name, row in rows.items() if ORIENTED in row["findings"]}
    assert told == {*ACDC, "B3D0N1"} and "mri_orientation" in rows["patient001"]["codes"]
    assert {name for name, row in rows.items() if row["acdc_numbers"] == "1"} == {*ACDC}


@pytest.fixture
def thrice_labelled(tmp_path) -> Path:
    """A person of ACDC whose frame 6 is labelled too, with the labels of end-systole."""
    folder = tmp_path / "UKBB" / "NIFTI"
    write_acdc(folder, "patient001", 0)
    for ending in ("", "_gt"):
        source = folder / "patient001" / f"patient001_frame{ES + 1:02}{ending}.nii.gz"
        shutil.copy(source, source.with_name(f"patient001_frame06{ending}.nii.gz"))
    return tmp_path / "UKBB"


@pytest.mark.parametrize("phases", [2, 4])
def test_a_person_with_three_labelled_frames_has_ed_and_es_as_the_note_says(thrice_labelled, phases):
    (subject,) = find_subjects(thrice_labelled)
    grid = read_heart(subject, GridGeometry(phases=phases))
    twice = read_heart(subject, GridGeometry())
    assert ORIENTED in grid.notes and RENUMBERED in grid.notes
    assert grid.voxels.shape[1] == phases and (grid.labels is None) == (phases == 4)
    assert np.abs(grid.affine[:3, :3] - twice.affine[:3, :3]).max() < 1e-5
    es = twice.labels[:, 1] == Label.LV_CAVITY
    assert es.sum() < 0.9 * (twice.labels[:, 0] == Label.LV_CAVITY).sum()


def test_without_the_note_the_frames_are_told_and_not_guessed(thrice_labelled):
    (thrice_labelled / "NIFTI" / "patient001" / "Info.cfg").unlink()
    found = scan_folder(thrice_labelled)
    (subject,) = found.subjects
    assert subject.images.ed is None and subject.images.labels_es is None
    assert found.passed.lines == (
        "1 folders with frames of ACDC whose Info.cfg, which says which are ED and ES, is absent such as patient001",
    )


def test_a_map_of_all_frames_labels_acdcs_cine(thrice_labelled):
    """Of three labelled frames, those of the largest and the smallest cavity are taken."""
    (folder,) = (thrice_labelled / "NIFTI").iterdir()
    maps = np.zeros(cine(0)[0].shape, np.uint8)
    for frame, phase in ((0, 0), (6, 0), (ES, 1)):
        maps[..., frame] = as_acdc(cine(0)[1][..., phase : phase + 1])[..., 0]
    maps[..., 6][:, :2] = 0
    (folder / "Info.cfg").unlink()
    write_nifti(folder / "patient001_4d_gt.nii.gz", CineStack(maps, ITK + ORIGIN))
    (subject,) = find_subjects(thrice_labelled)
    grid, known = read_heart(subject), draw_heart(6, 0)
    volumes = [(grid.labels[:, phase] == Label.LV_CAVITY).sum() * 1.8**2 * 10 / 1000 for phase in (0, 1)]
    assert abs(volumes[0] / known.lvedv_ml - 1) < 0.2 and volumes[1] < 0.75 * volumes[0]


def test_a_label_map_of_no_frame_of_the_cine_is_refused(thrice_labelled):
    (folder,) = (thrice_labelled / "NIFTI").iterdir()
    still = read_nifti(folder / "patient001_frame01.nii.gz")
    write_nifti(folder / "patient001_frame01.nii.gz", CineStack(still.voxels[::-1].copy(), still.affine))
    (subject,) = find_subjects(thrice_labelled)
    with pytest.raises(InputError, match="its ED is no frame of its cine"):
        read_heart(subject, GridGeometry(phases=4))


def test_they_become_arrays_with_the_volumes_of_the_true_hearts(data, tmp_path):
    cohort = prepare_cohort(data, tmp_path, SMALL, quiet=True)
    rows = {eid: row for row, eid in enumerate(cohort.eid.tolist())}
    for number, name in enumerate((*ACDC, "A0S9V9", "B3D0N1")):
        heart, known = draw_heart(6, number), cohort.phenotypes[rows[person_number(name)]]
        assert abs(known[LVEDV] / heart.lvedv_ml - 1) < 0.2 and abs(known[LVEF] - heart.lvef_percent) < 12
    notes = {s.name: read_heart(s, SMALL.geometry).notes for s in find_subjects(data)}
    assert {RENUMBERED, ORIENTED} <= set(notes["patient001"]) and ORIENTED in notes["B3D0N1"]
    assert ORIENTED not in notes["A0S9V9"]


@pytest.fixture
def tabled(data, tmp_path) -> Path:
    """The same people with tables that call them by name, one of whom withdrew; and a stranger's rows."""
    folder = tmp_path / "UKBB"
    shutil.copytree(data, folder)
    rows = "patient001,F,61,170,70\npatient002,M,52,180,80\nsomebody,M,33,180,80\n"
    (folder / "persons.csv").write_text(f"eid,sex,age,height_cm,weight_kg\n{rows}")
    (folder / "phenotypes.csv").write_text("eid,LVEF\npatient001,51\nB3D0N1,47.5\n")
    (folder / "withdrawn.csv").write_text("eid\npatient003\nnobody here\n")
    return folder


def test_tables_and_lists_may_name_them(tabled, tmp_path, capsys):
    cohort = prepare_cohort(tabled, tmp_path / "prepared", SMALL, quiet=True)
    rows = {eid: row for row, eid in enumerate(cohort.eid.tolist())}
    assert person_number("patient003") not in rows and len(rows) == 4
    assert "1 person who withdrew" in capsys.readouterr().out
    first, other = (rows[person_number(name)] for name in ("patient001", "B3D0N1"))
    assert cohort.person[first].tolist() == [0, 61, 170, 70]
    assert cohort.phenotypes[first, LVEF] == 51 and cohort.phenotypes[other, LVEF] == 47.5


def test_jobs_that_share_a_cohort_read_the_same_of_its_tables(tabled, tmp_path):
    """Whoever is in the share: the first one holds nobody with a name, and a row may name somebody of another one."""
    shutil.copy(tabled / "ecg" / "patient001.xml", ecg_path(tabled, 0))
    shutil.copytree(tabled / "NIFTI" / "A0S9V9", tabled / "NIFTI" / str(FIRST_EID))
    for path in (tabled / "NIFTI" / str(FIRST_EID)).iterdir():
        path.rename(path.with_name("seg_sa.nii.gz" if "_gt" in path.name else "sa.nii.gz"))
    cohort = prepare_cohort(tabled, tmp_path / "one", SMALL, quiet=True)
    for number in range(1, 6):
        prepare_part(tabled, tmp_path / "many", SMALL, Part(number, 5), quiet=True)
    joined = join_parts(tabled, tmp_path / "many", SMALL, 5)
    assert (joined / "person.npy").read_bytes() == (cohort.folder / "person.npy").read_bytes()


def test_a_name_of_digits_goes_before_an_eid(tmp_path):
    (tmp_path / "phenotypes.csv").write_text("eid,LVEF\n001,51\n2,52\n")
    rows = read_tables(tmp_path, {"001"}).phenotypes.rows
    assert rows == {(person_number("001"), 2): {"LVEF": 51.0}, (2, 2): {"LVEF": 52.0}}
