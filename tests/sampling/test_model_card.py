"""What the card says, what it must never say, and that figures can be put in again and again."""

import copy
import math
import re

import numpy as np
import pytest
from safetensors.numpy import save_file

from cohort.errors import InputError
from sampling.model_card import BEGIN, END, add_figures, people_of_figures, write_model_card

ID = 1_234_567  # looks like a participant's
FACTS = {
    "name": "ecg-to-heart",
    "data": {
        "cohort": "/home/anna/studies/UKBB",
        "people": {"train": 5012, "validation": 620, "test": 633},
        "phantom": True,
    },
    "recipe": {
        "steps": 2_000,
        "stage_steps": {"reading": 600, "prior": 400},
        "batch": 20,
        "learning_rate": 1e-3,
        "seed": 0,
        "command": f"accelerate launch train_diffusion.py --data /home/anna/UKBB --more-ecgs '/mnt/a b/{ID}/more'",
        "code_version": "d01a28578b00c483e9ecf0cfd0fb33390a8918a3",
        "date": "2026-11-22",
        "hours": 1.5,
        "packages": {"torch": "2.13.0+cpu"},
    },
}
REPORT = {
    "n_subjects": 200,
    "n_samples": 8,
    "agreement": {
        "LVEDV": {"r": 0.643, "r_ci": [0.55, 0.71], "r2": 0.38, "mae": 21.26, "bias": -0.04, "n": 200},
        "LVEF": {"r": math.nan, "r2": None},
        "patient_7": {"r": 0.9123},
    },
    "information_kept": {"LVEDV": 0.81, "LVM": math.nan},
    "information_kept_ci": {"LVEDV": [0.7, 0.9]},
    "coverage": {"LVEDV": {"50": 48.2, "80": 79.0, "90": 88.7}},
    "realism": {"fid": 12.34, "fid_real": 3.21, "classifier_auc": 0.83},
    "memorisation": {"fraction": 0.004, "auc": 0.507, "detector_tpr": 1.0, "n": 1600},
    "pipeline": f"/home/anna/runs/{ID}/pipeline",
}


@pytest.fixture
def folder(tmp_path):
    """A pipeline's folder with 13 parameters in two parts."""
    for part, shapes in {"unet": [(2, 3), (4,)], "ceiling/conditioner": [(3, 1)]}.items():
        (tmp_path / part).mkdir(parents=True)
        tensors = {f"w{k}": np.zeros(shape, np.float32) for k, shape in enumerate(shapes)}
        save_file(tensors, tmp_path / part / "model.safetensors", metadata={"format": "pt"})
    return tmp_path


@pytest.fixture
def card(folder):
    write_model_card(folder, FACTS)
    return folder / "README.md"


def without(*keys):
    """FACTS less one key."""
    facts = copy.deepcopy(FACTS)
    place = facts
    for key in keys[:-1]:
        place = place[key]
    del place[keys[-1]]
    return facts


def test_the_front_matter_is_yaml(card):
    _, front, body = card.read_text().split("---\n", 2)
    lines = front.splitlines()
    assert all(re.fullmatch(r"\w+:( [\w.-]+)?|- [\w-]+", line) for line in lines)
    pairs = dict(line.split(": ") for line in lines if ": " in line)
    assert pairs == {"license": "apache-2.0", "library_name": "diffusers"}
    assert {"- ecg", "- cardiac-mri", "- diffusion", "- medical"} <= set(lines[lines.index("tags:") :])
    assert body.lstrip().startswith("# ecg-to-heart\n")


def test_what_was_trained_is_said(card):
    text = card.read_text()
    for said in (
        "Cohort UKBB: 5_012 to train on, 620 to validate, 633 to test",
        "Simulated",
        "steps of the denoiser: 2_000",
        "reading 600, prior 400",
        "peak learning rate: 0.001",
        "d01a28578b00c483e9ecf0cfd0fb33390a8918a3",
        "2026-11-22",
        "NOT FOR DIAGNOSIS",
    ):
        assert said in text, said


def test_parameters_are_counted_in_the_weights(folder, card):
    text = card.read_text()
    assert "| unet | 10 |" in text and "| ceiling/conditioner | 3 |" in text and "| all | 13 |" in text
    save_file({"w": np.zeros((250, 2000), np.float32)}, folder / "unet" / "more.safetensors")
    write_model_card(folder, FACTS)
    assert "| unet | 500_010 |" in card.read_text() and "2.0 MB" in card.read_text()


def test_real_people_are_not_called_simulated(folder):
    facts = copy.deepcopy(FACTS)
    facts["data"]["phantom"] = False
    write_model_card(folder, facts)
    text = (folder / "README.md").read_text()
    assert "real people" in text and "Simulated" not in text


@pytest.mark.parametrize("key", ["command", "hours", "packages", "stage_steps"])
def test_a_missing_optional_fact_leaves_its_line_out(folder, card, key):
    before = card.read_text().splitlines()
    write_model_card(folder, without("recipe", key))
    after = card.read_text().splitlines()
    assert len(after) == len(before) - 1 and set(after) < set(before)


