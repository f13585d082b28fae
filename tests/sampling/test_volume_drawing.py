"""The volumes over a beat as a page draws them."""

import re

import numpy as np
import pytest

from sampling.volume_drawing import HEIGHT, LEFT, RIGHT, TOP, WIDTH, volume_drawing


def motion(bands: bool = True) -> dict:
    band = {"which": "90 % interval", "low": [90.0, 40.0, 60.0, 80.0], "high": [150.0, 70.0, 90.0, 120.0]}
    sample = {"lv_ml": [120.0, 60.0, 80.0, 100.0], "rv_ml": [130.0, 70.0, 90.0, 110.0]}
    about = {"measured": {"ES_share": 0.25}, "drawn": {"ES_share": 0.5}}
    return {"samples": [sample | about], "lv_band_ml": band if bands else None, "rv_band_ml": band if bands else None}


def points(path: str) -> np.ndarray:
    return np.array([[float(n) for n in pair] for pair in re.findall(r"([-\d.]+),([-\d.]+)", path)])


def test_lines_close_and_lie_where_the_axes_say():
    drawing = volume_drawing(motion(), 800.0)
    lv = points(drawing.lines[0].line)
    assert len(lv) == 5 and lv[0, 1] == lv[-1, 1] and lv[0, 0] == LEFT and lv[-1, 0] == WIDTH - RIGHT
    (low, low_words), (high, high_words) = drawing.y_ticks[0], drawing.y_ticks[-1]
    ml = float(low_words) + (lv[:, 1] - low) / (high - low) * (float(high_words) - float(low_words))
    np.testing.assert_allclose(ml[:4], [120, 60, 80, 100], atol=0.1)
    band = points(drawing.lines[0].band)
    assert len(band) == 10 and band[:, 1].min() >= TOP - 0.1 and band[:, 1].max() <= HEIGHT
    assert [words for _, words in drawing.x_ticks] == ["0", "200", "400", "600", "800"]
    assert drawing.x_title == "ms from ED" and drawing.es_x == pytest.approx(drawing.x_of(0.25))


def test_the_true_hearts_volumes_lie_on_the_same_axes():
    true = {"lv_ml": [300.0, 150.0], "rv_ml": None, "volumes_measured_by": "its own label maps"}
    drawing = volume_drawing(motion(), 800.0, true)
    assert [(line.name, line.whose) for line in drawing.lines] == [
        ("LV", "sample 1"),
        ("RV", "sample 1"),
        ("LV", "true heart"),
    ]
    own, (_, zero), (low, _) = points(drawing.lines[2].line), drawing.y_ticks[-1], drawing.y_ticks[0]
    assert float(zero) >= 300 and own[0, 1] >= TOP - 0.1  # the axis holds the larger heart
    np.testing.assert_allclose((low - own[1, 1]) / (low - own[0, 1]), 0.5, atol=0.01)
    np.testing.assert_allclose(own[:, 0], [drawing.x_of(share) for share in (0, 0.5, 1)], atol=0.1)
    assert len(volume_drawing(motion(), 800.0, {"phenotypes": {}}).lines) == 2


def test_what_a_network_measured_is_not_called_true_and_ticks_of_time_are_round():
    drawing = volume_drawing(motion(), 738.0, {"lv_ml": [300.0, 150.0], "volumes_measured_by": "a segmenter"})
    assert drawing.lines[2].whose == "real, measured by a network" and drawing.lines[2].is_true
    assert [words for _, words in drawing.x_ticks] == ["0", "200", "400", "600"]
    assert drawing.x_ticks[3][0] == pytest.approx(drawing.x_of(600 / 738))


def test_what_is_not_known_is_not_drawn():
    alone = volume_drawing(motion(bands=False), None)
    assert alone.lines[0].band == "" and "unknown" in alone.x_title
    assert [words for _, words in alone.x_ticks][-1] == "100"
    lost = motion()
    lost["samples"][0]["measured"] = None
    assert volume_drawing(lost, 800.0).es_x == pytest.approx(alone.x_of(0.5))
    assert volume_drawing(None, None) is None
    assert volume_drawing({"samples": [{"drawn": {}, "inside": [1.0]}]}, 800.0) is None
