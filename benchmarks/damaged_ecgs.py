"""ECGs as they come when something went wrong: electrodes exchanged, another scale, no heart at all."""

from collections.abc import Callable

import numpy as np

NOISE_MV, NEARLY_FLAT = 0.2, 0.05  # SD of pure noise; what is left of a signal that is nearly flat
CHEST = slice(6, 12)


def inverted(ecg: np.ndarray, seed: int) -> np.ndarray:
    """(12, T) mV turned upside down, every lead."""
    return -ecg


def chest_reversed(ecg: np.ndarray, seed: int) -> np.ndarray:
    """V1 to V6 in the opposite order."""
    return np.concatenate([ecg[:6], ecg[CHEST][::-1]])


def twice_as_tall(ecg: np.ndarray, seed: int) -> np.ndarray:
    return 2 * ecg


def half_as_tall(ecg: np.ndarray, seed: int) -> np.ndarray:
    return 0.5 * ecg


def arms_exchanged(ecg: np.ndarray, seed: int) -> np.ndarray:
    """The electrodes of right arm and left arm: I is negated; II and III, aVR and aVL change places."""
    one, two, three, right, left, foot = ecg[:6]
    return np.concatenate([np.stack([-one, three, two, left, right, foot]), ecg[CHEST]])


def arm_and_leg_exchanged(ecg: np.ndarray, seed: int) -> np.ndarray:
    """The electrodes of right arm and left leg: II is negated; I and III, each negated, aVR and aVF change places."""
    one, two, three, right, left, foot = ecg[:6]
    return np.concatenate([np.stack([-three, -two, -one, foot, left, right]), ecg[CHEST]])


def pure_noise(ecg: np.ndarray, seed: int) -> np.ndarray:
    """White noise of NOISE_MV in I, II and the chest leads; the other limb leads follow from I and II."""
    noise = np.random.default_rng([seed, 0]).normal(0, NOISE_MV, ecg.shape)
    one, two = noise[:2]
    noise[2:6] = two - one, -(one + two) / 2, one - two / 2, two - one / 2
    return noise.astype(ecg.dtype)


def nearly_flat(ecg: np.ndarray, seed: int) -> np.ndarray:
    return NEARLY_FLAT * ecg


DAMAGES: dict[str, Callable[[np.ndarray, int], np.ndarray]] = {
    "inverted": inverted,
    "V1-V6 reversed": chest_reversed,
    "gain x 2": twice_as_tall,
    "gain x 0.5": half_as_tall,
    "RA-LL swapped": arm_and_leg_exchanged,
    "RA-LA swapped": arms_exchanged,
    "pure noise": pure_noise,
    "nearly flat": nearly_flat,
}
