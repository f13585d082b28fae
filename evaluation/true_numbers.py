"""What a patient's real heart measures, to stand beside the hearts drawn from the ECG."""

import numpy as np

from cohort.cine import Label
from cohort.heart_grid import HeartGrid
from cohort.phenotypes import phenotypes_of, volume_ml
from sampling.measured_phenotypes import said_of
from sampling.segmentation import SliceSegmenter
from sampling.true_heart import OWN_MAPS, TrueCine

from .beating import cine_labels


def true_numbers(heart: HeartGrid, cine: TrueCine | None, segmenter: SliceSegmenter | None) -> dict | None:
    """What heart.json says of the real heart: its phenotypes, and its volumes over the beat.

    Its own label maps tell them. Where it has none, a segmenter does.

    Args:
        heart: ED and ES on the grid. cine: the whole beat there, None where the files hold no more.
        segmenter: of hearts of any scanner (`sampling.release.RELEASED_SEGMENTER`); None where there is none.

    Returns:
        measured_by, phenotypes, and of a cine lv_ml and rv_ml (a volume a frame) with volumes_measured_by. A null is
        what cannot be measured. None where there is neither map nor segmenter.
    """
    labels, by = (heart.labels, OWN_MAPS) if heart.labels is not None else _drawn(segmenter, heart.voxels)
    if labels is None:
        return None
    shown = np.where(heart.mask[..., None, None], labels, Label.BACKGROUND)  # elsewhere nothing was acquired
    found = phenotypes_of(shown, heart.geometry.pixel_mm, heart.slice_step_mm, absent_ml=np.nan)
    phenotypes = {name: round(float(value), 3) if np.isfinite(value) else None for name, value in found.items()}
    return {"measured_by": by, "phenotypes": phenotypes, **({} if cine is None else _volumes(heart, cine, segmenter))}


def _volumes(heart: HeartGrid, cine: TrueCine, segmenter: SliceSegmenter | None) -> dict:
    """Both cavities over the beat; nothing where neither map nor segmenter tells them."""
    labels, by = (cine.labels, OWN_MAPS) if cine.labels is not None else _drawn(segmenter, cine.frames)
    if labels is None:
        return {}
    voxel_mm3 = heart.geometry.pixel_mm**2 * heart.slice_step_mm
    parts = {"lv_ml": Label.LV_CAVITY, "rv_ml": Label.RV_CAVITY}
    volumes = {name: volume_ml(labels, part, voxel_mm3) for name, part in parts.items()}
    told = {name: values.round(2).tolist() if values.any() else None for name, values in volumes.items()}
    return {"volumes_measured_by": by} | told


def _drawn(segmenter: SliceSegmenter | None, frames: np.ndarray) -> tuple[np.ndarray | None, str]:
    """The label map that a segmenter draws, and what to call it."""
    return (None, "") if segmenter is None else (cine_labels(segmenter, frames), said_of(segmenter))
