"""The beating heart painted into the torso, and its label map.

What a voxel holds is computed, not super-sampled. Each body's signed distance on two planes of the slab gives its depth
and its slant. From both follows the share of the voxel inside it. Only pixels near the heart are looked at.
"""

import math
from dataclasses import dataclass

import numpy as np

from cohort.cine import Label
from phantom.anatomy import BASE_RATIO, Geometry, end_diastole, lv_distances, lv_place, rv_distance, rv_unit
from phantom.chambers import Chambers, chambers_at
from phantom.heart import Heart
from phantom.stack_plan import SlicePlan
from phantom.trabeculae import felt_share, mesh_share, strand_distance

NEAR_MM = 14.0  # of the heart at end-diastole, beyond which nothing beats
FAR_MM = 40.0  # outside of what is not looked up
WAVES = 4
LEAFLET_MM = 1.0  # half the thickness of the closed aortic valve, where two leaflets meet
LEAFLET_HEIGHT_MM = 16.0  # of the valve above the base
PERICARDIUM_MM = 1.2  # hardly any signal
FELT_UNEVEN = 0.35  # SD of the fine trabeculae's density, as a share


@dataclass(frozen=True)
class Canvas:
    """The pixels near the heart, as a flat list of n.

    Attributes:
        window: of the field of view that holds them. inside: (slices, nx, ny) bool: which of it they are.
        points: (3, 2, n) heart axes at end-diastole, on two planes of the slab.
        beside_lv: numbers of those points that lie in or near the LV; elsewhere it is not looked up.
        chambers: (2, n) atria and great vessels.
        pattern: (n,) smooth random texture of the muscle. lumps: (n,) where fat lies thick (1) or hardly at all (0).
        pad: (n,) thickness in mm of the fat pads before the heart and at its left side.
        uneven: (n,) thickness of the RV's free wall against its mean.
        pixel_mm, slice_mm: of a voxel.
    """

    window: tuple[slice, slice]
    inside: np.ndarray
    points: np.ndarray
    beside_lv: np.ndarray
    chambers: Chambers
    pattern: np.ndarray
    lumps: np.ndarray
    pad: np.ndarray
    uneven: np.ndarray
    pixel_mm: float
    slice_mm: float

    def share(self, distance: np.ndarray) -> np.ndarray:
        """(n,) share of each voxel inside a body, from its signed distance (2, n) on the slab's two planes.

        A surface along the slice normal is blurred over a pixel, one across it over the slice's thickness.
        """
        slant = np.minimum(np.abs(distance[1] - distance[0]) * np.float32(0.5 / self.half_gap), 1)
        width = self.pixel_mm * np.sqrt(1 - slant * slant) + self.slice_mm * slant
        return np.clip(0.5 + (distance[0] + distance[1]) / (2 * width), 0, 1)

    @property
    def half_gap(self) -> float:
        """The planes at this distance from the middle have the same second moment as the slab."""
        return self.slice_mm / math.sqrt(12)


def canvas_of(heart: Heart, plan: SlicePlan) -> Canvas:
    """What of the plan's pixels the heart can reach in any phase."""
    diastole = end_diastole(heart)
    window = _window(diastole, plan)
    half_gap = plan.slice_mm / math.sqrt(12)
    points = np.moveaxis(diastole.to_heart(plan.points(*window, (-half_gap, half_gap))), -1, 0)
    middle = points.mean(axis=1)
    outer = lv_distances(diastole, middle)[1]
    near = np.maximum(outer, rv_distance(diastole, middle) + diastole.rv_wall)
    high = middle[2] < 8 - diastole.base + heart.long_axis_shortening_mm
    near[high] = np.maximum(near[high], chambers_at(diastole, middle[:, high]).hull + 6)
    inside = near > -NEAR_MM
    points = np.ascontiguousarray(points[:, :, inside])
    rng = np.random.default_rng([heart.pattern_seed, 4])
    middle = middle[:, inside]
    pattern = waves(rng, middle, (8, 26))
    lumps = np.clip(0.35 + 0.4 * waves(rng, middle, (50, 120)) + 0.25 * waves(rng, middle, (28, 55)), 0, 1.3)
    front = (diastole.axes @ np.array([0.0, 1.0, 0.0])).astype(np.float32)
    forward = np.tensordot(front, middle, 1) - 0.55 * np.float32(diastole.epicardial_radius)
    pad = min(max(heart.fat_mm / 12, 0.4), 1.8) * (1 + 4 * lumps) * np.clip(forward / 20, 0, 1)
    aside = np.clip((middle[0] - 0.5 * np.float32(diastole.epicardial_radius)) / 20, 0, 1)
    pad += min(max(heart.fat_mm / 12, 0.6), 1.6) * 4.5 * aside * np.clip(lumps - 0.15, 0, 1)
    uneven = np.clip(1 + 0.4 * waves(rng, middle, (25, 60)), 0.3, 2.0)
    chambers = chambers_at(diastole, points)
    beside_lv = np.flatnonzero(outer[inside] > -NEAR_MM - plan.slice_mm / 2)
    return Canvas(
        window, inside, points, beside_lv, chambers, pattern, lumps, pad, uneven, plan.pixel_mm, plan.slice_mm
    )


