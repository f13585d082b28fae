"""The measure is itself tested: what the numbers of a report say of hearts of which everything is known."""

import numpy as np
import pytest

from cohort.cine import Label
from cohort.phenotypes import PHENOTYPES
from evaluation import report
from evaluation.agreement import agreement
from evaluation.bootstrap import with_intervals
from evaluation.certainty import fit_spread
from evaluation.controls import derangement
from evaluation.implausible_hearts import KINDS
from evaluation.measuring import TERRITORIES, Measured
from evaluation.report import (
    SETTING_PHENOTYPES,
    agreement_numbers,
    another_less_person,
    by_phenotype,
    ceiling_numbers,
    certainty_numbers,
    control_numbers,
    group_numbers,
    implausible_numbers,
    mean_of_samples,
    obedience_numbers,
    realism_numbers,
    reconstruction_numbers,
    retrieval_numbers,
    segmented_slopes,
    segmenter_numbers,
    setting_numbers,
    territory_numbers,
    told_numbers,
)
from evaluation.scale import off_scale, on_scale

N, K = 300, len(PHENOTYPES)
MEAN, SD = np.linspace(50, 200, K), np.linspace(5, 40, K)


def found(phenotypes, **others):
    """What was measured, where only phenotypes (n, m, K) matter, and whatever else is given."""
    n, m = phenotypes.shape[:2]
    rest = {
        "territories": np.full((n, m, len(TERRITORIES)), 8.0),
        "features": np.zeros((n, m, 3, 2, 4), np.float16),
        "coherence": np.zeros((n, m, 5)),
        "faulty": np.zeros((n, m), bool),
        "hearts": np.zeros((n, min(m, 2), 3, 2, 8, 8), np.uint8),
        "spread": np.zeros((n, 3, 2, 8, 8), np.float16),
        "implausible": np.zeros((n, m, len(KINDS))),
        "told": np.full((n, m, K), np.nan),
    }
    return Measured(**{"phenotypes": phenotypes} | rest | others)


def drawn(seed=0, n=N):
    """Phenotypes of n people, (n, K)."""
    return MEAN + SD * np.random.default_rng(seed).normal(size=(n, K))


def posterior(rho, m, n=N, spread=1.0, seed=0):
    """An ECG that tells a share `rho` of the variance: samples (n, m, K) and truth (n, K) are draws of N(mu_i, s^2).

    `spread` is a fault: the samples lie that many times as far from mu_i as they should.
    """
    rng = np.random.default_rng(seed)
    told, left = rho**0.5 * rng.normal(size=(n, 1, K)), (1 - rho) ** 0.5
    truth = told + left * rng.normal(size=(n, 1, K))
    samples = told + spread * left * rng.normal(size=(n, m, K))
    return MEAN + SD * samples, (MEAN + SD * truth)[:, 0]


def even(values):
    """Phenotypes of `posterior` (..., K) as Gaussian as they are, but on the scale of their intervals."""
    return off_scale(on_scale(np.full(K, 50.0)) + 0.2 * (values - MEAN) / SD)


def every(numbers, key):
    return np.array([numbers[name][key] for name in PHENOTYPES])


@pytest.fixture(scope="module")
def truth():
    return drawn()


@pytest.fixture(autouse=True)
def few_draws(monkeypatch):
    """The bootstrap has tests of its own."""

    def with_fewer(measure, *arrays, draws=40):
        return with_intervals(measure, *arrays, draws=min(draws, 40))

    monkeypatch.setattr(report, "with_intervals", with_fewer)


# ---- The shape of it ----


def test_every_phenotype_has_every_number_and_its_interval(truth):
    noisy = truth + drawn(1) - MEAN
    numbers = by_phenotype(agreement, noisy, truth)
    assert tuple(numbers) == PHENOTYPES
    for k, name in enumerate(PHENOTYPES):
        expected = agreement(noisy[:, k], truth[:, k])
        assert {key: numbers[name][key] for key in expected} == expected and expected["n"] == N
        for key in expected.keys() - {"n"}:
            low, high = numbers[name][f"{key}_ci"]
            assert low < numbers[name][key] < high
        assert numbers[name].keys() == expected.keys() | {f"{key}_ci" for key in expected if key != "n"}


