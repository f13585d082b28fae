"""The beat's own clock: time is stretched so that everybody's end-systole falls at one place of the cycle.

Diastole takes up what a faster heart lacks, and systole hardly changes. So hearts are compared, and drawn, at places of
this clock. On it ED is 0 and ES is ES_PLACE.
"""

import numpy as np

ES_PLACE = 0.4  # of the clock's cycle, of which systole takes a third at rest and a half in a fast heart
SHORTEST_SYSTOLE, LONGEST_SYSTOLE = 0.1, 0.9  # of the cycle; beyond these a measurement is wrong


def place_of(time: np.ndarray, es_share: np.ndarray) -> np.ndarray:
    """The clock's place, in [0, 1), at a moment of the cycle: linear from ED to ES, and from ES to the next ED.

    Args:
        time: share of the cycle, of any size; a cycle further is the same place. es_share: when ES is, in (0, 1).
    """
    time = np.asarray(time, dtype=np.float64) % 1
    systole = time * ES_PLACE / es_share
    diastole = ES_PLACE + (time - es_share) * (1 - ES_PLACE) / (1 - np.asarray(es_share))
    return np.where(time < es_share, systole, diastole) % 1


def time_of(place: np.ndarray, es_share: np.ndarray) -> np.ndarray:
    """The moment, share of the cycle in [0, 1), at a place of the clock: the inverse of `place_of`."""
    place = np.asarray(place, dtype=np.float64) % 1
    systole = place * es_share / ES_PLACE
    diastole = es_share + (place - ES_PLACE) * (1 - np.asarray(es_share)) / (1 - ES_PLACE)
    return np.where(place < ES_PLACE, systole, diastole) % 1


def frame_times(frames: int) -> np.ndarray:
    """(frames,) share of the cycle of frames that are spread evenly over it, the first being ED."""
    return np.arange(frames) / frames
