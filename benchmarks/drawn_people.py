"""Simulated people as numbers to learn from: what their ECG and their person tell, and the truth of their hearts."""

import dataclasses
import functools
from pathlib import Path

import numpy as np
from tqdm import tqdm

from cohort.disk import whole_file
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
RATE = "heart rate"


@dataclasses.dataclass(frozen=True)
class People:
    """Arrays of N people. Attributes: ecg (N, F), person (N, 5), truth: name -> (N,); NaN where it does not apply."""

    ecg: np.ndarray
    person: np.ndarray
    truth: dict[str, np.ndarray]


def people(seed: int, count: int, draw: Draw, processes: int, kept: Path) -> People:
    """The first `count` people of a cohort; what an earlier run rendered is read from the folder `kept`."""
    name = "-".join(str(value) for value in (seed, count, *dataclasses.astuple(draw)))
    path = kept / f"people-{name}.npz"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        job = functools.partial(_numbers, seed, draw)
        rows = list(tqdm(in_pool(job, range(count), processes, 25), total=count, desc=f"drawing {name}"))
        ecg, person, truth = zip(*rows, strict=True)
        columns = {f"truth {key}": np.array([row[key] for row in truth]) for key in truth[0]}
        with whole_file(path) as unfinished, unfinished.open("wb") as file:
            np.savez(file, ecg=np.array(ecg, np.float32), person=np.array(person, np.float32), **columns)
    with np.load(path, allow_pickle=False) as arrays:
        truth = {key.removeprefix("truth "): arrays[key] for key in arrays if key.startswith("truth ")}
        return People(arrays["ecg"], arrays["person"], truth)


def _numbers(seed: int, draw: Draw, index: int) -> tuple[np.ndarray, tuple, dict[str, float]]:
    heart = draw_heart(seed, index, draw)
    rendered = render_ecg(heart)
    person = (float(heart.sex == "male"), heart.age_years, heart.height_cm, heart.weight_kg, heart.bmi)
    return ecg_features(rendered.medians, rendered.ecg.signal, heart.heart_rate_bpm), person, truth_of(heart)


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


def truth_of(heart: Heart) -> dict[str, float]:
    """What is to be told: phenotypes, diseases as 0 and 1, and the motion."""
    norms, beat = NORMS[heart.sex], motion_truth(heart)
    heavy = norms.lv_mass_index * np.exp(NORMAL_LIMIT * norms.lv_mass_log_sd)
    # Healthy RVEDV per body surface area: mean 85 and 76 mL/m2, SD 14 and 11 (Petersen 2017).
    large = {"male": 85 + NORMAL_LIMIT * 14, "female": 76 + NORMAL_LIMIT * 11}[heart.sex]
    territory = SCAR_TERRITORIES.index(heart.scar_territory) if heart.scar_territory else np.nan
    return {
        "LV mass": heart.lv_mass_g,
        "LVEDV": heart.lvedv_ml,
        "LVESV": heart.lvesv_ml,
        "RVEDV": heart.rvedv_ml,
        "LVEF": heart.lvef_percent,
        "LVEF, normals": heart.lvef_percent if heart.condition == "normal" else np.nan,
        "EF < 50": float(heart.lvef_percent < 50),
        "RV overload": float(heart.condition == "rv_overload"),
        "RV dilation": float(heart.rvedv_ml / heart.bsa_m2 > large),
        "infarct": float(heart.scar_territory is not None),
        "LVH": float(heart.lv_mass_g / heart.bsa_m2 > heavy),
        "hypertrophic": float(heart.condition == "hcm"),
        "territory": float(territory),
        "ES time": beat["ES_ms"],
        "peak filling rate": beat["peak_filling_ml_s"],
        "dyssynchrony": beat["dyssynchrony_ms"],
        "atrial share": heart.atrial_share if heart.rhythm == "sinus" else np.nan,
        "opening": beat_of(heart).lv.opening_ms,
        RATE: heart.heart_rate_bpm,
    }
