import numpy as np
import pytest

from evaluation.groups import FEWEST, disease_groups, sex_groups, with_pooled_disease
from phantom.cohort_writer import FIRST_EID

CONDITIONS = ["normal"] * 9 + ["infarct"] * 6 + ["lbbb"] * FEWEST + ["dcm"] * (FEWEST - 1)
SCARS = [""] * 9 + ["anterior", "inferior", "inferior", "lateral", "anterior", "inferior"] + [""] * (2 * FEWEST - 1)
EIDS = FIRST_EID + np.arange(len(CONDITIONS))


@pytest.fixture
def data(tmp_path):
    """A folder whose truth.csv knows what is wrong with whom, among much else."""
    rows = [f"{e},0.5,{c},{s},61" for e, c, s in zip(EIDS, CONDITIONS, SCARS, strict=True)]
    (tmp_path / "truth.csv").write_text("\n".join(["eid,bmi,condition,scar_territory,age_years", *rows]) + "\n")
    return tmp_path


def test_people_are_in_the_group_of_their_condition_and_those_with_a_scar_by_its_place(data):
    groups, scars = disease_groups(data, EIDS)
    assert {name: rows.tolist() for name, rows in groups.items()} == {
        "normal": list(range(9)),
        "infarct": list(range(9, 15)),
        "lbbb": list(range(15, 15 + FEWEST)),
    }
    assert {name: rows.tolist() for name, rows in scars.items()} == {
        "anterior": [9, 13],
        "inferior": [10, 11, 14],
        "lateral": [12],
    }


def test_rows_are_those_of_the_people_asked_about(data):
    """In any order, and of any of them."""
    order = np.random.default_rng(0).permutation(len(EIDS))
    shuffled, scars = disease_groups(data, EIDS[order])
    assert {name: sorted(order[rows].tolist()) for name, rows in shuffled.items()} == {
        name: rows.tolist() for name, rows in disease_groups(data, EIDS)[0].items()
    }
    assert sorted(order[scars["inferior"]].tolist()) == [10, 11, 14]
    few, _ = disease_groups(data, EIDS[: 9 + FEWEST - 1])
    assert list(few) == ["normal"]  # one infarct too few


def test_of_whom_the_table_knows_nothing_nothing_is_said(data):
    strangers = np.concatenate([EIDS[:FEWEST], [FIRST_EID + 500, FIRST_EID + 501]])
    groups, scars = disease_groups(data, strangers)
    assert list(groups) == ["normal"] and groups["normal"].tolist() == list(range(FEWEST)) and scars == {}


def test_real_people_have_no_such_table(tmp_path):
    assert disease_groups(tmp_path, EIDS) == ({}, {})


def test_another_programs_truth_without_these_columns_groups_nobody(tmp_path):
    (tmp_path / "truth.csv").write_text(f"eid,LVEDV\n{FIRST_EID},150\n")
    assert disease_groups(tmp_path, EIDS) == ({}, {})


def test_a_phantom_cohort_says_it_itself(phantom_data):
    from phantom.heart import draw_heart

    eids = FIRST_EID + np.arange(18)
    _, scars = disease_groups(phantom_data, eids)
    drawn = [draw_heart(3, index).scar_territory for index in range(18)]
    assert {name: rows.tolist() for name, rows in scars.items()} == {
        name: [k for k, territory in enumerate(drawn) if territory == name] for name in sorted({*drawn} - {None})
    }


def test_all_the_ill_are_a_group_where_there_is_more_than_one_disease(data):
    groups, _ = disease_groups(data, EIDS)
    pooled = with_pooled_disease(groups)
    assert pooled.keys() - groups.keys() == {"any disease"}
    assert pooled["any disease"].tolist() == list(range(9, 15 + FEWEST))
    one = {name: groups[name] for name in ("normal", "lbbb")}
    assert with_pooled_disease(one) == one


def test_without_a_truth_people_are_grouped_by_sex():
    person = np.full((2 * FEWEST + 2, 4), np.nan)
    person[:FEWEST, 0], person[FEWEST : 2 * FEWEST + 1, 0] = 1, 0
    assert {name: rows.tolist() for name, rows in sex_groups(person).items()} == {
        "women": list(range(FEWEST, 2 * FEWEST + 1)),
        "men": list(range(FEWEST)),
    }
