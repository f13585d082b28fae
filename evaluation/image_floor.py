"""FID of true hearts that were hardly changed: the floor beside which a generator's own is to be read."""

from collections.abc import Callable, Iterable

import numpy as np
from scipy import ndimage

from sampling.segmentation import SliceSegmenter, segment

from .realism import MOST_ROWS, acquired_slices, at_most, frechet_distance

BLUR_PIXELS = 1.0  # SD of a Gaussian: a loss of sharpness that the eye hardly sees
NOISE = 0.03  # SD, of the full range of intensities
HALVINGS = 20  # cuts of the people into halves; each distance has the spread of all of them
CHANGED = ("blurred", "noised")


def changed_features(segmenter: SliceSegmenter, hearts: Iterable[np.ndarray], seed: int = 0) -> dict[str, np.ndarray]:
    """Features (n, slices * phases, F) of true hearts, blurred by a pixel and with noise added, by CHANGED.

    Args:
        hearts: n of (slices, phases, height, width) in [0, 1]; blank slices stay blank.
    """
    rng = np.random.default_rng(seed)
    found: dict[str, list[np.ndarray]] = {name: [] for name in CHANGED}
    for heart in hearts:
        shown = heart.max(axis=(2, 3), keepdims=True) > 0
        noise = NOISE * rng.standard_normal(heart.shape)
        versions = (ndimage.gaussian_filter(heart, (0, 0, BLUR_PIXELS, BLUR_PIXELS)), np.clip(heart + noise, 0, 1))
        for name, version in zip(CHANGED, versions, strict=True):
            features = segment(segmenter, np.where(shown, version, 0).astype(np.float32))[1]
            found[name].append(features.reshape(-1, features.shape[-1]))
    return {name: np.stack(rows) for name, rows in found.items()}


def fid_intervals(
    real: np.ndarray,
    others: dict[str, np.ndarray],
    mask: np.ndarray,
    seed: int = 0,
    halvings: int = HALVINGS,
    distance: Callable[[np.ndarray, np.ndarray], float] = frechet_distance,
) -> dict[str, float | list[float]]:
    """FID of each kind of heart from true ones, with 95 % intervals and at equal n on both sides.

    The people are cut into halves at random, over and over. One half's true hearts are the reference. Of the other half
    every kind is compared with it, the true hearts too. The interval is that of the cuts (half-sampling; Efron, The
    Jackknife, the Bootstrap and Other Resampling Plans, 1982, ch. 8). Drawing people with replacement would not do: a
    person drawn twice raises FID by itself.

    Args:
        real: (n, S, F) features. others: kind -> the same of hearts of the same people. mask: (n, S) acquired.

    Returns:
        fid_<kind>, fid_<kind>_ci, and fid_real of true against other true hearts; NaN where there are too few slices.
    """
    rng, kinds = np.random.default_rng(seed), {"real": real, **others}
    found: dict[str, list[float]] = {name: [] for name in kinds}
    for _ in range(halvings):
        one, other = np.split(rng.permutation(len(real))[: len(real) // 2 * 2], 2)
        reference, compared = (at_most(MOST_ROWS, acquired_slices(mask, people), rng) for people in (one, other))
        for name, features in kinds.items():
            found[name].append(distance(real[reference], features[compared]))
    numbers: dict[str, float | list[float]] = {}
    for name, values in found.items():
        numbers[f"fid_{name}"] = float(np.mean(values))
        numbers[f"fid_{name}_ci"] = np.percentile(values, [2.5, 97.5]).tolist()
    return numbers
