"""Simulated people as numbers to learn from: what their ECG and their person tell, and the truth of their hearts."""

import dataclasses
import functools
from pathlib import Path

import numpy as np
from tqdm import tqdm

from cohort.disk import whole_file
from cohort.preprocessing import ecg_input
from cohort.process_pool import in_pool
from phantom.electrical import MS_PER_SAMPLE, render_ecg
from phantom.heart import NORMS, SCAR_TERRITORIES, Draw, Heart, draw_heart
from phantom.motion import beat_of
from phantom.truth import motion_truth

LEADS = (0, 1, *range(6, 12))  # the eight independent ones
QRS = slice(180, 280, 2)  # of a median beat, samples of 2 ms; the onset is at 200
RECOVERY = slice(280, 460, 6)
SAMPLES = 8 * (50 + 30)  # that many of the features are samples, the first
NORMAL_LIMIT = 1.96  # SDs above the mean of the healthy, where a ventricle is called large or heavy
# Healthy RVEDV per body surface area: mean 85 and 76 mL/m2, SD 14 and 11 (Petersen 2017).
LARGE_RV = {"male": 85 + NORMAL_LIMIT * 14, "female": 76 + NORMAL_LIMIT * 11}
RATE = "heart rate"
BLOCK = 100  # people a file
MOVING = 10_000  # people of a cohort whose motion is told, too; it takes as long as their ECG
TRUTH = "truth "  # before the names of what is to be told


@dataclasses.dataclass(frozen=True)
class People:
    """Arrays of N people. Attributes: ecg (N, F), person (N, 5), truth: name -> (N,); NaN where it does not apply."""

    ecg: np.ndarray
    person: np.ndarray
    truth: dict[str, np.ndarray]

    def first(self, count: int) -> "People":
        """The first `count` of them."""
        truth = {name: values[:count] for name, values in self.truth.items()}
        return People(self.ecg[:count], self.person[:count], truth)


def together(first: People, second: People) -> People:
    """All of both, in this order."""
    truth = {name: np.concatenate([values, second.truth[name]]) for name, values in first.truth.items()}
    return People(np.concatenate([first.ecg, second.ecg]), np.concatenate([first.person, second.person]), truth)


def people(seed: int, count: int, draw: Draw, processes: int, kept: Path) -> People:
    """The first `count` people of a cohort, kept by the hundred in the folder `kept`. Only missing ones are drawn."""
    blocks = _drawn(seed, count, draw, processes, kept)
    ecg, person = (_joined(blocks, name, count) for name in ("ecg", "person"))
    with np.load(blocks[0], allow_pickle=False) as arrays:
        names = [key for key in arrays if key.startswith(TRUTH)]
    return People(ecg, person, {name.removeprefix(TRUTH): _joined(blocks, name, count) for name in names})


def strips(seed: int, count: int, draw: Draw, processes: int, kept: Path) -> np.ndarray:
    """(count, 12, 2500) float16 mV: their ten seconds as the product's networks see them, at 250 Hz."""
    return _joined(_drawn(seed, count, draw, processes, kept), "strip", count)


def _drawn(seed: int, count: int, draw: Draw, processes: int, kept: Path) -> list[Path]:
    """The files that hold the first `count` people, drawn where they are missing. A run that was cut short goes on."""
    name = "-".join(str(value) for value in (seed, *dataclasses.astuple(draw)))
    paths = [kept / f"people-{name}" / f"{first:06d}.npz" for first in range(0, count, BLOCK)]
    missing = [(path, number * BLOCK) for number, path in enumerate(paths) if not path.exists()]
    if missing:
        paths[0].parent.mkdir(parents=True, exist_ok=True)
        indices = [first + k for _, first in missing for k in range(BLOCK)]
        rows = in_pool(functools.partial(_numbers, seed, draw), indices, processes, 25)
        rows = iter(tqdm(rows, total=len(indices), desc=f"drawing {name}"))
        for path, _ in missing:
            _keep(path, [next(rows) for _ in range(BLOCK)])
    return paths


def _keep(path: Path, rows: list[tuple]) -> None:
    ecg, strip, person, truth = zip(*rows, strict=True)
    columns = {TRUTH + key: np.array([row[key] for row in truth]) for key in truth[0]}
    arrays = {"ecg": np.array(ecg, np.float32), "person": np.array(person, np.float32), "strip": np.array(strip)}
    with whole_file(path) as unfinished, unfinished.open("wb") as file:
        np.savez(file, **arrays, **columns)


def _joined(paths: list[Path], name: str, count: int) -> np.ndarray:
    """(count, ...): one array of all files, read without the others."""
    parts = []
    for path in paths:
        with np.load(path, allow_pickle=False) as arrays:
            parts.append(arrays[name])
    return np.concatenate(parts)[:count]


