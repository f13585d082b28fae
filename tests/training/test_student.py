"""distil.py: a student is a whole pipeline with another denoiser, and what makes none is refused."""

import hashlib
import importlib
import json
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch

from cohort.disk import write_json
from cohort.errors import InputError, exit_code_of
from models.segmenter import Segmenter
from sampling.model_card import add_figures, write_model_card
from sampling.patients import patient_batch, prepared_patients
from sampling.pipeline import ECGToMRIPipeline, weights_sha256
from sampling.schedulers import make_scheduler
from training.options import DistillationOptions
from training.order import keyed_generator
from training.student import checked

FIGURES = {"n_subjects": 3, "n_samples": 2, "agreement": {"LVEDV": {"r2": 0.5}}}


@pytest.fixture
def taught(tiny_pipeline, prepared, tmp_path):
    """A teacher's folder as train_diffusion.py leaves it, evaluated and calibrated."""

    def describe(folder):
        write_json(folder / "training.json", {"cohort": prepared.folder.name})
        write_json(folder / "calibration.json", {"LVEDV": 1.1})
        recipe = {"steps": 2, "batch": "4", "learning_rate": 0.1, "seed": 0, "code_version": "v", "date": "today"}
        data = {"cohort": "UKBB", "people": {"train": 1, "validation": 1, "test": 1}, "phantom": True}
        write_model_card(folder, {"name": "tiny", "data": data, "recipe": recipe})
        add_figures(folder, FIGURES)

    torch.manual_seed(1)
    tiny_pipeline.save(tmp_path / "teacher", {"segmenter": Segmenter(widths=(8, 16))}, describe)
    return tmp_path / "teacher"


