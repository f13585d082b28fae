"""UK Biobank's own tables: every spelling of a field, several visits in a row, and what nobody answered."""

import csv
import tracemalloc

import numpy as np
import pytest

from cohort.errors import InputError
from cohort.field_map import MAP_COLUMNS, OURS, FieldColumn, field_column, read_field_map
from cohort.further import FURTHER, further_numbers, read_further, write_further
from cohort.person import Person
from cohort.person_number import person_number
from cohort.phenotypes import PHENOTYPES, UNITS
from cohort.study_tables import EXPORTS, PERSON_UNITS, phenotype_values, read_persons, read_tables
from cohort.table_reader import SPARE

ONE, TWO = 9_000_001, 9_000_002
SPELLINGS = {
    "research platform": ("participant.eid", "participant.p31", "participant.p21003_i2", "participant.p21002_i2"),
    "short": ("eid", "p31", "p21003_i2", "p21002_i2_a0"),
    "CSV": ("eid", "31-0.0", "21003-2.0", "21002-2.0"),
    "R": ("f.eid", "f.31.0.0", "f.21003.2.0", "f.21002.2.0"),
    "Stata": ("n_eid_12345", "n_31_0_0", "n_21003_2_0", "n_21002_2_0"),
    "read by R": ("eid", "X31.0.0", "X21003.2.0", "X21002.2.0"),
}


def export(folder, *lines, name="participant.csv"):
    (folder / name).write_text("\n".join(map(str, lines)) + "\n", encoding="utf-8")
    return read_tables(folder)


@pytest.mark.parametrize("header", SPELLINGS.values(), ids=SPELLINGS)
def test_every_spelling_is_the_same_table(tmp_path, header):
    tables = export(tmp_path, ",".join(header), f"{ONE},0,61,70.5", f"{TWO},1.0,NA,-3")
    assert tables.persons.at(ONE, 2).filled_from(Person()) == Person("female", 61.0, None, 70.5)
    assert tables.persons.at(TWO, 2).filled_from(Person()) == Person("male")
    assert tables.notes == ()


@pytest.mark.parametrize("name", EXPORTS)
def test_an_export_is_found_by_its_name(tmp_path, name):
    mark = "\t" if name.endswith("tsv") else ","
    tables = export(tmp_path, mark.join(("eid", "p31", "p24103_i2")), mark.join((str(ONE), "Female", "60")), name=name)
    assert tables.persons.at(ONE, 2).sex == "female" and tables.phenotypes.rows == {(ONE, 2): {"LVEF": 60.0}}


def test_each_visit_has_its_own_columns_and_a_field_without_visit_is_of_all(tmp_path):
    tables = export(tmp_path, "eid,p31,p21003_i2,p21003_i3,p50_i0,p24103_i3", f"{ONE},0,61,65,164,55", f"{TWO},1,,70,,")
    rows = tables.persons.rows
    assert rows[ONE, 2] == Person("female", 61.0) and rows[ONE, 3] == Person("female", 65.0)
    assert rows[ONE, 0] == Person("female", None, 164.0) and (TWO, 2) not in rows
    assert tables.persons.at(ONE, 3).filled_from(Person()) == Person("female", 65.0, 164.0)
    assert tables.phenotypes.rows == {(ONE, 3): {"LVEF": 55.0}}


def test_only_the_first_of_an_array_is_ours():
    assert field_column("p50_i2_a1") == FieldColumn(50, 2, 1) and field_column("50-2.1").array == 1
    assert field_column("p50") == FieldColumn(50, None, 0)
    assert [field_column(name) for name in ("pressure", "p", "31", "50-2", "p50_i12", "sex")] == [None] * 6


def test_an_array_fills_no_column_of_ours(tmp_path):
    assert export(tmp_path, "eid,p50_i2_a1,p31", f"{ONE},164,0").persons.rows == {(ONE, 2): Person("female")}


