"""Label maps of ED and ES as maps of the cine they were drawn on: ACDC and M&Ms-2 label two frames and give both."""

from collections.abc import Sequence

import numpy as np

from cohort.cine import CineStack
from cohort.errors import InputError
from cohort.phases import PHASES

SAME = 1e-4  # of the cine's largest value: scaling and rounding differ from file to file


def labels_in_cine(
    cine: CineStack, stills: Sequence[CineStack], maps: Sequence[CineStack | None], source: object
) -> CineStack | None:
    """Label maps (x, y, z, t) of the cine, empty at frames that nobody labelled; None where no still has a map.

    The frame of a still is the one with the same voxels.

    Args:
        cine: (x, y, z, t). stills: ED and ES, of one frame. maps: the label map of each, or None.
        source: the person to name in an error.

    Raises:
        InputError: a labelled still is no frame of the cine, or its map is of another size.
    """
    if not any(maps):
        return None
    voxels = np.zeros(cine.voxels.shape, np.uint8)
    for phase, still, labels in zip(PHASES, stills, maps, strict=True):
        if labels is None:
            continue
        frame = _frame_of(cine, still)
        if frame is None or labels.voxels.shape[:3] != cine.voxels.shape[:3]:
            fault = f"its {phase} is no frame of its cine, so its label map has no place there"
            raise InputError(source, fault, "ask for 2 phases, or give the cine that was labelled", code="labels")
        voxels[..., frame] = labels.voxels[..., 0]
    notes = tuple(dict.fromkeys(note for labels in maps if labels is not None for note in labels.notes))
    return CineStack(voxels, cine.affine, notes=notes)


def _frame_of(cine: CineStack, still: CineStack) -> int | None:
    """The frame of a cine with the voxels of a still, if there is one."""
    if still.voxels.shape[:3] != cine.voxels.shape[:3]:
        return None
    largest = float(np.abs(cine.voxels).max())
    for frame in range(cine.voxels.shape[3]):
        here, there = (np.asarray(one, np.float32) for one in (cine.voxels[..., frame], still.voxels[..., 0]))
        if np.abs(here - there).max() <= SAME * largest:
            return frame
    return None
