"""Distillation: a student ends in few steps where its teacher's sampler ended, and its pipeline is a whole one."""

import hashlib
import importlib
import json
import sys
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from accelerate import Accelerator
from torch import nn

from cohort.disk import write_json
from cohort.errors import InputError, exit_code_of
from models.places import Places
from models.segmenter import Segmenter
from sampling.model_card import add_figures, write_model_card
from sampling.patients import patient_batch, prepared_patients
from sampling.pipeline import ECGToMRIPipeline, weights_sha256
from sampling.schedulers import DEFAULT_SCHEDULER, make_scheduler
from training.distillation import (
    PAIRS_PER_FILE,
    FlowSampler,
    Pairs,
    distillation,
    end_error,
    teacher_pairs,
    velocity_of,
)
from training.fit import fit
from training.options import DistillationOptions
from training.order import keyed_generator
from training.recipe import Recipe
from training.run import Run
from training.session import Session
from training.student import checked
from training.teacher import heart_maker

SHAPE = (3, 2, 4, 4)  # slices, channels, height, width
PLACES = Places.short_axis(torch.zeros(1, 3), torch.zeros(1, 3))
CPU = torch.device("cpu")
RECIPE = Recipe(12, 0.05, warmup=1, weight_decay=0.0, ema_decay=0.5, checkpoint_every=4, evaluate_every=4)


class Field(nn.Module):
    """A denoiser that goes straight to `heart` from wherever it stands, but for a fault in its first step."""

    def __init__(self, heart: float = 0.0, fault: float = 0.0) -> None:
        super().__init__()
        self.heart, self.fault = nn.Parameter(torch.tensor(heart)), fault

    def forward(self, points, sigma, places, tokens, condition):
        assert places.phase.shape == points.shape[:2] and len(tokens) == len(condition) == len(points)
        t = sigma.view(-1, 1, 1, 1, 1)
        return (points - self.heart - self.fault * (t > 0.9)) / t


def pairs_to(heart: float, count: int = 10) -> Pairs:
    """From random noise, all to the same heart."""
    noise = torch.randn(count, *SHAPE, generator=keyed_generator("pairs"))
    return Pairs(noise.half(), torch.full_like(noise, heart).half(), torch.zeros(count, 5, 8), torch.zeros(count, 6))


def sampler_of(steps):
    return FlowSampler(make_scheduler(DEFAULT_SCHEDULER), steps)


def learn(student, folder, pairs, steps=1, recipe=RECIPE):
    session = Session(Run(folder, {"recipe": "same"}), recipe, Accelerator(cpu=True), seed=0)
    return fit(distillation(session, student, sampler_of(steps), pairs, pairs, PLACES, hearts=4), session)


# ---- the sampler and what is learned on its way ----


@pytest.mark.parametrize("steps", [1, 2, 4, 8])
def test_a_straight_field_arrives_in_any_number_of_steps(steps):
    pairs = pairs_to(2.0)
    assert end_error(Field(2.0), sampler_of(steps), pairs, PLACES, 4, CPU) < 2e-3


@pytest.mark.parametrize("steps", [1, 2, 4])
def test_a_teacher_that_arrives_in_one_step_is_its_own_student(tmp_path, steps):
    student = learn(Field(2.0), tmp_path, pairs_to(2.0), steps)
    assert float(student.heart.detach()) == pytest.approx(2.0, abs=0.02)  # time is told in thousandths
    losses = [
        json.loads(line).get("distillation_loss") for line in (tmp_path / "metrics.jsonl").read_text().splitlines()
    ]
    assert max(loss for loss in losses if loss is not None) < 0.01


@pytest.mark.parametrize("steps", [1, 2])
def test_a_student_learns_where_the_teacher_ends(tmp_path, steps):
    student = learn(Field(0.0), tmp_path, pairs_to(0.3), steps)
    assert float(student.heart.detach()) == pytest.approx(0.3, abs=0.06)


