"""Atria and great vessels above the base plane.

Their roof stays where it is while the base plane sinks towards the apex: so they fill while the ventricles empty.
"""

from dataclasses import dataclass

import numpy as np

from phantom.anatomy import Geometry

WALL_MM = 2.6
NARROWING = 0.35  # of the RV per mm above the base, where it goes on as inflow and outflow
CLEFT_MM = 28.0  # between atria and vessels: fat and appendages fill it
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
    """Atria and vessels at some points, signed distances in mm, positive inside.

    They go on below the base, where the ventricles hide them.

    Attributes:
        left: to the left atrium with its veins. aorta. right: to right atrium and pulmonary trunk together.
        leaflets: to the three lines on which the aortic valve's leaflets meet, 0 on them and negative elsewhere.
    """

    left: np.ndarray
    aorta: np.ndarray
    right: np.ndarray
    leaflets: np.ndarray

    def at(self, beat: float, ventricle: np.ndarray, above_mm: np.ndarray) -> "Chambers":
        """The same, told at end-diastole, later in the beat: stretched, and the right ventricle goes on above the base.

        ventricle: signed distance to the RV's body at that moment. above_mm: the base plane.
        """
        stretch, outside = np.float32(STRETCH_MM * beat), -self.aorta - np.float32(WALL_MM)
        inflow = ventricle - np.float32(NARROWING) * np.maximum(above_mm, 0)
        right = np.maximum(self.right + stretch, inflow)
        return Chambers(np.minimum(self.left + stretch, outside), self.aorta, np.minimum(right, outside), self.leaflets)

    @property
    def hull(self) -> np.ndarray:
        """To all of them together."""
        return np.maximum(np.maximum(self.left, self.right), self.aorta)

    @property
    def filled(self) -> np.ndarray:
        """To the hull with the clefts between neighbours filled."""
        return _joined(_joined(self.left, self.aorta), self.right)

    @property
    def blood(self) -> np.ndarray:
        """To the blood within; neighbours share a wall."""
        septum = np.abs(self.left - self.right) / 2 - WALL_MM / 2
        return np.maximum(np.minimum(np.maximum(self.left, self.right), septum), self.aorta)

    @property
    def venous(self) -> np.ndarray:
        """Share that is the right side."""
        return np.clip(0.5 + (self.right - np.maximum(self.left, self.aorta)) / 2, 0, 1)


def chambers_at(diastole: Geometry, points: np.ndarray) -> Chambers:
    """Chambers at points (3, ...), heart axes at end-diastole."""
    outer, base = diastole.epicardial_radius, diastole.base
    up = (diastole.axes @ np.array([0.0, 0.0, 1.0])).tolist()
    rising = [0.55 * up[0], 0.55 * up[1], 0.55 * up[2] - 0.75]
    centre = diastole.rv_centre[0]
    roof = -base - 22
    left = _ellipsoid(points, (-0.02 * outer, -0.48 * outer, -base - 10), (1.06 * outer, 0.68 * outer, 31.0))
    for sideways in (1.0, -0.75):  # pulmonary veins, towards either lung
        vein = _tube(points, [0.0, -0.62 * outer, roof], [sideways, -0.35, -0.30], 6.5)
        left = np.maximum(left, np.where(points[0] * sideways > 0, vein, -99))
    right = _ellipsoid(points, (centre - 0.85 * outer, -0.38 * outer, -base - 22), (0.85 * outer, 0.80 * outer, 36.0))
    outflow = [centre - 0.35 * outer, 0.92 * outer, -base]
    trunk = _tube(points, outflow, [rising[0] + 0.30, rising[1] - 0.1, rising[2]], 0.38 * outer)
    root = aortic_root(diastole).tolist()
    aorta = _tube(points, root, rising, 0.44 * outer)
    return Chambers(left, aorta, np.maximum(right, trunk), _leaflets(points, root, rising, aorta))


def _leaflets(points: np.ndarray, start: list[float], along: list[float], inside: np.ndarray) -> np.ndarray:
    """Signed distance, 0 at most, to three half-planes that meet on the axis of a tube; told within it alone."""
    distance = np.full(inside.shape, -99, np.float32)
    there = inside > -2
    axis = np.array(along) / np.linalg.norm(along)
    aside = np.cross(axis, [0.0, 0.0, 1.0])
    aside /= np.linalg.norm(aside)
    away = [p[there] - np.float32(a) for p, a in zip(points, start, strict=True)]
    x, y = (sum(d * np.float32(a) for d, a in zip(away, unit, strict=True)) for unit in (aside, np.cross(axis, aside)))
    nearest = np.full(x.shape, 99, np.float32)
    for turn in (0.5, 0.5 + 2 * np.pi / 3, 0.5 + 4 * np.pi / 3):
        cos, sin = np.float32(np.cos(turn)), np.float32(np.sin(turn))
        nearest = np.minimum(nearest, np.hypot(np.minimum(x * cos + y * sin, 0), y * cos - x * sin))
    distance[there] = -nearest
    return distance


def _joined(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Signed distance to two bodies and the cleft between them."""
    close = np.maximum(1 - np.abs(one - other) / np.float32(CLEFT_MM), 0)
    return np.maximum(one, other) + np.float32(CLEFT_MM / 4) * close * close


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
