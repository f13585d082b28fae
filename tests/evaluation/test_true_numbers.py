"""What the real heart measures: by its own label maps, else by the segmenter; on the same slices as the drawn ones."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from cohort.cine import Label
from cohort.heart_grid import GridGeometry, HeartGrid
from evaluation.true_numbers import OWN_MAPS, true_numbers
from sampling.true_heart import TrueCine

GEOMETRY = GridGeometry(slices=3, phases=2, height=16, width=16, slice_step_mm=10.0, pixel_mm=2.0)
VOXEL_ML = 2 * 2 * 8 / 1000  # of slices 8 mm apart, which the acquisition had


def label_map(frames: int) -> np.ndarray:
    """Squares of cavity: 8 x 8 at first, then 4 x 4, within a wall of two pixels."""
    labels = np.zeros((3, frames, 16, 16), np.uint8)
    for frame in range(frames):
        half = 2 if frame == 1 else 4
        labels[:, frame, 6 - half : 10 + half, 6 - half : 10 + half] = Label.LV_MYOCARDIUM
        labels[:, frame, 8 - half : 8 + half, 8 - half : 8 + half] = Label.LV_CAVITY
    return labels


def heart(**changes) -> HeartGrid:
    about = {
        "voxels": np.ones((3, 2, 16, 16), np.float32),
        "mask": np.ones((3, 2), bool),
        "labels": label_map(2),
        "affine": np.diag([2.0, 2.0, 8.0, 1.0]),
        "geometry": GEOMETRY,
    }
    return HeartGrid(**(about | changes))


class AllCavity:
    """A segmenter that takes every pixel for LV cavity."""

    device = torch.device("cpu")
    config = {"trained_on": "real"}

    def logits_and_features(self, slices):
        logits = torch.zeros(len(slices), 4, *slices.shape[2:])
        logits[:, int(Label.LV_CAVITY)] = 1
        return logits, torch.zeros(len(slices), 1)


def test_its_own_label_maps_measure_the_true_heart_in_its_own_millimetres():
    told = true_numbers(heart(), None, AllCavity())
    assert told["measured_by"] == OWN_MAPS and "lv_ml" not in told
    assert told["phenotypes"]["LVEDV"] == pytest.approx(3 * 64 * VOXEL_ML, abs=1e-3)
    assert told["phenotypes"]["LVESV"] == pytest.approx(3 * 16 * VOXEL_ML, abs=1e-3)
    assert told["phenotypes"]["RVEDV"] is None  # nobody drew one


def test_slices_that_nobody_acquired_count_for_nothing():
    mask = np.array([[True, True], [True, True], [False, False]])
    assert true_numbers(heart(mask=mask), None, None)["phenotypes"]["LVEDV"] == pytest.approx(2 * 64 * VOXEL_ML)


def test_volumes_over_the_beat_are_those_of_every_frame():
    told = true_numbers(heart(), TrueCine(np.ones((3, 4, 16, 16), np.float32), label_map(4)), None)
    np.testing.assert_allclose(told["lv_ml"], 3 * VOXEL_ML * np.array([64, 16, 64, 64]), atol=0.006)
    assert told["rv_ml"] is None and told["volumes_measured_by"] == OWN_MAPS


def test_a_heart_without_label_maps_is_measured_by_the_segmenter_and_says_so():
    bare, frames = heart(labels=None), np.random.default_rng(0).random((3, 4, 16, 16), dtype=np.float32)
    bare = replace(bare, voxels=frames[:, :2])
    told = true_numbers(bare, TrueCine(frames, None), AllCavity())
    assert told["measured_by"] == told["volumes_measured_by"] == "a segmenter that learned from real hearts"
    assert told["lv_ml"] == pytest.approx([3 * 256 * VOXEL_ML] * 4, abs=0.006)
    assert true_numbers(bare, TrueCine(frames, None), None) is None
    assert "lv_ml" not in true_numbers(heart(), TrueCine(frames, None), None)
