import json
import os
import signal

import numpy as np
import pytest
import torch
from accelerate import Accelerator
from safetensors.torch import load_file

import train_segmenter
from cohort.cine import Label
from cohort.errors import InputError
from cohort.labelled_hearts import LabelledHeart, LabelledHearts, claim_hearts, write_part
from models.segmenter import Segmenter
from sampling.pipeline import load_part
from tests.training.small_people import same_bits
from training import randomised_segmenter
from training.randomised_segmenter import (
    BEST,
    drawn_slices,
    learn_randomised,
    randomised_recipe,
    slices_by_kind,
    unseen_dice,
)
from training.segmenter import segmentation_loss

WEIGHTS = "diffusion_pytorch_model.safetensors"


def hearts_in(folder, kinds, seed):
    """Four hearts of 3 slices and 2 frames; the last slice of each is outside the acquisition, and all 3s."""
    rng = np.random.default_rng(seed)
    claim_hearts(folder, {"hearts": 4, "seed": seed, "kinds": kinds})
    hearts = []
    for _ in range(4):
        labels = np.zeros((3, 2, 24, 24), np.uint8)
        labels[:2, :, 6:18, 6:18], labels[:2, :, 9:15, 9:15] = 2, 1
        labels[:2, :, 8:14, 1:6] = 3
        labels[2] = 3
        images = (60 * labels + rng.integers(0, 20, labels.shape)).astype(np.uint8)
        hearts.append(LabelledHeart(images, labels, np.array([True, True, False])))
    write_part(folder, 0, hearts)
    return LabelledHearts(folder)


@pytest.fixture
def hearts(tmp_path):
    return hearts_in(tmp_path / "hearts", ["a", "b"], 0)


@pytest.fixture
def unseen(tmp_path):
    return hearts_in(tmp_path / "unseen", ["c", "d"], 1)


def learn(hearts, unseen, folder, steps):
    recipe = randomised_recipe(steps)
    learn_randomised(hearts, unseen, folder, recipe, Accelerator(cpu=True), 0, 4, side=16, widths=(8, 16))


def test_only_acquired_slices_are_learned_from_and_measured(hearts, unseen):
    _, labels = drawn_slices(hearts, 64, torch.Generator().manual_seed(0))
    assert (labels == 0).any() and not (labels == 3).flatten(1).all(1).any()
    kinds = slices_by_kind(unseen, 16)
    assert list(kinds) == ["c", "d"]
    for slices, labels in kinds.values():
        assert slices.shape == (2 * 2 * 2, 1, 16, 16) and (labels == 2).any()


def test_dice_is_told_by_kind_and_the_error_is_of_their_mean(unseen):
    kinds = slices_by_kind(unseen, 16)
    truth = iter([labels for _, labels in kinds.values()])

    def knows_the_first_kind_only(_):
        labels = next(truth)
        right = torch.nn.functional.one_hot(labels, len(Label)).movedim(-1, 1).float()
        return right if labels is kinds["c"][1] else right.roll(1, dims=1)

    found = unseen_dice(knows_the_first_kind_only, kinds, torch.device("cpu"))
    assert found["dice_lv_cavity_0"] == found["dice_rv_cavity_0"] == 1 and found["dice_lv_cavity_1"] == 0
    assert found[BEST] == pytest.approx(1 - np.mean([value for name, value in found.items() if name != BEST]))


def test_what_is_learned_from_chooses_no_weights(hearts, tmp_path):
    both = hearts_in(tmp_path / "both", ["b", "c"], 2)
    with pytest.raises(InputError, match="learned from"):
        learn(hearts, both, tmp_path / "run", 1)


def test_an_interrupted_training_ends_with_the_same_weights(hearts, unseen, tmp_path, monkeypatch):
    calls = []

    def terminated(*given):
        calls.append(given)
        if len(calls) == 2:
            os.kill(os.getpid(), signal.SIGTERM)
        return segmentation_loss(*given)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(randomised_segmenter, "segmentation_loss", terminated)
        learn(hearts, unseen, tmp_path / "torn", 4)
    learn(hearts, unseen, tmp_path / "torn", 4)
    learn(hearts, unseen, tmp_path / "whole", 4)
    torn, whole = (load_file(tmp_path / run / "model" / WEIGHTS) for run in ("torn", "whole"))
    assert len(calls) == 2 and same_bits(torn, whole)
    assert load_part(Segmenter, tmp_path / "whole" / "model").config.trained_on == "simulated"


def test_the_weights_kept_are_those_of_the_best_step(hearts, unseen, tmp_path, monkeypatch):
    """The errors are dictated: step 2 of 3 is the best."""
    errors = iter([0.5, 0.2, 0.9, 0.2])
    seen = []

    def dictated(segmenter, *_):
        seen.append({name: value.clone() for name, value in segmenter.state_dict().items()})
        return {BEST: next(errors)}

    monkeypatch.setattr(randomised_segmenter, "unseen_dice", dictated)
    monkeypatch.setattr(randomised_segmenter, "EVALUATE_EVERY", 1)
    learn(hearts, unseen, tmp_path / "run", 3)
    kept = load_file(tmp_path / "run" / "model" / WEIGHTS)
    assert same_bits(kept, seen[1]) and not same_bits(kept, seen[2])
    assert json.loads((tmp_path / "run" / "report.json").read_text())[BEST] == 0.2


def test_the_script_draws_its_hearts_and_learns_from_them(tmp_path, monkeypatch, capsys):
    places = ["train_segmenter.py", "--domain-randomised", "--output", str(tmp_path / "run"), "--processes", "1"]
    monkeypatch.setattr(
        "sys.argv", [*places, "--hearts", "1", "--unseen-hearts", "4", "--steps", "1", "--batch-size", "2"]
    )
    train_segmenter.main()
    report = json.loads((tmp_path / "run" / "report.json").read_text())
    assert 0 < report[BEST] <= 1 and report["belief_label_maps"] == 8
    assert load_part(Segmenter, tmp_path / "run" / "model").config.dice_expected
    train_segmenter.main()
    assert "finished" in capsys.readouterr().out


@pytest.mark.parametrize("option", ["--hearts", "--unseen-hearts", "--processes"])
def test_no_hearts_are_refused_before_anything_is_drawn(tmp_path, monkeypatch, option):
    monkeypatch.setattr("sys.argv", ["train_segmenter.py", "--output", str(tmp_path / "run"), option, "0"])
    with pytest.raises(InputError, match=option):
        train_segmenter.main()
    assert not (tmp_path / "run").exists()
