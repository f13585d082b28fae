"""How far simulated ECGs look like real ones: `python -m phantom.likeness --real FOLDER` prints the table.

Twenty simple features of an ECG, fixed before anything was tuned. The same code measures real and simulated files.
"""

import argparse
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.ndimage import gaussian_filter1d
from scipy.signal import butter, find_peaks, sosfiltfilt, welch

from cohort.ecg import read_ecg
from cohort.errors import InputError, exit_code_of, require_within
from cohort.leads import ECG, LEADS
from cohort.preprocessing import ecg_input
from phantom.electrical import render_ecg
from phantom.heart import draw_heart

RATE_HZ = 500
INDEPENDENT = [0, 1, *range(6, 12)]
BEFORE, AFTER = 150, 250  # samples of a beat about its fiducial point
QRS_REACH = 45  # samples to either side of it within which a QRS complex ends
SLOWEST_HZ = 250.0  # of sampling, below which the features of noise and of notches mean nothing
CONDUCTED = 0.85  # correlation with the median beat below which a beat is another kind of beat
FEATURES = (
    "energy beyond three (log10 %)",
    "QRS (ms)",
    "frontal axis (deg)",
    "R in II (mV)",
    "R in V5 (mV)",
    "S in V1 (mV)",
    "S in V3 (mV)",
    "S in V4 (mV)",
    "S in V5 (mV)",
    "Cornell (mV)",
    "T/R in II",
    "T in V3 (mV)",
    "J in V1-V6 (mV)",
    "ST slope in V1-V6 (mV)",
    "P in II (mV)",
    "beat-to-beat QRS (uV)",
    "CV of R (%)",
    "noise 30-95 Hz (log10 uV)",
    "110-200 against 30-95 Hz (log10)",
    "mains line (log10)",
)


@dataclass(frozen=True)
class MedianBeat:
    """The median conducted beat.

    Attributes:
        beat: (12, 400) mV, the PR segment is zero; the fiducial point is at sample 150.
        beats: (n, 12, 400) mV, those it is the median of.
        onset, offset: samples of the QRS complex in `beat`.
    """

    beat: np.ndarray
    beats: np.ndarray
    onset: int
    offset: int


def features(ecg: ECG) -> np.ndarray:
    """(20,): FEATURES of an ECG of twelve leads.

    Raises:
        ValueError: a lead is absent or flat, the sampling is slow, or there are less than three conducted beats.
    """
    signal, there = ecg_input(ecg, sampling_rate=RATE_HZ)
    if not there.all() or ecg.sampling_rate < SLOWEST_HZ:
        raise ValueError("twelve leads at 250 Hz or more are needed")
    median = median_beat(signal.astype(float))
    return np.array([*_shape(median), *_variation(median), *_disturbance(signal.astype(float), median)])


# ---- The median beat ----


def median_beat(signal: np.ndarray) -> MedianBeat:
    """Of (12, T) mV at 500 Hz."""
    fast = sosfiltfilt(butter(2, (5, 30), "bandpass", fs=RATE_HZ, output="sos"), signal[INDEPENDENT], axis=1)
    energy = gaussian_filter1d((fast**2).sum(axis=0), 10)
    peaks, _ = find_peaks(energy, height=0.25 * np.quantile(energy, 0.985), distance=150)
    peaks = peaks[(peaks > BEFORE + 20) & (peaks < signal.shape[1] - AFTER - 20)]
    if len(peaks) < 3:
        raise ValueError("fewer than three beats were found")
    for _ in range(2):
        template = np.median([fast[:, p - 50 : p + 50] for p in peaks], axis=0)
        fits = np.array([[(fast[:, p + d - 50 : p + d + 50] * template).sum() for d in range(-12, 13)] for p in peaks])
        peaks = np.clip(peaks + fits.argmax(axis=1) - 12, BEFORE, signal.shape[1] - AFTER)
    alike = np.array([np.corrcoef(fast[:, p - 50 : p + 50].ravel(), template.ravel())[0, 1] for p in peaks])
    peaks = peaks[alike > CONDUCTED]
    if len(peaks) < 3:
        raise ValueError("fewer than three beats are alike")
    beats = np.stack([signal[:, p - BEFORE : p + AFTER] for p in peaks])
    onset, offset = _qrs_extent(np.median(beats, axis=0))
    beats = beats - beats[:, :, onset - 8 : onset - 1].mean(axis=2, keepdims=True)
    return MedianBeat(np.median(beats, axis=0), beats, onset, offset)


