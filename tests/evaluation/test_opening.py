"""Whom a pipeline is measured on: never on those who taught it, whatever they are called by now."""

import json
import re
import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch

from cohort.ecg_cohort import ECGCohort
from cohort.errors import InputError
from cohort.further import FURTHER, read_further
from cohort.intensity import as_unit
from cohort.leakage import keyed_recordings, recordings_sha256
from cohort.phenotypes import phenotypes_of
from cohort.prepared import NO_LABELS, prepare_cohort
from cohort.shown_phenotypes import with_shown
from evaluation.opening import UNSEEN, open_segmenter, open_training_people, people_to_measure, with_truth
from evaluation.study import Study
from models.conditioning import USUAL_MEAN, USUAL_STD, HeartConditioner
from models.segmenter import Segmenter
from phantom.cohort_plan import CohortPlan
from phantom.cohort_writer import FIRST_EID, ecg_path, write_cohort
from sampling.pipeline import load_part
from sampling.release import RELEASED_SEGMENTER
from sampling.segmentation import segment


@pytest.fixture
def opened(phantom_data, prepared_folder, tiny_pipeline, tmp_path):
    """people_to_measure of the phantom cohort, by split and number."""

    def opened(split, most):
        return people_to_measure(phantom_data, prepared_folder, tiny_pipeline, tmp_path, split, most)

    return opened


def test_at_most_so_many_people_of_a_split_are_measured(opened, prepared):
    cohort, rows = opened("train", 4)
    assert cohort.folder == prepared.folder
    np.testing.assert_array_equal(rows, prepared.rows("train")[:4])
    np.testing.assert_array_equal(opened("all", 300)[1], np.arange(len(prepared.eid)))


def test_two_people_are_too_few(opened):
    with pytest.raises(InputError, match="2 people in the train split.*at least three"):
        opened("train", 2)


def test_where_label_maps_show_no_heart_nothing_can_be_compared(prepared, tmp_path):
    nothing = {"labels": np.zeros_like(prepared.labels), "phenotypes": np.full_like(prepared.phenotypes, np.nan)}
    unknown = replace(prepared, folder=tmp_path, **nothing)
    with pytest.raises(InputError, match="no truth"):
        with_truth(unknown, np.arange(5), Segmenter((8, 16)))


def test_the_truth_of_people_without_label_maps_is_measured_and_that_is_said(prepared, tmp_path, capsys):
    labels = np.array(prepared.labels)
    labels[:2], labels[2] = NO_LABELS, 0
    phenotypes = np.array(prepared.phenotypes)
    phenotypes[:3] = np.nan
    unlabelled = replace(prepared, folder=tmp_path, labels=labels, phenotypes=phenotypes)
    segmenter = load_part(Segmenter, RELEASED_SEGMENTER)
    rows = np.array([1, 4])
    known = with_truth(unlabelled, rows, segmenter)
    assert known.measured.all(axis=1).tolist() == [True, True, *[False] * (len(labels) - 2)]
    labels = segment(segmenter, as_unit(prepared.hearts[1]))[0]
    step_mm = np.linalg.norm(prepared.affine[1][:3, 2])
    expected = phenotypes_of(labels, prepared.preparation.geometry.pixel_mm, step_mm, absent_ml=np.nan)
    np.testing.assert_allclose(known.phenotypes[1], list(expected.values()), rtol=1e-5)
    assert np.isnan(known.phenotypes[2]).all(), "a label map that shows no heart is believed"
    np.testing.assert_array_equal(
        known.phenotypes[3:], with_shown(replace(prepared, folder=tmp_path))[0].phenotypes[3:]
    )
    assert "phenotype of 1 of 2 people; a segmenter that learned from simulated hearts only" in capsys.readouterr().out


def test_the_pipelines_own_segmenter_comes_before_the_released_one(tmp_path, capsys):
    cpu = torch.device("cpu")
    assert open_segmenter(None, RELEASED_SEGMENTER.parent, cpu)[1] == RELEASED_SEGMENTER
    assert open_segmenter(RELEASED_SEGMENTER, tmp_path, cpu)[1] == RELEASED_SEGMENTER
    assert not capsys.readouterr().out, "it is its own, or was named"
    assert open_segmenter(None, tmp_path, cpu)[1] == RELEASED_SEGMENTER
    assert f"{tmp_path} holds no segmenter, so the released one measures" in capsys.readouterr().out
    Segmenter((8, 16)).save_pretrained(tmp_path / "segmenter")
    assert open_segmenter(None, tmp_path, cpu)[1] == tmp_path / "segmenter"
    Segmenter((8, 16)).save_pretrained(tmp_path / "named")
    assert open_segmenter(tmp_path / "named", tmp_path, cpu)[1] == tmp_path / "named"
    assert "released" not in capsys.readouterr().out


