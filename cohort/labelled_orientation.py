"""How a heart lies, told by its label map, where the affine is a signed permutation and says nothing of the body.

ACDC's files as published are such: their writer had pixels and spacings only, and put ITK's identity. Three things must
be known to place them.

    base to apex     The LV's cavity and the RV taper towards the apex. Both must say so, or the map is refused.
    turn             The RV lies at USUAL_RV_DEG from the LV. Its true place varies; so does the turn that remains.
    mirror image     No label tells it. DICOM does: its pictures are shown as seen from the left, the front or the feet.
                     The apex points to all three. So columns x rows of a short axis point to the base, in any file.

The determinant of the affine cannot tell the last: an identity is right-handed whichever way slices were piled. A UK
Biobank's stack is left-handed (rightwards, downwards, base to apex). So the picture is turned, never mirrored, and the
slices are put in the order that the labels tell. A writer that lists slices first, or that states one flip of the
picture, may have meant it or not: it is refused.
"""

from dataclasses import replace

import numpy as np

from cohort.cine import CineStack, Label
from cohort.errors import InputError
from cohort.label_quality import FEWEST_PIXELS, MOST_UNEVEN, unevenness

UNSTATED = "states no orientation (its axes are parallel to the scanner's)"
ORIENT = "convert the DICOM again (dcm2niix keeps the orientation), or write what you know of it into the sform"
ORIENTED = "no orientation is stated: base, apex and the right ventricle's side are taken from the label map"
TAKEN_FOR_GRANTED = (
    "no orientation is stated: that the picture is no mirror image is taken for granted. "
    "The turn within the slices is uncertain by some 12 degrees"
)
# Seen at ED in 100 phantoms and a real heart:
USUAL_RV_DEG = 10.0  # of the RV, seen from the LV: from the patient's right towards the front; -21 to 36, SD 12
CLEARLY_SMALLER = 0.75  # apical over basal third: of the LV's cavity at most 0.47, of the RV at most 0.24
FEWEST_SHOWN = 5  # slices with a left ventricle; 6 or more
NEAREST_RV_MM = 10.0  # from the LV's centre to the RV's: 33 or more
ONE_SIDE = 0.8  # length of the mean direction to the RV, weighed by its area: 0.98 or more


def oriented_by_labels(stack: CineStack, labels: np.ndarray | None, axes: np.ndarray, source: object) -> CineStack:
    """A stack without an orientation, with an affine that its label map tells, and notes. Its middle is the origin.

    Args:
        stack: of which `states_orientation` is false.
        labels: (x, y, z) of `Label` at ED, or None.
        axes: (3, 3) unit columns in RAS: towards the patient's left, x cross s, and s from base to apex.
        source: the file or person to name in an error.

    Raises:
        InputError: there are no labels, or they do not tell base from apex and the RV's side. Or the affine leaves open
            whether the picture was mirrored.
    """
    if labels is None or not labels.any():
        raise InputError(source, f"{UNSTATED}: base and apex cannot be told apart", ORIENT, code="orientation")
    through = stack.slice_axis
    seen = _as_seen(stack, source)
    slices = np.moveaxis(labels, through, 0)
    sign = _towards_apex(slices, source)
    away = seen @ _to_rv(slices, source)
    if np.linalg.norm(away) < NEAREST_RV_MM:
        raise _unclear(source, "the right ventricle lies on no side of the left one")
    turn = np.radians(180 + USUAL_RV_DEG) - np.arctan2(away[1], away[0])
    affine = _affine(stack, seen, turn, sign, axes)
    return replace(stack, affine=affine, notes=(*stack.notes, ORIENTED, TAKEN_FOR_GRANTED))


def turned(stack: CineStack, degrees: float, axes: np.ndarray, source: object) -> CineStack:
    """A stack without an orientation as if its picture, turned clockwise so far, lay as hearts do, base first.

    Args: as of `oriented_by_labels`.

    Raises:
        InputError: the affine leaves open whether the picture was mirrored.
    """
    return replace(stack, affine=_affine(stack, _as_seen(stack, source), np.radians(degrees), 1, axes))