def _window(diastole: Geometry, plan: SlicePlan) -> tuple[slice, slice]:
    """The pixels that hold the heart in any slice."""
    outer = 1.2 * diastole.epicardial_radius + NEAR_MM
    right = diastole.rv_centre[0] - diastole.rv_axes[0] - diastole.rv_wall - NEAR_MM
    height = max(diastole.rv_axes[1] + diastole.rv_wall, outer) + 18
    along = (-diastole.base - 65, diastole.half_length + 15)
    corners = diastole.to_body(np.array([(u, v, w) for u in (right, outer) for v in (-height, height) for w in along]))
    index = (corners - plan.affine[:3, 3]) @ np.linalg.inv(plan.affine[:3, :3]).T
    low = np.clip(np.floor(index.min(0)[:2]), 0, None).astype(int)
    high = np.clip(np.ceil(index.max(0)[:2]) + 1, None, plan.shape[:2]).astype(int)
    return slice(low[0], high[0]), slice(low[1], high[1])


def waves(
    rng: np.random.Generator, points: np.ndarray, wavelength_mm: tuple[float, float], drift: float = 0.0
) -> np.ndarray:
    """A smooth random field of SD about 1 at points (3, ...): plane waves, each bent by another.

    drift: share of a turn by which they have moved on.
    """
    total = np.zeros(points.shape[1:], np.float32)
    for turns in (1, 2, 1, 3)[:WAVES]:
        directions = rng.normal(size=(2, 3))
        directions *= (2 * np.pi / rng.uniform(*wavelength_mm, size=2) / np.linalg.norm(directions, axis=1))[:, None]
        offsets = rng.uniform(0, 2 * np.pi, size=2) + 2 * np.pi * turns * drift
        bend, wave = np.tensordot(directions.astype(np.float32), points, 1) + offsets.astype(np.float32)[:, None]
        total += np.sin(wave + np.float32(1.5) * np.sin(bend))
    return total / np.float32(math.sqrt(WAVES / 2))


