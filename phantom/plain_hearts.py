"""Plain hearts: bodies of even outline and even tissue, drawn by a few formulas. They share no code with the phantom.

Nothing is learned from them. A segmenter that learns from the phantom's shapes and contrast is watched on them.
The cavity is half an ellipsoid with two papillary muscles, the RV a tapered body beside it. Round them lie ellipses.
"""

from collections.abc import Sequence

import numpy as np
from scipy import ndimage

from cohort.cine import Label
from cohort.heart_grid import GridGeometry, canonical_affine
from phantom.scanner import Scan

GEOMETRY = GridGeometry(height=192, width=192)  # of a slice
SHARPEST, WIDEST = 0.45, 1.0  # SD of the blur in pixels
BEYOND = 2  # slices above the base, and below the apex
SLAB = (-3.0, 0.0, 3.0)  # mm from a slice's middle, where its content is painted
BLOOD = 330.0  # in stored units
Shape = dict[str, float]


def plain_scan(rng: np.random.Generator, moments: Sequence[float | str]) -> Scan:
    """Draw a heart and image its short axis.

    Args:
        moments: shares of the cycle, 0 = end-diastole; "es" stands for end-systole.

    Returns:
        slices from base to apex, 10 mm apart; labels as `Scan` has them.
    """
    heart, around, level = _drawn_shape(rng), _surroundings(rng), _levels(rng)
    step = GEOMETRY.slice_step_mm
    slices = BEYOND + int(np.ceil(heart["length"] / step)) + BEYOND
    depths = (np.arange(slices) - BEYOND + 0.5) * step  # mm from the base towards the apex
    blur, noise, slope = rng.uniform(SHARPEST, WIDEST), rng.uniform(0.01, 0.04) * BLOOD, rng.normal(0, 0.0015, 2)
    y, x = (np.indices((GEOMETRY.height, GEOMETRY.width)) - (GEOMETRY.width - 1) / 2) * GEOMETRY.pixel_mm
    voxels = np.empty((slices, GEOMETRY.height, GEOMETRY.width, len(moments)), np.int16)
    labels = np.zeros(voxels.shape, np.uint8)
    still = _painted_around(around, x, y, level)
    for t, moment in enumerate(moments):
        beating = _contracted(heart, _contraction(moment))
        for z, depth in enumerate(depths):
            painted = [_with_heart(still, beating, x, y, depth + off, level) for off in SLAB]
            picture = ndimage.gaussian_filter(np.mean([p for p, _ in painted], axis=0), blur)
            picture *= 1 + slope[0] * x + slope[1] * y
            real, imaginary = rng.normal(0, noise, (2, *picture.shape))
            voxels[z, ..., t] = np.rint(np.hypot(picture + real, imaginary))
            labels[z, ..., t] = painted[SLAB.index(0.0)][1]
    geometry = GridGeometry(slices=slices, height=GEOMETRY.height, width=GEOMETRY.width)
    times = tuple(0.35 if moment == "es" else float(moment) for moment in moments)
    shape = (2, 1, 0, 3)  # (column, row, slice, moment), as the affine has them
    return Scan(voxels.transpose(shape), labels.transpose(shape), canonical_affine(geometry), times)


def _contraction(moment: float | str) -> float:
    """0 at end-diastole, 1 at end-systole, after a third of the cycle."""
    return 1.0 if moment == "es" else float(np.sin(np.pi * min(1.0, moment / 0.7)) ** 2)


def _drawn_shape(rng: np.random.Generator) -> Shape:
    """Millimetres at end-diastole, and shares."""
    return {
        "length": rng.uniform(70, 100),
        "radius": rng.uniform(19, 30),
        "oval": rng.uniform(0.9, 1.1),
        "wall": rng.uniform(5.5, 12),
        "rv": rng.uniform(24, 38),
        "rv_away": rng.uniform(0.95, 1.25),
        "rv_length": rng.uniform(0.65, 0.9),
        "rv_at": np.radians(rng.normal(10, 12)),
        "papillary": rng.uniform(0.1, 0.25),  # of the cavity's radius
        "squeezed": rng.uniform(0.55, 0.8),  # the cavity's radius at end-systole
        "shortened": rng.uniform(0.84, 0.92),
    }