def test_a_later_step_mends_what_an_earlier_one_missed(tmp_path):
    """The way is taught from where the student stands: after a wrong first step the second still leads to the end."""
    pairs = pairs_to(2.0)
    astray = Field(2.0, fault=1.0)
    assert end_error(astray, sampler_of(1), pairs, PLACES, 4, CPU) == pytest.approx(0.5, abs=1e-2)  # 1 of the heart's 2
    assert end_error(astray, sampler_of(2), pairs, PLACES, 4, CPU) < 2e-3
    batch, sampler = pairs.take(torch.arange(4), CPU), sampler_of(2)
    velocity = velocity_of(astray, batch, PLACES)
    points = sampler.until(1, velocity, batch.noise)
    told, sigma = sampler.now(1, points)
    on_the_line = sigma * batch.noise + (1 - sigma) * batch.latents
    assert (points - on_the_line).abs().mean() > 0.4
    torch.testing.assert_close(velocity(points, told), (points - batch.latents) / sigma, atol=5e-3, rtol=0)


def test_a_resumed_student_is_the_uninterrupted_one(tmp_path, monkeypatch):
    pairs = pairs_to(1.0)
    whole = learn(Field(), tmp_path / "whole", pairs, steps=2)
    forward, calls = Field.forward, []

    def crashing(self, *given):
        calls.append(1)
        if len(calls) > 14:
            raise RuntimeError("the machine went down")
        return forward(self, *given)

    monkeypatch.setattr(Field, "forward", crashing)
    with pytest.raises(RuntimeError, match="went down"):
        learn(Field(), tmp_path / "torn", pairs, steps=2)
    monkeypatch.setattr(Field, "forward", forward)
    assert Run(tmp_path / "torn", {"recipe": "same"}).load()[0] == 4
    assert torch.equal(learn(Field(), tmp_path / "torn", pairs, steps=2).heart, whole.heart)


# ---- the teacher's pairs ----


def made(numbers):
    value = numbers.float().view(-1, 1, 1, 1, 1).expand(-1, *SHAPE)
    few = numbers.float()[:, None]
    return {"noise": value.half(), "latents": -value.half(), "tokens": few[:, None].half(), "condition": few}


def test_pairs_an_interrupted_run_has_left_are_kept(tmp_path):
    asked, count = [], 2 * PAIRS_PER_FILE + 3

    def failing(numbers):
        if len(asked) == 2:
            raise RuntimeError
        asked.append(numbers.tolist())
        return made(numbers)

    with pytest.raises(RuntimeError):
        teacher_pairs(tmp_path, count, failing, Accelerator(cpu=True))
    del asked[0]
    pairs = teacher_pairs(tmp_path, count, failing, Accelerator(cpu=True))
    assert asked[-1] == list(range(2 * PAIRS_PER_FILE, count))
    assert pairs.condition[:, 0].tolist() == list(range(count)) and len(pairs) == count
    assert torch.equal(pairs.latents, -pairs.noise)


def test_two_processes_make_the_pairs_of_one(tmp_path):
    count = 3 * PAIRS_PER_FILE
    asked = {0: [], 1: []}
    for rank in (1, 0):

        def make(numbers, rank=rank):
            asked[rank] += numbers.tolist()
            return made(numbers)

        def other(rank=rank):  # stands for the wait: the other process does its share
            if rank == 1:
                teacher_pairs(tmp_path, count, lambda n: asked[0].extend(n.tolist()) or made(n), process(0))

        teacher_pairs(tmp_path, count, make, process(rank, other))
    assert sorted(asked[0] + asked[1]) == list(range(count)) and asked[0] and asked[1]


def process(rank, wait=lambda: None):
    return SimpleNamespace(process_index=rank, num_processes=2, is_main_process=rank == 0, wait_for_everyone=wait)


