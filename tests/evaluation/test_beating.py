"""Beating hearts as sample.py writes them: what lies in the folder, what heart.json says, and which sample is first."""

import io
import json
from dataclasses import asdict, replace

import numpy as np
import pytest
import torch
from matplotlib.axes import Axes
from PIL import Image

from cohort.beat import NUMBERS, measured_beat
from cohort.beat_clock import ES_PLACE
from cohort.cine import CineStack, Label, read_nifti
from cohort.disk import sha256_of
from cohort.errors import InputError
from cohort.heart_grid import GridGeometry, canonical_affine
from cohort.pseudonym import Naming
from cohort.rhythm import STATED
from evaluation.beating import PatientBeat, medoid_first, motion_record, order_record
from evaluation.certainty import interval
from evaluation.drawn_codes import DRAWS
from evaluation.heart_sampler import NO_RHYTHM, RHYTHM_STATED, HeartSampler, unmeasured
from evaluation.scale import SCALES
from evaluation.volume_plot import band_of, volume_plot
from models.conditioning import HeartConditioner
from models.denoiser import HeartDenoiser
from models.heart_motion import HeartMotion
from models.heart_prior import HeartPrior
from models.segmenter import Segmenter
from phantom.cohort_plan import CohortPlan
from phantom.cohort_writer import ecg_path, write_cohort
from sampling.heart_film import frame_durations_ms, heart_film, shown_frames, still_film
from sampling.options import SampleOptions
from sampling.outputs import Beating, read_hearts, read_record, write_patient
from sampling.patients import generate
from sampling.pipeline import ECGToMRIPipeline
from sampling.red_line import head_and_foot
from sampling.schedulers import DEFAULT_SCHEDULER, make_scheduler
from sampling.shown_heart import ShownHeart
from sampling.true_heart import find_true_cine
from segmenting.measured_cine import measure_cine
from tests.cohort.test_beat import ES, rings

FRAMES = 6
NAMES = ("ES_share", "curve_1", *(name for name in NUMBERS if name != "ES_share"))
PLACES = np.arange(50) / 50
CURVE = tuple(np.interp(PLACES, [0, ES_PLACE, 1], [1, 0, 1]).tolist())
GEOMETRY = GridGeometry(slices=3, phases=2, height=32, width=32, slice_step_mm=30.0, pixel_mm=5.4)


@pytest.fixture(scope="module")
def one_person(tmp_path_factory):
    """A phantom with a cine, as files."""
    folder = tmp_path_factory.mktemp("phantom") / "UKBB"
    write_cohort(folder, CohortPlan(seed=3, subjects=1, frames=4), processes=1)
    return folder


@pytest.fixture
def folder(tiny_parts, tmp_path):
    """An untrained pipeline whose hearts beat by cross-fading, with a segmenter."""
    beating_pipeline(tiny_parts).save(tmp_path / "pipeline", {"segmenter": Segmenter()})
    return tmp_path / "pipeline"


def beating_pipeline(tiny_parts) -> ECGToMRIPipeline:
    torch.manual_seed(1)
    spread = (0.02,) + (0.1,) * (len(NAMES) - 1)
    conditioner = HeartConditioner(
        width=32, components=3, motion=NAMES, motion_mean=(0.36,) + (0.3,) * (len(NAMES) - 1), motion_std=spread
    )
    parts = tiny_parts | {
        "conditioner": conditioner,
        "prior": HeartPrior(conditioner.code_length, conditioner.summary_length, width=16, blocks=1),
        "denoiser": HeartDenoiser(4, (4, 4), 32, conditioner.condition_length, widths=(32, 64)),
        "motion": HeartMotion(4, NAMES, ES_PLACE, CURVE, ((0.0,) * len(PLACES),), width=16),
    }
    pipeline = ECGToMRIPipeline(
        **{name: part.eval() for name, part in parts.items()},
        scheduler=make_scheduler(DEFAULT_SCHEDULER),
        geometry=asdict(GEOMETRY),
        ecg_limits=[[0.0, 20.0]] * 12,
        trained_on="simulated",
    )
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def opened(folder, output, **options) -> HeartSampler:
    about = SampleOptions(ecg=None, output=output, samples=3, steps=1, frames=FRAMES, **options)
    return HeartSampler.open(about, folder, Naming(None), torch.device("cpu"))


