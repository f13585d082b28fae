import numpy as np
import pytest

from benchmarks.damaged_ecgs import DAMAGES
from benchmarks.unlike_ecgs import Answers, rows_of
from cohort.ecg import read_ecg
from cohort.limb_leads import contradictions
from cohort.preprocessing import ecg_input


@pytest.fixture(scope="module")
def strip(phantom_data):
    return ecg_input(read_ecg(sorted((phantom_data / "ecg").iterdir())[0]))[0]


def test_electrodes_exchanged_by_name_obey_the_rules_of_the_limb_leads(strip):
    for kind in ("RA-LL swapped", "RA-LA swapped", "pure noise"):
        assert contradictions(DAMAGES[kind](strip, 0)[:6]) == []
    twice = DAMAGES["RA-LL swapped"](DAMAGES["RA-LL swapped"](strip, 0), 0)
    np.testing.assert_allclose(twice, strip, atol=0.02)
    np.testing.assert_allclose(DAMAGES["RA-LL swapped"](strip, 0)[1], -strip[1])


def test_the_table_tells_damage_warning_width_and_coverage_apart():
    rng = np.random.default_rng(0)
    truth = rng.normal(size=(300, 2))
    drawn = rng.normal(size=(300, 16, 2))
    usual = Answers(rng.random(300), np.zeros(300, bool), np.zeros(300, bool), drawn, truth)
    wrong = Answers(5 + rng.random(300), np.ones(300, bool), np.arange(300) < 150, 2 * drawn, truth + 9)
    first, second = rows_of({"usual": usual, "wrong": wrong})
    assert float(first["LVM covered, %"]) == pytest.approx(90, abs=5) and first["warned, %"] == "0.0"
    assert second["AUC"].startswith("1.000") and second["withheld, %"] == "50.0"
    assert second["LVM SD, of the usual"] == "2.00" and second["LVM covered, %"] == "0.0"
