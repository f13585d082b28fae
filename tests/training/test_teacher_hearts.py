"""Whose hearts a distilled student learns from, and what it is told of them."""

import pytest
import torch

from cohort.disk import write_json
from sampling.model_card import write_model_card
from sampling.patients import patient_batch, prepared_patients
from training.options import DistillationOptions
from training.student import hearts_of, save_student

NUMBERS = torch.arange(12)


# ---- What is tested: the only lines that know where it lives ----


def teacher_hearts(teacher, cohort, split, dropout):
    """Tokens (B, M, D) given with each of the first hearts a teacher makes of a split."""
    options = DistillationOptions(steps=1, teacher_steps=2, condition_dropout=dropout)
    return hearts_of(options, teacher, cohort, split)(NUMBERS)["tokens"].float()


def saved_student(teacher, teachers_folder, folder, before, after):
    options = DistillationOptions(pipeline=teachers_folder, output=folder, teacher_steps=8)
    save_student(options, teacher, teacher.denoiser, {"teacher": "0" * 64}, (before, after), "code")
    return folder / "pipeline"


# ---- Whose hearts ----


@torch.no_grad()
def tokens_of(teacher, cohort, rows, **withheld):
    return teacher.encode(patient_batch(prepared_patients(cohort, rows), **withheld), guided=False)[0]


@pytest.mark.parametrize("split", ["train", "validation"])
def test_hearts_of_a_split_are_of_its_people(tiny_pipeline, prepared, split):
    """So the student is compared with its teacher on people it has not learned from."""
    told = teacher_hearts(tiny_pipeline, prepared, split, dropout=0.0)
    everybody = tokens_of(tiny_pipeline, prepared, range(len(prepared.eid)))
    distance = torch.cdist(told.flatten(1), everybody.flatten(1))
    assert distance.amin(dim=1).max() < 0.1 < distance.median()
    assert set(distance.argmin(dim=1).tolist()) <= set(prepared.rows(split).tolist())


def test_the_condition_is_withheld_from_training_people_alone(tiny_pipeline, prepared):
    """A student that was never told nothing could not make nobody's heart."""
    nobodys = tokens_of(tiny_pipeline, prepared, [0], ecg=False, person=False)
    for split, withheld in (("train", True), ("validation", False)):
        told = teacher_hearts(tiny_pipeline, prepared, split, dropout=1.0)
        assert torch.allclose(told, nobodys.expand_as(told), atol=1e-2) is withheld


# ---- What the student's card says ----


@pytest.fixture
def teachers_folder(tiny_pipeline, tmp_path):
    def describe(folder):
        write_json(folder / "training.json", {"cohort": "UKBB"})
        recipe = {"steps": 2, "batch": "4", "learning_rate": 0.1, "seed": 0, "code_version": "v", "date": "today"}
        data = {"cohort": "UKBB", "people": {"train": 1, "validation": 1, "test": 1}, "phantom": True}
        write_model_card(folder, {"name": "tiny", "data": data, "recipe": recipe})

    tiny_pipeline.save(tmp_path / "teacher", describe=describe)
    return tmp_path / "teacher"


def test_the_card_says_how_far_from_its_teacher_the_student_was_and_is(tiny_pipeline, teachers_folder, tmp_path):
    folder = saved_student(tiny_pipeline, teachers_folder, tmp_path, before=0.5, after=0.125)
    assert "0.125; 0.500 before the student learned" in (folder / "README.md").read_text()
