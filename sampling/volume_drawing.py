"""The volumes over a beat as lines of a page, in the units of its drawing."""

from dataclasses import dataclass

import numpy as np

from .true_heart import heart_of_numbers

WIDTH, HEIGHT = 640, 300
LEFT, RIGHT, TOP, BOTTOM = 56, 20, 26, 40  # margins
TICKS = 5


@dataclass(frozen=True)
class VolumeLine:
    """One ventricle of one heart, as SVG paths.

    Attributes:
        name: of the ventricle. line: sample 1's, or the true heart's. band: of the samples, empty of a single sample
            and of the true heart. which: what the band is, in words. whose: the line is, in words.
    """

    name: str
    line: str
    band: str = ""
    which: str = ""
    whose: str = "sample 1"
    is_true: bool = False


@dataclass(frozen=True)
class VolumeDrawing:
    """Lines, and (place, words) of the ticks of both axes, within a box. es_x: where ES lies, or None."""

    lines: list[VolumeLine]
    x_ticks: list[tuple[float, str]]
    y_ticks: list[tuple[float, str]]
    x_title: str
    es_x: float | None
    width: int = WIDTH
    height: int = HEIGHT
    left: int = LEFT
    right: int = WIDTH - RIGHT
    top: int = TOP
    bottom: int = HEIGHT - BOTTOM

    def x_of(self, share: float) -> float:
        """Where a share of the beat lies."""
        return LEFT + share * (WIDTH - LEFT - RIGHT)


def volume_drawing(motion: dict | None, rr_ms: float | None, true: dict | None = None) -> VolumeDrawing | None:
    """Draw what heart.json says of the motion; None of hearts that do not beat, or that nobody measured.

    Args:
        motion: "motion" of heart.json. rr_ms: of the beat; None where unknown, and then the axis is the beat's share.
        true: "true_heart" of heart.json, whose lines lie over the others; without volumes it has none.
    """
    if not motion or "lv_ml" not in motion["samples"][0]:
        return None
    first = motion["samples"][0]
    volumes = {"LV": first["lv_ml"], "RV": first["rv_ml"]}
    bands = {"LV": motion["lv_band_ml"], "RV": motion["rv_band_ml"]}
    own = {"LV": (true or {}).get("lv_ml"), "RV": (true or {}).get("rv_ml")}
    own = {name: values for name, values in own.items() if values}
    highest = [*volumes.values(), *own.values(), *(b["high"] for b in bands.values() if b)]
    largest = max(max(values) for values in highest)
    step = _round_step(max(largest, 1) / TICKS)
    most = step * np.ceil(max(largest, 1) / step)

    def y_of(millilitres: float) -> float:
        return HEIGHT - BOTTOM - millilitres / most * (HEIGHT - TOP - BOTTOM)

    def points(values: list[float]) -> list[str]:
        closed = [*values, values[0]]
        wide = WIDTH - LEFT - RIGHT
        return [f"{LEFT + k / len(values) * wide:.1f},{y_of(value):.1f}" for k, value in enumerate(closed)]

    lines = []
    for name, values in volumes.items():
        band = bands[name]
        area = f"M{' '.join(points(band['high']))} {' '.join(reversed(points(band['low'])))}Z" if band else ""
        lines.append(VolumeLine(name, f"M{' '.join(points(values))}", area, band["which"] if band else ""))
    for name, values in own.items():
        lines.append(
            VolumeLine(
                name,
                f"M{' '.join(points(values))}",
                whose=heart_of_numbers(true.get("volumes_measured_by")),
                is_true=True,
            )
        )
    length = rr_ms or 100
    moments = np.arange(0, length * (1 + 1e-9), _round_step(length / TICKS))
    x_ticks = [(LEFT + moment / length * (WIDTH - LEFT - RIGHT), f"{moment:.0f}") for moment in moments]
    y_ticks = [(y_of(value), f"{value:g}") for value in np.arange(0, most + step / 2, step)]
    es_share = (first.get("measured") or first["drawn"])["ES_share"]
    es_x = None if es_share is None else LEFT + es_share * (WIDTH - LEFT - RIGHT)
    title = "ms from ED" if rr_ms else "% of the beat, whose length is unknown"
    return VolumeDrawing(lines, x_ticks, y_ticks, title, es_x)


def _round_step(step: float) -> float:
    """The next step of 1, 2 or 5 times a power of ten."""
    power = 10 ** np.floor(np.log10(step))
    return float(next(factor * power for factor in (1, 2, 5, 10) if factor * power >= step))
