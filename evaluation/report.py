"""The numbers of a report, from what was measured on hearts; nothing here needs a network."""

from collections.abc import Callable
from functools import partial

import numpy as np
from einops import rearrange

from cohort.cine import Label
from cohort.intensity import as_unit
from cohort.phenotypes import PHENOTYPES, dice

from .agreement import (
    FEW_PEOPLE,
    agreement,
    agreement_of_many,
    information_kept,
    information_kept_of_many,
    r_squared_of_many,
    why_no_share,
)
from .arms import ALONE, ANOTHER
from .bootstrap import with_intervals
from .certainty import certainty, pooled_coverage, rank_histogram, widened
from .image_floor import fid_intervals
from .implausible_hearts import KINDS
from .measuring import TERRITORIES, Measured
from .obedience import obedience
from .realism import (
    classifier_verdict,
    distribution_distances,
    image_similarity,
    radial_power_spectrum,
    spectrum_gap,
)
from .retrieval import masked_distances, rank_percentiles, retrieval
from .scale import SCALES, on_scale

SETTING_PHENOTYPES = ("LVEDV", "LVM", "LVEF")  # compared between settings
CLASSIFIER_PEOPLE = 24  # at least; with fewer, the AUC depends on who the people are, not on how hearts look
NOT_TOLD = {"information_kept": float("nan"), "information_kept_ci": [float("nan")] * 2}
SHAPE_SHRINK = 4  # 7 mm cells: grain and sharpness are gone, the heart's shape is not


def by_phenotype(measure: Callable[..., dict], *arrays: np.ndarray, draws: int = 500) -> dict[str, dict]:
    """`measure` of each phenotype with its bootstrap intervals; the last axis of every array is PHENOTYPES."""
    return {
        name: with_intervals(measure, *(array[..., k] for array in arrays), draws=draws)
        for k, name in enumerate(PHENOTYPES)
    }


def mean_of_samples(phenotypes: np.ndarray) -> np.ndarray:
    """(n, m, K) -> (n, K), without the samples that could not be measured; NaN where none could."""
    known = np.isfinite(phenotypes)
    count = known.sum(axis=1)
    total = np.where(known, phenotypes, 0).sum(axis=1)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def agreement_numbers(generated: Measured, real: Measured, truth: np.ndarray, told: np.ndarray) -> dict:
    """Agreement of the mean of the samples, of one sample, and of the true hearts measured with the same segmenter.

    Args:
        truth: (n, K). told: the same, NaN where the segmenter itself measured it: no error of its shows there.
    """
    return {
        "agreement": by_phenotype(agreement_of_many, generated.phenotypes, truth),
        "agreement_of_one_sample": by_phenotype(agreement, generated.phenotypes[:, 0], truth),
        "measured_on_true_hearts": by_phenotype(agreement, real.phenotypes[:, 0], told),
    }


def control_numbers(controls: dict[str, np.ndarray], truth: np.ndarray) -> dict:
    """Agreement of each control with the truth.

    Args:
        controls: phenotypes (n, m, K) of m hearts each, whose R2 is told of very many too; or (n, K) of one for good.
    """
    return {
        name: by_phenotype(agreement if phenotypes.ndim == 2 else agreement_of_many, phenotypes, truth)
        for name, phenotypes in controls.items()
    }


def another_less_person(controls: dict[str, np.ndarray], truth: np.ndarray) -> dict:
    """R2 of very many hearts of another's ECG, less that of the person alone, by phenotype; empty without both.

    The bootstrap is paired: the same people are drawn for both. Above 0 another's ECG would tell of the own heart.
    """
    if not {ANOTHER, ALONE} <= controls.keys():
        return {}

    def difference(another: np.ndarray, alone: np.ndarray, truth: np.ndarray) -> dict[str, float]:
        return {"difference": r_squared_of_many(another, truth) - r_squared_of_many(alone, truth)}

    return by_phenotype(difference, controls[ANOTHER], controls[ALONE], truth)


def obedience_numbers(generated: Measured) -> dict:
    """How the hearts follow the phenotypes that their codes told; empty where nothing was told."""
    if not np.isfinite(generated.told).any():
        return {}
    return by_phenotype(obedience, generated.phenotypes, generated.told, draws=200)


def segmented_slopes(real: Measured, told: np.ndarray) -> dict:
    """The same of true hearts against the truth: what a heart that obeyed perfectly would get from this segmenter.

    Args:
        told: (n, K), NaN where the segmenter itself measured it.
    """
    if not np.isfinite(told).any():
        return {}
    return by_phenotype(obedience, real.phenotypes[:, :1], told[:, None], draws=200)


