"""README.md of a pipeline folder: a Hugging Face model card that says what was trained, on whom, and how far to go.

Everything that reaches a card is made public with the weights. So absolute paths are cut to their last name, numbers
that could be participant ids are struck out, and of a report only the keys named here are shown.
"""

import json
import math
import re
from numbers import Real
from pathlib import Path

from cohort.errors import InputError
from cohort.phenotypes import PHENOTYPES, UNITS

FRONT_MATTER = """\
---
license: apache-2.0
library_name: diffusers
tags:
- ecg
- electrocardiogram
- cardiac-mri
- diffusion
- medical
- image-generation
---
"""  # without pipeline_tag: none of Hugging Face's tasks begins with a signal and ends in a stack of images
BEGIN, END = "<!-- figures: begin -->", "<!-- figures: end -->"
COPIES_LIMIT = 0.05  # share of samples that are copies, above which weights are not released
# where a path of a machine begins, and not what follows "https:" or stands within a relative path
PATH_START = r"(?:(?<![\w.:/\\~-])|(?<=:)(?!//))(?:~[\w.-]*|[A-Za-z]:|file:)?[/\\]+"
QUOTED_PATH = re.compile(rf"""(?<=(['"])){PATH_START}.*?(?=\1)""")
PLAIN_PATH = re.compile(rf"""{PATH_START}(?:\\\s|[^\s'"`,;|<>():])+""")
POSSIBLE_ID = re.compile(r"(?<![0-9A-Za-z.])[1-9][0-9]{6}(?![0-9A-Za-z])")  # UK Biobank's, also in a file's name
USES = {"train": "train on", "validation": "validate", "test": "test"}

RECIPE = {  # keys of facts["recipe"]: (label, required)
    "steps": ("steps of the denoiser", True),
    "stage_steps": ("steps of the stages before", False),
    "batch": ("batch", True),
    "learning_rate": ("peak learning rate", True),
    "seed": ("seed", True),
    "preset": ("preset", False),
    "command": ("command", False),
    "configuration_sha256": ("configuration sha256", False),
    "code_version": ("code version", True),
    "date": ("date", True),
    "hours": ("hours of training", False),
    "machine": ("machine", False),
    "packages": ("packages", False),
}
AGREEMENT = {  # columns: (where in the report, %s the phenotype), digits
    "r": ("agreement.%s.r", 2),
    "R2": ("agreement.%s.r2", 2),
    "mean absolute error": ("agreement.%s.mae", 1),
    "bias": ("agreement.%s.bias", 1),
    "information kept": ("information_kept.%s", 2),
    "in the 50 % interval, %": ("coverage.%s.50", 0),
    "in the 80 %": ("coverage.%s.80", 0),
    "in the 90 %": ("coverage.%s.90", 0),
}
REALISM = {
    "FID": ("realism.fid", 2),
    "FID of other real hearts": ("realism.fid_real", 2),
    "AUC of a classifier, generated against real (0.5: cannot be told apart)": ("realism.classifier_auc", 2),
}
MEMORISATION = {
    "share of the samples that look like copies of a training patient (at most 0.01 of real strangers do)": (
        "memorisation.fraction",
        3,
    ),
    "AUC, nearer to training than to held-out hearts (0.5: no nearer)": ("memorisation.auc", 3),
    "the same AUC if every sample were a copy": ("memorisation.auc_of_copies", 3),
    "share of planted copies found": ("memorisation.detector_tpr", 3),
    "share of strangers taken for copies": ("memorisation.threshold_fpr", 3),
    "AUC of telling by the loss who was trained on (0.5: nobody can)": ("memorisation.membership_auc", 3),
}
ABOUT = """\
A latent diffusion pipeline that draws the heart (short-axis cardiac MRI at end-diastole and end-systole) of the patient
whose 12-lead ECG it is given. **Generated images, for research. NOT FOR DIAGNOSIS.**
"""
SIMULATED_PATIENTS = "Simulated patients (phantoms)"
SIMULATED = f"""\
{SIMULATED_PATIENTS}: no person's data were used, and **figures on them say nothing about patients**.
"""
REAL = """\
Data of real people. Weights can hold traces of those they were trained on: the agreement under which the data were
given decides whether and to whom they may be passed on.
"""
INTENDED = """\
## Intended use

Research on what an electrocardiogram tells of the heart: methods, simulation, teaching. One 12-lead ECG (10 s), with
sex, age, height and weight where known, gives several short-axis hearts at end-diastole and end-systole. Look at
several: where the ECG is silent, samples differ.

**NOT FOR DIAGNOSIS.** A generated heart shows what an ECG suggests, not what a scanner saw. It must not be used to
decide about a patient, nor be shown as that patient's MRI.
"""
LIMITS = """\
## Limits

- An ECG does not tell exact volumes, valves, or what lies beside the heart; those parts of a sample are invention.
- It knows the kind of people, of ECG machine and of scanner it was trained on; of others it draws the nearest it knows.
- Poor ECGs (flat, clipped, noisy leads) are warned of, not corrected.
- Good looks are no evidence that a heart is the patient's; the figures above are, for the people measured.
"""


