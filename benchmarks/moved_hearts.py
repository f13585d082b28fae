"""Errors of many moved hearts (`evaluation.frames_of_motion`), as a table, and what a beat costs."""

import time

import numpy as np

from cohort.beat import MeasuredBeat, measured_beat
from cohort.cines import Cines
from cohort.prepared import PreparedCohort
from evaluation.frames_of_motion import WAYS, errors_of, moved
from models.segmenter import Segmenter
from sampling.patients import patient_batch, prepared_patients
from sampling.pipeline import ECGToMRIPipeline, sample_generator

AMOUNTS = ("dB", "dB to decoded", "curve_ml", "curve_to_every_ml", "inside")
TIMES = ("ES_share", "peak_ejection", "peak_filling", "atrial_share", "dyssynchrony", "peak_septal", "peak_lateral")
ORDER = "lateral after septal"  # share of the cycle, between their peaks
CLEARLY_APART = 0.02  # of the cycle


def moved_hearts(
    pipeline: ECGToMRIPipeline, segmenter: Segmenter, cohort: PreparedCohort, cines: Cines, which: np.ndarray
) -> tuple[list[MeasuredBeat], list[dict[str, dict[str, float]]]]:
    """The measured beats of some cines, by their label maps, and the errors of each of WAYS."""
    beats, errors = [], []
    for number in which:
        row = cines.rows[number]
        spacing = (cohort.preparation.geometry.pixel_mm, float(np.linalg.norm(cohort.affine[row][:3, 2])))
        beat = measured_beat(np.asarray(cines.labels[number]), *spacing)
        if beat is None:
            continue
        cine, mask = np.asarray(cines.images[number]), np.asarray(cohort.mask[row]).all(axis=1)
        pictures = moved(pipeline, np.asarray(cohort.hearts[row]), cine, beat)
        beats.append(beat)
        errors.append(errors_of(pictures, cine, mask, beat, segmenter, spacing))
    return beats, errors


def table(beats: list[MeasuredBeat], errors: list[dict[str, dict[str, float]]]) -> list[list[object]]:
    """Rows of way, mean of AMOUNTS, correlation of TIMES and of ORDER with the true ones; a header first."""
    rows: list[list[object]] = [["way", *AMOUNTS, *(f"r of {name}" for name in (*TIMES, ORDER)), "right order"]]
    true = {name: np.array([beat.numbers[name] for beat in beats]) for name in TIMES}
    true[ORDER] = true["peak_lateral"] - true["peak_septal"]
    apart = np.abs(true[ORDER]) > CLEARLY_APART
    for way in WAYS:
        own = {name: np.array([one[way][name] for one in errors]) for name in (*AMOUNTS, *TIMES)}
        own[ORDER] = own["peak_lateral"] - own["peak_septal"]
        means = [round(float(np.nanmean(own[name])), 2) for name in AMOUNTS]
        correlations = [round(_correlation(own[name], true[name]), 2) for name in (*TIMES, ORDER)]
        right = np.sign(own[ORDER][apart]) == np.sign(true[ORDER][apart])
        rows.append([way, *means, *correlations, f"{int(right.sum())} of {len(right)}"])
    return rows


def _correlation(one: np.ndarray, other: np.ndarray) -> float:
    known = np.isfinite(one) & np.isfinite(other)
    return float(np.corrcoef(one[known], other[known])[0, 1]) if known.sum() > 2 else float("nan")


def beat_cost(pipeline: ECGToMRIPipeline, cohort: PreparedCohort, hearts: int, frames: int) -> dict[str, float]:
    """CPU seconds a heart: drawing and decoding ED and ES; and letting it beat beside that."""
    patients = patient_batch(prepared_patients(cohort, np.arange(hearts)))
    generators = [sample_generator(0, "cost", number) for number in range(hearts)]
    pipeline.draw(patients, generators)  # the first call is slower
    start = time.process_time()
    drawn = pipeline.draw(patients, generators)
    pipeline.decode(drawn.latents)
    stills = time.process_time() - start
    start = time.process_time()
    pipeline.beat(drawn, frames)
    beat = time.process_time() - start
    return {"stills": stills / hearts, "beat": beat / hearts}
