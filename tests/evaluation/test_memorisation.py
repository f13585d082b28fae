"""Copies are found however they are disguised, strangers are left alone, and a coin is a coin."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from evaluation.heart_distances import feature_distances, pixel_distances
from evaluation.memorisation import (
    audit,
    copy_scores,
    copy_threshold,
    detector_power,
    membership_auc,
    memorisation,
    nearest_distances,
    planted_copies,
)

SHAPE = (2, 2, 48, 48)  # blocks of 2 pixels, shifts of up to 2


def people(n, seed):
    """Hearts that have a common look, and each its own."""
    common = gaussian_filter(np.random.default_rng(99).standard_normal(SHAPE), (0, 0, 5, 5))
    own = gaussian_filter(np.random.default_rng(seed).standard_normal((n, *SHAPE)), (0, 0, 0, 3, 3))
    hearts = 0.5 + 1.2 * common + 1.0 * own
    return np.round(255 * hearts.clip(0, 1)).astype(np.uint8)


def everywhere(hearts):
    return np.ones(hearts.shape[:3], bool)


def distances(samples, bank):
    return pixel_distances(samples, everywhere(samples), bank, everywhere(bank))


@pytest.fixture(scope="module")
def training():
    return people(120, 0)


@pytest.fixture(scope="module")
def held_out():
    return people(120, 1)


@pytest.fixture(scope="module")
def threshold(training, held_out):
    return copy_threshold(copy_scores(distances(held_out, training)))


def test_without_a_shift_it_is_the_distance_of_standardised_pictures():
    """8 x 8 pixels all of which are moved into nowhere else: sqrt(2 (1 - r)) by numpy."""
    rng = np.random.default_rng(0)
    flat = rng.random((1, 1, 1, 48, 48)).astype(np.float32)
    other = flat + 0.3 * rng.standard_normal(flat.shape).astype(np.float32)
    middle = np.s_[..., 10:38, 10:38]
    blocks = [heart[middle].reshape(14, 2, 14, 2).mean((1, 3)).ravel() for heart in (flat, other)]
    expected = np.sqrt(2 - 2 * np.corrcoef(*blocks)[0, 1])
    assert distances(flat, other)[0, 0] == pytest.approx(expected, rel=1e-4)  # unshifted is the nearest here
    standard = [(b - b.mean()) / b.std() for b in blocks]
    assert expected == pytest.approx(np.sqrt(np.mean((standard[0] - standard[1]) ** 2)))


def test_planted_copies_are_found_and_strangers_are_not(training, threshold):
    copies = copy_scores(distances(planted_copies(training[:60], seed=3), training))
    strangers = copy_scores(distances(people(200, 2), training))
    power = detector_power(copies, strangers, threshold)
    assert power["true_positive_rate"] >= 0.95
    assert power["false_positive_rate"] <= 0.03  # 1 % expected; 3 % is four standard errors above


def test_a_copy_is_nearest_to_its_own_original(training):
    found = distances(planted_copies(training[:40], seed=3), training)
    np.testing.assert_array_equal(found.argmin(axis=1), np.arange(40))


def test_planted_copies_are_a_function_of_the_seed_and_not_the_originals(training):
    a, b, other = (planted_copies(training[:3], seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(a, b)
    assert a.dtype == np.float32 and a.min() >= 0 and a.max() <= 1
    assert np.abs(a - other).mean() > 0.02 and np.abs(a - training[:3] / 255).mean() > 0.02
    np.testing.assert_allclose(planted_copies(training[:3] / 255.0, 1), a, atol=1e-5)


@pytest.mark.parametrize("shift", [(0, 0), (1, 0), (-2, 2), (2, -1)])
@pytest.mark.parametrize(("contrast", "brightness"), [(1, 0), (0.5, 0.3), (1.7, -0.1)])
def test_shift_and_brightness_do_not_hide_a_copy(training, shift, contrast, brightness):
    copies = np.roll(training[:5] / 255.0, shift, axis=(-2, -1)) * contrast + brightness
    found = distances(copies, training)
    np.testing.assert_allclose(np.diagonal(found), 0, atol=3e-3)
    assert np.sort(found, axis=1)[:, 1].min() > 0.3


def test_a_shift_beyond_reach_does_hide_one(training):
    """Or the search would find anything anywhere."""
    assert np.diagonal(distances(np.roll(training[:5], 8, axis=-1), training)).min() > 0.3


def test_a_generator_that_copies_its_training_set_is_all_copies(training, held_out):
    copies = planted_copies(training, seed=5)
    banks = [(hearts, everywhere(hearts)) for hearts in (copies, training, held_out, planted_copies(training, seed=6))]
    found = audit(pixel_distances, *banks)
    assert found["fraction"] == 1 and found["auc"] > 0.9 and found["auc_of_copies"] > 0.9
    assert found["detector_tpr"] == 1 and found["n"] == 120
    assert found["fraction_ci"] == [1, 1]


def test_independent_draws_of_the_same_people_are_no_memorisation(training, held_out):
    banks = [(h, everywhere(h)) for h in (people(300, 7), training, held_out, planted_copies(training[:20], 0))]
    found = audit(pixel_distances, *banks)
    assert found["auc"] == pytest.approx(0.5, abs=0.06)  # banks of 120: SD about 0.02
    assert found["auc_ci"][0] < found["auc"] < found["auc_ci"][1]
    assert found["fraction"] <= 0.03 and found["threshold_fpr"] <= 0.05


def test_part_of_a_copying_generator_is_counted(training, held_out):
    mixed = np.concatenate([planted_copies(training[:30], 5), people(90, 8) / 255.0])
    banks = [(h, everywhere(h)) for h in (mixed, training, held_out, planted_copies(training[:20], 0))]
    assert audit(pixel_distances, *banks)["fraction"] == pytest.approx(0.25, abs=0.03)


def test_a_larger_training_bank_alone_is_no_memorisation(training, held_out):
    """The nearest of three times as many is nearer: the AUC draws as many as there are held out."""
    large = np.concatenate([training, people(240, 10)])
    banks = [(h, everywhere(h)) for h in (people(200, 7), large, held_out, planted_copies(training[:20], 0))]
    near, far = (nearest_distances(distances(banks[0][0], bank)) for bank in (large, held_out))
    assert (near < far).mean() > 0.65
    assert audit(pixel_distances, *banks)["auc"] == pytest.approx(0.5, abs=0.06)


def test_likeness_to_the_own_patient_does_not_hide_memorisation(training, held_out):
    """A perfect generator: the patient's own heart, among the held-out ones, is left out of the comparison."""
    samples, own = planted_copies(held_out, 4), np.arange(len(held_out))
    banks = [(h, everywhere(h)) for h in (samples, training, held_out, planted_copies(training[:20], 0))]
    assert audit(pixel_distances, *banks)["auc"] < 0.05
    assert audit(pixel_distances, *banks, own=own)["auc"] == pytest.approx(0.5, abs=0.08)