def paint(
    canvas: Canvas, geometry: Geometry, signal: dict[str, float], torso: np.ndarray, flow: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Paint the heart at one moment.

    Args:
        geometry: at that moment. signal: by tissue.
        torso: (n,) what lies there without a heart. flow: (n,) by how much its flow brightens the blood, as a share.

    Returns:
        (n,) float32 picture, and (n,) uint8 labels.
    """
    heart = geometry.heart
    diastole = end_diastole(heart)
    sunk = np.float32((geometry.centre - diastole.centre) @ geometry.axes[2])
    points = canvas.points.copy()
    points[2] -= sunk
    below_mm = points[2] + np.float32(geometry.base)
    cavity, outer = np.full((2, *below_mm.shape), np.float32(-FAR_MM))
    cavity[:, canvas.beside_lv], outer[:, canvas.beside_lv], lv_unit = lv_place(
        geometry, points[:, :, canvas.beside_lv]
    )
    right_unit = rv_unit(geometry, points)
    rv = rv_distance(geometry, points, right_unit)
    chambers = canvas.chambers.at(geometry.beat, rv, -below_mm)
    below = canvas.share(below_mm)
    lv_cavity, lv_outer = canvas.share(cavity), canvas.share(outer)
    rv_cavity, rv_outer = canvas.share(rv), canvas.share(rv + geometry.rv_wall * canvas.uneven)
    muscle = np.float32(signal["myocardium"]) * (1 + np.float32(heart.acquisition.muscle_texture) * canvas.pattern)
    blood = np.float32(signal["blood"]) * (1 + flow)
    venous = np.float32(signal["venous_blood"]) * (1 + flow)
    fat_mm = _fat(geometry, outer, rv, below_mm, chambers.filled, canvas)
    outside = torso + canvas.share(fat_mm + np.float32(PERICARDIUM_MM)) * (np.float32(0.15) * muscle - torso)
    outside += canvas.share(fat_mm) * (np.float32(signal["fat"]) - outside)
    valve = np.minimum(chambers.leaflets + np.float32(LEAFLET_MM), LEAFLET_HEIGHT_MM + below_mm)
    atria = (  # from the outside in
        (muscle, canvas.share(chambers.hull + 2.0)),
        (blood + chambers.venous.mean(axis=0) * (venous - blood), canvas.share(chambers.blood)),
        (blood * np.float32(1 - heart.acquisition.ejection_loss * geometry.beat), canvas.share(chambers.aorta)),
        (np.float32(0.6) * muscle, canvas.share(np.minimum(valve, chambers.aorta))),
    )
    ventricles = (
        (muscle, rv_outer),
        (venous, rv_cavity),
        (muscle, _mesh(heart, geometry, canvas, rv, points, right_unit) * rv_cavity),
        (muscle, lv_outer),
        (blood, lv_cavity),
        (muscle, _strands(heart, geometry, diastole, canvas, cavity, lv_unit) * lv_cavity),
    )
    picture = (1 - below) * _layered(outside, atria) + below * _layered(outside, ventricles)
    held = np.empty((len(Label), len(below)), np.float32)
    held[Label.LV_CAVITY] = lv_cavity * below
    held[Label.LV_MYOCARDIUM] = (lv_outer - lv_cavity) * below
    held[Label.RV_CAVITY] = rv_cavity * (1 - lv_outer) * below
    held[Label.BACKGROUND] = 1 - held[1:].sum(0)
    return picture, held.argmax(0).astype(np.uint8)


def _layered(ground: np.ndarray, layers: tuple[tuple[np.ndarray, np.ndarray], ...]) -> np.ndarray:
    """(n,) the ground under layers of (signal, share of each voxel)."""
    picture = ground.copy()
    for level, cover in layers:
        picture += cover * (level - picture)
    return picture


def _strands(
    heart: Heart, geometry: Geometry, diastole: Geometry, canvas: Canvas, cavity: np.ndarray, unit: np.ndarray
) -> np.ndarray:
    """(n,) share of each voxel of the LV cavity that is papillary muscle or trabecula."""
    near = canvas.beside_lv
    there = cavity[:, near].max(axis=0) > -1
    shrink = geometry.cavity_radius / diastole.cavity_radius
    share = np.zeros(cavity.shape[1:], np.float32)
    distance = strand_distance(heart, geometry.beat, shrink, unit[:, :, there])
    smooth = np.clip(1 + (0.6 / BASE_RATIO) * unit[2][:, there].mean(axis=0), 0.4, 1)  # towards the base
    there = near[there]
    depth, uneven = cavity[:, there].mean(axis=0), 1 + np.float32(FELT_UNEVEN) * canvas.pattern[there]
    share[there] = 1 - (1 - canvas.share(distance)) * (1 - felt_share(heart, geometry.beat, depth, uneven * smooth))
    return share


def _mesh(
    heart: Heart, geometry: Geometry, canvas: Canvas, rv: np.ndarray, points: np.ndarray, unit: np.ndarray
) -> np.ndarray:
    """(n,) share of each voxel of the RV cavity that is meshwork or moderator band."""
    there = rv.max(axis=0) > -1
    share = np.zeros(rv.shape[1:], np.float32)
    mesh = mesh_share(heart, geometry.beat, unit[:, :, there]).mean(axis=0)
    band = canvas.share(_moderator_band(heart, geometry, points[:, :, there]))
    share[there] = np.maximum(mesh, band)
    return share


def _moderator_band(heart: Heart, geometry: Geometry, points: np.ndarray) -> np.ndarray:
    """Signed distance in mm to the muscle that crosses the RV from the septum to the free wall's papillary muscle."""
    bulge, height, length = geometry.rv_axes
    centre = geometry.rv_centre
    start = np.array([-0.95 * geometry.epicardial_radius, 0.15 * height, 0.20 * length])
    end = np.array([centre[0] - 0.62 * bulge, -0.35 * height, 0.42 * length])
    along, away = (end - start).astype(np.float32), points - start.astype(np.float32)[:, None, None]
    reach = np.clip(np.tensordot(along, away, 1) / (along @ along), 0, 1)
    thick = (1.6 + 1.2 * heart.papillary_scale) * (1 + 0.15 * geometry.beat)
    return thick - np.sqrt(((away - along[:, None, None] * reach) ** 2).sum(axis=0))


def _fat(
    geometry: Geometry, outer: np.ndarray, rv: np.ndarray, below: np.ndarray, chambers: np.ndarray, canvas: Canvas
) -> np.ndarray:
    """(2, n) signed distance to the epicardial fat with everything inside it.

    It fills the grooves, where both ventricles are equally near and near the base, and lies in lumps on the RV.
    """
    rv_outer = rv + geometry.rv_wall
    stout = min(max(geometry.heart.fat_mm / 12, 0.5), 1.8)
    groove = 4 * np.exp(-((outer - rv) ** 2) / 100) + 4 * np.exp(-(below**2) / 100)
    on_right = 2.5 * np.clip((rv_outer - outer) / 12, 0, 1)
    ventricles = np.minimum(np.maximum(outer, rv_outer), below)
    chambers = np.minimum(chambers + 2, 2 - below)
    from_apex = geometry.base + geometry.half_length - below
    bare = np.clip(from_apex / 30, 0.1, 1)  # the apex has hardly any
    thick = bare * (stout * canvas.lumps * (groove + on_right) + canvas.pad) - 0.6
    return np.maximum(ventricles, chambers) + thick.astype(np.float32)
