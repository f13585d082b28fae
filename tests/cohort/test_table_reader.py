"""A table is read alike in every dialect, or refused by row and column without quoting a cell."""

import pytest

from cohort.errors import InputError
from cohort.table_reader import read_table

UNITS = {"height_cm": "cm", "weight_kg": "kg"}
TEXT = "eid,height_cm,weight_kg\n9000001,164,70.5\n9000002,178.25,80\n"
NUMBERS = [(164.0, 70.5), (178.25, 80.0)]


def read(folder, content):
    path = folder / "table.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    table = read_table(path, UNITS, tuple(UNITS))
    return table, [tuple(table.number(row, c, cells[c]) for c in UNITS) for row, _, cells in table.by_visit()]


DIALECTS = {
    "plain": TEXT,
    "semicolons": TEXT.replace(",", ";"),
    "decimal commas": TEXT.replace(",", ";").replace(".", ","),
    "tabs": TEXT.replace(",", "\t"),
    "tabs, decimal commas": TEXT.replace(",", "\t").replace(".", ","),
    "decimal commas in quotes": TEXT.replace("70.5", '"70,5"').replace("178.25", '"178,25"'),
    "UTF-8 with a mark": TEXT.encode("utf-8-sig"),
    "UTF-16": TEXT.encode("utf-16"),
    "UTF-16, big end first": b"\xfe\xff" + TEXT.encode("utf-16-be"),
    "UTF-32": TEXT.encode("utf-32"),
    "CRLF": TEXT.replace("\n", "\r\n"),
    "CR": TEXT.replace("\n", "\r"),
    "quotes": "".join('"' + line.replace(",", '","') + '"\n' for line in TEXT.split()),
    "empty rows and columns": TEXT.replace("\n", ",,\n") + ",,,,\n\n",
    "empty cells beyond the header": TEXT.replace("70.5", "70.5,,"),
    "other case and blanks": TEXT.replace("eid,height_cm", " EID , Height_CM "),
    "units in the header": TEXT.replace("height_cm,weight_kg", "Height (cm),weight [kg]"),
    "units under the header": TEXT.replace("9000001", ",cm,kg\n9000001", 1),
    "a comment": "# exported\n" + TEXT,
    "Excel's hint": "sep=;\n" + TEXT.replace(",", ";"),
    "eids of pandas": TEXT.replace("9000001", "9000001.0"),
}


@pytest.mark.parametrize("content", DIALECTS.values(), ids=DIALECTS)
def test_a_dialect_changes_nothing(tmp_path, content):
    table, numbers = read(tmp_path, content)
    assert numbers == NUMBERS and table.notes == ()
    assert [visit for _, visit, _ in table.by_visit()] == [(9_000_001, 2), (9_000_002, 2)]


def test_rows_are_counted_as_they_stand_in_the_file(tmp_path):
    table, _ = read(tmp_path, "# exported\n\n" + TEXT.replace("9000002", "\n9000002"))
    assert [row for row, _ in table.rows] == [4, 6]


def test_an_instance_is_part_of_the_key(tmp_path):
    table, _ = read(tmp_path, "Instance,eid,height_cm,weight_kg\n2,9000001,164,70\n3.0,9000001,163,75\n")
    assert [visit for _, visit, _ in table.by_visit()] == [(9_000_001, 2), (9_000_001, 3)]


def test_unknown_columns_are_named_and_cut_short(tmp_path):
    names = ["troponin", "x" * 99, *(f"c{k}" for k in range(9))]
    table, _ = read(tmp_path, f",{','.join(names)},eid,height_cm,weight_kg\n0,{'1,' * 11}9000001,164,70\n")
    assert table.notes[0].endswith(f"nobody knows: (no name), troponin, {'x' * 40}..., c0, c1, c2, c3, c4 and 4 more")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "lacks the column eid, height_cm, weight_kg"),
        ("9000001,164,70\n", "lacks the column eid"),
        (TEXT.replace("weight_kg", "weight_lb"), "lacks the column weight_kg"),
        (TEXT.replace("weight_kg", "height (cm)"), "lacks the column weight_kg"),
        (TEXT.replace("\n", ",Weight kg\n", 1), "column weight_kg occurs twice"),
        (TEXT.replace(",70.5", ""), "row 2 has 2 cells, the header 3"),
        (TEXT.replace("70.5", "70,5"), "row 2 has 4 cells, the header 3"),
        (TEXT.replace("9000002", "9000002x"), "row 3, column eid is not a whole number"),
        (TEXT.replace("9000002", "9000001"), "row 3, column eid is a repetition of row 2"),
        (TEXT.replace("164", "tall"), "row 2, column height_cm is not a number"),
        (TEXT.replace("164", "nan"), "row 2, column height_cm is not a number"),
        (TEXT.replace("164", '"1,640"'), "row 2, column height_cm is not a number"),  # a thousand, or a decimal?
        (TEXT.replace(",", ";").replace("70.5", "70,5"), "row 3, column height_cm is ambiguous"),
        (TEXT.replace("9000001", ",m,kg\n9000001", 1), "row 2, column eid is not a whole number"),
        (TEXT.replace("80\n", '"80\n'), "quotation marks"),
        (TEXT.encode("utf-16-le"), "NUL"),
        (TEXT.replace("eid", "e\xefd").encode("latin-1"), "not a CSV table in UTF-8"),
        (b"PK\x03\x04" + bytes(99), "a spreadsheet"),
    ],
)
def test_a_fault_is_refused_where_it_is_and_no_cell_is_quoted(tmp_path, text, message):
    with pytest.raises(InputError, match=message) as refusal:
        read(tmp_path, text)
    assert not any(cell in str(refusal.value).replace(str(tmp_path), "") for cell in ("900000", "tall", "640"))


def test_an_instance_is_one_digit(tmp_path):
    for instance in ("", "x", "20205"):
        with pytest.raises(InputError, match="row 2, column instance is not 0 to 9"):
            read(tmp_path, f"eid,instance,height_cm,weight_kg\n9000001,{instance},164,70\n")


def test_an_absent_table_is_refused(tmp_path):
    with pytest.raises(InputError):
        read_table(tmp_path / "none.csv", UNITS, ())
