import csv
import json
import math
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from cohort.cine import read_nifti
from cohort.dicom_stack import read_short_axis
from cohort.discovery import find_subjects
from cohort.ecg import read_ecg
from cohort.errors import InputError
from cohort.heart_grid import cine_grid
from cohort.lock import try_locked
from cohort.study_tables import read_tables
from cohort.subjects import complete
from phantom.cohort_folders import zip_path
from phantom.cohort_plan import CohortPlan
from phantom.cohort_tables import drawn_phenotypes
from phantom.cohort_writer import ecg_path, write_cohort
from phantom.download import FEWEST, as_downloaded
from phantom.heart import draw_heart
from phantom.truth import motion_truth

REAL_EID = 1_234_567  # such as a participant has


def contents(folder):
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cohort")
    write_cohort(folder, CohortPlan(seed=6, subjects=3), processes=1)
    return folder


def test_the_bytes_do_not_depend_on_processes_or_on_the_number_of_subjects(written, tmp_path):
    write_cohort(tmp_path, CohortPlan(seed=6, subjects=4), processes=2)
    few, many = contents(written), contents(tmp_path)
    per_subject = [name for name in few if name.startswith(("ecg", "NIFTI"))]
    assert len(per_subject) == 3 * 5
    assert all(few[name] == many[name] for name in per_subject)
    for table in ("truth.csv", "persons.csv", "phenotypes.csv"):
        assert many[table].startswith(few[table])


def test_an_interrupted_run_continues_to_the_same_bytes(written):
    before = contents(written)
    ecg_path(written, 1).unlink()
    (written / "truth.csv").unlink()
    (written / "NIFTI" / "9000002" / ".partial-0a1b2c3d-sa_ED.nii.gz").write_bytes(b"half")
    untouched = ecg_path(written, 0).stat().st_mtime_ns
    write_cohort(written, CohortPlan(seed=6, subjects=3), processes=1)
    assert contents(written) == before
    assert ecg_path(written, 0).stat().st_mtime_ns == untouched


def test_the_tables_tell_what_was_drawn(written):
    tables = {}
    for name in ("truth", "persons", "phenotypes"):
        with (written / f"{name}.csv").open() as file:
            tables[name] = list(csv.DictReader(file))
            assert [row["eid"] for row in tables[name]] == ["9000001", "9000002", "9000003"]
    for index in range(3):
        heart = draw_heart(6, index)
        assert tables["truth"][index]["condition"] == heart.condition
        assert float(tables["truth"][index]["electrode_shift_mm_3_1"]) == pytest.approx(
            heart.recording.electrode_shift_mm[2][0]
        )
        assert float(tables["persons"][index]["height_cm"]) == pytest.approx(heart.height_cm)
        for name, value in drawn_phenotypes(heart).items():
            assert float(tables["phenotypes"][index][name]) == pytest.approx(value, rel=1e-6)
    assert json.loads((written / "cohort.json").read_text())["seed"] == 6


def test_the_files_read_back(written):
    image = read_nifti(written / "NIFTI" / "9000001" / "sa_ED.nii.gz")
    labels = read_nifti(written / "NIFTI" / "9000001" / "seg_sa_ED.nii.gz", labels=True)
    assert image.voxels.shape == labels.voxels.shape and image.voxels.shape[:2] == (192, 208)
    np.testing.assert_allclose(image.affine, labels.affine)
    ecg = read_ecg(ecg_path(written, 0))
    assert ecg.signal.shape == (12, 5000) and ecg.person.sex == draw_heart(6, 0).sex


def test_a_cine_has_its_frames_and_interval(tmp_path):
    write_cohort(tmp_path, CohortPlan(seed=6, subjects=1, frames=3), processes=1)
    image = read_nifti(tmp_path / "NIFTI" / "9000001" / "sa.nii.gz")
    assert image.voxels.shape[3] == 3
    assert image.frame_interval_s == pytest.approx(60 / draw_heart(6, 0).heart_rate_bpm / 3, rel=1e-5)


