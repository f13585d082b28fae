"""What is known of a person beside the ECG: sex, age, height and weight. No names, no dates."""

import math
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np

PERSON_COLUMNS = ("eid", "sex", "age", "height_cm", "weight_kg")


class Quantity(NamedTuple):
    """One number of a person: what it may be in our unit, and what tells another unit.

    Attributes:
        low, high: the possible values, both included.
        give: our unit, in words.
        others: (lowest, highest, unit) of numbers that are evidently in another unit.
    """

    low: float
    high: float
    give: str
    others: tuple[tuple[float, float, str], ...]

    def holds(self, number: float) -> bool:
        return self.low <= number <= self.high

    @property
    def range(self) -> str:
        """The possible values and the unit, in words."""
        return f"{self.low:g} to {self.high:g} {self.give}"

    def other_unit(self, number: float) -> str:
        """The unit that an impossible number is likely to be in; empty where none is evident."""
        return next((unit for low, high, unit in self.others if low <= number <= high), "")


QUANTITIES = {  # for what ECG files say and for what tables say
    "age": Quantity(
        1, 120, "years at the visit", ((121, 1440, "months"), (1880, 2100, "a year of birth"), (4000, 44_000, "days"))
    ),
    "height_cm": Quantity(50, 250, "cm", ((0.5, 2.5, "metres"), (3.5, 8, "feet"), (500, 2500, "millimetres"))),
    "weight_kg": Quantity(10, 400, "kg", ((401, 900, "pounds"), (20_000, 400_000, "grams"))),
}
INCHES_BELOW_CM = 90  # who is no small child is taller, and no adult's inches are more
SMALL_CHILD_YEARS = 6
POSSIBLE_BMI = (8, 110)  # kg/m2
COMMON_BMI = (13, 50)  # one in a thousand of UK Biobank is above
SEX_WORDS = {  # in lower case; what else a source may say, as a code, it must explain itself
    "female": "female",
    "f": "female",
    "woman": "female",
    "male": "male",
    "m": "male",
    "man": "male",
}
TOLERANCES = {"age": 2.0, "height": 10.0, "weight": 20.0}  # years, cm, kg between two statements of one visit


@dataclass(frozen=True)
class Person:
    """Each field may be absent (None).

    Attributes:
        sex: "female" or "male".
        age_years, height_cm, weight_kg: at the visit of the ECG.
    """

    sex: Literal["female", "male"] | None = None
    age_years: float | None = None
    height_cm: float | None = None
    weight_kg: float | None = None

    @classmethod
    def from_text(cls, sex: str, age_years: str, height_cm: str, weight_kg: str) -> "Person":
        """What a file says of a person. 0 and empty, which mean "not entered", and impossible values are None."""
        person = cls(
            SEX_WORDS.get(sex.strip().lower()),
            *(
                _possible(quantity, text)
                for quantity, text in zip(QUANTITIES.values(), (age_years, height_cm, weight_kg), strict=True)
            ),
        )
        return cls(person.sex, person.age_years) if person.misfit else person

    def filled_from(self, other: "Person") -> "Person":
        """This person with its absent fields taken from `other`."""
        return Person(*(mine if mine is not None else theirs for mine, theirs in zip(self.row, other.row, strict=True)))

    def contradictions(
        self, stated: "Person", mine: str = "persons.csv", theirs: str = "the ECG file"
    ) -> list[tuple[str, str]]:
        """(field, sentence) wherever this person, of a table, and another statement cannot both be right.

        The sentence ends with whose word counts: that which `filled_from` takes.

        Args:
            stated: what the ECG file, or another table, says. mine, theirs: what to call the two.
        """
        known, counting = self.filled_from(Person()), self.filled_from(stated)
        found = []
        if known.sex and stated.sex and known.sex != stated.sex:
            which = mine if counting.sex == known.sex else theirs
            found.append(("sex", f"{mine} says {known.sex}, {theirs} says {stated.sex}: {which} counts"))
        numbers = zip(TOLERANCES.items(), known.row[1:], stated.row[1:], counting.row[1:], strict=True)
        for (field, most), ours, others, taken in numbers:
            if ours is not None and others is not None and abs(ours - others) > most:
                which = mine if taken == ours else theirs
                found.append((field, f"{mine} says {field} {ours:g}, {theirs} says {others:g}: {which} counts"))
        return found

    @property
    def row(self) -> tuple:
        return (self.sex, self.age_years, self.height_cm, self.weight_kg)

    @property
    def vector(self) -> np.ndarray:
        """(4,) float32: sex (0 female, 1 male), age in years, height in cm, weight in kg; NaN where absent."""
        sex = {"female": 0.0, "male": 1.0}.get(self.sex, np.nan)
        return np.array([sex, *(np.nan if x is None else x for x in self.row[1:])], dtype=np.float32)

    @property
    def bmi(self) -> float | None:
        """kg/m2; None without height or weight."""
        if self.height_cm is None or self.weight_kg is None:
            return None
        return self.weight_kg / (self.height_cm / 100) ** 2

    @property
    def misfit(self) -> tuple[str, str] | None:
        """(column, what is wrong) where possible numbers make an impossible body; else None."""
        is_child = self.age_years is not None and self.age_years < SMALL_CHILD_YEARS
        if self.height_cm is not None and self.height_cm < INCHES_BELOW_CM and not is_child:
            return "height_cm", f"{self.height_cm:g}, perhaps inches"
        if self.bmi is not None and not POSSIBLE_BMI[0] <= self.bmi <= POSSIBLE_BMI[1]:
            return "weight_kg", f"impossible at this height (body-mass index {self.bmi:.0f})"
        return None

    @property
    def doubts(self) -> list[str]:
        """Sentences on what is possible but rare enough to be a slip."""
        if self.bmi is None or COMMON_BMI[0] <= self.bmi <= COMMON_BMI[1]:
            return []
        unit = "pounds" if self.bmi > COMMON_BMI[1] else "another unit"
        return [f"height and weight give a body-mass index of {self.bmi:.0f}: is the weight in {unit}?"]


@dataclass(frozen=True)
class TabledPerson(Person):
    """What a table says of a person at one visit, and what its rows of other visits tell for every visit.

    Attributes:
        lasting: sex and height of other visits. Age and weight change, so they are absent.
    """

    lasting: Person = Person()

    def filled_from(self, other: Person) -> Person:
        """This visit's row first, then `other` (the ECG file of this visit), then what other visits tell."""
        return super().filled_from(other).filled_from(self.lasting)


def finite_number(text: str) -> float | None:
    """The finite number that `text` spells in plain digits, or None."""
    try:
        number = math.nan if "_" in text else float(text)  # Python alone would read 1_000
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _possible(quantity: Quantity, text: str) -> float | None:
    number = finite_number(text)
    return number if number is not None and quantity.holds(number) else None
