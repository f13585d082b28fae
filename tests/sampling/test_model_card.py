"""What a card says, what it must never say, and that its numbers can be put in again and again."""

import copy
import math
import re
import shutil

import numpy as np
import pytest
from huggingface_hub import ModelCard
from safetensors.numpy import save_file

from cohort.errors import InputError
from cohort.phenotypes import LABELS, PHENOTYPES, UNITS
from sampling.card_numbers import AGREEMENT, JUDGE_HAD_PART, MEMORISATION, REALISM
from sampling.measured_phenotypes import SEEN
from sampling.model_card import add_figures, add_section, people_of_figures, renew_size, write_model_card
from sampling.public_text import grouped
from sampling.release import RELEASED

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


def heading_lines(text):
    return [line for line in text.splitlines() if line.startswith("#")]


def test_the_header_is_what_hugging_face_reads(card):
    header = ModelCard(card.read_text())
    assert header.data.license == "apache-2.0" and header.data.library_name == "diffusers"
    assert {"ecg", "cardiac-mri", "diffusion", "medical"} <= set(header.data.tags)
    assert header.data.pipeline_tag is None
    assert header.text.lstrip().startswith("# ecg-to-heart\n")


def test_every_section_stands_once_and_in_order(folder, card):
    titles = ["# ecg-to-heart", "## Data", "## Size", "## Recipe", "## Figures", "## Memorisation audit"]
    titles += ["## Intended use", "## Limits"]
    assert heading_lines(card.read_text()) == titles
    add_figures(folder, REPORT)
    assert heading_lines(card.read_text()) == titles


