"""Further numbers of the person beside the four: whose they are, and which names are refused."""

import shutil
from dataclasses import replace

import numpy as np
import pytest

from cohort.ecg_cohort import prepare_ecgs
from cohort.errors import InputError
from cohort.field_names import is_name, require_names
from cohort.further import FURTHER
from cohort.person_fields import known_of, require_told, with_fields, with_fields_of_more
from cohort.places import CohortPlaces
from phantom.cohort_plan import CohortPlan
from phantom.cohort_writer import FIRST_EID, write_cohort

PRESSURE = "systolic_bp_mmhg"


@pytest.mark.parametrize("name", ["Sex", "gender", "age", "age_years", "Height", "height (cm)", "Weight", "p21002"])
def test_a_standard_field_in_any_spelling_is_not_named_again(name):
    with pytest.raises(InputError, match="is a standard field of the person; leave it out"):
        require_names([PRESSURE, name])


@pytest.mark.parametrize("name", ["eid", "Instance", "file", "LVEDV (mL)", "p24105", "cardiac_output", "p24140"])
def test_who_it_is_and_what_the_mri_tells_is_no_field_of_the_person(name):
    with pytest.raises(InputError, match="says who it is, or what is measured on the MRI"):
        require_names([name])


def test_a_column_is_named_once_and_its_name_can_be_shown():
    require_names([PRESSURE, "hba1c", "p4080_a1", "SBP (mmHg)"])
    with pytest.raises(InputError, match="Systolic BP mmHg is named twice"):
        require_names([PRESSURE, "Systolic BP mmHg"])
    for odd in ("", " ", "a=b", "a\x1b[2J", "x" * 61, "()", " hba1c"):
        assert not is_name(odd)
        with pytest.raises(InputError, match="one of the names is no column's"):
            require_names([odd])


# ---- The cohort that is learned from ----


@pytest.fixture
def cohort(prepared, tmp_path):
    """The phantom cohort with a further.csv of its own: two numbers, one of them of training people only."""
    rows = [f"{eid},2,{100 + k},{k if k % 2 else ''},7" for k, eid in enumerate(prepared.eid)]
    (tmp_path / FURTHER).write_text("\n".join(["eid,instance,a,b,same", *rows]) + "\n")
    return replace(prepared, folder=tmp_path)


def test_fields_stand_beside_the_four_in_the_order_of_their_names(cohort):
    told = with_fields(cohort, ["b", "a"])
    people = len(cohort.eid)
    assert told.person.shape == (people, 6) and told.person.dtype == np.float32
    np.testing.assert_array_equal(told.person[:, :4], cohort.person)
    np.testing.assert_array_equal(told.person[:, 5], 100 + np.arange(people))
    odd = np.arange(people) % 2 == 1
    np.testing.assert_array_equal(told.person[odd, 4], np.flatnonzero(odd))
    assert np.isnan(told.person[~odd, 4]).all()
    assert with_fields(cohort, []) is cohort
    assert known_of(told, np.array([0, 1, 3]), ["b", "a"]) == [
        "b is known of 2 of 3 people",
        "a is known of 3 of 3 people",
    ]


def test_a_column_that_is_not_there_is_refused_with_those_that_are(cohort):
    with pytest.raises(InputError, match=r"persons.csv: neither .* called hba1c; the columns .* are a, b, same"):
        with_fields(cohort, ["a", "hba1c"])
    (cohort.folder / FURTHER).unlink()
    with pytest.raises(InputError, match="the columns that hold numbers only are none"):
        with_fields(cohort, ["a"])


def test_an_evaluation_goes_on_without_a_column_and_says_so(cohort, capsys):
    told = with_fields(cohort, ["hba1c", "a"], may_lack=True)
    assert np.isnan(told.person[:, 4]).all() and np.isfinite(told.person[:, 5]).all()
    assert "no column of numbers hba1c: it is unknown of everybody" in capsys.readouterr().out


def test_what_tells_nothing_of_training_people_is_refused(cohort):
    train = cohort.rows("train")
    assert require_told(with_fields(cohort, ["a"]), ["a"])[0].startswith(f"a is known of {len(train)} of {len(train)} ")
    with pytest.raises(InputError, match="same is the same for all .*; leave it out; the other columns .* are a, b"):
        require_told(with_fields(cohort, ["same"]), ["same"])
    told = with_fields(cohort, ["a"])
    told.person[train, 4] = np.nan
    with pytest.raises(InputError, match=f"a is known of none of {len(train)} training people; .* are b, same"):
        require_told(told, ["a"])


# ---- People without an MRI ----


@pytest.fixture(scope="module")
def visits(tmp_path_factory):
    """Four people with two visits each, ECGs and tables only."""
    folder = tmp_path_factory.mktemp("more") / "UKBB"
    write_cohort(folder, CohortPlan(seed=3, subjects=4, visits=2, ecg_only=True), processes=1)
    return folder


def test_further_people_have_the_number_of_their_ecgs_visit(visits, tmp_path, monkeypatch):
    """The first person's first ECG is gone: the second one counts, with that visit's number."""
    monkeypatch.setattr("cohort.ecg_cohort.in_processes", lambda job, items, chunksize: map(job, items))
    data = shutil.copytree(visits, tmp_path / "UKBB")
    (data / "ecg" / f"{FIRST_EID}_20205_2_0.xml").unlink()
    lines = (data / "persons.csv").read_text().splitlines()
    head = lines[0].split(",")
    said = {}
    for line in lines[1:]:
        row = dict(zip(head, line.split(","), strict=True))
        said[int(row["eid"]), int(row["instance"])] = float(row[PRESSURE])
    extra = prepare_ecgs(data, tmp_path / "prepared", 250, 10.0, quiet=True)
    told = with_fields_of_more(extra, CohortPlaces(data), ["nobody_has_this", PRESSURE])
    np.testing.assert_array_equal(told.person[:, :4], extra.person)
    assert np.isnan(told.person[:, 4]).all()
    expected = [said[int(eid), 3 if eid == FIRST_EID else 2] for eid in extra.eid]
    np.testing.assert_allclose(told.person[:, 5], expected, rtol=1e-6)
    assert said[FIRST_EID, 2] != said[FIRST_EID, 3]
    assert with_fields_of_more(extra, data, []) is extra
