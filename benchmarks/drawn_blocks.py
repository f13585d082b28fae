"""Left bundle branch block: the timing of septum and lateral wall drawn from ECGs of one heart with and without it.

A heart of the phantom and its twin differ in the block alone. The same noise draws both, so nothing else differs.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from cohort.beat import measured_beat
from cohort.preprocessing import ecg_input
from evaluation.beating import cine_labels
from models.segmenter import Segmenter
from phantom.electrical import render_ecg
from phantom.heart import Draw, Heart, draw_heart
from phantom.motion import beat_of
from phantom.truth import motion_truth
from sampling.patients import Patient, generate_to_beat
from sampling.pipeline import DrawnHearts, ECGToMRIPipeline

CONDITION = "lbbb"
HEARTS_AT_ONCE = 8
FRAMES = 25
TIMES = ("septal peak", "lateral peak", "lateral after septal")  # shares of the cycle


@dataclass(frozen=True)
class Pair:
    """TIMES of a heart with the block, less those of its twin without: the truth, the heart code's, and measured."""

    true: np.ndarray
    drawn: np.ndarray
    measured: np.ndarray


def pairs(
    pipeline: ECGToMRIPipeline, segmenter: Segmenter, seed: int, hearts: int, samples: int, measured: int
) -> Iterator[Pair]:
    """Pairs of the first `hearts` hearts with a block.

    Args:
        samples: hearts drawn of each ECG. measured: of them, whose frames the segmenter measures.
    """
    for index in range(hearts):
        heart = draw_heart(seed, index, Draw(CONDITION))
        twins = (heart, heart.replace(lv_delay_ms=0.0))
        patients = [patient_of(twin, f"heart {index}", pipeline) for twin in twins]
        drawn = [made for _, _, made in generate_to_beat(pipeline, patients, samples, seed, HEARTS_AT_ONCE)]
        given = [(true_times, twins), (code_times, drawn)]
        differences = [np.subtract(*(times(pipeline, one) for one in both)) for times, both in given]
        found = [measured_times(pipeline, segmenter, first_of(made, measured)) for made in drawn]
        yield Pair(*differences, np.subtract(*found))


def patient_of(heart: Heart, name: str, pipeline: ECGToMRIPipeline) -> Patient:
    """A heart's ECG as the pipeline's encoder wants it."""
    encoder = pipeline.ecg_encoder.config
    signal, leads = ecg_input(render_ecg(heart).ecg, encoder.sampling_rate, encoder.duration_s)
    person = np.array([heart.sex == "male", heart.age_years, heart.height_cm, heart.weight_kg], np.float32)
    return Patient(name, signal, leads, person, ())


def times_of(septal: float, lateral: float) -> np.ndarray:
    return np.array([septal, lateral, lateral - septal])


def true_times(pipeline: ECGToMRIPipeline, heart: Heart) -> np.ndarray:
    """(3,) TIMES of a phantom."""
    truth, cycle_ms = motion_truth(heart), beat_of(heart).cycle_ms
    return times_of(truth["peak_septal_ms"] / cycle_ms, truth["peak_lateral_ms"] / cycle_ms)


def code_times(pipeline: ECGToMRIPipeline, drawn: DrawnHearts) -> np.ndarray:
    """(3,) TIMES of the mean of drawn heart codes."""
    numbers = pipeline.conditioner.motion_numbers(drawn.codes)
    return times_of(*(float(numbers[f"peak_{quarter}"].mean()) for quarter in ("septal", "lateral")))


def measured_times(pipeline: ECGToMRIPipeline, segmenter: Segmenter, drawn: DrawnHearts) -> np.ndarray:
    """(3,) TIMES that a segmenter measures in the frames of drawn hearts, on average; NaN where it finds no beat."""
    grid = pipeline.grid
    cines = pipeline.beat(drawn, FRAMES).hearts.numpy()
    beats = [measured_beat(cine_labels(segmenter, cine), grid.pixel_mm, grid.slice_step_mm) for cine in cines]
    numbers = [beat.numbers for beat in beats if beat is not None]
    if not numbers:
        return np.full(len(TIMES), np.nan)
    return times_of(*(np.nanmean([one[f"peak_{quarter}"] for one in numbers]) for quarter in ("septal", "lateral")))


def first_of(drawn: DrawnHearts, count: int) -> DrawnHearts:
    return DrawnHearts(drawn.latents[:count], drawn.codes[:count])


def right_signs(true: np.ndarray, found: np.ndarray) -> list[tuple[int, int]]:
    """How many of n differences (n, 3) have the sign of the true ones, and of how many that are known, by TIMES."""
    known = np.isfinite(found) & np.isfinite(true)
    right = known & (np.sign(found) == np.sign(true))
    return list(zip(right.sum(axis=0).tolist(), known.sum(axis=0).tolist(), strict=True))
