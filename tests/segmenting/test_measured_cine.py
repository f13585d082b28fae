"""True label maps give the phantom's drawn numbers."""

import numpy as np
import pytest

from cohort.beat import QUARTERS
from cohort.cine import CineStack
from cohort.heart_grid import GridGeometry, cine_grid
from cohort.motion_table import INSIDE, read_motion
from cohort.person_number import person_number
from cohort.study_tables import read_phenotypes
from phantom.truth import told_motion
from segmenting.flags import flags_of
from segmenting.measured_cine import measure_cine
from segmenting.record import TABLE, record_of, write_phenotypes, write_record

WHOLE = np.zeros(100)  # in no frame an island was removed


@pytest.fixture(scope="module")
def grid_labels(beat):
    cine = beat.cine
    geometry = GridGeometry(cine.voxels.shape[2], cine.voxels.shape[3], slice_step_mm=cine.slice_step_mm)
    return cine_grid(cine, CineStack(beat.labels, cine.affine), geometry).labels


@pytest.fixture(scope="module")
def measured(beat, grid_labels):
    return measure_cine(beat.labels, beat.cine, grid_labels, 1.8)


def test_volumes_and_mass_are_the_drawn_ones(beat, measured):
    heart, found = beat.heart, measured.phenotypes
    drawn = {"LVEDV": heart.lvedv_ml, "LVESV": heart.lvesv_ml, "RVEDV": heart.rvedv_ml, "RVESV": heart.rvesv_ml}
    assert {name: found[name] for name in drawn} == pytest.approx(drawn, abs=7)
    assert found["LVM"] == pytest.approx(heart.lv_mass_g, abs=4)
    assert found["LVEF"] == pytest.approx(100 * (1 - heart.lvesv_ml / heart.lvedv_ml), abs=3)
    assert found["LVM_ES"] == pytest.approx(found["LVM"], rel=0.15)  # muscle keeps its volume


def test_es_and_rates_are_those_of_the_beat(beat, measured):
    rates, truth = measured.rates, beat.truth
    assert measured.lv.ed == 0
    assert rates["ES_ms"] == pytest.approx(truth["ES_ms"], abs=25)
    assert rates["peak_ejection_ml_s"] == pytest.approx(truth["peak_ejection_ml_s"], rel=0.15)
    assert rates["peak_filling_ml_s"] == pytest.approx(truth["peak_filling_ml_s"], rel=0.15)
    assert rates["atrial_share"] == pytest.approx(beat.heart.atrial_share, abs=0.1)
    assert measured.beat_s == pytest.approx(60 / beat.heart.heart_rate_bpm)


def test_the_wall_thickens_by_quarter_as_drawn(beat, measured):
    found = {quarter: of["thickening_percent"] for quarter, of in measured.walls.items()}
    assert found == pytest.approx({q: beat.truth[f"thickening_{q}_percent"] for q in found}, abs=12)


def test_without_a_frame_interval_times_are_shares_and_rates_are_unknown(beat, grid_labels, measured):
    untimed = measure_cine(beat.labels, CineStack(beat.cine.voxels, beat.cine.affine), grid_labels, 1.8)
    assert untimed.curve["time_ms"] is None
    assert untimed.curve["share_of_beat"] == measured.curve["share_of_beat"]
    assert untimed.rates["peak_ejection_ml_s"] is None
    assert untimed.rates["ES_share"] == measured.rates["ES_share"]
    assert "no_frame_interval" in [flag.code for flag in flags_of(untimed, grid_labels, WHOLE)]
    assert "no_frame_interval" not in [flag.code for flag in flags_of(measured, grid_labels, WHOLE)]


def test_a_beat_that_begins_elsewhere_has_the_same_numbers_and_a_flag(beat, grid_labels, measured):
    rolled, rolled_grid = np.roll(beat.labels, 8, axis=3), np.roll(grid_labels, 8, axis=1)
    other = measure_cine(rolled, beat.cine, rolled_grid, 1.8)
    codes = [flag.code for flag in flags_of(other, rolled_grid, WHOLE)]
    assert "ed_not_first" in codes
    assert other.phenotypes["LVEDV"] == pytest.approx(measured.phenotypes["LVEDV"], rel=0.01)
    assert other.rates["ES_ms"] == pytest.approx(measured.rates["ES_ms"], abs=60)
    assert other.rates["peak_ejection_ml_s"] == pytest.approx(measured.rates["peak_ejection_ml_s"])
    assert other.motion["inside_20"] == pytest.approx(measured.motion["inside_20"], abs=0.1)