@pytest.mark.parametrize("cell", ["-1", "-3", "-10", "-3.0", "NA", "Prefer not to answer", "Do not know", ""])
def test_who_gave_no_answer_is_unknown(tmp_path, cell):
    assert export(tmp_path, "eid,p21003_i2,p50_i2", f"{ONE},{cell},164").persons.rows[ONE, 2].age_years is None


def test_a_cell_is_refused_by_its_field(tmp_path):
    with pytest.raises(InputError, match=r"row 2, column height_cm \(p50_i2\) is 1.64, perhaps metres"):
        export(tmp_path, "eid,p50_i2", f"{ONE},1.64")


def test_one_slip_among_many_people_of_an_export_is_left_out_and_told(tmp_path):
    people = [f"{ONE + k},0,61,164,60" for k in range(150)]
    people[7] = f"{ONE + 7},0,61,76,58"  # UK Biobank has such standing heights
    tables = export(tmp_path, "eid,p31,p21003_i2,p50_i2,p21002_i2", *people)
    assert tables.persons.rows[ONE + 7, 2] == Person("female", 61.0)
    assert tables.persons.rows[ONE + 8, 2] == Person("female", 61.0, 164.0, 60.0)
    assert [note.partition(": ")[2] for note in tables.notes] == [
        "rows whose impossible age, height or weight is left out: 1"
    ]
    people[8] = people[7].replace(str(ONE + 7), str(ONE + 8))
    with pytest.raises(InputError, match=r"row 9, column height_cm \(p50_i2\) is 76, perhaps inches"):
        export(tmp_path, "eid,p31,p21003_i2,p50_i2,p21002_i2", *people)


def test_numbers_of_the_scanner_fill_only_what_nobody_else_measured(tmp_path):
    header = "eid,p24103_i2,p22420_i2,p22421_i2"
    phenotypes = export(tmp_path, header, f"{ONE},60,40,150", f"{TWO},,41,160").phenotypes
    assert phenotypes.known((ONE, 2)) == {"LVEF": 60.0, f"{SPARE}LVEDV": 150.0}
    assert phenotypes.known((TWO, 2)) == {f"{SPARE}LVEDV": 160.0}  # no mixture: somebody's LVEF is known otherwise
    known, place = phenotypes.known((TWO, 2)), PHENOTYPES.index("LVEDV")
    assert phenotype_values(known, {"LVEDV": 120.0})[place] == 120.0
    assert phenotype_values(known, {})[place] == 160.0 and np.isnan(
        phenotype_values(known, {})[PHENOTYPES.index("LVM")]
    )


def test_our_tables_come_first_and_contradictions_are_told(tmp_path):
    (tmp_path / "persons.csv").write_text(f"eid,sex,age,height_cm,weight_kg\n{ONE},M,61,,\n{TWO},F,55,160,60\n")
    (tmp_path / "phenotypes.csv").write_text(f"eid,LVEF\n{ONE},60\n")
    tables = export(tmp_path, "eid,p31,p50_i2,p24103_i2", f"{ONE},0,164,45", f"{TWO},0,161,50")
    assert tables.persons.rows[ONE, 2] == Person("male", 61.0, 164.0)
    assert tables.phenotypes.rows == {(ONE, 2): {"LVEF": 60.0}, (TWO, 2): {"LVEF": 50.0}}
    found = {finding.code: finding.words for finding in tables.findings((ONE, 2), None)}
    assert found["table_sex"] == "persons.csv says male, participant.csv says female: persons.csv counts"
    assert found["table_contradiction"] == "phenotypes.csv says LVEF 60, participant.csv says 45: phenotypes.csv counts"
    assert list(tables.findings((TWO, 2), None)) == []
    assert sum("contradicts" in note and note.endswith("which counts, in rows: 1") for note in tables.notes) == 2


def test_sample_takes_an_export_for_a_table_of_persons(tmp_path):
    (tmp_path / "participant.csv").write_text(f"eid,p31,p99_i2\n{ONE},0,7\n")
    assert read_persons(tmp_path / "participant.csv").rows == {(ONE, 2): Person("female")}


# ---- The map ----


