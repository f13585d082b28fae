"""Muscle within the cavities: papillary muscles and trabeculae of the LV, the RV's meshwork.

It is drawn once, at end-diastole, in coordinates that move with the wall: there the endocardium is the unit sphere.
At any moment a point is looked up there. The cavity shrinks about the strands, which keep their own thickness.
"""

import functools
import math

import numpy as np
from scipy import ndimage

from phantom.anatomy import BASE_RATIO, end_diastole
from phantom.heart import Heart

SHAPE = (72, 72, 36)  # of the LV's table, along u, v, w
LOW, HIGH = np.array([-1.08, -1.08, -0.56]), np.array([1.08, 1.08, 1.02])
FAR_MM = -9.0
MARGIN_MM = 4.0
THICKENING = 1.6  # of a strand until end-systole: it shortens, and blood between strands is pressed out
PAPILLARY_DEG = (58.0, -78.0)  # anterolateral and posteromedial, round the long axis
USUAL_SHARE = 0.17  # of the cavity's radius that trabeculae take up
FELT_MM, FELT_SHARE = 4.5, 0.55  # depth of the finest ones, and their share of the volume at the wall
FELT_THICKENING, FELT_DENSER = 1.0, 1.25  # of both until end-systole
MESH_THICKENING = 2.0  # of the RV's meshwork until end-systole

RV_SHAPE = (36, 28, 14)
RV_LOW, RV_HIGH = np.array([-0.7, -1.1, -0.7]), np.array([1.1, 1.1, 1.05])


@functools.lru_cache(maxsize=8)
def lv_strands(heart: Heart) -> np.ndarray:
    """(2, *SHAPE) float32: signed distance (mm, positive inside) to the nearest strand, and its radius (mm)."""
    rng = np.random.default_rng([heart.pattern_seed, 1])
    table = np.zeros((2, *SHAPE), np.float32)
    table[0] = FAR_MM
    scale = end_diastole(heart).cavity_radius
    for angle, turn in zip(PAPILLARY_DEG, heart.papillary_turn_deg, strict=True):
        _draw_papillary(table, rng, heart, math.radians(angle + turn), scale)
    _draw_trabeculae(table, rng, heart, scale)
    return table


def _draw_papillary(table: np.ndarray, rng: np.random.Generator, heart: Heart, angle: float, scale: float) -> None:
    """One papillary muscle: two or three heads side by side that join the wall towards the apex."""
    heads = int(rng.integers(1, 4))
    thick = (2.5 + 0.085 * scale) * heart.papillary_scale / heads**0.35
    for head in range(heads):
        beside = (head - (heads - 1) / 2) * 1.25 * thick / (0.66 * scale)
        _draw_rod(
            table,
            scale,
            angle=angle + beside + float(rng.normal(0, 0.06)),
            turn=float(rng.normal(0, 0.25)),
            depth=(float(rng.uniform(0.60, 0.74)), float(rng.uniform(0.86, 1.0))),
            ends=(float(rng.normal(-0.10, 0.06)), float(rng.normal(0.70, 0.08))),
            thick=thick * float(rng.uniform(0.75, 1.15)),
            radial=float(rng.uniform(0.9, 1.4)),
        )


def _draw_trabeculae(table: np.ndarray, rng: np.random.Generator, heart: Heart, scale: float) -> None:
    """Strands along the free wall, thicker and denser towards the apex; the septum is nearly smooth."""
    share = heart.trabecular_share
    for _ in range(round(80 * share / USUAL_SHARE)):
        angle = float(rng.uniform(-math.pi, math.pi))
        septal = 0.5 - 0.5 * math.cos(angle)
        if rng.uniform() < 0.75 * septal**2:
            continue
        middle, half = float(rng.uniform(-0.40, 0.95)), float(rng.uniform(0.12, 0.45))
        reach = share * float(min(rng.lognormal(-0.35, 0.55), 2.6))  # into the cavity, from the wall
        thick = float(np.clip(rng.lognormal(0.25, 0.45), 0.7, 3.2)) * (0.85 + 0.35 * max(middle, 0))
        foot = 1 - 0.5 * reach
        _draw_rod(
            table,
            scale,
            angle=angle,
            turn=float(rng.normal(0, 0.7)),
            depth=(foot - float(rng.uniform(-0.03, 0.12)), foot),  # some leave the wall towards the base
            ends=(middle - half, middle + half),
            thick=thick,
            radial=max(1.0, 0.55 * reach * scale / thick),
        )


