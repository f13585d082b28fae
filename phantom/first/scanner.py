"""The drawn heart as a short-axis bSSFP cine at 1.5 T, with its labels.

What a voxel holds is computed, not super-sampled: each body's signed distance on two planes of the 8 mm slab gives its
depth and its slant, and from both the share of the voxel inside it. The torso does not beat and is painted once.
Method after MRXCAT (Wissmann et al. 2014, doi:10.1186/s12968-014-0063-3).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import fft

from cohort.cine import Label
from phantom.first.anatomy import Geometry, bodies, end_systolic_phase, geometry_at
from phantom.first.heart import Heart

MATRIX = (192, 208)
PIXEL_MM = 1.8
SLICE_MM = 8.0
STEP_MM = 10.0  # 8 mm and a gap of 2 mm
ACQUIRED_SHARE = (0.85, 0.70)  # of k-space, along x and along y
BLOOD_LEVEL = 330.0  # in stored units, as in UK Biobank's own files
NOISE_LEVEL = 5.0


@dataclass(frozen=True)
class Tissue:
    """Relaxation times at 1.5 T (Stanisz 2005, Bojorquez 2017) and proton density relative to blood's."""

    t1_ms: float
    t2_ms: float
    density: float = 1.0


TISSUES = {
    "blood": Tissue(1500, 240),
    "venous_blood": Tissue(1500, 200),
    "myocardium": Tissue(1000, 46, 0.95),
    "fat": Tissue(290, 75, 0.85),
    "muscle": Tissue(980, 38, 0.90),
    "liver": Tissue(590, 42, 0.85),
    "spleen": Tissue(1050, 61, 0.80),
    "lung": Tissue(1200, 40, 0.10),
    "marrow": Tissue(550, 50, 0.75),
    "fluid": Tissue(3000, 800),
}


def bssfp_signal(tissue: Tissue, tr_ms: float = 2.6, flip_deg: float = 80.0) -> float:
    """Steady-state signal on resonance, echo at TR/2 (Scheffler and Lehnhardt 2003); UK Biobank's TR and flip angle."""
    e1, e2 = math.exp(-tr_ms / tissue.t1_ms), math.exp(-tr_ms / tissue.t2_ms)
    flip = math.radians(flip_deg)
    steady = math.sin(flip) * (1 - e1) / (1 - (e1 - e2) * math.cos(flip) - e1 * e2)
    return tissue.density * steady * math.exp(-tr_ms / 2 / tissue.t2_ms)


_REFERENCE = bssfp_signal(TISSUES["blood"])
SIGNAL = {name: BLOOD_LEVEL * bssfp_signal(tissue) / _REFERENCE for name, tissue in TISSUES.items()}
# At this TR fat has turned half round against water: where both share a voxel they cancel, the dark rim of bSSFP.
SIGNAL["fat"] *= -1


@dataclass(frozen=True)
class Scan:
    """A short-axis cine and its label map.

    Attributes:
        voxels: (192, 208, slices, phases) int16; slices from base to apex.
        labels: like voxels, uint8: 0 background, 1 LV cavity (with papillary muscles), 2 LV myocardium, 3 RV cavity.
        affine: (4, 4) voxel index -> RAS mm.
        phases: share of the cycle of each frame.
    """

    voxels: np.ndarray
    labels: np.ndarray
    affine: np.ndarray
    phases: tuple[float, ...]


@dataclass(frozen=True)
class SlicePlan:
    """The planned stack. `body_shift` (slices, 3): where breathing has the body, per slice, mm RAS."""

    affine: np.ndarray
    slices: int
    body_shift: np.ndarray

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


