"""The table of the stages: one signature, and what each of them fills in."""

import inspect
import shutil
from dataclasses import fields, replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from accelerate import Accelerator

from cohort.places import CohortPlaces
from cohort.prepared import NO_LABELS
from cohort.stored_arrays import ABOUT
from models.presets import PRESETS
from sampling.model_folder import REAL, SIMULATED
from tests.short_training import shorten
from training.cohort_arrays import taught_by
from training.options import DiffusionOptions, StageSteps
from training.pipeline_folder import save_pipeline
from training.stages import STAGES, Training, learn_stages, recorded_settings, with_lengths

FILLED_IN_BY = {
    "autoencoder": {"autoencoder"},
    "segmenter": {"segmenter"},
    "networks": {"latents", "settings", "regressor", "prior", "denoiser", "run", "codes", "components"},
    "ceiling": {"ceiling"},
    "condition": set(),
    "prior": {"pipeline"},
    "denoiser": set(),
    "correction": set(),  # it is the pipeline's
    "motion": set(),  # of a cohort of stills
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
    shorten(monkeypatch)
    monkeypatch.setitem(PRESETS, "nano", tiny_preset)
    folders = {name: tmp_path / name for name in ("output", "autoencoder", "segmenter", "cohort")}
    folders["cohort"].mkdir()
    shutil.copy(prepared.folder / ABOUT, folders["cohort"])  # latents are named by the hearts it speaks of
    cohort = replace(prepared, folder=folders.pop("cohort"), ecg=np.asarray(prepared.ecg[:, :, :250]))
    options = DiffusionOptions(**folders, preset="nano", steps=1, stage_steps=StageSteps(1, 1, 1, 1, 1))
    return Training(with_lengths(options, "cpu"), Accelerator(cpu=True), cohort, watch=lambda step: None)


def test_each_stage_fills_in_what_is_its_own(one_step):
    before = filled(one_step)
    for name, learn in STAGES.items():
        learn(one_step)
        assert filled(one_step) - before == FILLED_IN_BY[name], name
        before = filled(one_step)
    assert {f.name for f in fields(Training)} - before == {
        "extra_ecgs",
        "cines",
        "motion_targets",
        "motion",
        "start",
        "plan",
    }  # of nobody here


def test_a_line_says_where_the_training_stands_and_its_page_shows_all_stages(one_step, capsys):
    learn_stages(one_step)
    said = [line for line in capsys.readouterr().out.splitlines() if line.startswith("stage ")]
    names = ("autoencoder", "segmenter", "ceiling", "condition", "prior", "denoiser")
    assert [line.split(",")[0] for line in said] == [f"stage {k} of 6: {name}" for k, name in enumerate(names, start=1)]
    assert said[3] == "stage 4 of 6: condition, time left not known yet for condition, prior, denoiser"
    page = (one_step.options.output / "index.html").read_text()
    assert page.endswith("</html>\n") and all(f"<h2>{name}</h2>" in page for name in names)
    assert 'http-equiv="refresh"' not in page and "The training is finished." in page


def test_a_cohort_without_label_maps_is_measured_by_the_released_segmenter(one_step, capsys, monkeypatch):
    """Which knows pixels of 1.8 mm, and here are larger ones: so it is handed the label maps."""
    cohort = one_step.cohort
    maps = iter(np.array(cohort.labels))
    monkeypatch.setattr("sampling.measured_phenotypes.segment", lambda segmenter, heart: (next(maps), None))
    unknown = np.full_like(cohort.phenotypes, np.nan)
    one_step.cohort = replace(cohort, labels=np.full_like(cohort.labels, NO_LABELS), phenotypes=unknown)
    for learn in STAGES.values():
        learn(one_step)
    assert one_step.ceiling and "LVEDV" in one_step.regressor.conditioner.config.phenotypes
    assert one_step.segmenter.config.trained_on == SIMULATED
    told = (
        "18 of 18 people: a segmenter that learned from simulated hearts only measured them, and found a left ventricle"
    )
    assert told in capsys.readouterr().out
    kept = one_step.settings["phenotypes"]
    one_step.cohort = replace(one_step.cohort, phenotypes=one_step.cohort.phenotypes + 1)
    changed = recorded_settings(one_step.options, one_step.cohort, None, one_step.autoencoder)
    assert changed["phenotypes"] != kept, "a resumed run would go on with other targets"
    folder = save_pipeline(one_step)
    assert (folder / "segmenter").is_dir() and "18 of them had no label map" in (folder / "README.md").read_text()


def test_further_ecgs_are_in_the_settings_by_what_they_hold_not_by_the_name_of_their_folder(one_step):
    STAGES["autoencoder"](one_step)
    given = (replace(one_step.options, more_ecgs=Path("ecgs")), one_step.cohort)
    all_of_them, fewer = (SimpleNamespace(folder=Path(f"ecgs-ecg-{key}")) for key in ("0a", "1b"))
    settings = [recorded_settings(*given, extra, one_step.autoencoder) for extra in (all_of_them, fewer)]
    assert settings[0] != settings[1], "somebody withdrew, and a finished training would stay as it is"


def test_the_segmenter_of_label_maps_says_whose_they_are(one_step, tmp_path):
    for made, expected in ((False, REAL), (True, SIMULATED)):
        data = tmp_path / expected
        data.mkdir()
        if made:
            (data / "cohort.json").touch()
        one_step.options = replace(one_step.options, data=data, segmenter=data / "segmenter")
        STAGES["segmenter"](one_step)
        assert one_step.segmenter.config.trained_on == expected and one_step.cohort.measured is None


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
        assert taught_by(CohortPlaces(data), more) == expected
    for elsewhere in ({"ecg_dir": tmp_path}, {"mri_dir": tmp_path}):  # whose files lie there, nobody knows
        assert taught_by(CohortPlaces(phantom, **elsewhere)) == "real"
    (phantom / "pairs.csv").touch()
    assert taught_by(CohortPlaces(phantom)) == "real"
