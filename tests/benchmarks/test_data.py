"""The benchmarks of the data measure what they say; never how fast it is."""

import numpy as np

from benchmarks import data_index, loader_speed
from benchmarks.synthetic_cohort import CohortSize, synthetic_cohort, write_noise

PEOPLE = 30


def test_the_index_is_that_of_everybody(tmp_path):
    data_index.write_names(tmp_path / "UKBB", PEOPLE)
    data_index.write_arrays(tmp_path / "prepared", PEOPLE)
    subjects, fingerprint = data_index.checked(tmp_path)
    assert len(subjects) == PEOPLE and len(fingerprint) == 12
    cohort, rows = data_index.prepared(tmp_path)
    assert sorted(np.concatenate(rows)) == list(range(PEOPLE))
    assert cohort.eid.tolist() == [subject.eid for subject in subjects]


def test_the_loader_is_timed_with_ecgs_where_there_are_any_and_without(tmp_path, monkeypatch):
    monkeypatch.setattr(loader_speed, "AT_LEAST_S", 0.01)
    for seconds, ways in ((10.0, ["no", "yes"]), (0.0, ["no"])):
        size = CohortSize(people=PEOPLE, side=4, positions=3, strip_s=seconds)
        write_noise(tmp_path, size)
        asked = {"hearts": 4, "slices": (3,), "asked_hearts_s": 2.0}
        rows = loader_speed.loader_rows("noise", *synthetic_cohort(tmp_path, size), **asked)
        assert [row["ECG"] for row in rows] == ways
        assert all(row["x training"] == row["hearts/s"] / 2.0 > 0 for row in rows)
