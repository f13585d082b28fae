"""motion.csv: what is written is read back, and what no heart does is refused."""

from dataclasses import replace

import numpy as np
import pytest

from cohort.beat import NUMBERS, QUARTERS, beat_of
from cohort.errors import InputError
from cohort.motion_table import COLUMNS, INSIDE, MOMENTS, motion_row, read_motion, require_motion_table, told_beats
from cohort.person_number import person_number
from cohort.places import CohortPlaces
from cohort.stored_arrays import ABOUT
from cohort.table import write_table
from phantom.heart import Draw, draw_heart
from phantom.truth import motion_truth, told_motion
from training.cohort_arrays import open_cohort
from training.options import DiffusionOptions

FRAMES = 50
EID, OTHER = 9000001, 9000002


def beat(frames=FRAMES):
    """A beat whose ES is at 0.36 of the cycle, and a wall that thickens by a half."""
    times = np.arange(frames) / frames
    inside = np.interp(times, [0, 0.36, 0.42, 0.6, 0.85, 1], [1, 0, 0, 0.7, 0.7, 1])
    return beat_of(60 + 80 * inside, np.repeat(10 - 5 * inside[:, None], 12, axis=1) + 5)


def write(folder, rows, columns=("eid", *COLUMNS)):
    write_table(folder / "motion.csv", columns, rows)


def test_a_beat_that_was_written_is_read_back(tmp_path):
    measured = beat()
    write(tmp_path, [(EID, *motion_row(measured).values())])
    known = read_motion(tmp_path)[EID, 2]
    assert known.numbers == pytest.approx(measured.numbers)
    np.testing.assert_allclose(known.inside, measured.inside[:: FRAMES // MOMENTS], atol=1e-9)


def test_without_a_table_nothing_is_told(tmp_path):
    assert read_motion(tmp_path) == {} == told_beats(CohortPlaces(tmp_path), np.array([EID]), np.array([2]))


def test_a_beat_that_does_not_close_has_no_curve(tmp_path):
    cut = beat(100)
    cut = beat_of(cut.volume_ml[:70], np.repeat(15 - 5 * cut.inside[:70, None], 12, axis=1))
    assert not cut.closes
    row = motion_row(cut)
    assert row["ES_share"] is None and row["inside_20"] is None and row["thickening_septal"] > 0
    write(tmp_path, [(EID, *row.values()), (OTHER, *motion_row(None).values())])
    told = read_motion(tmp_path)
    assert told[EID, 2].inside is None and np.isfinite(told[EID, 2].numbers["thickening_septal"])
    assert told[OTHER, 2].inside is None and np.isnan(list(told[OTHER, 2].numbers.values())).all()


def test_a_row_is_of_its_own_visit_and_of_its_own_person(tmp_path):
    row = list(motion_row(beat()).values())
    write(tmp_path, [(EID, 2, *row), (EID, 3, 0.5, *row[1:])], ("eid", "instance", *COLUMNS))
    told = told_beats(CohortPlaces(tmp_path), np.array([OTHER, EID, EID]), np.array([2, 3, 2]))
    assert set(told) == {1, 2} and told[1].numbers["ES_share"] == 0.5 != told[2].numbers["ES_share"]


def test_a_person_without_an_eid_is_known_by_name(tmp_path, monkeypatch):
    monkeypatch.setattr("cohort.motion_table.find_subjects", lambda places: [])
    monkeypatch.setattr("cohort.motion_table.names_of", lambda subjects: ("patient7",))
    write(tmp_path, [("patient7", *motion_row(beat()).values())])
    assert set(told_beats(CohortPlaces(tmp_path), np.array([person_number("patient7")]), np.array([2]))) == {0}


@pytest.mark.parametrize(
    ("column", "cell", "words"),
    [
        ("ES_share", "320", "a share of the cycle"),  # milliseconds
        ("thickening_septal", "900", "in percent"),
        ("inside_20", "80", "of the stroke volume"),  # percent
        ("peak_lateral", "x", "not a number"),
        ("peak_ejection", "320", "stroke volumes a cycle"),  # mL/s
    ],
)
def test_a_number_of_another_unit_is_refused(tmp_path, column, cell, words):
    row = motion_row(beat()) | {column: cell}
    write(tmp_path, [(EID, *row.values())])
    with pytest.raises(InputError, match=f"row 2, column {column}") as refusal:
        read_motion(tmp_path)
    assert words in str(refusal.value) and str(EID) not in str(refusal.value)


def test_a_table_of_some_columns_tells_these(tmp_path):
    (tmp_path / "motion.csv").write_text(f"eid,ES_share\n{EID},0.4\n")
    known = read_motion(tmp_path)[EID, 2]
    assert known.numbers["ES_share"] == 0.4 and np.isnan(known.numbers["dyssynchrony"]) and known.inside is None


def test_a_broken_link_is_refused(tmp_path):
    (tmp_path / "motion.csv").symlink_to(tmp_path / "gone.csv")
    with pytest.raises(InputError):
        read_motion(tmp_path)


def test_a_phantoms_row_is_that_of_its_own_heart():
    """Its early filling and its ES move the row; the heart's size does not."""
    heart = draw_heart(4, 2)
    row = told_motion(heart)
    assert set(row) == set(COLUMNS) and len(COLUMNS) == len(NUMBERS) + len(INSIDE)
    larger = told_motion(replace(heart, lvedv_ml=1.1 * heart.lvedv_ml, lvesv_ml=1.1 * heart.lvesv_ml))
    assert larger["ES_share"] == pytest.approx(row["ES_share"], abs=0.005)
    slower = told_motion(replace(heart, relaxation_ms=2 * heart.relaxation_ms))
    assert abs(slower["inside_60"] - row["inside_60"]) > 0.02


def test_a_phantoms_walls_are_told_quarter_by_quarter():
    """In left bundle branch block the septum thickens before the lateral wall."""
    heart = draw_heart(4, 0, Draw(condition="lbbb"))
    row, truth, cycle_ms = told_motion(heart), motion_truth(heart), 60_000 / heart.heart_rate_bpm
    assert truth["peak_lateral_ms"] > truth["peak_septal_ms"] + 20
    for quarter in QUARTERS:
        assert row[f"peak_{quarter}"] * cycle_ms == pytest.approx(truth[f"peak_{quarter}_ms"], abs=15)
        assert row[f"thickening_{quarter}"] == pytest.approx(truth[f"thickening_{quarter}_percent"], abs=6)


def test_a_table_is_looked_at_before_the_cohort_is_read(tmp_path, monkeypatch):
    monkeypatch.setattr("cohort.motion_table.find_subjects", lambda places: [])
    require_motion_table(tmp_path)
    (tmp_path / "motion.csv").write_text(f"eid,ES_share\n{EID},320\n")
    for _ in ("files", "arrays"):
        with pytest.raises(InputError, match="row 2, column ES_share"):
            open_cohort(DiffusionOptions(data=tmp_path, prepared=tmp_path / "prepared"), None)
        (tmp_path / ABOUT).write_text("{}")
