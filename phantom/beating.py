"""The heart's bodies at any moment of its beat: end-diastole, moved as `phantom.motion` says, of the drawn volumes."""

import functools
from dataclasses import replace

import numpy as np

from phantom.anatomy import (
    BASE_RATIO,
    PHI,
    Geometry,
    end_diastole,
    lv_volumes_ml,
    volume_within_ml,
    with_right_ventricle,
)
from phantom.heart import Heart
from phantom.motion import beat_of

APICAL_MOTION = 0.35  # inward motion of the apex against that of the equator
SMALLEST = 0.2  # of its end-diastolic radius, to which any piece of wall may close in


def end_systolic_phase(heart: Heart) -> float:
    """Share of the cycle at which the LV is smallest: the aortic valve closes."""
    return beat_of(heart).end_systole


@functools.lru_cache(maxsize=8)
def geometry_at(heart: Heart, phase: float = 0.0) -> Geometry:
    """The ventricles at `phase` (share of the cycle, 0 = end-diastole): their volumes are the drawn ones.

    Raises:
        ValueError: no wall or cavity of the drawn size exists (a hand-made Heart).
    """
    diastole = end_diastole(heart)
    if phase % 1 == 0:
        return diastole
    beat = beat_of(heart)
    right = beat.at(beat.rv.ejected, phase)
    volume = heart.rvedv_ml - right * (heart.rvedv_ml - heart.rvesv_ml)
    return with_right_ventricle(left_ventricle_at(heart, phase), diastole, volume, right)


def left_ventricle_at(heart: Heart, phase: float) -> Geometry:
    """The left ventricle alone at `phase`; its right ventricle is still that of end-diastole."""
    diastole, beat = end_diastole(heart), beat_of(heart)
    ejected = beat.at(beat.lv.ejected, phase)
    shorter = diastole.half_length - ejected * heart.long_axis_shortening_mm / (1 + BASE_RATIO)
    moved = replace(
        diastole,
        beat=ejected,
        half_length=shorter,
        centre=diastole.centre + (diastole.half_length - shorter) * diastole.axes[2],  # the apex stays where it is
    )
    cavity = _with_cavity(diastole, moved, phase)
    return _with_wall(diastole, cavity, beat.scar)


def _with_cavity(diastole: Geometry, moved: Geometry, phase: float) -> Geometry:
    """Move the endocardium: the living wall as it pulls, all of it a little more or less until the volume is right."""
    heart = diastole.heart
    beat = beat_of(heart)
    volume = heart.lvedv_ml - moved.beat * (heart.lvedv_ml - heart.lvesv_ml)
    shortest = diastole.half_length - heart.long_axis_shortening_mm / (1 + BASE_RATIO)
    reach = 1 - (heart.lvesv_ml / heart.lvedv_ml * diastole.half_length / shortest) ** 0.45
    share = reach * (np.sin(PHI) ** 2 + APICAL_MOTION * np.cos(PHI) ** 2)
    inward, force = beat.inward(phase)
    living, bulge = (1 - beat.scar) * share, -beat.scar * share * heart.scar_bulge * force

    def surface(more: float) -> np.ndarray:
        return diastole.endocardium * np.maximum(1 - living * (inward + more) - bulge, SMALLEST)

    more, step = 0.0, 0.01
    for _ in range(30):
        excess = volume_within_ml(moved, surface(more)) - volume
        if abs(excess) < 1e-4 * volume:
            break
        slope = (volume_within_ml(moved, surface(more + step)) - volume_within_ml(moved, surface(more - step))) / 2
        more -= float(np.clip(excess * step / min(slope, -1e-6), -0.5, 0.5))
    else:
        raise ValueError(f"no cavity of {volume:.0f} mL: the living wall cannot leave it")
    return replace(moved, endocardium=surface(more))


def _with_wall(diastole: Geometry, cavity: Geometry, scar: np.ndarray) -> Geometry:
    """Muscle keeps its volume: it thickens as it moves inward. A scar keeps its thickness. All of it keeps the mass."""
    wanted = lv_volumes_ml(diastole)[1]
    blood = volume_within_ml(cavity, cavity.endocardium)
    inside = cavity.endocardium**3
    muscle = (diastole.epicardium**3 - diastole.endocardium**3) * (cavity.squeeze / diastole.squeeze)
    stiff = cavity.endocardium + diastole.epicardium - diastole.endocardium
    more = 1.0
    for _ in range(8):
        epicardium = (1 - scar) * np.cbrt(inside + more * muscle) + scar * stiff
        missing = (wanted - (volume_within_ml(cavity, epicardium) - blood)) / wanted
        if abs(missing) < 1e-9:
            break
        more += missing
    return replace(cavity, epicardium=epicardium)
