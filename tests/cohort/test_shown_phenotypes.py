from dataclasses import replace

import numpy as np
import pytest

from cohort import shown_phenotypes
from cohort.ecg_cohort import ECGCohort
from cohort.phenotypes import PHENOTYPES, phenotypes_of
from cohort.prepared import NO_LABELS
from cohort.shown_phenotypes import with_shown

LVEDV, LVM = PHENOTYPES.index("LVEDV"), PHENOTYPES.index("LVM")


@pytest.fixture
def told(prepared, tmp_path, monkeypatch):
    """The phantom cohort, a table of which tells 1.25 times the LVEDV that the grid shows, and 10 mL more."""
    monkeypatch.setattr(shown_phenotypes, "FEWEST_PEOPLE", 5)
    phenotypes = np.array(prepared.phenotypes)
    phenotypes[:, LVEDV] = 1.25 * _of_label_maps(prepared)[:, LVEDV] + 10
    return replace(prepared, folder=tmp_path, phenotypes=phenotypes)


@pytest.fixture
def more_ecgs(prepared, tmp_path):
    """The same people's ECGs, as of people without an MRI."""
    arrays = {name: getattr(prepared, name) for name in ("ecg", "lead_mask", "person", "phenotypes", "eid", "instance")}
    return ECGCohort(tmp_path, **arrays)


def _of_label_maps(cohort) -> np.ndarray:
    geometry = cohort.preparation.geometry
    rows = [phenotypes_of(np.asarray(m), geometry.pixel_mm, geometry.slice_step_mm) for m in cohort.labels]
    return np.array([[row[name] for name in PHENOTYPES] for row in rows])


def test_a_heart_has_the_phenotypes_that_its_label_map_shows_and_not_the_tables(told):
    shown, more = with_shown(told)
    assert more is None
    np.testing.assert_allclose(shown.phenotypes[:, LVEDV], _of_label_maps(told)[:, LVEDV], rtol=1e-5)


def test_a_tables_numbers_of_people_without_a_label_map_are_put_on_the_grids_scale(told):
    rows = told.rows("train")
    labels = np.array(told.labels)
    labels[rows[0]] = NO_LABELS
    shown, _ = with_shown(replace(told, labels=labels))
    assert shown.phenotypes[rows[0], LVEDV] == pytest.approx((told.phenotypes[rows[0], LVEDV] - 10) / 1.25, rel=1e-3)


def test_a_tables_numbers_of_further_people_are_put_on_the_same_scale(told, more_ecgs):
    phenotypes = np.full_like(more_ecgs.phenotypes, np.nan)
    phenotypes[:, LVEDV] = 135
    _, more = with_shown(told, replace(more_ecgs, phenotypes=phenotypes))
    np.testing.assert_allclose(more.phenotypes[:, LVEDV], 100, rtol=1e-3)
    assert np.isnan(more.phenotypes[:, LVM]).all()


def test_a_line_through_too_few_people_is_not_drawn(told, more_ecgs, monkeypatch):
    monkeypatch.setattr(shown_phenotypes, "FEWEST_PEOPLE", 50)
    _, more = with_shown(told, more_ecgs)
    np.testing.assert_array_equal(more.phenotypes, more_ecgs.phenotypes)


def test_what_a_segmenter_measured_is_of_the_grid_already(told):
    row = told.rows("train")[0]
    labels = np.array(told.labels)
    labels[row] = NO_LABELS
    measured = np.zeros(told.phenotypes.shape, bool)
    measured[row] = True
    shown, _ = with_shown(replace(told, labels=labels, measured=measured))
    assert shown.phenotypes[row, LVEDV] == told.phenotypes[row, LVEDV]


def test_without_label_maps_all_stays_as_it_is(told, more_ecgs):
    bare = replace(told, labels=np.full_like(told.labels, NO_LABELS))
    assert with_shown(bare, more_ecgs) == (bare, more_ecgs)


def test_what_was_measured_is_read_again_and_a_damaged_file_is_measured_anew(told, monkeypatch):
    first, _ = with_shown(told)
    (path,) = told.folder.glob("shown-phenotypes-*.npy")
    monkeypatch.setattr(shown_phenotypes, "_measured", lambda cohort: np.full(cohort.phenotypes.shape, 7.0, np.float32))
    assert (with_shown(told)[0].phenotypes == first.phenotypes).all()
    path.write_bytes(path.read_bytes()[:-1])
    assert (with_shown(told)[0].phenotypes == 7).all()
