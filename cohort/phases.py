"""End-diastole and end-systole: their names, their files, and the rule that finds end-systole."""

import numpy as np

PHASES = ("ED", "ES")  # in the order of every axis of two phases


def phase_stems(stem: str) -> tuple[str, ...]:
    """Names of the files of a heart's two phases in ukbb_cardiac's layout, e.g. sa_ED and sa_ES of "sa"."""
    return tuple(f"{stem}_{phase}" for phase in PHASES)


def end_systole(cavity: np.ndarray) -> int:
    """The frame of the smallest LV cavity after frame 0, which is ED.

    Args:
        cavity: (frames,) volume of the LV's cavity in any unit. 0 and NaN mean that nobody labelled the frame.

    Returns:
        The frame's index; 0 where no frame after ED has a cavity.
    """
    later = np.asarray(cavity)[1:]
    return 1 + int(np.argmin(np.where(later > 0, later, np.inf))) if (later > 0).any() else 0