def drawn_people(labels: list[np.ndarray]) -> PatientBeat:
    """Samples whose label maps are given; their images are the maps."""
    maps = np.stack(labels)
    stills = maps[:, :, [0, round(ES * maps.shape[2])]]
    inside = np.stack([measured_beat(one, 1.0, 10.0).inside for one in labels])
    numbers = {name: np.arange(len(maps)) / 10 + 0.3 for name in NAMES}
    return PatientBeat(stills / 3, maps / 3, inside, np.full(len(maps), ES), numbers, stills, maps)


# --- a patient's folder ---------------------------------------------------------------------------------------------


def test_one_ecg_becomes_beating_hearts_beside_the_true_cine(folder, one_person, tmp_path):
    sampler, path = opened(folder, tmp_path / "out", mri=one_person), ecg_path(one_person, 0)
    patient = sampler.read(path)
    (drawn,) = sampler.draw([patient])
    place = tmp_path / "out" / drawn.name
    record = json.loads((place / "heart.json").read_text())
    names = {p.relative_to(place).as_posix() for p in place.rglob("*") if p.is_file()}
    departures = {"z_ED.nii.gz", "z_ES.nii.gz", "z.png"}  # of three samples beside a true heart
    assert {*sampler.written_names, *departures} == {name.split("/")[0] for name in names}
    assert record["files"] == {name: sha256_of(place / name) for name in names - {"heart.json"}}
    stacks = {f"{stem}.nii.gz" for name in ("sa", "seg_sa") for stem in (name, f"{name}_ED", f"{name}_ES")}
    assert stacks | {f"sample_3/{name}" for name in stacks} <= names
    cine, still = read_nifti(place / "sa.nii.gz"), read_nifti(place / "sa_ED.nii.gz")
    assert cine.voxels.shape == (32, 32, 3, FRAMES)
    assert cine.frame_interval_s == pytest.approx(sampler.beat_length(patient).rr_s / FRAMES, rel=1e-4)
    np.testing.assert_array_equal(cine.voxels[..., 0], still.voxels[..., 0])
    np.testing.assert_array_equal(cine.affine, still.affine)
    assert record["rr_ms"] == pytest.approx(60_000 / record["heart_rate_bpm"], rel=2e-3)
    assert record["rr_is"].startswith("median of sinus beats") and record["frames"] == FRAMES
    assert record["representative"] == "medoid of 3" and sorted(record["draws"]) == [1, 2, 3]
    assert len(record["motion"]["samples"]) == 3 and len(record["motion"]["samples"][0]["lv_ml"]) == FRAMES
    film = Image.open(place / "heart.gif")
    assert film.n_frames == FRAMES and film.size[1] == 2 * (14 + 32) + sum(head_and_foot(96))
    assert sampler.is_done(patient)


def test_the_samples_are_those_of_the_same_seed_with_the_medoid_first(folder, one_person, tmp_path):
    sampler = opened(folder, tmp_path / "out")
    patient = sampler.read(ecg_path(one_person, 0))
    ((_, hearts),) = generate(sampler.pipeline, [patient], 3, 0, 8, 1)
    (drawn,) = sampler.draw([patient])
    record = read_record(tmp_path / "out" / drawn.name)
    np.testing.assert_array_equal(drawn.hearts, hearts[[k - 1 for k in record["draws"]]])
    np.testing.assert_allclose(read_hearts(tmp_path / "out" / drawn.name), drawn.hearts, atol=6e-4)


