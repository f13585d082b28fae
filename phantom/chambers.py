"""Atria and great vessels above the base plane.

Their roof stays where it is while the base plane sinks towards the apex: so they fill while the ventricles empty.
"""

from dataclasses import dataclass

import numpy as np

from phantom.anatomy import Geometry, rv_distance

WALL_MM = 1.8
STRETCH_MM = 2.0  # by which an atrium's side wall moves out until end-systole


def aortic_root(geometry: Geometry) -> np.ndarray:
    """(3,) where the LV's outflow crosses the base plane, heart axes; between the mitral ring and the RV's outflow."""
    outer = geometry.epicardial_radius
    return np.array([-0.36 * outer, 0.36 * outer, -geometry.base])


def rv_middle(geometry: Geometry) -> np.ndarray:
    """(3,) middle of the RV at the level of the LV's widest short axis, heart axes."""
    return np.array([geometry.rv_centre[0] - 0.5 * geometry.rv_axes[0], geometry.rv_centre[1], 0.0])


@dataclass(frozen=True)
class Chambers:
    """Atria and vessels at some points, as at end-diastole; they go on below the base, where the ventricles hide them.

    Attributes:
        hull: signed distance in mm (positive inside) to all of them together.
        apart: the same to the walls between neighbours, negative within a wall.
        venous: share that is right atrium or pulmonary trunk.
    """

    hull: np.ndarray
    apart: np.ndarray
    venous: np.ndarray

    def blood(self, beat: float) -> np.ndarray:
        """Signed distance to the blood within; the atria stretch until end-systole."""
        return np.minimum(self.hull + np.float32(STRETCH_MM * beat), self.apart)


def chambers_at(diastole: Geometry, points: np.ndarray) -> Chambers:
    """Chambers at points (3, ...), heart axes at end-diastole."""
    outer, base = diastole.epicardial_radius, diastole.base
    up = (diastole.axes @ np.array([0.0, 0.0, 1.0])).tolist()
    rising = [0.55 * up[0], 0.55 * up[1], 0.55 * up[2] - 0.75]
    centre = diastole.rv_centre[0]
    left_atrium = _ellipsoid(points, (0.02 * outer, -0.40 * outer, -base - 14), (1.08 * outer, 0.66 * outer, 38.0))
    aorta = _tube(points, aortic_root(diastole).tolist(), rising, 0.42 * outer)
    right_atrium = np.maximum(
        _ellipsoid(points, (centre - 0.85 * outer, -0.38 * outer, -base - 22), (0.85 * outer, 0.80 * outer, 36.0)),
        np.minimum(rv_distance(diastole, points), points[2] + base + 30),
    )
    outflow = [centre - 0.35 * outer, 0.92 * outer, -base]
    trunk = _tube(points, outflow, [rising[0] + 0.30, rising[1] - 0.1, rising[2]], 0.38 * outer)
    right = np.maximum(right_atrium, trunk)
    ordered = np.sort(np.stack([left_atrium, aorta, right]), axis=0)
    venous = np.clip(0.5 + (right - np.maximum(left_atrium, aorta)) / 2, 0, 1)
    return Chambers(ordered[2], (ordered[2] - ordered[1]) / 2 - WALL_MM / 2, venous)


def _tube(points: np.ndarray, start: list[float], along: list[float], radius: float) -> np.ndarray:
    """Signed distance to an endless tube through `start`."""
    norm = float(np.linalg.norm(along))
    away = [p - np.float32(a) for p, a in zip(points, start, strict=True)]
    reach = sum(d * np.float32(a / norm) for d, a in zip(away, along, strict=True))
    return radius - np.sqrt(np.maximum(sum(d**2 for d in away) - reach**2, 0))


def _ellipsoid(points: np.ndarray, centre: tuple, semi_axes: tuple) -> np.ndarray:
    """Signed distance (first order) to an ellipsoid along the heart axes; points (3, ...)."""
    x, y, z = ((p - np.float32(c)) / np.float32(s) for p, c, s in zip(points, centre, semi_axes, strict=True))
    q = np.sqrt(x**2 + y**2 + z**2) + 1e-6
    a, b, c = semi_axes
    return (1 - q) * q / (np.sqrt((x / a) ** 2 + (y / b) ** 2 + (z / c) ** 2) + 1e-6)
