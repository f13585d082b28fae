"""Which view a long-axis cine is. The words of its series name it. Geometry may contradict them, but never names it.

A long-axis plane holds the heart's long axis, so its normal is about perpendicular to the short axis's. How far a plane
is turned about that axis differs from person to person: no angle tells one view from another with certainty (LOG.md).
"""

import re
from collections import defaultdict
from collections.abc import Sequence
from itertools import combinations

import numpy as np

VIEWS = ("2ch", "3ch", "4ch")
LVOT = "lvot"  # in a series' name: the outflow tract, which the three-chamber view shows
VIEW_WORD = re.compile(rb"(?<![0-9A-Za-z])([234])[ _-]?ch|(?<![a-z])lvot(?![a-z])", re.IGNORECASE)
ALONG = np.cos(np.radians(45))  # of a plane's normal and the short axis's: nearer to parallel than to perpendicular
ONE_VIEW_DEG = 20.0  # the largest turn between two takes of one view
ONE_PLANE_DEG = 5.0  # less than it, two planes show the same, whatever they are called


def view_word(description: bytes) -> str:
    """The view that a series' description names: one of VIEWS, or LVOT; "" where it names none."""
    found = VIEW_WORD.search(description)
    if not found:
        return ""
    return f"{found[1].decode()}ch" if found[1] else LVOT


def view_file(view: str) -> str:
    """The NIfTI file of a view in ukbb_cardiac's layout; an unnamed one is called la_1, la_2, ... itself."""
    return f"{view if view.startswith('la_') else f'la_{view}'}.nii.gz"


def name_views(
    words: Sequence[str], normals: Sequence[np.ndarray], short_axis: np.ndarray | None = None
) -> tuple[list[str], tuple[str, ...]]:
    """The view of every long-axis plane, and what must be said of them.

    Args:
        words: of each, as `view_word` gives them. normals: of each, (3,) of length 1.
        short_axis: (3,) normal of this person's short-axis slices, of length 1; None where it is unknown.

    Returns:
        One of VIEWS for each plane, the same for takes of one view; "" where no name is certain. And notes in words.
    """
    named, notes = list(words), []
    if nameless := words.count(""):
        notes.append(f"{nameless} long-axis cines: their series name no view, and geometry alone is not certain")
    for i, word in enumerate(words):
        if word and short_axis is not None and abs(normals[i] @ short_axis) > ALONG:
            named[i] = ""
            notes.append(f"a series called {word} lies as the short axis does: it is not taken for that view")
    if LVOT in named:
        named = ["" if word == LVOT and VIEWS[1] in named else word for word in named]
        named = [VIEWS[1] if word == LVOT else word for word in named]
    places = defaultdict(list)
    for i, view in enumerate(named):
        if view:
            places[view].append(i)
    doubtful = set()
    for view, here in places.items():
        turn = max((_degrees(normals[i], normals[j]) for i, j in combinations(here, 2)), default=0.0)
        if turn > ONE_VIEW_DEG:
            doubtful.add(view)
            notes.append(f"two series called {view} lie {turn:.0f} degrees apart: neither is taken for that view")
    for one, other in combinations(sorted(places.keys() - doubtful), 2):
        if any(_degrees(normals[i], normals[j]) < ONE_PLANE_DEG for i in places[one] for j in places[other]):
            doubtful |= {one, other}
            notes.append(f"series called {one} and {other} lie in one plane: neither is taken for its view")
    return ["" if view in doubtful else view for view in named], tuple(notes)


def _degrees(normal: np.ndarray, other: np.ndarray) -> float:
    """Between two planes, 0 to 90."""
    return float(np.degrees(np.arccos(min(1.0, abs(normal @ other)))))