def test_without_beats_in_the_ecg_the_frame_interval_is_unknown_and_told(folder, one_person, tmp_path):
    sampler = opened(folder, tmp_path / "out")
    patient = sampler.read(ecg_path(one_person, 0))
    flat = type(patient)(patient.name, 0 * patient.signal, patient.lead_mask, patient.person, ())
    (drawn,) = sampler.draw([flat])
    place = tmp_path / "out" / drawn.name
    record = json.loads((place / "heart.json").read_text())
    assert NO_RHYTHM in drawn.warnings and NO_RHYTHM in record["warnings"]
    assert record["rr_ms"] is None and record["motion"]["samples"][0]["drawn"]["ES_ms"] is None
    assert read_nifti(place / "sa.nii.gz").frame_interval_s is None
    (told,) = sampler.draw([replace(flat, name="told", stated_bpm=75.0)])
    record = json.loads((tmp_path / "out" / "told" / "heart.json").read_text())
    assert record["rr_ms"] == 800 and record["rr_is"] == STATED and RHYTHM_STATED in told.warnings
    assert read_nifti(tmp_path / "out" / "told" / "sa.nii.gz").frame_interval_s == pytest.approx(0.8 / FRAMES)


def test_a_pipeline_of_stills_writes_what_it_always_did(tiny_pipeline, one_person, tmp_path):
    tiny_pipeline.save(tmp_path / "stills")
    drawn = opened(tmp_path / "stills", tmp_path / "out").sample(ecg_path(one_person, 0))
    place = tmp_path / "out" / drawn.name
    assert {path.name for path in place.iterdir()} == {
        *("sa_ED.nii.gz", "sa_ES.nii.gz", "sd_ED.nii.gz", "sd_ES.nii.gz", "grid.png", "heart.json"),
        *("sample_2", "sample_3", "heart.html"),
    }
    assert not {"frames", "motion", "draws", "rr_ms"} & json.loads((place / "heart.json").read_text()).keys()


def test_a_label_map_of_somebody_else_is_kept_until_ours_takes_its_place(tmp_path):
    place, hearts = tmp_path / "p", np.full((1, *GEOMETRY.shape), 0.5, np.float32)
    write_patient(place, hearts, GEOMETRY, {})
    (place / "seg_sa_ED.nii.gz").write_bytes(b"theirs")
    write_patient(place, hearts, GEOMETRY, {})
    assert (place / "seg_sa_ED.nii.gz").read_bytes() == b"theirs"
    cines = np.full((1, 3, 4, 32, 32), 0.5, np.float32)
    beating = Beating(cines, b"GIF", np.zeros((1, *GEOMETRY.shape), np.uint8), np.zeros(cines.shape, np.uint8), b"PNG")
    write_patient(place, hearts, GEOMETRY, {}, beating=beating)
    assert (place / "seg_sa_ED.nii.gz").read_bytes() != b"theirs" and (place / "curve.png").exists()
    write_patient(place, hearts, GEOMETRY, {})
    assert {path.name for path in place.iterdir()} == {"sa_ED.nii.gz", "sa_ES.nii.gz", "grid.png", "heart.json"}


def test_label_maps_lie_where_their_hearts_do(tmp_path):
    cines = np.zeros((2, 3, 4, 32, 32), np.float32)
    labels = np.random.default_rng(0).integers(0, 4, cines.shape).astype(np.uint8)
    beating = Beating(cines, b"GIF", labels[:, :, :2], labels, b"PNG")
    write_patient(tmp_path / "p", np.zeros((2, *GEOMETRY.shape), np.float32), GEOMETRY, {}, None, 0.8, beating)
    second = tmp_path / "p" / "sample_2"
    for name, own in (("seg_sa", labels[1]), ("seg_sa_ED", labels[1, :, :1]), ("seg_sa_ES", labels[1, :, 1:2])):
        voxels = read_nifti(second / f"{name}.nii.gz", labels=True).voxels
        np.testing.assert_array_equal(voxels, own.transpose(3, 2, 0, 1))
    found = read_nifti(tmp_path / "p" / "seg_sa.nii.gz", labels=True)
    np.testing.assert_array_equal(found.voxels, labels[0].transpose(3, 2, 0, 1))
    np.testing.assert_allclose(found.affine, canonical_affine(GEOMETRY), atol=1e-4)
    assert found.frame_interval_s == pytest.approx(0.2)
    still = read_nifti(tmp_path / "p" / "seg_sa_ES.nii.gz", labels=True)
    np.testing.assert_array_equal(still.voxels[..., 0], labels[0, :, 1].transpose(2, 1, 0))


