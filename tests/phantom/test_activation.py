"""When each piece of wall is excited and for how long, in sentences."""

from functools import cache

import numpy as np
import pytest

from phantom.activation import FULL_BLOCK_MS, activation_times, excitable_tissue, excitation
from phantom.anatomy import wall_lattice
from phantom.heart import Heart, draw_heart


@cache
def heart() -> Heart:
    drawn = (draw_heart(7, index) for index in range(100))
    return next(h for h in drawn if h.condition == "normal" and not h.lv_delay_ms and not h.rv_delay_ms)


def tissue(**changes):
    h = heart().replace(**changes)
    return excitable_tissue(wall_lattice(h), h.rv_wall_mm, h.scar_depth)


def test_a_slower_front_arrives_later():
    cells = tissue()
    fast = activation_times(cells, [(0, 0.0)], (1.0, 1.0), 0.5)
    slow = activation_times(cells, [(0, 0.0)], (0.5, 0.5), 0.25)
    np.testing.assert_allclose(slow, 2 * fast, atol=1e-6)
    assert fast[0] == 0.0


def test_a_front_runs_faster_round_the_long_axis_where_fibres_do():
    cells = tissue()
    u, v, w = cells.position_mm.T
    same_level = np.abs(w - w[cells.ventricle == 1].mean()) < 5
    first = int(np.flatnonzero(same_level & (cells.ventricle == 1) & (u > 0))[0])
    plain, fibred = (activation_times(cells, [(first, 0.0)], (1.0, 1.0), 1.0, anisotropy=a) for a in (0.0, 0.6))
    opposite = same_level & (cells.ventricle == 1) & (u < 0)
    apex = (cells.level > 0.9) & (cells.ventricle == 1)
    assert fibred[opposite].mean() < 0.9 * plain[opposite].mean()
    assert fibred[apex].mean() > plain[apex].mean()


def test_the_base_comes_last_and_later_still_where_its_network_is_thin():
    beat = excitation(heart())
    level = beat.tissue.level
    assert beat.activation_ms[level < 0.2].mean() > beat.activation_ms[(level > 0.4) & (level < 0.8)].mean() + 5
    thin = excitation(heart().replace(basal_slowing=0.9)).activation_ms
    full = excitation(heart().replace(basal_slowing=0.0)).activation_ms
    assert thin[level < 0.2].mean() > full[level < 0.2].mean() + 3


@pytest.mark.parametrize(("block", "ventricle"), [("lv_delay_ms", 1), ("rv_delay_ms", 2)])
def test_a_full_block_delays_its_own_ventricle_most_and_an_incomplete_one_less(block, ventricle):
    later = {}
    for delay in (0.0, 20.0, 52.0):
        beat = excitation(heart().replace(**{block: delay}))
        own = beat.tissue.ventricle == ventricle
        later[delay] = beat.activation_ms[own].mean() - beat.activation_ms[~own].mean()
    assert later[0.0] <= later[20.0] < later[52.0] - 15
    assert 20.0 < FULL_BLOCK_MS < 52.0


def test_where_the_network_is_thin_does_not_matter_to_a_ventricle_left_to_its_muscle():
    def lateness(slowing, **delay):
        """Of the base of the left ventricle against its rest; of the last of the right one against its mean."""
        beat = excitation(heart().replace(**delay, basal_slowing=slowing))
        time, left, base = beat.activation_ms, beat.tissue.ventricle == 1, beat.tissue.level < 0.2
        return np.array([time[left & base].mean() - time[left & ~base].mean(), time[~left].max() - time[~left].mean()])

    left, right = lateness(0.9) - lateness(0.0)
    blocked_left = (lateness(0.9, lv_delay_ms=52.0) - lateness(0.0, lv_delay_ms=52.0))[0]
    blocked_right = (lateness(0.9, rv_delay_ms=52.0) - lateness(0.0, rv_delay_ms=52.0))[1]
    assert abs(blocked_left) < 0.3 * left and abs(blocked_right) < 0.3 * right


def test_a_scar_is_silent_as_deep_as_it_is_and_no_deeper():
    scarred = {"scar_territory": "inferior", "scar_extent": 1.0}
    deep, shallow, none = (
        tissue(**scarred, scar_depth=1.0),
        tissue(**scarred, scar_depth=0.4),
        tissue(scar_territory=None, scar_extent=0.0),
    )
    assert len(deep.depth) < len(shallow.depth) < len(none.depth)


def test_action_potentials_shorten_towards_the_epicardium_the_apex_and_late_sites():
    h = heart().replace(apd_transmural_ms=0.0, apd_apicobasal_ms=0.0, apd_sideways_ms=0.0, apd_per_activation=0.0)
    flat = excitation(h)
    np.testing.assert_allclose(flat.apd_ms, h.apd_ms)
    across = excitation(h.replace(apd_transmural_ms=20.0))
    left = across.tissue.ventricle == 1
    assert np.corrcoef(across.apd_ms[left], across.tissue.depth[left])[0, 1] < -0.999
    along = excitation(h.replace(apd_apicobasal_ms=20.0))
    assert np.corrcoef(along.apd_ms, along.tissue.level)[0, 1] < -0.999
    late = excitation(h.replace(apd_per_activation=1.0))
    np.testing.assert_allclose(np.ptp(late.apd_ms + late.activation_ms), 0, atol=1e-6)
