"""Who is given what, who is measured, and who taught: on a prepared cohort, with networks that are told apart."""

import io
import json
import os
import re
import shutil
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from accelerate import Accelerator

from cohort.errors import InputError
from cohort.intensity import as_unit
from cohort.person_number import FIRST_NUMBER
from cohort.phenotypes import PHENOTYPES
from cohort.private import let_the_group_read
from evaluation.arms import ARMS, CONTROL_SAMPLES, CONTROL_WORDS, CONTROLS
from evaluation.curves import CURVES, curve_numbers, measure_curves
from evaluation.given_hearts import GivenHearts
from evaluation.record import record_of
from evaluation.report import segmenter_numbers
from evaluation.study import Study
from evaluation.study_report import PICTURED_PEOPLE, control_phenotypes, label_maps, memorisation_report
from evaluation.training_people import TrainingPeople
from models.segmenter import Segmenter
from sampling.pipeline import DrawnHearts


class Listens:
    """A pipeline that writes down what it is given; its hearts are as bright as the number of its calls."""

    config = SimpleNamespace(guidance_scale=1.25, steps=7)
    corrects = True
    conditioner = SimpleNamespace(
        config=SimpleNamespace(phenotypes=("LVM",), phenotype_mean=(100.0,), phenotype_std=(20.0,))
    )
    device = torch.device("cpu")

    def __init__(self, grid):
        self.grid, self.heard = grid, []

    def draw(self, condition, generators, steps, guidance_scale):
        self.heard.append((condition, steps, guidance_scale))
        hearts = torch.full((len(generators), *self.grid.shape), min(len(self.heard) / 100, 1.0))
        return DrawnHearts(hearts, torch.zeros(len(generators), 1))

    def decode(self, latents):
        return latents


class Knows:
    """A segmenter that has the label map of every slice of a cohort, moved by some pixels."""

    device = torch.device("cpu")

    def __init__(self, cohort, moved=0):
        shape = (-1, *cohort.hearts.shape[-2:])
        slices = (cohort.hearts / 255.0).astype(np.float32).reshape(shape)
        maps = np.roll(cohort.labels.reshape(shape), moved, axis=-1)
        self.maps = {pixels.tobytes(): labels for pixels, labels in zip(slices, maps, strict=True)}

    def logits_and_features(self, slices):
        empty = np.zeros(slices.shape[-2:], int)
        labels = np.stack([self.maps.get(s.numpy().tobytes(), empty) for s in slices[:, 0]])
        logits = torch.nn.functional.one_hot(torch.from_numpy(labels.astype(int)), 4).movedim(-1, 1).float()
        return logits, slices.mean(dim=(2, 3))


@pytest.fixture(scope="module")
def state():
    return Accelerator(cpu=True).state


@pytest.fixture
def study(prepared, geometry, tmp_path):
    return Study(Listens(geometry), tmp_path, Knows(prepared), prepared, prepared.rows("train"), samples=3)


def test_a_report_calls_simulated_people_by_name_and_real_ones_by_none(study, prepared):
    assert study.names == [patient.name for patient in study.patients] and "" not in study.names
    for first in (8_000_000, FIRST_NUMBER):
        real = replace(study, cohort=replace(prepared, eid=first + np.arange(len(prepared.eid))))
        assert real.names == [""] * len(study.rows)


def test_the_demos_page_pictures_everybody_it_counts():
    makefile = (Path(__file__).parents[2] / "Makefile").read_text()
    assert int(re.search(r"demo/unseen --subjects (\d+)", makefile)[1]) <= PICTURED_PEOPLE


# ---- Arms ----


def test_another_patients_ecg_comes_with_the_own_person_and_the_own_noise(study):
    shuffled = study.patients_of("shuffled_ecg")
    for own, given in zip(study.patients, shuffled, strict=True):
        assert given.name == own.name and np.array_equal(given.person, own.person, equal_nan=True)
        source = [other.name for other in study.patients if np.array_equal(other.signal, given.signal)]
        assert len(source) == 1 and source != [own.name]
    again = study.patients_of("shuffled_ecg")
    assert all(np.array_equal(a.signal, b.signal) for a, b in zip(shuffled, again, strict=True))
    for arm in ARMS.keys() - {"shuffled_ecg"}:
        assert study.patients_of(arm) == study.patients