@pytest.mark.filterwarnings("error")
def test_the_mean_of_the_samples_leaves_out_what_could_not_be_measured():
    samples = np.array([[[1.0], [2.0], [6.0]], [[np.nan], [2.0], [6.0]], [[np.nan]] * 3])
    np.testing.assert_array_equal(mean_of_samples(samples), [[3.0], [4.0], [np.nan]])


# ---- What is known to be perfect, to be worthless, and to be in between ----


def test_the_truth_itself_agrees_and_everything_is_kept(truth):
    itself = found(truth[:, None])
    numbers = agreement_numbers(itself, itself, truth, truth)
    for key in ("agreement", "agreement_of_one_sample", "measured_on_true_hearts"):
        np.testing.assert_allclose(every(numbers[key], "r2"), 1)
        np.testing.assert_allclose(every(numbers[key], "r"), 1)
        assert (every(numbers[key], "mae") == 0).all()
    kept = ceiling_numbers(itself, truth, truth)["information_kept"]
    assert list(kept.values()) == pytest.approx([1] * K)


def test_the_truth_of_another_scores_at_chance(truth):
    """r of n independent pairs has a standard deviation of n^-1/2, 0.06 here; R2 an expectation of -1."""
    others = truth[derangement(N, 0)]
    numbers = control_numbers({"shuffled": others}, truth)["shuffled"]
    assert np.abs(every(numbers, "r")).max() < 0.15 and every(numbers, "r2").max() < -0.6
    low, high = np.array([numbers[name]["r_ci"] for name in PHENOTYPES]).T
    assert ((low < 0) & (high > 0)).sum() >= K - 1
    kept = ceiling_numbers(found(others[:, None]), truth + 0.3 * (drawn(2) - MEAN), truth)["information_kept"]
    assert max(kept.values()) < -0.6


def test_the_mean_heart_explains_nothing_and_keeps_nothing(truth):
    """Of other people than those it is compared with."""
    mean = np.broadcast_to(drawn(1).mean(axis=0), (N, 3, K))
    numbers = agreement_numbers(found(mean), found(truth[:, None]), truth, truth)
    assert every(numbers["agreement"], "r2").max() <= 0 and every(numbers["agreement"], "r2").min() > -0.1
    assert np.abs(np.nan_to_num(every(numbers["agreement"], "r"))).max() < 1e-9  # NaN but for rounding
    kept = ceiling_numbers(found(mean), truth + 0.5 * (drawn(2) - MEAN), truth)["information_kept"]
    assert max(kept.values()) <= 0


def faint(truth):
    """A ceiling that explains 4 % of the variance."""
    return MEAN + 0.02 * (truth - MEAN)


def wavering(truth):
    """A ceiling of 12 % in these people, by chance perhaps."""
    noise = np.random.default_rng(7).permutation(truth) - truth.mean(axis=0)
    signal = truth - truth.mean(axis=0)
    return truth.mean(axis=0) + 0.15 * signal + 0.3 * noise


@pytest.mark.parametrize(
    ("people", "ceiling", "reason"),
    [
        (N, faint, "ceiling too low to tell: R2 0.0"),
        (24, wavering, "ceiling too low to tell: the interval of its R2, -"),
        (19, np.copy, "too few people to tell: 19, of 20 at least"),
    ],
)
def test_of_a_ceiling_too_low_no_share_is_told_but_why(truth, people, ceiling, reason):
    truth = truth[:people]
    samples = truth[:, None] + drawn(2, people)[:, None] - MEAN + np.zeros((1, 2, 1))
    numbers = ceiling_numbers(found(samples), ceiling(truth), truth)
    for key in ("information_kept", "information_kept_of_many"):
        untold = [name for name, why in numbers[f"{key}_untold"].items() if why.startswith(reason)]
        assert untold and all(np.isnan(numbers[key][name]) for name in untold)
        assert all(np.isnan(numbers[f"{key}_ci"][name]).all() for name in untold)
        told = set(PHENOTYPES) - set(numbers[f"{key}_untold"])
        assert all(np.isfinite(numbers[key][name]) for name in told)
    assert reason.startswith("ceiling") or len(untold) == K


def test_nor_under_another_setting(truth):
    mask, itself = np.ones((N, 3, 2), bool), found(truth[:, None] + np.zeros((1, 2, 1)))
    told = setting_numbers(itself, itself, truth, truth + 0.3 * (drawn(2) - MEAN), mask)
    untold = setting_numbers(itself, itself, truth, faint(truth), mask)
    assert all(told[f"{name}_kept"] > 1 and np.isnan(untold[f"{name}_kept"]) for name in SETTING_PHENOTYPES)