# --- which is first, and what is said -------------------------------------------------------------------------------


def test_the_medoid_is_the_sample_nearest_to_all_others_in_their_own_spreads():
    unknown, alike = [np.nan, 1, 2, 3, 4], [1.0] * 5
    numbers = np.stack([[0.0, 10, 5, 5, 5], [200, 200, 240, 100, 300], unknown, alike], axis=1)
    assert medoid_first(numbers) == [2, 0, 1, 3, 4]
    assert order_record([2, 0, 1, 3]) == {"representative": "medoid of 4", "draws": [3, 1, 2, 4]}


def test_two_samples_have_no_middle():
    assert medoid_first(np.array([[1.0], [2.0]])) == [0, 1]
    assert order_record([0, 1]) == {"representative": None, "draws": [1, 2]}


def test_the_band_of_a_patients_curves_is_told_by_the_codes_of_all_its_frames(
    folder, one_person, tmp_path, monkeypatch
):
    asked, band = [], {"which": "by codes", "low": [5.0] * FRAMES, "high": [400.0] * FRAMES}

    def told(expected, factors):
        asked.append((expected.inside.shape, factors))
        return {"LV": band, "RV": band | {"which": "the RV's"}}

    monkeypatch.setattr("evaluation.heart_sampler.told_bands", told)
    sampler = opened(folder, tmp_path / "out")
    drawn = sampler.sample(ecg_path(one_person, 0))
    motion = json.loads((tmp_path / "out" / drawn.name / "heart.json").read_text())["motion"]
    assert motion["lv_band_ml"] == band and motion["rv_band_ml"]["which"] == "the RV's"
    assert asked == [((DRAWS, FRAMES), None)]


def test_motion_is_told_in_ms_and_ml_of_this_beat_and_not_where_unknown():
    numbers = dict.fromkeys(NUMBERS, 0.5) | {"peak_ejection": 4.0, "atrial_share": float("nan")}
    told = motion_record(numbers, 80.0, 0.8)
    assert told["ES_ms"] == 400 and told["peak_ejection_ml_s"] == 400 and told["dyssynchrony_ms"] == 400
    assert told["atrial_share"] is None and told["thickening_percent"]["septal"] == 0.5
    assert motion_record(numbers, 80.0, None)["ES_ms"] is None
    assert motion_record(numbers, None, 0.8)["peak_ejection_ml_s"] is None


def test_samples_whose_beat_cannot_be_measured_are_told(folder, one_person, tmp_path):
    assert unmeasured({"motion": {"samples": [{"measured": {}}, {"drawn": {}}]}}) == ()
    lost, found = {"measured": None, "lv_ml": [1] * 10}, {"measured": {}, "lv_ml": [1] * 10}
    (told,) = unmeasured({"motion": {"samples": [lost, found, lost]}})
    assert "2 of 3 samples" in told
    (told,) = unmeasured({"motion": {"samples": [{"measured": None, "lv_ml": [1, 2]}]}})
    assert "too few frames to measure the beat (2, of at least 10)" in told
    sampler = opened(folder, tmp_path / "out")  # whose networks know nothing: they draw no heart
    drawn = sampler.sample(ecg_path(one_person, 0))
    assert any(f"too few frames to measure the beat ({FRAMES}, of at least 10)" in text for text in drawn.warnings)


def test_what_heart_json_says_is_what_is_measured_on_the_maps():
    grid = GridGeometry(slices=3, phases=2, height=80, width=80, slice_step_mm=10.0, pixel_mm=1.0)
    late = rings(late=0.1)
    beat, order = drawn_people([late, rings(), rings()]).in_order(grid)
    assert order == [1, 0, 2]
    record = beat.record(grid, 1.0)
    first, second = record["samples"][:2]
    assert first["lv_ml"][0] == pytest.approx(np.pi * 20**2 * 3 * 10 / 1000, rel=0.02)
    assert first["measured"]["ES_ms"] == pytest.approx(1000 * ES, abs=20)
    assert second["measured"]["dyssynchrony_ms"] > 3 * first["measured"]["dyssynchrony_ms"]
    assert second["drawn"]["ES_share"] == pytest.approx(0.3)  # of the sample drawn first
    assert record["lv_band_ml"]["which"] == "range of 3 samples"


