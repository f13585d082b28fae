import numpy as np
import pytest
import torch
from scipy import linalg, ndimage

from evaluation.realism import (
    classifier_auc,
    distribution_distances,
    frechet_distance,
    image_similarity,
    prdc,
    radial_power_spectrum,
    spectrum_gap,
)


def normal(n, features=4, seed=0, mean=0.0, spread=1.0):
    return mean + spread * np.random.default_rng(seed).normal(size=(n, features))


def pictures(people, slices, side, seed=0):
    """Slices (people, slices, side, side) in [0, 1]: a disc of its own size and grey on a grainy ground."""
    rng = np.random.default_rng(seed)
    away = np.hypot(*(np.mgrid[:side, :side] - side / 2))
    radius, grey = side * rng.uniform(0.15, 0.35, (people, slices, 1, 1)), rng.uniform(0.5, 0.9, (people, slices, 1, 1))
    return np.clip(np.where(away < radius, grey, 0.3) + 0.08 * rng.normal(size=(people, slices, side, side)), 0, 1)


def soft(slices, sigma=0.7):
    return ndimage.gaussian_filter(slices, (0,) * (slices.ndim - 2) + (sigma, sigma))


# Frechet distance


def test_a_shift_costs_its_square_and_a_stretch_the_square_of_the_difference_of_the_spreads():
    """Same covariance: |m - m'|^2. Spreads s and s' along one axis: (s - s')^2. Both are exact, not expectations."""
    x = normal(50)
    assert frechet_distance(x, x) == pytest.approx(0, abs=1e-6)
    assert frechet_distance(x, x + [3, 0, 0, 4]) == pytest.approx(25)
    assert frechet_distance(x, 2.5 * (x - x.mean(0)) + x.mean(0)) == pytest.approx(1.5**2 * x.var(0, ddof=1).sum())


def test_it_is_the_formula_of_the_paper():
    x, y = normal(60, seed=1), normal(80, seed=2) @ normal(4, seed=3) + 1
    a, b = np.cov(x.T), np.cov(y.T)
    paper = ((x.mean(0) - y.mean(0)) ** 2).sum() + np.trace(a + b - 2 * linalg.sqrtm(a @ b).real)
    assert frechet_distance(x, y) == pytest.approx(paper) == frechet_distance(y, x)


def test_one_row_has_no_covariance():
    assert np.isnan(frechet_distance(normal(1), normal(9)))


# Precision, recall, density, coverage


def test_a_copy_of_the_real_set_is_precise_and_complete():
    x = normal(200)
    found = prdc(x, x.copy())
    assert found["precision"] == found["recall"] == found["coverage"] == 1


def test_equal_distributions_have_the_density_and_coverage_of_the_paper():
    """Density 1, coverage 1 - (n-1)...(n-k) / ((m+n-1)...(m+n-k)), for any distribution (Naeem 2020, section 3)."""
    n, m, k = 150, 250, 4
    found = [prdc(normal(n, 3, seed), normal(m, 3, 1000 + seed), k) for seed in range(20)]
    steps = np.arange(1, k + 1)
    assert np.mean([f["coverage"] for f in found]) == pytest.approx(
        1 - np.prod((n - steps) / (m + n - steps)), abs=0.01
    )
    assert np.mean([f["density"] for f in found]) == pytest.approx(1, abs=0.05)


def test_one_typical_heart_over_and_over_is_precise_and_covers_little():
    found = prdc(normal(300), normal(300, seed=1, spread=0.05))
    assert found["precision"] == 1 and found["recall"] < 0.05
    assert found["coverage"] < 0.2


def test_hearts_far_from_real_ones_are_neither():
    assert prdc(normal(100), normal(100, mean=100.0)) == dict.fromkeys(
        ("precision", "recall", "density", "coverage"), 0
    )


def test_a_set_without_a_kth_neighbour_has_no_balls():
    assert all(np.isnan(value) for value in prdc(normal(5), normal(50), k=5).values())