def _draw_rod(
    table: np.ndarray,
    scale: float,
    angle: float,
    turn: float,
    depth: tuple[float, float],
    ends: tuple[float, float],
    thick: float,
    radial: float,
) -> None:
    """A strand along the wall, in place.

    Args:
        scale: mm per unit across.
        angle: round the long axis at its middle; turn: radians per unit along it.
        depth: from the axis, as share of the cavity's radius there, at its basal and its apical end.
        ends: basal and apical, in half-lengths. thick: half its width round the cavity, in mm.
        radial: by how much it is deeper than wide.
    """
    x, y, z = (np.linspace(*bounds, n, dtype=np.float32) for *bounds, n in zip(LOW, HIGH, SHAPE, strict=True))
    layers = slice(*np.searchsorted(z, ends))
    z = z[layers]
    if not len(z):
        return
    along = (z - ends[0]) / (ends[1] - ends[0])
    reach = (depth[0] + (depth[1] - depth[0]) * along) * np.sqrt(1 - np.minimum(z**2, 0.97))
    turned = angle + turn * (z - (ends[0] + ends[1]) / 2)
    radius = thick * np.sqrt(np.clip(1 - (2 * along - 1) ** 4, 0.02, 1))
    centre_x, centre_y = reach * np.cos(turned), reach * np.sin(turned)
    margin = (radial * thick + MARGIN_MM) / scale
    box_x = slice(*np.searchsorted(x, [centre_x.min() - margin, centre_x.max() + margin]))
    box_y = slice(*np.searchsorted(y, [centre_y.min() - margin, centre_y.max() + margin]))
    dx, dy = x[box_x, None, None] - centre_x, y[box_y, None] - centre_y
    cos, sin = np.cos(turned), np.sin(turned)
    away = np.hypot((dx * cos + dy * sin) / np.float32(radial), dy * cos - dx * sin)
    inside = (radius - scale * away).astype(np.float32)
    distance, thickness = table[:, box_x, box_y, layers]
    nearer = inside > distance
    distance[nearer] = inside[nearer]
    thickness[nearer] = np.broadcast_to(radius, inside.shape)[nearer]


def strand_distance(heart: Heart, beat: float, shrink: float, unit: np.ndarray) -> np.ndarray:
    """Signed distance in mm (positive inside) to the LV's strands; unit (3, ...): the endocardium is the unit sphere.

    beat: 0 at end-diastole to 1 at end-systole, by which the apex has turned. shrink: of the cavity's radius, 1 at ED.
    """
    turn = np.radians(np.float32(heart.twist_deg * beat)) * (unit[2] + BASE_RATIO) / (1 + BASE_RATIO)
    cos, sin = np.cos(turn), np.sin(turn)
    turned = np.stack([unit[0] * cos + unit[1] * sin, unit[1] * cos - unit[0] * sin, unit[2]])
    distance, thick = (_looked_up(table, turned, LOW, HIGH) for table in lv_strands(heart))
    return shrink * distance + (1 + (THICKENING - 1) * beat - shrink) * thick


def felt_share(heart: Heart, beat: float, depth: np.ndarray, density: np.ndarray) -> np.ndarray:
    """Share of each point that is trabeculae too fine to draw: they line the wall, denser towards it.

    depth: mm from the endocardium, positive inside. density: against the usual one. beat: towards end-systole the wall
    presses the blood out. Fitted to how the blood's signal rises from the wall inwards in a real cine.
    """
    thick = np.float32(FELT_MM * heart.trabecular_share / USUAL_SHARE * (1 + (FELT_THICKENING - 1) * beat))
    dense = np.float32(FELT_SHARE * (1 + (FELT_DENSER - 1) * beat)) * density
    return np.clip(dense * (1 - np.maximum(depth, 0) / thick), 0, 1)


def _looked_up(table: np.ndarray, points: np.ndarray, low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """A table between two corners, interpolated at points (3, ...)."""
    scale = (np.array(table.shape) - 1) / (high - low)
    index = np.stack([(p - a) * s for p, a, s in zip(points, low.tolist(), scale.tolist(), strict=True)])
    return ndimage.map_coordinates(table, index, order=1, mode="nearest", output=np.float32)


@functools.lru_cache(maxsize=8)
def rv_mesh(heart: Heart) -> np.ndarray:
    """RV_SHAPE float32: a smooth random field, SD 1; where it is near 0 lies a sheet of the meshwork."""
    rng = np.random.default_rng([heart.pattern_seed, 2])
    field = rng.standard_normal(RV_SHAPE, np.float32)
    field = ndimage.gaussian_filter(field, (0.7, 0.7, 1.0), mode="nearest")
    return field / field.std()


def mesh_share(heart: Heart, beat: float, unit: np.ndarray) -> np.ndarray:
    """Share of each point of the RV that is meshwork: most near its free wall and at its apex.

    unit (3, ...): towards the tip, along v and along w, where the RV's surface is the unit sphere. beat: towards
    end-systole the meshwork closes.
    """
    field = _looked_up(rv_mesh(heart), unit, RV_LOW, RV_HIGH)
    outward = np.sqrt(unit[0] ** 2 + unit[1] ** 2 + unit[2] ** 2)
    apical = np.clip(unit[2] - 0.45, 0, 1)
    thick = (0.10 + 1.0 * np.clip(outward - 0.70, 0, 0.4) + 0.4 * apical) * (heart.trabecular_share / USUAL_SHARE)
    thick = thick * np.float32(1 + (MESH_THICKENING - 1) * beat)
    sheets = np.clip(0.5 + (thick - np.abs(field)) / 0.75, 0, 1) * np.clip(4 * thick, 0, 0.9)
    muscles = np.clip((field - np.float32(2.3 - 0.3 * beat)) / 0.4, 0, 1)
    return np.maximum(sheets, muscles * np.float32(heart.papillary_scale))
