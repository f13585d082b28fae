import csv
import shutil

import numpy as np
import pytest

from cohort.cine import Label
from cohort.errors import InputError
from cohort.phenotypes import PHENOTYPES, VOLUMETRIC
from cohort.prepared import NO_LABELS, Preparation, load_prepared, prepare_cohort
from cohort.subjects import split_of
from phantom.cohort_writer import FIRST_EID, drawn_phenotypes, ecg_path
from phantom.heart import draw_heart


@pytest.fixture
def copied(phantom_data, tmp_path):
    """The first six subjects as files that a test may damage."""
    data = tmp_path / "UKBB"
    for index in range(6):
        eid = str(FIRST_EID + index)
        shutil.copytree(phantom_data / "NIFTI" / eid, data / "NIFTI" / eid)
        (data / "ecg").mkdir(exist_ok=True)
        shutil.copy(ecg_path(phantom_data, index), data / "ecg")
    return data


def prepare(data, folder, geometry, **options):
    return prepare_cohort(data, folder, Preparation(geometry), quiet=True, **options)


def test_every_array_has_the_people_in_order(prepared, geometry):
    assert prepared.eid.tolist() == list(range(FIRST_EID, FIRST_EID + 18)) and set(prepared.instance) == {2}
    assert prepared.hearts.shape == prepared.labels.shape == (18, *geometry.shape)
    assert prepared.ecg.shape == (18, 12, 2500) and prepared.ecg.dtype == np.float16
    assert prepared.mask.all() and prepared.lead_mask.all()
    assert prepared.hearts.max() == 255 and prepared.hearts.std() > 20


def test_splits_are_by_person_disjoint_and_whole(prepared):
    rows = {split: prepared.rows(split) for split in ("train", "validation", "test")}
    assert all(len(found) for found in rows.values())
    assert sorted(np.concatenate(list(rows.values()))) == list(range(18))
    for split, found in rows.items():
        assert all(split_of(int(eid)) == split for eid in prepared.eid[found])


def test_a_second_visit_goes_with_the_first(prepared, copied, tmp_path, geometry):
    folder, eid = copied / "NIFTI" / f"{FIRST_EID}_3", FIRST_EID
    shutil.copytree(copied / "NIFTI" / str(eid), folder)
    shutil.copy(ecg_path(copied, 0), copied / "ecg" / f"{eid}_20205_3_0.xml")
    cohort = prepare(copied, tmp_path / "out", geometry)
    visits = np.flatnonzero(cohort.eid == eid)
    assert len(visits) == 2 and cohort.instance[visits].tolist() == [2, 3]
    assert set(visits) <= set(cohort.rows(split_of(eid)))


def test_what_the_study_knows_comes_before_what_is_counted(prepared):
    for row in (0, 7):
        heart = draw_heart(3, row)
        drawn = drawn_phenotypes(heart)
        np.testing.assert_allclose(
            prepared.phenotypes[row, : len(VOLUMETRIC)], [drawn[name] for name in VOLUMETRIC], rtol=1e-4
        )
        person = [float(heart.sex == "male"), heart.age_years, heart.height_cm, heart.weight_kg]
        assert prepared.person[row].tolist() == pytest.approx(person, rel=1e-4)


def test_without_a_table_phenotypes_are_counted_on_the_label_maps(copied, tmp_path):
    """On the default grid, where a heart's volume is within partial volume of the drawn one."""
    cohort = prepare_cohort(copied, tmp_path / "out", Preparation(), quiet=True)
    for row in range(6):
        drawn = drawn_phenotypes(draw_heart(3, row))
        found = dict(zip(PHENOTYPES, cohort.phenotypes[row], strict=True))
        assert found["LVEDV"] == pytest.approx(drawn["LVEDV"], rel=0.12)
        assert found["LVM"] == pytest.approx(drawn["LVM"], rel=0.15)