def test_the_pictures_and_the_bands_are_of_the_first_in_order(monkeypatch):
    grid = GridGeometry(slices=3, phases=2, height=80, width=80, slice_step_mm=10.0, pixel_mm=1.0)
    beat = drawn_people([rings(late=0.1), rings(late=0.05), rings()])
    beat = replace(beat, es_share=np.array([0.3, 0.4, 0.5])).reordered([1, 0, 2])
    given = {}
    monkeypatch.setattr("evaluation.beating.heart_film", lambda hearts, *_: given.update(film=hearts) or b"")
    monkeypatch.setattr("evaluation.beating.volume_plot", lambda *about: given.update(plot=about) or b"")
    beat.written(grid, 0.8, None)
    (film,), (lv, rv, es, beat_s, bands, true) = given["film"], given["plot"]
    assert bands is None and true is None  # the plot takes those of the samples
    np.testing.assert_array_equal(film.frames, rings(late=0.05) / 3)
    np.testing.assert_array_equal(film.labels, rings(late=0.05))
    lv_ml, rv_ml = (beat.volumes_ml(part, grid) for part in (Label.LV_CAVITY, Label.RV_CAVITY))
    np.testing.assert_array_equal((lv, rv), (lv_ml, rv_ml))
    assert (es, beat_s) == (0.4, 0.8) and not np.array_equal(lv, rv)
    record = beat.record(grid, 0.8)
    for k in range(3):
        np.testing.assert_allclose(record["samples"][k]["rv_ml"], rv_ml[k], atol=0.01)
    assert record["lv_band_ml"] == band_of(lv_ml) and record["rv_band_ml"] == band_of(rv_ml)
    told = {name: {"which": name, "low": [1.0], "high": [2.0]} for name in ("LV", "RV")}
    beat.written(grid, 0.8, None, told)
    assert given["plot"][-2] == told
    record = beat.record(grid, 0.8, told)
    assert record["lv_band_ml"] == told["LV"] and record["rv_band_ml"] == told["RV"]
    alone = replace(beat, maps=None, cine_maps=None, inside=np.array([[1.0, 0.0], [1.0, 0.1], [1.0, 0.2]]))
    assert [one["inside"][1] for one in alone.record(grid, 0.8)["samples"]] == [0.0, 0.1, 0.2]


def test_stills_of_a_true_heart_are_at_es_when_sample_1_is(folder, one_person, tmp_path, monkeypatch):
    monkeypatch.setattr("evaluation.heart_sampler.find_true_cine", lambda *_: None)
    shown = {}
    monkeypatch.setattr(
        "evaluation.beating.heart_film", lambda hearts, *_: shown.update({h.name: h for h in hearts}) or b"GIF"
    )
    sampler = opened(folder, tmp_path / "out", mri=one_person)
    (drawn,) = sampler.draw([sampler.read(ecg_path(one_person, 0))])
    true = shown["MRI, true heart at the ECG's rhythm, ED and ES only"]
    np.testing.assert_array_equal(true.frames[:, 0], drawn.true_heart[:, 0])
    np.testing.assert_array_equal(true.frames[:, 2], drawn.true_heart[:, 1])  # at a third of the cycle
    assert true.labels.shape == true.frames.shape and (true.labels[:, 0] != true.labels[:, 2]).any()