# Both, beside real against real


@pytest.fixture(scope="module")
def cohort_features():
    """80 people with 3 slices each; the person's own part is shared by their slices."""
    rng = np.random.default_rng(0)
    return rng.normal(size=(80, 1, 4)) + rng.normal(size=(80, 3, 4)), np.ones((80, 3), bool)


def test_other_people_of_the_same_cohort_score_as_real_ones_do(cohort_features):
    real, mask = cohort_features
    as_good = distribution_distances(real, real, mask)
    for name in ("fid", "precision", "recall", "density", "coverage"):
        assert as_good[name] == as_good[f"{name}_real"]
    assert as_good["fid"] > 0.01  # other people: a copy of the same ones would have 0


def test_a_shifted_generator_pays_the_shift_above_the_real_distance(cohort_features):
    real, mask = cohort_features
    found = distribution_distances(real, real + [2, 0, 0, 0], mask, splits=8)
    assert found["fid"] - found["fid_real"] == pytest.approx(4, abs=0.5)
    assert found["coverage"] < found["coverage_real"] and found["precision"] < found["precision_real"]


def test_slices_never_acquired_count_on_neither_side(cohort_features):
    real, mask = cohort_features
    partial = mask.copy()
    partial[:, 2] = False
    expected = distribution_distances(real, real + 1, partial)
    spoilt = np.where(partial[..., None], real, 1e6)
    assert distribution_distances(spoilt, spoilt + 1, partial) == expected


def test_a_seed_decides_the_halves(cohort_features):
    real, mask = cohort_features
    first, again, other = (distribution_distances(real, real + 1, mask, seed)["fid"] for seed in (0, 0, 1))
    assert first == again != other


# Similarity of pictures


@pytest.fixture(scope="module")
def heart():
    """Three slices, two phases, of 96 x 96."""
    return pictures(3, 2, 96)


def test_equal_hearts_are_alike_and_noise_of_known_size_has_its_decibels(heart):
    everywhere = np.ones((3, 2), bool)
    same = image_similarity(heart, heart, everywhere)
    assert same["ssim"] == pytest.approx(1) and same["ms_ssim"] == pytest.approx(1) and same["psnr"] == np.inf
    assert image_similarity(heart, heart - 0.1, everywhere)["psnr"] == pytest.approx(20, abs=1e-4)


def test_a_worse_picture_is_less_alike(heart):
    everywhere = np.ones((3, 2), bool)
    noise = np.random.default_rng(1).normal(size=heart.shape)
    little, much = (image_similarity(heart, heart + size * noise, everywhere) for size in (0.05, 0.2))
    assert all(much[name] < little[name] for name in ("ssim", "ms_ssim", "psnr"))
    assert little["ms_ssim"] > little["ssim"]  # fine grain is gone at the coarser scales


def test_a_slice_never_acquired_is_not_compared(heart):
    mask = np.array([[True, True], [True, True], [True, False]])
    spoilt = heart.copy()
    spoilt[2, 1] = 0
    expected = image_similarity(heart[:2], heart[:2] + 0.1, mask[:2])
    assert image_similarity(heart, spoilt, mask)["psnr"] == np.inf
    assert image_similarity(heart, np.where(mask[..., None, None], heart + 0.1, 0), mask)["psnr"] == pytest.approx(20)
    assert expected["psnr"] == pytest.approx(20)
    assert np.isnan(image_similarity(heart, heart, np.zeros((3, 2), bool))["ssim"])


@pytest.mark.parametrize("side", [16, 32, 48, 96, 192])
def test_small_pictures_have_fewer_scales_but_a_similarity(side):
    heart = pictures(2, 2, side)
    found = image_similarity(heart, soft(heart), np.ones((2, 2), bool))
    assert 0 < found["ssim"] < 1 and 0 < found["ms_ssim"] < 1


# Spectrum


