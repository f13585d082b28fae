"""What the options say of a person: checked as a table is, and of one ECG only."""

import numpy as np
import pytest

from cohort.errors import InputError
from cohort.person import Person
from models.conditioning import HeartConditioner
from sampling.inputs import stated_person
from sampling.options import SampleOptions
from sampling.person_fields import unusual_person


def test_what_is_not_said_is_unknown(tmp_path):
    assert stated_person(SampleOptions(ecg=tmp_path)) == Person()
    assert stated_person(SampleOptions(ecg=tmp_path / "a.xml", sex="male", age=61)) == Person("male", 61)


@pytest.mark.parametrize(
    ("said", "sex"), [("M", "male"), ("F", "female"), ("Male", "male"), (" WOMAN ", "female"), ("female", "female")]
)
def test_a_sex_is_read_in_any_word_for_it(tmp_path, said, sex):
    assert stated_person(SampleOptions(ecg=tmp_path / "a.xml", sex=said)) == Person(sex)


@pytest.mark.parametrize(
    ("said", "fault"), [("1", "is a code"), ("0", "is a code"), ("", "is neither"), ("x", "is neither")]
)
def test_a_sex_in_a_code_or_in_no_word_is_refused(tmp_path, said, fault):
    with pytest.raises(InputError, match=rf"--sex: '{said}' {fault}.*; give female or male, F or M"):
        stated_person(SampleOptions(ecg=tmp_path / "a.xml", sex=said))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"age": 1957}, "--age: 1957 is not possible, perhaps it is a year of birth; give 1 to 120 years"),
        ({"age": 300}, "--age: 300 is not possible, perhaps it is months; give 1 to 120 years"),
        ({"age": 0}, "--age: 0 is not possible; give 1 to 120 years"),
        ({"age": float("nan")}, "--age: nan is not possible"),
        ({"height_cm": 1.78}, "--height-cm: 1.78 is not possible, perhaps it is metres; give 50 to 250 cm"),
        ({"height_cm": 65}, "--height-cm: 65, perhaps inches"),
        ({"height_cm": 200, "weight_kg": 20}, "--weight-kg: impossible at this height"),
    ],
)
def test_an_impossible_person_is_refused_by_the_option(tmp_path, options, message):
    with pytest.raises(InputError, match=message):
        stated_person(SampleOptions(ecg=tmp_path / "a.xml", **options))


def test_a_folder_is_not_one_person(tmp_path):
    with pytest.raises(InputError, match="are of one person, and --ecg is a folder"):
        stated_person(SampleOptions(ecg=tmp_path, sex="female"))


@pytest.mark.parametrize(("age", "weight", "words"), [(18, 77, ["age"]), (90, 140, ["age", "weight"]), (60, 77, [])])
def test_a_person_unlike_those_who_taught_is_warned_of_and_no_number_of_theirs_is_told(age, weight, words):
    conditioner = HeartConditioner(width=8, person_mean=(0.5, 62.0, 169.0, 77.0), person_std=(0.5, 10.0, 9.0, 15.0))
    told = unusual_person(conditioner, np.array([1.0, age, np.nan, weight]))
    assert [text.split()[1] for text in told] == words
    assert not any(str(number) in text for text in told for number in (18, 90, 140))
