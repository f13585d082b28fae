"""The chest round the heart: skin, fat, muscle, ribs, lungs, mediastinum, liver, stomach, spine. It does not beat.

It is painted once. Whatever the slices hold outside the skin is never looked up.
"""

from dataclasses import dataclass

import numpy as np

from phantom.anatomy import end_diastole
from phantom.heart import Heart
from phantom.stack_plan import SlicePlan

TEXTURE_CELLS = (3, 4, 16)  # pixels
FROM_SPINE = {"aorta": (-23.0, 15.0), "canal": (0.0, -28.0)}  # (x, y) from the middle of the vertebra, mm
SKIN_MM = 3.0  # beyond the skin, where nothing is painted


@dataclass(frozen=True)
class Body:
    """Coordinates (n,) float32 of the pixels within the skin, body frame, mm, and random fields.

    Attributes:
        x, y, z: right, anterior, superior; y is stretched so that the chest's front is vertical.
        skin: signed distance to the skin, positive inside. fields: smooth random ones, mean 0 and SD about 1.
    """

    x: np.ndarray
    y: np.ndarray
    z: np.ndarray
    skin: np.ndarray
    fields: tuple[np.ndarray, ...]

    def at(self, where: np.ndarray) -> "Body":
        """The same at some of the pixels."""
        return Body(*(a[where] for a in (self.x, self.y, self.z, self.skin)), tuple(f[where] for f in self.fields))


@dataclass(frozen=True)
class Landmarks:
    """Where the organs of a person lie, body frame, mm.

    Attributes:
        heart: (x, y) of the LV's middle. floor: height of its lowest point. spine_y: middle of the vertebrae.
        stomach: (x, y, z) of its middle; how much of it is air, 0 to 1. belly_fat: share of the fat between the organs.
    """

    heart: tuple[float, float]
    floor: float
    spine_y: float
    stomach: tuple[float, float, float]
    air: float
    belly_fat: float


def paint_torso(heart: Heart, plan: SlicePlan, signal: dict[str, float]) -> np.ndarray:
    """The body without its heart, (slices, x, y) float32; signal: by tissue, as `contrast.signals`."""
    inside, body = _body(heart, plan)
    marks = landmarks(heart)
    picture, pleura = _wall(heart, marks, body, signal)
    within = np.flatnonzero(pleura > -2)
    chest, deep = body.at(within), pleura[within]
    cover = _inside(deep)
    content = _chest_content(marks, chest, deep, signal)
    picture[within] += cover * (content - picture[within])
    _paint_spine(marks, body, picture, signal)
    picture *= 1 + np.float32(0.05) * body.fields[1]
    image = np.zeros(inside.shape, np.float32)
    image[inside] = picture
    return image


def _body(heart: Heart, plan: SlicePlan) -> tuple[np.ndarray, Body]:
    """(slices, x, y) bool: which pixels lie within the skin; and those."""
    whole = (slice(0, plan.shape[0]), slice(0, plan.shape[1]))
    points = plan.points(*whole)[0]
    half_width, half_depth = heart.chest_width_mm / 2, heart.chest_depth_mm / 2
    rng = np.random.default_rng([heart.pattern_seed, 3])
    fields = [_texture(rng, plan, cell) for cell in TEXTURE_CELLS]
    # The chest grows thinner upwards: the sternum slopes, the back does not.
    y = (points[..., 1] + half_depth) / (1 - np.float32(0.30 / heart.chest_depth_mm) * points[..., 2]) - half_depth
    skin = _chest_distance(points[..., 0], y, half_width, half_depth) + np.float32(1.5) * fields[2]
    inside = skin > -SKIN_MM
    x, z = (np.ascontiguousarray(points[inside, axis]) for axis in (0, 2))
    return inside, Body(x, y[inside].astype(np.float32), z, skin[inside], tuple(field[inside] for field in fields))


def landmarks(heart: Heart) -> Landmarks:
    """Drawn by the key of the patient's patterns: the same at every visit."""
    rng = np.random.default_rng([heart.pattern_seed, 5])
    x, y, z = heart.centre_mm
    floor = z - _depth_below_centre(heart)
    back = -heart.chest_depth_mm / 2 + heart.fat_mm
    spine_y = float(np.clip(y - 72, back + 46, back + 66))
    stomach = (x - float(rng.uniform(25, 45)), y - float(rng.uniform(52, 66)), floor - float(rng.uniform(8, 25)))
    air = float(rng.uniform(0.0, 1.0)) if rng.uniform() < 0.3 else 0.0
    return Landmarks((x, y), floor, spine_y, stomach, air, min(max(heart.fat_mm / 20, 0.3), 1.0))


def _depth_below_centre(heart: Heart) -> float:
    """How far, in mm, the lowest point of the left ventricle lies below its centre."""
    geometry = end_diastole(heart)
    across, along = geometry.epicardial_radius, geometry.half_length + 8
    return float(np.linalg.norm(geometry.axes[:, 2] * [across, across, along]))