def test_the_map_is_of_our_columns_in_our_units():
    fields = read_field_map(OURS.parent, PERSON_UNITS | UNITS)
    assert {"sex", "age", "height_cm", "weight_kg"} <= {field.name for field in fields.values()}
    expected = {24100: "LVEDV", 24101: "LVESV", 24102: "LVSV", 24103: "LVEF", 24105: "LVM", 24106: "RVEDV"}
    expected |= {24107: "RVESV", 24109: "RVEF", 22420: "LVEF", 22421: "LVEDV", 22422: "LVESV", 22423: "LVSV"}
    assert {number: fields[number].name for number in expected} == expected
    assert {number for number, field in fields.items() if field.rank > 1} == {22420, 22421, 22422, 22423}


def test_a_map_in_the_data_folder_comes_before_ours(tmp_path):
    (tmp_path / "field_map.csv").write_text("field,name,unit,rank,codes\n31,sex,,1,2=female\n999,LVEF,%,1,\n")
    tables = export(tmp_path, "eid,p31,p999_i2,p24103_i2", f"{ONE},2,61,40")
    assert tables.persons.rows[ONE, 2].sex == "female" and tables.phenotypes.rows == {(ONE, 2): {"LVEF": 61.0}}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("field,name\n31,sex\n", "is no map"),
        (f"{','.join(MAP_COLUMNS)}\nx,sex,,1,\n", "is no map"),
        (f"{','.join(MAP_COLUMNS)}\n31,sex,,1,male\n", "is no map"),
        (f"{','.join(MAP_COLUMNS)}\n50,height_cm,m,1,\n", "field 50 is not in cm, as height_cm is"),
        (f"{','.join(MAP_COLUMNS)}\n50,height_cm,cm,1,\n50,sex,,1,\n", "has a field twice"),
    ],
)
def test_a_map_that_is_none_is_refused(tmp_path, text, message):
    (tmp_path / "field_map.csv").write_text(text)
    with pytest.raises(InputError, match=message):
        export(tmp_path, "eid,p31", f"{ONE},0")


# ---- Further numbers ----


def numbers_by_visit(folder, visits):
    """Visit -> name -> number, where there is one."""
    names, columns = further_numbers(folder, visits)
    return {
        visit: {
            name: pytest.approx(float(column[row]), rel=1e-6)
            for name, column in zip(names, columns, strict=True)
            if not np.isnan(column[row])
        }
        for row, visit in enumerate(visits)
    }


def test_further_numbers_are_kept_by_person_and_visit(tmp_path):
    header = "eid,p31,p24104_i2,p48_i2,p48_i3,p1558_i2,p24157_i2,p40000_i2,p34,p20024_i2_a1,note"
    export(tmp_path, header, f"{ONE},0,5.1,88,91,-3,-18.5,2020-01-01,1950,3,x", f"{TWO},1,,89,,2,-1,,1951,,y")
    numbers = numbers_by_visit(tmp_path, [(ONE, 2), (ONE, 3), (TWO, 2)])
    assert numbers[ONE, 2] == {"cardiac_output": 5.1, "p48": 88.0, "p24157": -18.5, "p34": 1950.0, "p20024_a1": 3.0}
    assert numbers[ONE, 3] == {"p48": 91.0, "p34": 1950.0}
    assert numbers[TWO, 2] == {"p48": 89.0, "p1558": 2.0, "p24157": -1.0, "p34": 1951.0}  # -1 may be a strain


def test_further_numbers_of_a_row_a_visit_are_of_that_visit(tmp_path):
    export(tmp_path, "eid,instance,p31,p48", f"{ONE},2,0,88", f"{ONE},3,0,91", f"{TWO},2,1,70")
    numbers = numbers_by_visit(tmp_path, [(ONE, 2), (ONE, 3), (TWO, 2), (TWO, 3)])
    assert numbers == {(ONE, 2): {"p48": 88.0}, (ONE, 3): {"p48": 91.0}, (TWO, 2): {"p48": 70.0}, (TWO, 3): {}}