def test_what_was_trained_is_said(card):
    text = card.read_text()
    for said in (
        "Cohort UKBB: 5,012 to train on, 620 to validate, 633 to test",
        "Simulated",
        "steps of the denoiser: 2,000",
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
    assert "| unet | 500,010 |" in card.read_text() and "2.0 MB" in card.read_text()


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
    assert "200 people, 8 hearts each" in text and "1,600 generated hearts" in text
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
    assert once.split("## Figures")[0] == first.split("## Figures")[0]
    assert once.split("## Intended use")[1] == first.split("## Intended use")[1]
    add_figures(folder, {})
    assert card.read_text() == first


def test_the_card_says_who_measured_and_whose_truth_is_measured_too(folder, card):
    by = SEEN["simulated"]
    add_figures(folder, REPORT | {"measured_by": by, "true_hearts_measured": 200})
    assert f"8 hearts each by {by}, and so were the true hearts of 200 people" in card.read_text()
    add_figures(folder, REPORT | {"measured_by": by, "true_hearts_measured": 0})
    assert f"8 hearts each by {by}. In brackets" in card.read_text()
    add_figures(folder, REPORT | {"measured_by": "Anna", "true_hearts_measured": 0})
    assert "Anna" not in card.read_text()


@pytest.mark.parametrize("part", [True, False])
def test_the_card_says_that_the_judge_steered_the_hearts(folder, card, part):
    add_figures(folder, REPORT | {"judge_had_part": part})
    assert (JUDGE_HAD_PART in (folder / "README.md").read_text()) is part


def test_the_card_says_that_a_segmenter_measured_those_who_taught(folder):
    facts = copy.deepcopy(FACTS)
    write_model_card(folder, facts)
    assert "had no label map" not in (folder / "README.md").read_text()
    facts["data"] |= {"measured": 150, "measured_by": SEEN["simulated"]}
    write_model_card(folder, facts)
    text = (folder / "README.md").read_text()
    assert f"150 of them had no label map: {SEEN['simulated']} measured their hearts." in text


def test_a_generator_of_copies_is_not_to_be_released(folder, card):
    add_figures(folder, {"memorisation": {"fraction": 0.051}})
    assert "must not be released" in card.read_text()
    add_figures(folder, {"memorisation": {"fraction": 0.05}})
    assert "must not be released" not in card.read_text()


def test_thousands_stand_apart_as_people_write_them_and_millions_so_that_none_looks_like_an_id():
    told = [grouped(number) for number in (7, 3_197, -3_197, 999_999, 1_000_000, 8_516_887)]
    assert told == ["7", "3,197", "-3,197", "999,999", "1_000_000", "8_516_887"] and grouped(1234.56, 1) == "1,234.6"
    assert not re.search(r"\b\d{1,3}_\d{3}\b", (RELEASED / "README.md").read_text())


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
    facts["recipe"]["command"] += " `rm` <!-- hidden\n## Figures\n--> of now"
    write_model_card(folder, facts)
    add_figures(
        folder, REPORT | {"n_subjects": 100, "excluded": [ID], "agreement": {secret: {"r": 0.5}} | REPORT["agreement"]}
    )
    text = (folder / "README.md").read_text()
    assert str(ID) not in text and f"{ID:_}" not in text
    assert "/home" not in text and "/mnt" not in text and "Users" not in text and "laptop" not in text
    assert "anna" not in text
    assert "<!--" not in text and heading_lines(text).count("## Figures") == 1
    assert "patient_7" not in text and "0.91" not in text
    assert "--data UKBB --more-ecgs 'more'" in text


def test_a_web_address_and_a_fraction_are_no_paths(folder):
    facts = copy.deepcopy(FACTS)
    facts["recipe"] |= {"machine": "A100/H100, see https://example.org/a/b", "command": "python a.py --data runs/x"}
    write_model_card(folder, facts)
    text = (folder / "README.md").read_text()
    assert "A100/H100, see https://example.org/a/b" in text and "--data runs/x" in text


def test_nothing_private_reaches_an_added_section(folder, card):
    add_section(
        folder, f"Made\n## Size of {ID}", {f"at /home/anna/{ID}": f"/home/anna/x\n## Size {ID} <!-- `a`", "n": 2_000}
    )
    text = card.read_text()
    assert "## Made ## Size of …\n\n- at …: x ## Size …  a\n- n: 2,000\n\n## Figures\n" in text
    assert str(ID) not in text and "anna" not in text and heading_lines(text).count("## Size") == 1


@pytest.mark.parametrize("report", [{}, REPORT])
def test_an_added_section_stands_before_the_numbers_and_outlives_them(folder, card, report):
    add_figures(folder, report)
    before = card.read_text()
    section = "## Distillation\n\n- steps: 450\n- rate: 0.0003\n\n"
    add_section(folder, "Distillation", {"steps": 450, "rate": 3e-4})
    assert card.read_text() == before.replace("## Figures", f"{section}## Figures")
    add_figures(folder, {})
    renew_size(folder)
    assert section in card.read_text()


@pytest.mark.parametrize("title", ["Figures", "Memorisation audit"])
def test_a_card_without_its_place_for_numbers_is_refused(folder, card, title):
    card.write_text(card.read_text().replace(f"## {title}\n", ""))
    before = card.read_bytes()
    with pytest.raises(InputError, match=f"no model card with a section '{title}'"):
        add_figures(folder, REPORT)
    assert card.read_bytes() == before


def test_a_folder_without_a_card_is_refused(folder):
    for change in (lambda: add_figures(folder, REPORT), lambda: add_section(folder, "A", {})):
        with pytest.raises(InputError, match="there is no model card"):
            change()
    renew_size(folder)
    assert not (folder / "README.md").exists()


@pytest.mark.parametrize("header", ["a: [", "only words"])
def test_a_header_that_is_no_yaml_is_refused_in_one_line(folder, card, header):
    card.write_text(f"---\n{header}\n---\n{card.read_text()}")
    with pytest.raises(InputError, match="header is not YAML"):
        add_figures(folder, REPORT)


# ---- The released card ----


@pytest.fixture
def released(tmp_path):
    """A copy of the card that comes with the code, which an earlier version wrote."""
    folder = tmp_path / "released"
    folder.mkdir()
    shutil.copy(RELEASED / "README.md", folder)
    return folder


def put(report, at, value):
    *keys, last = at.split(".")
    for key in keys:
        report = report.setdefault(key, {})
    report[last] = value


OF_LABEL = {label: name for name, label in LABELS.items()}


def put_number(report, at, text):
    """One number of a card, "0.76 (0.70 to 0.82)", back at its place in a report."""
    number, *ends = (float(word.replace("_", "")) for word in re.findall(r"-?[\d_.]+", text))
    put(report, at, number)
    if ends:
        put(report, f"{at}_ci", ends)


def report_of(text):
    """The report whose numbers a card shows."""
    report = {"n_subjects": people_of_figures(RELEASED)}
    put(report, "n_samples", int(re.search(r"([0-9]+) hearts each", text)[1]))
    if audited := re.search(r"([0-9_]+) generated hearts", text):
        put(report, "memorisation.n", int(audited[1]))
    if by := re.search(r"hearts each by (.+?)\. In", text):
        put(report, "measured_by", by[1])
    report["judge_had_part"] = JUDGE_HAD_PART in text
    columns: list[str] = []
    for line in text.splitlines():
        name, *cells = (cell.strip() for cell in line.strip("|").split("|"))
        columns = cells if line.startswith("| |") and set(cells) <= AGREEMENT.keys() else columns
        if line.startswith("| ") and (phenotype := OF_LABEL.get(name.split(",")[0])):
            for column, cell in zip(columns, cells, strict=True):
                if cell == "–":  # not known
                    continue
                put_number(report, AGREEMENT[column][0] % phenotype, cell)
    for label, (at, _) in (REALISM | MEMORISATION).items():
        if f"- {label}: " in text:
            put_number(report, at, text.split(f"- {label}: ")[1].splitlines()[0])
    return report


def test_the_released_card_is_the_same_when_its_numbers_are_added_again(released):
    card = released / "README.md"
    before = card.read_text()
    report = report_of(before)
    add_figures(released, {})
    assert "None has been measured yet" in card.read_text()
    add_figures(released, report)
    assert card.read_text() == before


def test_the_released_card_tells_the_size_of_the_released_weights(tmp_path):
    folder = tmp_path / "copy"
    shutil.copytree(RELEASED, folder)
    card = folder / "README.md"
    before = card.read_text()
    assert "8_516_887" in before
    card.write_text(before.replace("8_516_887", "7"))
    renew_size(folder)
    assert card.read_text() == before


def test_a_section_added_to_the_released_card_stands_before_its_numbers(released):
    before = (released / "README.md").read_text()
    add_section(released, "Distillation", {"steps": 2})
    mark = "## Figures"
    assert before.count(mark) == 1
    assert (released / "README.md").read_text() == before.replace(mark, f"## Distillation\n\n- steps: 2\n\n{mark}")


# ---- Any number of phenotypes ----


@pytest.mark.parametrize("names", [("LVEDV",), ("LVEDV", "RVEF"), (*PHENOTYPES, "LAV", "strain")])
def test_the_table_holds_as_many_phenotypes_as_there_are(folder, card, monkeypatch, names):
    units = {name: UNITS.get(name, "mL") for name in names}
    monkeypatch.setattr("sampling.card_numbers.PHENOTYPES", names)
    monkeypatch.setattr("sampling.card_numbers.UNITS", units)
    monkeypatch.setattr("sampling.card_numbers.LABELS", {name: name for name in names})
    add_figures(folder, {"agreement": {name: {"r": 0.5} for name in names}})
    rows = [line for line in card.read_text().splitlines() if line.endswith("| 0.50 |")]
    assert rows == [f"| {name}, {units[name]} | 0.50 |" for name in names]
