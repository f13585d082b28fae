"""When the heart of a simulated ECG beats, and how the chest breathes meanwhile."""

from dataclasses import dataclass

import numpy as np

from phantom.heart import Heart
from phantom.recorder import EDGE_SAMPLES, MS_PER_SAMPLE, SAMPLING_RATE_HZ, STRIP_SAMPLES, wandering


@dataclass(frozen=True)
class Rhythm:
    """The beats of one strip.

    Attributes:
        onsets_ms: QRS onsets, from before the strip to after it; time 0 is the strip's first sample.
        ectopic: (n,) bool. strength: (n,) factor of each beat's amplitude.
        breath: (T,) from -1 (out) to 1 (in), every sample of the strip and its edges.
    """

    onsets_ms: np.ndarray
    ectopic: np.ndarray
    strength: np.ndarray
    breath: np.ndarray


def rhythm_of(heart: Heart, rng: np.random.Generator) -> Rhythm:
    """Beats of mean interval 60 / rate exactly; in sinus rhythm half their variance follows the breath."""
    start = rng.uniform(0, 2 * np.pi)
    onsets, ectopic = _beat_times(heart, start, rng)
    strength = np.exp(heart.recording.beat_gain_sd * rng.normal(size=len(onsets)))
    return Rhythm(onsets, ectopic, strength, _breath(heart, start, rng))


def _beat_times(heart: Heart, start: float, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    mean_ms = 60_000 / heart.heart_rate_bpm
    strip_ms = STRIP_SAMPLES * MS_PER_SAMPLE
    edge_ms = EDGE_SAMPLES * MS_PER_SAMPLE
    before = int(np.ceil(edge_ms / mean_ms)) + 1  # beats ahead of the strip
    intervals = int(np.ceil(strip_ms / mean_ms)) + 2 * before + 1
    scatter = rng.normal(size=intervals)
    if heart.rhythm == "sinus":
        turn = 2 * np.pi * heart.recording.respiratory_rate_hz * mean_ms / 1000 * (np.arange(intervals) - before)
        scatter = np.sqrt(0.5) * scatter + np.sin(turn + start)
    rr = mean_ms * np.clip(1 + heart.rr_variability * (scatter - scatter.mean()), 0.45, 2.2)
    rr *= mean_ms / rr.mean()
    onsets = rng.uniform(-1.0, 0.0) * mean_ms - before * mean_ms + np.concatenate([[0.0], np.cumsum(rr)])
    ectopic = np.zeros(len(onsets), dtype=bool)
    inside = np.flatnonzero((onsets > 1.5 * mean_ms) & (onsets < strip_ms - 1.5 * mean_ms))[::2]  # never two in a row
    ectopic[rng.permutation(inside)[: heart.ectopic_beats]] = True
    previous = np.flatnonzero(ectopic) - 1
    onsets[ectopic] = onsets[previous] + 0.62 * (onsets[ectopic] - onsets[previous])  # early; the pause compensates
    return onsets, ectopic


def _breath(heart: Heart, start: float, rng: np.random.Generator) -> np.ndarray:
    """Breathing in is quicker than breathing out, and no breath is quite as long or as deep as the last."""
    seconds = (np.arange(STRIP_SAMPLES + 2 * EDGE_SAMPLES) - EDGE_SAMPLES) / SAMPLING_RATE_HZ
    longer, deeper = (wandering(rng, len(seconds), 3.0) for _ in range(2))
    turn = 2 * np.pi * heart.recording.respiratory_rate_hz * seconds + start + 0.25 * longer
    return np.exp(0.2 * deeper) * (np.sin(turn) + 0.2 * np.sin(2 * turn)) / 1.1