def test_no_answer_is_left_out_beside_none_of_the_above(tmp_path):
    export(tmp_path, "eid,p31,p6138_i2,p20401_i2", f"{ONE},0,-7,1", f"{TWO},1,-3,-818")
    numbers = numbers_by_visit(tmp_path, [(ONE, 2), (TWO, 2)])
    assert numbers == {(ONE, 2): {"p6138": -7.0, "p20401": 1.0}, (TWO, 2): {}}


def test_of_two_columns_of_one_name_the_first_rank_counts_where_it_holds_something(tmp_path):
    (tmp_path / "field_map.csv").write_text(
        ",".join(MAP_COLUMNS) + "\n50,height_cm,cm,1,\n48,waist,cm,1,\n49,waist,cm,2,\n"
    )
    export(tmp_path, "eid,p50_i2,p48_i2,p49_i2", f"{ONE},170,88,70", f"{TWO},171,,90")
    assert numbers_by_visit(tmp_path, [(ONE, 2), (TWO, 2)]) == {(ONE, 2): {"waist": 88.0}, (TWO, 2): {"waist": 90.0}}


def test_further_numbers_are_written_in_the_order_of_the_rows(tmp_path):
    export(tmp_path, "eid,p48_i2", f"{ONE},88", f"{TWO},89")
    write_further(tmp_path, tmp_path, [(TWO, 2), (ONE, 2), (ONE, 3)])
    rows = list(csv.reader((tmp_path / FURTHER).open(newline="")))
    assert rows == [["eid", "instance", "p48"], [str(TWO), "2", "89.0"], [str(ONE), "2", "88.0"], [str(ONE), "3", ""]]


def persons(folder, header, *rows):
    (folder / "persons.csv").write_text("\n".join([header, *rows]) + "\n")


def test_further_numbers_of_persons_csv_keep_their_own_names_and_a_negative_one_is_a_number(tmp_path):
    known = "eid,sex,Age (years),height_cm,weight_kg"
    persons(tmp_path, f"{known},SBP (mmHg),z,note,,p48_i2", f"{ONE},F,61,164,70,128.5,-1,x,3,88", f"{TWO},M,60,,,,2,,,")
    numbers = numbers_by_visit(tmp_path, [(ONE, 2), (ONE, 3), (TWO, 2)])
    assert numbers[ONE, 2] == {"SBP (mmHg)": 128.5, "z": -1.0, "p48": 88.0}
    assert numbers[ONE, 3] == {} and numbers[TWO, 2] == {"z": 2.0}  # without `instance`, a row is of the first visit


def test_further_numbers_of_persons_csv_are_of_the_rows_visit_and_go_before_an_export(tmp_path):
    persons(tmp_path, "instance,eid,sex,age,height_cm,weight_kg,waist", f"3,{ONE},F,61,164,70,91", f"2,{ONE},F,,,,")
    (tmp_path / "field_map.csv").write_text(",".join(MAP_COLUMNS) + "\n48,waist,cm,1,\n")
    export(tmp_path, "eid,p48_i2,p48_i3", f"{ONE},88,1")
    assert numbers_by_visit(tmp_path, [(ONE, 2), (ONE, 3)]) == {(ONE, 2): {"waist": 88.0}, (ONE, 3): {"waist": 91.0}}


def test_further_numbers_of_people_with_names_are_theirs(tmp_path):
    persons(tmp_path, "eid,sex,age,height_cm,weight_kg,waist", "Anna,F,61,164,70,91", "001,F,,,,92")
    visits = [(person_number("Anna"), 2), (person_number("001"), 2)]
    names, columns = further_numbers(tmp_path, visits, {"Anna", "001"})
    assert names == ("waist",) and columns[0].tolist() == [91, 92]


def test_persons_csv_of_semicolons_has_decimal_commas(tmp_path):
    persons(tmp_path, "eid;sex;age;height_cm;weight_kg;waist", f"{ONE};F;61;164,5;70;91,5")
    assert numbers_by_visit(tmp_path, [(ONE, 2)]) == {(ONE, 2): {"waist": 91.5}}