def test_a_cohort_of_ecgs_only_has_the_same_people_and_no_image(written, tmp_path):
    write_cohort(tmp_path, CohortPlan(seed=6, subjects=3, ecg_only=True), processes=1)
    whole, ecgs = contents(written), contents(tmp_path)
    assert sorted(ecgs) == sorted(name for name in whole if not name.startswith("NIFTI"))
    assert all(ecgs[name] == whole[name] for name in ecgs if name != "cohort.json")
    assert not list((tmp_path / "NIFTI").iterdir())
    assert json.loads((tmp_path / "cohort.json").read_text())["ecg_only"] is True


def test_ecgs_only_and_whole_cohorts_do_not_mix(written, tmp_path):
    with pytest.raises(InputError, match="this cohort has ecg_only False, not True"):
        write_cohort(written, CohortPlan(seed=6, subjects=3, ecg_only=True))
    write_cohort(tmp_path, CohortPlan(seed=6, subjects=1, ecg_only=True), processes=1)
    with pytest.raises(InputError, match="this cohort has ecg_only True, not False"):
        write_cohort(tmp_path, CohortPlan(seed=6, subjects=1))


def test_a_cohort_older_than_the_options_is_a_usual_one(written):
    note = written / "cohort.json"
    plan = json.loads(note.read_text())
    newer = {"ecg_only": False, "condition": None, "population": "usual", "scanner": "usual", "visits": 1}
    newer |= {"long_axis": False, "prepared": False, "cines": 0}
    assert all(plan.pop(name) == usual for name, usual in newer.items()) and plan["version"] == 2
    note.write_text(json.dumps(plan))
    write_cohort(written, CohortPlan(seed=6, subjects=3), processes=1)
    assert json.loads(note.read_text()) == plan | newer


@pytest.mark.parametrize(("version", "told"), [(1, "1"), (None, "None")])
def test_a_cohort_of_another_version_is_refused_and_left_alone(written, tmp_path, version, told):
    """As earlier releases wrote it: people of two versions must not stand side by side."""
    folder = shutil.copytree(written, tmp_path / "older")
    note = json.loads((folder / "cohort.json").read_text()) | {"version": version}
    (folder / "cohort.json").write_text(json.dumps(note))
    before = contents(folder)
    with pytest.raises(InputError, match=f"is of phantom version {told}; version 2 alone is drawn today"):
        write_cohort(folder, CohortPlan(seed=6, subjects=4))
    assert contents(folder) == before


def test_a_cohort_of_one_disease_has_nobody_without_it(tmp_path):
    write_cohort(tmp_path, CohortPlan(seed=6, subjects=4, ecg_only=True, condition="dcm"), processes=1)
    with (tmp_path / "truth.csv").open() as file:
        assert [row["condition"] for row in csv.DictReader(file)] == ["dcm"] * 4
    with pytest.raises(InputError, match="this cohort has condition dcm, not None"):
        write_cohort(tmp_path, CohortPlan(seed=6, subjects=4, ecg_only=True))


def test_a_population_is_drawn_from_and_recorded(tmp_path):
    plan = CohortPlan(seed=6, subjects=30, ecg_only=True, population="clinic")
    ages = [plan.heart(index).age_years for index in range(30)]
    assert min(ages) >= 60 and max(ages) > 80
    write_cohort(tmp_path, replace(plan, subjects=1), processes=1)
    assert json.loads((tmp_path / "cohort.json").read_text())["population"] == "clinic"
    with pytest.raises(InputError, match="this cohort has population clinic, not small"):
        write_cohort(tmp_path, replace(plan, population="small"))


def test_everybody_comes_back_three_years_later(tmp_path):
    write_cohort(tmp_path, CohortPlan(seed=6, subjects=2, visits=2), processes=1)
    people = find_subjects(tmp_path)
    assert [(s.eid - 9_000_000, s.instance) for s in people] == [(1, 2), (1, 3), (2, 2), (2, 3)]
    assert all(complete(subject) for subject in people)
    tables = read_tables(tmp_path)
    for first, second in (people[:2], people[2:]):
        ages = [tables.persons.at(s.eid, s.instance).age_years for s in (first, second)]
        assert ages[1] == pytest.approx(ages[0] + 3)
        assert read_ecg(second.ecg).person.age_years == pytest.approx(ages[1])
        assert not np.array_equal(read_ecg(first.ecg).signal, read_ecg(second.ecg).signal)
        maps = [read_nifti(s.images.labels_ed, labels=True).voxels for s in (first, second)]
        assert maps[0].shape != maps[1].shape or not np.array_equal(*maps), "the stack was planned anew"
        assert tables.phenotypes.known((first.eid, 2)) == tables.phenotypes.known((first.eid, 3))


