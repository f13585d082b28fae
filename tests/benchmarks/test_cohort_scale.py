"""The benchmark of a large cohort knows everybody in a small one; never how fast it is."""

import sys

import pytest

from benchmarks.cohort_scale import EVERY_WITHDREW, JOBS, discovery, names_alone, plan, rows_of, tables

PEOPLE, COLUMNS = 60, 12


@pytest.mark.skipif(sys.platform != "linux", reason="memory is read from /proc")
def test_every_job_knows_everybody(tmp_path):
    rows = {row["what"]: row for row in rows_of(tmp_path / "UKBB", PEOPLE, COLUMNS)}
    assert rows.keys() == JOBS.keys()
    withdrew = len(range(1, PEOPLE, EVERY_WITHDREW))
    known = {JOBS[name]: row["people"] for name, row in rows.items()}
    assert known[discovery] == known[tables] == PEOPLE and known[names_alone] == known[plan] == PEOPLE - withdrew
    assert all(row["s"] >= 0 and row["peak MB"] >= 0 for row in rows.values())
    assert (tmp_path / "further.csv").read_text().count("\n") == PEOPLE + 1
