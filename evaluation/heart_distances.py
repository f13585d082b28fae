"""How far generated hearts are from known ones, by pixels or by a segmenter's features.

Hearts are (n, slices, phases, height, width), uint8 or float of any scale, and may be memory-mapped. Masks are
(n, slices, phases) bool, False where nothing was acquired. Two hearts are compared over the slices acquired in both.
"""

from collections.abc import Iterator

import numpy as np
from einops import rearrange, reduce

BLOCKS, WINDOW = 24, 14  # an image's shorter side has 24 blocks; the middle 14 x 14 (101 of 173 mm) are compared
ROWS = 64  # hearts reduced or compared together


def pixel_distances(samples: np.ndarray, masks: np.ndarray, bank: np.ndarray, bank_masks: np.ndarray) -> np.ndarray:
    """Distance sqrt(2 (1 - r)) of every sample from every heart of the bank; r is Pearson's over their pixels.

    This is the root mean square difference of two hearts standardised over their common slices. So brightness and
    contrast change nothing. Hearts are reduced to means of blocks (4 x 4 of 96 x 96 pixels, 7 mm) in the middle of the
    image. A sample is also shifted by up to a block each way, in steps of half a block. The least distance of these 25
    is taken, so a copy moved by several millimetres is still near.

    Memory is that of the reduced bank (16 kB a heart) and of 64 samples' distances from it.

    Args:
        samples: (n, slices, phases, height, width); bank: N hearts alike. masks, bank_masks: their acquired slices.

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

    Features find less than pixels: a third of the copies planted among phantoms, where pixels find all.

    Args:
        samples, bank: (n, slices * phases, F) and (N, slices * phases, F), slice by slice. Slices that were not
            acquired are not looked at.

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


def _reduced(hearts: np.ndarray, masks: np.ndarray, block: int, move: tuple[int, int] = (0, 0)) -> np.ndarray:
    """Means of blocks in the middle, standardised over the acquired slices, 0 elsewhere: (n, S*P, blocks) float32.

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
    """The middle blocks of a side, at most WINDOW; a block is left on either end for the moves."""
    blocks = min(WINDOW, side // block - 2)
    if blocks < 1:
        raise ValueError(f"images of {side} pixels are too small to be shifted by {block}")
    first = (side - blocks * block) // 2 + move
    return slice(first, first + blocks * block)


def _correlation_distances(a: np.ndarray, shown: np.ndarray, b: np.ndarray, acquired: np.ndarray) -> np.ndarray:
    """sqrt(2 (1 - r)) over common slices, (n, N); a and b are 0 where not acquired. The sums are matrix products."""
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
