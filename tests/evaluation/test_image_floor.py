import numpy as np
import pytest
import torch

from evaluation.image_floor import CHANGED, changed_features, fid_intervals

PEOPLE, SLICES, FEATURES = 60, 4, 3


def test_the_distance_of_true_hearts_is_that_of_hearts_like_them_and_of_moved_ones_more():
    rng = np.random.default_rng(0)
    real, alike = rng.normal(size=(2, PEOPLE, SLICES, FEATURES))
    mask = rng.random((PEOPLE, SLICES)) < 0.9
    moved = np.where(mask[..., None], alike + 1, 99)
    numbers = fid_intervals(real, {"alike": alike, "moved": moved}, mask)
    assert 0.005 < numbers["fid_real"] == pytest.approx(numbers["fid_alike"], abs=0.1)
    assert numbers["fid_moved"] == pytest.approx(numbers["fid_alike"] + FEATURES, rel=0.2)
    low, high = numbers["fid_moved_ci"]
    assert low < numbers["fid_moved"] < high and low > numbers["fid_real_ci"][1]


def test_both_sides_have_as_many_slices():
    counts = set()

    def count(one, other):
        counts.add((len(one), len(other)))
        return 0.0

    ones = np.zeros((PEOPLE + 1, SLICES, FEATURES))
    fid_intervals(ones, {"generated": ones}, np.ones((PEOPLE + 1, SLICES), bool), distance=count)
    assert counts == {(PEOPLE // 2 * SLICES, PEOPLE // 2 * SLICES)}


class Spread:
    """A segmenter whose one feature is the SD of a slice."""

    device = torch.device("cpu")

    def logits_and_features(self, slices):
        return torch.zeros(len(slices), 4, *slices.shape[2:]), slices.std(dim=(1, 2, 3))[:, None]


def test_blur_takes_detail_noise_adds_some_and_blank_slices_stay_blank():
    heart = np.zeros((3, 2, 16, 16), np.float32)
    heart[:2, :, ::2] = 0.5
    found = changed_features(Spread(), [heart])
    assert set(found) == set(CHANGED) and found["blurred"].shape == (1, 6, 1)
    assert (found["blurred"][0, :4] < 0.1).all() and (found["noised"][0, :4] > 0.2).all()
    assert not found["blurred"][0, 4:].any() and not found["noised"][0, 4:].any()