def _numbers(seed: int, draw: Draw, index: int) -> tuple[np.ndarray, np.ndarray, tuple, dict[str, float]]:
    heart = draw_heart(seed, index, draw)
    rendered = render_ecg(heart)
    person = (float(heart.sex == "male"), heart.age_years, heart.height_cm, heart.weight_kg, heart.bmi)
    features = ecg_features(rendered.medians, rendered.ecg.signal, heart.heart_rate_bpm)
    return features, ecg_input(rendered.ecg)[0].astype(np.float16), person, truth_of(heart, index < MOVING)


def ecg_features(medians: np.ndarray, signal: np.ndarray, rate_bpm: float) -> np.ndarray:
    """(F,) of a median beat (12, 600) mV and its strip (12, 5000) mV: samples, and what a reader measures.

    The rate is the one true number among them; counting R waves gives it as well.
    """
    beat = medians[list(LEADS)].astype(float)
    qrs, recovery = beat[:, QRS], beat[:, RECOVERY]
    high, low = qrs.max(axis=1), -qrs.min(axis=1)
    steep = np.abs(np.diff(beat[:, 190:290], axis=1)).max(axis=1)
    energy = np.sqrt((beat[:, 190:300] ** 2).sum(axis=0))
    wide = np.flatnonzero(energy > 0.12 * energy.max())
    t = beat[:, 300:480]
    t_peak = t[np.arange(8), np.abs(t).argmax(axis=1)]
    t_energy = np.sqrt((t**2).sum(axis=0))
    after = np.flatnonzero(t_energy > 0.2 * t_energy.max())
    numbers = [
        np.log(high + 0.05), np.log(low + 0.05), np.log(steep + 0.005), t_peak, t_peak / (high + low + 0.1),
        [MS_PER_SAMPLE * np.ptp(wide), MS_PER_SAMPLE * (110 + after[-1]), MS_PER_SAMPLE * (110 + t_energy.argmax())],
        [rate_bpm, np.log(signal.std()), np.arctan2(*qrs[:2].sum(axis=1)[::-1]), sokolow_lyon(medians)],
        beat[:, 100:195:8].ravel(),
    ]  # fmt: skip
    return np.concatenate([qrs.ravel(), recovery.ravel(), *numbers])


def sokolow_lyon(medians: np.ndarray) -> float:
    """mV: S in V1 and the larger R of V5 and V6, of a median beat (12, 600)."""
    qrs = medians[:, 190:300]
    return float(-qrs[6].min() + max(qrs[10].max(), qrs[11].max()))


def truth_of(heart: Heart, moving: bool = True) -> dict[str, float]:
    """What is to be told: phenotypes, diseases as 0 and 1, and the motion (NaN unless `moving`)."""
    norms = NORMS[heart.sex]
    heavy = norms.lv_mass_index * np.exp(NORMAL_LIMIT * norms.lv_mass_log_sd)
    territory = SCAR_TERRITORIES.index(heart.scar_territory) if heart.scar_territory else np.nan
    return {
        "LV mass": heart.lv_mass_g,
        "LVEDV": heart.lvedv_ml,
        "LVESV": heart.lvesv_ml,
        "RVEDV": heart.rvedv_ml,
        "RVESV": heart.rvesv_ml,
        "body surface": heart.bsa_m2,
        "LVEF": heart.lvef_percent,
        "LVEF, normals": heart.lvef_percent if heart.condition == "normal" else np.nan,
        "EF < 50": float(heart.lvef_percent < 50),
        "RV overload": float(heart.condition == "rv_overload"),
        "RV dilation": float(heart.rvedv_ml / heart.bsa_m2 > LARGE_RV[heart.sex]),
        "infarct": float(heart.scar_territory is not None),
        "LVH": float(heart.lv_mass_g / heart.bsa_m2 > heavy),
        "hypertrophic": float(heart.condition == "hcm"),
        "territory": float(territory),
        "atrial share": heart.atrial_share if heart.rhythm == "sinus" else np.nan,
        **_motion(heart, moving),
        RATE: heart.heart_rate_bpm,
    }


def _motion(heart: Heart, moving: bool) -> dict[str, float]:
    if not moving:
        return dict.fromkeys(("ES time", "peak filling rate", "dyssynchrony", "opening"), np.nan)
    beat = motion_truth(heart)
    return {
        "ES time": beat["ES_ms"],
        "peak filling rate": beat["peak_filling_ml_s"],
        "dyssynchrony": beat["dyssynchrony_ms"],
        "opening": beat_of(heart).lv.opening_ms,
    }