def test_without_an_export_nothing_is_written(tmp_path):
    write_further(tmp_path, tmp_path, [(ONE, 2)])
    assert not (tmp_path / FURTHER).exists()


def test_long_numbers_keep_their_digits_and_short_ones_take_four_bytes(tmp_path):
    export(tmp_path, "eid,p48_i2,p90001_i2,p90002_i2", f"{ONE},5.1,5.25,20200101", f"{TWO},-0.007,5.123456789,1")
    names, columns = further_numbers(tmp_path, [(ONE, 2), (TWO, 2)])
    assert [column.dtype for column in columns] == [np.float32, np.float64, np.float64]
    write_further(tmp_path, tmp_path, [(ONE, 2), (TWO, 2)])
    rows = list(csv.reader((tmp_path / FURTHER).open(newline="")))
    assert rows[0][2:] == list(names) == ["p48", "p90001", "p90002"]
    assert rows[1][2:] == ["5.1", "5.25", "20200101.0"] and rows[2][2:] == ["-0.007", "5.123456789", "1.0"]


def test_text_of_another_visit_takes_a_whole_column_away_and_that_of_other_people_does_not(tmp_path):
    export(tmp_path, "eid,p48_i0,p48_i2,p49_i2", f"{ONE},x,88,1", f"{TWO},,89,y")
    assert numbers_by_visit(tmp_path, [(ONE, 2)]) == {(ONE, 2): {"p49": 1.0}}


def test_the_first_table_goes_first_and_the_next_one_fills_its_gaps(tmp_path):
    export(tmp_path, "eid,p48_i2", f"{ONE},88", f"{TWO},")
    (tmp_path / "participant.tsv").write_text(f"eid\tp48_i2\n{ONE}\t1\n{TWO}\t89\n")
    assert numbers_by_visit(tmp_path, [(ONE, 2), (TWO, 2)]) == {(ONE, 2): {"p48": 88.0}, (TWO, 2): {"p48": 89.0}}


def test_an_export_passes_through_memory_row_by_row(tmp_path):
    people, columns, others = 100, 200, 20
    cells = ",".join(["1.234567890123456"] * columns)
    header = "eid," + ",".join(f"p{30000 + k}_i2" for k in range(columns))
    rows = (f"{ONE + k},{cells}" for k in range(people * others))
    (tmp_path / "participant.csv").write_text("\n".join([header, *rows]))
    tracemalloc.start()
    try:
        names, _ = further_numbers(tmp_path, [(ONE + k, 2) for k in range(people)])
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert len(names) == columns
    assert peak < 8 * people * columns + 2e6 < (tmp_path / "participant.csv").stat().st_size / 2


def test_named_numbers_are_read_in_the_order_of_the_rows(tmp_path):
    export(tmp_path, "eid,p48_i2,p49_i2,p90001_i2", f"{ONE},88,1,0.1", f"{TWO},89,,")
    write_further(tmp_path, tmp_path, [(TWO, 2), (ONE, 2), (ONE, 3)])
    found = read_further(tmp_path / FURTHER, ["p49", "p48"])
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, [[np.nan, 89], [1, 88], [np.nan, np.nan]])
    assert read_further(tmp_path / FURTHER, []).shape == (3, 0)


def test_a_further_number_that_nobody_has_is_refused_by_its_name(tmp_path):
    with pytest.raises(InputError, match="No such file"):
        read_further(tmp_path / FURTHER, ["p48"])
    export(tmp_path, "eid,p48_i2", f"{ONE},88")
    write_further(tmp_path, tmp_path, [(ONE, 2)])
    with pytest.raises(InputError, match="has no column p49, eid; it has p48"):
        read_further(tmp_path / FURTHER, ["p48", "p49", "eid"])


@pytest.mark.parametrize("row", [f"{ONE},2", f"{ONE},2,x", f'{ONE},2,"1'])
def test_damaged_further_numbers_are_refused(tmp_path, row):
    (tmp_path / FURTHER).write_text(f"eid,instance,p48\n{row}\n")
    with pytest.raises(InputError, match="damaged"):
        read_further(tmp_path / FURTHER, ["p48"])
