"""Motion of every arm against true cines: what the numbers mean, and that they come from the hearts they should."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from accelerate import PartialState

from cohort.beat import NUMBERS
from cohort.beat_clock import ES_PLACE, frame_times
from cohort.cines import Cines
from cohort.heart_grid import canonical_affine
from cohort.prepared import NO_LABELS, Preparation
from cohort.rhythm import SINUS, BeatLength
from evaluation.ceiling import predict_motion, predict_phenotypes
from evaluation.heart_rate import by_heart_rate
from evaluation.motion import closure_ratio, curve_rms, curves_of, motion_numbers, motion_report, one_for_everybody
from evaluation.motion_study import REAL, SEGMENTED, MeasuredMotion, MotionStudy, closure, measured_motion
from evaluation.page import page
from evaluation.plots import motion_curves
from evaluation.study import Study
from models.conditioning import HeartConditioner
from models.ecg_encoder import ECGEncoder
from models.heart_motion import HeartMotion
from models.segmenter import Segmenter
from sampling.patients import Patient
from tests.cohort.test_beat import ES, rings, share_inside
from tests.evaluation.test_beating import GEOMETRY, beating_pipeline

FRAMES, PEOPLE = 25, 300
PLACES = np.arange(50) / 50
MOTION = HeartMotion(
    4,
    ("ES_share", "curve_1", *NUMBERS[1:]),
    ES_PLACE,
    tuple(np.abs(PLACES / 0.5 - 1).tolist()),
    ((0.1,) * 50,),
    width=16,
)


CURVES = np.linspace(1, 0, FRAMES) * np.ones((2, 1)), np.linspace(1, 0, FRAMES) * np.ones((2, 3, 1))


def arm(samples: int, error: float, seed: int) -> MeasuredMotion:
    """Of everybody, numbers whose truth has an SD of 1, each sample with an error of its own, and curves likewise."""
    rng, truth = np.random.default_rng(seed), np.random.default_rng(0).normal(size=(PEOPLE, 1, len(NUMBERS)))
    curves = 0.5 + 0.1 * truth[:, :, :1] * np.sin(np.pi * frame_times(FRAMES))
    shape = (PEOPLE, samples)
    return MeasuredMotion(
        curves + 0.1 * error * rng.normal(size=(*shape, 1)),
        truth + error * rng.normal(size=(*shape, len(NUMBERS))),
        np.full(shape, 2.0 + error),
    )


def test_the_report_tells_own_from_control_and_a_mean_of_few_from_one_of_many():
    real, ceiling = arm(1, 0.0, 1), {name: arm(1, 0.1, 2).numbers[:, 0, k] for k, name in enumerate(NUMBERS)}
    ceiling["curve_1"] = np.zeros(PEOPLE)
    found = motion_numbers(real, {"generated": arm(4, 1.0, 3), "person_only": arm(2, 3.0, 4)}, ceiling, MOTION)
    for table in found["numbers"].values():
        assert table["generated"] == pytest.approx(1 - 1 / 4, abs=0.2) and table["n"] == PEOPLE
        assert table["of_many"] == pytest.approx(1, abs=0.15) and table["ceiling"] > 0.97
        assert table["person_only"] < 0 < table["own_ecg"] < table["generated"]
    assert "peak_septal" not in found["numbers"] and "peak_filling" in found["numbers"]
    rms = found["curve_rms"]
    assert rms["generated"] == pytest.approx(10 / 2, rel=0.3) and rms["person_only"] > 2 * rms["own_ecg"]
    assert rms["generated"] < rms["one_curve"] and np.isfinite(rms["ceiling"])
    assert (found["closure"]["generated"], found["closure"]["person_only"]) == (1.5, 2.5)
    table = found["numbers"]["ES_share"]
    assert table["kept"] == pytest.approx(table["of_many"] / table["ceiling"])
    for source, name in ((table, "of_many"), (table, "kept"), (table, "person_only"), (rms, "generated")):
        low, high = source[f"{name}_ci"]
        assert low < source[name] < high and high - low < 0.5 * (1 + abs(source[name])), name


def test_true_cines_that_do_not_close_are_no_measure_of_closing():
    real, own = arm(1, 0.0, 1), arm(4, 1.0, 3)
    cut = replace(real, inside=real.inside.copy(), closure=real.closure.copy())
    cut.inside[: PEOPLE // 2 + 9], cut.closure[: PEOPLE // 2 + 9] = np.nan, 9.0
    assert motion_numbers(cut, {"generated": own}, {}, MOTION)["closure"]["generated"] == 1.5


def test_a_share_of_a_ceiling_that_explains_nothing_is_not_told():
    noise = np.random.default_rng(9).normal(size=PEOPLE)
    ceiling = dict.fromkeys(("curve_1", *NUMBERS), noise)
    found = motion_numbers(arm(1, 0.0, 1), {"generated": arm(4, 1.0, 3)}, ceiling, MOTION)["numbers"]["peak_filling"]
    assert found["ceiling"] < 0 and np.isnan(found["kept"]) and found["of_many"] > 0.8


def test_the_instruments_own_error_stands_beside_and_is_no_control():
    arms = {"generated": arm(4, 1.0, 3), SEGMENTED: arm(1, 0.3, 5)}
    found = motion_numbers(arm(1, 0.0, 1), arms, {}, MOTION)
    assert found["numbers"]["ES_share"][SEGMENTED] == pytest.approx(1 - 0.09, abs=0.05)
    assert "own_ecg" not in found["numbers"]["ES_share"] and "own_ecg" not in found["curve_rms"]
    assert found["curve_rms"][SEGMENTED] < found["curve_rms"]["generated"]


def test_beats_that_cannot_be_measured_are_left_out_and_counted():
    real, own = arm(1, 0.0, 1), arm(4, 0.0, 3)
    real.inside[0], real.numbers[0] = np.nan, np.nan
    own.inside[1, :3], own.numbers[1, :3], own.numbers[2] = np.nan, np.nan, np.nan
    found = motion_numbers(real, {"generated": own}, {}, MOTION)
    assert found["people"] == PEOPLE and found["people_measured"] == PEOPLE - 1
    table = found["numbers"]["ES_share"]
    assert (table["n"], table["generated"], table["of_many"]) == (PEOPLE - 2, 1.0, 1.0) and "ceiling" not in table
    assert found["curve_rms"]["generated"] == pytest.approx(0, abs=1e-9)


def test_what_the_heart_rate_alone_tells_stands_beside():
    real = arm(1, 0.0, 1)
    truth = real.numbers[:, 0, NUMBERS.index("ES_share")]
    rr_s = np.where(np.arange(PEOPLE) < 5, np.nan, 1 + 0.1 * truth)  # of five no beats were found
    found = motion_numbers(real, {"generated": arm(4, 1.0, 3)}, {}, MOTION, rr_s)
    assert found["numbers"]["ES_share"]["heart_rate"] == pytest.approx(1) and "heart_rate_ci" in found["curve_rms"]
    assert found["numbers"]["dyssynchrony"]["heart_rate"] < 0.3 and found["curve_rms"]["heart_rate"] < 1e-6
    alone = motion_numbers(real, {"generated": arm(4, 1.0, 3)}, {}, MOTION)
    assert "heart_rate" not in alone["numbers"]["ES_share"] and np.isnan(alone["curve_rms"]["heart_rate"])


def test_a_person_does_not_teach_what_is_foretold_of_that_person():
    rng = np.random.default_rng(0)
    truth, rr_s = rng.normal(size=(30, 2)), rng.uniform(0.6, 1.2, 30)
    told, changed = by_heart_rate(truth, rr_s), truth.copy()
    changed[4] = 99
    np.testing.assert_allclose(by_heart_rate(changed, rr_s)[4], told[4])
    assert not np.allclose(by_heart_rate(changed, rr_s)[5], told[5])
    assert (
        np.isnan(by_heart_rate(truth[:9], rr_s[:9])).all() and np.isfinite(by_heart_rate(truth[:10], rr_s[:10])).all()
    )


def test_one_curve_for_everybody_knows_nothing_of_the_person():
    truth = np.array([[0.0, 1], [1, 0], [np.nan, np.nan], [0.5, 0.5]])
    np.testing.assert_allclose(one_for_everybody(truth), [[0.75, 0.25], [0.25, 0.75], [0.5, 0.5], [0.5, 0.5]])
    assert curve_rms(one_for_everybody(truth), truth) == pytest.approx(100 * np.sqrt((4 * 0.75**2) / 6))
    assert np.isnan(one_for_everybody(truth[:1])).all()


def test_the_ceilings_curve_is_the_one_its_numbers_mean():
    numbers = {"ES_share": np.array([ES_PLACE, 0.2]), "curve_1": np.array([0.0, 1.0])}
    one, other = curves_of(numbers, MOTION, 10)
    np.testing.assert_allclose(one, np.abs(frame_times(10) / 0.5 - 1), atol=1e-5)
    assert other[1] == pytest.approx(0.1 + abs(0.2 / 0.5 - 1), abs=1e-5)  # a tenth of the cycle is half of its systole


def test_a_cycle_that_jumps_where_it_starts_again_does_not_close():
    turn = 2 * np.pi * frame_times(FRAMES)
    cine = np.sin(turn)[None, :, None, None] * np.ones((2, 1, 4, 4))
    assert closure(cine) == pytest.approx(1.55, abs=0.1)  # its steepest step
    assert closure(cine[:, :16]) > 2 * closure(cine) and np.isnan(closure(0 * cine))
    assert closure_ratio(np.array([[3.0, np.nan]]), np.array([[2.0]])) == 1.5


def test_what_is_measured_is_the_curve_of_a_beat_that_closes():
    labels = np.stack([rings(), rings(span=0.7)])
    found = measured_motion(labels / 3.0, labels, 1.0, 10.0)
    np.testing.assert_allclose(found.inside[0, 0], share_inside(frame_times(FRAMES)), atol=0.1)
    assert found.numbers[0, 0, NUMBERS.index("ES_share")] == pytest.approx(ES, abs=0.03)
    assert np.isnan(found.inside[0, 1]).all() and np.isnan(found.numbers[0, 1]).all()
    assert found.closure[0, 1] > 2 * found.closure[0, 0]


@pytest.fixture
def study(tiny_parts, tmp_path):
    """Four people, of whom two have a cine."""
    rng = np.random.default_rng(0)
    cohort = SimpleNamespace(
        eid=np.arange(9000001, 9000005),
        instance=np.full(4, 2),
        ecg=rng.normal(size=(4, 12, 2500)).astype(np.float32),
        lead_mask=np.ones((4, 12), bool),
        person=np.full((4, 4), np.nan, np.float32),
        mask=np.ones((4, 3, 2), bool),
        affine=np.stack([canonical_affine(GEOMETRY)] * 4),
        preparation=Preparation(GEOMETRY),
    )
    about = {"samples": 3, "steps": 1}
    return Study(beating_pipeline(tiny_parts), tmp_path, Segmenter(), cohort, np.arange(4), **about)


def cines_of(rows: list[int], labels: np.ndarray) -> Cines:
    maps = np.stack([labels] * len(rows))
    return Cines(None, np.array(rows), (maps.clip(0, 3) * 80).astype(np.uint8), maps)


def test_every_arm_is_measured_of_those_who_have_a_cine_and_kept(study, tmp_path):
    torch.set_grad_enabled(True)
    small = rings(10, size=80)[:, :, ::2, ::2][:, :, 4:36, 4:36]
    moving, state = MotionStudy.of(study, cines_of([1, 3], small)), PartialState()
    for arm_ in (REAL, SEGMENTED, "generated", "shuffled_ecg"):
        moving.measure(arm_, tmp_path / "work", state)
    real, own, other = (moving.measurements(a, tmp_path / "work") for a in (REAL, "generated", "shuffled_ecg"))
    assert real.inside.shape == (2, 1, 10) and own.inside.shape == (2, 3, 10) and other.inside.shape == (2, 2, 10)
    assert real.numbers[0, 0, 0] == pytest.approx(ES, abs=0.06) and np.isfinite(own.closure).all()
    assert not np.array_equal(own.closure[:, :2], other.closure)
    paths = sorted((tmp_path / "work").rglob("*.npz"))
    assert [path.stem[:7] for path in paths] == ["9000002", "9000004"] * 4
    before = [path.stat().st_mtime_ns for path in paths]
    moving.measure("generated", tmp_path / "work", state)
    assert [path.stat().st_mtime_ns for path in paths] == before
    assert moving.ceiling == {}
    report, picture = motion_report(moving, ["shuffled_ecg"], tmp_path / "work")
    assert moving.study.names == ["9000002_20205_2_0", "9000004_20205_2_0"]
    assert report["people"] == 2 and SEGMENTED in report["closure"] and picture.startswith(b"\x89PNG")


def test_the_rr_of_each_person_is_that_of_the_own_ecg(study, monkeypatch):
    """Of the second of the people with a cine nothing is found."""
    lengths = iter([BeatLength(0.9, SINUS, 8, 0), None])
    seen = []
    monkeypatch.setattr(
        "evaluation.motion_study.beat_length", lambda ecg, bpm: (seen.append(ecg.signal), next(lengths))[1]
    )
    moving = MotionStudy.of(study, cines_of([1, 3], rings(10, size=32)))
    np.testing.assert_equal(moving.rr_s, [0.9, np.nan])
    assert all(np.array_equal(one, p.signal) for one, p in zip(seen, moving.study.patients, strict=True))


def test_without_cines_or_without_motion_there_is_no_study_of_it(study, tiny_pipeline):
    small = rings(10, size=32)
    assert MotionStudy.of(study, None) is None
    assert MotionStudy.of(study, cines_of([7], small)) is None
    assert MotionStudy.of(Study(tiny_pipeline, *list(vars(study).values())[1:5]), cines_of([1], small)) is None


def test_a_cine_without_a_map_is_measured_by_the_segmenter(study, tmp_path, monkeypatch):
    small = rings(10, size=80)[:, :, ::2, ::2][:, :, 4:36, 4:36]
    monkeypatch.setattr("evaluation.motion_study.cine_labels", lambda segmenter, cine: small.copy())
    moving = MotionStudy.of(study, cines_of([1], np.full_like(small, NO_LABELS)))
    drawn = MotionStudy.of(study, cines_of([1], np.roll(small, 4, axis=1)))
    for of, of_whom in ((moving, "unlabelled"), (drawn, "labelled")):
        for arm_ in (REAL, SEGMENTED):
            of.measure(arm_, tmp_path / of_whom, PartialState())
    assert moving.measurements(REAL, tmp_path / "unlabelled").numbers[0, 0, 0] == pytest.approx(ES, abs=0.06)
    assert np.isnan(moving.measurements(SEGMENTED, tmp_path / "unlabelled").numbers).all()  # it would be its own truth
    assert drawn.measurements(SEGMENTED, tmp_path / "labelled").numbers[0, 0, 0] == pytest.approx(ES, abs=0.06)
    assert np.isnan(drawn.measurements(REAL, tmp_path / "labelled").numbers[0, 0, 0])  # its ED is not frame 0


def test_a_ceiling_that_was_taught_motion_tells_it_by_name(tmp_path):
    torch.manual_seed(0)
    conditioner = HeartConditioner(
        *(16, ("LVM",), 0, (110.0,), (25.0,)), motion=("ES_share",), motion_mean=(0.4,), motion_std=(0.05,)
    )
    with torch.no_grad():
        conditioner.target_head.weight.zero_()
        conditioner.target_head.bias.copy_(torch.tensor([1.0, -2.0]))
    for name, part in (
        ("ecg_encoder", ECGEncoder(duration_s=1.0, width=16, layers=1, heads=2)),
        ("conditioner", conditioner),
    ):
        part.save_pretrained(tmp_path / name, safe_serialization=True)
    signal = np.random.default_rng(0).normal(size=(12, 250)).astype(np.float32)
    people = [Patient("patient", signal, np.ones(12, bool), np.full(4, np.nan, np.float32), ())]
    told = predict_motion(tmp_path, people, torch.device("cpu"))
    assert list(told) == ["ES_share"] and told["ES_share"] == pytest.approx([0.3])
    assert np.nanmax(predict_phenotypes(tmp_path, people, torch.device("cpu"))) == pytest.approx(135)


def test_every_panel_of_curves_is_called_by_its_person(monkeypatch):
    drawn = []
    monkeypatch.setattr("evaluation.plots._png", drawn.append)
    truth = np.append(np.full((1, FRAMES), np.nan), CURVES[0], axis=0)  # nothing is known of the first
    motion_curves(truth, np.append(CURVES[1], CURVES[1][:1], axis=0), ["anna", "ben", "carl"])
    assert [axes.get_title() for axes in drawn[0].axes] == ["ben", "carl"]


def test_the_page_shows_motion_where_there_is_some():
    real = arm(1, 0.0, 1)
    motion = motion_numbers(real, {"generated": arm(4, 1.0, 3), "person_only": arm(2, 3.0, 4)}, {}, MOTION)
    text = page({"motion": motion}, {})
    assert (
        "end-systole, share of the cycle" in text and "one curve for everybody" in text and "ceiling</th>" not in text
    )
    assert f"<td>{motion['curve_rms']['generated']:.1f} <small>" in text and "<td>1.50 <small>" in text
    assert 'alt="Share of the stroke volume' not in text and "<img" not in text
    pictured = page({"motion": motion}, {"motion": motion_curves(*CURVES, [""] * 2)})
    assert 'alt="Share of the stroke volume' in pictured
    assert '<section id="does-it-beat' not in page({}, {}) and '<section id="does-it-beat' in pictured
