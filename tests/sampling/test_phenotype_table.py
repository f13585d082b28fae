"""Phenotypes beside those of healthy people: numbers, units, verdicts, and what is not judged."""

import pytest

from cohort.body_surface import body_surface_m2
from cohort.person import Person
from cohort.phenotypes import LABELS, PHENOTYPES
from evaluation.phenotype_lines import phenotype_lines
from sampling.phenotype_table import BY_CODES, BY_HEARTS, NO_INTERVAL, NO_RANGE, NO_SURFACE, phenotype_rows, unjudged

MAN = Person("male", 60.0, 180.0, 80.0)


def summary(mean: float, low: float | None = None, high: float | None = None) -> dict:
    ends = {} if low is None else {f"interval_{level}": [low, high] for level in (50, 80, 90)}
    return {"mean": mean, "sd": 1.0, "told_by": BY_CODES} | ends


def row(name: str, about: dict, person: Person = MAN):
    (found,) = phenotype_rows({name: about}, person)
    return found


@pytest.mark.parametrize(("mean", "verdict"), [(92.9, "below"), (93, "within"), (232, "within"), (232.1, "above")])
def test_the_verdict_is_of_the_exact_mean(mean, verdict):
    found = row("LVEDV", summary(mean, mean, mean)).absolute
    assert (found.verdict, found.kind, found.reference) == (verdict, verdict, "93 to 232 mL")
    assert found.value == f"{mean:.0f} mL"


def test_an_interval_that_reaches_beyond_is_told():
    assert row("LVEDV", summary(150, 100, 200)).absolute.reach == ""
    assert row("LVEDV", summary(150, 80, 200)).absolute.reach == "the 90 % interval reaches below"
    assert row("LVEDV", summary(150, 80, 300)).absolute.reach == "the 90 % interval reaches above and below"
    assert row("LVEDV", summary(80, 60, 300)).absolute.reach == "the 90 % interval reaches above and within"


def test_volumes_are_judged_per_surface_too_and_fractions_are_not():
    indexed = row("LVEDV", summary(150, 140, 160)).indexed
    assert indexed.value == f"{150 / body_surface_m2(MAN):.1f} mL/m²" and indexed.reference == "52 to 117 mL/m²"
    assert indexed.verdict == "within"
    assert row("LVEDV", summary(250, 240, 260)).indexed.verdict == "above"
    assert row("LVEF", summary(55)).indexed is None and row("wall_septal", summary(9)).indexed is None
    assert row("LVM", summary(100)).absolute.verdict == NO_RANGE
    assert row("LVM", summary(100)).indexed.reference == "35.4 to 70.6 g/m²"


def test_what_is_missing_is_said_and_nothing_is_judged():
    nobody = row("LVEDV", summary(300), Person())
    assert nobody.absolute.verdict == "not judged" and nobody.absolute.kind == "none"
    assert nobody.indexed.verdict == NO_SURFACE
    assert unjudged(Person()) == [
        "not judged: sex and age unknown",
        "not judged per m² of body surface: height and weight unknown",
    ]
    assert unjudged(Person("male", 60.0, 180.0)) == ["not judged per m² of body surface: weight unknown"]
    assert unjudged(MAN) == []
    aged = Person("male", 80.0, 180.0, 80.0)
    old = row("LVEDV", summary(150), aged)
    assert old.absolute.verdict == old.indexed.verdict == "not judged" and old.indexed.value
    assert unjudged(aged) == ["not judged: the reference people were 45 to 74 years old"]


def test_few_samples_have_no_intervals_and_none_measured_no_number():
    few = row("LVEDV", {"mean": 300.0, "told_by": BY_HEARTS})
    assert few.intervals == ["", "", ""] and few.absolute.reference == "93 to 232 mL"
    assert few.absolute.verdict == few.indexed.verdict == NO_INTERVAL and few.absolute.kind == "none"
    lost = row("LVEDV", {"mean": None, "told_by": BY_HEARTS, "drawn": {"mean": None, "values": [None]}})
    assert lost.absolute.value == "not measurable" and lost.indexed is None and lost.drawn == ""


def test_what_the_drawn_hearts_measure_stands_apart_and_a_row_they_tell_says_so():
    about = summary(150, 140, 160) | {"drawn": {"mean": 171.2, "values": [171.2]}}
    told, fallen_back = row("LVEDV", about), row("LVEDV", about | {"told_by": BY_HEARTS})
    assert (told.absolute.value, told.drawn, told.by) == ("150 mL", "171 mL", "")
    assert fallen_back.by == "by the drawn hearts"
    assert row("LVEDV", summary(150)).drawn == ""


@pytest.mark.parametrize(("true", "missed"), [(139.9, True), (140, False), (160, False), (160.1, True), (None, False)])
def test_a_true_number_outside_the_90_percent_interval_is_marked(true, missed):
    (found,) = phenotype_rows({"LVEDV": summary(150, 140, 160)}, MAN, {"LVEDV": true})
    assert found.missed is missed
    (without,) = phenotype_rows({"LVEDV": summary(150)}, MAN, {"LVEDV": true})
    assert without.missed is False


def test_the_range_of_the_drawn_hearts_stands_below_their_mean_where_they_differ():
    def drawn(*values):
        known = [value for value in values if value is not None]
        found = row("LVEF", summary(53) | {"drawn": {"mean": sum(known) / len(known), "values": list(values)}})
        return found.drawn, found.drawn_range

    assert drawn(47.3, None, 38.4) == ("43 %", "38 to 47")
    assert drawn(43.1) == drawn(43.1, 42.9) == ("43 %", "")


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ((170.0, 150.0), "the film shows 170 mL, outside the 90 % interval"),
        ((150.0, 190.0), "their mean lies outside the 90 % interval"),
        ((150.0, 158.0), ""),
        ((None, None), ""),
    ],
)
def test_a_drawn_heart_outside_the_interval_that_codes_tell_is_marked(values, said):
    known = [value for value in values if value is not None]
    about = {"drawn": {"mean": sum(known) / len(known) if known else None, "values": list(values)}}
    assert row("LVEDV", summary(150, 140, 160) | about).drawn_missed == said
    assert row("LVEDV", summary(150, 140, 160) | about | {"told_by": BY_HEARTS}).drawn_missed == ""
    assert row("LVEDV", summary(150) | about).drawn_missed == ""


def test_every_phenotype_has_its_row_with_units():
    rows = phenotype_rows({name: summary(50, 40, 60) for name in PHENOTYPES}, MAN)
    assert [found.name for found in rows] == list(LABELS.values())
    units = ("mL", "mL", "mL", "%", "g", "mL", "mL", "%", "mm", "mm", "mm", "mm")
    for found, unit in zip(rows, units, strict=True):
        assert found.absolute.value.endswith(f" {unit}") and found.intervals[2].endswith(f" {unit}")
        assert found.spread.startswith("SD ") and found.spread.endswith(f" {unit}")


def test_what_rounds_to_zero_has_no_sign():
    about = summary(-0.2, -0.4, 0.3) | {"drawn": {"mean": -0.3, "values": [-0.3, -0.1]}}
    (found,) = phenotype_rows({"RVEF": about}, MAN, {"RVEF": -0.4})
    assert (found.absolute.value, found.true, found.drawn) == ("0 %", "0 %", "0 %")
    assert found.intervals == ["0 to 0 %"] * 3
    assert "0 %, 90 % interval 0 to 0 (0)" in phenotype_lines("anna", {"RVEF": about}, 2)
    assert row("RVEF", summary(-0.6)).absolute.value == "-1 %"
