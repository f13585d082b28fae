"""Does the generator hand out its training patients? The search for copies, and the test of that search.

Latent diffusion models of medical images memorised 37 % of their training patients, and 69 % of their samples were
copies (Dar et al., Nature Biomedical Engineering 2025). So weights must be examined before they are released. Every
sample is compared with every training heart. People never trained on show how near is near by chance. Planted copies
show whether a copy would be found.

Hearts and masks are those of evaluation.heart_distances. A generated heart's mask is all True, or its patient's mask.
"""

from collections.abc import Callable
from functools import partial

import numpy as np
from einops import rearrange
from scipy import ndimage

from .auc import area_under_curve
from .bootstrap import with_intervals

NEIGHBOURS = 50  # hearts whose mean distance shows how near hearts lie to one another there
DRAWS = 8  # of as many training people as there are held-out ones

Bank = tuple[np.ndarray, np.ndarray]  # hearts (or features of their slices), and masks


def nearest_distances(distances: np.ndarray) -> np.ndarray:
    """Distance of each sample from the nearest heart of the bank: (n, N) -> (n,)."""
    return distances.min(axis=1)


def copy_scores(distances: np.ndarray) -> np.ndarray:
    """Distance from the nearest heart of the bank over the mean distance from the next 50, or from all the others.

    A smooth, average heart is near to everybody and a copy of nobody, so a distance is judged by its neighbours. This
    follows Carlini et al., Extracting Training Data from Diffusion Models, USENIX Security 2023, section 4.2.

    Args:
        distances: (n, N) from n samples to N >= 2 hearts.

    Returns:
        (n,) in [0, 1]: near 0 is a copy of one heart, 1 is as near to many; NaN if fewer than two can be compared.
    """
    near = np.partition(distances, min(NEIGHBOURS, distances.shape[1] - 1), axis=1)[:, : NEIGHBOURS + 1]
    near = np.sort(near, axis=1)
    first, others = near[:, 0], np.where(np.isfinite(near[:, 1:]), near[:, 1:], 0.0)
    count = np.isfinite(near[:, 1:]).sum(axis=1)
    mean = others.sum(axis=1, dtype=float) / np.maximum(count, 1)
    score = np.divide(first, mean, out=np.zeros(len(near)), where=mean > 0)
    return np.where(count > 0, score, np.nan)


def copy_threshold(held_out_scores: np.ndarray, false_positive_rate: float = 0.01) -> float:
    """The score below which at most this share of real hearts lies that were never trained on.

    It is the k-th smallest of n held-out scores, with k / (n + 1) at most the rate. The same share of further strangers
    is expected below it, whatever the distribution (Vovk et al., Algorithmic Learning in a Random World, 2005). With
    fewer than 99 people it is the smallest score, whose rate is 1 / (n + 1).

    Args:
        held_out_scores: (n,) copy_scores of held-out hearts against ALL training hearts, as for the samples.
    """
    known = np.sort(held_out_scores[np.isfinite(held_out_scores)])
    rank = int(false_positive_rate * (len(known) + 1) + 1e-9)  # 0.01 x 300 must not fall short of 3
    return float(known[max(rank, 1) - 1]) if len(known) else float("nan")


def memorisation(
    scores: np.ndarray, to_training: np.ndarray, to_held_out: np.ndarray, threshold: float
) -> dict[str, float]:
    """Share of the samples that are copies, and whether samples are nearer to training than to held-out people.

    Args:
        scores: (n,) copy_scores of the samples against ALL training hearts; NaN is left out of the fraction.
        to_training: (n,) or (n, draws) distances from the nearest of as many training hearts as there are held-out
            ones. In a larger bank the nearest is nearer by its size alone. Several draws are averaged.
        to_held_out: (n,) distances from the nearest held-out heart, the patient's own heart not among them.
        threshold: of copy_threshold.

    Returns:
        fraction: in [0, 1], of samples with a score below the threshold; about 0.01 with no copy at all.
        auc: chance that a distance from training people is smaller than a distance from held-out people: 0.5 without
            memorisation, 1 if everything is a copy.
        n: samples.
    """
    known = scores[np.isfinite(scores)]
    return {
        "fraction": float((known < threshold).mean()) if len(known) else float("nan"),
        "auc": area_under_curve(to_training, to_held_out),
        "n": len(scores),
    }


def planted_copies(hearts: np.ndarray, seed: int) -> np.ndarray:
    """Copies as a poor generator would hand them out: shifted, blurred, of other brightness and contrast, noisy.

    A heart is moved by 1 to 2 pixels in any direction and blurred by 0.5 to 1 pixel (SD). Its contrast changes by up to
    20 %, its brightness by up to 0.05 of the range, and Gaussian noise of 0.04 is added. What happens to a heart
    depends on the seed and its place among `hearts`.

    Returns:
        float32 in [0, 1], of the shape of `hearts` (uint8 are taken as 0..255, floats as 0..1).
    """
    copies = np.empty(hearts.shape, np.float32)
    scale = np.float32(1 / 255 if hearts.dtype == np.uint8 else 1)
    for row, heart in enumerate(hearts):
        rng = np.random.default_rng([seed, row])
        angle, distance = rng.uniform(0, 2 * np.pi), rng.uniform(1, 2)
        move, blur = (distance * np.sin(angle), distance * np.cos(angle)), rng.uniform(0.5, 1)
        contrast, brightness = rng.uniform(0.8, 1.2), rng.uniform(-0.05, 0.05)
        for place in np.ndindex(heart.shape[:2]):
            moved = ndimage.shift(scale * heart[place], move, order=1, mode="nearest")
            copies[row][place] = contrast * ndimage.gaussian_filter(moved, blur) + brightness
        copies[row] += 0.04 * rng.standard_normal(heart.shape, np.float32)
    return copies.clip(0, 1)


