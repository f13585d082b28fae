"""Does the heart beat as the patient's own does? Curves and motion numbers of every arm against true cines."""

from collections.abc import Callable, Collection
from pathlib import Path

import numpy as np

from cohort.beat import NUMBERS
from cohort.beat_clock import SHORTEST_SYSTOLE, frame_times, place_of
from models.heart_motion import HeartMotion

from .agreement import NOTHING_TO_KEEP, r_squared, r_squared_of_many
from .arms import ALONE, ANOTHER, CONTROL_SAMPLES
from .bootstrap import with_intervals
from .heart_rate import by_heart_rate
from .motion_study import REAL, SEGMENTED, MeasuredMotion, MotionStudy
from .plots import motion_curves

DRAWS = 200  # of the bootstrap
JUDGED = tuple(name for name in NUMBERS if not name.startswith("peak_") or name in ("peak_ejection", "peak_filling"))


def motion_report(moving: MotionStudy, controls: Collection[str], work: Path) -> tuple[dict, bytes]:
    """The report of motion of a study whose arms were measured, and curves of a few people as PNG."""
    real, own = (moving.measurements(arm, work) for arm in (REAL, "generated"))
    arms = {"generated": own} | {arm: moving.measurements(arm, work) for arm in (*controls, SEGMENTED)}
    numbers = motion_numbers(real, arms, moving.ceiling, moving.study.pipeline.motion, moving.rr_s)
    return numbers, motion_curves(real.inside[:, 0], own.inside, moving.study.names)


def motion_numbers(
    real: MeasuredMotion,
    arms: dict[str, MeasuredMotion],
    ceiling: dict[str, np.ndarray],
    motion: HeartMotion,
    rr_s: np.ndarray | None = None,
) -> dict:
    """The report of motion: curve, numbers and closure.

    Args:
        real: n true cines, one heart each. arms: of the same people; "generated", any controls, and SEGMENTED.
        ceiling: {motion number: (n,)} regressed from the same ECG and person; empty where there is none.
        motion: whose curve the ceiling's numbers mean.
        rr_s: (n,) of each ECG, NaN where unknown: what it tells alone stands beside the rest. None: of nobody.
    """
    rr_s = np.full(len(real.inside), np.nan) if rr_s is None else rr_s
    rated = by_heart_rate(real.numbers[:, 0], rr_s)
    truth = real.inside[:, 0]  # (n, frames)
    known = np.isfinite(truth).all(axis=1)
    own, few = arms["generated"], _first(arms["generated"], CONTROL_SAMPLES)
    controls = {name: arm for name, arm in arms.items() if name != "generated"}
    compared = controls.keys() - {SEGMENTED}
    curves = {"generated": own.inside} | ({"own_ecg": few.inside} if compared else {})
    curves |= {name: arm.inside for name, arm in controls.items()}
    curves = {name: _mean(inside) for name, inside in curves.items()}
    if ceiling:
        curves["ceiling"] = curves_of(ceiling, motion, truth.shape[1])
    curves |= {"heart_rate": by_heart_rate(truth, rr_s), "one_curve": one_for_everybody(truth)}
    smooth = np.where(known[:, None], real.closure, np.nan)  # a cine that was gated to end early says nothing of ends
    beating = {"generated": own.closure} | {name: arm.closure for name, arm in controls.items()}
    return {
        "people": len(truth),
        "people_measured": int(known.sum()),
        "samples": own.inside.shape[1],
        "curve_rms": _by_name(curve_rms, curves, truth),
        "numbers": {name: number_report(k, real, own, few, controls, ceiling, rated[:, k]) for name, k in _judged()},
        "closure": _by_name(closure_ratio, beating, smooth),
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
    rated: np.ndarray,
) -> dict[str, float]:
    """R2 of number k of NUMBERS, with intervals: by the mean of the samples, of very many, of ceiling and controls.

    heart_rate: R2 of `rated` (n,), what the heart rate alone foretells.
    kept: R2 of very many as a share of the ceiling's; NaN where the ceiling explains next to nothing.
    <control>_of_many: that of very many of the control's hearts. another_less_person: R2 of very many with another's
    ECG, less that of the person alone; its interval is paired.
    """
    truth, samples = real.numbers[:, 0, k], own.numbers[:, :, k]
    regressed = ceiling.get(NUMBERS[k])
    others = {"own_ecg": few, **controls} if controls.keys() - {SEGMENTED} else controls

    def scores(
        truth: np.ndarray, samples: np.ndarray, told: np.ndarray, rated: np.ndarray, *others_samples: np.ndarray
    ) -> dict:
        report = _r2(samples, truth)
        if (known := np.isfinite(truth) & np.isfinite(rated)).any():
            report["heart_rate"] = r_squared(rated[known], truth[known])
        if regressed is not None:
            known = np.isfinite(truth)
            most = report["ceiling"] = r_squared(told[known], truth[known])
            report["kept"] = report["of_many"] / most if most > NOTHING_TO_KEEP else float("nan")
        for name, drawn in zip(others, others_samples, strict=True):
            r2 = _r2(drawn, truth)
            report |= {name: r2["generated"]} | ({f"{name}_of_many": r2["of_many"]} if drawn.shape[1] > 1 else {})
        if {ANOTHER, ALONE} <= others.keys():
            report["another_less_person"] = report[f"{ANOTHER}_of_many"] - report[f"{ALONE}_of_many"]
        return report

    told = np.full(len(truth), np.nan) if regressed is None else regressed
    given = (truth, samples, told, rated, *(arm.numbers[:, :, k] for arm in others.values()))
    count = int((np.isfinite(truth) & np.isfinite(samples).any(axis=1)).sum())
    return {"n": count} | with_intervals(scores, *given, draws=DRAWS)


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
    r2 = r_squared(np.nanmean(samples, axis=1), truth)
    return {"generated": r2, "of_many": r_squared_of_many(samples, truth)}


def _by_name(measure: Callable[..., float], drawn: dict[str, np.ndarray], true: np.ndarray) -> dict[str, float]:
    """`measure` of each kind of heart against the true ones, with intervals; patients along axis 0 of every array."""

    def measured(true: np.ndarray, *drawn_arrays: np.ndarray) -> dict[str, float]:
        return {name: measure(values, true) for name, values in zip(drawn, drawn_arrays, strict=True)}

    return with_intervals(measured, true, *drawn.values(), draws=DRAWS)


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