def implausible_numbers(arms: dict[str, Measured]) -> dict[str, dict]:
    """Share of hearts that break each of KINDS, and any of them, by kind of heart, with intervals.

    Args:
        arms: of generated and of true hearts, all measured alike.
    """
    numbers: dict[str, dict] = {name: {} for name in ("any", *KINDS)}
    for arm, measured in arms.items():

        def shares(rows: np.ndarray) -> dict[str, dict]:
            hearts = rows.reshape(-1, rows.shape[-1])  # (n m, 4), NaN where the slices cannot tell
            broken = {"any": (hearts == 1).any(axis=1), **dict(zip(KINDS, hearts.T, strict=True))}
            return {
                name: float(np.nanmean(values)) if np.isfinite(values).any() else float("nan")
                for name, values in broken.items()
            }

        found = with_intervals(shares, measured.implausible, draws=200)
        for name in numbers:
            numbers[name] |= {arm: found[name], f"{arm}_ci": found[f"{name}_ci"]}
    return numbers


def ceiling_numbers(generated: Measured, ceiling: np.ndarray, truth: np.ndarray) -> dict:
    """The regression's own agreement, and the share of it that the hearts keep.

    Where the ceiling is too low, or people are too few, no share is told but why (`agreement.why_no_share`).
    """
    numbers = {"ceiling": by_phenotype(agreement, ceiling, truth)}
    of_mean = by_phenotype(information_kept, mean_of_samples(generated.phenotypes), ceiling, truth)
    of_many = by_phenotype(information_kept_of_many, generated.phenotypes, ceiling, truth)
    for key, kept in {"information_kept": of_mean, "information_kept_of_many": of_many}.items():
        reasons = {name: why_no_share(numbers["ceiling"][name], share["n"]) for name, share in kept.items()}
        told = {name: NOT_TOLD if reasons[name] else share for name, share in kept.items()}
        numbers[key] = {name: share["information_kept"] for name, share in told.items()}
        numbers[f"{key}_ci"] = {name: share["information_kept_ci"] for name, share in told.items()}
        numbers[f"{key}_untold"] = {name: reason for name, reason in reasons.items() if reason}
    return numbers


def told_numbers(codes: np.ndarray, truth: np.ndarray, factors: np.ndarray | None) -> dict:
    """Coverage of the intervals that heart.json tells, by heart codes; empty where codes tell no phenotype.

    Args:
        codes: (n, m, K) PHENOTYPES that m codes of each person tell. truth: (n, K).
        factors: (K,) of the intervals (evaluation.calibration); None leaves them as they are.
    """
    if not np.isfinite(codes).any():
        return {}
    wider = codes
    if factors is not None:
        told = [widened(codes[..., k], factors[k], SCALES[name]) for k, name in enumerate(PHENOTYPES)]
        wider = np.stack(told, axis=-1)
    return {
        "coverage_told": coverage_numbers(wider, truth),
        "coverage_told_pooled": with_intervals(pooled_coverage, on_scale(wider), on_scale(truth), draws=200),
        "coverage_told_calibrated": factors is not None,
    }


def certainty_numbers(generated: Measured, truth: np.ndarray, groups: dict) -> dict:
    """Coverage, width and CRPS of the samples as drawn, and by group.

    One sample has no spread: the dict is then empty.
    """
    samples = generated.phenotypes  # (n, m, K)
    if samples.shape[1] < 2:
        return {}
    return {
        "coverage": coverage_numbers(samples, truth),
        "coverage_pooled": with_intervals(pooled_coverage, on_scale(samples), on_scale(truth), draws=200),
        "rank_histogram": {
            name: rank_histogram(samples[..., k], truth[:, k], seed=0).tolist() for k, name in enumerate(PHENOTYPES)
        },
        "coverage_groups": {
            group: {
                name: certainty(samples[rows, :, k], truth[rows, k], SCALES[name]) for k, name in enumerate(PHENOTYPES)
            }
            for group, rows in groups.items()
            if len(rows) >= FEW_PEOPLE
        },
    }


def coverage_numbers(samples: np.ndarray, truth: np.ndarray) -> dict[str, dict]:
    """`certainty` of each phenotype on its scale, with bootstrap intervals: (n, m, K), (n, K)."""
    return {
        name: with_intervals(partial(certainty, scale=SCALES[name]), samples[..., k], truth[..., k], draws=200)
        for k, name in enumerate(PHENOTYPES)
    }