WITHHELD = {
    "generated": (True, True),
    "shuffled_ecg": (True, True),
    "person_only": (False, True),
    "ecg_only": (True, False),
    "population": (False, False),
}


@pytest.mark.parametrize(("arm", "present"), WITHHELD.items())
def test_an_arm_withholds_what_its_name_says_and_nothing_else(study, arm, present):
    assert set(WITHHELD) == set(ARMS) == {"generated", *CONTROLS} and set(CONTROLS) < set(CONTROL_WORDS)
    hearts = list(study.hearts(arm, [4, 1]))
    assert [len(made) for made, *_ in hearts] == [3 if arm == "generated" else CONTROL_SAMPLES] * 2
    assert {float(told[0, PHENOTYPES.index("LVM")]) for *_, told in hearts} == {100.0}  # a code of 0 tells the mean
    condition, steps, scale = study.pipeline.heard[0]
    assert (bool(condition.ecg_present.all()), bool(condition.person_present.all())) == present
    assert (bool(condition.ecg_present.any()), bool(condition.person_present.any())) == present
    given = study.patients_of(arm)[4]
    np.testing.assert_array_equal(condition.ecg[0], given.signal)
    np.testing.assert_array_equal(condition.person[0], study.patients[4].person)
    assert steps is scale is None


def test_the_real_arm_shows_the_own_hearts(study):
    for k, (hearts, labels, _) in zip((3, 0), study.hearts("real", [3, 0]), strict=True):
        np.testing.assert_array_equal(hearts[0], as_unit(study.cohort.hearts[study.rows[k]]))
        assert labels is None


def test_the_sampler_is_the_pipelines_own_where_the_study_names_none(study):
    assert study.sampler == {"guidance_scale": 1.25, "steps": 7}
    assert replace(study, steps=2, guidance_scale=0.0).sampler == {"guidance_scale": 0.0, "steps": 2}


# ---- Measuring ----


def test_a_study_goes_on_where_it_was_and_loads_in_the_order_of_its_people(study, state, tmp_path):
    folder = tmp_path / "work" / "real"
    study.measure("real", folder, state)
    written = {path: path.stat().st_mtime_ns for path in folder.iterdir()}
    assert {path.stem for path in written} == {patient.name for patient in study.patients}
    (folder / f"{study.patients[2].name}.npz").unlink()
    study.measure("real", folder, state)
    kept = [path for path, time in written.items() if path.stat().st_mtime_ns == time]
    assert len(kept) == len(written) - 1 and len(list(folder.iterdir())) == len(written)
    measured = study.measurements(folder)
    np.testing.assert_array_equal(measured.hearts[:, 0], study.cohort.hearts[study.rows])
    turned = replace(study, rows=study.rows[::-1]).measurements(folder)
    np.testing.assert_array_equal(turned.phenotypes, measured.phenotypes[::-1])


def test_a_curve_changes_one_setting_at_a_time_of_the_same_people(study, state, tmp_path, monkeypatch):
    monkeypatch.setattr("evaluation.curves.CURVE_PEOPLE", 4)
    measure_curves(study, tmp_path, state)
    heard = {(steps, scale) for _, steps, scale in study.pipeline.heard}
    assert heard == {(steps, None) for steps in CURVES["steps"]} | {(None, s) for s in CURVES["guidance_scale"]}
    study.measure("real", tmp_path / "real", state)
    study.measure("generated", tmp_path / "generated", state)
    arms = (study.measurements(tmp_path / arm) for arm in ("generated", "real"))
    curves = curve_numbers(study, tmp_path, *arms)
    assert [c["guidance_scale"] for c in curves[:4]] == list(CURVES["guidance_scale"])
    assert [c["steps"] for c in curves[4:8]] == list(CURVES["steps"]) and [c["samples"] for c in curves[8:]] == [2]
    assert all(c["steps"] == 7 for c in curves[:4]) and all(c["guidance_scale"] == 1.25 for c in curves[4:])


