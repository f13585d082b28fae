"""The drawn heart as solid bodies: where blood, muscle and fat are at any moment of the beat. Both renderers use it.

Heart axes, millimetres, origin at the centre of the LV's widest short axis: u lateral (away from the RV), v anterior
and upward, w from base to apex; right-handed. The base plane is w = -BASE_RATIO * (distance from origin to apex).

The left ventricle is star-shaped in coordinates squeezed along w until the end-diastolic cavity is a sphere: along each
direction n the cavity ends at one radius and the wall at another. Volumes are then one integral over the sphere of
directions, from which radius and wall thickness follow for any drawn volume and mass.
"""

import functools
import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from scipy.optimize import brentq

from phantom.first.heart import Heart

MYOCARDIAL_DENSITY_G_ML = 1.05
BASE_RATIO = 0.5  # the mitral ring is then 0.87 of the largest diameter
APEX_THINNING = 0.25
SCAR_THINNING = 0.45

# A coronary territory: angle round the long axis (0 lateral, 90 anterior) and from the apex of its middle; its radius.
TERRITORY_DEG = {"anterior": (115, 55), "inferior": (268, 82), "lateral": (352, 80)}
TERRITORY_RADIUS_DEG = 60


@dataclass(frozen=True)
class Geometry:
    """The two ventricles at one moment. Built by `geometry_at`; every length in mm.

    Attributes:
        axes: (3, 3) rows u, v, w in the body frame (RAS).
        centre: (3,) the heart's origin at this moment, body frame; it moves along w as the ventricle shortens.
        radius, half_length: of the LV cavity across and along w (origin to apex).
        scar_radius: the cavity's radius at end-diastole, where a scar stays.
        wall, scar_wall: thickness of the lateral wall, and that from which a scar's is derived (end-diastolic).
        septal_ratio, scar_direction, scar_cosine: regional thickness; direction in squeezed coordinates.
        rv_centre: (u, v, w), heart axes. rv_axes: semi-axes of the RV cavity's ellipsoid towards -u, v and w.
        rv_wall: thickness of the RV free wall.
    """

    axes: np.ndarray
    centre: np.ndarray
    radius: float
    half_length: float
    scar_radius: float
    wall: float
    scar_wall: float
    septal_ratio: float
    scar_direction: np.ndarray | None
    scar_cosine: float
    rv_centre: tuple[float, float, float]
    rv_axes: tuple[float, float, float]
    rv_wall: float

    @property
    def squeeze(self) -> float:
        """Squeezed mm per mm along w."""
        return self.scar_radius / self.half_length

    @property
    def base(self) -> float:
        """Distance of the base plane from the origin, mm."""
        return BASE_RATIO * self.half_length

    @property
    def epicardial_radius(self) -> float:
        """Half the outer width of the LV at its equator, mm."""
        return self.radius + self.wall

    def to_heart(self, points: np.ndarray) -> np.ndarray:
        """Body frame (..., 3) mm -> heart axes (..., 3) mm."""
        return (points - self.centre.astype(points.dtype)) @ self.axes.T.astype(points.dtype)

    def to_body(self, points: np.ndarray) -> np.ndarray:
        """Heart axes (..., 3) mm -> body frame (..., 3) mm."""
        return points @ self.axes + self.centre

    def scar_share(self, n: np.ndarray) -> np.ndarray | float:
        """1 inside the scar, 0 outside, smooth over its border; n (3, ...) unit directions, squeezed coordinates."""
        if self.scar_direction is None:
            return 0.0
        x = np.clip((np.tensordot(self.scar_direction.astype(n.dtype), n, 1) - self.scar_cosine) / 0.10, -1, 1)
        return 0.5 + 0.75 * x - 0.25 * x**3

    def regional_scale(self, n: np.ndarray) -> np.ndarray:
        """Wall thickness relative to the lateral wall's, without the scar; n (3, ...)."""
        across = np.sqrt(n[0] ** 2 + n[1] ** 2) + 1e-6
        septal = ((across - n[0]) / (2 * across)) ** 2 * np.minimum(1, 1.5 * across)
        apical = np.clip(n[2], 0, 1) ** 6
        return (1 + (self.septal_ratio - 1) * septal) * (1 - APEX_THINNING * apical)

    def lv_surfaces(self, n: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Squeezed radius of endocardium and epicardium along n (3, ...), and squeezed mm per real mm across the wall.

        Without a scar the endocardium is the ellipsoid (radius, radius, half_length); the third value is the length of
        its gradient, so that wall and distances are perpendicular to the surface and not along n.
        """
        scar = self.scar_share(n)
        along, across = n[2] ** 2, 1 - n[2] ** 2
        squared = 1 / (across / self.radius**2 + along / self.scar_radius**2)
        slope = squared * np.sqrt(across / self.radius**4 + along / (self.scar_radius * self.half_length) ** 2)
        living = np.sqrt(squared)
        endocardium = living + scar * (self.scar_radius - living)
        thickness = self.wall + scar * ((1 - SCAR_THINNING) * self.scar_wall - self.wall)
        return endocardium, endocardium + thickness * self.regional_scale(n) * slope, slope


@dataclass(frozen=True)
class WallLattice:
    """The ventricular walls at end-diastole on a regular lattice along the BODY axes (x right, y anterior, z superior).

    Arrays are (nx, ny, nz); point (i, j, k) lies at origin_mm + step_mm * (i, j, k).

    Attributes:
        mask: int8, 0 none, 1 LV wall with the septum, 2 RV free wall.
        fill: float32, share of the voxel that is wall, 0 to 1: sum(fill) * step_mm**3 is the drawn volume.
        depth: float32, 0 at the endocardium to 1 at the epicardium; in the septum 0 on the LV side, 1 on the RV side.
        septum: bool, LV wall whose outer side is RV cavity.
        scar: bool.
        heart_coordinates: float32 (nx, ny, nz, 3), (u, v, w) in mm.
        theta: float32 radians round the long axis: 0 lateral, pi/2 anterior, +-pi septal, -pi/2 inferior.
        phi: float32 radians from the apex: 0 apex, pi/2 equator, about 2 pi/3 base.
        axes: (3, 3) rows u, v, w in the body frame.
    """

    mask: np.ndarray
    fill: np.ndarray
    depth: np.ndarray
    septum: np.ndarray
    scar: np.ndarray
    heart_coordinates: np.ndarray
    theta: np.ndarray
    phi: np.ndarray
    axes: np.ndarray
    step_mm: float
    origin_mm: np.ndarray


def long_axes(heart: Heart) -> np.ndarray:
    """(3, 3) rows u, v, w of the heart's axes in the body frame (RAS)."""
    azimuth, elevation, roll = np.radians([heart.azimuth_deg, heart.elevation_deg, heart.roll_deg])
    left_back = np.array([-math.cos(azimuth), -math.sin(azimuth), 0.0])
    w = np.array(
        [-math.sin(azimuth) * math.cos(elevation), math.cos(azimuth) * math.cos(elevation), -math.sin(elevation)]
    )
    upward = np.cross(w, left_back)
    u = math.cos(roll) * left_back - math.sin(roll) * upward
    return np.stack([u, np.cross(w, u), w])


def end_systolic_phase(heart: Heart) -> float:
    """Share of the cycle at which the LV is smallest: systole shortens less than the cycle does (Weissler 1968)."""
    return (0.37 - 0.0011 * (heart.heart_rate_bpm - 60)) * heart.heart_rate_bpm / 60


def contraction(heart: Heart, phase: float) -> float:
    """How far the beat has gone from end-diastole (0) to end-systole (1) at `phase` of the cycle, 0 to 1.

    Ejection, early filling, diastasis and atrial filling, as in an LV volume curve.
    """
    end = end_systolic_phase(heart)
    if phase <= end:
        return 0.5 - 0.5 * math.cos(math.pi * phase / end)
    diastole = (phase - end) / (1 - end)
    early = 0.72 * _smooth_step(diastole / 0.40)
    atrial = 0.28 * _smooth_step((diastole - 0.72) / 0.28)
    return 1 - early - atrial


def _smooth_step(x: float) -> float:
    x = min(max(x, 0.0), 1.0)
    return x * x * (3 - 2 * x)


# ---- Solving for the drawn volumes ----


@functools.cache
def _directions() -> tuple[np.ndarray, np.ndarray]:
    """Unit directions (3, N) and their solid angles (N,): Gauss-Legendre along w, even round it."""
    along, weight = np.polynomial.legendre.leggauss(40)
    theta = 2 * np.pi * (np.arange(36) + 0.5) / 36
    across = np.sqrt(1 - along**2)
    n = np.stack([np.outer(across, np.cos(theta)), np.outer(across, np.sin(theta)), np.outer(along, np.ones(36))])
    return n.reshape(3, -1), np.repeat(weight, 36) * 2 * np.pi / 36


def lv_volumes_ml(geometry: Geometry) -> tuple[float, float]:
    """Volume of the LV cavity (papillary muscles included) and of the LV wall below the base plane."""
    n, solid_angle = _directions()
    endocardium, epicardium, _ = geometry.lv_surfaces(n)
    cut = np.where(n[2] < 0, BASE_RATIO * geometry.scar_radius / np.maximum(-n[2], 1e-9), np.inf)
    cone = solid_angle / 3 / geometry.squeeze / 1000
    inner = cone @ np.minimum(endocardium, cut) ** 3
    return float(inner), float(cone @ np.minimum(epicardium, cut) ** 3 - inner)


@functools.lru_cache(maxsize=8)
def geometry_at(heart: Heart, phase: float = 0.0) -> Geometry:
    """The ventricles at `phase` (share of the cycle, 0 = end-diastole): their volumes are the drawn ones, to 1 %.

    Raises:
        ValueError: no wall or cavity of the drawn size exists (a hand-made Heart).
    """
    beat = contraction(heart, phase)
    volume = heart.lvedv_ml - beat * (heart.lvedv_ml - heart.lvesv_ml)
    # Volume of the truncated ellipsoid: pi r^2 c (2/3 + f - f^3/3), and (1 + f) c = sphericity * 2 r at end-diastole.
    shape = math.pi * (2 / 3 + BASE_RATIO - BASE_RATIO**3 / 3)
    elongation = 2 * heart.sphericity / (1 + BASE_RATIO)
    radius = (1000 * heart.lvedv_ml / (shape * elongation)) ** (1 / 3)
    half_length = elongation * radius
    diastole = _solve_wall(heart, _bare_lv(heart, radius, half_length))
    if beat == 0:
        return _with_right_ventricle(heart, diastole, diastole, 0.0)
    shorter = half_length - beat * heart.long_axis_shortening_mm / (1 + BASE_RATIO)
    moved = _replace(
        diastole,
        half_length=shorter,
        centre=diastole.centre + (half_length - shorter) * diastole.axes[2],  # the apex stays where it is
        radius=math.sqrt(1000 * volume / (shape * shorter)),
    )
    if heart.scar_territory is not None:
        moved = _solve_radius(moved, volume)
    return _with_right_ventricle(heart, diastole, _solve_wall(heart, moved), beat)


def _replace(geometry: Geometry, **changes: object) -> Geometry:
    return Geometry(**{**geometry.__dict__, **changes})


def _bare_lv(heart: Heart, radius: float, half_length: float) -> Geometry:
    direction, cosine = None, 1.0
    if heart.scar_territory is not None:
        around, from_apex = np.radians(TERRITORY_DEG[heart.scar_territory])
        direction = np.array(
            [math.sin(from_apex) * math.cos(around), math.sin(from_apex) * math.sin(around), math.cos(from_apex)]
        )
        cosine = math.cos(math.radians(TERRITORY_RADIUS_DEG * heart.scar_extent))
    return Geometry(
        axes=long_axes(heart),
        centre=np.array(heart.centre_mm),
        radius=radius,
        half_length=half_length,
        scar_radius=radius,
        wall=math.nan,
        scar_wall=math.nan,
        septal_ratio=heart.septal_thickness_ratio,
        scar_direction=direction,
        scar_cosine=cosine,
        rv_centre=(0.0, 0.0, 0.0),
        rv_axes=(1.0, 1.0, 1.0),
        rv_wall=heart.rv_wall_mm,
    )


def _solve_wall(heart: Heart, geometry: Geometry) -> Geometry:
    """The thickness that gives the wall its mass. At end-diastole the scar's thickness is solved along."""
    target = heart.lv_mass_g / MYOCARDIAL_DENSITY_G_ML
    diastole = math.isnan(geometry.scar_wall)

    def with_wall(wall: float) -> Geometry:
        return _replace(geometry, wall=wall, scar_wall=wall if diastole else geometry.scar_wall)

    return with_wall(brentq(lambda wall: lv_volumes_ml(with_wall(wall))[1] - target, 0.5, 60, xtol=0.01))


def _solve_radius(geometry: Geometry, volume_ml: float) -> Geometry:
    """The radius of the living wall that gives the cavity its volume although the scar stays where it was."""

    def excess(radius: float) -> float:
        return lv_volumes_ml(_replace(geometry, radius=radius, wall=1.0))[0] - volume_ml

    return _replace(geometry, radius=brentq(excess, 0.2 * geometry.radius, geometry.scar_radius, xtol=0.01))


def _with_right_ventricle(heart: Heart, diastole: Geometry, geometry: Geometry, beat: float) -> Geometry:
    """Add the RV: an ellipsoid beside the LV less the LV, its bulge solved so that the cavity has its volume.

    Height and length follow the LV and the RV's size at end-diastole; in systole the free wall moves to the septum.
    """
    volume = heart.rvedv_ml - beat * (heart.rvedv_ml - heart.rvesv_ml)
    outer = diastole.epicardial_radius
    size = min(max((heart.rvedv_ml / heart.lvedv_ml) ** (1 / 3), 0.85), 1.25)
    height = outer * size * (1.22 - 0.06 * beat)
    length = geometry.half_length * (1.15 + 0.35 * (size - 1))
    centre = (-0.50 * geometry.epicardial_radius, 0.06 * outer, -0.34 * geometry.half_length)
    shaped = _replace(geometry, rv_centre=centre, rv_axes=(1.0, height, length))
    bulge = _solve_bulge(shaped, volume)
    return _replace(shaped, rv_axes=(bulge, height, length))


def _solve_bulge(geometry: Geometry, volume_ml: float, step: float = 4.0) -> float:
    """The semi-axis towards -u at which the cavity outside the LV and below the base holds `volume_ml`.

    Every lattice point has a bulge from which on it is inside; sorted by it, the volume is a running sum.
    """
    _, height, length = geometry.rv_axes
    centre = geometry.rv_centre
    u = np.arange(centre[0] - 130, centre[0] + 45, step)
    v = np.arange(centre[1] - height, centre[1] + height, step)
    w = np.arange(-geometry.base + step / 2, centre[2] + length, step)
    points = np.stack(np.meshgrid(u, v, w, indexing="ij"), axis=-1).reshape(-1, 3)
    room = 1 - ((points[:, 1] - centre[1]) / height) ** 2 - ((points[:, 2] - centre[2]) / length) ** 2
    points, room = points[room > 1e-3], room[room > 1e-3]
    needed = _rv_offset(points[:, 0] - centre[0]) / np.sqrt(room)
    outside_lv = np.clip(0.5 - lv_distances(geometry, points.T)[1] / step, 0, 1)
    order = np.argsort(needed)
    filled = np.cumsum(outside_lv[order]) * step**3 / 1000
    if filled[-1] < volume_ml:
        raise ValueError(f"no right ventricle of {volume_ml:.0f} mL fits beside this left ventricle")
    return float(np.interp(volume_ml, filled, needed[order]))


# ---- Where a point lies ----


def _rv_offset(u: np.ndarray) -> np.ndarray:
    """Distance from the RV's centre plane; three times that on the LV's side, so that the RV only just laps over it."""
    return np.maximum(-u, 3 * u)


def squeezed(geometry: Geometry, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Direction (3, ...) and distance from the origin in squeezed coordinates; points (3, ...), heart axes."""
    moved = np.stack([points[0], points[1], points[2] * geometry.squeeze])
    length = np.sqrt(moved[0] ** 2 + moved[1] ** 2 + moved[2] ** 2) + 1e-6
    return moved / length, length


def lv_distances(geometry: Geometry, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Signed distance in mm (positive inside) to endocardium and epicardium of the LV; points (3, ...), heart axes."""
    n, length = squeezed(geometry, points)
    endocardium, epicardium, slope = geometry.lv_surfaces(n)
    return (endocardium - length) / slope, (epicardium - length) / slope


def rv_distance(geometry: Geometry, points: np.ndarray) -> np.ndarray:
    """Signed distance in mm (positive inside) to the RV's ellipsoid, LV and base not yet taken off; points (3, ...)."""
    centre, (bulge, height, length) = geometry.rv_centre, geometry.rv_axes
    offset = points[0] - centre[0]
    steep = np.where(offset > 0, 3 / bulge, 1 / bulge).astype(points.dtype)
    x, y, z = offset * steep, (points[1] - centre[1]) / height, (points[2] - centre[2]) / length
    q = np.sqrt(x**2 + y**2 + z**2) + 1e-6
    slope = np.sqrt((x * steep) ** 2 + (y / height) ** 2 + (z / length) ** 2) / q + 1e-6
    return (1 - q) / slope


def bodies(geometry: Geometry, points: np.ndarray) -> Iterator[tuple[str, np.ndarray]]:
    """Signed distances in mm (positive inside) to the heart's bodies, one at a time; points (3, ...) in heart axes.

    Yields (name, distance): "below_base"; "lv_cavity", "lv_outer"; "rv_cavity", "rv_outer" (the LV not yet taken off);
    "papillary"; "blood_above", "vessel_above": left atrium and aortic root above the base, and these with their walls;
    "fat": the epicardial fat with everything inside it.
    """
    below = points[2] + geometry.base
    yield "below_base", below
    cavity, outer = lv_distances(geometry, points)
    yield "lv_cavity", cavity
    yield "lv_outer", outer
    rv = rv_distance(geometry, points)
    yield "rv_cavity", rv
    yield "rv_outer", rv + geometry.rv_wall
    yield "papillary", _papillary(geometry, points)
    above = _above_base(geometry, points)
    yield "blood_above", above
    yield "vessel_above", above + 2.0
    # Fat fills the grooves, where both ventricles are equally near and near the base, and lies in lumps elsewhere.
    groove = 6 * np.exp(-((outer - rv) ** 2) / 200) + 5 * np.exp(-(below**2) / 200)
    lumps = 2 * np.sin(points[0] / 9) * np.sin(points[1] / 11 + points[2] / 13)
    yield "fat", np.maximum(outer, rv + geometry.rv_wall) + groove + lumps


def _ellipsoid(points: np.ndarray, centre: tuple, semi_axes: tuple) -> np.ndarray:
    """Signed distance (first order) to an ellipsoid along the heart axes; points (3, ...)."""
    x, y, z = ((p - c) / s for p, c, s in zip(points, centre, semi_axes, strict=True))
    q = np.sqrt(x**2 + y**2 + z**2) + 1e-6
    a, b, c = semi_axes
    return (1 - q) * q / (np.sqrt((x / a) ** 2 + (y / b) ** 2 + (z / c) ** 2) + 1e-6)


def _papillary(geometry: Geometry, points: np.ndarray) -> np.ndarray:
    """The two papillary muscles: anterolateral and posteromedial, from mid-ventricle half-way to the apex."""
    reach, length = 0.66 * geometry.radius, 0.36 * geometry.half_length
    thick = 2.2 + 0.10 * geometry.scar_radius  # as thick in systole as in diastole, while the cavity closes in on them
    muscles = (
        _ellipsoid(
            points,
            (reach * math.cos(angle), reach * math.sin(angle), 0.22 * geometry.half_length),
            (thick, thick * 0.8, length),
        )
        for angle in (math.radians(58), math.radians(-78))
    )
    return np.maximum(*muscles)


def _above_base(geometry: Geometry, points: np.ndarray) -> np.ndarray:
    """Left atrium and aortic root, side by side on the base plane. (The right side goes on as the RV's ellipsoid.)"""
    outer, base = geometry.epicardial_radius, geometry.base
    atrium = _ellipsoid(points, (0.12 * outer, -0.32 * outer, -base - 16), (0.92 * outer, 0.66 * outer, 34))
    aorta = _ellipsoid(points, (-0.15 * outer, 0.52 * outer, -base - 40), (0.48 * outer, 0.46 * outer, 75))
    return np.maximum(atrium, aorta)


def wall_lattice(heart: Heart, step_mm: float = 5.0) -> WallLattice:
    """The walls of both ventricles at end-diastole as the ECG needs them; see WallLattice."""
    geometry = geometry_at(heart)
    origin, shape = _lattice_box(geometry, step_mm)
    index = np.stack(np.meshgrid(*(np.arange(n, dtype=np.float32) for n in shape), indexing="ij"), axis=-1)
    coordinates = geometry.to_heart(index * np.float32(step_mm) + origin.astype(np.float32))
    points = np.ascontiguousarray(np.moveaxis(coordinates, -1, 0))

    cavity, outer = lv_distances(geometry, points)
    rv = rv_distance(geometry, points)
    below = _share(points[2] + np.float32(geometry.base), step_mm)
    lv_share = _share(outer, step_mm)
    lv_fill = (lv_share - _share(cavity, step_mm)) * below
    rv_fill = (_share(rv + geometry.rv_wall, step_mm) - _share(rv, step_mm)) * (1 - lv_share) * below
    is_lv = lv_fill >= rv_fill
    fill = np.where(is_lv, lv_fill, rv_fill)
    mask = np.where(fill > 0.02, np.where(is_lv, 1, 2), 0).astype(np.int8)

    thickness = np.maximum(outer - cavity, 0.1)
    depth = np.where(is_lv, -cavity / thickness, -rv / geometry.rv_wall).clip(0, 1)
    n, _ = squeezed(geometry, points)
    return WallLattice(
        mask=mask,
        fill=np.where(mask > 0, fill, 0).astype(np.float32),
        depth=np.where(mask > 0, depth, 0).astype(np.float32),
        septum=(mask == 1) & (rv + outer > 0) & (points[0] < 0),
        scar=(mask == 1) & (np.broadcast_to(geometry.scar_share(n), mask.shape) > 0.5),
        heart_coordinates=coordinates.astype(np.float32),
        theta=np.arctan2(points[1], points[0]).astype(np.float32),
        phi=np.arccos(n[2].clip(-1, 1)).astype(np.float32),
        axes=geometry.axes,
        step_mm=step_mm,
        origin_mm=origin,
    )


def _share(distance: np.ndarray, width: float) -> np.ndarray:
    """Share of a voxel of `width` mm inside a surface at signed distance mm."""
    return np.clip(0.5 + distance / np.float32(width), 0, 1)


def _lattice_box(geometry: Geometry, step: float) -> tuple[np.ndarray, tuple[int, ...]]:
    """Origin (3,) and size of the body-frame lattice that holds both ventricles."""
    outer, margin = geometry.epicardial_radius * 1.15, geometry.rv_wall + step
    right = geometry.rv_centre[0] - geometry.rv_axes[0] - margin
    height = max(outer, geometry.rv_axes[1]) + margin
    corners = np.array(
        [
            (u, v, w)
            for u in (right, outer + margin)
            for v in (-height, height)
            for w in (-geometry.base - step, geometry.half_length + 1.3 * geometry.wall + step)
        ]
    )
    body = geometry.to_body(corners)
    low = np.floor(body.min(0) / step) * step
    return low, tuple(int(n) for n in np.ceil((body.max(0) - low) / step).astype(int) + 1)
