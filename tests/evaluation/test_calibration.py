import json

import numpy as np
import pytest

from cohort.errors import InputError
from cohort.phenotypes import PHENOTYPES
from evaluation.calibration import NAME, read_calibration, write_calibration

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
    assert tuple(stored) == (*PHENOTYPES, "scale")
    (tmp_path / NAME).write_text(json.dumps(dict(reversed(stored.items())) | {"a remark": "by hand"}))
    np.testing.assert_array_equal(read_calibration(tmp_path), FACTORS)


def test_a_phenotype_that_was_not_known_then_has_the_factor_1(tmp_path):
    (tmp_path / NAME).write_text(stored_without("LVM"))
    expected = np.where(np.array(PHENOTYPES) == "LVM", 1, FACTORS)
    np.testing.assert_array_equal(read_calibration(tmp_path), expected)


def test_a_calibration_of_before_there_were_scales_is_read(tmp_path):
    """It holds the factors alone; a ratio of widths is nearly the same on the scale."""
    (tmp_path / NAME).write_text(stored_without(""))
    np.testing.assert_array_equal(read_calibration(tmp_path), FACTORS)


def stored_without(name):
    return json.dumps({n: f for n, f in zip(PHENOTYPES, FACTORS.tolist(), strict=True) if n != name})


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
