from dataclasses import replace

import numpy as np
import pytest

from cohort.errors import InputError
from evaluation.opening import open_segmenter, open_training_people, people_to_measure
from evaluation.study import Study


@pytest.fixture
def opened(phantom_data, prepared_folder, tiny_pipeline, tmp_path):
    """people_to_measure of the phantom cohort, by split and number."""

    def opened(split, most):
        return people_to_measure(phantom_data, prepared_folder, tiny_pipeline, tmp_path, split, most)

    return opened


def test_at_most_so_many_people_of_a_split_are_measured(opened, prepared):
    cohort, rows = opened("train", 4)
    assert cohort.folder == prepared.folder
    np.testing.assert_array_equal(rows, prepared.rows("train")[:4])
    np.testing.assert_array_equal(opened("all", 300)[1], np.arange(len(prepared.eid)))


def test_two_people_are_too_few(opened):
    with pytest.raises(InputError, match="2 people in the train split.*at least three"):
        opened("train", 2)


def test_without_truth_nothing_can_be_compared(opened, prepared, monkeypatch):
    unknown = replace(prepared, phenotypes=np.full_like(prepared.phenotypes, np.nan))
    monkeypatch.setattr("evaluation.opening.prepare_cohort", lambda *_: unknown)
    with pytest.raises(InputError, match="no truth"):
        opened("all", 300)


def test_without_a_segmenter_nothing_is_measured(tmp_path):
    with pytest.raises(InputError, match="train_segmenter.py"):
        open_segmenter(tmp_path / "segmenter", None)


def test_training_people_are_those_the_pipeline_names(prepared, tiny_pipeline, tmp_path, capsys):
    study = Study(tiny_pipeline, tmp_path, None, prepared, prepared.rows("test"))
    assert open_training_people(study, None, tmp_path) is None and "--training-data" in capsys.readouterr().out
    (tmp_path / "training.json").write_text(f'{{"cohort": "{prepared.folder.name}"}}')
    training = open_training_people(study, None, tmp_path)
    np.testing.assert_array_equal(training.rows, prepared.rows("train"))