def test_of_a_ceiling_high_enough_nothing_is_left_untold(truth):
    numbers = ceiling_numbers(found(truth[:, None]), truth + 0.3 * (drawn(2) - MEAN), truth)
    assert numbers["information_kept_untold"] == {} and min(numbers["information_kept"].values()) > 1


def test_the_ceilings_own_predictions_keep_all_that_it_knows(truth):
    ceiling = truth + 0.7 * (drawn(2) - MEAN)
    numbers = ceiling_numbers(found(ceiling[:, None]), ceiling, truth)
    assert tuple(numbers["information_kept"]) == tuple(numbers["information_kept_ci"]) == PHENOTYPES
    assert list(numbers["information_kept"].values()) == pytest.approx([1] * K)
    assert np.array(list(numbers["information_kept_ci"].values())) == pytest.approx(np.ones((K, 2)))
    assert every(numbers["ceiling"], "r2") == pytest.approx(np.full(K, 0.51), abs=0.15)


def test_what_is_not_known_of_a_patient_is_left_out_and_counted_out(truth):
    samples, known = np.repeat(truth[:, None], 3, axis=1), truth.copy()
    samples[:10, 0, 0], samples[:4, :, 0], known[20:25, 0] = np.nan, np.nan, np.nan
    numbers = agreement_numbers(found(samples), found(truth[:, None]), known, known)
    assert numbers["agreement"]["LVEDV"]["n"] == N - 4 - 5
    assert numbers["agreement_of_one_sample"]["LVEDV"]["n"] == N - 10 - 5
    assert numbers["measured_on_true_hearts"]["LVEDV"]["n"] == N - 5
    assert numbers["agreement"]["LVESV"]["n"] == N
    np.testing.assert_allclose(every(numbers["agreement"], "r2"), 1)


# ---- A Gaussian posterior ----


@pytest.mark.parametrize(("rho", "m"), [(0.3, 8), (0.6, 4)])
def test_a_true_posterior_has_the_r2_it_should(rho, m):
    """Truth and mean of m samples differ by (1 - rho)(1 + 1/m) of the variance; of one sample, by twice 1 - rho."""
    samples, truth = posterior(rho, m, n=2000)
    numbers = agreement_numbers(found(samples), found(truth[:, None]), truth, truth)
    sd = 3 * (1 - rho) * (2 / 2000) ** 0.5  # a little more than that of R2
    assert every(numbers["agreement"], "r2") == pytest.approx(np.full(K, 1 - (1 - rho) * (1 + 1 / m)), abs=4 * sd / 3)
    one = every(numbers["agreement_of_one_sample"], "r2")
    assert one == pytest.approx(np.full(K, 1 - 2 * (1 - rho)), abs=8 * sd / 3)


def test_a_true_posterior_is_covered_as_often_as_is_said_and_a_narrow_one_less():
    samples, truth = map(even, posterior(0.4, 8, n=2000))
    numbers = certainty_numbers(found(samples), truth, {"some": np.arange(0, 2000, 2)})
    for level in (50, 80, 90):
        sd = 100 * (level / 100 * (1 - level / 100) / 2000) ** 0.5
        assert every(numbers["coverage"], str(level)) == pytest.approx(np.full(K, level), abs=4 * sd)
        in_group = every(numbers["coverage_groups"]["some"], str(level))
        assert in_group == pytest.approx(np.full(K, level), abs=4 * 2**0.5 * sd)
    assert every(numbers["coverage_groups"]["some"], "n").tolist() == [1000] * K
    counts = np.array([numbers["rank_histogram"][name] for name in PHENOTYPES])
    assert counts.shape == (K, 9) and counts.sum() == K * 2000
    assert counts.min() > 2000 / 9 * 0.7 and counts.max() < 2000 / 9 * 1.3
    narrow = even(posterior(0.4, 8, n=2000, spread=0.5)[0])
    assert every(certainty_numbers(found(narrow), truth, {})["coverage"], "90").max() < 75


