import numpy as np
import torch

from cohort.cine import Label
from cohort.heart_grid import GridGeometry
from cohort.phenotypes import PHENOTYPES, phenotypes_of
from evaluation.measuring import load_measured, measured, save_measured
from sampling.measured_phenotypes import measured_phenotypes
from sampling.segmentation import segment

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


class ReadsShades:
    """A segmenter that cannot err on `shaded` hearts; its one feature is a slice's mean."""

    device = torch.device("cpu")

    def logits_and_features(self, slices):
        shades = torch.tensor([0.0] + [SHADES[label] for label in sorted(SHADES)])
        return -(slices - shades.view(1, -1, 1, 1)).abs(), slices.mean(dim=(1, 2, 3))[:, None]


GEOMETRY = GridGeometry(4, 2, 16, 16, slice_step_mm=8.0, pixel_mm=1.5)


def test_what_a_perfect_segmenter_measures_is_the_truth():
    maps = [labelled_heart(seed) for seed in range(3)]
    mask = np.ones((4, 2), bool)
    found = measured(ReadsShades(), np.stack([shaded(labels) for labels in maps]), GEOMETRY, mask)
    truth = [[phenotypes_of(labels, 1.5, 8.0)[name] for name in PHENOTYPES] for labels in maps]
    np.testing.assert_allclose(found.phenotypes[0], truth)
    assert found.phenotypes.shape == (1, 3, len(PHENOTYPES)) and len(set(found.phenotypes[0, :, 0])) == 3
    assert found.faulty.all() and found.hearts.shape == (1, 2, 4, 2, 16, 16)  # four slices are too few
    np.testing.assert_allclose(found.features[0, 1, ..., 0], shaded(maps[1]).mean(axis=(2, 3)), rtol=1e-3)


def test_label_maps_of_another_segmenter_take_the_place_of_its_own():
    labels = labelled_heart(5)
    hearts, mask = shaded(labelled_heart(0))[None], np.ones((4, 2), bool)
    found = measured(ReadsShades(), hearts, GEOMETRY, mask, labels[None])
    np.testing.assert_allclose(found.phenotypes[0, 0], measured_phenotypes(labels, GEOMETRY))


def test_measurements_survive_the_disk_in_the_order_asked_for(tmp_path):
    mask = np.ones((4, 2), bool)
    for seed in range(3):
        hearts = np.stack([shaded(labelled_heart(seed)), shaded(labelled_heart(seed + 10))])
        save_measured(tmp_path / f"{seed}.npz", measured(ReadsShades(), hearts, GEOMETRY, mask))
    found = load_measured([tmp_path / "2.npz", tmp_path / "0.npz"])
    expected = measured_phenotypes(labelled_heart(2), GEOMETRY), measured_phenotypes(labelled_heart(10), GEOMETRY)
    np.testing.assert_allclose((found.phenotypes[0, 0], found.phenotypes[1, 1]), expected)
    assert found.spread.shape == (2, 4, 2, 16, 16) and found.spread.max() > 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["0.npz", "1.npz", "2.npz"]


def test_segment_puts_every_pixel_back_in_its_place():
    labels = labelled_heart()
    np.testing.assert_array_equal(segment(ReadsShades(), shaded(labels))[0], labels)


def test_the_spread_is_the_sd_of_the_hearts_at_every_pixel():
    hearts, mask = np.random.default_rng(0).random((5, 4, 2, 16, 16)), np.ones((4, 2), bool)
    found = measured(ReadsShades(), hearts, GEOMETRY, mask)
    np.testing.assert_allclose(found.spread[0], hearts.std(axis=0), atol=1e-3)