@pytest.fixture
def keyed(study, tiny_pipeline, tmp_path):
    """A study of a stored pipeline with a segmenter and of given hearts with label maps; and its key."""
    tiny_pipeline.save(tmp_path / "pipeline", {"segmenter": Segmenter()})
    for folder, name in (("hearts", "sa_ED"), ("labels", "seg_sa_ED")):
        for patient in ("1", "2"):
            (tmp_path / folder / patient).mkdir(parents=True)
            (tmp_path / folder / patient / f"{name}.nii.gz").write_bytes(patient.encode() * 9)
            (tmp_path / folder / patient / "heart.json").write_text("{}")
    given = GivenHearts(tmp_path / "hearts", tmp_path / "labels")
    return replace(study, folder=tmp_path / "pipeline", given=given)


def key_of(study, split="test", scheduler=None, segmenter=None):
    return record_of(study, split, scheduler, segmenter or study.folder / "segmenter")["measurements"]


def test_measurements_are_named_by_what_decides_them(keyed):
    name = key_of(keyed)
    assert name == key_of(replace(keyed, rows=keyed.rows[:5])) == key_of(replace(keyed, batch_size=1))
    options = ({"steps": 2}, {"seed": 1}, {"samples": 2}, {"guidance_scale": 2.0}, {"given": None})
    others = [replace(keyed, **change) for change in options]
    others.append(replace(keyed, given=replace(keyed.given, labels=None)))
    others.append(replace(keyed, given=replace(keyed.given, convention="acdc")))
    others.append(replace(keyed, cohort=replace(keyed.cohort, folder=keyed.cohort.folder / "other")))
    assert len({name, key_of(keyed, scheduler="another"), *map(key_of, others)}) == 10