def scan(heart: Heart, phases: Sequence[float | str] = (0.0, "es")) -> Scan:
    """Image the heart at some phases of its cycle.

    Args:
        heart: the drawn patient.
        phases: shares of the cycle, 0 = end-diastole; "es" stands for end-systole.

    Raises:
        ValueError: by `geometry_at`, for a heart that cannot exist.
    """
    times = tuple(end_systolic_phase(heart) if phase == "es" else float(phase) for phase in phases)
    plan = plan_stack(heart)
    rng = np.random.default_rng(heart.noise_seed)
    torso, coil = _torso(heart, plan, rng)
    voxels = np.empty((*MATRIX, plan.slices, len(times)), np.int16)
    labels = np.zeros(voxels.shape, np.uint8)
    for t, phase in enumerate(times):
        geometry = geometry_at(heart, phase)
        window = _window(geometry, plan)
        image = torso.copy()
        labels[*window, :, t] = _paint_heart(geometry, plan, window, image).transpose(1, 2, 0)
        voxels[..., t] = _acquire(image, coil, rng).transpose(1, 2, 0)
    return Scan(voxels, labels, plan.affine, times)


# ---- Planning ----


def plan_stack(heart: Heart) -> SlicePlan:
    """The stack an operator would plan at end-diastole: perpendicular to the long axis but for a small error.

    The first slice lies 5 mm above the base plane and shows atria; the second is the most basal one of the ventricle;
    the last lies beyond the apex. Image x runs to the patient's left and up, y to the back, as in UK Biobank.
    """
    geometry = geometry_at(heart)
    tilt_u, tilt_v = np.tan(np.radians(heart.plan_tilt_deg))
    normal = geometry.axes[2] + tilt_u * geometry.axes[0] + tilt_v * geometry.axes[1]
    normal /= np.linalg.norm(normal)
    left_up = np.array([-1.0, 0.0, 1.0])
    across = left_up - (left_up @ normal) * normal
    across /= np.linalg.norm(across)
    down = np.cross(across, normal)
    if down[1] > 0:
        down = -down
    length = geometry.base + geometry.half_length + geometry.wall
    slices = math.ceil((length + 6) / STEP_MM) + 1
    # Aim between the ventricles; the field of view reaches further to the back than to the chest wall.
    shift_u, shift_v, shift_w = heart.plan_shift_mm
    aim = geometry.to_body(np.array([geometry.rv_centre[0] + shift_u, shift_v, 0.0]))
    first = geometry.to_body(np.array([0.0, 0.0, -geometry.base - 0.5 * STEP_MM + shift_w]))
    aim = aim + ((first - aim) @ normal) * normal - 20 * across + 22 * down
    affine = np.eye(4)
    affine[:3, 0], affine[:3, 1], affine[:3, 2] = across * PIXEL_MM, down * PIXEL_MM, normal * STEP_MM
    affine[:3, 3] = aim - affine[:3, :2] @ ((np.array(MATRIX) - 1) / 2)
    breath = np.random.default_rng([heart.noise_seed, 1]).normal(0, heart.slice_shift_mm, slices).clip(-3, 3)
    # The diaphragm carries the heart up and down, and a fifth of that forwards (Wang et al. 1995).
    return SlicePlan(affine, slices, breath[:, None] * np.array([0.0, 0.2, 1.0]))


def _window(geometry: Geometry, plan: SlicePlan) -> tuple[slice, slice]:
    """The pixels that hold the heart in any slice."""
    outer = 1.2 * geometry.epicardial_radius + 12
    right = geometry.rv_centre[0] - geometry.rv_axes[0] - geometry.rv_wall - 12
    height = max(geometry.rv_axes[1] + geometry.rv_wall, outer) + 8
    along = (-geometry.base - 15, geometry.half_length + 15)
    corners = geometry.to_body(np.array([(u, v, w) for u in (right, outer) for v in (-height, height) for w in along]))
    index = (corners - plan.affine[:3, 3]) @ np.linalg.inv(plan.affine[:3, :3]).T
    low = np.clip(np.floor(index.min(0)[:2]), 0, None).astype(int)
    high = np.clip(np.ceil(index.max(0)[:2]) + 1, None, MATRIX).astype(int)
    return slice(low[0], high[0]), slice(low[1], high[1])


# ---- Painting ----

_HALF_GAP = 2.3  # the planes at +-2.3 mm have the same second moment as the 8 mm slab


