"""The band of the curves is told by heart codes, and meets the table at ED and at ES."""

import json
from dataclasses import replace

import numpy as np
import pytest

from cohort.phenotypes import PHENOTYPES
from evaluation.certainty import summary_of
from evaluation.drawn_codes import Expected
from evaluation.scale import SCALES
from evaluation.told_curves import BY_CODES, told_bands
from evaluation.volume_plot import volume_plot

FRAMES = 12
CAVITIES = {"LV": ("LVEDV", "LVESV"), "RV": ("RVEDV", "RVESV")}


@pytest.fixture
def expected() -> Expected:
    """128 codes whose hearts empty alike: full at frame 0, empty at frame 4."""
    rng = np.random.default_rng(0)
    given = np.exp(rng.normal(4, 0.2, (128, len(PHENOTYPES))))
    for at_ed, at_es in CAVITIES.values():
        given[:, PHENOTYPES.index(at_es)] = given[:, PHENOTYPES.index(at_ed)] * rng.uniform(0.3, 0.5, 128)
    inside = np.abs(np.linspace(-1, 2, FRAMES + 1)[:-1]).clip(0, 1)
    return Expected(given, given, inside=np.repeat(inside[None], 128, axis=0))


@pytest.mark.parametrize("factors", [None, np.linspace(0.5, 2, len(PHENOTYPES))])
def test_at_ed_and_es_the_band_is_the_interval_of_the_table(expected, factors):
    for name, ends in CAVITIES.items():
        band = told_bands(expected, factors)[name]
        assert band["which"] == BY_CODES and len(band["low"]) == FRAMES
        for phenotype, frame in zip(ends, (0, 4), strict=True):
            k = PHENOTYPES.index(phenotype)
            factor = 1.0 if factors is None else factors[k]
            told = summary_of(expected.given[:, k], SCALES[phenotype], factor)["interval_90"]
            assert [band["low"][frame], band["high"][frame]] == pytest.approx(told, abs=0.01)


def test_between_them_it_is_between(expected):
    band = told_bands(expected, None)["LV"]
    for end in ("low", "high"):
        assert band[end][0] > band[end][1] > band[end][2] > band[end][4] > 0


def test_codes_that_differ_in_when_they_empty_widen_the_band(expected):
    shifted = np.stack([np.roll(row, k % 3) for k, row in enumerate(expected.inside)])
    wide, narrow = (told_bands(one, None)["LV"] for one in (replace(expected, inside=shifted), expected))
    assert wide["high"][2] / wide["low"][2] > 1.1 * narrow["high"][2] / narrow["low"][2]


def test_without_codes_that_tell_volumes_there_is_no_band(expected):
    unknown = expected.given.copy()
    unknown[:, PHENOTYPES.index("RVESV")] = np.nan
    assert told_bands(replace(expected, given=unknown), None) is None
    assert told_bands(replace(expected, inside=None), None) is None
    assert told_bands(None, None) is None


def test_a_code_whose_volumes_contradict_each_other_spoils_no_band(expected):
    given = expected.given.copy()
    given[0, PHENOTYPES.index("LVESV")] = -5.0
    assert np.isfinite(json.loads(json.dumps(told_bands(replace(expected, given=given), None)["LV"]["low"]))).all()


def test_the_plot_shows_the_band_that_is_given(expected):
    curves = np.tile(np.linspace(100, 40, FRAMES), (2, 1))
    plots = {volume_plot(curves, curves, 0.3, 0.8, bands) for bands in (None, told_bands(expected, None))}
    assert len(plots) == 2
