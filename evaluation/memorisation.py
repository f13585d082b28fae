"""Does the generator hand out its training patients? The search for copies, and the test of that search.

Dar et al. (Nature Biomedical Engineering 2025) found that latent diffusion models of medical images memorised 37 % of
their training patients and that 69 % of the samples were copies, so weights should not be released unexamined. Every
sample is compared with every training heart; people never trained on tell what is near by chance; planted copies tell
whether a copy would have been found.

Hearts are (n, slices, phases, height, width), uint8 or float of any scale, and may be memory-mapped. Masks are
(n, slices, phases) bool, False where nothing was acquired (of a generated heart all True, or its patient's mask): two
hearts are compared over the slices acquired in both.
"""

from collections.abc import Callable, Iterator
from functools import partial

import numpy as np
from einops import rearrange, reduce
from scipy import ndimage

from .bootstrap import with_intervals

BLOCKS, WINDOW = 24, 14  # an image's shorter side has 24 blocks; the middle 14 x 14 (101 of 173 mm) are compared
NEIGHBOURS = 50  # whose mean distance tells how near is near, where a sample lies
ROWS = 64  # hearts reduced or compared together
DRAWS = 8  # of as many training people as there are held-out ones

Bank = tuple[np.ndarray, np.ndarray]  # hearts (or features of their slices), and masks


