"""Arrays in, arrays out: what a network sees of an ECG."""

from fractions import Fraction

import numpy as np
import scipy  # its parts load when first used: --help need not wait for them

from cohort.finding import Finding
from cohort.leads import ECG

# A zero-phase high pass may cut at up to 0.67 Hz without moving the ST segment. A causal filter would need 0.05 Hz,
# which leaves the wander in. AHA/ACC/HRS 2007: Kligfield et al., J Am Coll Cardiol 49:1109.
HIGHPASS_HZ = 0.5
LARGEST_MV = 10.0  # no heart reaches it on the chest; it bounds what a loose electrode or a pacemaker spike can do
_EDGE_S = 2.0  # mirrored at both ends: one period of the high pass
# Anti-aliasing: scipy's own filter (half as long, beta 5) errs by 2 uV per mV in the passband, this one by 0.1 uV.
_HALF_LENGTH, _KAISER_BETA = 16, 8.0


def ecg_input(ecg: ECG, sampling_rate: int = 250, duration_s: float = 10.0) -> tuple[np.ndarray, np.ndarray]:
    """The first `duration_s` seconds of an ECG, without baseline wander, at a common rate.

    Steps: zero-phase high pass, anti-aliased resampling, clipping to +-10 mV. After it, sample k is at
    k / sampling_rate seconds, whatever the rate of the recording. Millivolts stay millivolts: amplitude tells of mass.
    A recording shorter than `duration_s` is followed by zeros. To repeat it would invent a rhythm.

    Returns:
        signal: (12, sampling_rate * duration_s) float32 mV, finite; absent and flat leads are zero.
        lead_mask: (12,) bool, False where the lead is absent, or flat in these seconds.

    Raises:
        ValueError: a sample is no longer a number: a fault of this function.
    """
    samples = round(sampling_rate * duration_s)
    lead_mask = ~(ecg.absent | ecg.first(duration_s).flat)
    signal = np.zeros((len(ecg.signal), samples), dtype=np.float32)
    if not lead_mask.any():
        return signal, lead_mask
    # What lies later than the filter's tail can reach is not worth filtering.
    recorded = ecg.signal[lead_mask, : round(ecg.sampling_rate * (duration_s + _EDGE_S))]
    resampled = _resample(_without_baseline(recorded, ecg.sampling_rate), ecg.sampling_rate, sampling_rate)
    kept = np.clip(resampled[:, :samples], -LARGEST_MV, LARGEST_MV)
    signal[lead_mask, : kept.shape[1]] = kept
    if not np.isfinite(signal).all():
        raise ValueError("the filters made samples of an ECG that are not numbers")
    return signal, lead_mask


def part_used(ecg: ECG, duration_s: float = 10.0) -> list[Finding]:
    """What `ecg_input` leaves out of an ECG, or fills up with zeros; empty when it is just as long."""
    lasts = ecg.signal.shape[1] / ecg.sampling_rate
    if lasts < duration_s - 0.05:
        return [Finding("ecg_short", f"it lasts {lasts:.1f} s, not {duration_s:g} s")]
    if lasts > duration_s + 0.05:
        return [Finding("ecg_long", f"it lasts {lasts:.1f} s, and its first {duration_s:g} s are used")]
    return []


def _without_baseline(millivolts: np.ndarray, sampling_rate: float) -> np.ndarray:
    """(leads, T) without offset and wander. In float64: at 1000 Hz the poles lie within 0.003 of the unit circle.

    The ends are mirrored evenly. scipy's odd mirror turns about the last sample: an R peak there would shift the
    baseline by its height.
    """
    highpass = scipy.signal.butter(2, HIGHPASS_HZ, "highpass", fs=sampling_rate, output="sos")
    edge = round(_EDGE_S * sampling_rate)
    return scipy.signal.sosfiltfilt(highpass, millivolts.astype(np.float64), axis=1, padtype="even", padlen=edge)


def _resample(millivolts: np.ndarray, from_hz: float, to_hz: float) -> np.ndarray:
    """(leads, T) -> (leads, ceil(T * to_hz / from_hz)). Rates need not be whole; 10 s stay 10 s to within 0.01 %."""
    ratio = (Fraction(to_hz) / Fraction(from_hz)).limit_denominator(10_000)
    if ratio == 1:
        return millivolts
    coarser = max(ratio.numerator, ratio.denominator)
    lowpass = scipy.signal.firwin(2 * _HALF_LENGTH * coarser + 1, 1 / coarser, window=("kaiser", _KAISER_BETA))
    return scipy.signal.resample_poly(
        millivolts, ratio.numerator, ratio.denominator, axis=1, padtype="line", window=lowpass
    )