def group_numbers(
    generated: Measured,
    real: Measured,
    truth: np.ndarray,
    groups: dict[str, np.ndarray],
    scars: dict[str, np.ndarray],
    ceiling: np.ndarray | None = None,
) -> dict:
    """Agreement within each group of patients (name -> rows); for infarcts also whether the right wall is thin.

    Of fewer than FEW_PEOPLE no figures are told, but `untold` says so. The ceiling's own agreement within the group
    stands beside, where there is one.
    """
    numbers: dict = {}
    for group, rows in groups.items():
        numbers[group] = {"n": len(rows)}
        if len(rows) < FEW_PEOPLE:
            numbers[group]["untold"] = f"{len(rows)} people, too few to tell: {FEW_PEOPLE} at least"
            continue
        numbers[group] |= by_phenotype(agreement_of_many, generated.phenotypes[rows], truth[rows], draws=200)
        if ceiling is not None:
            numbers[group]["ceiling"] = by_phenotype(agreement, ceiling[rows], truth[rows], draws=200)
    if "infarct" in numbers and "normal" in groups and scars:
        numbers["infarct"]["territory"] = territory_numbers(generated, real, groups["normal"], scars)
    return numbers


def territory_numbers(generated: Measured, real: Measured, healthy: np.ndarray, scars: dict[str, np.ndarray]) -> dict:
    """Is the thinnest wall of an infarct patient in the territory of the scar, in generated and in true hearts?

    A territory's thickness is divided by its mean in healthy people's hearts of the same kind.

    Args:
        healthy: rows of people without disease. scars: territory -> rows of the people whose scar lies there.
    """
    names = list(TERRITORIES)
    numbers: dict = {"chance": 1 / len(names)}
    for key, measured in (("thinnest_in_territory", generated), ("thinnest_in_territory_real", real)):
        thickness = np.nanmean(measured.territories, axis=1)  # (n, 3)
        relative = thickness / np.nanmean(thickness[healthy], axis=0)
        hits = [
            relative[rows][np.isfinite(relative[rows]).all(axis=1)].argmin(axis=1) == names.index(name)
            for name, rows in scars.items()
        ]
        hit = np.concatenate(hits).astype(float)
        numbers["n" if measured is generated else "n_real"] = len(hit)
        if len(hit):
            numbers |= with_intervals(lambda hit, name=key: {name: float(hit.mean())}, hit)
    return numbers


def retrieval_numbers(generated: Measured, shuffled: Measured, real: Measured, mask: np.ndarray) -> dict:
    """Rank of the true heart among all, by distance in the segmenter's features, and the same for another's ECG."""
    centre = real.features[mask[:, None]].astype(np.float32).mean(axis=0)
    scale = real.features[mask[:, None]].astype(np.float32).std(axis=0) + 1e-6
    acquired = mask.reshape(len(mask), -1)

    def flat(measured: Measured) -> np.ndarray:
        features = (measured.features.astype(np.float32).mean(axis=1) - centre) / scale  # (n, S, P, F), mean of samples
        return features.reshape(len(features), -1, features.shape[-1])

    return {
        name: with_intervals(retrieval, rank_percentiles(masked_distances(flat(measured), flat(real), acquired)))
        for name, measured in (("retrieval", generated), ("retrieval_shuffled", shuffled))
    }


def segmenter_numbers(real: Measured, true_labels: np.ndarray, own_labels: np.ndarray, generated: Measured) -> dict:
    """Dice of each class on the true hearts, and how many hearts fail the quality rule.

    Args:
        true_labels, own_labels: (n, slices, phases, height, width) of the people with label maps, n may be 0. The
            segmenter drew own_labels.
    """
    numbers: dict = {}
    for label in list(Label)[1:]:
        scores = np.array([dice(a, b, label) for a, b in zip(own_labels, true_labels, strict=True)])
        name = label.name.lower()
        numbers[name] = (
            with_intervals(lambda s: {"dice": float(np.nanmean(s)), "n": len(s)}, scores) if len(scores) else {}
        )
    return numbers | {
        "quality_failures": int(generated.faulty.sum()),
        "quality_failures_real": int(real.faulty.sum()),
        "hearts_judged": int(generated.faulty.size),
    }


def slice_features(measured: Measured) -> np.ndarray:
    """Features of the slices of each patient's first heart: (n, slices * phases, F)."""
    return rearrange(measured.features[:, 0].astype(np.float32), "n s p f -> n (s p) f")


def first_heart(measured: Measured) -> np.ndarray:
    """Pixels of each patient's first heart: (n, slices, phases, height, width) in [0, 1]."""
    return as_unit(measured.hearts[:, 0])