def test_a_subject_that_cannot_be_read_is_left_out_with_its_reason(copied, tmp_path, geometry):
    path = ecg_path(copied, 2)
    path.write_bytes(path.read_bytes()[:2000])
    cohort = prepare(copied, tmp_path / "out", geometry)
    assert cohort.eid.tolist() == [FIRST_EID + k for k in (0, 1, 3, 4, 5)]
    assert all(len(getattr(cohort, name)) == 5 for name in ("hearts", "ecg", "person", "labels", "affine"))
    with (cohort.folder / "excluded.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [int(row["eid"]) for row in rows] == [FIRST_EID + 2] and path.name in rows[0]["remark"]
    straight = prepare(copied, tmp_path / "again", geometry)
    np.testing.assert_array_equal(straight.hearts, cohort.hearts)


def test_too_many_bad_subjects_are_refused(copied, tmp_path, geometry):
    for index in (1, 3):
        ecg_path(copied, index).write_bytes(b"")
    with pytest.raises(InputError, match="2 of 6 subjects cannot be read"):
        prepare(copied, tmp_path / "out", geometry)
    assert len(prepare(copied, tmp_path / "out", geometry, max_bad_fraction=0.5).eid) == 4


def test_half_a_subject_is_no_pair(copied, tmp_path, geometry):
    ecg_path(copied, 1).unlink()
    shutil.rmtree(copied / "NIFTI" / str(FIRST_EID + 4))
    assert prepare(copied, tmp_path / "out", geometry).eid.tolist() == [FIRST_EID + k for k in (0, 2, 3, 5)]


def test_missing_label_maps_are_said_and_not_invented(copied, tmp_path, geometry):
    for path in (copied / "NIFTI" / str(FIRST_EID + 1)).glob("seg_*"):
        path.unlink()
    cohort = prepare(copied, tmp_path / "out", geometry)
    assert (cohort.labels[1] == NO_LABELS).all() and (cohort.labels[0] <= max(Label)).all()
    assert np.isnan(cohort.phenotypes[1]).all() and np.isfinite(cohort.phenotypes[0]).all()
    assert np.isnan(cohort.person[1][0]) or cohort.person[1][0] in (0, 1)


def test_a_cohort_is_read_once_and_anew_when_it_changes(copied, tmp_path, geometry):
    first = prepare(copied, tmp_path / "out", geometry)
    stamp = (first.folder / "hearts.npy").stat().st_mtime_ns
    assert prepare(copied, tmp_path / "out", geometry).folder == first.folder
    assert (first.folder / "hearts.npy").stat().st_mtime_ns == stamp
    ecg_path(copied, 3).unlink()
    second = prepare(copied, tmp_path / "out", geometry)
    assert second.folder != first.folder and len(second.eid) == 5


def test_an_interrupted_preparation_continues(prepared, copied, tmp_path, geometry):
    whole = prepare(copied, tmp_path / "a", geometry)
    draft = tmp_path / "b" / f".partial-{whole.folder.name}"
    shutil.copytree(whole.folder, draft)
    (draft / "prepared.json").unlink()
    state = np.load(whole.folder / "state.npy")
    state[3:] = 0
    np.save(draft / "state.npy", state)
    hearts = np.load(draft / "hearts.npy")
    hearts[3:] = 0  # what comes after the interruption is written again,
    hearts[0] = 7  # what came before is not
    np.save(draft / "hearts.npy", hearts)
    continued = prepare(copied, tmp_path / "b", geometry)
    np.testing.assert_array_equal(continued.hearts[1:], whole.hearts[1:])
    assert (continued.hearts[0] == 7).all()


def test_an_opened_folder_is_the_prepared_cohort(prepared):
    opened = load_prepared(prepared.folder)
    assert opened.preparation == prepared.preparation
    np.testing.assert_array_equal(opened.ecg, prepared.ecg)


def test_an_empty_folder_says_what_belongs_there(tmp_path, geometry):
    with pytest.raises(InputError, match=r"make_phantom\.py"):
        prepare(tmp_path, tmp_path / "out", geometry)