def test_samples_of_one_patient_are_resampled_together(training, held_out):
    samples = np.repeat(people(30, 7), 4, axis=0)
    banks = [(h, everywhere(h)) for h in (samples, training, held_out, planted_copies(training[:20], 0))]
    alone, together = (audit(pixel_distances, *banks, samples_per_patient=m) for m in (1, 4))
    assert alone["auc"] == pytest.approx(together["auc"]) and alone["n"] == together["n"] == 120
    assert np.diff(together["auc_ci"]) > 1.5 * np.diff(alone["auc_ci"])


def test_a_smooth_heart_near_to_everybody_is_no_copy(training, held_out, threshold):
    """Most of the way to the mean heart: nearer to training hearts than true people are, and yet nobody's copy."""
    true, smooth = (distances(h, training) for h in (held_out, 0.3 * held_out + 0.7 * training.mean(axis=0)))
    nearer_than_people = copy_threshold(nearest_distances(true))
    assert (nearest_distances(smooth) < nearer_than_people).mean() > 0.8  # plain distance would call them copies
    assert (copy_scores(smooth) < threshold).mean() < 0.1


def test_the_scale_of_all_distances_changes_no_score():
    found = np.random.default_rng(0).random((7, 80)) + 0.1
    np.testing.assert_allclose(copy_scores(3 * found), copy_scores(found))
    ordered = np.sort(found[0])
    assert copy_scores(found)[0] == pytest.approx(ordered[0] / ordered[1:51].mean())
    assert copy_scores(np.ones((2, 5))).tolist() == [1, 1] and copy_scores(np.zeros((1, 5))).tolist() == [0]


def test_hearts_that_cannot_be_compared_are_nobodys_copies():
    found = np.array([[0.5, 1.0, np.inf, 1.0], [0.5, np.inf, np.inf, np.inf], [np.inf] * 4])
    np.testing.assert_array_equal(copy_scores(found), [0.5, np.nan, np.nan])
    report = memorisation(copy_scores(found), np.array([0.1, 0.2, 0.3]), np.array([0.1, 0.2, 0.3]), 0.6)
    assert report == {"fraction": 1.0, "auc": 0.5, "n": 3}


@pytest.mark.parametrize("measure", ["pixels", "features"])
def test_slices_not_acquired_are_not_looked_at(training, measure):
    """Rubbish in them changes nothing, on either side; no common slice is infinitely far."""
    masks = everywhere(training[:20])
    masks[::2, 1], masks[1::3, :, 1] = False, False
    masks[4], masks[5, 0] = False, False
    rubbish = np.where(masks[..., None, None], training[:20], 255 - training[20:40])

    def found(samples, bank):
        if measure == "pixels":
            return pixel_distances(samples, masks, bank, masks)
        flat = [h.reshape(20, 4, -1)[..., ::97].astype(float) for h in (samples, bank)]
        return feature_distances(flat[0], masks, flat[1], masks)

    clean = found(training[:20], training[:20])
    np.testing.assert_allclose(found(rubbish, training[:20]), clean, atol=1e-5)
    np.testing.assert_allclose(found(training[:20], rubbish), clean, atol=1e-5)
    np.testing.assert_array_equal(np.isinf(clean), ~np.einsum("isp,jsp->ij", masks, masks).astype(bool))
    assert np.isinf(clean[4]).all() and np.isinf(clean[5, 0]) and not np.isinf(clean[0, 1])