def pixel_distances(samples: np.ndarray, masks: np.ndarray, bank: np.ndarray, bank_masks: np.ndarray) -> np.ndarray:
    """Distance sqrt(2 (1 - r)) of every sample from every heart of the bank; r is Pearson's over their pixels.

    That is the root mean square difference of two hearts standardised over their common slices: brightness and
    contrast change nothing. Hearts are reduced to means of blocks (4 x 4 of 96 x 96 pixels, 7 mm) in the middle of the
    image, and the least distance is taken over shifts of the sample by up to a block each way, in steps of half a
    block (25 shifts): a copy moved by several millimetres is still near.

    Memory is of the order of the reduced bank (16 kB a heart) and of 64 samples' distances from it.

    Returns:
        (n, N) float32 in [0, 2]: 0 for a copy, 1.41 for unrelated pictures, infinite where no slice is common.
    """
    block = max(1, min(bank.shape[-2:]) // BLOCKS)
    moves = range(-block, block + 1, max(1, block // 2))
    reduced, acquired = _reduced(bank, bank_masks, block), _per_slice(bank_masks)
    distances = np.full((len(samples), len(bank)), np.inf, np.float32)
    for part in _parts(len(samples)):
        hearts, shown = samples[part], _per_slice(masks[part])
        for move in ((down, right) for down in moves for right in moves):
            moved = _reduced(hearts, masks[part], block, move)
            nearer = _correlation_distances(moved, shown, reduced, acquired)
            distances[part] = np.minimum(distances[part], nearer)
    return distances


def feature_distances(samples: np.ndarray, masks: np.ndarray, bank: np.ndarray, bank_masks: np.ndarray) -> np.ndarray:
    """Root mean square difference of slice features, of every sample from every heart of the bank.

    Features of a whole slice find less than pixels do: of copies planted among phantoms a third, in pixels all.

    Args:
        samples, bank: (n, slices * phases, F) and (N, slices * phases, F), level-major; whatever stands in slices not
            acquired is not looked at.

    Returns:
        (n, N) in units of the features; infinite where no slice is common.
    """
    shown, acquired = (_per_slice(mask).astype(float) for mask in (masks, bank_masks))
    middle = bank[acquired > 0].mean(axis=0, dtype=float)  # differences of centred numbers lose fewer digits
    a = np.where(shown[..., None] > 0, samples - middle, 0.0)  # (n, S*P, F)
    b = np.where(acquired[..., None] > 0, bank - middle, 0.0)  # (N, S*P, F)
    squared = (a**2).sum(axis=2) @ acquired.T - 2 * _products(a, b) + shown @ (b**2).sum(axis=2).T  # (n, N)
    common = shown @ acquired.T * a.shape[2]
    return np.where(common > 0, np.sqrt(np.maximum(squared, 0) / np.maximum(common, 1)), np.inf)


def nearest_distances(distances: np.ndarray) -> np.ndarray:
    """How near each sample is to the nearest heart of the bank: (n, N) -> (n,)."""
    return distances.min(axis=1)


def copy_scores(distances: np.ndarray) -> np.ndarray:
    """Distance from the nearest heart of the bank over the mean distance from the next 50 (all, of a smaller bank).

    Carlini et al. (Extracting Training Data from Diffusion Models, USENIX Security 2023, section 4.2) judge a distance
    by its neighbours in this way: a smooth, average heart is near to everybody and no copy of anybody.

    Args:
        distances: (n, N) from n samples to N >= 2 hearts.

    Returns:
        (n,) in [0, 1]: near 0 is a copy of one heart, 1 is as near to many; NaN where fewer than two can be compared.
    """
    near = np.partition(distances, min(NEIGHBOURS, distances.shape[1] - 1), axis=1)[:, : NEIGHBOURS + 1]
    near = np.sort(near, axis=1)
    first, others = near[:, 0], np.where(np.isfinite(near[:, 1:]), near[:, 1:], 0.0)
    count = np.isfinite(near[:, 1:]).sum(axis=1)
    mean = others.sum(axis=1, dtype=float) / np.maximum(count, 1)
    score = np.divide(first, mean, out=np.zeros(len(near)), where=mean > 0)
    return np.where(count > 0, score, np.nan)


def copy_threshold(held_out_scores: np.ndarray, false_positive_rate: float = 0.01) -> float:
    """The score under which at most this share of real hearts lies that were never trained on.

    The k-th smallest of n held-out scores, with k / (n + 1) at most the rate: that is the share expected of further
    strangers too, whatever the distribution (Vovk et al., Algorithmic Learning in a Random World, 2005). Of fewer than
    99 people the smallest, whose rate is 1 / (n + 1).

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
            ones (of a larger bank the nearest is nearer by its size alone); several draws of them are averaged over.
        to_held_out: (n,) distances from the nearest held-out heart, the patient's own heart not among them.
        threshold: of copy_threshold.

    Returns:
        fraction: in [0, 1], of samples with a score below the threshold; about 0.01 with no copy at all.
        auc: chance that a sample's distance from training is smaller than a sample's distance from held-out people
            (Mann-Whitney, ties half): 0.5 without memorisation, 1 if everything is a copy.
        n: samples.
    """
    known = scores[np.isfinite(scores)]
    return {
        "fraction": float((known < threshold).mean()) if len(known) else float("nan"),
        "auc": _chance_smaller(to_training, to_held_out),
        "n": len(scores),
    }


def planted_copies(hearts: np.ndarray, seed: int) -> np.ndarray:
    """Copies as a poor generator would hand them out: shifted, blurred, of other brightness and contrast, noisy.

    A heart is moved by 1 to 2 pixels in any direction, blurred by 0.5 to 1 pixel (SD), its contrast changed by up to
    20 % and its brightness by up to 0.05 of the range, with Gaussian noise of 0.04. What happens to a heart depends on
    the seed and its place among `hearts`.

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
    """All figures of one kind of distance.

    Args:
        distances: pixel_distances or feature_distances; the four banks are (hearts or features, masks).
        samples: n, those of one patient in succession. copies: planted_copies of training hearts, and their masks.
        training: ALL people the generator was trained on. held_out: people it was not trained on.
        own: (n,) row of held_out that is the sample's own patient, -1 for none. It is left out: to resemble it
            is no evidence against memorisation. (So samples from training people's ECGs do not belong here either.)
        samples_per_patient: resampled together for the intervals. seed: of all that is drawn.

    Returns:
        fraction, auc, n of `memorisation`, with 95 % intervals over patients; auc_of_copies, what auc would be if
        every sample were a copy (of N training people only the H drawn can be recognised: 0.5 + H / 2N);
        threshold; detector_tpr; threshold_fpr, each half of the held-out people judged by the other half's threshold.

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
    search = partial(_found, distances, training, held_out, draws)
    of_samples, of_copies = search(samples, own), search(copies, None)
    figures = with_intervals(
        lambda *rows: memorisation(*(np.concatenate(array) for array in rows), threshold),
        *(rearrange(array, "(n m) ... -> n m ...", m=samples_per_patient) for array in of_samples),
        seed=seed,
    )
    halves = np.array_split(rng.permutation(strangers), 2)
    false_alarms = [one < copy_threshold(other) for one, other in (halves, halves[::-1])]
    return figures | {
        "auc_of_copies": memorisation(*of_copies, threshold)["auc"],
        "threshold": threshold,
        "threshold_fpr": float(np.concatenate(false_alarms).mean()),
        "detector_tpr": detector_power(of_copies[0], strangers, threshold)["true_positive_rate"],
    }


def membership_auc(train_losses: np.ndarray, held_out_losses: np.ndarray) -> float:
    """Chance that a training person's denoising loss is smaller than a held-out person's: 0.5 tells nothing.

    Membership inference by the loss, the simplest attack (Yeom et al., CSF 2018; on diffusion models Carlini et al.
    2023, section 5). Losses must be of the same noise levels and noise for everybody.

    Args:
        train_losses: (n,); held_out_losses: (m,); NaN are left out.

    Returns:
        in [0, 1]; NaN where nobody is known on one side.
    """
    train, held_out = (losses[np.isfinite(losses)] for losses in (train_losses, held_out_losses))
    return _chance_smaller(train, held_out) if len(train) and len(held_out) else float("nan")


def _found(
    distances: Callable, training: Bank, held_out: Bank, draws: list[np.ndarray], bank: Bank, own: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """copy_scores (n,), nearest of each draw of training people (n, draws), nearest held-out but the own (n,)."""
    to_training, to_held_out = distances(*bank, *training), distances(*bank, *held_out)
    if own is not None:
        known = np.flatnonzero(own >= 0)
        to_held_out[known, own[known]] = np.inf
    near = np.stack([nearest_distances(to_training[:, drawn]) for drawn in draws], axis=1)
    return copy_scores(to_training), near, nearest_distances(to_held_out)


def _chance_smaller(a: np.ndarray, b: np.ndarray) -> float:
    """Chance that one of `a` is smaller than one of `b`, ties counting half (Mann-Whitney); arrays of any shape."""
    ordered = np.sort(b, axis=None)
    below, not_above = (np.searchsorted(ordered, a, side) for side in ("left", "right"))
    return float(1 - (below + not_above).mean() / (2 * ordered.size))


def _reduced(hearts: np.ndarray, masks: np.ndarray, block: int, move: tuple[int, int] = (0, 0)) -> np.ndarray:
    """Means of blocks of the middle, standardised over the acquired slices and 0 elsewhere: (n, S*P, blocks) float32.

    Args:
        move: pixels by which the window is moved down and to the right.
    """
    rows, columns = (_middle(side, block, by) for side, by in zip(hearts.shape[-2:], move, strict=True))
    parts = []
    for part in _parts(len(hearts)):
        window = np.asarray(hearts[part, ..., rows, columns], dtype=np.float32)
        means = reduce(window, "n s p (h a) (w b) -> n (s p) (h w)", "mean", a=block, b=block)
        shown = _per_slice(masks[part])[..., None]
        pixels = np.maximum(shown.sum(axis=(1, 2), keepdims=True) * means.shape[2], 1)
        # standardised numbers lose fewer digits in sums of squares; what does not vary stays 0
        means = np.where(shown, means - np.where(shown, means, 0).sum(axis=(1, 2), keepdims=True) / pixels, 0)
        spread = np.sqrt((means**2).sum(axis=(1, 2), keepdims=True) / pixels)
        parts.append((means / np.maximum(spread, 1e-6)).astype(np.float32))
    return np.concatenate(parts)


def _middle(side: int, block: int, move: int) -> slice:
    """The middle blocks of a side; fewer than WINDOW where a block must be left on either end to move into."""
    blocks = min(WINDOW, side // block - 2)
    if blocks < 1:
        raise ValueError(f"images of {side} pixels are too small to be shifted by {block}")
    first = (side - blocks * block) // 2 + move
    return slice(first, first + blocks * block)


def _correlation_distances(a: np.ndarray, shown: np.ndarray, b: np.ndarray, acquired: np.ndarray) -> np.ndarray:
    """sqrt(2 (1 - r)) over common slices, (n, N), from sums that are matrix products; a and b 0 where not acquired."""
    shown, acquired = shown.astype(np.float32), acquired.astype(np.float32)
    pixels = np.maximum(shown @ acquired.T * a.shape[2], 1)  # (n, N)
    sum_a, sum_b = a.sum(axis=2) @ acquired.T, shown @ b.sum(axis=2).T
    squared_a, squared_b = (a**2).sum(axis=2) @ acquired.T, shown @ (b**2).sum(axis=2).T
    together = _products(a, b) - sum_a * sum_b / pixels
    spread = np.sqrt(np.maximum(squared_a - sum_a**2 / pixels, 0) * np.maximum(squared_b - sum_b**2 / pixels, 0))
    r = np.divide(together, spread, out=np.zeros_like(together), where=spread > 1e-6 * pixels)  # 0: nothing varies
    return np.where(shown @ acquired.T > 0, np.sqrt(np.clip(2 - 2 * r, 0, 4)), np.inf)


def _products(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return rearrange(a, "n s f -> n (s f)") @ rearrange(b, "n s f -> n (s f)").T


def _per_slice(masks: np.ndarray) -> np.ndarray:
    return rearrange(np.asarray(masks, dtype=bool), "n s p -> n (s p)")


def _parts(n: int) -> Iterator[slice]:
    yield from (slice(start, start + ROWS) for start in range(0, n, ROWS))
