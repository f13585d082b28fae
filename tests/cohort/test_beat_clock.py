"""The beat's clock: everybody's ES at one place, and back."""

import numpy as np
import pytest

from cohort.beat_clock import ES_PLACE, frame_times, place_of, time_of

SHARES = (0.15, 0.33, 0.4, 0.62, 0.85)


@pytest.mark.parametrize("es_share", SHARES)
def test_ed_and_es_have_their_places_exactly(es_share):
    assert place_of(0.0, es_share) == 0 == time_of(0.0, es_share)
    assert place_of(es_share, es_share) == pytest.approx(ES_PLACE, abs=1e-12)
    assert time_of(ES_PLACE, es_share) == pytest.approx(es_share, abs=1e-12)


@pytest.mark.parametrize("es_share", SHARES)
def test_the_clock_never_goes_back_and_is_the_same_a_cycle_later(es_share):
    time = np.linspace(0, 1, 999, endpoint=False)
    place = place_of(time, es_share)
    assert (np.diff(place) > 0).all() and place.min() >= 0 and place.max() < 1
    np.testing.assert_allclose(place_of(time + 1, es_share), place, atol=1e-9)
    np.testing.assert_allclose(place_of(time - 1, es_share), place, atol=1e-9)


@pytest.mark.parametrize("es_share", SHARES)
def test_the_inverse_gives_the_time_back(es_share):
    time = np.linspace(0, 1, 999, endpoint=False)
    np.testing.assert_allclose(time_of(place_of(time, es_share), es_share), time, atol=1e-12)


def test_many_hearts_are_warped_at_once():
    shares = np.array([0.3, 0.5])[:, None]
    both = place_of(frame_times(25), shares)
    assert both.shape == (2, 25)
    np.testing.assert_array_equal(both[1], place_of(frame_times(25), 0.5))
