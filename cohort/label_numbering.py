"""Which number of a label map is which: two numberings are in use.

In ukbb_cardiac's, 1 is the LV cavity, 2 the myocardium, 3 the RV cavity (`cohort.cine.Label`). In ACDC's, 1 is the RV
cavity, 2 the myocardium, 3 the LV cavity (Bernard et al., IEEE Trans Med Imaging 37:2514, 2018). CineMA uses ACDC's.
Anatomy tells: the myocardium encloses the LV cavity, and not the RV's.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

import numpy as np

from cohort.cine import CineStack, Label
from cohort.errors import InputError

Convention = Literal["ukbb", "acdc"]
TO_UKBB = {"ukbb": (0, 1, 2, 3), "acdc": (0, 3, 2, 1)}
# In 524 phantoms and a real heart, the myocardium borders at least 94 % of the LV cavity's outline, at most 41 % of the
# RV's.
ENCLOSED = 0.6
CLEAR_LEAD = 0.3
FRAMES = 2  # of a label map that are looked at, or one more: each of them suffices
RENUMBERED = "the label map has ACDC's numbers (1 RV, 3 LV): it was renumbered"
STATE_IT = "look at the label map; if it is right, state its convention, ukbb or acdc"
REPAIR_IT = "give 1 LV cavity, 2 LV myocardium, 3 RV cavity, or ACDC's numbers, or take the label map away"


def clear_convention(labels: np.ndarray) -> Convention | None:
    """Which numbering a label map of values 0 to 3 follows; None where neither cavity is clearly the enclosed one.

    Args:
        labels: (slices, phases, height, width). A class may be absent.
    """
    first, third = _walled_share(labels, 1), _walled_share(labels, 3)
    if max(first, third) < ENCLOSED or abs(first - third) < CLEAR_LEAD:
        return None
    return "ukbb" if first > third else "acdc"


def detect_convention(labels: np.ndarray, source: object = "label map") -> Convention:
    """Which numbering a label map follows. By anatomy, the myocardium, 2, encloses the LV cavity.

    Args:
        labels: (slices, phases, height, width), of one heart or of several.
        source: the file or folder to name in an error.

    Raises:
        InputError: values other than 0 to 3, a class is absent, or neither cavity is clearly the enclosed one.
    """
    if not np.isin(labels, range(4)).all():
        raise InputError(source, "has labels other than 0 to 3", REPAIR_IT, code="labels")
    if absent := [str(value) for value in (1, 2, 3) if not (labels == value).any()]:
        raise InputError(
            source, f"has no label {' and no '.join(absent)}: which cavity is which is unclear", STATE_IT, code="labels"
        )
    convention = clear_convention(labels)
    if convention is None:
        raise InputError(source, _unclear(labels), STATE_IT, code="labels")
    return convention


def to_ukbb(labels: np.ndarray, convention: Convention) -> np.ndarray:
    """Renumber a label map of values 0 to 3, of any shape, to the numbers of `Label`; uint8."""
    return np.array(TO_UKBB[convention], np.uint8)[labels]


def _walled_share(labels: np.ndarray, cavity: int) -> float:
    """The share of a class's outline that borders the myocardium. Outlines are counted in pixel edges in the slices."""
    outline = walled = 0
    wall = int(Label.LV_MYOCARDIUM)  # numpy would compare with the enum in 64 bits, five times as slowly
    for axis in (2, 3):
        pixels = np.moveaxis(labels, axis, 0)
        for inside, outside in ((pixels[:-1], pixels[1:]), (pixels[1:], pixels[:-1])):
            edge = (inside == cavity) & (outside != cavity)
            outline += int(edge.sum())
            walled += int((edge & (outside == wall)).sum())
    return walled / max(outline, 1)


# ---- The label maps of one heart ----


def in_ukbb_numbers(maps: Sequence[CineStack | None], sources: Sequence[object]) -> tuple[CineStack | None, ...]:
    """The label maps of one heart in the numbers of `Label`; a renumbered one has the note RENUMBERED.

    Each map is judged by itself. One that cannot tell, as of an almost empty cavity, goes by the first that can. An
    empty map stays as it is.

    Args:
        maps: what `read_nifti` read, or None.
        sources: the file of each, to name in an error.

    Raises:
        InputError: a map shows no cavity that the myocardium encloses, so it cannot be what it says.
    """
    certain = [None if stack is None else clear_convention(_some_frames(stack)) for stack in maps]
    first = next(filter(None, certain), None)
    return tuple(
        _renumbered(stack, convention or first, source) if stack is not None and stack.voxels.any() else stack
        for stack, convention, source in zip(maps, certain, sources, strict=True)
    )


def _some_frames(stack: CineStack) -> np.ndarray:
    """(slices, frames, ., .) of about FRAMES labelled frames, less the rows that no label reaches."""
    labelled = np.flatnonzero([frame.any() for frame in np.moveaxis(stack.voxels, 3, 0)])
    some = stack.voxels[..., labelled[:: max(1, len(labelled) // FRAMES)]]
    some = np.moveaxis(some, (stack.slice_axis, 3), (0, 1))
    rows = np.flatnonzero(some.any(axis=(0, 1, 3)))
    return some[:, :, max(0, rows[0] - 1) : rows[-1] + 2] if len(rows) else some


def _renumbered(stack: CineStack, convention: Convention | None, source: object) -> CineStack:
    if convention is None:
        raise InputError(source, _unclear(_some_frames(stack)), REPAIR_IT, code="labels")
    if convention == "ukbb":
        return stack
    return replace(stack, voxels=to_ukbb(stack.voxels, convention), notes=(*stack.notes, RENUMBERED))


def _unclear(labels: np.ndarray) -> str:
    first, third = _walled_share(labels, 1), _walled_share(labels, 3)
    return (
        f"label 2 borders {first:.0%} of label 1's outline and {third:.0%} of label 3's: which of them is the LV "
        "cavity is unclear"
    )
