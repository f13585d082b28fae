"""The drawn heart as solid bodies: where blood, muscle and fat are. ECG and MRI both come from them.

Heart axes, millimetres, origin at the centre of the LV's widest short axis. They are u lateral (away from the RV), v
anterior and upward, w from base to apex; right-handed. The base plane is w = -BASE_RATIO * (distance from origin to
apex).

The left ventricle is star-shaped in coordinates squeezed along w until the end-diastolic cavity is nearly a sphere.
Along each direction n the cavity ends at one radius and the wall at another. Both are tables over the directions, so
that every piece of wall can move by itself. Volumes are one sum over the directions, from which size and wall thickness
follow for any drawn volume and mass.
"""

import functools
import math
from dataclasses import dataclass, replace

import numpy as np
from scipy.optimize import brentq

from phantom.heart import Heart

MYOCARDIAL_DENSITY_G_ML = 1.05
BASE_RATIO = 0.5  # the mitral ring is then 0.87 of the largest diameter
APEX_THINNING = 0.25
SCAR_THINNING = 0.40

# A coronary territory: angle round the long axis (0 lateral, 90 anterior) and from the apex of its middle; its radius.
TERRITORY_DEG = {"anterior": (115, 55), "inferior": (268, 82), "lateral": (352, 80)}
TERRITORY_RADIUS_DEG = 60

# The right ventricle's short axis is a triangle with round corners: its height falls towards its tip by this share.
RV_TAPER = 0.35
RV_FULLNESS = 2.6  # exponent of its length: 2 is an ellipsoid, more keeps it wide towards the apex
RV_LEAN = 0.20  # mm by which its middle rises per mm towards the base, where the outflow tract leaves at the front

# Directions: angle round the long axis (0 lateral, 90 degrees anterior), and from the apex.
THETA = 2 * np.pi * np.arange(48) / 48
PHI = np.pi * np.arange(33) / 32


