"""ECGs spoiled at random, for teaching what is not usual: another scale, leads exchanged, turned or mixed, noise."""

import numpy as np

from cohort.limb_leads import derived_limb_leads

CHEST = slice(6, 12)
WEAKEST, STRONGEST = 0.3, 1.4  # magnitude of the log of a scale: a factor of 1.35 to 4
MIXING = 0.5  # largest SD of what every chest lead takes from another one
NOISE_MV = (0.05, 0.5)


def spoiled(ecg: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """An ECG (12, T) in mV with one random fault. Its limb leads still follow from I and II."""
    fault = FAULTS[rng.integers(len(FAULTS))]
    return fault(ecg.astype(np.float32), rng).astype(np.float32)


def _scaled(ecg: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return ecg * np.exp(rng.choice([-1, 1]) * rng.uniform(WEAKEST, STRONGEST))


def _scaled_apart(ecg: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Limb and chest leads by factors of their own, some chest leads too."""
    chest = ecg[CHEST] * np.exp(rng.normal(0, 0.6, (6, 1)))
    return np.concatenate([ecg[:6] * np.exp(rng.normal(0, 0.6)), chest])


def _turned(ecg: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """All leads upside down, or some of I, II and the chest leads."""
    if rng.random() < 0.3:
        return -ecg
    signs = rng.choice([-1.0, 1.0], 8)
    signs[rng.integers(8)] = -1
    return _twelve(signs[:, None] * ecg[[0, 1, *range(6, 12)]])


def _electrodes_exchanged(ecg: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Electrodes of the limbs in another order."""
    one, two = ecg[:2]
    right, left, foot = -(one + two) / 3, (2 * one - two) / 3, (2 * two - one) / 3  # against Wilson's terminal
    orders = ((0, 2, 1), (1, 0, 2), (1, 2, 0), (2, 0, 1), (2, 1, 0))
    order = orders[rng.integers(len(orders))]
    right, left, foot = (np.stack([right, left, foot])[k] for k in order)
    return _twelve(np.concatenate([np.stack([left - right, foot - right]), ecg[CHEST]]))


def _chest_exchanged(ecg: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Two chest electrodes change places, or all are in another order."""
    order = np.arange(6)
    if rng.random() < 0.5:
        first, second = rng.choice(6, 2, replace=False)
        order[[first, second]] = order[[second, first]]
    elif rng.random() < 0.5:
        order = order[::-1]
    else:
        order = rng.permutation(6)
    return np.concatenate([ecg[:6], ecg[CHEST][order]])


def _mixed(ecg: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    eight = ecg[[0, 1, *range(6, 12)]]
    mixing = np.eye(8) + rng.normal(0, rng.uniform(0.1, MIXING), (8, 8))
    return _twelve(mixing @ eight)


def _noisy(ecg: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Noise beside the heart, or in its place."""
    noise = rng.normal(0, np.exp(rng.uniform(*np.log(NOISE_MV))), (8, ecg.shape[1]))
    if rng.random() < 0.5:
        smooth = rng.integers(2, 25)
        window = np.ones(smooth) / np.sqrt(smooth)
        noise = np.stack([np.convolve(lead, window, "same") for lead in noise])
    heart = ecg[[0, 1, *range(6, 12)]] * (rng.random() < 0.6)
    return _twelve(heart + noise)


def _stretched(ecg: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """As if it had been recorded at another rate."""
    factor = np.exp(rng.choice([-1, 1]) * rng.uniform(0.3, 0.8))
    at = (np.arange(ecg.shape[1]) * factor) % (ecg.shape[1] - 1)
    return np.stack([np.interp(at, np.arange(ecg.shape[1]), lead) for lead in ecg])


FAULTS = (
    *(_scaled, _scaled, _scaled, _scaled_apart, _turned, _turned),
    *(_electrodes_exchanged, _electrodes_exchanged, _chest_exchanged, _chest_exchanged),
    *(_mixed, _noisy, _stretched),
)


def _twelve(eight: np.ndarray) -> np.ndarray:
    """(12, T) of leads I, II and V1 to V6 (8, T)."""
    limb = derived_limb_leads(eight[0], eight[1])
    return np.concatenate([eight[:2], np.stack([limb[name] for name in ("III", "aVR", "aVL", "aVF")]), eight[2:]])