def test_calibration_fitted_on_others_mends_the_coverage():
    samples, truth = map(even, posterior(0.4, 8, n=2000, spread=0.5))
    factors = fit_spread(on_scale(samples[:1000]), on_scale(truth[:1000]))
    plain, mended = (told_numbers(samples[1000:], truth[1000:], given) for given in (None, factors))
    assert every(plain["coverage_told"], "90").max() < 75 and not plain["coverage_told_calibrated"]
    told = mended["coverage_told"]
    assert every(told, "90") == pytest.approx(np.full(K, 90), abs=4 * 100 * (2 * 0.09 / 1000) ** 0.5)
    assert all(low < told[name]["90"] < high for name in PHENOTYPES for low, high in [told[name]["90_ci"]])
    assert mended["coverage_told_pooled"]["90"] == pytest.approx(90, abs=2) and mended["coverage_told_calibrated"]


def test_of_codes_that_hold_no_phenotype_no_interval_is_told(truth):
    assert told_numbers(np.full((len(truth), 8, K), np.nan), truth, None) == {}


def test_one_sample_has_no_certainty(truth):
    assert certainty_numbers(found(truth[:, None]), truth, {}) == {}


# ---- Whose heart is it ----


@pytest.fixture(scope="module")
def true_features():
    """Segmenter's features (n, 1, S, P, F) of the true hearts, and the slices acquired."""
    rng = np.random.default_rng(3)
    mask = rng.random((N, 3, 2)) < 0.8
    mask[:, 1] = True
    return rng.normal(20, 5, (N, 1, 3, 2, 4)).astype(np.float16), mask


def test_the_true_heart_is_found_at_once_and_anothers_at_chance(truth, true_features):
    """The median of n uniform percentiles has a standard deviation of 100 / (2 n^1/2), 3 here."""
    features, mask = true_features
    real = found(truth[:, None], features=features)
    shuffled = found(truth[:, None], features=features[derangement(N, 0)])
    numbers = retrieval_numbers(real, shuffled, real, mask)
    assert numbers["retrieval"]["median_percentile"] == 0 and numbers["retrieval"]["top_1"] == 100
    assert numbers["retrieval_shuffled"]["median_percentile"] == pytest.approx(50, abs=12)
    assert numbers["retrieval_shuffled"]["top_5"] < 10
    assert numbers["retrieval"]["n"] == N and len(numbers["retrieval_shuffled"]["median_percentile_ci"]) == 2


def test_the_mean_heart_finds_nobody(truth, true_features):
    features, mask = true_features
    real = found(truth[:, None], features=features)
    mean = found(truth[:, None], features=np.broadcast_to(features.mean(axis=0, keepdims=True), features.shape))
    assert retrieval_numbers(mean, mean, real, mask)["retrieval"]["median_percentile"] == pytest.approx(50, abs=2)


def test_samples_of_one_patient_find_him_better_together_than_alone(truth, true_features):
    features, mask = true_features
    noise = np.random.default_rng(4).normal(0, 15, (N, 8, 3, 2, 4))
    real, samples = found(truth[:, None], features=features), (features + noise).astype(np.float16)
    eight, one = (found(truth[:, None], features=f) for f in (samples, samples[:, :1]))
    numbers = retrieval_numbers(eight, one, real, mask)
    assert numbers["retrieval"]["median_percentile"] < numbers["retrieval_shuffled"]["median_percentile"] / 2 < 25


def test_slices_that_were_not_acquired_have_no_say_in_retrieval(truth, true_features):
    features, mask = true_features
    blind = np.where(mask[:, None, :, :, None], features, np.float16(6e4))
    real, hidden = (found(truth[:, None], features=f) for f in (features, blind))
    made = found(truth[:, None], features=features[derangement(N, 0)])
    assert retrieval_numbers(made, real, hidden, mask) == retrieval_numbers(made, real, real, mask)


# ---- Groups, and the scar's territory ----


def infarcts(thinned, seed=0, m=2):
    """200 people, the last 120 with a scar: territories (n, m, 3) in mm, thinner by a factor in the scar's."""
    rng = np.random.default_rng(seed)
    walls = np.array([9.0, 7.0, 8.0]) * rng.normal(1, 0.05, (200, 1, 3)) * rng.normal(1, 0.02, (200, m, 3))
    scars = {name: 80 + 40 * k + np.arange(40) for k, name in enumerate(TERRITORIES)}
    for k, rows in enumerate(scars.values()):
        walls[rows, :, k] *= thinned
    return walls, scars