def test_a_repeat_visit_as_dicom_lies_where_the_platform_has_it(tmp_path):
    plan = CohortPlan(seed=6, subjects=1, frames=4, visits=2, dicom=True, platform=True)
    write_cohort(tmp_path, plan, processes=1)
    people = find_subjects(tmp_path)
    assert [subject.instance for subject in people] == [2, 3] and all(complete(subject) for subject in people)
    assert people[1].images.dicom == str(tmp_path / "Bulk/Heart MRI/Short axis/90/9000001_20209_3_0.zip")
    assert cine_grid(read_short_axis(Path(people[1].images.dicom))).voxels.any()


def test_a_cohort_of_two_visits_is_not_made_a_download(tmp_path):
    for instance in (2, 3):
        path = zip_path(tmp_path, FEWEST - 1, True, instance)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    (tmp_path / "persons.csv").touch()
    with pytest.raises(InputError, match="no fresh phantom cohort.*of one visit"):
        as_downloaded(tmp_path)


def test_a_repeat_visit_is_no_stranger_and_a_cohort_of_one_visit_has_none(tmp_path):
    plan = CohortPlan(seed=6, subjects=1, visits=2, ecg_only=True)
    write_cohort(tmp_path, plan, processes=1)
    write_cohort(tmp_path, replace(plan, subjects=2), processes=1)
    assert len(list((tmp_path / "ecg").iterdir())) == 4
    note = tmp_path / "cohort.json"
    note.write_text(json.dumps(json.loads(note.read_text()) | {"visits": 1}))
    with pytest.raises(InputError, match="other people's files"):
        write_cohort(tmp_path, replace(plan, visits=1))


def test_another_scanner_images_the_same_people(written, tmp_path):
    write_cohort(tmp_path, CohortPlan(seed=6, subjects=1, scanner="3t"), processes=1)
    usual, other = contents(written), contents(tmp_path)
    assert other["ecg/9000001_20205_2_0.xml"] == usual["ecg/9000001_20205_2_0.xml"]
    assert other["phenotypes.csv"] == usual["phenotypes.csv"][: len(other["phenotypes.csv"])]
    assert other["NIFTI/9000001/sa_ED.nii.gz"] != usual["NIFTI/9000001/sa_ED.nii.gz"]
    assert json.loads(other["cohort.json"])["scanner"] == "3t"
    with pytest.raises(InputError, match="this cohort has scanner 3t, not usual"):
        write_cohort(tmp_path, CohortPlan(seed=6, subjects=1))


@pytest.mark.parametrize(("frames", "suffixes"), [(2, ("_ED", "_ES")), (3, ("",))])
def test_long_axis_views_lie_beside_the_short_axis_and_change_nothing(tmp_path, frames, suffixes):
    plan = CohortPlan(seed=6, subjects=1, frames=frames, long_axis=True)
    write_cohort(tmp_path / "views", plan, processes=1)
    write_cohort(tmp_path / "plain", replace(plan, long_axis=False), processes=1)
    views, plain = contents(tmp_path / "views"), contents(tmp_path / "plain")
    assert all(views[name] == plain[name] for name in plain if name != "cohort.json")
    expected = {
        f"NIFTI/9000001/{kind}la_{chambers}ch{suffix}.nii.gz"
        for kind in ("", "seg_")
        for chambers in (2, 3, 4)
        for suffix in suffixes
    }
    assert views.keys() - plain.keys() == expected
    for name in (name for name in expected if "/la_" in name):
        image = read_nifti(tmp_path / "views" / name)
        labels = read_nifti(tmp_path / "views" / name.replace("la_", "seg_la_"), labels=True)
        assert image.voxels.shape == labels.voxels.shape and image.voxels.shape[2:] == (1, 1 if frames == 2 else 3)
        assert {1, 2} <= set(np.unique(labels.voxels)), "it shows the left ventricle"
        if frames > 2:
            assert image.frame_interval_s == pytest.approx(60 / draw_heart(6, 0).heart_rate_bpm / 3, rel=1e-5)
    (subject,) = find_subjects(tmp_path / "views")
    assert subject.images.files.count(None) == (3 if frames == 2 else 5), "the reader takes the short axis only"
    for other in ({"dicom": True, "frames": 50}, {"ecg_only": True}):
        with pytest.raises(InputError, match="--long-axis"):
            write_cohort(tmp_path / "new", replace(plan, **other))