@pytest.mark.parametrize("scale", [1.0, 2.0])
def test_pairs_are_the_hearts_the_pipeline_itself_makes(tiny_pipeline, prepared, scale):
    tiny_pipeline.register_to_config(shared_noise=0.5, guidance_scale=scale)
    make = heart_maker(tiny_pipeline, 3, prepared, "train", dropout=0.0, seed=0)
    together = make(torch.arange(3))
    alone = make(torch.tensor([2]))
    torch.testing.assert_close(alone["latents"][0], together["latents"][2], atol=5e-3, rtol=0)
    row = [int(prepared.rows("train")[torch.randperm(len(prepared.rows("train")), generator=order())[2]])]
    patients = patient_batch(prepared_patients(prepared, row))
    heart = tiny_pipeline(patients, [keyed_generator(0, "pair", "train", 2)], steps=3)
    pixels = tiny_pipeline.autoencoder.decode(alone["latents"].float().flatten(0, 1))
    torch.testing.assert_close(pixels.view(heart.shape), heart, atol=5e-3, rtol=0)


def order():
    return keyed_generator(0, "order", 0)


# ---- the script ----

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


def test_a_student_is_a_whole_pipeline_with_another_denoiser(distil, taught, tmp_path, prepared):
    assert distil("--steps", 2) == 0
    folder = tmp_path / "runs" / "distilled" / "pipeline"
    before, after = digests(taught), digests(folder)
    assert before.keys() == after.keys()
    assert {name for name in before if before[name] != after[name]} == {"denoiser/diffusion_pytorch_model.safetensors"}
    index = json.loads((folder / "model_index.json").read_text())
    assert index["steps"] == 2 and index["guidance_scale"] == 1.0
    made = json.loads((folder.parent / "environment.json").read_text())
    card = (folder / "README.md").read_text()
    assert json.loads((folder / "training.json").read_text()) == {
        "cohort": prepared.folder.name,
        "teacher_sha256": weights_sha256(taught),
        "seed": 0,
        "configuration_sha256": made["configuration_sha256"],
        "code_version": made["code_version"],
    }
    assert all(f": {made[name]}" in card for name in ("configuration_sha256", "code_version"))
    assert f"Weights sha256: `{weights_sha256(folder)}`" in card  # its own, not the teacher's
    assert weights_sha256(taught) in card and "None has been measured yet" in card and str(tmp_path) not in card
    assert not (folder / "calibration.json").exists()  # of the teacher's hearts
    student, evaluations = ECGToMRIPipeline.load(folder), []
    student.denoiser.register_forward_pre_hook(lambda *_: evaluations.append(1))
    heart = student(patient_batch(prepared_patients(prepared, [0])), [keyed_generator("heart")])
    assert len(evaluations) == 2  # the folder's own number, without being told
    assert heart.shape == (1, *prepared.hearts.shape[1:]) and heart.isfinite().all()


def test_the_same_command_again_changes_nothing_and_another_is_refused(distil, tmp_path, capsys):
    assert distil("--steps", 1) == 0
    folder = tmp_path / "runs" / "distilled"
    before = digests(folder)
    assert distil("--steps", 1) == 0
    assert digests(folder) == before
    assert distil("--steps", 2) == 2
    assert "steps was 1, is 2" in capsys.readouterr().err


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
    monkeypatch.setattr("training.cohort_arrays.prepare_cohort", lambda *_: leaky)
    assert distil() == 2
    error = capsys.readouterr().err
    assert "1 image of it stands in two splits" in error and "Traceback" not in error
    assert not (tmp_path / "runs" / "distilled").exists()


def test_a_sampler_that_is_no_flow_is_refused(tiny_pipeline, prepared, taught):
    tiny_pipeline.scheduler = make_scheduler("DDIMScheduler")
    with pytest.raises(InputError, match="knows no flow"):
        checked(DistillationOptions(pipeline=taught), tiny_pipeline, prepared)
