"""Learning motion: what a step sees, what is learned, and a whole training whose hearts beat."""

import re
import shutil
from dataclasses import asdict, replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from accelerate import Accelerator

from cohort.beat_clock import ES_PLACE
from cohort.cine import Label
from cohort.cines import Cines
from cohort.errors import InputError
from cohort.heart_grid import GridGeometry
from cohort.prepared import NO_LABELS
from cohort.stored_arrays import write_about
from models.heart_motion import with_neighbours
from models.presets import PRESETS
from sampling.patients import patient_batch, prepared_patients
from sampling.pipeline import ECGToMRIPipeline, sample_generator
from tests.short_training import shorten
from training.cohort_arrays import open_cines
from training.fit import fit
from training.learning_curve import curve_point, motion_like_the_pipelines, point_settings, told
from training.motion import MovingHearts, fresh_motion, moving
from training.motion_targets import COMPONENTS, POINTS, curve_components, motion_targets
from training.options import CeilingOptions, DiffusionOptions, StageSteps
from training.pipeline_folder import save_pipeline
from training.recipe import Recipe
from training.run import Run
from training.session import Session
from training.stages import STAGES, Training, recorded_settings, with_lengths

FRAMES = 20


def beating(es: float, frames: int = FRAMES, size: int = 32) -> np.ndarray:
    """Label maps (3, frames, size, size) of a ring that empties until `es`, and of an RV beside it."""
    y, x = np.mgrid[:size, :size] - (size - 1) / 2
    radius = np.hypot(x, y)
    stack = []
    for time in np.arange(frames) / FRAMES:
        inner = np.sqrt(np.interp(time, [0, es, es + 0.1, 0.75, 0.85, 1], [81, 25, 25, 60, 60, 81]))
        labels = np.where((x < 0) & (radius < 15), Label.RV_CAVITY, 0)
        labels = np.where(radius < np.sqrt(inner**2 + 60), Label.LV_MYOCARDIUM, labels)
        stack.append(np.where(radius < inner, Label.LV_CAVITY, labels))
    return np.stack([np.stack(stack)] * 3).astype(np.uint8)


@pytest.fixture
def cines(prepared, tmp_path):
    """Of everybody, ES at 0.3 to 0.5; the first does not close, and of the last there is no map."""
    people = len(prepared.eid)
    labels = np.stack([beating(es) for es in np.linspace(0.3, 0.5, people)])
    images = (labels * 80).astype(np.uint8)
    np.save(tmp_path / "cines.npy", images)
    write_about(tmp_path, ["cines"], {"people": people})
    labels[0] = beating(0.3 * 0.7, frames=FRAMES)
    labels[0, :, 14:] = labels[0, :, 13:14]
    labels[-1] = NO_LABELS
    return Cines(tmp_path, np.arange(people), images, labels)


def test_numbers_are_of_those_who_were_measured(prepared, cines):
    targets = motion_targets(prepared, cines)
    named = dict(zip(targets.names, targets.values.T, strict=True))
    assert not targets.beats[0].closes and targets.beats[-1] is None
    assert np.isnan(named["ES_share"][[0, -1]]).all() and np.isfinite(named["ES_share"][1:-1]).all()
    assert np.isfinite(named["thickening_septal"][0]) and np.isnan(named["thickening_septal"][-1])
    assert np.corrcoef(named["ES_share"][1:-1], np.linspace(0.3, 0.5, len(cines.rows))[1:-1])[0, 1] > 0.98


def test_no_numbers_without_a_training_person_whose_beat_closes(prepared, cines):
    few = replace(cines, rows=prepared.rows("test"), labels=cines.labels[prepared.rows("test")])
    assert motion_targets(prepared, few) is None


def test_curves_are_given_back_by_their_components_and_are_exact_at_ed_and_es(prepared, cines):
    targets = motion_targets(prepared, cines)
    motion = fresh_motion(targets, 4, 16)
    row = 5
    scores = torch.from_numpy(targets.values[row : row + 1, 1 : COMPONENTS + 1])
    place = torch.tensor([[0.0, ES_PLACE, 0.2, 0.9]])
    inside = motion.share_inside(scores, place)[0].tolist()
    assert inside[:2] == pytest.approx([1, 0], abs=1e-5) and 0.2 < inside[2] < 0.8 and 0.5 < inside[3] < 1
    rng = np.random.default_rng(0)
    curves = rng.normal(size=(9, 1)) * np.sin(np.arange(POINTS)) + rng.normal(size=(9, 1)) * np.cos(np.arange(POINTS))
    mean, basis = curve_components(curves[:7])
    scores = (curves - mean) @ np.linalg.pinv(basis)
    np.testing.assert_allclose(mean + scores @ basis, curves, atol=1e-9)
    np.testing.assert_allclose(scores[:7].std(axis=0)[:2], 1)
    assert not basis[2:].any()