@pytest.fixture
def distil(monkeypatch, tmp_path, phantom_data, prepared_folder, taught):
    """Run distil.py on the teacher: the exit code."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments):
        places = ("--pipeline", taught, "--data", phantom_data, "--prepared", prepared_folder)
        sizes = ("--pairs", 4, "--optimiser-steps", 2, "--hearts-per-batch", 2)
        words = ["distil.py", *map(str, (*places, *sizes, *arguments))]
        monkeypatch.setattr(sys, "argv", words)
        return exit_code_of(importlib.import_module("distil").main)

    return run


def digests(folder):
    files = sorted(folder.rglob("*.safetensors"))
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def state_of(folder):
    """Bytes and time of every file."""
    return {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in folder.rglob("*") if path.is_file()}


def test_a_student_is_a_whole_pipeline_with_another_denoiser(distil, taught, tmp_path, prepared):
    assert distil("--steps", 2) == 0
    folder = tmp_path / "runs" / "distilled" / "pipeline"
    before, after = digests(taught), digests(folder)
    assert before.keys() == after.keys()
    assert {name for name in before if before[name] != after[name]} == {"denoiser/diffusion_pytorch_model.safetensors"}
    index = json.loads((folder / "model_index.json").read_text())
    assert index["steps"] == 2 and index["guidance_scale"] == 1.0 and index["trained_on"] == "simulated"
    made = json.loads((folder.parent / "environment.json").read_text())
    card = (folder / "README.md").read_text()
    assert json.loads((folder / "training.json").read_text()) == {
        "cohort": prepared.folder.name,
        "teacher_sha256": weights_sha256(taught),
        "seed": 0,
        "learned_by": made["code_version"],
        "configuration_sha256": made["configuration_sha256"],
        "code_version": made["code_version"],
    }
    assert all(f": {made[name]}" in card for name in ("configuration_sha256", "code_version"))
    assert f"Weights sha256: `{weights_sha256(folder)}`" in card  # its own, not the teacher's
    assert weights_sha256(taught) in card and "None has been measured yet" in card and str(tmp_path) not in card
    assert json.loads((folder / "calibration.json").read_text()) == {"LVEDV": 1.1}  # of the codes, which are the same
    student, evaluations = ECGToMRIPipeline.load(folder), []
    student.denoiser.register_forward_pre_hook(lambda *_: evaluations.append(1))
    heart = student(patient_batch(prepared_patients(prepared, [0])), [keyed_generator("heart")])
    assert len(evaluations) == 2  # the folder's own number, without being told
    assert heart.shape == (1, *prepared.hearts.shape[1:]) and heart.isfinite().all()


def test_the_card_says_how_far_the_student_was_before_and_after_it_learned(distil, taught, tmp_path, monkeypatch):
    teachers = ECGToMRIPipeline.load(taught).denoiser.state_dict()

    def error(denoiser, *_):
        moved = any(not torch.equal(value, teachers[name]) for name, value in denoiser.state_dict().items())
        return 0.125 if moved else 0.5

    monkeypatch.setattr("training.student.end_error", error)
    assert distil("--steps", 2) == 0
    card = (tmp_path / "runs" / "distilled" / "pipeline" / "README.md").read_text()
    assert "0.125; 0.500 before the student learned" in card


def test_the_same_command_again_changes_nothing_and_another_is_refused(distil, tmp_path, capsys):
    assert distil("--steps", 1) == 0
    folder = tmp_path / "runs" / "distilled"
    write_json(folder / "pipeline" / "calibration.json", {"LVEDV": 1.2})
    before = state_of(folder)
    assert distil("--steps", 1) == 0
    assert state_of(folder) == before and f"finished: {folder.relative_to(tmp_path)}" in capsys.readouterr().out
    assert distil("--steps", 2) == 2
    assert "steps was 1, is 2" in capsys.readouterr().err and state_of(folder) == before


def test_a_student_may_learn_longer_and_the_one_before_is_set_aside(distil, tmp_path, capsys):
    assert distil("--steps", 1) == 0
    folder = tmp_path / "runs" / "distilled"
    write_json(folder / "pipeline" / "calibration.json", {"LVEDV": 1.2})
    before = digests(folder / "pipeline")
    assert distil("--steps", 1, "--optimiser-steps", 3) == 0
    assert "3 steps now, 2 before; from step 2 on the learning rate is that of a run of 3" in capsys.readouterr().out
    assert digests(folder / "pipeline") != before == digests(folder / "pipeline-earlier-1")
    assert (folder / "pipeline-earlier-1" / "calibration.json").exists()
    assert json.loads((folder / "pipeline" / "calibration.json").read_text()) == {"LVEDV": 1.1}  # the teacher's again


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (("--steps", 0), "--steps"),
        (("--steps", 8), "no fewer than the teacher's 8"),
        (("--steps", 2, "--teacher-steps", 2), "no fewer than the teacher's 2"),
        (("--pairs", 0), "--pairs"),
        (("--pipeline", "nowhere"), "nowhere"),
        (("--data", "nowhere"), "nowhere"),
    ],
)
def test_what_makes_no_student_is_refused(distil, tmp_path, capsys, arguments, word):
    assert distil(*arguments) == 2
    error = capsys.readouterr().err
    assert word in error and "Traceback" not in error
    assert not (tmp_path / "runs" / "distilled").exists()


def test_people_who_did_not_teach_the_teacher_are_refused(distil, taught, capsys):
    write_json(taught / "training.json", {"cohort": "others-0123456789ab"})
    assert distil() == 2
    assert "was trained on" in capsys.readouterr().err
    (taught / "training.json").unlink()
    assert distil() == 2


def test_a_cohort_with_an_image_in_two_splits_teaches_nobody(distil, prepared, tmp_path, monkeypatch, capsys):
    """What the student is compared on must not have taught it."""
    hearts = np.array(prepared.hearts)
    one, other = (np.flatnonzero(prepared.split == split)[0] for split in ("train", "validation"))
    hearts[one] = hearts[other]
    (tmp_path / "leaky").mkdir()
    leaky = replace(prepared, folder=tmp_path / "leaky", hearts=hearts, mask=np.ones_like(prepared.mask))
    monkeypatch.setattr("training.cohort_arrays.prepare_cohort", lambda *_, **__: leaky)
    assert distil() == 2
    error = capsys.readouterr().err
    assert "1 image of it stands in two splits" in error and "Traceback" not in error
    assert not (tmp_path / "runs" / "distilled").exists()


def test_a_sampler_that_is_no_flow_is_refused(tiny_pipeline, prepared, taught):
    tiny_pipeline.scheduler = make_scheduler("DDIMScheduler")
    with pytest.raises(InputError, match="knows no flow"):
        checked(DistillationOptions(pipeline=taught), tiny_pipeline, prepared)