def _qrs_extent(beat: np.ndarray) -> tuple[int, int]:
    """Where the leads move fast: from a twelfth of the largest speed, or above the noise."""
    speed = np.sqrt((np.gradient(gaussian_filter1d(beat[INDEPENDENT], 2, axis=1), axis=1) ** 2).mean(axis=0))
    speed = gaussian_filter1d(speed, 1.5)
    inner = slice(BEFORE - QRS_REACH, BEFORE + QRS_REACH)
    quiet = np.quantile(speed[BEFORE - 2 * QRS_REACH : BEFORE + 2 * QRS_REACH], 0.25)
    threshold = max(speed[inner].max() / 12, 1.3 * quiet)
    fast = np.flatnonzero(speed[inner] > threshold) + BEFORE - QRS_REACH
    return int(fast[0]), int(fast[-1])


# ---- Features ----


def energy_beyond_three(beat: np.ndarray) -> float:
    """Percent of the energy of (8, T) independent leads that their three largest components leave."""
    strength = np.linalg.svd(beat, compute_uv=False) ** 2
    return float(100 * strength[3:].sum() / strength.sum())


def _shape(median: MedianBeat) -> list[float]:
    qrs = median.beat[:, median.onset : median.offset + 1]
    r, s = qrs.max(axis=1), -qrs.min(axis=1)
    lead = {name: k for k, name in enumerate(LEADS)}
    j = median.offset + 2
    st = median.beat[:, j : j + 30]
    t = median.beat[:, median.offset + 30 :]
    t_ii, t_v3 = (t[lead[name], np.abs(t[lead[name]]).argmax()] for name in ("II", "V3"))
    area_one, area_foot = qrs[lead["I"]].sum(), qrs[lead["aVF"]].sum() * 2 / np.sqrt(3)
    p = median.beat[lead["II"], max(median.onset - 110, 0) : median.onset - 10]
    return [
        np.log10(energy_beyond_three(qrs[INDEPENDENT])),
        (median.offset - median.onset) * 1000 / RATE_HZ,
        np.degrees(np.arctan2(area_foot, area_one)),
        r[lead["II"]],
        r[lead["V5"]],
        s[lead["V1"]],
        s[lead["V3"]],
        s[lead["V4"]],
        s[lead["V5"]],
        r[lead["aVL"]] + s[lead["V3"]],
        t_ii / max(r[lead["II"]], 0.1),
        t_v3,
        np.abs(st[6:, :5]).mean(),
        (st[6:, 25:].mean(axis=1) - st[6:, :5].mean(axis=1)).mean(),
        p.max() - np.median(p[:10]),
    ]


def _variation(median: MedianBeat) -> list[float]:
    inner = slice(median.onset, median.offset + 1)
    apart = median.beats[:, INDEPENDENT, inner] - median.beat[INDEPENDENT, inner]
    tallest = INDEPENDENT[int(np.argmax(median.beat[INDEPENDENT, inner].max(axis=1)))]
    peaks = median.beats[:, tallest, inner].max(axis=1)
    return [1000 * np.sqrt((apart**2).mean()), 100 * peaks.std() / peaks.mean()]


def _disturbance(signal: np.ndarray, median: MedianBeat) -> list[float]:
    """Of the quarter of the time in which the heart moves the leads least."""
    hz, power = _quiet_spectrum(signal)
    low, high = (power[(hz >= a) & (hz <= b)].mean() for a, b in ((30, 95), (110, 200)))
    line = max(_line(hz, power, mains) for mains in (50, 60))
    muscle = power[(hz >= 30) & (hz <= 95) & (np.abs(hz - 50) > 3) & (np.abs(hz - 60) > 3)].mean()
    return [0.5 * np.log10(muscle * 65) + 3, np.log10(high / low), np.log10(line)]


