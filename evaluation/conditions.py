"""Conditions whose probability is told: each is an amount of the heart beyond a limit, with the limit's source.

An amount stands on a scale on which its error is even (evaluation.scale), as its limit does. Which limit holds may
hang on sex, age and body surface. Where these are unknown, or nobody supports a limit for them, nothing is judged.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from cohort.body_surface import FORMULA, body_surface_m2
from cohort.person import Person
from cohort.phenotypes import LABELS, PHENOTYPES, WALLS
from cohort.reference_ranges import CITATION, SOURCES, reference_range, why_unjudged

from .scale import SCALES

EF_LIMIT = 50.0  # %
THIN_SHARE = 0.75  # of the mean thickness of the other three quarters
NO_SURFACE = "not judged: height or weight unknown"
OWN_LIMIT = "a limit of this project: no published one counts the thickness of a whole quarter"


@dataclass(frozen=True)
class Condition:
    """One condition.

    Attributes:
        name: in files. words: on a page. source: of the limit.
        beyond: of phenotypes (..., K) and a person, the amount's way beyond the limit (...): above 0 is ill. It is NaN
            where a phenotype is unknown.
        why_not: why it is not judged of a person; empty where it is.
        decided_by: the phenotype whose limit decides.
    """

    name: str
    words: str
    source: str
    beyond: Callable[[np.ndarray, Person], np.ndarray]
    why_not: Callable[[Person], str]
    decided_by: str


def conditions() -> Iterator[Condition]:
    """All of them, in the order in which they are shown."""
    yield Condition("EF_below_50", "EF below 50 %", "LVEF < 50 %", _below_ef, lambda person: "", "LVEF")
    for name, words, phenotype in (
        ("LVH", "LV mass above the range of healthy people (LVH)", "LVM"),
        ("dilated_LV", "LV larger than in healthy people (dilated)", "LVEDV"),
        ("dilated_RV", "RV larger than in healthy people (dilated)", "RVEDV"),
    ):
        yield _above_healthy(name, words, phenotype)
    for wall in WALLS:
        yield _thin(wall)


def _below_ef(phenotypes: np.ndarray, person: Person) -> np.ndarray:
    scale = SCALES["LVEF"]
    return scale.forth(np.asarray(EF_LIMIT)) - scale.forth(phenotypes[..., PHENOTYPES.index("LVEF")])


def _above_healthy(name: str, words: str, phenotype: str) -> Condition:
    scale = SCALES[phenotype]

    def beyond(phenotypes: np.ndarray, person: Person) -> np.ndarray:
        limit = reference_range(phenotype, person, per_m2=True).high * body_surface_m2(person)
        return scale.forth(phenotypes[..., PHENOTYPES.index(phenotype)]) - scale.forth(np.asarray(limit))

    def why_not(person: Person) -> str:
        return why_unjudged(person) or ("" if body_surface_m2(person) else NO_SURFACE)

    where = SOURCES["abstract" if phenotype == "LVM" else "outer"]
    source = f"{phenotype} per m2 of body surface ({FORMULA}) above {where}: {CITATION}"
    return Condition(name, words, source, beyond, why_not, phenotype)


def _thin(wall: str) -> Condition:
    which, scale = PHENOTYPES.index(wall), SCALES[wall]
    others = [PHENOTYPES.index(other) for other in WALLS if other != wall]

    def beyond(phenotypes: np.ndarray, person: Person) -> np.ndarray:
        thin, rest = phenotypes[..., which], phenotypes[..., others].mean(axis=-1)
        return np.log(THIN_SHARE) + scale.forth(rest) - scale.forth(thin)

    words = f"{LABELS[wall]} below {100 * THIN_SHARE:.0f} % of the other three quarters (thinned)"
    source = f"thickness at ED below {THIN_SHARE} of the mean of the other quarters; {OWN_LIMIT}"
    return Condition(f"thin_{wall.removeprefix('wall_')}", words, source, beyond, lambda person: "", wall)