def test_a_thinned_territory_is_found_and_without_thinning_it_is_chance():
    thin, scars = infarcts(0.6)
    even, _ = infarcts(1.0, seed=1)
    generated, real = (found(np.zeros((200, 2, K)), territories=walls) for walls in (thin, even))
    numbers = territory_numbers(generated, real, np.arange(80), scars)
    assert numbers["thinnest_in_territory"] == 1 and numbers["thinnest_in_territory_ci"] == [1, 1]
    sd = (numbers["chance"] * (1 - numbers["chance"]) / 120) ** 0.5
    assert numbers["chance"] == pytest.approx(1 / 3) and numbers["n"] == 120
    assert numbers["thinnest_in_territory_real"] == pytest.approx(1 / 3, abs=4 * sd)
    swapped = territory_numbers(real, generated, np.arange(80), scars)
    assert swapped["thinnest_in_territory_real"] == 1
    assert swapped["thinnest_in_territory"] == numbers["thinnest_in_territory_real"]


def test_a_territory_thin_in_everybody_is_no_scar():
    """The inferior wall is the thinnest of the healthy too: what counts is its thickness beside theirs."""
    walls, scars = infarcts(1.0, seed=1)
    itself = found(np.zeros((200, 2, K)), territories=walls)
    thinner = found(np.zeros((200, 2, K)), territories=walls * [1.0, 0.2, 3.0])
    of = territory_numbers(itself, thinner, np.arange(80), scars)
    assert of["thinnest_in_territory_real"] == of["thinnest_in_territory"]


def test_agreement_of_a_group_is_that_of_its_people(truth):
    rng = np.random.default_rng(5)
    samples = truth[:, None] + 5 * rng.normal(size=(N, 2, K))
    groups = {"normal": np.arange(0, 80), "lvh": np.arange(100, 130), "infarct": np.arange(200, N)}
    samples[groups["lvh"]] = np.repeat(truth[groups["lvh"], None], 2, axis=1)
    scars = {name: 200 + 30 * k + np.arange(30) for k, name in enumerate(TERRITORIES)}
    made, real = found(samples), found(truth[:, None])
    numbers = group_numbers(made, real, truth, groups, scars)
    assert {group: numbers[group]["n"] for group in numbers} == {"normal": 80, "lvh": 30, "infarct": 100}
    np.testing.assert_allclose(every(numbers["lvh"], "r2"), 1)
    expected = agreement(samples[:80, :, 3].mean(axis=1), truth[:80, 3])
    assert {key: numbers["normal"][PHENOTYPES[3]][key] for key in expected} == pytest.approx(expected)
    assert numbers["infarct"]["territory"]["n"] == 90
    assert "territory" not in numbers["normal"] and "territory" not in numbers["lvh"]
    without = group_numbers(made, real, truth, {"infarct": groups["infarct"]}, scars)
    assert "territory" not in without["infarct"]  # nobody healthy to compare with
    assert group_numbers(made, real, truth, {}, {}) == {}


def test_of_a_group_of_few_nothing_is_told_but_why(truth):
    groups = {"normal": np.arange(0, 80), "lbbb": np.arange(100, 119)}
    made, real = found(truth[:, None].repeat(2, axis=1)), found(truth[:, None])
    numbers = group_numbers(made, real, truth, groups, {}, ceiling=truth)
    assert numbers["lbbb"] == {"n": 19, "untold": "19 people, too few to tell: 20 at least"}
    assert numbers["normal"]["ceiling"]["LVM"]["r2"] == numbers["normal"]["LVM"]["r2_of_many"] == 1
    assert set(certainty_numbers(made, truth, groups)["coverage_groups"]) == {"normal"}


# ---- What many hearts would say ----


@pytest.mark.parametrize("m", [2, 8])
def test_few_hearts_and_many_are_told_the_same_r2_of_many(m):
    samples, truth = posterior(0.6, m, n=3000)
    r2 = every(control_numbers({"person_only": samples}, truth)["person_only"], "r2_of_many")
    np.testing.assert_allclose(r2, 0.6, atol=0.06)


def test_a_control_of_one_heart_for_good_needs_no_correction(truth):
    assert "r2_of_many" not in control_numbers({"mean_heart": truth}, truth)["mean_heart"]["LVM"]


