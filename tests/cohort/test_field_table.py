"""Further numbers in a table given to sample.py: of the visit, of the person, or by the name of the ECG's file."""

from pathlib import Path

import pytest

from cohort.errors import InputError
from cohort.field_table import FieldTable, read_fields
from cohort.person_number import person_number

ONE, TWO = 9000001, 9000002
ECG = Path(f"{ONE}_20205_2_0.xml")


def table(folder, *lines, name="people.csv"):
    (folder / name).write_text("\n".join(lines) + "\n")
    return folder / name


def test_a_row_is_of_its_visit_or_of_the_first_one(tmp_path):
    read = read_fields(table(tmp_path, "eid,sex,sbp,x", f"{ONE},F,142.5,1", f"{TWO},M,,2"), ["sbp", "hba1c"])
    assert read.lacking == ("hba1c",)
    assert read.of_file(ECG, (ONE, 2)) == {"sbp": 142.5}
    assert read.of_file(ECG, (ONE, 3)) == {} and read.of_file(ECG, (TWO, 2)) == {}
    rows = (f"{ONE},3,150", f"{ONE},2,140")
    read = read_fields(table(tmp_path, "eid,instance,sbp", *rows), ["sbp"])
    assert read.of_file(ECG, (ONE, 3)) == {"sbp": 150} and read.of_file(ECG, (ONE, 2)) == {"sbp": 140}


def test_a_table_by_file_and_people_by_name(tmp_path):
    read = read_fields(table(tmp_path, "file;sbp", "a.xml;142,5", "b;-1"), ["sbp"])
    assert read.of_file(Path("a.xml"), None) == {"sbp": 142.5} and read.of_file(Path("b.dcm"), None) == {"sbp": -1}
    read = read_fields(table(tmp_path, "eid,sbp", "Anna,131"), ["sbp"], {"Anna"})
    assert read.of_file(Path("Anna.xml"), None) == {"sbp": 131} and read.visits.keys() == {(person_number("Anna"), 2)}


def test_columns_of_uk_biobank_tell_their_visit_and_codes_are_no_numbers(tmp_path):
    lines = ("participant.eid,p4080_i2_a0,p4080_i3_a0,p4080_i2_a1,p48", f"{ONE},142,-3,-1,0.5", f"{TWO},-1,130,120,-1")
    read = read_fields(table(tmp_path, *lines, name="participant.csv"), ["p4080", "p4080_a1", "p48"])
    assert read.of_file(ECG, (ONE, 2)) == {"p4080": 142, "p48": 0.5}
    assert read.of_file(ECG, (ONE, 3)) == {"p48": 0.5}
    assert read.of_file(ECG, (TWO, 2)) == {"p4080_a1": 120, "p48": -1}  # a column of fractions has no codes


def test_text_in_such_a_column_is_refused_without_saying_whose(tmp_path):
    with pytest.raises(InputError, match="row 3, column sbp is not a number") as refusal:
        read_fields(table(tmp_path, "eid,sbp,name", f"{ONE},NA,Ann", f"{TWO},high,Bob"), ["sbp"])
    assert str(TWO) not in str(refusal.value) and "high" not in str(refusal.value)
    assert read_fields(Path("nowhere.csv"), []) == FieldTable()