@pytest.mark.parametrize("option", ["condition", "population", "scanner"])
def test_what_nobody_knows_is_refused_with_what_there_is(tmp_path, option):
    with pytest.raises(InputError, match=rf"--{option}: unheard is not one of [a-z]+"):
        write_cohort(tmp_path, CohortPlan(seed=6, subjects=1, **{option: "unheard"}))


def test_truth_holds_what_the_walls_make_of_the_heart(written):
    with (written / "truth.csv").open() as file:
        rows = list(csv.DictReader(file))
    for index, row in enumerate(rows):
        expected = motion_truth(draw_heart(6, index))
        for name, value in expected.items():
            told = float(row[name]) if row[name] else math.nan
            assert told == pytest.approx(value, rel=1e-5, nan_ok=True), name
        assert "mains_hz" in row and "plan_tilt_deg_1" in row and "recording" not in row


def test_a_folder_with_readme_and_empty_folders_takes_a_cohort(tmp_path):
    for name in ("ecg", "NIFTI", ".git"):
        (tmp_path / name).mkdir()
    (tmp_path / "README.md").write_text("put files here")
    write_cohort(tmp_path, CohortPlan(seed=6, subjects=1, ecg_only=True), processes=1)
    assert ecg_path(tmp_path, 0).exists()


def test_options_that_exclude_each_other_are_both_named(tmp_path):
    with pytest.raises(InputError, match="--ecg-only and --dicom"):
        write_cohort(tmp_path, CohortPlan(seed=6, subjects=1, ecg_only=True, dicom=True, frames=50))
    with pytest.raises(InputError, match="--long-axis and --ecg-only"):
        write_cohort(tmp_path, CohortPlan(seed=6, subjects=1, ecg_only=True, long_axis=True))


def test_another_seed_is_refused(written):
    with pytest.raises(InputError, match="this cohort has seed 6, not 7"):
        write_cohort(written, CohortPlan(seed=7, subjects=3))


@pytest.mark.parametrize(
    "name", [f"ecg/{REAL_EID}_20205_2_0.xml", f"NIFTI/{REAL_EID}/sa.nii.gz", "phenotypes.csv", "notes.txt"]
)
def test_a_folder_of_real_files_is_refused_and_left_alone(tmp_path, name):
    (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / name).write_text("a person's")
    before = contents(tmp_path)
    with pytest.raises(InputError, match="not of a phantom cohort"):
        write_cohort(tmp_path, CohortPlan(seed=6, subjects=1))
    assert contents(tmp_path) == before


@pytest.mark.parametrize(("option", "plan"), [("subjects", (0, 0)), ("frames", (0, 1, 1)), ("seed", (-1, 1))])
def test_options_out_of_range_are_refused(tmp_path, option, plan):
    with pytest.raises(InputError, match=f"--{option}"):
        write_cohort(tmp_path, CohortPlan(*plan))


def test_cines_of_arrays_are_refused_for_files(tmp_path):
    with pytest.raises(InputError, match="--cines: is of prepared arrays"):
        write_cohort(tmp_path, CohortPlan(seed=6, subjects=2, cines=1))


def test_two_cohorts_are_not_written_into_one_folder_at_once(tmp_path):
    held = try_locked(tmp_path / "phantom")
    with pytest.raises(InputError, match="another make_phantom.py is writing here"):
        write_cohort(tmp_path, CohortPlan(seed=6, subjects=1), processes=1)
    assert [path.name for path in tmp_path.iterdir()] == [".lock-phantom"]
    held.release()
    write_cohort(tmp_path, CohortPlan(seed=6, subjects=1), processes=1)
    assert ecg_path(tmp_path, 0).exists()