def test_another_less_person_is_paired():
    """Both arms err alike in the same people: the difference is sure where neither R2 is."""
    alone, truth = posterior(0.5, 4, n=60)
    worse = another_less_person({"shuffled_ecg": alone + 0.1 * SD, "person_only": alone}, truth)["LVM"]
    assert -0.2 < worse["difference_ci"][0] < worse["difference"] < 0.1
    own = control_numbers({"person_only": alone}, truth)["person_only"]["LVM"]["r2_of_many_ci"]
    assert np.ptp(worse["difference_ci"]) < np.ptp(own)
    same = another_less_person({"shuffled_ecg": alone, "person_only": alone}, truth)["LVM"]
    assert same["difference"] == 0 and same["difference_ci"] == [0, 0]
    assert another_less_person({"person_only": alone}, truth) == {}


# ---- Coverage over all phenotypes, obedience, and hearts that no living heart is like ----


def test_pooled_coverage_is_that_of_all_cells_together():
    samples, truth = (even(values) for values in posterior(0.5, 6, n=400))
    truth[:200, 0] = np.nan
    numbers = certainty_numbers(found(samples), truth, {})
    cells = np.array([400] * K) - 200 * (np.arange(K) == 0)
    assert numbers["coverage_pooled"]["n"] == cells.sum()
    expected = (every(numbers["coverage"], "90") * cells).sum() / cells.sum()
    assert numbers["coverage_pooled"]["90"] == pytest.approx(expected)
    low, high = numbers["coverage_pooled"]["90_ci"]
    assert 88 < low < 90 < high < 92.5


def test_a_heart_that_goes_half_the_way_has_a_slope_of_a_half(truth):
    told = truth[:, None].repeat(2, axis=1)
    half = MEAN + 0.5 * (told - MEAN)
    numbers = obedience_numbers(found(half, told=told))
    np.testing.assert_allclose(every(numbers, "slope"), 0.5)
    np.testing.assert_allclose(every(numbers, "r2"), 1)
    np.testing.assert_allclose(every(numbers, "rms"), np.sqrt(((half - told) ** 2).mean(axis=(0, 1))))
    assert numbers["LVM"]["n"] == 2 * N and obedience_numbers(found(half)) == {}


def test_true_hearts_say_which_slope_the_segmenter_lets_a_perfect_heart_have(truth):
    seen = MEAN + 0.8 * (truth - MEAN)
    known = truth.copy()
    known[:10, 0] = np.nan  # of whom the segmenter itself told the truth
    numbers = segmented_slopes(found(seen[:, None]), known)
    np.testing.assert_allclose(every(numbers, "slope"), 0.8)
    assert numbers["LVEDV"]["n"] == N - 10 and numbers["LVM"]["n"] == N
    assert segmented_slopes(found(seen[:, None]), np.full_like(truth, np.nan)) == {}


def test_shares_of_implausible_hearts_stand_beside_true_ones(truth):
    broken = np.zeros((N, 2, len(KINDS)))
    broken[:30, 0, 2], broken[:15, 0, 3], broken[:, 1, 0] = 1, 1, np.nan
    arms = {"generated": found(truth[:, None].repeat(2, axis=1), implausible=broken), "real": found(truth[:, None])}
    numbers = implausible_numbers(arms)
    shares = {name: table["generated"] for name, table in numbers.items()}
    assert shares == {"any": 0.05, "mass": 0, "stroke_volumes": 0, "open_ring": 0.05, "widens_again": 0.025}
    assert {table["real"] for table in numbers.values()} == {0}
    low, high = numbers["any"]["generated_ci"]
    assert 0.03 < low < 0.05 < high < 0.08


# ---- The segmenter, and how real it looks ----


def labelled(n=6):
    labels = np.zeros((n, 3, 2, 8, 8), np.uint8)
    labels[..., 1:4, 1:4], labels[..., 4, 1:4], labels[..., 1:6, 6] = Label.LV_CAVITY, Label.LV_MYOCARDIUM, 3
    return labels