def _inside(distance: np.ndarray, blur_mm: float = 3.0) -> np.ndarray:
    return np.clip(np.float32(0.5) + distance * np.float32(1 / blur_mm), 0, 1)


def _layered(picture: np.ndarray, signal: dict[str, float], layers: list[tuple[str, np.ndarray]]) -> np.ndarray:
    """The picture under layers of (tissue, cover), in place."""
    for tissue, cover in layers:
        picture += cover * (np.float32(signal[tissue]) - picture)
    return picture


def _wall(heart: Heart, marks: Landmarks, body: Body, signal: dict[str, float]) -> tuple[np.ndarray, np.ndarray]:
    """(n,) skin, fat, muscles and ribs, and the signed distance to the chest's cavity.

    The muscles are thin in front, thick at the sides, thickest beside the spine.
    """
    x, y, coarse = body.x, body.y, body.fields[2]
    depth = body.skin - np.float32(heart.fat_mm)  # below the fat
    rib = np.cos((body.z + np.float32(0.3) * np.abs(x)) * np.float32(2 * np.pi / 28))
    behind = np.clip(-y / np.float32(heart.chest_depth_mm / 2) - np.float32(0.15), 0, 1)
    aside = np.clip(np.abs(x) / np.float32(heart.chest_width_mm / 2) - np.float32(0.35), 0, 0.5)
    # Breastbone, cartilages and what lies behind them reach back to the heart, but for a tongue of lung here and there.
    ahead = np.exp(-(((x - np.float32(0.7 * marks.heart[0])) / 55) ** 2)) * _inside(
        y - np.float32(marks.heart[1]), 40.0
    )
    thick = 11 + 20 * aside + 34 * behind + 2 * coarse + ahead * (15 + 5 * coarse)
    pleura = depth - thick - np.float32(1.5) * rib
    picture = np.zeros_like(x)
    layers = [
        ("fat", _inside(body.skin, 2.0)),
        ("muscle", _inside(depth + 1.5 * coarse)),
        ("fat", np.clip(1 - np.abs(depth - 0.45 * thick - coarse) / 1.8, 0, 1) * np.clip(0.5 + 0.5 * coarse, 0, 1)),
        ("fat", _ridge(body.fields[1], 0.35) * np.clip(behind + aside - 0.3, 0, 0.4) * _inside(depth - 2)),
        ("bone", _inside(5.0 - np.abs(pleura + 6)) * _inside(rib - 0.4, 0.5)),
        ("marrow", _inside(3.5 - np.abs(pleura + 6)) * _inside(rib - 0.5, 0.5)),
        ("fat", np.clip(1 - np.abs(pleura + 0.5) / 1.8, 0, 1) * np.clip(0.35 + 0.6 * coarse, 0, 1)),
    ]
    return _layered(picture, signal, layers), pleura


def _chest_content(marks: Landmarks, body: Body, pleura: np.ndarray, signal: dict[str, float]) -> np.ndarray:
    """(n,) what lies within the ribs: lungs, mediastinum, and the belly under the diaphragm."""
    x, y, (fine, other, coarse) = body.x, body.y, body.fields
    heart_x, heart_y = marks.heart
    hilum = np.exp(-((np.abs(x + 10) - 55) ** 2 + (y + 10) ** 2) / np.float32(2 * 40**2))
    picture = np.float32(signal["lung"]) * (1 + np.float32(0.15) * other)
    vessels = np.clip((fine + np.float32(0.5) * other - 2.7 + 1.0 * hilum) * np.float32(1.5), 0, 1)
    # The mediastinum reaches from the spine to the breastbone; the lungs touch the heart at its left side alone.
    forward = np.clip((y - marks.spine_y) / np.float32(heart_y + 30 - marks.spine_y), 0, 1)
    beside = np.abs(x - np.float32(heart_x * 0.6) * forward)
    to_middle = np.float32(34) - 40 * forward - beside + 6 * coarse
    middle = _inside(to_middle, 4.0)
    fatty = middle * _inside(4 + 6 * coarse - pleura) * _inside(y - np.float32(heart_y))
    dome = _dome(marks, body)
    picture = _layered(
        picture, signal, [("venous_blood", vessels * np.float32(0.55)), ("muscle", middle), ("fat", fatty)]
    )
    low = np.flatnonzero(dome > -3)
    cover = _inside(dome[low])
    picture[low] += cover * (_belly(marks, body.at(low), dome[low], signal) - picture[low])
    return picture


