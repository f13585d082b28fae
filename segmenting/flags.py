"""What makes the numbers of a segmented heart less sure: a code for filters, and a sentence."""

from typing import NamedTuple

import numpy as np

from cohort.cine import CineStack, Label
from cohort.heart_grid import HeartGrid
from cohort.label_quality import FEWEST_PIXELS, FEWEST_SLICES, MOST_UNEVEN, unevenness
from cohort.phenotypes import LABELS, TABLE

from .measured_cine import MeasuredCine
from .quality_rule import rule_faults

BASE_CUT, APEX_CUT = 0.75, 0.35  # area of the LV on the stack's first or last slice, over its largest
APART = 0.02  # of the LV's voxels in islands
JUMP = 0.12  # of the stroke volume, between a frame's volume and the smooth course
LOW_CONFIDENCE = 0.75  # Dice to expect


class Flag(NamedTuple):
    """One doubt: a code in one word, and a sentence."""

    code: str
    words: str


def flags_of(
    measured: MeasuredCine, grid_labels: np.ndarray, lv_apart: np.ndarray, confidence: float | None = None
) -> list[Flag]:
    """Every doubt about a segmented heart.

    Args:
        grid_labels: (slices, frames, height, width) of `Label` on the heart grid, base first.
        lv_apart: (frames,) share of the LV's voxels that were islands, before they were removed.
        confidence: the Dice that the segmenter expects; None where it tells none.
    """
    at_ed = grid_labels[:, measured.lv.ed]
    flags = [Flag("quality_rule", fault) for fault in rule_faults(at_ed)]
    flags += [
        *_of_stack(at_ed),
        *_of_islands(measured, lv_apart),
        *_of_beat(measured),
        *_implausible(measured.phenotypes),
    ]
    if confidence is not None and confidence < LOW_CONFIDENCE:
        flags.append(Flag("low_confidence", f"the segmenter expects a Dice of {confidence:.2f} only"))
    return flags


def flags_of_file(labels: np.ndarray, cine: CineStack, at: tuple[int, ...], grid: HeartGrid) -> list[Flag]:
    """Doubts by what the file shows of the heart.

    Args:
        labels: (x, y, z, t) of `Label` in the axes of the file.
        cine: whose axes these are.
        at: frames of ED and ES.
        grid: the cine on the heart grid, whose mask tells slices without a picture.
    """
    flags, heart = [], labels[..., at] > 0
    across = np.moveaxis(heart, cine.in_plane_axes, (0, 1))  # (first, second, slice, phase)
    if max(int(edge.sum()) for edge in (across[0], across[-1], across[:, 0], across[:, -1])) >= FEWEST_PIXELS:
        flags.append(Flag("picture_cut", "the heart reaches the edge of the picture: the rest of it is not shown"))
    blank = np.flatnonzero(~grid.mask.all(axis=1))
    if len(blank):
        where = ", ".join(str(number + 1) for number in blank)
        flags.append(Flag("blank_slice", f"slice {where} of {len(grid.mask)}, from the base on, shows nothing"))
    return flags


def _of_stack(at_ed: np.ndarray) -> list[Flag]:
    """Doubts by one label map (slices, height, width) at ED, base first."""
    flags = []
    lv = (at_ed == int(Label.LV_CAVITY)) | (at_ed == int(Label.LV_MYOCARDIUM))
    area = lv.sum(axis=(1, 2))
    if len(at_ed) < FEWEST_SLICES:
        flags.append(Flag("few_slices", f"the stack has {len(at_ed)} slices, fewer than {FEWEST_SLICES}"))
    if area[0] > BASE_CUT * area.max() > 0:
        flags.append(Flag("base_cut", "the LV is still large on the first slice: the base may be cut off"))
    if area[-1] > APEX_CUT * area.max() > 0:
        flags.append(Flag("apex_cut", "the LV is still large on the last slice: the apex may be cut off"))
    if area.any() and unevenness(area) > MOST_UNEVEN:
        flags.append(Flag("slice_order", "the LV grows and shrinks from slice to slice: are the slices in order?"))
    heart = at_ed > 0
    edges = (heart[:, [0, -1]], heart[:, :, [0, -1]])
    if sum(int(edge.sum()) for edge in edges) >= FEWEST_PIXELS:
        flags.append(Flag("window_cut", "the heart reaches the edge of the window in which it was looked for"))
    return flags


def _of_islands(measured: MeasuredCine, lv_apart: np.ndarray) -> list[Flag]:
    """Doubts by what was taken away: an island may be the LV, and the largest part something else."""
    at = {"ED": measured.lv.ed, "ES": measured.lv.es}
    told = [f"{100 * lv_apart[frame]:.0f} % at {phase}" for phase, frame in at.items() if lv_apart[frame] > APART]
    words = f"{' and '.join(told)} of the LV lay apart from the rest of it, and was removed"
    return [Flag("lv_in_pieces", words)] if told else []


def _of_beat(measured: MeasuredCine) -> list[Flag]:
    """Doubts by the volumes over time."""
    if not measured.is_cycle:
        return []
    flags, lv = [], measured.lv
    if lv.ed:
        flags.append(Flag("ed_not_first", f"ED is frame {lv.ed}, not 0: the LV is largest there"))
    if lv.slope_ml is None:
        flags.append(Flag("few_frames", f"{len(lv.volume_ml)} frames are too few for rates"))
    if not lv.closed:
        flags.append(Flag("open_cycle", "the last frame does not lead on to the first: part of the beat is absent"))
    off = np.abs(lv.volume_ml - lv.smooth_ml)
    if jumps := np.flatnonzero(off > JUMP * max(lv.stroke_ml, 1.0)).tolist():
        flags.append(Flag("jump", f"the LV's volume jumps at frame {', '.join(map(str, jumps))}"))
    if measured.beat_s is None:
        words = "the frames state no beat of a possible length: times and rates are shares of the beat, or absent"
        flags.append(Flag("no_frame_interval", words))
    return flags


def _implausible(phenotypes: dict[str, float]) -> list[Flag]:
    flags = []
    for name, about in TABLE.items():
        low, high = about.plausible
        value = phenotypes[name]
        if np.isfinite(value) and not low <= value <= high:
            words = f"{LABELS[name]} of {value:.{about.digits}f} {about.unit} is outside {low} to {high}"
            flags.append(Flag("implausible", words))
        elif not np.isfinite(value):
            flags.append(Flag("unknown", f"{LABELS[name]} cannot be told"))
    return flags
