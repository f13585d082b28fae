"""Tables of people and measurements: exact, or refused by row and column without naming anyone."""

import pytest

from cohort.errors import InputError
from cohort.person import Person, read_persons, read_phenotypes

HEADER = "eid,sex,age,height_cm,weight_kg\n"


def write(folder, text, encoding="utf-8"):
    path = folder / "persons.csv"
    path.write_text(text, encoding=encoding)
    return path


@pytest.mark.parametrize(
    ("cell", "sex"),
    [
        ("female", "female"),
        ("Male", "male"),
        ("F", "female"),
        ("m", "male"),
        ("0", "female"),
        ("1.0", "male"),
        ("", None),
    ],
)
def test_sex_in_every_spelling(tmp_path, cell, sex):
    assert read_persons(write(tmp_path, f"{HEADER}9000001,{cell},61,164,70.5\n"))[9_000_001].sex == sex


def test_order_of_columns_and_rows_more_columns_and_a_byte_order_mark_change_nothing(tmp_path):
    plain = read_persons(write(tmp_path, f"{HEADER}9000001,F,61,164,70.5\n9000002,M,,180,\n"))
    other = "weight_kg,note,eid,age,sex,height_cm\n,x,9000002,,1,180\n\n 70.5 ,y,9000001,61,0,164\n"
    assert read_persons(write(tmp_path, other, "utf-8-sig")) == plain
    assert plain == {9_000_001: Person("female", 61.0, 164.0, 70.5), 9_000_002: Person("male", None, 180.0, None)}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "lacks the column eid, sex"),
        ("eid,sex,age,height_cm\n", "lacks the column weight_kg"),
        (HEADER.replace("sex", "age"), "lacks the column sex"),
        (HEADER.replace("\n", ",age\n"), "occurs twice"),
        (f"{HEADER}9000001,F,61,164,70\n9000002,x,61,164,70\n", "row 3, column sex is neither"),
        (f"{HEADER}9000001,F,old,164,70\n", "row 2, column age is not a number"),
        (f"{HEADER}9000001,F,nan,164,70\n", "row 2, column age is not a number"),
        (f"{HEADER}9000001,F,61,-164,70\n", "row 2, column height_cm is not positive"),
        (f"{HEADER}9000001,F,61,164\n", "row 2 has 4 cells"),
        (f"{HEADER}9000001x,F,61,164,70\n", "row 2, column eid is not a whole number"),
        (f"{HEADER}9000001,F,61,164,70\n9000001,F,61,164,70\n", "row 3, column eid is a repetition"),
        (f"{HEADER}9000001,F,\0,164,70\n", "not a"),
    ],
)
def test_a_bad_table_is_refused_by_row_and_column_and_no_eid_is_told(tmp_path, text, message):
    with pytest.raises(InputError, match=message) as refusal:
        read_persons(write(tmp_path, text))
    assert "900000" not in str(refusal.value).replace(str(tmp_path), "")


def test_phenotypes_are_the_numeric_columns_and_empty_cells_are_left_out(tmp_path):
    path = write(tmp_path, "lvedv_ml,eid,lvef_percent\n142.5,9000001,61\n,9000002,58\n")
    assert read_phenotypes(path) == {
        9_000_001: {"lvedv_ml": 142.5, "lvef_percent": 61.0},
        9_000_002: {"lvef_percent": 58.0},
    }
    with pytest.raises(InputError, match="row 2, column lvef_percent is not a number"):
        read_phenotypes(write(tmp_path, "eid,lvef_percent\n9000001,high\n"))


def test_a_binary_or_absent_table_is_refused(tmp_path):
    (tmp_path / "a.csv").write_bytes(b"\xff\xfe\x00e")
    for name in ("a.csv", "none.csv"):
        with pytest.raises(InputError):
            read_persons(tmp_path / name)


def test_what_a_device_says_is_kept_only_if_possible():
    assert Person.from_text("FEMALE", "61", "164", "70.5") == Person("female", 61.0, 164.0, 70.5)
    assert Person.from_text("unknown", "0", "", "1_00") == Person()


def test_absent_fields_are_filled_and_present_ones_stay():
    assert Person("male", None, 180.0).filled_from(Person("female", 50.0)) == Person("male", 50.0, 180.0)
