import os
import signal
import sys
from dataclasses import asdict

import numpy as np
import pytest
import torch
from accelerate import Accelerator
from safetensors.torch import load_file

import train_segmenter
from cohort.cine import Label
from models.segmenter import CLASSES, Segmenter
from sampling.pipeline import load_part
from tests.training.small_people import same_bits
from training.batch import draw_slices
from training.checkpoint import read_checkpoint
from training.options import DiffusionOptions, StageSteps
from training.segmenter import (
    blurred,
    held_out_dice,
    labelled_rows,
    learn_segmenter,
    segmentation_loss,
    segmenter_recipe,
)
from training.stages import Training, segmenter_stage

WEIGHTS = "diffusion_pytorch_model.safetensors"

SHADES = {Label.LV_CAVITY: 0.9, Label.LV_MYOCARDIUM: 0.4, Label.RV_CAVITY: 0.7}


def labelled_heart(seed=0):
    labels = np.zeros((4, 2, 16, 16), np.uint8)
    rng = np.random.default_rng(seed)
    for label in SHADES:
        labels[rng.random(labels.shape) < 0.3] = label
    return labels


def test_logits_have_the_size_of_the_slices_and_features_one_row_each():
    segmenter = Segmenter(widths=(8, 16)).eval()
    logits, features = segmenter.logits_and_features(torch.rand(2, 1, 24, 32))
    assert logits.shape == (2, CLASSES, 24, 32) and features.shape == (2, segmenter.features)


def test_certainty_of_the_truth_costs_nothing():
    labels = torch.from_numpy(labelled_heart()[:, 0]).long()
    certain = 50.0 * torch.nn.functional.one_hot(labels, CLASSES).movedim(-1, 1)
    assert segmentation_loss(certain, labels) == pytest.approx(0, abs=1e-4)
    assert segmentation_loss(certain.roll(1, dims=1), labels) > 10
    assert 1 < segmentation_loss(0 * certain, labels) < 3


def test_softening_keeps_the_range_and_is_a_function_of_its_generator():
    slices = torch.rand(6, 1, 16, 16)
    a, b = (blurred(slices, torch.Generator().manual_seed(4)) for _ in range(2))
    assert torch.equal(a, b) and a.shape == slices.shape
    assert a.min() >= 0 and a.max() <= 1 and not torch.allclose(a, slices)
    assert a.diff(dim=3).abs().mean() < slices.diff(dim=3).abs().mean()


def test_a_segmenter_can_learn(prepared):
    """Thirty steps on the phantom's slices: the cavities are found."""
    torch.manual_seed(0)
    segmenter = Segmenter(widths=(8, 16))
    optimizer = torch.optim.Adam(segmenter.parameters(), lr=1e-2)
    slices, labels = draw_slices(prepared, prepared.rows("train"), 24, torch.Generator().manual_seed(0))
    losses = []
    for _ in range(30):
        optimizer.zero_grad()
        loss = segmentation_loss(segmenter(slices), labels)
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.6 * losses[0]


def test_dice_on_held_out_slices_is_1_for_a_segmenter_that_knows():
    labels = torch.from_numpy(labelled_heart()[:, 0]).long()

    def knows(slices):
        return torch.nn.functional.one_hot(labels, CLASSES).movedim(-1, 1).float()

    found = held_out_dice(knows, torch.zeros(4, 1, 16, 16), labels, torch.device("cpu"))
    assert found == {"dice_lv_cavity": 1, "dice_lv_myocardium": 1, "dice_rv_cavity": 1}


def test_only_people_with_label_maps_are_learned_from(prepared):
    rows = labelled_rows(prepared)
    assert set(rows["train"]) <= set(prepared.rows("train")) and len(rows["validation"])


# ---- The script and the stage ----


def by_stage(folder, prepared, steps):
    options = DiffusionOptions(segmenter=folder, stage_steps=StageSteps(segmenter=steps))
    segmenter_stage(Training(options, Accelerator(cpu=True), prepared))


@pytest.fixture
def by_script(monkeypatch, phantom_data, prepared_folder, geometry):
    grid = [f"--geometry.{name.replace('_', '-')}={value}" for name, value in asdict(geometry).items()]

    def run(folder, _, steps):
        places = ["--data", str(phantom_data), "--prepared", str(prepared_folder), "--output", str(folder)]
        monkeypatch.setattr(sys, "argv", ["train_segmenter.py", *places, "--steps", str(steps), *grid])
        train_segmenter.main()

    return run


def losses_computed(monkeypatch, terminated_at=None):
    """A list that grows by one at every step; at that step SIGTERM comes."""
    calls = []

    def loss(*given):
        calls.append(given)
        if len(calls) == terminated_at:
            os.kill(os.getpid(), signal.SIGTERM)
        return segmentation_loss(*given)

    monkeypatch.setattr("training.segmenter.segmentation_loss", loss)
    return calls


@pytest.mark.parametrize("script_first", [True, False])
def test_what_one_has_begun_the_other_continues(by_script, prepared, tmp_path, monkeypatch, script_first):
    """train_segmenter.py and the stage of train_diffusion.py: an interrupted run, and one that is finished."""
    first, second = (by_script, by_stage) if script_first else (by_stage, by_script)
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        losses_computed(patch, terminated_at=2)
        first(tmp_path / "torn", prepared, 3)
    steps = losses_computed(monkeypatch)
    second(tmp_path / "torn", prepared, 3)
    assert len(steps) == 1
    second(tmp_path / "whole", prepared, 3)
    torn, whole = (load_file(tmp_path / run / "model" / WEIGHTS) for run in ("torn", "whole"))
    assert same_bits(torn, whole)
    first(tmp_path / "whole", prepared, 3)
    assert len(steps) == 1 + 3  # the whole run's; nothing was left to do in it
    average = read_checkpoint(tmp_path / "torn" / "checkpoints" / "step_00000003")["ema"]
    saved = load_part(Segmenter, tmp_path / "torn" / "model").parameters()
    assert all(torch.equal(value, average[str(index)]) for index, value in enumerate(saved))


def test_by_default_both_train_as_long():
    assert train_segmenter.Config().steps == StageSteps().segmenter


def test_a_finished_one_is_left_as_it_is_and_a_longer_one_sets_it_aside(prepared, tmp_path, capsys):
    def state():
        files = [path for path in tmp_path.rglob("*") if path.is_file()]
        return {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in files}

    def learn(steps):
        learn_segmenter(prepared, tmp_path / "run", segmenter_recipe(steps), Accelerator(cpu=True), seed=0, batch=4)

    learn(2)
    before = state()
    learn(2)
    assert state() == before and f"finished: {tmp_path / 'run'}" in capsys.readouterr().out
    learn(3)
    aside = tmp_path / "run" / "model-earlier-1"
    assert {path.name for path in aside.iterdir()} == {path.name for path in (tmp_path / "run" / "model").iterdir()}
    assert (aside / WEIGHTS).read_bytes() == before[tmp_path / "run" / "model" / WEIGHTS][0]
    assert (tmp_path / "run" / "model" / WEIGHTS).read_bytes() != (aside / WEIGHTS).read_bytes()