def detector_power(copies: np.ndarray, strangers: np.ndarray, threshold: float) -> dict[str, float]:
    """Share of planted copies found (aim: 95 % at least) and of strangers taken for copies (1 % at most).

    Args:
        copies: (n,) copy_scores of planted copies. strangers: (m,) of people who had no part in the threshold.
    """
    return {
        "true_positive_rate": float((copies < threshold).mean()),
        "false_positive_rate": float((strangers < threshold).mean()),
    }


def audit(
    distances: Callable,
    samples: Bank,
    training: Bank,
    held_out: Bank,
    copies: Bank,
    own: np.ndarray | None = None,
    samples_per_patient: int = 1,
    seed: int = 0,
) -> dict:
    """All numbers of one kind of distance.

    Args:
        distances: pixel_distances or feature_distances; the four banks are (hearts or features, masks).
        samples: n, those of one patient in succession. copies: planted_copies of training hearts, and their masks.
        training: ALL people the generator was trained on. held_out: people it was not trained on.
        own: (n,) row of held_out that is the sample's own patient, -1 for none. It is left out: likeness to it is no
            evidence against memorisation. For the same reason give no samples made from training people's ECGs.
        samples_per_patient: resampled together for the intervals. seed: of all that is drawn.

    Returns:
        fraction, auc, n: of `memorisation`, with 95 % intervals over patients.
        auc_of_copies: what auc would be if every sample were a copy. Of N training people only the H drawn can be
            recognised, so it is 0.5 + H / 2N.
        threshold: of copy_threshold. detector_tpr: share of the planted copies found.
        threshold_fpr: share of held-out people taken for copies, each half judged by the other half's threshold.

    Raises:
        ValueError: fewer than two training people, or than three held out.
    """
    people, others = len(training[1]), len(held_out[1])
    if people < 2 or others < 3:
        raise ValueError(f"{people} training and {others} held-out people are too few to tell copies from chance")
    rng = np.random.default_rng(seed)
    matched = min(people, others - (own is not None))
    draws = [rng.choice(people, matched, replace=False) for _ in range(DRAWS)]
    strangers = copy_scores(distances(*held_out, *training))
    threshold = copy_threshold(strangers)
    search = partial(_scores_and_distances, distances, training, held_out, draws)
    of_samples, of_copies = search(samples, own), search(copies, None)
    numbers = with_intervals(
        lambda *rows: memorisation(*(np.concatenate(array) for array in rows), threshold),
        *(rearrange(array, "(n m) ... -> n m ...", m=samples_per_patient) for array in of_samples),
        seed=seed,
    )
    halves = np.array_split(rng.permutation(strangers), 2)
    false_alarms = [one < copy_threshold(other) for one, other in (halves, halves[::-1])]
    return numbers | {
        "auc_of_copies": memorisation(*of_copies, threshold)["auc"],
        "threshold": threshold,
        "threshold_fpr": float(np.concatenate(false_alarms).mean()),
        "detector_tpr": detector_power(of_copies[0], strangers, threshold)["true_positive_rate"],
    }


def membership_auc(train_losses: np.ndarray, held_out_losses: np.ndarray) -> float:
    """Chance that a training person's denoising loss is smaller than a held-out person's: 0.5 tells nothing.

    This is membership inference by the loss, the simplest attack (Yeom et al., CSF 2018; Carlini et al. 2023,
    section 5, on diffusion models). Everybody's loss must be of the same noise levels and noise.

    Args:
        train_losses: (n,); held_out_losses: (m,); NaN is left out.

    Returns:
        in [0, 1]; NaN where nobody is known on one side.
    """
    train, held_out = (losses[np.isfinite(losses)] for losses in (train_losses, held_out_losses))
    return area_under_curve(train, held_out)


def _scores_and_distances(
    distances: Callable, training: Bank, held_out: Bank, draws: list[np.ndarray], bank: Bank, own: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """copy_scores (n,), nearest of each draw of training people (n, draws), nearest held-out but the own (n,)."""
    to_training, to_held_out = distances(*bank, *training), distances(*bank, *held_out)
    if own is not None:
        known = np.flatnonzero(own >= 0)
        to_held_out[known, own[known]] = np.inf
    near = np.stack([nearest_distances(to_training[:, drawn]) for drawn in draws], axis=1)
    return copy_scores(to_training), near, nearest_distances(to_held_out)