def _quiet_spectrum(signal: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Hz and mV2 per Hz: the median over short pieces, which QRS complexes do not reach, and the mean of leads."""
    leads = signal[INDEPENDENT]
    pieces = leads[:, : leads.shape[1] // 100 * 100].reshape(len(leads), -1, 100)
    hz, power = welch(pieces, RATE_HZ, nperseg=100, detrend="linear", axis=2)
    return hz, np.quantile(power.mean(axis=0), 0.3, axis=0)


def _line(hz: np.ndarray, power: np.ndarray, mains: float) -> float:
    beside = (np.abs(hz - mains) > 7) & (np.abs(hz - mains) < 18)
    return float(power[np.argmin(np.abs(hz - mains))] / np.median(power[beside]))


# ---- The comparison ----


def auc(real: np.ndarray, phantom: np.ndarray) -> float:
    """Chance that a phantom's value exceeds a real one's, ties counting half: 0.5 where nothing tells them apart."""
    above = (phantom[:, None] > real[None]).mean()
    return float(above + 0.5 * (phantom[:, None] == real[None]).mean())


def folded_auc(real: np.ndarray, phantom: np.ndarray) -> float:
    """`auc` in whichever direction tells more."""
    found = auc(real, phantom)
    return max(found, 1 - found)


def interval(real: np.ndarray, phantom: np.ndarray, draws: int = 500) -> tuple[float, float]:
    """95 % of the bootstrap of `auc`, both groups drawn again; real ECGs are few, so it is wide."""
    rng = np.random.default_rng(0)
    values = [auc(rng.choice(real, len(real)), rng.choice(phantom, len(phantom))) for _ in range(draws)]
    return tuple(np.quantile(values, [0.025, 0.975]).tolist())


def real_features(folders: Iterable[Path]) -> dict[str, np.ndarray]:
    """Name -> FEATURES of every ECG below the folders that can be read and measured, in the order of their names."""
    measured = {}
    for path in sorted((path for folder in folders for path in folder.rglob("*")), key=lambda path: path.name):
        if path.suffix.lower() not in (".xml", ".hea", ".dcm"):
            continue
        try:
            measured[path.name] = features(read_ecg(path))
        except (InputError, ValueError):
            continue  # no twelve-lead ECG, or too slow, flat or irregular a one to measure
    return measured


def halves(measured: dict[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """The ECGs to tune on and those to report, (n, 20) each: every other name."""
    rows = np.array(list(measured.values()))
    return rows[::2], rows[1::2]


def phantom_features(seed: int, subjects: int) -> np.ndarray:
    """(n, 20): FEATURES of the patients 0, 1, ... as drawn, all conditions; those nobody could measure are left out."""
    rows = []
    for index in range(subjects):
        try:
            rows.append(features(render_ecg(draw_heart(seed, index)).ecg))
        except ValueError:
            continue
    return np.array(rows)


def table(real: np.ndarray, phantom: np.ndarray) -> str:
    """Markdown: medians and AUC of each feature."""
    lines = ["| feature | real | phantom | phantom 10-90 % | AUC | 95 % |", "|---|---|---|---|---|---|"]
    for k, name in enumerate(FEATURES):
        low, high = interval(real[:, k], phantom[:, k])
        spread = " to ".join(f"{x:.3g}" for x in np.quantile(phantom[:, k], [0.1, 0.9]))
        middle = f"{np.median(real[:, k]):.3g} | {np.median(phantom[:, k]):.3g}"
        lines.append(
            f"| {name} | {middle} | {spread} | {auc(real[:, k], phantom[:, k]):.2f} | {low:.2f} to {high:.2f} |"
        )
    return "\n".join(lines)


def main() -> None:
    from sklearn.ensemble import GradientBoostingClassifier

    parser = argparse.ArgumentParser(prog="python -m phantom.likeness", description=__doc__)
    parser.add_argument("--real", type=Path, nargs="+", required=True, help="folders of real 12-lead ECGs")
    parser.add_argument("--subjects", type=int, default=300)
    parser.add_argument("--seed", type=int, default=21)
    parser.add_argument("--half", choices=("tuned", "reported"), default="reported")
    options = parser.parse_args()
    require_within("--subjects", options.subjects, 10, 100_000)
    tuned, reported = halves(real_features(options.real))
    if min(len(tuned), len(reported)) < 2:
        remedy = "give folders with four 12-lead ECGs or more"
        raise InputError(options.real[0], "holds too few ECGs to compare", remedy)
    phantom = phantom_features(options.seed, options.subjects)
    shown = tuned if options.half == "tuned" else reported
    print(f"{len(shown)} real ECGs ({options.half}), {len(phantom)} simulated\n")
    print(table(shown, phantom))
    folded = [folded_auc(shown[:, k], phantom[:, k]) for k in range(len(FEATURES))]
    print(f"\nlargest single AUC {max(folded):.2f} ({FEATURES[int(np.argmax(folded))]})")
    # Trained on one half of the real ECGs and on the even phantoms, judged by the others.
    known = shown is reported
    train, test = (tuned, reported) if known else (reported, tuned)
    x = np.concatenate([train, phantom[::2]])
    y = np.repeat([0, 1], [len(train), len(phantom[::2])])
    weight = np.where(y == 0, len(phantom[::2]) / len(train), 1.0)
    trees = GradientBoostingClassifier(n_estimators=100, max_depth=2, subsample=0.7, random_state=0)
    trees.fit(x, y, sample_weight=weight)
    told = (trees.decision_function(rows) for rows in (test, phantom[1::2]))
    real_score, phantom_score = told
    low, high = interval(real_score, phantom_score)
    print(f"boosted trees AUC {auc(real_score, phantom_score):.2f} ({low:.2f} to {high:.2f})")


if __name__ == "__main__":
    sys.exit(exit_code_of(main))
