import json

import numpy as np
import pytest

from cohort.errors import InputError
from cohort.phenotypes import PHENOTYPES
from evaluation.calibration import NAME, calibrate, read_calibration, why_passed_over, write_calibration

FACTORS = np.linspace(0.7, 2.3, len(PHENOTYPES)) / 3


def test_factors_survive_the_disk_to_the_last_digit(tmp_path):
    for factors in (FACTORS, 1 / FACTORS):
        write_calibration(tmp_path, factors)
        np.testing.assert_array_equal(read_calibration(tmp_path), factors)
    assert [path.name for path in tmp_path.iterdir()] == [NAME]


def test_a_pipeline_that_was_never_calibrated_has_none(tmp_path):
    assert read_calibration(tmp_path) is None


def test_factors_go_by_name_and_not_by_place(tmp_path):
    write_calibration(tmp_path, FACTORS)
    stored = json.loads((tmp_path / NAME).read_text())
    assert tuple(stored) == (*PHENOTYPES, "of", "scale")
    (tmp_path / NAME).write_text(json.dumps(dict(reversed(stored.items())) | {"a remark": "by hand"}))
    np.testing.assert_array_equal(read_calibration(tmp_path), FACTORS)


def test_a_phenotype_that_was_not_known_then_has_the_factor_1(tmp_path):
    (tmp_path / NAME).write_text(stored_without("LVM", of="heart codes"))
    expected = np.where(np.array(PHENOTYPES) == "LVM", 1, FACTORS)
    np.testing.assert_array_equal(read_calibration(tmp_path), expected)


@pytest.mark.parametrize("of", [{}, {"of": "drawn hearts"}])
def test_a_calibration_that_is_not_of_codes_is_passed_over_with_a_sentence(tmp_path, of):
    (tmp_path / NAME).write_text(stored_without("", **of))
    assert read_calibration(tmp_path) is None
    told = why_passed_over(tmp_path)
    assert NAME in told and "was fitted on drawn hearts and is not applied" in told and "--calibrate" in told


def test_nothing_is_said_where_a_calibration_is_applied_or_there_is_none(tmp_path):
    assert why_passed_over(tmp_path) == ""
    write_calibration(tmp_path, FACTORS)
    assert why_passed_over(tmp_path) == ""


def test_codes_too_narrow_by_two_are_to_be_widened_by_two(tmp_path):
    rng, people, draws = np.random.default_rng(2), 400, 8
    expected = rng.normal(100, 20, (people, len(PHENOTYPES)))
    truth = expected + rng.normal(size=expected.shape)
    codes = expected[:, None] + 0.5 * rng.normal(size=(people, draws, len(PHENOTYPES)))
    calibrate(tmp_path, codes, truth)
    np.testing.assert_allclose(read_calibration(tmp_path), 2, rtol=0.2)
    before = (tmp_path / NAME).stat().st_mtime_ns
    calibrate(tmp_path, codes, truth)  # the same again
    assert (tmp_path / NAME).stat().st_mtime_ns == before


def stored_without(name, **more):
    return json.dumps({n: f for n, f in zip(PHENOTYPES, FACTORS.tolist(), strict=True) if n != name} | more)


DAMAGES = {
    "empty": b"",
    "torn": stored_without("")[:40].encode(),
    "no text": b"\xff\xfe\x00\x80",
    "a word for a number": stored_without("").replace(repr(float(FACTORS[0])), '"wide"').encode(),
    "null": stored_without("").replace(repr(float(FACTORS[0])), "null").encode(),
    "nothing": stored_without("").replace(repr(float(FACTORS[0])), "0").encode(),
    "negative": stored_without("").replace(repr(float(FACTORS[0])), "-1.0").encode(),
    "huge": stored_without("").replace(repr(float(FACTORS[0])), "1e300").encode(),
    "not a number": stored_without("").replace(repr(float(FACTORS[0])), "NaN").encode(),
    "infinite": stored_without("").replace(repr(float(FACTORS[0])), "Infinity").encode(),
    "a number in a word": stored_without("").replace(repr(float(FACTORS[0])), '"1.0"').encode(),
    "a truth value": stored_without("").replace(repr(float(FACTORS[0])), "true").encode(),
    "nested deeply": b"[" * 200_000,
    "a list": json.dumps(FACTORS.tolist()).encode(),
    "a number": b"2.0",
}


@pytest.mark.parametrize("content", DAMAGES.values(), ids=DAMAGES.keys())
def test_a_damaged_calibration_is_refused_and_not_left_out(tmp_path, content):
    assert content != stored_without("").encode()
    (tmp_path / NAME).write_bytes(content)
    with pytest.raises(InputError, match="--calibrate") as refusal:
        read_calibration(tmp_path)
    assert NAME in str(refusal.value) and "is damaged" in str(refusal.value)


@pytest.mark.parametrize("factor", [0.0, -1.0, 101.0, np.nan, np.inf])
def test_factors_that_could_not_be_read_back_are_not_written(tmp_path, factor):
    factors = FACTORS.copy()
    factors[1] = factor
    with pytest.raises(InputError, match="no sound factor"):
        write_calibration(tmp_path, factors)
    assert not list(tmp_path.iterdir())