def _share(distance: np.ndarray) -> np.ndarray:
    """Share of each voxel inside a body from its signed distance (2, ...) on the slab's two planes.

    A surface along the slice normal is blurred over a pixel, one across it over the slice's thickness.
    """
    slant = np.minimum(np.abs(distance[1] - distance[0]) / (2 * _HALF_GAP), 1)
    width = PIXEL_MM * np.sqrt(1 - slant * slant) + SLICE_MM * slant
    return np.clip(0.5 + (distance[0] + distance[1]) / (2 * width), 0, 1)


def _paint_heart(geometry: Geometry, plan: SlicePlan, window: tuple[slice, slice], image: np.ndarray) -> np.ndarray:
    """Paint the heart into the torso `image` (slices, x, y) in place; return the window's labels (slices, x, y)."""
    points = geometry.to_heart(plan.points(*window, (-_HALF_GAP, _HALF_GAP)))
    share = {name: _share(d) for name, d in bodies(geometry, np.ascontiguousarray(np.moveaxis(points, -1, 0)))}
    below = share["below_base"]
    above = 1 - below
    picture = image[:, *window]
    layers = (  # from the outside in
        ("fat", share["fat"]),
        ("myocardium", share["rv_outer"]),  # above the base: right atrium and outflow
        ("venous_blood", share["rv_cavity"]),
        ("myocardium", share["vessel_above"] * above),
        ("blood", share["blood_above"] * above),
        ("myocardium", share["lv_outer"] * below),
        ("blood", share["lv_cavity"] * below),
        ("myocardium", share["papillary"] * share["lv_cavity"] * below),
    )
    for tissue, cover in layers:
        picture += cover * (SIGNAL[tissue] - picture)
    held = np.empty((len(Label), *below.shape), np.float32)
    held[Label.LV_CAVITY] = share["lv_cavity"] * below
    held[Label.LV_MYOCARDIUM] = (share["lv_outer"] - share["lv_cavity"]) * below
    held[Label.RV_CAVITY] = share["rv_cavity"] * (1 - share["lv_outer"]) * below
    held[Label.BACKGROUND] = 1 - held[1:].sum(0)
    return held.argmax(0).astype(np.uint8)