@pytest.fixture
def hearts(prepared, cines):
    """Hearts whose latents go from ED to ES and back by the square of the share inside, and not by itself."""
    targets = motion_targets(prepared, cines)
    torch.manual_seed(0)
    stills = torch.randn(len(cines.rows), 3, 2, 4, 4, 4).half().numpy()
    share = np.stack([beat.inside if beat else np.zeros(FRAMES) for beat in targets.beats]) ** 2
    share = share[:, None, :, None, None, None]
    frames = (share * stills[:, :, :1] + (1 - share) * stills[:, :, 1:]).astype(np.float16)
    return MovingHearts(prepared, cines, targets, stills, frames, torch.randn(len(cines.rows), len(targets.names)))


def test_of_a_beat_that_does_not_close_only_systole_is_seen(hearts):
    assert np.isfinite(hearts.place[1]).all()
    seen = np.isfinite(hearts.place[0])
    assert seen[0] and not seen[-1] and hearts.place[0][seen].max() < ES_PLACE
    batch = hearts.batch(torch.tensor([0, 3]), 2, 30, torch.Generator().manual_seed(0))
    assert batch.keys.shape == (4, 3, 2, 4, 4, 4) and batch.target.shape == (4, 30, 4, 4, 4)
    assert batch.place[:2].max() < ES_PLACE < batch.place[2:].max()
    assert batch.place.isfinite().all()


def test_a_cine_is_learned_with_its_own_persons_stills_and_numbers(prepared, hearts):
    """Of a cohort of stills with a few cines, the n-th cine is not the n-th person's."""
    rows = prepared.rows("train")[[3, 1]]
    cines = replace(hearts.cines, rows=rows, images=hearts.cines.images[rows], labels=hearts.cines.labels[rows])
    targets = motion_targets(prepared, cines)
    assert np.flatnonzero(np.isfinite(targets.values[:, 0])).tolist() == sorted(rows)
    assert targets.values[rows[0], 0] == np.float32(targets.beats[0].es)
    few = replace(hearts, cines=cines, targets=targets, frames=hearts.frames[rows])
    batch = few.batch(torch.tensor([0]), 8, 1, torch.Generator().manual_seed(0))
    stills = torch.from_numpy(hearts.stills[rows[0]]).float()
    assert (batch.numbers == hearts.numbers[rows[0]]).all()
    grid = prepared.preparation.geometry
    for keys, position in zip(batch.keys, batch.position_mm, strict=True):
        level = int(np.abs(grid.slice_position_mm - float(position)).argmin())
        torch.testing.assert_close(keys, with_neighbours(stills[None])[0, level])
    assert len(batch.position_mm.unique()) > 1


def test_volumes_are_of_the_acquisitions_own_step(prepared, cines):
    affine = np.array(prepared.affine)
    affine[:, :3, 2] *= 2
    once, twice = (motion_targets(replace(prepared, affine=one), cines) for one in (prepared.affine, affine))
    np.testing.assert_allclose(twice.beats[5].volume_ml, 2 * once.beats[5].volume_ml)


def test_a_fresh_network_cross_fades_and_a_taught_one_does_better(hearts, tmp_path):
    torch.manual_seed(0)
    motion = fresh_motion(hearts.targets, 4, 16)
    recipe = Recipe(60, 1e-2, warmup=5, ema_decay=0.9, evaluate_every=1)
    session = Session(Run(tmp_path / "run", asdict(recipe)), recipe, Accelerator(cpu=True), 0)
    task = moving(session, motion, hearts)
    with torch.no_grad():
        before = task.evaluate(motion, 0)
    assert before["validation_motion_loss"] == pytest.approx(before["validation_crossfade_loss"], rel=1e-5)
    taught = fit(task, session)
    with torch.no_grad():
        after = task.evaluate(taught, 60)
    assert after["validation_motion_loss"] < 0.6 * after["validation_crossfade_loss"]


@pytest.fixture
def one_step(prepared, cines, tiny_preset, tmp_path, monkeypatch):
    shorten(monkeypatch)
    monkeypatch.setitem(PRESETS, "nano", tiny_preset)
    folders = {name: tmp_path / name for name in ("output", "autoencoder", "segmenter")}
    kept = tmp_path / "cohort"
    kept.mkdir()
    shutil.copy(prepared.folder / "prepared.json", kept)
    cohort = replace(prepared, folder=kept)
    options = DiffusionOptions(**folders, preset="nano", steps=1, stage_steps=StageSteps(1, 1, 1, 1, 1, 2))
    options = with_lengths(options, "cpu")
    return Training(options, Accelerator(cpu=True), cohort, cines=cines, watch=lambda step: None)


