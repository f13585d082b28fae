"""Limits of healthy people: right at each border, for whom they are, and in which units."""

import pytest

from cohort.body_surface import body_surface_m2
from cohort.person import Person
from cohort.phenotypes import TABLE
from cohort.reference_ranges import (
    SOURCES,
    ReferenceRange,
    reference_range,
    reference_ranges,
    why_unjudged,
)

WOMAN, MAN = Person("female", 60.0, 165.0, 65.0), Person("male", 60.0, 180.0, 80.0)


@pytest.mark.parametrize("key", reference_ranges(), ids=str)
def test_the_verdict_changes_right_behind_each_border(key):
    limits = reference_ranges()[key]
    assert limits.verdict(limits.low) == limits.verdict(limits.high) == "within"
    assert limits.verdict(limits.low - 0.001) == "below" and limits.verdict(limits.high + 0.001) == "above"


@pytest.mark.parametrize("key", reference_ranges(), ids=str)
def test_ranges_rise_and_have_the_phenotypes_own_unit(key):
    (phenotype, sex, per_m2), limits = key, reference_ranges()[key]
    assert 0 < limits.low < limits.high and limits.source in SOURCES
    assert limits.unit == TABLE[phenotype].unit + ("/m²" if per_m2 else "")
    assert (phenotype, {"male": "female", "female": "male"}[sex], per_m2) in reference_ranges()


def test_men_have_larger_hearts_and_a_smaller_fraction():
    for (phenotype, sex, per_m2), women in reference_ranges().items():
        if sex == "female":
            men = reference_ranges()[phenotype, "male", per_m2]
            assert (men.high < women.high) == (phenotype == "LVEF"), phenotype


@pytest.mark.parametrize(
    ("phenotype", "men", "women"),
    [("LVEDV", (166, 32), (124, 21)), ("LVESV", (69, 16), (49, 11)), ("LVSV", (96, 20), (75, 14))],
)
def test_the_limits_lie_about_the_means_that_are_quoted_from_the_paper(phenotype, men, women):
    """Mean and SD of all ages. The widest limits of three age groups lie somewhat beyond 1.96 SD."""
    for person, (mean, sd) in ((MAN, men), (WOMAN, women)):
        limits = reference_range(phenotype, person)
        assert 1.96 < (mean - limits.low) / sd < 2.6 and 1.96 < (limits.high - mean) / sd < 2.6


@pytest.mark.parametrize("age", [45.0, 74.9])
def test_the_reference_people_were_45_to_74(age):
    assert reference_range("LVEDV", Person("male", age)) == ReferenceRange(93, 232, "mL", "outer")


@pytest.mark.parametrize("age", [44.9, 75.0])
def test_nobody_younger_or_older_is_judged(age):
    assert reference_range("LVEDV", Person("male", age)) is None
    assert "45 to 74" in why_unjudged(Person("male", age))


def test_what_is_not_known_is_said():
    assert why_unjudged(Person()) == "not judged: sex and age unknown"
    assert why_unjudged(Person("male")) == "not judged: age unknown"
    assert why_unjudged(WOMAN) == ""


@pytest.mark.parametrize("phenotype", ["RVEF", "LVM", "wall_septal"])
def test_no_range_is_given_that_could_not_be_supported(phenotype):
    assert reference_range(phenotype, MAN) is None


def test_the_surface_of_a_body():
    assert body_surface_m2(Person(None, None, 170.0, 70.0)) == pytest.approx(1.81, abs=0.005)  # a usual example
    assert body_surface_m2(Person("male", 60.0, 180.0)) is None and body_surface_m2(Person(weight_kg=80.0)) is None