@pytest.mark.parametrize(("times", "warned"), [(0.9, False), (0.7, True), (1.4, True), (None, False)])
def test_the_rate_at_which_the_true_heart_was_scanned_is_told_and_warned_of_where_it_is_another(
    folder, one_person, tmp_path, monkeypatch, times, warned
):
    sampler = opened(folder, tmp_path / "out", mri=one_person)
    patient = sampler.read(ecg_path(one_person, 0))
    rr_s = sampler.beat_length(patient).rr_s
    monkeypatch.setattr(
        "evaluation.heart_sampler.find_true_cine",
        lambda *about: find_true_cine(*about)._replace(beat_s=times and times * rr_s),
    )
    (drawn,) = sampler.draw([patient])
    record = json.loads((tmp_path / "out" / drawn.name / "heart.json").read_text())
    told = record.get("true_heart_bpm")
    assert told == (times and pytest.approx(60 / rr_s / times, abs=0.1)) and ("true_heart_bpm" in record) == bool(times)
    words = f"scanned at {told or 0:.0f} beats a minute, the ECG has {60 / rr_s:.0f}"
    assert any(words in warning for warning in record["warnings"]) == warned
    assert (words in (tmp_path / "out" / drawn.name / "heart.html").read_text()) == bool(times)


def test_the_files_say_how_fast_the_true_heart_beat_when_it_was_scanned(folder, one_person, tmp_path):
    sampler = opened(folder, tmp_path / "out", mri=one_person)
    (drawn,) = sampler.draw([sampler.read(ecg_path(one_person, 0))])
    record = json.loads((tmp_path / "out" / drawn.name / "heart.json").read_text())
    heart = CohortPlan(seed=3, subjects=1, frames=4).heart(0)
    assert record["true_heart_bpm"] == pytest.approx(heart.heart_rate_bpm, abs=0.1)


def test_a_heart_whose_beat_cannot_be_measured_has_no_flow():
    """Its volumes tremble, and a stroke volume of nothing but noise would make mL/s of the drawn numbers."""
    grid = GridGeometry(slices=3, phases=2, height=80, width=80, slice_step_mm=10.0, pixel_mm=1.0)
    beat = drawn_people([rings()])
    lost = replace(beat, cine_maps=np.roll(beat.cine_maps, 9, axis=2))  # the LV is largest in another frame
    told = lost.record(grid, 0.8)["samples"][0]
    assert told["measured"] is None and told["drawn"]["peak_ejection_ml_s"] is None
    assert told["drawn"]["ES_ms"] == pytest.approx(240)
    assert beat.record(grid, 0.8)["samples"][0]["drawn"]["peak_ejection_ml_s"] > 0


def test_rates_are_those_that_segment_py_finds_on_the_same_maps():
    grid = GridGeometry(slices=3, phases=2, height=80, width=80, slice_step_mm=10.0, pixel_mm=1.0)
    labels = rings(25)
    told = drawn_people([labels]).record(grid, 0.8)["samples"][0]["measured"]
    stack = CineStack(labels.transpose(3, 2, 0, 1), np.diag([1.0, 1.0, 10.0, 1.0]), 0.8 / 25)
    rates = measure_cine(stack.voxels, stack, labels, 1.0).rates
    for name in ("ES_ms", "peak_ejection_ml_s", "peak_filling_ml_s"):
        assert told[name] == pytest.approx(rates[name], abs=0.06), name
    assert told["ES_share"] == pytest.approx(rates["ES_share"], abs=1e-4)


@pytest.mark.parametrize("frames", [1, 201])
def test_frames_that_show_no_beat_or_fill_the_memory_are_refused(frames):
    with pytest.raises(InputError, match="give at (least 2; the stills are written in any case|most 200)"):
        SampleOptions(ecg=None, frames=frames).require_sound()


# --- pictures -------------------------------------------------------------------------------------------------------


def test_the_film_lasts_a_beat():
    assert sum(frame_durations_ms(25, 0.857)) == 860 and set(frame_durations_ms(25, 0.857)) == {30, 40}
    assert sum(frame_durations_ms(4, None)) == 1000
    assert shown_frames(25, 0.857) == list(range(25)) and shown_frames(4, None) == [0, 1, 2, 3]
    heart = np.linspace(0, 1, 2 * 3 * 8 * 8, dtype=np.float32).reshape(2, 3, 8, 8)
    film = Image.open(io.BytesIO(heart_film([ShownHeart("true", heart), ShownHeart("drawn", 1 - heart)], 0.9)))
    film.seek(2)
    pixels, grey = np.asarray(film.convert("L")), np.round(255 * heart).astype(int)
    head, foot = head_and_foot(16)
    pixels = pixels[head:-foot]
    np.testing.assert_allclose(pixels[14:22, :16], np.concatenate(list(grey[:, 2]), axis=1), atol=1)
    np.testing.assert_allclose(pixels[36:, :8], 255 - grey[0, 2], atol=1)
    assert film.info["duration"] == 300 and film.info["loop"] == 0


