"""A patient's phenotypes beside those of healthy people, as rows of words and numbers."""

from dataclasses import dataclass

from cohort.body_surface import body_surface_m2
from cohort.person import Person
from cohort.phenotypes import LABELS, TABLE
from cohort.reference_ranges import ReferenceRange, reference_range, why_unjudged

BY_CODES, BY_HEARTS = "heart codes", "the drawn hearts"  # who tells a phenotype
LEVELS = ("50", "80", "90")
PER_SURFACE = ("LVEDV", "LVESV", "LVSV", "LVM", "RVEDV", "RVESV")
NOT_JUDGED = "not judged"  # `unjudged` says why, once
NO_RANGE = "not judged: no range"
NO_INTERVAL = "not judged: no interval"
NO_SURFACE = "not judged: height or weight unknown"


@dataclass(frozen=True)
class Judged:
    """One number against its range.

    Attributes:
        value, reference: with units; empty where there is none. verdict: in words. kind: "below", "within", "above" or
            "none", for the page's style. reach: what the 90 % interval adds to the verdict.
    """

    value: str
    reference: str
    verdict: str
    kind: str
    reach: str = ""


@dataclass(frozen=True)
class PhenotypeRow:
    """One phenotype: its name, its words, its intervals by LEVELS (or why there are none), and both judgements.

    Attributes:
        indexed: per m2 of body surface; None where that says nothing, as of a fraction.
        true: the real heart's own, with its unit; empty where it is not known.
        missed: whether that lies outside the 90 % interval.
        drawn: the mean that the drawn hearts measure, with its unit; empty where nothing measures them.
        drawn_range: the least to the most of them, where they differ.
        drawn_missed: that the film's heart, or else the mean of the drawn ones, lies outside the 90 % interval.
        by: who tells the row, where it is not BY_CODES; else empty.
    """

    name: str
    words: str
    absolute: Judged
    intervals: list[str]
    spread: str
    indexed: Judged | None
    true: str = ""
    missed: bool = False
    drawn: str = ""
    drawn_range: str = ""
    drawn_missed: str = ""
    by: str = ""


def phenotype_rows(
    phenotypes: dict[str, dict], person: Person, true: dict[str, float | None] | None = None
) -> list[PhenotypeRow]:
    """Rows of all phenotypes of heart.json, in its order.

    Args:
        true: those of the real heart, where one is known.
    """
    return [_row(name, summary, person, (true or {}).get(name)) for name, summary in phenotypes.items()]


def unjudged(person: Person) -> list[str]:
    """What cannot be judged of a person, in words; empty where all is known."""
    told = [why] if (why := why_unjudged(person)) else []
    if body_surface_m2(person) is None:
        lacking = [
            name for name, value in (("height", person.height_cm), ("weight", person.weight_kg)) if value is None
        ]
        told.append(f"not judged per m² of body surface: {' and '.join(lacking)} unknown")
    return told


def _with_unit(name: str, value: float) -> str:
    return f"{value:z.{TABLE[name].digits}f} {TABLE[name].unit}"


def _row(name: str, summary: dict, person: Person, true: float | None) -> PhenotypeRow:
    about = TABLE[name]
    mean, digits, unit = summary["mean"], about.digits, about.unit
    ends = summary.get("interval_90")
    drawn = summary.get("drawn", {}).get("mean")
    surface = body_surface_m2(person)
    indexed = None
    if name in PER_SURFACE and mean is not None:
        if surface is None:
            indexed = Judged("", "", NO_SURFACE, "none")
        else:
            scaled = None if ends is None else [end / surface for end in ends]
            indexed = _judged(mean / surface, scaled, f"{unit}/m²", 1, person, reference_range(name, person, True))
    spread = f"SD {summary['sd']:.{digits}f} {unit}" if "sd" in summary else ""
    return PhenotypeRow(
        LABELS[name],
        about.words,
        Judged("not measurable", "", "not judged: no sample could be measured", "none")
        if mean is None
        else _judged(mean, ends, unit, digits, person, reference_range(name, person)),
        [
            "{:z.{d}f} to {:z.{d}f} {}".format(*summary[f"interval_{level}"], unit, d=digits)
            if f"interval_{level}" in summary
            else ""
            for level in LEVELS
        ],
        spread,
        indexed,
        "" if true is None else _with_unit(name, true),
        _outside(true, ends),
        "" if drawn is None else _with_unit(name, drawn),
        _range(name, summary.get("drawn", {}).get("values", [])),
        _drawn_missed(name, summary),
        "" if summary["told_by"] == BY_CODES else f"by {summary['told_by']}",
    )


def _outside(value: float | None, ends: list[float] | None) -> bool:
    return None not in (value, ends) and not ends[0] <= value <= ends[1]


def _drawn_missed(name: str, summary: dict) -> str:
    """What is said where a drawn heart leaves the interval that the codes tell; empty where none does."""
    ends, drawn = summary.get("interval_90"), summary.get("drawn", {})
    if summary["told_by"] != BY_CODES:
        return ""
    shown = next(iter(drawn.get("values", [])), None)  # sample 1
    if _outside(shown, ends):
        return f"the film shows {_with_unit(name, shown)}, outside the 90 % interval"
    return "their mean lies outside the 90 % interval" if _outside(drawn.get("mean"), ends) else ""


def _range(name: str, values: list[float | None]) -> str:
    """The least to the most of what is known; empty where it is all alike."""
    known = [f"{value:z.{TABLE[name].digits}f}" for value in sorted(value for value in values if value is not None)]
    return f"{known[0]} to {known[-1]}" if known and known[0] != known[-1] else ""


def _judged(
    value: float, ends: list[float] | None, unit: str, digits: int, person: Person, reference: ReferenceRange | None
) -> Judged:
    told = f"{value:z.{digits}f} {unit}"
    if reference is None:
        return Judged(told, "", NOT_JUDGED if why_unjudged(person) else NO_RANGE, "none")
    between = f"{reference.low:g} to {reference.high:g} {reference.unit}"
    if ends is None:
        return Judged(told, between, NO_INTERVAL, "none")
    kind = reference.verdict(value)
    return Judged(told, between, kind, kind, _reach(kind, ends, reference))


def _reach(kind: str, ends: list[float], reference: ReferenceRange) -> str:
    """What the 90 % interval adds to a verdict: that it may be another."""
    others = {reference.verdict(end) for end in ends} | ({"within"} if _spans(ends, reference) else set())
    others -= {kind}
    return f"the 90 % interval reaches {' and '.join(sorted(others))}" if others else ""


def _spans(ends: list[float], reference: ReferenceRange) -> bool:
    return ends[0] < reference.low and ends[1] > reference.high
