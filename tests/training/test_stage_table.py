"""The table of the stages: one signature, and what each of them fills in."""

import inspect
from dataclasses import fields, replace

import numpy as np
import pytest
from accelerate import Accelerator

from models.presets import PRESETS
from training.options import DiffusionOptions, StageSteps
from training.stages import STAGES, Training, taught_by, with_lengths

FILLED_IN_BY = {
    "autoencoder": {"autoencoder"},
    "segmenter": {"segmenter"},
    "networks": {"latents", "settings", "regressor", "prior", "denoiser", "run", "codes"},
    "ceiling": {"ceiling"},
    "condition": set(),
    "prior": {"pipeline"},
    "denoiser": set(),
}


def test_every_stage_has_the_one_signature():
    for name, stage in STAGES.items():
        signature = inspect.signature(stage)
        assert [p.annotation for p in signature.parameters.values()] == [Training], name
        assert signature.return_annotation is None, name


def filled(training):
    """Names of the fields that hold something."""
    values = {f.name: getattr(training, f.name) for f in fields(training)}
    return {name for name, value in values.items() if value is not None and not (isinstance(value, dict) and not value)}


@pytest.fixture
def one_step(prepared, tiny_preset, tmp_path, monkeypatch):
    """A training of one step a stage, of a tiny preset, on one second of each ECG."""
    monkeypatch.setitem(PRESETS, "nano", tiny_preset)
    folders = {name: tmp_path / name for name in ("output", "autoencoder", "segmenter", "cohort")}
    folders["cohort"].mkdir()
    cohort = replace(prepared, folder=folders.pop("cohort"), ecg=np.asarray(prepared.ecg[:, :, :250]))
    options = DiffusionOptions(**folders, preset="nano", steps=1, stage_steps=StageSteps(1, 1, 1, 1, 1))
    return Training(with_lengths(options, "cpu"), Accelerator(cpu=True), cohort, watch=lambda step: None)


def test_each_stage_fills_in_what_is_its_own(one_step):
    before = filled(one_step)
    for name, learn in STAGES.items():
        learn(one_step)
        assert filled(one_step) - before == FILLED_IN_BY[name], name
        before = filled(one_step)
    assert {f.name for f in fields(Training)} - before == {"extra_ecgs"}  # given, and of nobody here


def test_a_pipeline_is_taught_by_simulated_people_where_all_its_cohorts_are_phantoms(tmp_path):
    phantom, real = tmp_path / "phantom", tmp_path / "real"
    for folder in (phantom, real):
        folder.mkdir()
    (phantom / "cohort.json").touch()
    for data, more, expected in (
        (phantom, None, "simulated"),
        (phantom, phantom, "simulated"),
        (real, None, "real"),
        (phantom, real, "real"),
        (real, phantom, "real"),
    ):
        assert taught_by(DiffusionOptions(data=data, more_ecgs=more)) == expected
    for elsewhere in ({"ecg_dir": tmp_path}, {"mri_dir": tmp_path}):  # whose files lie there, nobody knows
        assert taught_by(DiffusionOptions(data=phantom, **elsewhere)) == "real"
    (phantom / "pairs.csv").touch()
    assert taught_by(DiffusionOptions(data=phantom)) == "real"