def _affine(stack: CineStack, seen: np.ndarray, turn: float, sign: int, axes: np.ndarray) -> np.ndarray:
    """(4, 4) of a stack whose picture is turned clockwise by `turn` radians; its middle is the origin."""
    rotation = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    affine = np.eye(4)
    affine[:3, list(stack.in_plane_axes)] = axes[:, :2] @ rotation @ seen
    affine[:3, stack.slice_axis] = sign * stack.slice_step_mm * axes[:, 2]
    affine[:3, 3] = -affine[:3, :3] @ ((np.array(stack.voxels.shape[:3]) - 1) / 2)
    return affine


def _as_seen(stack: CineStack, source: object) -> np.ndarray:
    """(2, 2) mm to the right and down in the picture, for a step along each of the two axes within a slice."""
    rightwards_down = stack.affine[:2, list(stack.in_plane_axes)] * -1  # RAS to LPS, in which DICOM shows them
    if abs(stack.affine[2, stack.slice_axis]) < stack.slice_step_mm / 2:
        raise _unclear(source, "its slices are not on the third axis of its affine")
    first, second = rightwards_down.sum(axis=1)  # one of each row is not 0
    if first * second < 0:
        raise _unclear(source, "its affine mirrors the picture, which may be so or not")
    return rightwards_down


def _towards_apex(slices: np.ndarray, source: object) -> int:
    """1 where labels (slices, ., .) go from base to apex, -1 where they go from apex to base."""
    cavity, wall, rv = (
        (slices == int(label)).sum(axis=(1, 2)) for label in (Label.LV_CAVITY, Label.LV_MYOCARDIUM, Label.RV_CAVITY)
    )
    shown = np.flatnonzero(cavity + wall >= FEWEST_PIXELS)
    if len(shown) < FEWEST_SHOWN:
        raise _unclear(source, f"the left ventricle is on {len(shown)} slices, of which {FEWEST_SHOWN} are needed")
    if unevenness(cavity + wall) > MOST_UNEVEN:
        raise _unclear(source, "the left ventricle grows and shrinks from slice to slice")
    first, last = shown[: len(shown) // 3], shown[-(len(shown) // 3) :]
    ends = [(area[first].mean(), area[last].mean()) for area in (cavity, rv)]
    if all(there < CLEARLY_SMALLER * here for here, there in ends):
        return 1
    if all(here < CLEARLY_SMALLER * there for here, there in ends):
        return -1
    raise _unclear(source, "neither end of both ventricles is clearly the smaller one")


def _to_rv(slices: np.ndarray, source: object) -> np.ndarray:
    """(2,) pixels from the LV's centre to the RV's, as the mean of slices (., .) with both, weighed by the RV's area.

    Of each slice, the direction is taken from its own LV, as breath-holds shift slices against one another.
    """
    ways, areas = [], []
    for labels in slices:
        ventricle = (labels == int(Label.LV_CAVITY)) | (labels == int(Label.LV_MYOCARDIUM))
        rv = labels == int(Label.RV_CAVITY)
        if min(ventricle.sum(), rv.sum()) >= FEWEST_PIXELS:
            ways.append(np.argwhere(rv).mean(axis=0) - np.argwhere(ventricle).mean(axis=0))
            areas.append(rv.sum())
    if not ways:
        raise _unclear(source, "no slice shows both ventricles")
    mean = np.average(ways, axis=0, weights=areas)
    if np.linalg.norm(mean) < ONE_SIDE * np.average(np.linalg.norm(ways, axis=1), weights=areas):
        raise _unclear(source, "the right ventricle lies on several sides of the left one")
    return mean


def _unclear(source: object, why: str) -> InputError:
    return InputError(source, f"{UNSTATED}, and its label map does not help: {why}", ORIENT, code="orientation")