def _contracted(heart: Shape, share: float) -> Shape:
    """The heart after a share of its contraction. Its muscle keeps the area of the widest ring."""
    squeezed, shortened = (1 - share * (1 - heart[name]) for name in ("squeezed", "shortened"))
    radius = heart["radius"] * squeezed
    outer = np.sqrt((heart["radius"] + heart["wall"]) ** 2 - heart["radius"] ** 2 + radius**2)
    moved = {"radius": radius, "wall": outer - radius, "rv": heart["rv"] * (1 + squeezed) / 2}
    return heart | moved | {"length": heart["length"] * shortened, "base": heart["length"] * (1 - shortened)}


def _surroundings(rng: np.random.Generator) -> list[tuple[str, np.ndarray]]:
    """(tissue, (x, y, half axis, half axis, turn)) from back to front: chest, lungs, liver, and some of no name."""
    bodies = [("fat", (0, 0, 120, 125, 0)), ("muscle", (0, 0, 105, 110, 0)), ("lung", (0, 10, 92, 95, 0))]
    bodies += [("fat", (-14, 0, rng.uniform(60, 72), rng.uniform(42, 52), rng.normal(0, 0.3)))]
    bodies += [("liver", (rng.uniform(-70, -20), rng.uniform(75, 100), rng.uniform(50, 80), 45, rng.normal(0, 0.3)))]
    for _ in range(rng.integers(3, 8)):
        angle, away = rng.uniform(0, 2 * np.pi), rng.uniform(65, 110)
        size = (*rng.uniform(4, 22, 2), rng.uniform(0, np.pi))
        bodies.append(
            (str(rng.choice(["blood", "muscle", "fat"])), (away * np.cos(angle), away * np.sin(angle), *size))
        )
    return [(tissue, np.asarray(body, float)) for tissue, body in bodies]


def _levels(rng: np.random.Generator) -> dict[str, float]:
    """Stored units of each tissue."""
    ranges = {
        "blood": (1.0, 1.0),
        "venous": (0.85, 1.1),
        "muscle": (0.18, 0.42),
        "fat": (0.5, 1.2),
        "lung": (0.02, 0.12),
        "liver": (0.2, 0.6),
    }
    return {tissue: BLOOD * float(rng.uniform(*ends)) for tissue, ends in ranges.items()}


def _painted_around(bodies: list, x: np.ndarray, y: np.ndarray, level: dict[str, float]) -> np.ndarray:
    picture = np.zeros(x.shape)
    for tissue, (at_x, at_y, one, other, turn) in bodies:
        along = (x - at_x) * np.cos(turn) + (y - at_y) * np.sin(turn)
        across = (y - at_y) * np.cos(turn) - (x - at_x) * np.sin(turn)
        picture[(along / one) ** 2 + (across / other) ** 2 < 1] = level[tissue]
    return picture


def _with_heart(
    still: np.ndarray, heart: Shape, x: np.ndarray, y: np.ndarray, depth: float, level: dict[str, float]
) -> tuple[np.ndarray, np.ndarray]:
    """The picture and the labels of a plane, `depth` mm from where the base is at end-diastole."""
    picture, labels = still.copy(), np.zeros(still.shape, np.uint8)
    below = depth - heart["base"]
    from_lv = np.hypot(x * heart["oval"], y / heart["oval"])
    outer = heart["radius"] + heart["wall"]
    away = heart["rv_away"] * outer
    from_rv = np.hypot(x + away * np.cos(heart["rv_at"]), y + away * np.sin(heart["rv_at"]))
    if below < 0:  # the atria, and no ventricle
        picture[from_rv < 0.7 * heart["rv"]] = level["venous"]
        picture[from_lv < 0.8 * outer] = level["blood"]
        return picture, labels
    rv = heart["rv"] * _tapered(below, heart["rv_length"] * heart["length"])
    inner = heart["radius"] * _tapered(below, heart["length"])
    epicardium = outer * _tapered(below, heart["length"] + heart["wall"])
    if rv:
        picture[from_rv < rv + 3] = level["muscle"]
    for where, tissue, label in (
        (from_rv < rv, "venous", Label.RV_CAVITY),
        (from_lv < epicardium, "muscle", Label.LV_MYOCARDIUM),
        (from_lv < inner, "blood", Label.LV_CAVITY),
    ):
        picture[where], labels[where] = level[tissue], label
    for side in (-1, 1):  # papillary muscles, which belong to the cavity
        strand = np.hypot(x - 0.45 * inner, y - side * 0.45 * inner) < heart["papillary"] * inner
        picture[strand & (from_lv < inner)] = level["muscle"]
    return picture, labels


def _tapered(below: float, length: float) -> float:
    """The share of its widest radius that half an ellipsoid has so far below its base."""
    return float(np.sqrt(max(0.0, 1 - (below / length) ** 2)))