def _dome(marks: Landmarks, body: Body) -> np.ndarray:
    """(n,) signed distance to the belly: the diaphragm rises under both lungs, and the heart rests on its middle."""
    x, y = body.x, body.y
    heart_x, heart_y = marks.heart
    right = 38 - ((x - 60) / 15.8) ** 2 - (y / 15) ** 2
    left = 24 - ((x - np.float32(heart_x - 45)) / 16) ** 2 - ((y - np.float32(heart_y - 60)) / 16) ** 2
    middle = 20 - ((x - np.float32(heart_x)) / 20) ** 2 - ((y - np.float32(heart_y)) / 20) ** 2
    top = np.maximum(np.maximum(right, left), middle)
    return top + np.float32(marks.floor) - body.z + 3 * body.fields[2]


def _belly(marks: Landmarks, body: Body, dome: np.ndarray, signal: dict[str, float]) -> np.ndarray:
    """(n,) liver, stomach and spleen, with fat between them."""
    x, y, z, (fine, other, coarse) = body.x, body.y, body.z, body.fields
    heart_x, heart_y = marks.heart
    # The left lobe of the liver tapers off in front of the stomach.
    liver = x - np.float32(heart_x - 50) + np.float32(0.6) * (y - np.float32(heart_y)) + 7 * coarse
    liver = np.minimum(liver, np.maximum(y - np.float32(marks.spine_y + 8), x - 15))
    stomach = 38 - np.sqrt(
        (0.85 * (x - np.float32(marks.stomach[0]))) ** 2
        + (y - np.float32(marks.stomach[1])) ** 2
        + (0.8 * (z - np.float32(marks.stomach[2]))) ** 2
    )
    stomach = stomach + 4 * coarse
    spleen = 34 - np.hypot(x - np.float32(marks.stomach[0] - 25), y - np.float32(marks.stomach[1] - 45)) + 4 * coarse
    portal = np.clip((other + np.float32(0.4) * fine - 1.7) * np.float32(1.6), 0, 0.75) * _inside(dome - 10)
    aside = np.float32(marks.belly_fat) * np.clip((np.float32(marks.stomach[0]) - x) / 30 + 0.3 * coarse, 0, 1)
    picture = np.full_like(x, signal["muscle"])
    layers = [
        ("content", np.clip(0.5 + 0.5 * other, 0, 1)),
        ("fat", _inside(np.maximum(stomach, spleen) - 1 + 16 * aside) * _inside(dome - 3)),
        ("spleen", _inside(spleen)),
        ("muscle", _inside(stomach)),
        ("content", _inside(stomach - 4) * np.clip(0.9 + 0.1 * fine, 0, 1)),
        ("liver", _inside(np.minimum(liver, -stomach - 1))),
        ("venous_blood", portal * _inside(liver - 8)),
    ]
    if marks.air:  # it gathers in front
        layers.append(("lung", _inside(stomach - 6) * _inside(y - np.float32(marks.stomach[1] + 30 - 50 * marks.air))))
    return _layered(picture, signal, layers)


def _paint_spine(marks: Landmarks, body: Body, picture: np.ndarray, signal: dict[str, float]) -> None:
    """Vertebra with its canal, aorta, vena cava and gullet, in place: columns along the body."""
    near = np.flatnonzero((np.abs(body.x) < 50) & (np.abs(body.y - np.float32(marks.spine_y + 5)) < 75))
    x, y = body.x[near], body.y[near] - np.float32(marks.spine_y)
    low = _inside(np.float32(marks.floor + 30) - body.z[near], 20.0)

    def tube(x0: float, y0: float, radius: float, blur_mm: float = 3.0) -> np.ndarray:
        return _inside(radius - np.hypot(x - np.float32(x0), y - np.float32(y0)), blur_mm)

    disc = _inside(np.cos(body.z[near] * np.float32(2 * np.pi / 32)) - np.float32(0.6), 0.4)
    body_of, coarse = np.hypot(x, 1.2 * y), body.fields[2][near]
    layers = [
        ("bone", _inside(18 - np.hypot(x, y + 28))),
        ("marrow", _inside(16 - np.hypot(x, y + 28))),
        ("bone", _inside(21 - body_of)),
        ("marrow", _inside(19.5 - body_of) * (1 - np.float32(0.6) * disc)),
        ("fat", tube(0, -28, 11) * np.float32(0.5)),
        ("fluid", tube(*FROM_SPINE["canal"], 9)),
        ("muscle", tube(0, -28, 5)),
        ("fat", tube(*FROM_SPINE["aorta"], 14) * np.clip(0.5 * coarse, 0, 1)),
        ("muscle", tube(-10, 26, 6)),
        ("venous_blood", _inside(10 - np.hypot(0.8 * (x - 26), y - 24)) * low),
        ("blood", tube(*FROM_SPINE["aorta"], 10.5)),
    ]
    picture[near] = _layered(picture[near], signal, layers)


def _ridge(field: np.ndarray, width: np.ndarray | float) -> np.ndarray:
    """1 on the lines where a random field crosses 0: a net of thin branches."""
    return np.clip(1 - np.abs(field) / np.float32(width), 0, 1)


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
