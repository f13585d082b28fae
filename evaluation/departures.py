"""Where a real heart departs from what its ECG leads one to expect: phenotypes and voxels, in the SDs of that."""

import numpy as np

from cohort.phenotypes import PHENOTYPES

from .scale import SCALES

FEWEST_SAMPLES = 3  # hearts; fewer have no SD worth a map
FLOOR = 0.05  # of the way from black to white: noise and blur, which samples share and a scanner does not
MOST_Z = 10.0


def departures(true: np.ndarray, expected: np.ndarray) -> dict[str, float]:
    """z of each phenotype that is known: how far the real one lies above what is expected, in its SDs.

    Args:
        true: (K,) PHENOTYPES. expected: (m, K) of codes drawn for the ECG.
    """
    told = {}
    for k, name in enumerate(PHENOTYPES):
        draws = SCALES[name].forth(expected[:, k])
        spread = draws.std(ddof=1) * np.sqrt(1 + 1 / len(draws))
        if np.isfinite(true[k]) and spread > 0:  # NaN is not above 0
            told[name] = float((SCALES[name].forth(true[k]) - draws.mean()) / spread)
    return told


def departure_map(true: np.ndarray, hearts: np.ndarray, mask: np.ndarray | None = None) -> np.ndarray | None:
    """z of every voxel, (slices, phases, height, width), within MOST_Z; None of fewer than FEWEST_SAMPLES hearts.

    Args:
        true: (slices, phases, height, width) in [0, 1]. hearts: (samples, slices, phases, height, width) in [0, 1].
        mask: (slices, phases) acquired; elsewhere z is 0.
    """
    if len(hearts) < FEWEST_SAMPLES:
        return None
    hearts = hearts.astype(float)
    z = (true - hearts.mean(axis=0)) / np.sqrt(hearts.var(axis=0, ddof=1) + FLOOR**2)
    z = z.clip(-MOST_Z, MOST_Z)
    return z if mask is None else np.where(mask[..., None, None], z, 0.0)
