"""README.md of a pipeline folder: a Hugging Face model card that says what was trained, on whom, and how well it does.

A card is made public with the weights. So its text passes through `public_text`, and only the keys of a report that
are named here are shown.
"""

import json
import math
import re
from pathlib import Path

from huggingface_hub import ModelCard, ModelCardData
from yaml import YAMLError

from cohort.disk import write_text
from cohort.errors import InputError

from . import model_folder as index
from .card_numbers import audited, measured, table_of
from .pipeline import weights_sha256
from .public_text import last_name, public, shown

TEMPLATE = Path(__file__).with_name("model_card_template.md")
# No pipeline_tag: none of Hugging Face's tasks begins with a signal and ends in a stack of images.
CARD_DATA = ModelCardData(
    license="apache-2.0",
    library_name="diffusers",
    tags=["ecg", "electrocardiogram", "cardiac-mri", "diffusion", "medical", "image-generation"],
)
USES = {"train": "train on", "validation": "validate", "test": "test"}

RECIPE = {  # keys of facts["recipe"]: (label, required)
    "steps": ("steps of the denoiser", True),
    "stage_steps": ("steps of the stages before", False),
    "batch": ("batch", True),
    "learning_rate": ("peak learning rate", True),
    "seed": ("seed", True),
    "preset": ("preset", False),
    "began_with": ("began with", False),
    "taken": ("weights it took of that", False),
    "person_fields": ("told of the person beside sex, age, height and weight", False),
    "command": ("command", False),
    "configuration_sha256": ("configuration sha256", False),
    "code_version": ("code version", True),
    "date": ("date", True),
    "hours": ("hours of training", False),
    "machine": ("machine", False),
    "packages": ("packages", False),
}
SIMULATED_PATIENTS = "Simulated patients (phantoms)"
SIMULATED = f"{SIMULATED_PATIENTS}: no person's data were used, and **figures on them say nothing about patients**."
REAL = """\
Data of real people. Weights can hold traces of those they were trained on. The agreement under which the data were
given decides whether the weights may be passed on, and to whom."""


def write_model_card(folder: Path, facts: dict) -> None:
    """Write `README.md` into a pipeline folder, whole or not at all; size and sha256 are read off its weights.

    Args:
        folder: of a saved pipeline.
        facts: nested dict. Required keys:
            name: of the model.
            data.cohort: name or path of the cohort; of a path the last part is shown.
            data.people: {"train", "validation", "test"}, numbers of people.
            data.phantom: whether they are simulated.
            data.measured, data.measured_by: of how many people, and by whom, phenotypes were measured. Optional.
            recipe: steps, batch, learning_rate, seed, code_version, date.
          Optional keys of recipe: stage_steps (dict stage -> steps), preset, began_with, taken (dict part -> share),
            person_fields, command, hours, machine, configuration_sha256, packages (dict name -> version). The line of
            a missing or None key is left out. Keys that are not named here are not shown.

    Raises:
        KeyError: a required key is missing; nothing is written then.
    """
    data = facts["data"]
    card = ModelCard.from_template(
        CARD_DATA,
        template_path=str(TEMPLATE),
        name=public(facts["name"]),
        cohort=public(last_name(data["cohort"])),
        people=", ".join(f"{shown(data['people'][split])} to {use}" for split, use in USES.items()),
        kind=(SIMULATED if data["phantom"] else REAL) + _measured(data),
        size=_size(folder),
        recipe=_recipe(facts["recipe"]),
        figures=measured({}),
        audit=audited({}),
    )
    write_text(folder / "README.md", f"{card}\n")


def add_figures(folder: Path, report: dict) -> None:
    """Put a report's numbers into the card of a pipeline folder, in place of earlier ones.

    Args:
        report: of evaluate_samples.py; any number may be absent, null or NaN.

    Raises:
        InputError: the folder has no card, or one without the sections where these numbers stand.
    """
    _replace_sections(folder, {"Figures": measured(report), "Memorisation audit": audited(report)})


def renew_size(folder: Path) -> None:
    """Read size and sha256 of the weights again, after they changed; without a card, do nothing.

    Raises:
        InputError: the card has no section of the size.
    """
    if (folder / "README.md").is_file():
        _replace_sections(folder, {"Size": _size(folder)})