def middle_byte(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


CONTENTS = (  # of tmp_path
    "hearts/1/sa_ED.nii.gz",
    "hearts/2/heart.json",
    "labels/2/seg_sa_ED.nii.gz",
    "pipeline/denoiser/diffusion_pytorch_model.safetensors",
    "pipeline/autoencoder/diffusion_pytorch_model.safetensors",
    "pipeline/ecg_encoder/diffusion_pytorch_model.safetensors",
    "pipeline/conditioner/diffusion_pytorch_model.safetensors",
    "pipeline/prior/diffusion_pytorch_model.safetensors",
    "pipeline/segmenter/diffusion_pytorch_model.safetensors",
)


@pytest.mark.parametrize("name", CONTENTS)
def test_measurements_of_another_content_of_the_same_name_are_others(keyed, tmp_path, name):
    before, about = key_of(keyed), (tmp_path / name).stat()
    middle_byte(tmp_path / name)
    os.utime(tmp_path / name, ns=(about.st_atime_ns, about.st_mtime_ns))
    assert key_of(keyed) != before


@pytest.mark.parametrize("name", ["model_index.json", "scheduler/scheduler_config.json", "prior/config.json"])
def test_another_configuration_makes_other_hearts(keyed, name):
    before, path = key_of(keyed), keyed.folder / name
    path.write_text(json.dumps(json.loads(path.read_text()) | {"_note": "another"}))
    assert key_of(keyed) != before


def test_two_given_hearts_may_be_exchanged_and_another_may_come(keyed, tmp_path):
    names = [key_of(keyed)]
    one, other = (tmp_path / "hearts" / name for name in "12")
    one.rename(tmp_path / "kept")
    other.rename(one)
    (tmp_path / "kept").rename(other)
    names.append(key_of(keyed))
    shutil.copytree(one, tmp_path / "hearts" / "3")
    assert len({*names, key_of(keyed)}) == 3


def test_a_segmenter_of_the_same_name_may_hold_other_weights(keyed, tmp_path):
    names = []
    for seed in (0, 1):
        torch.manual_seed(seed)
        Segmenter().save_pretrained(tmp_path / str(seed) / "segmenter")
        names.append(key_of(keyed, segmenter=tmp_path / str(seed) / "segmenter"))
    shutil.copytree(tmp_path / "0" / "segmenter", tmp_path / "copy")
    assert names[0] != names[1] and key_of(keyed, segmenter=tmp_path / "copy") == names[0]


def test_other_code_measures_anew_and_a_calibration_changes_no_measurement(keyed, monkeypatch):
    before = key_of(keyed)
    (keyed.folder / "calibration.json").write_text("{}")
    (keyed.folder / "README.md").write_text("another")
    assert key_of(keyed) == before
    monkeypatch.setattr("evaluation.record.code_sha256", lambda _: "another")
    assert key_of(keyed) != before


def test_a_control_of_other_people_is_measured_anew(study, state, tmp_path):
    """Whose ECG a patient is given depends on who is there."""
    study.measure("shuffled_ecg", tmp_path / "shuffled", state)
    study.measure("population", tmp_path / "population", state)
    few = replace(study, rows=study.rows[:5])
    written = {path: path.stat().st_mtime_ns for path in tmp_path.glob("*/*.npz")}
    few.measure("shuffled_ecg", tmp_path / "shuffled", state)
    few.measure("population", tmp_path / "population", state)
    again = {path.parent.name for path, time in written.items() if path.stat().st_mtime_ns != time}
    assert again == {"shuffled"}


def damaged_bit(path):
    middle_byte(path)


def without_phenotypes(path):
    changed(path, phenotypes=lambda a: a[..., :-1])


def not_finite(path):
    changed(path, features=lambda a: a * np.nan)


def infinite(path):
    changed(path, phenotypes=lambda a: a + np.inf)


def of_fewer_slices(path):
    changed(path, spread=lambda a: a[:, 1:])


def without_an_array(path):
    changed(path, hearts=lambda a: None)


def changed(path, **change):
    with np.load(path) as arrays:
        row = {name: change.get(name, lambda a: a)(arrays[name]) for name in arrays.files}
    np.savez(path, **{name: array for name, array in row.items() if array is not None})


DAMAGES = (damaged_bit, without_phenotypes, not_finite, infinite, of_fewer_slices, without_an_array)


@pytest.mark.parametrize("damage", [*DAMAGES, lambda path: path.write_bytes(b"")])
def test_a_damaged_measurement_is_refused_and_measured_again(study, state, tmp_path, damage):
    study.measure("real", tmp_path / "real", state)
    path = tmp_path / "real" / f"{study.patients[1].name}.npz"
    right = path.read_bytes()
    damage(path)
    with pytest.raises(InputError, match="damaged.*measures this patient again"):
        study.measurements(tmp_path / "real")
    study.measure("real", tmp_path / "real", state)
    assert study.measurements(tmp_path / "real").phenotypes.shape[0] == len(study.rows)
    assert np.load(path)["hearts"].tobytes() == np.load(io.BytesIO(right))["hearts"].tobytes()


def test_measurements_of_people_are_for_their_owner_alone_until_the_group_is_let_in(study, state, tmp_path):
    folder = tmp_path / "measured" / "real"
    study.measure("real", folder, state)
    assert not [path for path in (folder, *folder.iterdir()) if path.stat().st_mode & 0o077]
    let_the_group_read(folder)
    assert folder.stat().st_mode & 0o777 == 0o750
    assert {path.stat().st_mode & 0o777 for path in folder.iterdir()} == {0o640}


# ---- Who taught ----


def test_the_record_tells_whether_the_judge_had_a_part_in_drawing(keyed, tmp_path):
    def had_part(study, segmenter):
        return record_of(study, "test", None, segmenter)["judge_had_part"]

    own, other = keyed.folder / "segmenter", tmp_path / "another"
    assert not had_part(keyed, own)  # the hearts were given
    drawn = replace(keyed, given=None)
    assert had_part(drawn, own) and not had_part(drawn, other)
    drawn.pipeline.corrects = False
    assert not had_part(drawn, own)


@pytest.fixture
def poisoned(prepared):
    """The cohort with a heart of all 255 for everybody who is not of the training split."""
    hearts = np.array(prepared.hearts)
    hearts[np.setdiff1d(np.arange(len(hearts)), prepared.rows("train"))] = 255
    return replace(prepared, hearts=hearts)


def test_the_mean_heart_and_the_bank_hold_training_people_only(poisoned):
    training = TrainingPeople(poisoned, poisoned.rows("train"))
    hearts, masks = training.hearts
    assert len(hearts) == len(masks) == len(poisoned.rows("train")) and (hearts != 255).any(axis=(1, 2, 3, 4)).all()
    acquired = poisoned.mask[training.rows][..., None, None]
    expected = (hearts * acquired).sum(axis=0) / np.maximum(acquired.sum(axis=0), 1) / 255
    shown = acquired.any(axis=0)
    np.testing.assert_allclose(np.where(shown, training.mean_heart, 0), np.where(shown, expected, 0), atol=1e-12)
    assert [p.name for p in training.first(2).patients] == [p.name for p in training.patients[:2]]


def test_the_people_measured_are_recognised_among_those_who_taught(prepared, poisoned):
    training = TrainingPeople(prepared, prepared.rows("train"))
    assert training.include(prepared, prepared.rows("train")[-1:])
    assert not training.include(prepared, prepared.rows("test"))
    assert not training.include(replace(prepared, folder=prepared.folder / "other"), prepared.rows("train"))


def test_the_nearest_ecg_of_a_training_person_is_their_own_and_its_phenotypes_are_shown(study, tiny_pipeline):
    training = TrainingPeople(study.cohort, study.rows)
    mine = replace(study, pipeline=tiny_pipeline)
    np.testing.assert_array_equal(training.with_nearest_ecg(tiny_pipeline, mine.patients), study.rows)
    controls = control_phenotypes(mine, {}, training)
    np.testing.assert_array_equal(controls["retrieval"], study.truth)
    assert (controls["mean_heart"] == controls["mean_heart"][0]).all(where=~np.isnan(controls["mean_heart"]))


def test_controls_are_compared_with_as_few_hearts_of_the_own_ecg(study):
    phenotypes = np.arange(2 * 5 * 3.0).reshape(2, 5, 3)
    arms = {arm: SimpleNamespace(phenotypes=phenotypes) for arm in ("generated", "person_only")}
    controls = control_phenotypes(study, arms, None)
    assert set(controls) == {"own_ecg", "person_only"}
    np.testing.assert_array_equal(controls["own_ecg"], phenotypes[:, :CONTROL_SAMPLES])


def test_the_search_for_copies_compares_with_training_people_and_finds_a_copy(study, tiny_pipeline, monkeypatch):
    """Generated hearts that are those of training people; their own true hearts are held out."""
    monkeypatch.setattr("evaluation.heart_distances.BLOCKS", 16)
    train, test = study.cohort.rows("train"), np.r_[study.cohort.rows("test"), study.cohort.rows("validation")]
    measured = replace(study, rows=test, pipeline=tiny_pipeline)
    copies = SimpleNamespace(hearts=np.array(study.cohort.hearts[train[: len(test)]])[:, None])
    report = memorisation_report(measured, copies, TrainingPeople(study.cohort, train))
    assert report["fraction"] == 1 and report["n"] == len(test)
    own = SimpleNamespace(hearts=np.array(study.cohort.hearts[test])[:, None])
    of_own = memorisation_report(measured, own, TrainingPeople(study.cohort, train))
    assert of_own["fraction"] < 0.5 and of_own["auc"] < report["auc"]
    # What is planted are copies of training hearts, not the held-out ones: the detector finds all of them. Four people
    # tell no AUC by itself, but the same four's own hearts have a lower one.
    assert report["detector_tpr"] == 1 and report["auc_of_copies"] > of_own["auc"]


# ---- The instrument ----


def dice(study, cohort, moved=0):
    own = replace(study, segmenter=Knows(cohort, moved))
    nobody = SimpleNamespace(faulty=np.zeros((1, 1), bool))
    return segmenter_numbers(nobody, *label_maps(own), nobody)


def test_a_perfect_segmenter_has_dice_1_and_a_moved_one_less(study, prepared):
    for name in ("lv_cavity", "lv_myocardium", "rv_cavity"):
        assert dice(study, prepared)[name]["dice"] == 1 and dice(study, prepared)[name]["n"] == len(study.rows)
        assert dice(study, prepared, moved=1)[name]["dice"] < 0.95