def _torso(heart: Heart, plan: SlicePlan, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """The body without its heart, and the coils' sensitivity, both (slices, x, y) float32."""
    whole = (slice(0, MATRIX[0]), slice(0, MATRIX[1]))
    x, y, z = np.moveaxis(plan.points(*whole)[0], -1, 0)
    half_width, half_depth = heart.chest_width_mm / 2, heart.chest_depth_mm / 2
    # The chest grows thinner upwards: the sternum slopes, the back does not.
    y = (y + half_depth) / (1 - 0.30 * z / heart.chest_depth_mm) - half_depth

    def inside(distance: np.ndarray, blur_mm: float = 4.0) -> np.ndarray:
        return np.clip(0.5 + distance / blur_mm, 0, 1)

    def tube(x0: float, y0: float, radius: float) -> np.ndarray:
        return inside(radius - np.sqrt((x - x0) ** 2 + (y - y0) ** 2))

    skin = _chest_distance(x, y, half_width, half_depth)
    rib_cage = skin - heart.fat_mm - 13 - 2.0 * np.cos((z + 0.3 * np.abs(x)) * (2 * np.pi / 28))
    texture = _texture(rng, plan.slices)
    # The dome under the right lung is higher; the heart rests on the middle of the diaphragm.
    floor = heart.centre_mm[2] - 48
    dome = floor + 36 - ((x - 70) / 15) ** 2 * 0.9 - (y / 15) ** 2
    dome = np.maximum(dome, floor + 12 - ((x + 85) / 14) ** 2 - ((y + 20) / 15) ** 2)
    spine_y = -half_depth + heart.fat_mm + 46
    middle = 7 + 0.45 * np.clip(-y, 0, None) - np.abs(x + 6)

    image = np.zeros(x.shape, np.float32)
    layers = (
        ("fat", inside(skin)),
        ("muscle", inside(skin - heart.fat_mm)),
        ("lung", inside(rib_cage)),
        ("venous_blood", inside(rib_cage - 6) * np.clip(texture - 1.9, 0, 0.8)),  # vessels of the lung
        ("fat", inside(rib_cage) * inside(middle, 6.0)),
        ("muscle", inside(rib_cage - 2) * inside(middle - 7, 6.0) * inside(-y, 30.0)),
        ("spleen", inside(rib_cage - 2) * inside(dome - z)),
        ("liver", inside(rib_cage - 2) * inside(dome - z) * inside(x + 45)),
        ("lung", inside(28 - np.sqrt((x + 78) ** 2 + (y - 20) ** 2)) * inside(dome - z - 8)),  # air in the stomach
        ("venous_blood", inside(rib_cage - 6) * inside(dome - z - 12) * np.clip(texture - 1.8, 0, 0.9) * (x > -30)),
        ("venous_blood", tube(24, -32, 11)),  # inferior vena cava
        ("marrow", tube(0, spine_y, 19)),
        ("fluid", tube(0, spine_y - 28, 7)),
        ("blood", tube(-24, spine_y + 22, 11)),  # descending aorta
    )
    for tissue, cover in layers:
        image += cover * (SIGNAL[tissue] - image)
    image *= 1 + 0.06 * texture
    # One coil array on the chest, one under the back.
    front, back = np.exp((y - half_depth) / 75), np.exp((-half_depth - y) / 75)
    return image, 0.62 + 1.0 * np.minimum(front, 1.3) + 0.7 * np.minimum(back, 1.3)


def _chest_distance(x: np.ndarray, y: np.ndarray, half_width: float, half_depth: float) -> np.ndarray:
    """Signed distance in mm (positive inside) to the skin, a rounded box; it goes up and down without end."""
    squared = ((x / half_width) ** 2 + 0.25 * (y / half_depth) ** 2) * (x / half_width) ** 2
    squared += (0.55 + 0.45 * (y / half_depth) ** 2) * (y / half_depth) ** 2
    return (1 - np.sqrt(squared)) * half_depth


def _texture(rng: np.random.Generator, slices: int, cell: int = 4) -> np.ndarray:
    """A smooth random field (slices, x, y), mean 0 and SD about 1: unevenness of tissue, vessels of lung and liver."""
    coarse = rng.standard_normal((slices, *(n // cell + 2 for n in MATRIX)), np.float32)
    rows, columns = (_hat_functions(n, cell) for n in MATRIX)
    return 1.6 * (rows @ coarse @ columns.T)


def _hat_functions(size: int, cell: int) -> np.ndarray:
    """(size, size // cell + 2) weights of linear interpolation from every `cell`-th pixel."""
    distance = np.abs(np.arange(size)[:, None] / cell - np.arange(size // cell + 2))
    return np.clip(1 - distance, 0, None).astype(np.float32)


# ---- Acquisition ----


def _acquire(image: np.ndarray, coil: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Coil sensitivity, a k-space that ends early (Gibbs ringing), Rician noise; (slices, x, y) -> int16."""
    spectrum = fft.rfft2(image * coil, axes=(1, 2))
    along_x = _k_window(fft.fftfreq(MATRIX[0]), ACQUIRED_SHARE[0])
    along_y = _k_window(fft.rfftfreq(MATRIX[1]), ACQUIRED_SHARE[1])
    spectrum *= np.outer(along_x, along_y)
    seen = fft.irfft2(spectrum, s=MATRIX, axes=(1, 2))
    noise = NOISE_LEVEL * rng.standard_normal((2, *seen.shape), np.float32)
    return np.rint(np.sqrt((seen + noise[0]) ** 2 + noise[1] ** 2)).astype(np.int16)


def _k_window(frequency: np.ndarray, share: float) -> np.ndarray:
    """1 within the acquired share of k-space, 0 outside, over a border a tenth of it wide as scanners filter it."""
    return np.clip(0.5 + (share / 2 - np.abs(frequency)) / (0.1 * share), 0, 1).astype(np.float32)
