"""Where the scanner's slices lie: the short-axis stack and the three long-axis views, as an operator plans them."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from phantom.anatomy import Geometry, end_diastole
from phantom.chambers import aortic_root, rv_middle
from phantom.heart import Heart

VIEWS = ("la_2ch", "la_3ch", "la_4ch")
BREATH_KEY, VIEW_KEY = 3, 4
# The diaphragm carries the heart up and down, and a fifth of that forwards (Wang et al. 1995).
BREATH_DIRECTION = np.array([0.0, 0.2, 1.0])
MOST_BREATH_MM = 10.0


@dataclass(frozen=True)
class SlicePlan:
    """Planned slices, parallel.

    Attributes:
        affine: (4, 4) voxel index -> RAS mm.
        shape: pixels along x and y, and slices. pixel_mm, slice_mm: of a voxel, without the gap.
        body_shift: (slices, 3): where breathing has the body, per slice, mm RAS.
    """

    affine: np.ndarray
    shape: tuple[int, int, int]
    pixel_mm: float
    slice_mm: float
    body_shift: np.ndarray

    @property
    def slices(self) -> int:
        """How many."""
        return self.shape[2]

    def points(self, x: slice, y: slice, through_mm: Sequence[float] = (0.0,)) -> np.ndarray:
        """Body-frame points (len(through_mm), slices, nx, ny, 3) of a pixel window, float32.

        through_mm: offsets from the slice centre along the slice normal.
        """
        across, down, normal = (self.affine[:3, i] for i in range(3))
        i = np.arange(x.start, x.stop)[:, None, None] * across
        j = np.arange(y.start, y.stop)[:, None] * down
        plane = (i + j + self.affine[:3, 3]).astype(np.float32)
        k = np.arange(self.slices)[:, None] * normal - self.body_shift
        off = np.asarray(through_mm)[:, None] * normal / np.linalg.norm(normal)
        return plane + (off[:, None] + k)[:, :, None, None].astype(np.float32)


def plan_stack(heart: Heart) -> SlicePlan:
    """The short-axis stack planned at end-diastole: perpendicular to the long axis but for a small error.

    Its first slice of the ventricle lies half a step below the base plane, its last at the apex. The drawn
    `end_slices` are added or missing. Image x runs to the patient's left and up, y to the back, as in UK Biobank.
    """
    geometry, how = end_diastole(heart), heart.acquisition
    tilt_u, tilt_v = np.tan(np.radians(how.plan_tilt_deg))
    normal = geometry.axes[2] + tilt_u * geometry.axes[0] + tilt_v * geometry.axes[1]
    normal /= np.linalg.norm(normal)
    across, down = _image_axes(normal)
    wall = geometry.epicardial_radius - geometry.cavity_radius
    basal, apical = how.end_slices
    needed = math.ceil((geometry.base + geometry.half_length + 0.7 * wall) / how.step_mm)
    slices = needed + basal + apical
    # Aim between the ventricles; the field of view reaches further to the back than to the chest wall.
    shift_u, shift_v, shift_w = how.plan_shift_mm
    aim = geometry.to_body(np.array([geometry.rv_centre[0] + shift_u, shift_v, 0.0]))
    first = geometry.to_body(np.array([0.0, 0.0, -geometry.base + (0.5 - basal) * how.step_mm + shift_w]))
    aim = aim + ((first - aim) @ normal) * normal - 20 * across + 22 * down
    breath = np.random.default_rng([heart.noise_seed, BREATH_KEY]).normal(0, how.slice_shift_mm, slices)
    return _planned(heart, aim, (across, down, normal * how.step_mm), breath.clip(-MOST_BREATH_MM, MOST_BREATH_MM))


def plan_long_axis(heart: Heart, view: str) -> SlicePlan:
    """A long-axis view planned at end-diastole: one slice through apex and mitral centre, within a degree or two.

    "la_4ch" also passes through the middle of the right ventricle, "la_3ch" through the aortic root, "la_2ch" through
    neither. Image y runs from the apex to the base.

    Raises:
        ValueError: no such view.
    """
    if view not in VIEWS:
        raise ValueError(f"no view {view}: one of {', '.join(VIEWS)}")
    geometry = end_diastole(heart)
    rng = np.random.default_rng([heart.noise_seed, VIEW_KEY, VIEWS.index(view)])
    sideways = math.radians(view_angle_deg(geometry, view) + rng.normal(0, 3))
    u, v, w = geometry.axes
    across = math.cos(sideways) * u + math.sin(sideways) * v
    tilt = math.radians(float(rng.normal(0, 0.7)))
    down = -w * math.cos(tilt) + np.cross(across, w) * math.sin(tilt)
    normal = np.cross(across, down)
    if across[0] > 0:  # image x runs to the patient's left
        across, normal = -across, -normal
    how = heart.acquisition
    middle = 0.5 * (geometry.half_length - geometry.base) - 15
    aim = geometry.to_body(np.array([0.0, 0.0, middle])) - 25 * math.copysign(1, across @ u) * across
    breath = rng.normal(0, how.slice_shift_mm, 1).clip(-MOST_BREATH_MM, MOST_BREATH_MM)
    return _planned(heart, aim, (across, down, normal * how.slice_mm), breath)


def view_angle_deg(geometry: Geometry, view: str) -> float:
    """Angle of a view's plane round the long axis, in heart axes: 0 lateral, 90 anterior."""
    if view == "la_2ch":
        return 90.0
    u, v, _ = aortic_root(geometry) if view == "la_3ch" else rv_middle(geometry)
    return math.degrees(math.atan2(v, u))


def _image_axes(normal: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Unit vectors of the image's x and y."""
    left_up = np.array([-1.0, 0.0, 1.0])
    across = left_up - (left_up @ normal) * normal
    across /= np.linalg.norm(across)
    down = np.cross(across, normal)
    return across, -down if down[1] > 0 else down


def _planned(heart: Heart, aim: np.ndarray, axes: tuple[np.ndarray, ...], breath: np.ndarray) -> SlicePlan:
    """Slices whose first is centred on `aim` (3,); axes: unit x, unit y, and from slice to slice."""
    how = heart.acquisition
    affine = np.eye(4)
    affine[:3, 0], affine[:3, 1], affine[:3, 2] = axes[0] * how.pixel_mm, axes[1] * how.pixel_mm, axes[2]
    affine[:3, 3] = aim - affine[:3, :2] @ ((np.array(how.matrix) - 1) / 2)
    shape = (*how.matrix, len(breath))
    return SlicePlan(affine, shape, how.pixel_mm, how.slice_mm, breath[:, None] * BREATH_DIRECTION)