def test_a_segmenter_that_is_not_there_is_not_replaced(tmp_path):
    with pytest.raises(InputError, match="train_segmenter.py"):
        open_segmenter(tmp_path / "absent", tmp_path, torch.device("cpu"))


def test_training_people_are_those_the_pipeline_names(prepared, tiny_pipeline, tmp_path, capsys):
    study = Study(tiny_pipeline, tmp_path, None, prepared, prepared.rows("test"))
    assert open_training_people(study, None, tmp_path) is None and "--training-data" in capsys.readouterr().out
    for about in ({"cohort": prepared.folder.name}, {"taught": keyed_recordings(prepared)}):
        (tmp_path / "training.json").write_text(json.dumps(about))
        training = open_training_people(study, None, tmp_path)
        np.testing.assert_array_equal(training.rows, prepared.rows("train"))


TAUGHT = ("eid", "ecg", "lead_mask", "hearts", "labels", "mask", "affine", "phenotypes")


def test_training_people_who_are_not_all_at_hand_are_counted(prepared, tiny_pipeline, tmp_path, capsys):
    (tmp_path / "training.json").write_text(json.dumps({"taught": keyed_recordings(prepared)}))
    rows = prepared.rows("train")[2:]
    arrays = {name: getattr(prepared, name)[rows] for name in TAUGHT}
    fewer = replace(prepared, folder=tmp_path, **arrays)
    study = Study(tiny_pipeline, tmp_path, None, fewer, np.arange(3))
    assert len(open_training_people(study, None, tmp_path).rows) == len(rows)
    assert f"{len(rows)} of {len(rows) + 2} training people" in capsys.readouterr().out


# ---- Who taught ----


@pytest.fixture
def taught(tmp_path, prepared):
    """A pipeline's folder that says who taught it: the phantom cohort's people."""
    return described(tmp_path / "pipeline", {"cohort": "-", "taught": keyed_recordings(prepared)})


def described(folder, about):
    folder.mkdir(exist_ok=True)
    (folder / "training.json").write_text(json.dumps(about))
    return folder


@pytest.fixture
def measured(tmp_path, tiny_pipeline):
    """eids of people_to_measure of a folder."""

    def measured(data, folder, split=UNSEEN):
        cohort, rows = people_to_measure(data, tmp_path / "prepared", tiny_pipeline, folder, split, 300)
        return cohort.eid[rows].tolist()

    return measured


@pytest.fixture(scope="module")
def unseen(tmp_path_factory):
    """A cohort of other people with the same eids."""
    folder = tmp_path_factory.mktemp("unseen") / "unseen"
    write_cohort(folder, CohortPlan(seed=8, subjects=18), processes=1)
    return folder


def renamed(data, index, eid):
    ecg_path(data, index).rename(data / "ecg" / f"{eid}_20205_2_0.xml")
    (data / "NIFTI" / str(FIRST_EID + index)).rename(data / "NIFTI" / str(eid))


def without(data, index):
    ecg_path(data, index).unlink()
    shutil.rmtree(data / "NIFTI" / str(FIRST_EID + index))


def one_more(data):
    other = data.parent / "other"
    write_cohort(other, CohortPlan(seed=9, subjects=1), processes=1)
    renamed(other, 0, FIRST_EID + 90)
    shutil.copytree(other, data, dirs_exist_ok=True)


CHANGES = {
    "as it was": lambda data: None,
    "one person more": one_more,
    "one person fewer": lambda data: without(data, 3),
    "three people fewer": lambda data: [without(data, index) for index in (0, 5, 6)],
    "one person renamed": lambda data: renamed(data, 2, FIRST_EID + 95),
    "everybody renamed": lambda data: [renamed(data, index, FIRST_EID + 100 + index) for index in range(18)],
    "in another folder": lambda data: data.rename(data.parent / "elsewhere"),
    "tables gone": lambda data: [(data / name).unlink() for name in ("persons.csv", "phenotypes.csv")],
    "ECG files of other times": lambda data: [path.touch() for path in (data / "ecg").iterdir()],
}


@pytest.mark.parametrize("change", CHANGES)
def test_those_who_taught_are_refused_among_all_and_left_out_otherwise(
    phantom_data, prepared, taught, measured, tmp_path, capsys, change
):
    data = shutil.copytree(phantom_data, tmp_path / "UKBB")
    CHANGES[change](data)
    data = data if data.exists() else tmp_path / "elsewhere"
    with pytest.raises(InputError, match=r"\d+ of its \d+ people .* was trained on"):
        measured(data, taught, "all")
    if change == "one person more":
        assert set(measured(data, taught)) == {*prepared.eid[prepared.rows("test")].tolist(), FIRST_EID + 90}
    else:  # the few who did not teach are too few to measure
        with pytest.raises(InputError, match=r"has [12] people this pipeline was not trained on; give at least"):
            measured(data, taught)
    assert re.search(r"\d+ of \d+ visits taught this pipeline, and are left out", capsys.readouterr().out)


