"""The drawn heart as bSSFP cines with their labels: the short-axis stack and the long-axis views.

The torso does not beat and is imaged once; of each frame only the heart is painted anew.
Method after MRXCAT (Wissmann et al. 2014, doi:10.1186/s12968-014-0063-3).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from phantom.beating import end_systolic_phase, geometry_at
from phantom.contrast import signals
from phantom.heart import Heart
from phantom.optics import NOISE_KEY, optics_of, sensitivity
from phantom.painting import Canvas, canvas_of, paint, waves
from phantom.stack_plan import VIEWS, SlicePlan, plan_long_axis, plan_stack
from phantom.torso import paint_torso

FLOW_KEY = 6


@dataclass(frozen=True)
class Scan:
    """A cine and its label map.

    Attributes:
        voxels: (x, y, slices, phases) int16; slices from base to apex.
        labels: like voxels, uint8: 0 background, 1 LV cavity (with papillary muscles), 2 LV myocardium, 3 RV cavity.
        affine: (4, 4) voxel index -> RAS mm.
        phases: share of the cycle of each frame.
    """

    voxels: np.ndarray
    labels: np.ndarray
    affine: np.ndarray
    phases: tuple[float, ...]


def scan(heart: Heart, phases: Sequence[float | str] = (0.0, "es"), signal: dict[str, float] | None = None) -> Scan:
    """Image the heart's short axis at some phases of its cycle.

    Args:
        heart: the drawn patient.
        phases: shares of the cycle, 0 = end-diastole; "es" stands for end-systole.
        signal: of each tissue, in stored units; None for that of the heart's own examination.

    Raises:
        ValueError: by `geometry_at`, for a heart that cannot exist.
    """
    return _image(heart, plan_stack(heart), phases, (NOISE_KEY,), signal)


def scan_long_axis(heart: Heart, view: str, phases: Sequence[float | str] = (0.0, "es")) -> Scan:
    """Image one long-axis view, one slice, at some phases; labels as those of the short axis.

    Args:
        view: one of VIEWS.

    Raises:
        ValueError: no such view, or a heart that cannot exist.
    """
    return _image(heart, plan_long_axis(heart, view), phases, (NOISE_KEY, 1 + VIEWS.index(view)))


def _image(
    heart: Heart,
    plan: SlicePlan,
    phases: Sequence[float | str],
    noise_key: tuple[int, ...],
    signal: dict[str, float] | None = None,
) -> Scan:
    times = tuple(end_systolic_phase(heart) if phase == "es" else float(phase) for phase in phases)
    signal = signal or signals(heart.acquisition)
    optics, weight = optics_of(heart, plan), sensitivity(heart, plan)
    torso = paint_torso(heart, plan, signal)
    still = optics.seen(torso * weight, (slice(None), slice(None)))
    canvas = canvas_of(heart, plan)
    place = (slice(None), *canvas.window)
    here, weight_here = torso[place][canvas.inside], weight[place][canvas.inside]
    rng = np.random.default_rng([heart.noise_seed, *noise_key])
    voxels = np.empty((*plan.shape, len(times)), np.int16)
    labels = np.zeros(voxels.shape, np.uint8)
    change, marks = np.zeros(canvas.inside.shape, np.float32), np.zeros(canvas.inside.shape, np.uint8)
    for t, phase in enumerate(times):
        picture, label = paint(canvas, geometry_at(heart, phase), signal, here, _flow(heart, canvas, phase))
        change[canvas.inside], marks[canvas.inside] = (picture - here) * weight_here, label
        labels[*canvas.window, :, t] = marks.transpose(1, 2, 0)
        voxels[..., t] = optics.stored(still + optics.seen(change, canvas.window), rng).transpose(1, 2, 0)
    return Scan(voxels, labels, plan.affine, times)


def _flow(heart: Heart, canvas: Canvas, phase: float) -> np.ndarray:
    """(n,) by how much the blood's flow brightens it, as a share: swirls that drift through the cavities."""
    rng = np.random.default_rng([heart.noise_seed, FLOW_KEY])
    swirls = waves(rng, canvas.points.mean(axis=1), (18, 70), phase)
    return np.float32(heart.acquisition.flow_share) * swirls