@dataclass(frozen=True)
class Geometry:
    """The two ventricles at one moment; every length in mm.

    Attributes:
        heart: whose.
        beat: how far the stroke volume has left, 0 at end-diastole to 1 at end-systole.
        axes: (3, 3) rows u, v, w in the body frame (RAS).
        centre: (3,) the heart's origin at this moment, body frame; it moves along w as the ventricle shortens.
        radius: of the LV cavity across, at end-diastole, its mean. half_length: origin to apex, at this moment.
        endocardium, epicardium: (48, 33) squeezed radius by direction (THETA, PHI).
        rv_centre: (u, v, w), heart axes. rv_axes: semi-axes of the RV cavity's body towards -u, v and w.
    """

    heart: Heart
    beat: float
    axes: np.ndarray
    centre: np.ndarray
    radius: float
    half_length: float
    endocardium: np.ndarray
    epicardium: np.ndarray
    rv_centre: tuple[float, float, float] = (0.0, 0.0, 0.0)
    rv_axes: tuple[float, float, float] = (1.0, 1.0, 1.0)

    @property
    def squeeze(self) -> float:
        """Squeezed mm per mm along w."""
        return self.radius / self.half_length

    @property
    def base(self) -> float:
        """Distance of the base plane from the origin, mm."""
        return BASE_RATIO * self.half_length

    @property
    def epicardial_radius(self) -> float:
        """Half the outer width of the LV at its equator, mm, on average round it."""
        return float(self.epicardium[:, len(PHI) // 2].mean())

    @property
    def cavity_radius(self) -> float:
        """Half the width of the LV cavity at its equator, mm, on average round it."""
        return float(self.endocardium[:, len(PHI) // 2].mean())

    @property
    def rv_wall(self) -> float:
        """Thickness of the RV free wall, mm."""
        return self.heart.rv_wall_mm

    @functools.cached_property
    def tables(self) -> np.ndarray:
        """(48, 33, 4) float32: endocardium and epicardium, and the slope of each."""
        surfaces = (self.endocardium, self.epicardium)
        slopes = (_slope(surface, self.squeeze) for surface in surfaces)
        return np.stack([*surfaces, *slopes], axis=-1).astype(np.float32)

    def to_heart(self, points: np.ndarray) -> np.ndarray:
        """Body frame (..., 3) mm -> heart axes (..., 3) mm."""
        return (points - self.centre.astype(points.dtype)) @ self.axes.T.astype(points.dtype)

    def to_body(self, points: np.ndarray) -> np.ndarray:
        """Heart axes (..., 3) mm -> body frame (..., 3) mm."""
        return points @ self.axes + self.centre


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
        axes: (3, 3) rows u, v, w in the body frame.
    """

    mask: np.ndarray
    fill: np.ndarray
    depth: np.ndarray
    septum: np.ndarray
    scar: np.ndarray
    heart_coordinates: np.ndarray
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


# ---- Directions ----


@functools.cache
def directions() -> tuple[np.ndarray, np.ndarray]:
    """Unit directions (3, 48, 33), squeezed coordinates, and the solid angle (48, 33) that each stands for."""
    theta, phi = THETA[:, None], PHI[None]
    n = np.stack([np.cos(theta) * np.sin(phi), np.sin(theta) * np.sin(phi), np.cos(phi) + 0 * theta])
    step = PHI[1]
    inner = 2 * np.sin(PHI) * (1 - np.cos(step)) / step  # of hat functions over the sphere
    inner[[0, -1]] = 1 - np.sin(step) / step
    return n, np.broadcast_to(inner * 2 * np.pi / len(THETA), n.shape[1:])


def _slope(surface: np.ndarray, squeeze: float) -> np.ndarray:
    """(48, 33): squeezed mm per real mm across a surface, so that distances are perpendicular to it and not along n."""
    (nx, ny, nz), _ = directions()
    across = np.sin(PHI)
    by_theta = (np.roll(surface, -1, 0) - np.roll(surface, 1, 0)) / (2 * THETA[1])
    by_phi = np.gradient(surface, PHI[1], axis=1)
    by_phi[:, [0, -1]] = 0.0
    along_phi = by_phi / surface
    along_theta = np.where(across > 0.05, by_theta / surface / np.maximum(across, 0.05), 0.0)
    cos_t, sin_t = np.cos(THETA)[:, None], np.sin(THETA)[:, None]
    x = -nx + along_phi * nz * cos_t - along_theta * sin_t
    y = -ny + along_phi * nz * sin_t + along_theta * cos_t
    z = (-nz - along_phi * across) * squeeze
    return np.sqrt(x**2 + y**2 + z**2)


def squeezed(geometry: Geometry, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Direction (3, ...) and distance from the origin in squeezed coordinates; points (3, ...), heart axes."""
    moved = np.stack([points[0], points[1], points[2] * geometry.squeeze])
    length = np.sqrt(moved[0] ** 2 + moved[1] ** 2 + moved[2] ** 2) + 1e-6
    return moved / length, length


def at_directions(table: np.ndarray, n: np.ndarray) -> np.ndarray:
    """A table over the directions (48, 33, ...), interpolated along n (3, ...), squeezed coordinates."""
    theta = np.arctan2(n[1], n[0]) * np.float32(len(THETA) / (2 * np.pi))
    phi = np.arccos(np.clip(n[2], -1, 1)) * np.float32((len(PHI) - 1) / np.pi)
    left = np.floor(theta)
    top = np.minimum(np.floor(phi), len(PHI) - 2)
    east, south = (theta - left)[..., None], (phi - top)[..., None]
    left, top = left.astype(np.int32) % len(THETA), top.astype(np.int32)
    flat = table.reshape(len(THETA) * len(PHI), -1)
    here, beside = left * len(PHI) + top, (left + 1) % len(THETA) * len(PHI) + top
    corners = (np.take(flat, at, axis=0) for at in (here, beside, here + 1, beside + 1))
    north_west, north_east, south_west, south_east = corners
    north = north_west * (1 - east) + north_east * east
    return north * (1 - south) + (south_west * (1 - east) + south_east * east) * south


def scar_share(heart: Heart, n: np.ndarray) -> np.ndarray:
    """1 inside the scar, 0 outside, smooth over its border; n (3, ...) unit directions, squeezed coordinates."""
    if heart.scar_territory is None:
        return np.zeros(n.shape[1:], n.dtype)
    around, from_apex = np.radians(TERRITORY_DEG[heart.scar_territory])
    middle = np.array(
        [math.sin(from_apex) * math.cos(around), math.sin(from_apex) * math.sin(around), math.cos(from_apex)]
    )
    edge = math.cos(math.radians(TERRITORY_RADIUS_DEG * heart.scar_extent))
    x = np.clip((np.tensordot(middle.astype(n.dtype), n, 1) - edge) / 0.10, -1, 1)
    return 0.5 + 0.75 * x - 0.25 * x**3


# ---- Solving for the drawn volumes ----


def lv_volumes_ml(geometry: Geometry) -> tuple[float, float]:
    """Volume of the LV cavity (papillary muscles and trabeculae included) and of the LV wall below the base plane."""
    inner = volume_within_ml(geometry, geometry.endocardium)
    return inner, volume_within_ml(geometry, geometry.epicardium) - inner


def volume_within_ml(geometry: Geometry, surface: np.ndarray) -> float:
    """Volume inside a surface (48, 33), squeezed radius, and below the base plane."""
    return float((_cone_weights() * np.minimum(surface, geometry.radius * _cut()) ** 3).sum() / geometry.squeeze)


@functools.cache
def _cone_weights() -> np.ndarray:
    return directions()[1] / 3000  # mm3 to mL


@functools.cache
def _cut() -> np.ndarray:
    """(48, 33): distance of the base plane along each direction, in radii."""
    z = directions()[0][2]
    return np.where(z < -1e-9, BASE_RATIO / np.maximum(-z, 1e-9), np.inf)


@functools.lru_cache(maxsize=8)
def end_diastole(heart: Heart) -> Geometry:
    """The ventricles at end-diastole: their volumes are the drawn ones.

    Raises:
        ValueError: no wall or cavity of the drawn size exists (a hand-made Heart).
    """
    walled = left_ventricle(heart)
    return with_right_ventricle(walled, walled, heart.rvedv_ml, 0.0)


def left_ventricle(heart: Heart) -> Geometry:
    """The LV alone at end-diastole; errors as of `end_diastole`."""
    n, _ = directions()
    shape = _outline(heart, n)
    elongation = 2 * heart.sphericity / (1 + BASE_RATIO)
    unit = float((_cone_weights() * np.minimum(shape, _cut()) ** 3).sum()) * elongation
    radius = (heart.lvedv_ml / unit) ** (1 / 3)
    cavity = Geometry(
        heart=heart,
        beat=0.0,
        axes=long_axes(heart),
        centre=np.array(heart.centre_mm),
        radius=radius,
        half_length=elongation * radius,
        endocardium=radius * shape,
        epicardium=radius * shape,
    )
    target = heart.lv_mass_g / MYOCARDIAL_DENSITY_G_ML
    outward = _regional_scale(heart, n) * _slope(cavity.endocardium, cavity.squeeze)

    def with_wall(wall: float) -> Geometry:
        return replace(cavity, epicardium=cavity.endocardium + wall * outward)

    thickness = brentq(lambda wall: lv_volumes_ml(with_wall(wall))[1] - target, 0.5, 60, xtol=0.01)
    return with_wall(thickness)


def _outline(heart: Heart, n: np.ndarray) -> np.ndarray:
    """(48, 33): the cavity's radius by direction, about 1: two and three lobes round it, and a flatter septum."""
    theta, across = THETA[:, None], np.sin(PHI)
    septal = np.exp(-(((np.abs(theta - np.pi)) / math.radians(48)) ** 2))
    return 1 + _lobes(heart.outline) * across - heart.septal_flattening * septal * across**2


def _lobes(parts: tuple[float, float, float, float]) -> np.ndarray:
    """(48, 1): cosine and sine of two and of three lobes round the long axis."""
    two_cosine, two_sine, three_cosine, three_sine = parts
    twice, thrice = 2 * THETA[:, None], 3 * THETA[:, None]
    two = two_cosine * np.cos(twice) + two_sine * np.sin(twice)
    return two + three_cosine * np.cos(thrice) + three_sine * np.sin(thrice)


def _regional_scale(heart: Heart, n: np.ndarray) -> np.ndarray:
    """(48, 33): wall thickness relative to the lateral wall's."""
    across = np.sqrt(n[0] ** 2 + n[1] ** 2) + 1e-6
    septal = ((across - n[0]) / (2 * across)) ** 2 * np.minimum(1, 1.5 * across)
    apical = np.clip(n[2], 0, 1) ** 6
    uneven = 1 + _lobes(heart.wall_pattern) * np.minimum(1, across)
    living = (1 + (heart.septal_thickness_ratio - 1) * septal) * (1 - APEX_THINNING * apical) * uneven
    return living * (1 - SCAR_THINNING * scar_share(heart, n))


def with_right_ventricle(geometry: Geometry, diastole: Geometry, volume_ml: float, beat: float) -> Geometry:
    """Add the RV: a tapered ellipsoid beside the LV less the LV, its bulge solved so that the cavity has its volume.

    Height and length follow the LV and the RV's size at end-diastole; in systole the free wall moves to the septum.

    Args:
        diastole: the same heart at end-diastole.
        beat: how far the RV's own stroke volume has left.
    """
    heart, outer = geometry.heart, diastole.epicardial_radius
    size = min(max((heart.rvedv_ml / heart.lvedv_ml) ** (1 / 3), 0.85), 1.25)
    height = outer * size * (1.08 - 0.18 * beat)
    length = geometry.half_length * (1.22 + 0.25 * (size - 1))
    centre = (-0.50 * geometry.epicardial_radius, 0.0, -0.35 * geometry.half_length)
    shaped = replace(geometry, rv_centre=centre, rv_axes=(1.0, height, length))
    bulge = _solve_bulge(shaped, volume_ml)
    return replace(shaped, rv_axes=(bulge, height, length))


def _solve_bulge(geometry: Geometry, volume_ml: float, step: float = 3.0) -> float:
    """The semi-axis towards -u at which the cavity outside the LV and below the base holds `volume_ml`.

    Every lattice point has a bulge from which on it is inside; sorted by it, the volume is a running sum.
    """
    _, height, length = geometry.rv_axes
    centre = geometry.rv_centre
    u = np.arange(centre[0] - 170, centre[0] + 45, step, np.float32)
    v = np.arange(centre[1] - 1.3 * height, centre[1] + 1.3 * height, step, np.float32)
    w = np.arange(-geometry.base + step / 2, centre[2] + length, step, np.float32)
    v, w = (x.ravel() for x in np.meshgrid(v, w, indexing="ij"))
    room = 1 - np.abs((w - centre[2]) / length) ** RV_FULLNESS
    y = (v - _rv_middle(geometry, w)) / height
    inside = y**2 < room - 1e-3
    v, w, room, y = (x[inside] for x in (v, w, room, y))
    points = np.stack(np.broadcast_arrays(u[:, None], v, w))
    right = np.maximum(centre[0] - u, 0)[:, None] / _reach(y, room)
    left = 3 * np.maximum(u - centre[0], 0)[:, None] / np.sqrt(room - y**2)
    needed = np.maximum(right, left).ravel()
    outside_lv = 1 - _share_inside_lv(geometry, points.reshape(3, -1), step)
    order = np.argsort(needed)
    filled = np.cumsum(outside_lv[order], dtype=np.float64) * step**3 / 1000
    if filled[-1] < volume_ml:
        raise ValueError(f"no right ventricle of {volume_ml:.0f} mL fits beside this left ventricle")
    return float(np.interp(volume_ml, filled, needed[order]))


def _reach(y: np.ndarray, room: np.ndarray) -> np.ndarray:
    """Share x of the bulge at which the RV ends: x^2 + (y / (1 - RV_TAPER x))^2 = room; by bisection."""
    low, high = np.zeros_like(y), np.ones_like(y)
    for _ in range(10):
        x = (low + high) / 2
        outside = x**2 + (y / (1 - RV_TAPER * x)) ** 2 > room
        low, high = np.where(outside, low, x), np.where(outside, x, high)
    return (low + high) / 2


# ---- Where a point lies ----


def _rv_middle(geometry: Geometry, w: np.ndarray) -> np.ndarray:
    """Where the RV's middle lies along v at each w."""
    return geometry.rv_centre[1] - RV_LEAN * w


def lv_distances(geometry: Geometry, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Signed distance in mm (positive inside) to endocardium and epicardium of the LV; points (3, ...), heart axes."""
    return lv_place(geometry, points)[:2]


def lv_place(geometry: Geometry, points: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """`lv_distances`, and (3, ...) where each point lies when the endocardium is the unit sphere."""
    n, length = squeezed(geometry, points)
    found = at_directions(geometry.tables, n)
    unit = n * (length / found[..., 0])
    return (found[..., 0] - length) / found[..., 2], (found[..., 1] - length) / found[..., 3], unit


def _near_lv_wall(geometry: Geometry, length: np.ndarray, width: float) -> tuple[np.ndarray, np.ndarray]:
    """Which points at a squeezed distance from the origin lie within the LV and its wall's reach, and which far within.

    A voxel of `width` mm about the others is cut by neither surface of the wall.
    """
    endocardium, epicardium, inner, outer = np.moveaxis(geometry.tables, -1, 0)
    half = np.float32(width / 2)
    return length < (epicardium + half * outer).max(), length < (endocardium - half * inner).min()


def _share_inside_lv(geometry: Geometry, points: np.ndarray, width: float) -> np.ndarray:
    """(N,) share of voxels of `width` mm about points (3, N) that lies inside the LV's epicardium."""
    n, length = squeezed(geometry, points)
    reached, cavity = _near_lv_wall(geometry, length, width)
    share = cavity.astype(np.float32)
    cut = np.flatnonzero(reached & ~cavity)
    epicardium = np.ascontiguousarray(geometry.tables[..., 1::2])
    surface, slope = at_directions(epicardium, n[:, cut]).T
    share[cut] = _share((surface - length[cut]) / slope, width)
    return share


def rv_unit(geometry: Geometry, points: np.ndarray) -> np.ndarray:
    """Points (3, ...) in heart axes -> (3, ...) towards the RV's tip, along v and w: its surface is the unit sphere.

    Towards the LV it ends three times as soon as towards its tip, so that it only just laps over the LV.
    """
    centre, (bulge, height, length) = geometry.rv_centre, geometry.rv_axes
    offset = centre[0] - points[0]
    x = np.where(offset > 0, offset, 3 * offset) / np.float32(bulge)
    y = (points[1] - _rv_middle(geometry, points[2])) / (height * (1 - RV_TAPER * np.clip(x, 0, 1.3)))
    z = (points[2] - centre[2]) / length
    return np.stack([x, y, np.sign(z) * np.abs(z) ** np.float32(RV_FULLNESS / 2)])


def rv_distance(geometry: Geometry, points: np.ndarray, unit: np.ndarray | None = None) -> np.ndarray:
    """Signed distance in mm (positive inside) to the RV's body, LV and base not yet taken off; points (3, ...).

    unit: `rv_unit` of the points, if known.
    """
    bulge, height, length = geometry.rv_axes
    x, y, z = rv_unit(geometry, points) if unit is None else unit
    narrow = 1 - RV_TAPER * np.clip(x, 0, 1.3)
    q = np.sqrt(x**2 + y**2 + z**2) + 1e-6
    by_x = (x + y**2 * (RV_TAPER / narrow) * (x > 0)) * np.where(x > 0, 1 / bulge, 3 / bulge).astype(points.dtype)
    by_y = y / (height * narrow)
    by_z = z * np.abs(z) ** (1 - 2 / RV_FULLNESS) * (RV_FULLNESS / 2 / length) + RV_LEAN * by_y
    return (1 - q) * q / (np.sqrt(by_x**2 + by_y**2 + by_z**2) + 1e-6)


def wall_lattice(heart: Heart, step_mm: float = 5.0) -> WallLattice:
    """The walls of both ventricles at end-diastole as the ECG needs them; see WallLattice."""
    geometry = end_diastole(heart)
    origin, shape = _lattice_box(geometry, step_mm)
    index = np.stack(np.meshgrid(*(np.arange(n, dtype=np.float32) for n in shape), indexing="ij"), axis=-1)
    coordinates = geometry.to_heart(index * np.float32(step_mm) + origin.astype(np.float32))
    points = np.ascontiguousarray(coordinates.reshape(-1, 3).T)
    return WallLattice(
        *(part.reshape(shape) for part in _wall_at(geometry, points, step_mm)),
        heart_coordinates=coordinates,
        axes=geometry.axes,
        step_mm=step_mm,
        origin_mm=origin,
    )


def _wall_at(geometry: Geometry, points: np.ndarray, width: float) -> tuple[np.ndarray, ...]:
    """Mask, fill, depth, septum, scar of `WallLattice` for voxels of `width` mm about points (3, N) at end-diastole."""
    n, length = squeezed(geometry, points)
    rv = rv_distance(geometry, points)
    below = _share(points[2] + np.float32(geometry.base), width)
    rv_fill = (_share(rv + geometry.rv_wall, width) - _share(rv, width)) * below
    lv_fill, cavity, outer = (np.zeros(len(rv), np.float32) for _ in range(3))

    reached, inside = _near_lv_wall(geometry, length, width)
    rv_fill[inside] = 0
    cut = np.flatnonzero(reached & ~inside)
    found, away = at_directions(geometry.tables, n[:, cut]), length[cut]
    cavity[cut], outer[cut] = (found[:, 0] - away) / found[:, 2], (found[:, 1] - away) / found[:, 3]
    share = _share(outer[cut], width)
    lv_fill[cut] = (share - _share(cavity[cut], width)) * below[cut]
    rv_fill[cut] *= 1 - share

    is_lv = lv_fill >= rv_fill
    fill = np.where(is_lv, lv_fill, rv_fill)
    mask = np.where(fill > 0.02, np.where(is_lv, 1, 2), 0).astype(np.int8)
    depth = np.where(is_lv, -cavity / np.maximum(outer - cavity, 0.1), -rv / geometry.rv_wall).clip(0, 1)
    left = mask == 1
    septum = left & (rv + outer > 0) & (points[0] < 0)
    scar = left & (scar_share(geometry.heart, n) > 0.5)
    return mask, np.where(mask > 0, fill, 0), np.where(mask > 0, depth, 0), septum, scar


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
            for w in (
                -geometry.base - step,
                geometry.half_length + 1.3 * (geometry.epicardial_radius - geometry.cavity_radius) + step,
            )
        ]
    )
    body = geometry.to_body(corners)
    low = np.floor(body.min(0) / step) * step
    return low, tuple(int(n) for n in np.ceil((body.max(0) - low) / step).astype(int) + 1)
