"""The chest round the heart: skin, fat, muscle, ribs, lungs, liver, spine. It does not beat and is painted once."""

from dataclasses import dataclass

import numpy as np

from phantom.anatomy import end_diastole
from phantom.heart import Heart
from phantom.stack_plan import SlicePlan

TEXTURE_CELL = 4  # pixels


@dataclass(frozen=True)
class Body:
    """Coordinates (slices, x, y) float32 of a stack's pixels in the body frame, mm, and its random fields.

    Attributes:
        x, y, z: right, anterior, superior; y is stretched so that the chest's front is vertical.
        skin: signed distance to the skin, positive inside. fields: smooth random ones, mean 0 and SD about 1.
    """

    x: np.ndarray
    y: np.ndarray
    z: np.ndarray
    skin: np.ndarray
    fields: tuple[np.ndarray, ...]


def paint_torso(heart: Heart, plan: SlicePlan, signal: dict[str, float]) -> np.ndarray:
    """The body without its heart, (slices, x, y) float32; signal: by tissue, as `contrast.signals`."""
    body = _body(heart, plan)
    image = np.zeros(body.x.shape, np.float32)
    coarse = body.fields[0]
    for tissue, cover in _layers(heart, body):
        image += cover * (np.float32(signal[tissue]) - image)
    image *= 1 + np.float32(0.07) * coarse
    return image


def _body(heart: Heart, plan: SlicePlan) -> Body:
    whole = (slice(0, plan.shape[0]), slice(0, plan.shape[1]))
    x, y, z = (np.ascontiguousarray(axis) for axis in np.moveaxis(plan.points(*whole)[0], -1, 0))
    half_width, half_depth = heart.chest_width_mm / 2, heart.chest_depth_mm / 2
    # The chest grows thinner upwards: the sternum slopes, the back does not.
    y = (y + half_depth) / (1 - 0.30 * z / heart.chest_depth_mm) - half_depth
    rng = np.random.default_rng([heart.pattern_seed, 3])
    fields = tuple(_texture(rng, plan, cell) for cell in (TEXTURE_CELL, TEXTURE_CELL, 16))
    skin = _chest_distance(x, y, half_width, half_depth) + np.float32(1.5) * fields[2]
    return Body(x, y, z, skin, fields)


def _depth_below_centre(heart: Heart) -> float:
    """How far, in mm, the lowest point of the left ventricle lies below its centre."""
    geometry = end_diastole(heart)
    across, along = geometry.epicardial_radius, geometry.half_length + 8
    return float(np.linalg.norm(geometry.axes[:, 2] * [across, across, along]))


def _inside(distance: np.ndarray, blur_mm: float = 3.0) -> np.ndarray:
    return np.clip(0.5 + distance / np.float32(blur_mm), 0, 1)


