"""What a reader measures on an ECG: waves, intervals, axis and the voltage criteria of hypertrophy."""

import numpy as np

from cohort.leads import ECG, LEADS
from cohort.preprocessing import ecg_input
from cohort.quality import BEAT_HZ
from cohort.rhythm import strip_beats

MEASURED_LEADS = ("I", "II", "V1", "V2", "V3", "V4", "V5", "V6")  # the others follow from these
BEFORE_S, AFTER_S = 0.28, 0.50  # of a beat about its R peak
LEVEL_S = (-0.10, -0.07)  # the level from which waves count, before the QRS
QRS_S, T_S = (-0.07, 0.09), (0.12, 0.44)
QRS_SHARE, T_SHARE = 0.12, 0.2  # of the greatest energy; below it, a wave has not begun or is over
MEASURES = (
    *(f"{wave} {lead}" for wave in ("R", "S", "T") for lead in MEASURED_LEADS),
    *("QRS", "T end", "RR", "irregular", "ectopic", "axis sine", "axis cosine", "Sokolow-Lyon", "Cornell"),
)


def ecg_measures(signal: np.ndarray, lead_mask: np.ndarray, sampling_rate: float) -> np.ndarray:
    """(len(MEASURES),) of the median beat: mV; "QRS", "T end" after the R peak and "RR" in s.

    "irregular" is 1 in fibrillation, "ectopic" a share of beats. NaN where a lead is absent, or no beats are found.

    Args:
        signal: (12, T) mV, as a network is given it. lead_mask: (12,) False where a lead is absent.
    """
    told = dict.fromkeys(MEASURES, np.nan)
    strip = ECG(np.where(lead_mask[:, None], signal, np.nan).astype(np.float32), sampling_rate)
    beats = strip_beats(strip)
    beat = None if beats is None else _median_beat(ecg_input(strip, BEAT_HZ)[0], beats.peaks[beats.sinus])
    if beat is None:
        return np.array(list(told.values()))
    high, low = (wave(_part(beat, QRS_S), axis=1) for wave in (np.max, np.min))
    recovery = _part(beat, T_S)
    t = recovery[np.arange(12), np.abs(recovery).argmax(axis=1)]
    waves = {"R": high, "S": -low, "T": t}
    waves = {name: np.where(lead_mask, values, np.nan) for name, values in waves.items()}
    for name, values in waves.items():
        told |= {f"{name} {lead}": values[LEADS.index(lead)] for lead in MEASURED_LEADS}
    qrs, over = _above(_part(beat, QRS_S), QRS_SHARE), _above(recovery, T_SHARE)
    told |= {"QRS": np.ptp(qrs) / BEAT_HZ, "T end": T_S[0] + over[-1] / BEAT_HZ}
    told |= {"RR": float(np.median(beats.intervals_s)), "irregular": float(beats.fibrillates)}
    told |= {"ectopic": float((~beats.sinus).mean())}
    net = {lead: _part(beat, QRS_S)[LEADS.index(lead)].sum() for lead in ("I", "aVF")}
    if lead_mask[[LEADS.index("I"), LEADS.index("aVF")]].all():
        axis = np.arctan2(net["aVF"], net["I"])
        told |= {"axis sine": np.sin(axis), "axis cosine": np.cos(axis)}
    of = {name: dict(zip(LEADS, values, strict=True)) for name, values in waves.items()}
    told["Sokolow-Lyon"] = of["S"]["V1"] + np.maximum(of["R"]["V5"], of["R"]["V6"])
    told["Cornell"] = of["R"]["aVL"] + of["S"]["V3"]
    return np.array(list(told.values()), dtype=float)


def measures_of(signals: np.ndarray, lead_masks: np.ndarray, sampling_rate: float) -> np.ndarray:
    """(n, len(MEASURES)) of n people: signals (n, 12, T) mV, lead_masks (n, 12)."""
    pairs = zip(signals, lead_masks, strict=True)
    rows = [ecg_measures(np.asarray(signal, dtype=float), mask, sampling_rate) for signal, mask in pairs]
    return np.array(rows).reshape(-1, len(MEASURES))


def _median_beat(signal: np.ndarray, peaks: np.ndarray) -> np.ndarray | None:
    """(12, samples) at BEAT_HZ about the R peak; None where no beat is whole."""
    before, after = (round(seconds * BEAT_HZ) for seconds in (BEFORE_S, AFTER_S))
    whole = peaks[(peaks >= before) & (peaks + after <= signal.shape[1])]
    if not len(whole):
        return None
    beat = np.median([signal[:, peak - before : peak + after] for peak in whole], axis=0)
    return beat - _part(beat, LEVEL_S).mean(axis=1, keepdims=True)


def _part(beat: np.ndarray, span_s: tuple[float, float]) -> np.ndarray:
    """What of a median beat lies so many seconds about its R peak."""
    first, last = (round((BEFORE_S + end) * BEAT_HZ) for end in span_s)
    return beat[:, first:last]


def _above(part: np.ndarray, share: float) -> np.ndarray:
    """Samples in which the leads together have at least a share of their greatest energy."""
    energy = np.sqrt((part**2).sum(axis=0))
    return np.flatnonzero(energy >= share * energy.max())