def write_model_card(folder: Path, facts: dict) -> None:
    """Write `README.md` into a pipeline folder, whole or not at all; size and sha256 are read off its weights.

    Args:
        folder: of a saved pipeline.
        facts: nested dict. Required keys:
            name: of the model.
            data.cohort: name of the cohort (of a path the last part); data.people: {"train", "validation", "test"}
                numbers of people; data.phantom: whether they are simulated.
            recipe: steps, batch, learning_rate, seed, code_version, date.
          Optional, of recipe: stage_steps (dict stage -> steps), preset, command, configuration_sha256, hours,
            machine, packages (dict name -> version). An optional key that is missing or None leaves its line out;
            other keys are not shown.

    Raises:
        KeyError: a required key is missing; nothing is written then.
    """
    parts = [
        FRONT_MATTER,
        f"# {_public(facts['name'])}\n",
        ABOUT,
        _data(facts["data"]),
        _size(folder),
        _recipe(facts["recipe"]),
        f"{BEGIN}\n{_figures({})}\n{END}\n",
        INTENDED,
        LIMITS,
    ]
    _replace(folder / "README.md", "\n".join(parts))


def add_figures(folder: Path, report: dict) -> None:
    """Put a report's figures into the card of a pipeline folder, in place of those that stood there.

    Args:
        report: of evaluate_samples.py; any figure may be absent, null or NaN.

    Raises:
        InputError: the folder has no card, or one without the two markers between which figures stand.
    """
    path, text = folder / "README.md", _card(folder)
    if not 0 <= text.find(BEGIN) < text.find(END):
        raise InputError(path, "is no model card with a place for figures", "train again, or restore the card")
    before, after = text[: text.index(BEGIN)], text[text.index(END) :]
    _replace(path, f"{before}{BEGIN}\n{_figures(report)}\n{after}")


def people_of_figures(folder: Path) -> int:
    """How many people the figures in a card were measured on; 0 where there are none, or no card."""
    found = re.search(r"^Measured on ([0-9_]+) people", _card(folder), re.MULTILINE)
    return int(found[1]) if found else 0


def renew_size(folder: Path) -> None:
    """Read size and sha256 of the weights anew, after they were written otherwise; without a card, nothing."""
    path = folder / "README.md"
    if path.is_file():
        text = path.read_text(encoding="utf-8")
        _replace(path, f"{text[: text.index('## Size')]}{_size(folder)}\n{text[text.index('## Recipe') :]}")


def knows_phantoms_only(folder: Path) -> bool:
    """Whether the card says that the cohort was simulated; a folder without a card says nothing."""
    return SIMULATED_PATIENTS in _card(folder)


def _card(folder: Path) -> str:
    """What a folder's card says, "" where there is none."""
    path = folder / "README.md"
    return path.read_text(encoding="utf-8") if path.is_file() else ""


def _data(data: dict) -> str:
    people = [f"{_shown(data['people'][split])} to {use}" for split, use in USES.items()]
    kind = SIMULATED if data["phantom"] else REAL
    return f"## Data\n\nCohort {_public(_name(data['cohort']))}: {', '.join(people)} (split by person).\n{kind}"


def _size(folder: Path) -> str:
    """Parameters of every part, counted in the headers of its safetensors files, and which weights they are."""
    from .pipeline import weights_sha256

    counts: dict[str, int] = {}
    for path in sorted(folder.rglob("*.safetensors")):
        part = path.parent.relative_to(folder).as_posix()
        counts[part] = counts.get(part, 0) + _parameters(path)
    megabytes = sum(path.stat().st_size for path in folder.rglob("*.safetensors")) / 1e6
    rows = [f"| {part} | {_shown(count)} |" for part, count in {**counts, "all": sum(counts.values())}.items()]
    return "\n".join(
        [
            "## Size",
            "",
            "| part | parameters |",
            "|---|---|",
            *rows,
            "",
            f"{megabytes:.1f} MB. Weights sha256: `{weights_sha256(folder)}`",
            "",
        ]
    )


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
            lines.append(f"- {label}: " + (f"`{_public(value)}`" if key == "command" else _shown(value)))
    return "\n".join(["## Recipe", "", *lines, ""])