def _layers(heart: Heart, body: Body) -> list[tuple[str, np.ndarray]]:
    """(tissue, cover), from the outside in."""
    x, y, z, (fine, other, coarse) = body.x, body.y, body.z, body.fields
    half_depth = heart.chest_depth_mm / 2
    depth = body.skin - heart.fat_mm  # below the fat
    slanted = (z + 0.3 * np.abs(x)) * np.float32(2 * np.pi / 28)
    rib = np.cos(slanted)
    pleura = depth - 15 - 1.5 * rib
    # The dome under the right lung is higher; the heart rests on the middle of the diaphragm.
    floor = heart.centre_mm[2] - _depth_below_centre(heart)
    dome = floor + 36 - ((x - 70) / 15) ** 2 * 0.9 - (y / 15) ** 2
    dome = np.maximum(dome, floor + 12 - ((x + 85) / 14) ** 2 - ((y + 20) / 15) ** 2)
    dome = np.maximum(dome, floor + 3 - ((x + 30) / 24) ** 2 - ((y - heart.centre_mm[1]) / 24) ** 2) - z + 2 * coarse
    belly = _inside(pleura - 2) * _inside(dome)
    spine_y = -half_depth + heart.fat_mm + 46
    to_spine = 24 - np.hypot(x + 6, y - (spine_y + 14)) + 3 * coarse  # the mediastinum's fat behind the heart
    hilum = np.exp(-((np.abs(x + 10) - 52) ** 2 + (y + 25) ** 2 + (z - 5) ** 2) / np.float32(2 * 38**2))
    branch = (0.20 + 0.35 * hilum) * _ridge(fine, 0.16 + 0.3 * hilum) * np.clip(1.3 * other - 0.2, 0, 1)
    cavity = _inside(pleura)

    def tube(x0: float, y0: float, radius: float) -> np.ndarray:
        return _inside(radius - np.hypot(x - np.float32(x0), y - np.float32(y0)))

    return [
        ("fat", _inside(body.skin, 2.0)),
        ("muscle", _inside(depth + coarse)),
        ("fat", np.clip(1 - np.abs(depth - 5.5 - coarse) / 1.6, 0, 1) * np.float32(0.75)),  # between two muscles
        ("marrow", _inside(4.0 - np.abs(depth - 10)) * _inside(rib - 0.35, 0.6)),
        ("fat", np.clip(1 - np.abs(pleura + 1.5) / 1.6, 0, 1) * np.clip(0.6 + 0.5 * coarse, 0, 1)),
        ("lung", cavity),
        ("venous_blood", _inside(pleura - 6) * branch),
        ("fat", cavity * _inside(to_spine, 6.0)),
        ("muscle", cavity * _inside(to_spine - 9 + 3 * fine, 6.0)),
        ("spleen", belly),
        ("liver", belly * _inside(x + 45)),
        ("lung", _inside(28 - np.sqrt((x + 78) ** 2 + (y - 20) ** 2)) * _inside(dome - 8)),  # air in the stomach
        ("fat", belly * np.clip(1 - np.abs(dome - 3) / 2.5, 0, 1) * np.clip(0.4 * coarse, 0, 1)),
        ("venous_blood", _inside(dome - 10) * belly * _ridge(other, 0.25) * np.clip(0.8 * fine, 0, 0.7) * (x > -30)),
        ("venous_blood", tube(24, -32, 11) * _inside(dome + 25, 20.0)),  # inferior vena cava
        ("marrow", tube(0, spine_y, 19)),
        ("fluid", tube(0, spine_y - 28, 7)),
        ("blood", tube(-24, spine_y + 22, 11)),  # descending aorta
    ]


def _ridge(field: np.ndarray, width: np.ndarray | float) -> np.ndarray:
    """1 on the lines where a random field crosses 0: a net of thin branches."""
    return np.clip(1 - np.abs(field) / np.float32(1) / width, 0, 1)


def _chest_distance(x: np.ndarray, y: np.ndarray, half_width: float, half_depth: float) -> np.ndarray:
    """Signed distance in mm (positive inside) to the skin, a rounded box; it goes up and down without end."""
    across, along = (x / np.float32(half_width)) ** 2, (y / np.float32(half_depth)) ** 2
    squared = (across + 0.25 * along) * across + (0.55 + 0.45 * along) * along
    return (1 - np.sqrt(squared)) * np.float32(half_depth)


def _texture(rng: np.random.Generator, plan: SlicePlan, cell: int) -> np.ndarray:
    """A smooth random field (slices, x, y), mean 0 and SD about 1."""
    nx, ny, slices = plan.shape
    coarse = rng.standard_normal((slices, nx // cell + 2, ny // cell + 2), np.float32)
    rows, columns = (_hat_functions(n, cell) for n in (nx, ny))
    return 1.5 * (rows @ coarse @ columns.T)


def _hat_functions(size: int, cell: int) -> np.ndarray:
    """(size, size // cell + 2) weights of linear interpolation from every `cell`-th pixel."""
    distance = np.abs(np.arange(size)[:, None] / cell - np.arange(size // cell + 2))
    return np.clip(1 - distance, 0, None).astype(np.float32)
