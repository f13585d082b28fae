"""A person's numbers are those a body can have, whoever states them."""

import pytest

from cohort.person import Person, TabledPerson


def test_what_a_device_says_is_kept_only_if_possible():
    assert Person.from_text("FEMALE", "61", "164", "70.5") == Person("female", 61.0, 164.0, 70.5)
    assert Person.from_text("unknown", "0", "", "1_00") == Person()
    assert Person.from_text("M", "1957", "1.78", "500") == Person("male")
    assert Person.from_text("M", "63", "70", "176") == Person("male", 63.0)  # inches


def test_absent_fields_are_filled_and_present_ones_stay():
    assert Person("male", None, 180.0).filled_from(Person("female", 50.0)) == Person("male", 50.0, 180.0)


def test_this_visits_row_comes_first_then_the_ecg_file_then_sex_and_height_of_other_visits():
    tabled = TabledPerson(None, 63.0, None, None, lasting=Person("male", None, 178.0))
    assert tabled.filled_from(Person(None, 50.0, None, 80.0)) == Person("male", 63.0, 178.0, 80.0)
    assert tabled.filled_from(Person("female", None, 160.0)) == Person("female", 63.0, 160.0)


def test_a_body_that_cannot_be_is_a_misfit_and_a_rare_one_is_doubted():
    assert Person("male", 63, 70, 80).misfit[0] == "height_cm" and Person("male", 2, 85, 12).misfit is None
    assert Person("male", 63, 178, 12.6).misfit[0] == "weight_kg"  # stones
    assert Person("male", 63, 178, 80).doubts == [] and Person("male", 63, None, 300).doubts == []
    assert "pounds" in Person("male", 63, 178, 176).doubts[0]


@pytest.mark.parametrize(
    ("stated", "fields"),
    [
        (Person(), []),
        (Person("male", 63.4, 178.5, 81), []),
        (Person("female", 63), ["sex"]),
        (Person("male", 51, 160, 140), ["age", "height", "weight"]),
    ],
)
def test_table_and_ecg_file_contradict_each_other_beyond_rounding(stated, fields):
    for tabled in (Person("male", 63, 178, 80), TabledPerson("male", 63, None, 80, Person(height_cm=178))):
        assert [field for field, _ in tabled.contradictions(stated)] == fields


def test_a_contradiction_says_whose_word_counts():
    stated = Person("female", 51, 160)
    told = dict(Person("male", 63).contradictions(stated))
    assert told["sex"] == "persons.csv says male, the ECG file says female: persons.csv counts"
    assert told["age"] == "persons.csv says age 63, the ECG file says 51: persons.csv counts"
    of_another_visit = TabledPerson(lasting=Person(height_cm=178))
    assert of_another_visit.filled_from(stated).height_cm == 160
    (words,) = dict(of_another_visit.contradictions(stated)).values()
    assert words == "persons.csv says height 178, the ECG file says 160: the ECG file counts"
