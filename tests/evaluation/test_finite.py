"""Row A8 in short: numbers that are none are refused in one line, or all that comes of an input is finite."""

import itertools
import shutil

import numpy as np
import pytest

from cohort.errors import InputError
from cohort.heart_grid import GridGeometry
from cohort.prepared import Preparation, prepare_cohort
from cohort.rhythm import SINUS, BeatLength
from evaluation.heart_sampler import HeartSampler
from sampling.phenotype_table import BY_CODES
from tests.corpora import finite
from tests.corpora.finite import Trial, ecg_trials, nifti_trials, opened, pipeline_trials, table_trials

EVERY = 11


@pytest.fixture
def pipeline(tiny_pipeline, tmp_path):
    tiny_pipeline.save(tmp_path / "pipeline")
    return tmp_path / "pipeline"


@pytest.fixture
def few(phantom_data, tmp_path):
    """One phantom's files."""
    first = min((phantom_data / "ecg").glob("*.xml"))
    eid = first.name.partition("_")[0]
    (tmp_path / "few" / "ecg").mkdir(parents=True)
    shutil.copy(first, tmp_path / "few" / "ecg")
    shutil.copytree(phantom_data / "NIFTI" / eid, tmp_path / "few" / "NIFTI" / eid)
    return tmp_path / "few"


def faults(trials):
    tried = {trial.name: trial.fault() for trial in itertools.islice(trials, 0, None, EVERY)}
    assert len(tried) > 5
    return {name: fault for name, fault in tried.items() if fault}


def test_no_number_of_an_ecg_or_a_table_makes_outputs_that_are_not_finite(pipeline, few, tmp_path):
    sampler = opened(pipeline, tmp_path / "out")
    ecg = next((few / "ecg").iterdir())
    (tmp_path / "files").mkdir()
    assert faults(ecg_trials(sampler, tmp_path / "files")) == {}
    assert faults(table_trials(sampler, ecg, tmp_path)) == {}


def test_no_number_of_a_nifti_changes_the_arrays_or_is_believed(few, tmp_path, geometry):
    (tmp_path / "mri").mkdir()
    assert faults(nifti_trials(few, tmp_path / "mri", geometry)) == {}


def test_no_number_of_a_pipeline_makes_outputs_that_are_not_finite(pipeline, few, tmp_path):
    (tmp_path / "changed").mkdir()
    assert faults(pipeline_trials(pipeline, next((few / "ecg").iterdir()), tmp_path / "changed")) == {}


def test_an_output_that_is_not_finite_is_seen(pipeline, few, tmp_path, monkeypatch):
    sampler, ecg = opened(pipeline, tmp_path / "out"), next((few / "ecg").iterdir())
    assert finite.unsound(sampler, ecg) == ""
    monkeypatch.setattr(HeartSampler, "beat_length", lambda *_: BeatLength(float("inf"), SINUS))
    monkeypatch.setattr("sampling.outputs._require_finite", lambda *_: None)
    monkeypatch.setattr(
        HeartSampler, "_summed_up", lambda *_: ({"LVEDV": {"mean": float("nan"), "told_by": BY_CODES}}, [])
    )
    with pytest.raises(InputError, match="not finite"):  # `write_json` refuses once more
        finite.unsound(sampler, ecg)
    assert Trial("raises", lambda: 1 / 0).fault().startswith("ZeroDivisionError")


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e300, -1.0, 0.0])
@pytest.mark.parametrize("name", ["slice_step_mm", "pixel_mm"])
def test_a_grid_that_is_none_is_refused_before_anything_is_read(phantom_data, tmp_path, name, value):
    with pytest.raises(InputError, match=f"--geometry.{name.replace('_', '-')}: .* is out of range; give"):
        prepare_cohort(phantom_data, tmp_path, Preparation(GridGeometry(**{name: value})))
    assert not list(tmp_path.iterdir())
