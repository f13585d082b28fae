"""ECG paper: 25 mm are a second and 10 mm a millivolt; absent leads and the beats that were used are told."""

import re

import numpy as np
import pytest

from cohort.ecg import read_ecg
from cohort.leads import ECG, LEADS
from cohort.preprocessing import ecg_input
from cohort.rhythm import StripBeats, beat_length, strip_beats
from phantom.cohort_writer import ecg_path
from sampling.ecg_drawing import ecg_drawing, shown_beat

RATE = 100


def points(path: str) -> np.ndarray:
    return np.array([[float(n) for n in pair] for pair in re.findall(r"([-\d.]+),([-\d.]+)", path)])


def strip() -> np.ndarray:
    signal = np.zeros((12, 10 * RATE), np.float32)
    signal[:, 3 * RATE] = 1.0  # a peak of 1 mV at 3 s
    signal[:, 8 * RATE] = -0.5
    return signal


def test_a_second_is_25_mm_and_a_millivolt_10_mm():
    drawing = ecg_drawing(strip(), np.ones(12, bool), RATE, None)
    first, strip_below = points(drawing.leads[0].path), points(drawing.leads[-1].path)
    peak = first[first[:, 1].argmin()]
    assert peak[0] - drawing.leads[0].left == pytest.approx(75, abs=0.06)
    assert drawing.leads[0].middle - peak[1] == pytest.approx(10, abs=0.01)
    assert np.ptp(first[:, 0]) == pytest.approx(125, abs=0.3) and np.ptp(strip_below[:, 0]) == pytest.approx(
        250, abs=0.3
    )
    second = points(drawing.leads[1].path)  # V1 shows 5 to 10 s
    assert second[second[:, 1].argmax(), 0] - drawing.leads[1].left == pytest.approx(75, abs=0.06)
    assert drawing.x_of(8) == pytest.approx(strip_below[strip_below[:, 1].argmax(), 0], abs=0.06)
    assert drawing.column_x_of(8) == pytest.approx(second[second[:, 1].argmax(), 0], abs=0.06)
    assert drawing.column_x_of(3) == pytest.approx(peak[0], abs=0.06)


def test_large_waves_of_neighbours_do_not_run_into_one_another():
    signal = strip()
    signal[:, 3 * RATE], signal[:, 8 * RATE] = 3.5, -3.5  # V3 and V4 of a thick wall
    drawing = ecg_drawing(signal, np.ones(12, bool), RATE, None)
    rows = {}
    for lead in drawing.leads:
        rows.setdefault(lead.middle, []).append(points(lead.path)[:, 1])
    spans = [(np.concatenate(heights).min(), np.concatenate(heights).max()) for _, heights in sorted(rows.items())]
    assert len(spans) == 7 and all(above[1] < below[0] for above, below in zip(spans, spans[1:], strict=False))
    assert spans[0][0] > 0 and spans[-1][1] < drawing.height


def test_every_lead_has_its_place_and_absent_ones_are_named():
    there = np.array([name not in ("II", "V4") for name in LEADS])
    drawing = ecg_drawing(strip(), there, RATE, None)
    assert sorted(lead.name for lead in drawing.leads[:-1]) == sorted(LEADS)
    assert drawing.absent == ["II", "V4"] and drawing.leads[-1].name == "I"
    assert [lead.name for lead in drawing.leads if not lead.path] == ["II", "V4"]
    places = {(lead.left, lead.middle) for lead in drawing.leads}
    assert len(places) == 13 and max(left for left, _ in places) + 125 <= drawing.width <= 277  # A4 across


def test_used_beats_are_marked_where_they_are():
    beats = StripBeats(np.array([250, 500, 600, 1000]), np.array([True, True, False, True]), False)
    assert beats.used.tolist() == [True, True, False, False]  # the last one ends no interval that counts
    drawing = ecg_drawing(strip(), np.ones(12, bool), RATE, beats)
    assert drawing.peaks == [(drawing.x_of(at), used) for at, used in ((1, True), (2, True), (2.4, False), (4, False))]
    assert shown_beat(beats, 1.0) == (1.0, 2.0)
    assert shown_beat(None, 1.0) is None and shown_beat(beats, None) is None


def test_in_fibrillation_all_beats_are_used():
    assert StripBeats(np.array([250, 500, 600]), np.array([True, True, False]), True).used.all()


def test_the_beats_are_those_whose_length_the_film_has(phantom_data):
    ecg = read_ecg(ecg_path(phantom_data, 0))
    signal, _ = ecg_input(ecg)
    given = ECG(signal, 250.0)
    beats, length = strip_beats(given), beat_length(given)
    assert beats.used_intervals.sum() == length.beats
    begin, end = shown_beat(beats, length.rr_s)
    assert end - begin == pytest.approx(length.rr_s, rel=0.05)
    assert strip_beats(ECG(np.zeros((12, 2500), np.float32), 250.0)) is None