def add_section(folder: Path, title: str, facts: dict) -> None:
    """Add a section with a list of facts to the card of a pipeline folder, before the numbers.

    Args:
        facts: name -> number, text, or dict of these.

    Raises:
        InputError: the folder has no card, or one without a section of numbers.
    """
    card = _open(folder)
    at = _section(folder, card, "Figures").start()
    lines = "\n".join(f"- {public(name)}: {shown(fact)}" for name, fact in facts.items())
    card.text = f"{card.text[:at]}## {public(title)}\n\n{lines}\n\n{card.text[at:]}"
    write_text(folder / "README.md", str(card))


def people_of_figures(folder: Path) -> int:
    """How many people the numbers in a card were measured on; 0 where there are none, or no card."""
    people = re.search(r"^Measured on ([0-9_,]+) people", _text(folder), re.MULTILINE)
    return int(people[1].replace(",", "")) if people else 0


def trained_on(folder: Path) -> str | None:
    """Whose data taught the weights by the card, as `trained_on` of the pipeline's index; None if it does not say."""
    text = _text(folder)
    return index.SIMULATED if SIMULATED_PATIENTS in text else index.REAL if REAL in text else None


# ---- A card's sections ----


def _text(folder: Path) -> str:
    """A folder's card as it stands in the file, "" where there is none; what is no UTF-8 is replaced."""
    path = folder / "README.md"
    return path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""


def _open(folder: Path) -> ModelCard:
    """A folder's card, its header (YAML) apart from its text (Markdown)."""
    path = folder / "README.md"
    if not path.is_file():
        raise InputError(path, "there is no model card", "train again, or restore the card")
    try:
        return ModelCard(_text(folder))
    except (ValueError, YAMLError) as error:
        raise InputError(path, "is no model card: its header is not YAML", "restore the card") from error


def _section(folder: Path, card: ModelCard, title: str) -> re.Match:
    """Where a section stands in a card's text; its group "body" is what stands under its heading.

    A comment is no part of a section: cards of earlier versions mark the numbers by one before and one after.
    """
    pattern = rf"^(?:<!--[^\n]*\n)?## {re.escape(title)}\n+(?P<body>.*?)(?=\s*^(?:## |<!--)|\s*\Z)"
    section = re.search(pattern, card.text, re.MULTILINE | re.DOTALL)
    if section is None:
        fault = f"is no model card with a section {title!r}"
        raise InputError(folder / "README.md", fault, "train again, or restore the card")
    return section


def _replace_sections(folder: Path, bodies: dict[str, str]) -> None:
    """Put other text under some headings of a folder's card, and leave the rest as it is."""
    card = _open(folder)
    for title, body in bodies.items():
        begin, end = _section(folder, card, title).span("body")
        card.text = f"{card.text[:begin]}{body}{card.text[end:]}"
    write_text(folder / "README.md", str(card))


# ---- What stands in them ----


def _measured(data: dict) -> str:
    """A sentence where a segmenter told the phenotypes that taught."""
    if not data.get("measured"):
        return ""
    return f"\n{shown(data['measured'])} of them had no label map: {public(data['measured_by'])} measured their hearts."


def _size(folder: Path) -> str:
    """Parameters of every part, counted in the headers of its safetensors files, and the hash of the weights."""
    counts: dict[str, int] = {}
    for path in sorted(folder.rglob("*.safetensors")):
        part = path.parent.relative_to(folder).as_posix()
        counts[part] = counts.get(part, 0) + _parameters(path)
    megabytes = sum(path.stat().st_size for path in folder.rglob("*.safetensors")) / 1e6
    rows = [(part, shown(count)) for part, count in {**counts, "all": sum(counts.values())}.items()]
    table = table_of(["part", "parameters"], rows)
    return f"{table}\n\n{megabytes:.1f} MB. Weights sha256: `{weights_sha256(folder)}`"


def _parameters(path: Path) -> int:
    """Numbers in a safetensors file: eight bytes of header length, then JSON of name -> shape."""
    with path.open("rb") as file:
        header = json.loads(file.read(int.from_bytes(file.read(8), "little")))
    return sum(math.prod(tensor["shape"]) for name, tensor in header.items() if name != "__metadata__")


def _recipe(recipe: dict) -> str:
    lines = []
    for key, (label, required) in RECIPE.items():
        value = recipe[key] if required else recipe.get(key)
        if value is not None:
            lines.append(f"- {label}: " + (f"`{public(value)}`" if key == "command" else shown(value)))
    return "\n".join(lines)
