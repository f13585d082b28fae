"""Simulated patients to try the page with: their ECGs, and what the page asks of a person."""

from dataclasses import dataclass
from pathlib import Path

from cohort.person import Person
from phantom.cohort_plan import CohortPlan
from phantom.cohort_writer import ecg_path, write_subject

CONDITIONS = {  # what to call it, and which of the patients of SEED
    "normal": ("healthy", 4),
    "lvh": ("thick walls (LVH)", 9),
    "dcm": ("a large, weak heart (DCM)", 32),
    "lbbb": ("left bundle branch block", 13),
}
CHOSEN = "They are ones whom the released weights recognise. Many others with such hearts they do not."
SEED = 7


@dataclass(frozen=True)
class Example:
    """A simulated patient: what to call them, the file of their ECG, and who they are."""

    words: str
    ecg: Path
    person: Person


def write_examples(folder: Path) -> list[Example]:
    """Draw one simulated patient of each of CONDITIONS, and write their ECGs into a folder."""
    return [_written(folder, number, condition) for condition, (_, number) in CONDITIONS.items()]


def _written(folder: Path, number: int, condition: str) -> Example:
    plan = CohortPlan(seed=SEED, subjects=len(CONDITIONS), frames=2, ecg_only=True, condition=condition)
    write_subject(folder, plan, (number, 1))
    heart = plan.heart(number)
    person = Person(heart.sex, heart.age_years, round(heart.height_cm, 1), round(heart.weight_kg, 1))
    who = "woman" if heart.sex == "female" else "man"
    words = f"Simulated {who} of {heart.age_years:.0f}, {CONDITIONS[condition][0]}"
    return Example(words, ecg_path(folder, number), person)