@pytest.mark.parametrize(
    "keys", [("name",), ("data", "phantom"), ("data", "people", "test"), ("recipe", "seed"), ("recipe", "code_version")]
)
def test_a_missing_required_fact_is_an_error_and_leaves_the_old_card(folder, card, keys):
    before = card.read_bytes()
    with pytest.raises(KeyError, match=keys[-1]):
        write_model_card(folder, without(*keys))
    assert card.read_bytes() == before
    assert [path.name for path in folder.iterdir() if path.is_file()] == ["README.md"]


def test_before_an_evaluation_the_card_says_how_to_make_one(card):
    text = card.read_text()
    assert "None has been measured yet" in text and "python evaluate_samples.py" in text
    assert "is not known" in text


def test_figures_stand_in_the_card_with_their_intervals(folder, card):
    add_figures(folder, REPORT)
    text = card.read_text()
    row = next(line for line in text.splitlines() if line.startswith("| LVEDV"))
    cells = [cell.strip() for cell in row.strip("|").split("|")]
    assert cells[:6] == ["LVEDV, mL", "0.64 (0.55 to 0.71)", "0.38", "21.3", "0.0", "0.81 (0.70 to 0.90)"]
    assert cells[6:] == ["48", "79", "89"]
    assert "200 people, 8 hearts each" in text and "1_600 generated hearts" in text
    assert "FID: 12.34" in text and "0.004" in text
    assert "None has been measured" not in text and "must not be released" not in text


def test_unknown_figures_are_left_out(folder, card):
    add_figures(folder, REPORT)
    text = card.read_text()
    assert "nan" not in text.lower().replace("-", " ").split() and "None" not in text
    assert "LVEF, %" not in text and "LVM, g" not in text  # nothing of them is known
    add_figures(folder, {"agreement": {"LVM": {"r": 0.5}}})
    text = card.read_text()
    assert "| LVM, g | 0.50 |" in text and "bias" not in text and "FID" not in text


def test_adding_twice_is_adding_once_and_touches_nothing_else(folder, card):
    first = card.read_text()
    add_figures(folder, REPORT)
    once = card.read_text()
    add_figures(folder, REPORT)
    assert card.read_text() == once
    assert once.split(BEGIN)[0] == first.split(BEGIN)[0] and once.split(END)[1] == first.split(END)[1]
    add_figures(folder, {})
    assert card.read_text() == first
    assert once.count(BEGIN) == once.count(END) == 1


def test_a_generator_of_copies_is_not_to_be_released(folder, card):
    add_figures(folder, {"memorisation": {"fraction": 0.051}})
    assert "must not be released" in card.read_text()
    add_figures(folder, {"memorisation": {"fraction": 0.05}})
    assert "must not be released" not in card.read_text()


def test_a_card_says_on_how_many_people_its_figures_stand(folder):
    """So that a glance at a few people does not take the place of a measurement on many."""
    write_model_card(folder, FACTS)
    assert people_of_figures(folder) == 0
    add_figures(folder, REPORT | {"n_subjects": 1_200})
    assert people_of_figures(folder) == 1_200
    assert people_of_figures(folder / "nowhere") == 0


def test_nothing_private_reaches_the_card(folder):
    """Paths, ids and unknown keys, in every place where a string can stand."""
    secret = f"/home/anna/{ID}/UKBB"
    facts = copy.deepcopy(FACTS)
    facts["name"] = f"heart of {ID}"
    facts["data"]["cohort"] = f"C:\\Users\\anna\\{ID}\\UKBB"
    facts["recipe"] |= {"machine": f"at {secret}", "preset": secret, "host": "annas-laptop"}
    facts["recipe"]["command"] += (
        f" --output={secret} --x=host:{secret} --y ~anna/z --z \\\\anna\\{ID}\\w {ID}_20205_2_0.xml"
    )
    facts["recipe"]["packages"] = {secret: secret}
    facts["recipe"]["command"] += f" `rm` {END}"
    write_model_card(folder, facts)
    add_figures(
        folder, REPORT | {"n_subjects": 100, "excluded": [ID], "agreement": {secret: {"r": 0.5}} | REPORT["agreement"]}
    )
    text = (folder / "README.md").read_text()
    assert str(ID) not in text and f"{ID:_}" not in text
    assert "/home" not in text and "/mnt" not in text and "Users" not in text and "laptop" not in text
    assert "anna" not in text
    assert text.count(END) == 1 and "patient_7" not in text and "0.91" not in text
    assert "--data UKBB --more-ecgs 'more'" in text


def test_a_web_address_and_a_fraction_are_no_paths(folder):
    facts = copy.deepcopy(FACTS)
    facts["recipe"] |= {"machine": "A100/H100, see https://example.org/a/b", "command": "python a.py --data runs/x"}
    write_model_card(folder, facts)
    text = (folder / "README.md").read_text()
    assert "A100/H100, see https://example.org/a/b" in text and "--data runs/x" in text


def test_a_card_without_its_place_for_figures_is_refused(folder, card):
    card.write_text(card.read_text().replace(END, ""))
    before = card.read_bytes()
    with pytest.raises(InputError, match="place for figures"):
        add_figures(folder, REPORT)
    assert card.read_bytes() == before
    card.unlink()
    with pytest.raises(InputError, match="no model card"):
        add_figures(folder, REPORT)