def test_the_segmenter_is_judged_where_there_are_label_maps(truth):
    made = found(truth[:10, None].repeat(2, axis=1), faulty=np.arange(20).reshape(10, 2) < 3)
    real = found(truth[:10, None], faulty=np.arange(10)[:, None] < 1)
    wrong = labelled()
    wrong[wrong == Label.RV_CAVITY] = 0
    numbers = segmenter_numbers(real, labelled(), wrong, made)
    assert numbers["lv_cavity"]["dice"] == numbers["lv_myocardium"]["dice"] == 1 and numbers["rv_cavity"]["dice"] == 0
    assert numbers["lv_cavity"]["n"] == 6 and numbers["lv_cavity"]["dice_ci"] == [1, 1]
    counts = {key: numbers[key] for key in ("quality_failures", "quality_failures_real", "hearts_judged")}
    assert counts == {"quality_failures": 3, "quality_failures_real": 1, "hearts_judged": 20}
    nobody = segmenter_numbers(real, labelled(0), labelled(0), made)
    assert nobody["lv_cavity"] == nobody["rv_cavity"] == {} and nobody["hearts_judged"] == 20


@pytest.fixture
def no_classifier(monkeypatch):
    """It takes seconds, and has tests of its own; here it is given any number of people."""
    monkeypatch.setattr(report, "CLASSIFIER_PEOPLE", 0)

    def judge(real, made, *_, **__):
        return {"auc": float((real != made).mean()), "auc_ci": [0.0, 0.1]}

    monkeypatch.setattr(report, "classifier_verdict", judge)


def test_the_true_hearts_themselves_look_real(no_classifier):
    rng = np.random.default_rng(6)
    hearts = rng.integers(0, 256, (12, 1, 3, 2, 24, 24)).astype(np.uint8)
    mask = rng.random((12, 3, 2)) < 0.8
    features = rng.normal(size=(12, 1, 3, 2, 4)).astype(np.float16)
    real = found(drawn(n=12)[:, None], hearts=hearts, features=features)
    numbers, (true_spectrum, made_spectrum) = realism_numbers(real, real, mask, hearts[:, 0].mean(axis=0) / 255)
    assert numbers["ssim"] == pytest.approx(1) and numbers["spectrum_gap"] == numbers["classifier_auc"] == 0
    assert numbers["ssim_mean_heart"] < 0.5 and numbers["psnr_mean_heart"] < 20
    assert numbers["fid"] == pytest.approx(numbers["fid_real"])
    assert numbers["coverage"] == numbers["coverage_real"]
    np.testing.assert_array_equal(true_spectrum, made_spectrum)
    assert not any(key.endswith("_mean_heart") for key in realism_numbers(real, real, mask, None)[0])
    blind = np.where(mask[:, None, :, :, None, None], hearts, 77).astype(np.uint8)
    hidden = found(drawn(n=12)[:, None], hearts=blind, features=features)
    again, _ = realism_numbers(hidden, real, mask, None)
    assert again["ssim"] == pytest.approx(1) and again["spectrum_gap"] == 0


def test_a_classifier_judges_no_handful_of_people(monkeypatch):
    """Two thirds of six people are too few to learn from, a third too few to judge: no number, no time spent."""
    monkeypatch.setattr(report, "classifier_verdict", lambda *_, **__: pytest.fail("was asked"))
    rng = np.random.default_rng(8)
    hearts = rng.integers(0, 256, (6, 1, 3, 2, 24, 24)).astype(np.uint8)
    real = found(drawn(n=6)[:, None], hearts=hearts, features=rng.normal(size=(6, 1, 3, 2, 4)).astype(np.float16))
    numbers, _ = realism_numbers(real, real, np.ones((6, 3, 2), bool), None)
    assert np.isnan(numbers["classifier_auc"]) and np.isnan(numbers["classifier_auc_shape"])


def test_an_autoencoder_that_loses_nothing_costs_nothing(no_classifier):
    rng, truth = np.random.default_rng(7), drawn(n=12)
    features, mask = rng.normal(size=(12, 1, 3, 2, 4)).astype(np.float16), np.ones((12, 3, 2), bool)
    real = found(truth[:, None], hearts=rng.integers(0, 256, (12, 1, 3, 2, 24, 24)).astype(np.uint8), features=features)
    numbers, floor = reconstruction_numbers(real, real, mask, truth)
    np.testing.assert_allclose(every(numbers, "r2"), 1)
    assert floor["classifier_auc"] == 0
    assert floor["fid"] == pytest.approx(realism_numbers(real, real, mask, None)[0]["fid_real"])
