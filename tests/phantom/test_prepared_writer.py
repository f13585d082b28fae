import csv
import json

import numpy as np
import pytest
from accelerate import Accelerator

from cohort.errors import InputError
from cohort.further import read_further
from cohort.places import CohortPlaces
from cohort.prepared import ARRAYS, Preparation, load_prepared, prepare_cohort
from phantom import prepared_writer
from phantom.cohort_plan import CohortPlan
from phantom.cohort_writer import write_cohort
from phantom.prepared_writer import write_prepared
from sampling.model_folder import SIMULATED
from training.cohort_arrays import open_arrays, taught_by

FILES = CohortPlan(seed=6, subjects=3, visits=2)
ARRAYS_ONLY = CohortPlan(seed=6, subjects=3, visits=2, prepared=True)
WITH_CINES = CohortPlan(seed=6, subjects=3, prepared=True, cines=2, frames=5)


@pytest.fixture(scope="module")
def written(tmp_path_factory, geometry):
    folder = tmp_path_factory.mktemp("prepared") / "phantom"
    write_prepared(folder, ARRAYS_ONLY, Preparation(geometry), processes=1)
    return folder


def contents(folder):
    ours = (path for path in sorted(folder.rglob("*")) if path.is_file() and not path.name.startswith("."))
    return {str(path.relative_to(folder)): path.read_bytes() for path in ours if path.name != "checked.npy"}


def test_arrays_are_those_that_preparing_the_files_gives(written, geometry, tmp_path):
    write_cohort(tmp_path / "UKBB", FILES, processes=1)
    read, straight = prepare_cohort(tmp_path / "UKBB", tmp_path, Preparation(geometry)), load_prepared(written)
    assert straight.eid.tolist() == [9_000_001, 9_000_001, 9_000_002, 9_000_002, 9_000_003, 9_000_003]
    assert straight.instance.tolist() == [2, 3] * 3
    for name in ARRAYS:
        np.testing.assert_array_equal(getattr(straight, name), getattr(read, name), err_msg=name)
    for name in ("further.csv", "notes.csv", "excluded.csv"):
        assert (written / name).read_bytes() == (read.folder / name).read_bytes(), name
    for name in ("truth.csv", "persons.csv", "phenotypes.csv"):
        assert (written / name).read_bytes() == (tmp_path / "UKBB" / name).read_bytes(), name


def test_a_training_opens_the_folder_as_its_data_and_learns_of_simulated_hearts_only(written, geometry, tmp_path):
    cohort, _ = open_arrays(written, tmp_path / "nowhere", Preparation(geometry), Accelerator(cpu=True))
    assert cohort.folder == written and not (tmp_path / "nowhere").exists()
    assert taught_by(CohortPlaces(written)) == SIMULATED
    with pytest.raises(InputError, match="geometry.slices 3, not 10"):
        open_arrays(written, tmp_path / "nowhere", Preparation(), Accelerator(cpu=True))


def test_two_processes_write_the_same_bytes(written, geometry, tmp_path):
    write_prepared(tmp_path / "again", ARRAYS_ONLY, Preparation(geometry), processes=2)
    assert contents(tmp_path / "again") == contents(written)
    assert [path.name for path in tmp_path.iterdir() if not path.name.startswith(".lock")] == ["again"]


def test_pressure_is_a_further_number(written):
    with (written / "persons.csv").open() as file:
        said = [float(row["systolic_bp_mmhg"]) for row in csv.DictReader(file)]
    pressure = read_further(written / "further.csv", ["systolic_bp_mmhg"])[:, 0]
    np.testing.assert_array_equal(pressure, np.float32(said))


def test_cines_lie_on_the_grids_of_their_hearts_and_change_no_heart(written, geometry, tmp_path):
    write_prepared(tmp_path / "cines", WITH_CINES, Preparation(geometry), processes=1)
    stills, cohort = load_prepared(written), load_prepared(tmp_path / "cines")
    np.testing.assert_array_equal(cohort.hearts, stills.hearts[::2])
    cines, labels = (np.load(tmp_path / "cines" / f"{name}.npy") for name in ("cines", "cine_labels"))
    assert cines.shape == labels.shape == (2, geometry.slices, 5, geometry.height, geometry.width)
    assert cines.dtype == labels.dtype == np.uint8 and cines.max() == 255
    np.testing.assert_array_equal(labels[:, :, 0], cohort.labels[:2, :, 0])  # ED
    cavity = (labels == 1).sum(axis=(1, 3, 4))
    assert (cavity[:, 1:3].min(axis=1) < 0.8 * cavity[:, 0]).all(), "it beats"
    alike = [np.corrcoef(cines[row, :, 0].ravel(), cohort.hearts[row, :, 0].ravel())[0, 1] for row in range(2)]
    assert min(alike) > 0.95


def test_an_interrupted_run_continues_to_the_same_bytes(written, geometry, tmp_path, monkeypatch):
    render, rendered = prepared_writer._render, []

    def until_the_third(plan, preparation, job):
        if len(rendered) == 2:
            raise KeyboardInterrupt
        rendered.append(job[0])
        return render(plan, preparation, job)

    monkeypatch.setattr(prepared_writer, "_render", until_the_third)
    folder = tmp_path / "phantom"
    with pytest.raises(KeyboardInterrupt):
        write_prepared(folder, ARRAYS_ONLY, Preparation(geometry), processes=1)
    assert not folder.exists()
    monkeypatch.setattr(prepared_writer, "_render", lambda *given: rendered.append(given[2][0]) or render(*given))
    write_prepared(folder, ARRAYS_ONLY, Preparation(geometry), processes=1)
    assert rendered == ARRAYS_ONLY.people, "nobody is rendered twice"
    assert contents(folder) == contents(written)


def test_a_finished_folder_is_left_alone_and_another_cohort_refused(written, geometry, tmp_path):
    before = {path: path.stat().st_mtime_ns for path in written.iterdir()}
    write_prepared(written, ARRAYS_ONLY, Preparation(geometry), processes=1)
    assert {path: path.stat().st_mtime_ns for path in written.iterdir()} == before
    other = CohortPlan(seed=6, subjects=4, visits=2, prepared=True)
    with pytest.raises(InputError, match="holds 3 subjects, not 4"):
        write_prepared(written, other, Preparation(geometry))
    with pytest.raises(InputError, match="another grid"):
        write_prepared(written, ARRAYS_ONLY, Preparation())
    with pytest.raises(InputError, match="has prepared True, not False"):
        write_cohort(written, FILES)
    (tmp_path / "README.md").write_text("somebody's")
    with pytest.raises(InputError, match="not of a phantom cohort"):
        write_prepared(tmp_path, ARRAYS_ONLY, Preparation(geometry))


@pytest.mark.parametrize(
    ("options", "option"),
    [
        ({"dicom": True, "frames": 50}, "--prepared"),
        ({"ecg_only": True}, "--prepared"),
        ({"long_axis": True}, "--long-axis"),
        ({"cines": 3, "frames": 5}, "--cines"),
        ({"cines": 1}, "--frames"),
        ({"frames": 5}, "--frames"),
    ],
)
def test_options_that_do_not_go_together_are_refused(tmp_path, options, option):
    with pytest.raises(InputError, match=f"^{option}"):
        write_prepared(tmp_path / "new", CohortPlan(seed=6, subjects=2, prepared=True, **options))
    assert not (tmp_path / "new").exists()


def test_what_a_cohort_was_made_from_is_written(written, geometry):
    said = json.loads((written / "cohort.json").read_text())
    assert said["prepared"] is True and said["visits"] == 2 and said["preparation"]["geometry"]["width"] == 32
