import csv
import json

import numpy as np
import pytest

from cohort.cine import read_nifti
from cohort.ecg import read_ecg
from cohort.errors import InputError
from cohort.lock import try_locked
from phantom.cohort_plan import CohortPlan
from phantom.cohort_tables import drawn_phenotypes
from phantom.cohort_writer import ecg_path, write_cohort
from phantom.heart import draw_heart

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


def test_a_cohort_older_than_the_option_is_a_whole_one(written):
    note = written / "cohort.json"
    plan = json.loads(note.read_text())
    assert plan.pop("ecg_only") is False
    note.write_text(json.dumps(plan))
    write_cohort(written, CohortPlan(seed=6, subjects=3), processes=1)
    assert json.loads(note.read_text()) == plan | {"ecg_only": False}


def test_another_seed_is_refused(written):
    with pytest.raises(InputError, match="this cohort has seed 6, not 7"):
        write_cohort(written, CohortPlan(seed=7, subjects=3))


@pytest.mark.parametrize("name", [f"ecg/{REAL_EID}_20205_2_0.xml", f"NIFTI/{REAL_EID}/sa.nii.gz", "phenotypes.csv"])
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


def test_two_cohorts_are_not_written_into_one_folder_at_once(tmp_path):
    held = try_locked(tmp_path / "phantom")
    with pytest.raises(InputError, match="another make_phantom.py is writing here"):
        write_cohort(tmp_path, CohortPlan(seed=6, subjects=1), processes=1)
    assert [path.name for path in tmp_path.iterdir()] == [".lock-phantom"]
    held.release()
    write_cohort(tmp_path, CohortPlan(seed=6, subjects=1), processes=1)
    assert ecg_path(tmp_path, 0).exists()
