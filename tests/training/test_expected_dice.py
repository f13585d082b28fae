import numpy as np
import pytest
import torch

from models.segmenter import CLASSES
from tests.training.test_randomised_segmenter import hearts_in
from training.damaged_slices import DAMAGES, damaged, elsewhere, stretched, turned
from training.expected_dice import Belief, dice_curve, foreground_dice, measured_belief, told_belief


def generator():
    return torch.Generator().manual_seed(0)


@pytest.fixture
def heart():
    labels = torch.zeros(3, 48, 48, dtype=torch.int64)
    labels[:, 18:30, 16:36], labels[:, 20:26, 20:28] = 2, 1
    return labels[:, None].float() / 2, labels


@pytest.mark.parametrize("damage", DAMAGES, ids=lambda damage: damage.__name__)
def test_every_damage_changes_the_picture_in_its_range_and_repeats(damage, heart):
    (one, marks), (again, _) = (damaged(*heart, damage, generator()) for _ in range(2))
    assert torch.equal(one, again) and not torch.equal(one, heart[0])
    assert one.shape == heart[0].shape and marks.shape == heart[1].shape and marks.dtype == torch.int64
    assert one.min() >= 0 and one.max() <= 1


@pytest.mark.parametrize("damage", [turned, stretched, elsewhere], ids=lambda damage: damage.__name__)
def test_where_a_damage_moves_the_heart_its_labels_move_too(damage, heart):
    seen, marks = damaged(*heart, damage, generator())
    assert not torch.equal(marks, heart[1])
    assert ((2 * seen[:, 0] - marks).abs() < 0.51).float().mean() > 0.97


def test_dice_counts_the_right_class_only():
    one = torch.tensor([[[1, 1, 0, 2]]])
    assert foreground_dice(one, torch.tensor([[[1, 2, 0, 2]]])) == pytest.approx(4 / 6)
    assert foreground_dice(0 * one, 0 * one) == 1 and foreground_dice(one, 0 * one) == 0


def drawn_belief(n=600):
    rng = np.random.default_rng(0)
    found = rng.uniform(0, 1, n)
    expected = 0.5 + 0.5 * found**2 + rng.normal(0, 0.02, n)
    return Belief(expected, found, found > 0.5, np.arange(n) % 2 == 0)


def test_the_curve_turns_what_is_expected_into_what_is_found():
    belief = drawn_belief()
    curve = dice_curve(belief.of(belief.fits))
    told = told_belief(belief.of(~belief.fits), curve)
    assert told["rank_correlation"] > 0.95 and told["auc_poor"] > 0.97 and told["mean_error"] < 0.06
    assert told["mean_score_undamaged"] > told["mean_score_damaged"] + 0.3
    assert told["mean_error"] < 0.3 * told_belief(belief, ((0.0, 1.0), (0.0, 1.0)))["mean_error"]
    assert curve[0][0] == curve[1][0] == 0 and list(curve[1]) == sorted(curve[1])


def test_each_heart_is_measured_as_drawn_and_damaged_at_each_moment(tmp_path):
    hearts = hearts_in(tmp_path / "hearts", ["a", "b"], 0)

    def knows_the_drawn_shades(slices):
        """The label is the shade: 60 grey levels each, and noise of 20."""
        labels = (slices[:, 0] * 255 / 60).floor().long().clamp(0, 3)
        return 20.0 * torch.nn.functional.one_hot(labels, CLASSES).movedim(-1, 1)

    belief = measured_belief(knows_the_drawn_shades, hearts, 24, 0, torch.device("cpu"))
    assert len(belief.expected) == 4 * 2 * 2 and belief.undamaged.sum() == belief.fits.sum() == 8
    assert (belief.found[belief.undamaged] == 1).all() and belief.found[~belief.undamaged].mean() < 0.8