def test_feature_distances_are_root_mean_squares_of_common_slices():
    rng = np.random.default_rng(0)
    a, b = 100 + rng.normal(size=(3, 4, 5)), 100 + rng.normal(size=(6, 4, 5))
    masks, bank_masks = rng.random((3, 2, 2)) < 0.7, rng.random((6, 2, 2)) < 0.7
    masks[0], bank_masks[0] = True, True
    found = feature_distances(a, masks, b, bank_masks)
    for i in range(3):
        for j in range(6):
            common = (masks[i] & bank_masks[j]).ravel()
            expected = np.sqrt(((a[i] - b[j])[common] ** 2).mean()) if common.any() else np.inf
            assert found[i, j] == pytest.approx(expected)


def test_the_order_of_people_changes_nothing(training, held_out):
    samples = people(10, 7)
    rng = np.random.default_rng(0)
    rows, columns = rng.permutation(10), rng.permutation(120)
    found = distances(samples, training)
    np.testing.assert_allclose(distances(samples[rows], training[columns]), found[rows][:, columns], atol=1e-5)
    np.testing.assert_allclose(copy_scores(found[rows][:, columns]), copy_scores(found)[rows])
    scores = copy_scores(distances(held_out, training))
    assert copy_threshold(scores[columns]) == copy_threshold(scores)


def test_hearts_may_lie_on_disk(training, tmp_path):
    np.save(tmp_path / "hearts.npy", training)
    stored = np.load(tmp_path / "hearts.npy", mmap_mode="r")
    samples = people(3, 7)
    np.testing.assert_array_equal(distances(samples, stored), distances(samples, training))
    np.testing.assert_allclose(distances(samples / 255.0, stored), distances(samples, training), atol=1e-4)


@pytest.mark.parametrize("n", [5, 99, 100, 299, 1000, 1234])
def test_at_most_one_in_a_hundred_real_hearts_is_called_a_copy(n):
    scores = np.random.default_rng(n).random(n)
    flagged = (scores < copy_threshold(scores)).mean()
    assert 0.01 - 2 / n <= flagged <= 0.01
    assert (scores < copy_threshold(scores, 0.2)).mean() == pytest.approx(0.2, abs=2 / n)
    assert copy_threshold(np.append(scores, np.nan)) == copy_threshold(scores)
    assert np.isnan(copy_threshold(np.array([np.nan])))


@pytest.mark.parametrize("n", [99, 150, 299])
def test_of_further_strangers_one_in_a_hundred_is_expected(n):
    """Of uniform scores the threshold itself is the share of further ones below it: at most 0.01 on average."""
    thresholds = [copy_threshold(np.random.default_rng(seed).random(n)) for seed in range(4000)]
    expected = int(0.01 * (n + 1)) / (n + 1)
    assert expected <= 0.01 and np.mean(thresholds) == pytest.approx(expected, abs=0.0005)


def test_nothing_varies_and_nothing_divides_by_zero(training):
    flat = np.full((1, *SHAPE), 7, np.uint8)
    np.testing.assert_allclose(distances(flat, training[:3]), np.sqrt(2), atol=1e-6)
    assert np.isfinite(distances(flat, flat)).all()


def test_too_few_people_or_pixels_are_an_error(training):
    bank = (training, everywhere(training))
    few = (training[:2], everywhere(training[:2]))
    with pytest.raises(ValueError, match="2 held-out"):
        audit(pixel_distances, bank, bank, few, bank)
    with pytest.raises(ValueError, match="too small"):
        distances(training[..., :2, :2], training[..., :2, :2])


def test_losses_tell_members_only_where_they_differ():
    rng = np.random.default_rng(0)
    losses = rng.random(4000)
    assert membership_auc(losses[:2000], losses[2000:]) == pytest.approx(0.5, abs=0.03)
    assert membership_auc(np.array([1.0, 2.0, np.nan]), np.array([3.0, 4.0])) == 1
    assert membership_auc(np.array([3.0]), np.array([1.0, 3.0])) == 0.25
    assert np.isnan(membership_auc(np.array([np.nan]), losses))
    # two Gaussians of SD 1 a distance d apart: Phi(d / sqrt 2)
    gap = membership_auc(rng.normal(size=4000), rng.normal(1, size=4000))
    assert gap == pytest.approx(0.7602, abs=0.02)