def test_a_cohort_of_people_never_seen_is_measured_whole_without_a_word(taught, measured, unseen, capsys):
    assert measured(unseen, taught) == measured(unseen, taught, "all")
    assert len(measured(unseen, taught)) == 18 and "taught" not in capsys.readouterr().out


def test_people_too_few_to_split_are_warned_of_only_where_a_split_is_asked_for(measured, taught, tmp_path, capsys):
    write_cohort(tmp_path / "few", CohortPlan(seed=9, subjects=3), processes=1)
    for split, warned in (("all", False), (UNSEEN, False), ("test", True)):
        assert len(measured(tmp_path / "few", taught, split)) == 3
        told = "3 people are too few to split: the same ones train, validate and test"
        assert (told in capsys.readouterr().out) == warned


def test_further_ecgs_teach_too(prepared, measured, unseen, tmp_path):
    other = prepare_cohort(unseen, tmp_path / "prepared", prepared.preparation, quiet=True)
    extra = ECGCohort(
        other.folder, other.ecg, other.lead_mask, other.person, other.phenotypes, other.eid, other.instance
    )
    folder = described(tmp_path / "pipeline", {"taught": keyed_recordings(prepared, extra)})
    learned_from = (other.split == "train").sum()
    with pytest.raises(InputError, match=rf"\b{learned_from} of its 18 people"):
        measured(unseen, folder, "all")


def test_validation_people_are_listed_apart(prepared, taught):
    rows = prepared.rows("validation")
    about = json.loads((taught / "training.json").read_text())["taught"]
    assert len(about["validation"]) == 2 * len(rows) and not set(about["validation"]) & set(about["train"])


def test_a_pipeline_that_says_nothing_or_little_is_told_of(phantom_data, prepared, measured, unseen, tmp_path, capsys):
    (tmp_path / "nothing").mkdir()
    with pytest.raises(InputError, match="at least three"):  # its test tenth
        measured(unseen, tmp_path / "nothing")
    assert "does not say who taught it" in capsys.readouterr().out
    assert len(measured(unseen, tmp_path / "nothing", "all")) == 18
    whole = described(tmp_path / "whole", {"cohort": "-", "recordings_sha256": recordings_sha256(prepared)})
    assert len(measured(unseen, whole)) == 18
    assert "names the cohort that taught it, and none of its people" in capsys.readouterr().out
    with pytest.raises(InputError, match="was trained on"):
        measured(phantom_data, whole, "all")


def test_of_a_pipeline_trained_with_other_code_the_test_people_are_measured(taught, measured, unseen, capsys):
    about = json.loads((taught / "training.json").read_text())
    about["taught"]["code"] = "another"
    described(taught, about)
    with pytest.raises(InputError, match="at least three"):
        measured(unseen, taught)
    assert "may not be recognised" in capsys.readouterr().out


@pytest.mark.parametrize("text", ["", "[]", '{"taught": []}', '{"taught": {"salt": "x"}}', '{"taught": {"train": 1}}'])
def test_a_damaged_record_of_who_taught_is_refused(phantom_data, measured, tmp_path, text):
    (tmp_path / "training.json").write_text(text)
    with pytest.raises(InputError, match=r"training\.json: is damaged"):
        measured(phantom_data, tmp_path)


def test_the_record_of_who_taught_holds_no_id_and_no_bare_hash(prepared):
    one, other = keyed_recordings(prepared), keyed_recordings(prepared)
    assert not set(one["train"]) & set(other["train"]) and one["people"] == other["people"]
    assert not any(str(eid) in json.dumps(one) for eid in prepared.eid)


def test_people_are_measured_with_the_further_fields_that_the_pipeline_knows(
    phantom_data, prepared, prepared_folder, tiny_pipeline, tmp_path, capsys
):
    names = ("hba1c", "systolic_bp_mmhg")
    about = {"person_mean": (*USUAL_MEAN, 36.0, 140.0), "person_std": (*USUAL_STD, 6.0, 20.0)}
    tiny_pipeline.register_modules(conditioner=HeartConditioner(32, components=3, further_fields=names, **about))
    cohort, rows = people_to_measure(phantom_data, prepared_folder, tiny_pipeline, tmp_path, "all", 300)
    pressure = read_further(prepared.folder / FURTHER, ["systolic_bp_mmhg"])[:, 0]
    np.testing.assert_array_equal(cohort.person[:, 5], pressure)
    assert np.isnan(cohort.person[:, 4]).all() and pressure.std() > 5
    said = capsys.readouterr().out
    assert "no column of numbers hba1c" in said
    assert f"note: systolic_bp_mmhg is known of {len(rows)} of {len(rows)} people" in said
    study = Study(tiny_pipeline, tmp_path, None, cohort, rows)
    assert [patient.person[5] for patient in study.patients] == pressure.tolist()