def test_the_row_of_motion_is_that_of_the_drawn_heart(beat, measured):
    drawn = told_motion(beat.heart)
    for name in ("ES_share", *(f"peak_{quarter}" for quarter in QUARTERS)):
        assert measured.motion[name] == pytest.approx(drawn[name], abs=0.04), name
    for name in (*INSIDE, "atrial_share"):
        assert measured.motion[name] == pytest.approx(drawn[name], abs=0.12), name


def test_ed_and_es_alone_tell_no_motion(beat, grid_labels):
    pair = measure_cine(beat.labels[..., [0, 9]], beat.cine, grid_labels[:, [0, 9]], 1.8, is_cycle=False)
    assert set(pair.motion.values()) == {None}


def test_the_numbers_of_all_become_tables_that_a_training_reads(measured, tmp_path):
    for name in ("9000002_3", "somebody"):
        (tmp_path / name).mkdir()
        write_record(tmp_path / name, record_of({}, measured, [], None, ()))
    assert write_phenotypes(tmp_path) == 2
    told = read_motion(tmp_path, ("somebody",))
    assert set(told) == {(9000002, 3), (person_number("somebody"), 2)}
    assert told[9000002, 3].numbers["ES_share"] == pytest.approx(measured.motion["ES_share"], abs=1e-4)
    phenotypes = read_phenotypes(tmp_path / TABLE, ("somebody",))
    assert set(phenotypes.rows) == set(told)
    assert phenotypes.rows[9000002, 3]["LVEDV"] == pytest.approx(measured.phenotypes["LVEDV"], abs=1e-3)
    assert told[9000002, 3].inside[5] == pytest.approx(measured.motion["inside_20"], abs=1e-4)


def test_a_frame_out_of_line_is_told(beat, grid_labels):
    jumping = beat.labels.copy()
    jumping[..., 6] = jumping[..., 0]
    flags = flags_of(measure_cine(jumping, beat.cine, grid_labels, 1.8), grid_labels, WHOLE)
    assert [flag.words for flag in flags if flag.code == "jump"] != []
    assert "6" in next(flag.words for flag in flags if flag.code == "jump")


def test_a_heart_cut_at_its_base_or_its_apex_is_told(beat, grid_labels):
    shown = np.flatnonzero((grid_labels[:, 0] == 1).any(axis=(1, 2)))

    def codes(slices):
        part = grid_labels[slices]
        return {flag.code for flag in flags_of(measure_cine(beat.labels, beat.cine, part, 1.8), part, WHOLE)}

    whole = {"base_cut", "apex_cut"} & codes(slice(None))
    assert whole == set()
    assert "base_cut" in codes(slice(shown[0] + 2, None))
    assert "apex_cut" in codes(slice(None, shown[-1] - 2))


def test_an_lv_in_pieces_at_ed_or_es_is_told(measured, grid_labels):
    def told(frame, share):
        apart = WHOLE.copy()
        apart[frame] = share
        return [flag.words for flag in flags_of(measured, grid_labels, apart) if flag.code == "lv_in_pieces"]

    assert told(measured.lv.ed, 0.01) == []
    assert told(measured.lv.es + 1, 0.5) == []
    assert "7 % at ED" in told(measured.lv.ed, 0.07)[0]
    assert "30 % at ES" in told(measured.lv.es, 0.3)[0]


def test_a_record_holds_no_number_that_is_none(beat, measured, grid_labels):
    empty = measure_cine(np.zeros_like(beat.labels), beat.cine, np.zeros_like(grid_labels), 1.8)
    flags = flags_of(empty, np.zeros_like(grid_labels), WHOLE)
    record = record_of({"patient": "p"}, empty, flags, None, ())
    assert record["phenotypes"]["LVEF"] is None
    assert not record["quality_rule"]["passed"]
    assert record_of({}, measured, [], 0.9, ())["quality_rule"]["passed"]