def test_a_wave_peaks_at_its_frequency_and_white_noise_nowhere():
    wave = np.cos(2 * np.pi * 12 * np.arange(96) / 96)
    assert radial_power_spectrum(np.broadcast_to(wave, (3, 96, 96))).argmax() == 12
    assert radial_power_spectrum(np.broadcast_to(wave[:, None], (3, 96, 96))).argmax() == 12
    white = radial_power_spectrum(np.random.default_rng(0).normal(size=(200, 64, 64)))
    assert white.shape == (32,) and white[2:].max() - white[2:].min() < 0.3


def test_ten_times_the_contrast_is_a_hundred_times_the_power():
    slices = np.random.default_rng(0).random((4, 32, 48))
    a, b = radial_power_spectrum(slices), radial_power_spectrum(10 * slices)
    np.testing.assert_allclose(b - a, 2)
    assert spectrum_gap(a, b) == pytest.approx(2)


def test_blur_shows_in_the_gap_by_its_own_transfer_function():
    """A Gaussian of sigma pixels takes exp(-(2 pi f sigma)^2) of the power at f cycles per pixel."""
    slices = np.random.default_rng(0).normal(size=(100, 64, 64))
    sharp, blurred = (
        radial_power_spectrum(slices),
        radial_power_spectrum(ndimage.gaussian_filter(slices, (0, 0.8, 0.8))),
    )
    frequency = np.arange(32) / 64
    lost = (2 * np.pi * frequency * 0.8) ** 2 * np.log10(np.e)
    np.testing.assert_allclose((sharp - blurred)[4:24], lost[4:24], atol=0.1)
    assert spectrum_gap(sharp, sharp) == 0 and spectrum_gap(sharp, blurred) > 0.5


def test_a_black_slice_has_a_spectrum_too():
    assert np.isfinite(radial_power_spectrum(np.zeros((2, 16, 16)))).all()


# The classifier


def test_nobody_can_tell_two_halves_of_one_cohort():
    real, other = np.split(pictures(120, 4, 24), 2)
    assert 0.35 < classifier_auc(real, other, np.ones((60, 4), bool), steps=100) < 0.65


def test_blur_gives_itself_away():
    real, other = np.split(pictures(80, 4, 24), 2)
    assert classifier_auc(real, soft(other), np.ones((40, 4), bool), steps=100) > 0.9


def test_a_fine_pattern_gives_itself_away_until_it_is_shrunk_away():
    """A chequerboard of mean 0: the average of 2 x 2 pixels does not know it."""
    real, other = np.split(0.2 + 0.6 * pictures(80, 2, 24), 2)
    chequered = other + 0.1 * (-1) ** np.indices((24, 24)).sum(axis=0)
    mask = np.ones((40, 2), bool)
    assert classifier_auc(real, chequered, mask, steps=60) > 0.9
    assert 0.3 < classifier_auc(real, chequered, mask, steps=60, shrink=2) < 0.7


def test_neither_black_slices_nor_finer_grey_give_themselves_away():
    """Real hearts are stored in 256 greys and are black where nothing was acquired; generated ones are neither."""
    finer = pictures(30, 2, 16)
    mask = np.random.default_rng(0).random((30, 2)) < 0.7
    real = np.round(255 * finer) / 255 * mask[..., None, None]
    assert classifier_auc(real, finer, mask, steps=20) == 0.5


def test_the_classifier_is_a_function_of_its_seed_and_leaves_torchs_alone():
    real, other = np.split(pictures(24, 2, 16), 2)
    mask = np.ones((12, 2), bool)
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    first, again = (classifier_auc(real, soft(other), mask, seed=1, steps=5) for _ in range(2))
    assert first == again and torch.rand(1) == expected


def test_one_person_cannot_be_both_taught_and_judged():
    assert np.isnan(classifier_auc(np.zeros((1, 2, 16, 16)), np.ones((1, 2, 16, 16)), np.ones((1, 2), bool)))
