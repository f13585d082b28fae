"""Does the heart beat as the patient's own does? Curves and motion numbers of every arm against true cines."""

import numpy as np

from cohort.beat import NUMBERS
from cohort.beat_clock import SHORTEST_SYSTOLE, frame_times, place_of
from models.heart_motion import HeartMotion

from .agreement import r_squared
from .arms import CONTROL_SAMPLES
from .motion_study import MeasuredMotion

JUDGED = tuple(name for name in NUMBERS if not name.startswith("peak_") or name in ("peak_ejection", "peak_filling"))


def motion_numbers(
    real: MeasuredMotion, arms: dict[str, MeasuredMotion], ceiling: dict[str, np.ndarray], motion: HeartMotion
) -> dict:
    """The report of motion: curve, numbers and closure.

    Args:
        real: n true cines, one heart each. arms: of the same people; "generated" and any controls.
        ceiling: {motion number: (n,)} regressed from the same ECG and person; empty where there is none.
        motion: whose curve the ceiling's numbers mean.
    """
    truth = real.inside[:, 0]  # (n, frames)
    known = np.isfinite(truth).all(axis=1)
    own, few = arms["generated"], _first(arms["generated"], CONTROL_SAMPLES)
    controls = {name: arm for name, arm in arms.items() if name != "generated"}
    curves = {"generated": own.inside} | ({"own_ecg": few.inside} if controls else {})
    curves |= {name: arm.inside for name, arm in controls.items()}
    rms = {name: curve_rms(_mean(inside), truth) for name, inside in curves.items()}
    if ceiling:
        rms["ceiling"] = curve_rms(curves_of(ceiling, motion, truth.shape[1]), truth)
    rms["one_curve"] = curve_rms(one_for_everybody(truth), truth)
    return {
        "people": len(truth),
        "people_measured": int(known.sum()),
        "samples": own.inside.shape[1],
        "curve_rms": rms,
        "numbers": {name: number_report(k, real, own, few, controls, ceiling) for name, k in _judged()},
        "closure": {
            name: closure_ratio(arm.closure, real.closure) for name, arm in ({"generated": own} | controls).items()
        },
    }


def curve_rms(curves: np.ndarray, truth: np.ndarray) -> float:
    """Root mean square difference of curves (n, frames) of the share inside, in % of the stroke volume."""
    return 100 * float(np.sqrt(np.nanmean((curves - truth) ** 2))) if np.isfinite(curves - truth).any() else np.nan


def one_for_everybody(truth: np.ndarray) -> np.ndarray:
    """(n, frames): for each person the mean curve of all others, which knows nothing of the person."""
    known = np.isfinite(truth).all(axis=1)
    total, count = truth[known].sum(axis=0), known.sum()
    others = (total - np.where(known[:, None], truth, 0)) / np.maximum(count - known, 1)[:, None]
    return np.where((count - known)[:, None] > 0, others, np.nan)


def curves_of(numbers: dict[str, np.ndarray], motion: HeartMotion, frames: int) -> np.ndarray:
    """(n, frames) of the share inside that motion numbers mean, {number: (n,)}: what no drawn heart comes between."""
    es = np.clip(numbers["ES_share"], SHORTEST_SYSTOLE, 1 - SHORTEST_SYSTOLE)[:, None]
    place = place_of(frame_times(frames), es) * np.ones((len(es), 1))
    weight = motion.leave.weight
    scores = np.stack([values for name, values in numbers.items() if name.startswith("curve_")], axis=1)
    return motion.share_inside(weight.new_tensor(scores), weight.new_tensor(place)).detach().cpu().numpy()


def number_report(
    k: int,
    real: MeasuredMotion,
    own: MeasuredMotion,
    few: MeasuredMotion,
    controls: dict[str, MeasuredMotion],
    ceiling: dict[str, np.ndarray],
) -> dict[str, float]:
    """R2 of number k of NUMBERS: by the mean of the samples, of very many, of the ceiling and of the controls."""
    truth, samples = real.numbers[:, 0, k], own.numbers[:, :, k]
    report = {"n": int((np.isfinite(truth) & np.isfinite(samples).any(axis=1)).sum()), **_r2(samples, truth)}
    if (regressed := ceiling.get(NUMBERS[k])) is not None:
        known = np.isfinite(truth)
        report["ceiling"] = r_squared(regressed[known], truth[known])
    if controls:
        report["own_ecg"] = _r2(few.numbers[:, :, k], truth)["generated"]
    return report | {name: _r2(arm.numbers[:, :, k], truth)["generated"] for name, arm in controls.items()}


def closure_ratio(drawn: np.ndarray, real: np.ndarray) -> float:
    """Median closure (`motion_study.closure`) of drawn cines over that of true ones: 1 is as smooth."""
    known = [values[np.isfinite(values)] for values in (drawn, real)]
    return float(np.median(known[0]) / np.median(known[1])) if all(map(len, known)) else float("nan")


def _r2(samples: np.ndarray, truth: np.ndarray) -> dict[str, float]:
    """R2 of the mean of (n, m) samples; and of very many, as `agreement.information_kept_of_many` estimates it."""
    known = np.isfinite(truth) & np.isfinite(samples).any(axis=1)
    samples, truth = samples[known], truth[known]
    if not len(truth):
        return {"generated": float("nan"), "of_many": float("nan")}
    r2, spread = r_squared(np.nanmean(samples, axis=1), truth), ((truth - truth.mean()) ** 2).sum()
    counts = np.isfinite(samples).sum(axis=1)
    several = counts > 1
    if not several.any() or not spread > 0:
        return {"generated": r2, "of_many": float("nan")}
    excess = (np.nanvar(samples[several], axis=1, ddof=1) / counts[several]).sum()
    return {"generated": r2, "of_many": float(r2 + excess / spread)}


def _judged() -> list[tuple[str, int]]:
    return [(name, NUMBERS.index(name)) for name in JUDGED]


def _mean(inside: np.ndarray) -> np.ndarray:
    """(n, m, frames) -> (n, frames): of the samples whose beat is known; NaN where none is."""
    known = np.isfinite(inside).all(axis=2, keepdims=True)
    count = known.sum(axis=1)
    total = np.where(known, inside, 0).sum(axis=1)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def _first(arm: MeasuredMotion, samples: int) -> MeasuredMotion:
    return MeasuredMotion(**{name: values[:, :samples] for name, values in vars(arm).items()})