def realism_numbers(
    generated: Measured,
    real: Measured,
    mask: np.ndarray,
    mean_heart: np.ndarray | None,
    floors: dict[str, np.ndarray] | None = None,
) -> tuple[dict, tuple[np.ndarray, np.ndarray]]:
    """How much the first heart of each patient looks like a real one, and the power spectra of real and generated.

    Args:
        mask: (n, slices, phases) acquired slices of the real hearts; only these are compared.
        mean_heart: (slices, phases, height, width) in [0, 1] of the training people, for comparison in SSIM.
        floors: kind of hardly changed true heart -> features (n, slices * phases, F): what FID says of them.
    """
    features = [slice_features(m) for m in (real, generated)]
    flat = rearrange(mask, "n s p -> n (s p)")
    true, made = (first_heart(m) for m in (real, generated))
    slices = [rearrange(hearts, "n s p h w -> n (s p) h w") for hearts in (true, made)]
    numbers = distribution_distances(*features, flat)
    distances = fid_intervals(features[0], {"generated": features[1], **(floors or {})}, flat)
    numbers |= {key.replace("fid_generated", "fid"): value for key, value in distances.items()}
    others = {"": made}
    if mean_heart is not None:
        others["_mean_heart"] = np.broadcast_to(mean_heart.astype(np.float32), true.shape)
    for suffix, hearts in others.items():
        scores = [image_similarity(*three) for three in zip(true, hearts, mask, strict=True)]
        numbers |= {f"{key}{suffix}": float(np.nanmean([s[key] for s in scores])) for key in scores[0]}
    spectra = tuple(radial_power_spectrum(part[flat]) for part in slices)
    return numbers | _told_apart(slices, flat) | {"spectrum_gap": spectrum_gap(*spectra)}, spectra


def reconstruction_numbers(
    reconstructed: Measured, real: Measured, mask: np.ndarray, truth: np.ndarray
) -> tuple[dict, dict[str, float]]:
    """True hearts through the autoencoder alone: their agreement with the truth, and how real they look.

    No generator can give back what is lost here.
    """
    features = [slice_features(m) for m in (real, reconstructed)]
    flat = rearrange(mask, "n s p -> n (s p)")
    slices = [rearrange(first_heart(m), "n s p h w -> n (s p) h w") for m in (real, reconstructed)]
    distances = fid_intervals(features[0], {"reconstruction": features[1]}, flat)
    floor = {key: distances[f"fid_reconstruction{ending}"] for key, ending in (("fid", ""), ("fid_ci", "_ci"))}
    floor |= _told_apart(slices, flat)
    return by_phenotype(agreement, reconstructed.phenotypes[:, 0], truth), floor


def setting_numbers(
    generated: Measured, real: Measured, truth: np.ndarray, ceiling: np.ndarray | None, mask: np.ndarray
) -> dict[str, float]:
    """What guidance, steps or samples do: R2, information kept and coverage of SETTING_PHENOTYPES, and FID."""
    means, numbers = mean_of_samples(generated.phenotypes), {}
    for name in SETTING_PHENOTYPES:
        k = PHENOTYPES.index(name)
        numbers[f"{name}_r2"] = agreement(means[:, k], truth[:, k])["r2"]
        if ceiling is not None:
            kept = information_kept(means[:, k], ceiling[:, k], truth[:, k])
            most = with_intervals(agreement, ceiling[:, k], truth[:, k], draws=200)
            told = NOT_TOLD if why_no_share(most, kept["n"]) else kept
            numbers[f"{name}_kept"] = told["information_kept"]
        numbers[f"{name}_cover_90"] = certainty(generated.phenotypes[..., k], truth[:, k], SCALES[name])["90"]
    features = [slice_features(m) for m in (real, generated)]
    return numbers | {"fid": distribution_distances(*features, rearrange(mask, "n s p -> n (s p)"), splits=2)["fid"]}


def _told_apart(slices: list[np.ndarray], mask: np.ndarray) -> dict[str, float | list[float]]:
    """AUC of a classifier on the pixels themselves, and on slices shrunk to a quarter, which show shape only.

    NaN with fewer than CLASSIFIER_PEOPLE.
    """
    if len(mask) < CLASSIFIER_PEOPLE:
        return dict.fromkeys(("classifier_auc", "classifier_auc_shape"), float("nan"))
    verdicts = {
        "classifier_auc": classifier_verdict(*slices, mask),
        "classifier_auc_shape": classifier_verdict(*slices, mask, shrink=SHAPE_SHRINK),
    }
    return {f"{name}{key[3:]}": value for name, verdict in verdicts.items() for key, value in verdict.items()}
