"""True hearts moved by a pipeline, beside their limit and what is to be beaten."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from benchmarks.moved_hearts import ORDER, table
from cohort.beat import measured_beat
from evaluation.frames_of_motion import WAYS, errors_of, motion_code, moved, true_numbers
from tests.training.test_motion_stage import FRAMES, beating

SPACING = (5.4, 30.0)


@pytest.fixture
def heart():
    labels = beating(0.36)
    cine = (labels * 80).astype(np.uint8)
    return cine[:, [0, 8]], cine, measured_beat(labels, *SPACING)


class Thresholds:
    """Reads the labels off the grey levels they were drawn by."""

    device = torch.device("cpu")

    def logits_and_features(self, slices):
        levels = torch.arange(4).view(1, 4, 1, 1) * 80 / 255
        return -(slices - levels).abs(), torch.zeros(len(slices), 2)


def test_the_true_code_says_what_was_measured(beating_pipeline, heart):
    beat = heart[2]
    numbers = true_numbers(beating_pipeline, beat)
    code = motion_code(beating_pipeline, numbers)
    said = beating_pipeline.conditioner.motion_numbers(code)
    for name, number in numbers.items():
        expected = number if np.isfinite(number) else 0.5  # the mean of what is unknown
        assert float(said[name]) == pytest.approx(expected, abs=1e-5)
    assert not code[:, :3].any()  # its components are average
    curve = np.array(beating_pipeline.motion.config.curve_mean)
    assert abs(numbers["curve_1"]) < 20 and len(curve) == 10


def test_an_untaught_network_is_a_cross_fade_and_every_frame_its_own_limit(beating_pipeline, heart):
    stills, cine, beat = heart
    pictures = moved(beating_pipeline, stills, cine, beat)
    assert tuple(pictures) == WAYS and all(one.shape == (3, FRAMES, 32, 32) for one in pictures.values())
    np.testing.assert_allclose(pictures["motion network"], pictures["cross-fade"], atol=1e-5)
    assert np.abs(pictures["one beat for everybody"] - pictures["cross-fade"]).max() > 1e-3


def test_errors_are_nothing_where_the_frames_are_the_true_ones(heart):
    _, cine, beat = heart
    true, still = cine / np.float32(255), np.repeat(cine[:, :1], FRAMES, axis=1) / np.float32(255)
    pictures = dict(zip(WAYS, (true, true, still, still), strict=True))
    errors = errors_of(pictures, cine, np.ones(3, bool), beat, Thresholds(), SPACING)
    own, stands = errors["motion network"], errors["cross-fade"]
    assert own["curve_ml"] == own["curve_to_every_ml"] == 0 == own["inside"] and own["dB"] > 100
    assert own["ES_share"] == beat.numbers["ES_share"]
    assert stands["curve_ml"] == pytest.approx(np.abs(beat.volume_ml[0] - beat.volume_ml).mean())
    assert stands["dB"] < 30 and np.isnan(stands["ES_share"])


def test_the_table_counts_who_has_the_right_order():
    late = (0.05, -0.06, 0.04, 0.001)
    names = ("ES_share", "peak_ejection", "peak_filling", "atrial_share", "dyssynchrony")
    beats = [
        SimpleNamespace(numbers=dict.fromkeys(names, 0.4) | {"peak_septal": 0.4, "peak_lateral": 0.4 + d}) for d in late
    ]
    amounts = dict.fromkeys(("dB", "dB to decoded", "curve_ml", "curve_to_every_ml", "inside"), 1.0)
    own = [amounts | beat.numbers for beat in beats]
    wrong = [one | {"peak_lateral": 0.8 - one["peak_lateral"]} for one in own]
    errors = [dict(zip(WAYS, (a, a, b, a), strict=True)) for a, b in zip(own, wrong, strict=True)]
    rows = [dict(zip(table(beats, errors)[0], row, strict=True)) for row in table(beats, errors)[1:]]
    assert [row["right order"] for row in rows] == ["3 of 3", "3 of 3", "0 of 3", "3 of 3"]
    assert rows[1][f"r of {ORDER}"] == 1 and rows[2][f"r of {ORDER}"] == -1