def test_a_film_of_many_frames_leaves_some_out_and_keeps_the_rhythm():
    heart = np.arange(100, dtype=np.float32).reshape(1, 100, 1, 1) / 100 * np.ones((1, 1, 8, 64), np.float32)
    film = Image.open(io.BytesIO(heart_film([ShownHeart("drawn", heart)], 0.33)))
    assert film.n_frames == 16 and shown_frames(100, 0.33) == [100 * k // 16 for k in range(16)]
    durations = []
    for number in range(16):
        film.seek(number)
        durations.append(film.info["duration"])
    assert sum(durations) == 330 and min(durations) >= 20
    assert np.asarray(film.convert("L"))[-head_and_foot(64)[1] - 1, 0] == pytest.approx(255 * 0.93, abs=1.5)


def test_stills_show_es_while_the_drawn_heart_is_more_than_half_empty():
    heart = np.stack([np.zeros((1, 2, 2)), np.ones((1, 2, 2))], axis=1)
    assert still_film(heart, np.array([1, 0.6, 0.4, 0, 0.8]))[0, :, 0, 0].tolist() == [0, 0, 1, 1, 0]


def test_the_band_is_the_interval_of_enough_samples_and_never_below_0():
    volumes = np.array([[100.0, 10], [110, 20], [90, 0], [100, 10]])
    band, ends = band_of(volumes), interval(SCALES["LVEDV"].forth(volumes.T), 0.9)
    assert band["which"] == "90 % interval" and interval(volumes.T, 0.9)[0][1] < 0 < band["low"][1] < 1
    np.testing.assert_allclose([band["low"], band["high"]], np.exp(ends), atol=0.005)
    assert band["high"][0] > 110 and band_of(volumes[:1]) is None
    assert band_of(volumes[:3])["low"] == [90, 0]


def test_the_line_of_the_curve_is_sample_1(monkeypatch):
    lines = []
    monkeypatch.setattr("matplotlib.axes.Axes.plot", lambda axes, time, volumes, **_: lines.append(volumes.tolist()))
    lv = np.array([[120.0, 60], [100, 40]])
    volume_plot(lv, lv - 10, 0.4, 0.9)
    assert lines == [[120, 60, 120], [110, 50, 110]]


def test_the_real_hearts_curves_lie_over_the_drawn_ones_and_say_who_measured_them(monkeypatch):
    named = {}
    plain = Axes.plot

    def plot(axes, time, values, **about):
        named[about["label"]] = np.asarray(values)
        return plain(axes, time, values, **about)

    monkeypatch.setattr(Axes, "plot", plot)
    lv = np.array([[100.0, 40.0, 70.0]])
    own = {"lv_ml": [120.0, 50.0], "rv_ml": None, "volumes_measured_by": "a segmenter"}
    volume_plot(lv, lv, 0.4, 0.9, true=own)
    np.testing.assert_array_equal(named["LV, real, measured by a network"], [120, 50, 120])
    assert len(named) == 3
    volume_plot(lv, lv, 0.4, 0.9, true=own | {"volumes_measured_by": "its own label maps"})
    assert "LV, true heart" in named


def test_the_curve_is_drawn_and_follows_the_numbers():
    lv = np.array([[120.0, 60, 50, 90]])
    one, other = (volume_plot(lv, scale * lv, 0.4, 0.9) for scale in (1.0, 1.2))
    assert Image.open(io.BytesIO(one)).size == (700, 420) and one != other
    others = [volume_plot(lv, lv, 0.4, 0.8), volume_plot(lv, lv, 0.4, None), volume_plot(lv, lv, 0.3, 0.9)]
    assert one == volume_plot(lv, lv, 0.4, 0.9) and one not in others
