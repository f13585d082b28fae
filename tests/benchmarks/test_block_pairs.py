"""Pairs of a heart with and without a left bundle branch block, as the benchmark draws and compares them."""

import numpy as np
import pytest

from benchmarks.drawn_blocks import first_of, pairs, patient_of, right_signs, true_times
from models.segmenter import Segmenter
from phantom.heart import Draw, draw_heart
from sampling.patients import generate_to_beat


@pytest.fixture
def block():
    return draw_heart(77, 0, Draw("lbbb"))


def test_the_twin_differs_in_the_block_alone_and_its_lateral_wall_is_earlier(beating_pipeline, block):
    twin = block.replace(lv_delay_ms=0.0)
    assert true_times(beating_pipeline, block)[2] > true_times(beating_pipeline, twin)[2]
    with_block, without = (patient_of(heart, "a", beating_pipeline) for heart in (block, twin))
    np.testing.assert_array_equal(with_block.person, without.person)
    assert np.abs(with_block.signal - without.signal).max() > 0.05  # mV: the block shows


def test_twins_of_one_ecg_are_drawn_with_no_difference_at_all(beating_pipeline, monkeypatch):
    monkeypatch.setattr("benchmarks.drawn_blocks.Draw", lambda _: Draw("normal"))  # no block to take away
    (pair,) = pairs(beating_pipeline, Segmenter(widths=(8, 16)), 77, 1, 2, 1)
    np.testing.assert_array_equal(pair.true, 0)
    np.testing.assert_array_equal(pair.drawn, 0)


def test_a_sign_counts_where_it_is_known_and_right():
    true = np.array([[1.0, 1.0, 1.0], [-1.0, -1.0, np.nan]])
    found = np.array([[0.5, -0.5, 0.5], [-0.1, np.nan, 0.5]])
    assert right_signs(true, found) == [(2, 2), (0, 1), (1, 1)]


def test_the_first_hearts_are_those_that_were_drawn_first(beating_pipeline, block):
    ((_, _, drawn),) = generate_to_beat(beating_pipeline, [patient_of(block, "a", beating_pipeline)], 3, 0, 4)
    np.testing.assert_array_equal(first_of(drawn, 2).codes, drawn.codes[:2])
    assert len(first_of(drawn, 2).latents) == 2
