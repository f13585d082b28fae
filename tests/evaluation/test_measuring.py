import numpy as np
import pytest
import torch

from cohort.cine import Label
from cohort.heart_grid import GridGeometry
from cohort.phenotypes import PHENOTYPES, phenotypes_of
from evaluation.measuring import measured_phenotypes
from evaluation.segmentation import CLASSES, Segmenter, blurred, dice, segment, segmentation_loss

SHADES = {Label.LV_CAVITY: 0.9, Label.LV_MYOCARDIUM: 0.4, Label.RV_CAVITY: 0.7}


def labelled_heart(seed=0):
    labels = np.zeros((4, 2, 16, 16), np.uint8)
    rng = np.random.default_rng(seed)
    for label in SHADES:
        labels[rng.random(labels.shape) < 0.3] = label
    return labels


def shaded(labels):
    heart = np.zeros(labels.shape, np.float32)
    for label, shade in SHADES.items():
        heart[labels == label] = shade
    return heart


def reads_shades(slices):
    """A segmenter that cannot err on `shaded` hearts: (n, 1, h, w) -> logits (n, 4, h, w)."""
    shades = torch.tensor([0.0] + [SHADES[label] for label in sorted(SHADES)])
    return -(slices - shades.view(1, -1, 1, 1)).abs()


def test_what_a_perfect_segmenter_measures_is_the_truth():
    geometry = GridGeometry(4, 2, 16, 16, slice_step_mm=8.0, pixel_mm=1.5)
    maps = [labelled_heart(seed) for seed in range(3)]
    found = measured_phenotypes(reads_shades, np.stack([shaded(labels) for labels in maps]), geometry)
    truth = [[phenotypes_of(labels, 1.5, 8.0)[name] for name in PHENOTYPES] for labels in maps]
    np.testing.assert_allclose(found, truth)
    assert found.shape == (3, len(PHENOTYPES)) and len(set(found[:, 0])) == 3


def test_segment_puts_every_pixel_back_in_its_place():
    labels = labelled_heart()
    np.testing.assert_array_equal(segment(reads_shades, shaded(labels)), labels)


def test_dice_of_identical_maps_is_1_and_of_disjoint_ones_0():
    labels = labelled_heart()
    assert all(dice(labels, labels, label) == 1 for label in SHADES)
    a, b = np.zeros((4, 4)), np.zeros((4, 4))
    a[:2], b[2:] = 1, 1
    assert dice(a, b, 1) == 0
    b[1] = 1  # |a| = 8, |b| = 12, both 4
    assert dice(a, b, 1) == pytest.approx(2 * 4 / 20)
    assert np.isnan(dice(a, b, 2))


def test_logits_have_the_size_of_the_slices():
    logits = Segmenter(widths=(8, 16))(torch.rand(2, 1, 24, 32))
    assert logits.shape == (2, CLASSES, 24, 32)


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
    from cohort.dataset import draw_slices

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