def test_a_training_with_cines_saves_a_pipeline_whose_hearts_beat(one_step, capsys):
    for learn in STAGES.values():
        learn(one_step)
    assert re.search(r"motion: 1[78] of 18 cines are measured; [12] of them do not close", capsys.readouterr().out)
    folder = save_pipeline(one_step)
    assert save_pipeline(one_step) == folder and "holds these weights already" in capsys.readouterr().out
    pipeline = ECGToMRIPipeline.load(folder)
    pipeline.set_progress_bar_config(disable=True)
    assert pipeline.motion is not None and pipeline.conditioner.config.motion[0] == "ES_share"
    patients = patient_batch(prepared_patients(one_step.cohort, np.arange(2)))
    drawn = pipeline.draw(patients, [sample_generator(0, "somebody", k) for k in range(2)], steps=2)
    beat = pipeline.beat(drawn, 7)
    assert beat.hearts.shape == (2, 3, 7, 32, 32) and beat.inside.shape == (2, 7) and beat.es_share.shape == (2,)
    assert beat.hearts.min() >= 0 and beat.hearts.max() <= 1
    torch.testing.assert_close(beat.hearts[:, :, 0], pipeline.decode(drawn.latents)[:, :, 0], atol=1e-5, rtol=0)
    alone = pipeline.draw(
        patient_batch(prepared_patients(one_step.cohort, np.arange(1))), [sample_generator(0, "somebody", 0)], steps=2
    )
    torch.testing.assert_close(pipeline.beat(alone, 7).hearts[0], beat.hearts[0], atol=1e-4, rtol=0)


def test_a_training_of_stills_is_recorded_as_before_there_was_motion(one_step):
    for name in ("autoencoder", "segmenter"):
        STAGES[name](one_step)
    given = (one_step.options, one_step.cohort, None, one_step.autoencoder)
    stills, beats = recorded_settings(*given), recorded_settings(*given, one_step.cines)
    assert not {"motion", "cines"} & stills.keys() and "motion" not in stills["stage_steps"]
    assert beats["cines"].startswith(f"{len(one_step.cines.rows)} of ") and beats["stage_steps"]["motion"] == 2


@pytest.mark.parametrize("options", [{"motion": "none"}, {"geometry": GridGeometry(phases=4)}])
def test_a_model_of_stills_or_of_other_phases_asks_for_no_cines(prepared, cines, options, monkeypatch):
    monkeypatch.setattr("training.cohort_arrays.cohort_cines", lambda *_: cines)
    assert open_cines(DiffusionOptions(), prepared, Accelerator(cpu=True)) is cines
    assert open_cines(DiffusionOptions(**options), prepared, Accelerator(cpu=True)) is None


def test_a_learning_curve_regresses_motion_in_the_numbers_of_the_pipeline(prepared, cines, tmp_path, monkeypatch):
    """Else train_ceiling.py would put a ceiling without motion in the place of one with it."""
    monkeypatch.setattr("training.learning_curve.cohort_cines", lambda *_: cines)
    own = motion_targets(prepared, cines)
    motion = fresh_motion(replace(own, curve_basis=-2 * own.curve_basis), 4, 16)
    given = (CeilingOptions(), prepared, tmp_path, SimpleNamespace(motion=motion), Accelerator(cpu=True))
    found = motion_like_the_pipelines(*given)
    assert found.names == own.names
    curve, rest = (np.array([name.startswith("curve_") is which for name in own.names]) for which in (True, False))
    np.testing.assert_allclose(found.values[:, curve], -own.values[:, curve] / 2, atol=1e-5)
    np.testing.assert_array_equal(found.values[:, rest], own.values[:, rest])
    stills = (*given[:3], SimpleNamespace(motion=None), given[4])
    assert motion_like_the_pipelines(*stills) is None
    monkeypatch.setattr("training.learning_curve.cohort_cines", lambda *_: None)
    with pytest.raises(InputError, match="teaches no motion"):
        motion_like_the_pipelines(*given)


def test_a_point_of_the_learning_curve_holds_motion_and_its_settings_name_it(
    prepared, cines, tiny_preset, tmp_path, monkeypatch
):
    monkeypatch.setitem(PRESETS, "nano", tiny_preset)
    monkeypatch.setattr("training.learning_curve.STEPS_FLOOR", 1)
    options, motion = CeilingOptions(output=tmp_path / "curve"), motion_targets(prepared, cines)
    regressor, point = curve_point(options, prepared, None, 10, Accelerator(cpu=True), motion)
    assert tuple(regressor.conditioner.config.motion) == motion.names and set(motion.names) < set(point["r2"])
    settings = point_settings(options, prepared, None, motion)
    other = replace(motion, values=motion.values + 1)
    assert settings != point_settings(options, prepared, None) and settings != point_settings(
        options, prepared, None, other
    )


def test_the_best_ceiling_tells_most_of_the_phenotypes():
    """R2 of motion, of the few people with a cine, would decide; one that nobody knows would make all alike."""
    assert told({"LVEDV": 0.5, "LVEF": float("nan"), "ES_share": -30.0}) == 0.5
