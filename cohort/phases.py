"""End-diastole and end-systole: their names, their files, and the rules that find them in a labelled cycle."""

import numpy as np

PHASES = ("ED", "ES")  # in the order of every axis of two phases
CLEARLY_LARGER = 1.05  # cavity against that of frame 0: a real heart's label map trembles by 2 %


def phase_stems(stem: str) -> tuple[str, ...]:
    """Names of the files of a heart's two phases in ukbb_cardiac's layout, e.g. sa_ED and sa_ES of "sa"."""
    return tuple(f"{stem}_{phase}" for phase in PHASES)


def end_diastole(cavity: np.ndarray) -> int:
    """The frame of ED: frame 0, unless the LV cavity of another labelled frame is clearly larger.

    Args:
        cavity: (frames,) volume of the LV's cavity in any unit. 0 and NaN mean that nobody labelled the frame.

    Returns:
        The frame's index; 0 where fewer than two frames are labelled, because one alone may be ED or ES.
    """
    known = np.nan_to_num(np.asarray(cavity, float))
    largest = int(known.argmax())
    return largest if np.count_nonzero(known) > 1 and known[largest] > CLEARLY_LARGER * known[0] else 0


def end_systole(cavity: np.ndarray, ed: int = 0) -> int:
    """The frame of the smallest LV cavity after ED, round the cycle.

    Args:
        cavity: as for `end_diastole`.
        ed: the frame of ED.

    Returns:
        The frame's index; that of ED where no other frame has a cavity.
    """
    later = np.roll(cavity, -ed)[1:]
    if not (later > 0).any():
        return ed
    return (ed + 1 + int(np.argmin(np.where(later > 0, later, np.inf)))) % len(cavity)