def _figures(report: dict) -> str:
    return f"## Figures\n\n{_measured(report)}\n\n## Memorisation audit\n\n{_audited(report)}"


def _measured(report: dict) -> str:
    """Whom was measured, a row a phenotype, and how real the pictures look; or that nothing is known."""
    columns = [c for c, (at, d) in AGREEMENT.items() if any(_figure(report, at % name, d) for name in PHENOTYPES)]
    rows = []
    for name in PHENOTYPES:
        cells = [_figure(report, AGREEMENT[column][0] % name, AGREEMENT[column][1]) for column in columns]
        if any(cells):
            rows.append(f"| {name}, {UNITS[name]} | " + " | ".join(cell or "–" for cell in cells) + " |")
    realism = _lines(report, REALISM)
    if not rows and not realism:
        return (
            "None has been measured yet. This measures them:\n\n"
            "    python evaluate_samples.py --data DATA --pipeline THIS_FOLDER"
        )
    people, hearts = (_figure(report, key, 0) for key in ("n_subjects", "n_samples"))
    measured = f"Measured on {people} people" + (f", {hearts} hearts each" if hearts else "") if people else "Measured"
    text = [f"{measured}. In brackets the 95 % interval over people; – is not known."]
    if rows:
        head = ["| | " + " | ".join(columns) + " |", "|---" * (len(columns) + 1) + "|"]
        text.append("\n".join([*head, *rows]))
    return "\n\n".join([*text, *([realism] if realism else [])])


def _audited(report: dict) -> str:
    lines = _lines(report, MEMORISATION)
    if not lines:
        return "Not done yet: whether the generator hands out its training patients is not known."
    fraction = _value(report, "memorisation.fraction")
    verdict = (
        f"\n\n**More than {100 * COPIES_LIMIT:.0f} % look like copies: these weights must not be released.**"
        if fraction is not None and fraction > COPIES_LIMIT
        else ""
    )
    hearts = _figure(report, "memorisation.n", 0)
    about = f"{hearts} generated hearts" if hearts else "Generated hearts"
    return f"{about} against every training heart, and against hearts never trained on.\n\n{lines}{verdict}"


def _lines(report: dict, table: dict[str, tuple[str, int]]) -> str:
    found = {label: _figure(report, at, digits) for label, (at, digits) in table.items()}
    return "\n".join(f"- {label}: {figure}" for label, figure in found.items() if figure)


def _figure(report: dict, at: str, digits: int) -> str:
    """The number at a dotted place with its interval, "" where there is none."""
    value = _value(report, at)
    if value is None:
        return ""
    keys = at.split(".")
    # of a.b the interval is a.b_ci, or a_ci.b where a table of numbers has a table of intervals beside it
    for k in reversed(range(len(keys))):
        ends = _at(report, [*keys[:k], f"{keys[k]}_ci", *keys[k + 1 :]])
        if isinstance(ends, (list, tuple)) and len(ends) == 2 and all(map(_is_number, ends)):
            return f"{_rounded(value, digits)} ({_rounded(ends[0], digits)} to {_rounded(ends[1], digits)})"
    return _rounded(value, digits)


def _value(report: dict, at: str) -> float | None:
    value = _at(report, at.split("."))
    return value if _is_number(value) else None


def _at(report: object, keys: list[str]) -> object:
    for key in keys:
        report = report.get(key) if isinstance(report, dict) else None
    return report


def _is_number(value: object) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool) and math.isfinite(value)


def _rounded(value: float, digits: int) -> str:
    """Never a negative zero."""
    return f"{round(value, digits) + 0.0:_.{digits}f}"


def _shown(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{_public(key)} {_shown(item)}" for key, item in value.items())
    if isinstance(value, int):
        return f"{value:_}"
    return f"{value:.6g}" if isinstance(value, float) else _public(value)


def _public(text: object) -> str:
    """One line without absolute paths, possible ids, or what could end a table, a code span or a section."""
    line = " ".join(str(text).split())
    for kind in (QUOTED_PATH, PLAIN_PATH):
        line = kind.sub(lambda path: _name(path[0]), line)
    return re.sub(r"<!--|-->|[`|]", "", POSSIBLE_ID.sub("…", line))


def _name(path: object) -> str:
    """The last part of a path of any system; a name is its own."""
    return re.split(r"[/\\]", str(path).rstrip("/\\"))[-1]


def _replace(path: Path, text: str) -> None:
    partial = path.with_name(f".{path.name}.partial")
    partial.write_text(text, encoding="utf-8")
    partial.replace(path)
