"""Between which limits the phenotypes of healthy people lie, by sex, and for whom nobody can tell.

All numbers are of one paper: 368 men and 432 women of UK Biobank, white and healthy, 45 to 74 years old
(Petersen et al., J Cardiovasc Magn Reson 2017;19:18). They lie in reference_ranges.csv, each with its source:

    outer       The paper's 95 % prediction intervals of 45-54, 55-64 and 65-74 years differ. These are the widest
                limits of the three. What lies outside is outside at every age.
    abstract    Mean and 1.96 SD to either side, both as its abstract states them, of all ages together.

The paper's own tables were not at hand. The outer limits come from a public transcription of them (27 November 2026).
The LV's lie 2.0 to 2.5 SD from the means that others quote from the paper. The women's also hold the narrower limits
that a second transcription gives.
No limits could be supported for the absolute LV mass, for RVEF, for the walls, or for a single age group.
"""

import csv
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from .person import Person

CITATION = "Petersen et al., J Cardiovasc Magn Reson 2017;19:18 (UK Biobank, white healthy adults of 45 to 74 years)"
ADDRESS = "https://doi.org/10.1186/s12968-017-0327-9"
AGES = (45, 75)  # years: from the first, and before the second
SOURCES = {
    "outer": "the widest limits of the paper's 95 % prediction intervals of 45-54, 55-64 and 65-74 years",
    "abstract": "mean ± 1.96 SD, of the paper's abstract, all ages together",
}
FILE = Path(__file__).with_suffix(".csv")


@dataclass(frozen=True)
class ReferenceRange:
    """Limits of one phenotype of one sex, both of which count as within.

    Attributes:
        unit: of the limits, which are per m2 of body surface where it says so. source: a key of SOURCES.
    """

    low: float
    high: float
    unit: str
    source: str

    def verdict(self, value: float) -> str:
        """ "below", "within" or "above"."""
        return "below" if value < self.low else "above" if value > self.high else "within"


@cache
def reference_ranges() -> dict[tuple[str, str, bool], ReferenceRange]:
    """{(phenotype, sex, whether per m2 of body surface): its range}."""
    with FILE.open(encoding="utf-8", newline="") as file:
        return {
            (row["phenotype"], row["sex"], row["per_m2"] == "yes"): ReferenceRange(
                float(row["low"]), float(row["high"]), row["unit"], row["source"]
            )
            for row in csv.DictReader(file)
        }


def reference_range(phenotype: str, person: Person, per_m2: bool = False) -> ReferenceRange | None:
    """The range of a person's phenotype; None where there is none, or `why_unjudged` says why not."""
    if why_unjudged(person):
        return None
    return reference_ranges().get((phenotype, person.sex, per_m2))


def why_unjudged(person: Person) -> str:
    """Why nothing of a person can be judged by these ranges; empty where it can."""
    unknown = [name for name, value in (("sex", person.sex), ("age", person.age_years)) if value is None]
    if unknown:
        return f"not judged: {' and '.join(unknown)} unknown"
    if not AGES[0] <= person.age_years < AGES[1]:
        return f"not judged: the reference people were {AGES[0]} to {AGES[1] - 1} years old"
    return ""
