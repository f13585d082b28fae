"""What a study says of people and hearts: at their visit, in our units, or refused by row and column."""

import pytest

from cohort.errors import InputError
from cohort.person import Person
from cohort.phenotypes import PHENOTYPES, TABLE
from cohort.study_tables import StudyTables, read_persons, read_phenotypes, read_tables
from phantom.cohort_tables import drawn_phenotypes
from phantom.heart import draw_heart

HEADER = "eid,sex,age,height_cm,weight_kg\n"
ONE, TWO = (9_000_001, 2), (9_000_002, 2)


def persons(folder, text):
    (folder / "persons.csv").write_text(text, encoding="utf-8")
    return read_persons(folder / "persons.csv")


def phenotypes(folder, text):
    (folder / "phenotypes.csv").write_text(text, encoding="utf-8")
    return read_phenotypes(folder / "phenotypes.csv")


# ---- Persons ----


SPELLINGS = {
    "female": ("female", "F", "woman", "0", "0.0"),
    "male": ("Male", "m", "MAN", "1", "1.0"),
    None: ("",),
}


@pytest.mark.parametrize(("cell", "sex"), [(cell, sex) for sex, cells in SPELLINGS.items() for cell in cells])
def test_sex_in_every_spelling(tmp_path, cell, sex):
    assert persons(tmp_path, f"{HEADER}9000001,{cell},61,164,70.5\n").rows[ONE].sex == sex


def test_order_of_columns_and_rows_changes_nothing_and_other_columns_are_named(tmp_path):
    plain = persons(tmp_path, f"{HEADER}9000001,F,61,164,70.5\n9000002,M,,180,\n")
    other = persons(tmp_path, "weight_kg,note,eid,age,sex,height_cm\n,x,9000002,,1,180\n70.5,y,9000001,61,0,164\n")
    assert (
        other.rows == plain.rows
        and plain.notes == ()
        and "nobody knows, kept if they hold numbers only: note" in other.notes[0]
    )
    assert plain.rows == {ONE: Person("female", 61.0, 164.0, 70.5), TWO: Person("male", None, 180.0, None)}


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        ("x,61,164,70", "column sex is neither"),
        ("2,61,164,70", "column sex is neither"),
        ("F,1957,164,70", "column age is no age, perhaps a year of birth; give years"),
        ("F,740,164,70", "column age is no age, perhaps months"),
        ("F,0,164,70", "column age is not within 1 to 120"),
        ("F,61,1.64,70", "column height_cm is 1.64, perhaps metres; give cm"),
        ("F,61,65,70", "column height_cm is 65, perhaps inches; give cm"),
        ("F,,65,", "column height_cm is 65, perhaps inches; give cm"),
        ("F,61,5.4,70", "column height_cm is 5.4, perhaps feet"),
        ("F,61,1640,70", "column height_cm is 1640, perhaps millimetres"),
        ("F,61,-164,70", "column height_cm is not within 50 to 250"),
        ("F,61,164,70000", "column weight_kg is 70000, perhaps grams"),
        ("F,61,164,450", "column weight_kg is 450, perhaps pounds"),
        ("F,61,164,11.2", "column weight_kg is impossible at this height"),
    ],
)
def test_another_unit_is_named_with_row_and_column(tmp_path, cells, message):
    with pytest.raises(InputError, match=f"row 3, {message}") as refusal:
        persons(tmp_path, f"{HEADER}9000001,F,61,164,70\n9000002,{cells}\n")
    assert not any(private in str(refusal.value).replace(str(tmp_path), "") for private in ("900000", "1957"))


def test_pounds_are_known_by_the_column_and_doubted_in_one_row(tmp_path):
    def pounds(people):
        return persons(tmp_path, HEADER + "".join(f"900000{k},M,60,178,{175 + k}\n" for k in range(people)))

    with pytest.raises(InputError, match="row 2, column weight_kg is one of many that look like pounds"):
        pounds(6)
    assert "pounds" in pounds(1).at(9_000_000, 2).doubts[0]


def test_a_repeat_visit_takes_its_own_row(tmp_path):
    table = persons(tmp_path, "instance,eid,sex,age,height_cm,weight_kg\n2,9000001,F,61,164,70\n3,9000001,,66,,75\n")
    at_ecg = Person(age_years=50.0, height_cm=170.0)
    assert table.at(9_000_001, 3).filled_from(Person()) == Person("female", 66.0, 164.0, 75.0)
    assert table.at(9_000_001, 3).filled_from(at_ecg) == Person("female", 66.0, 170.0, 75.0)
    assert not table.other_visit_only(9_000_001, 3)


def test_age_and_weight_of_another_visit_are_not_taken(tmp_path):
    table = persons(tmp_path, f"{HEADER}9000001,F,61,164,70\n")
    assert table.at(9_000_001, 3).filled_from(Person()) == Person("female", None, 164.0)
    assert table.at(9_000_001, 3).filled_from(Person("female", 66.0, None, 75.0)) == Person("female", 66.0, 164.0, 75.0)
    assert table.other_visit_only(9_000_001, 3) and not table.other_visit_only(9_000_002, 3)
    told = StudyTables(table).notes_on([(9_000_001, 3), ONE])
    assert told == ("persons.csv: rows of another visit, whose age and weight are not taken: 1",)


def test_visits_that_disagree_on_what_lasts_are_told(tmp_path):
    table = persons(tmp_path, "eid,instance,sex,age,height_cm,weight_kg\n9000001,2,F,61,164,\n9000001,3,M,66,184,\n")
    assert [note.split(": ")[1:] for note in table.notes] == [
        ["people whose sex differs between visits, each row counts for its own", "1"],
        ["people whose height differs between visits, each row counts for its own", "1"],
    ]


# ---- Phenotypes ----


@pytest.mark.parametrize("names", ["LVEDV,LVEF", "lvedv,lvef", " LVEDV (mL) , LVEF [%] ", "lvedv_ml,lvef_percent"])
def test_a_phenotype_in_any_spelling_is_the_phenotype(tmp_path, names):
    table = phenotypes(tmp_path, f"eid,{names}\n9000001,142.5,61\n9000002,,58\n")
    assert table.rows == {ONE: {"LVEDV": 142.5, "LVEF": 61.0}, TWO: {"LVEF": 58.0}}
    assert table.notes == () and table.findings == {}


def test_columns_nobody_knows_are_named_and_a_table_of_nothing_else_is_refused(tmp_path):
    assert phenotypes(tmp_path, "eid,LVEDV,NTproBNP\n9000001,140,high\n").notes[0].endswith("nobody knows: NTproBNP")
    with pytest.raises(InputError, match="none of its columns is known; name them as one of LVEDV, LVESV"):
        phenotypes(tmp_path, "eid,edv,esv\n9000001,140,60\n")


@pytest.mark.parametrize(
    ("column", "values", "unit"),
    [
        ("LVEF", (0.55, 0.61, 61), "a share of 1, as in 2 of 3 rows; give %"),
        ("LVEDV", (0.142, 0.160, 0.151), "litres"),
        ("LVM", (0.1, 0.09, 0.12), "kilograms"),
        ("wall_septal", (0.9, 1.1, 0.8), "centimetres"),
    ],
)
def test_a_column_in_another_unit_is_refused(tmp_path, column, values, unit):
    rows = "".join(f"900000{k},{value}\n" for k, value in enumerate(values, start=1))
    with pytest.raises(InputError, match=f"row 2, column {column} is {values[0]:g}, perhaps {unit}"):
        phenotypes(tmp_path, f"eid,{column}\n{rows}")


def test_a_value_no_heart_has_is_left_out_and_told(tmp_path):
    table = phenotypes(tmp_path, "eid,LVEF,LVM\n9000001,0.55,100\n9000002,55,5000\n9000003,60,90\n")
    assert table.rows[ONE] == {"LVM": 100.0} and table.rows[TWO] == {"LVEF": 55.0}
    assert [finding.words for row in table.findings.values() for finding in row] == [
        "phenotypes.csv, row 2: LVEF 0.55 is not within 3 to 95 % (is it a share of 1?); it is left out",
        "phenotypes.csv, row 3: LVM 5000 is not within 20 to 600 g; it is left out",
    ]
    assert StudyTables(phenotypes=table).notes_on([ONE, TWO])[0].endswith("names: 2")


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ("140,60,57,80", ""),
        ("60,140,57,80", "LVESV 140 is not below LVEDV 60"),
        ("140,60,30,80", "LVEF 30 % does not follow"),
        ("140,60,57,30", "LVSV 30 is not LVEDV 140 less LVESV 60"),
    ],
)
def test_phenotypes_of_one_row_that_contradict_each_other_are_told(tmp_path, row, words):
    table = phenotypes(tmp_path, f"eid,LVEDV,LVESV,LVEF,LVSV\n9000001,{row}\n")
    assert words in "; ".join(finding.words for finding in table.findings.get(ONE, ()))
    assert bool(words) == bool(table.findings) and len(table.rows[ONE]) == 4


def test_the_plausible_ranges_hold_every_phantom():
    assert all(TABLE[name].plausible[0] < TABLE[name].plausible[1] for name in PHENOTYPES)
    for index in range(200):
        drawn = drawn_phenotypes(draw_heart(3, index))
        assert all(TABLE[name].plausible[0] < value < TABLE[name].plausible[1] for name, value in drawn.items())


# ---- Both ----


def test_an_absent_table_is_no_fault_and_a_broken_link_is(tmp_path):
    assert read_tables(tmp_path) == StudyTables()
    (tmp_path / "persons.csv").symlink_to(tmp_path / "gone.csv")
    with pytest.raises(InputError, match="no such file"):
        read_tables(tmp_path)


def test_findings_are_of_the_visit_and_name_both_sides(tmp_path):
    tables = StudyTables(persons(tmp_path, f"{HEADER}9000001,M,63,178,80\n"))
    found = list(tables.findings(ONE, Person("female", 51.0)))
    assert [finding.code for finding in found] == ["table_sex", "table_age"]
    assert found[0].words == "persons.csv says male, the ECG file says female: persons.csv counts"
    assert not list(tables.findings(TWO, Person("female", 51.0))) and not list(tables.findings(ONE, None))


# ---- By file ----


def test_the_rows_of_people_with_names_are_found_by_their_ecgs_files(tmp_path):
    path = tmp_path / "persons.csv"
    path.write_text("eid,sex,age,height_cm,weight_kg\npatient001,F,61,,\nsomebody,M,33,,\n")
    table = read_persons(path, {"patient001"})
    assert table.of_file(tmp_path / "patient001.xml", None).row == Person("female", 61.0).row
    assert table.of_file(tmp_path / "other.xml", None) == Person()
    with pytest.raises(InputError, match="row 2, column eid is not a whole number"):
        read_persons(path)


def test_a_table_may_be_keyed_by_the_name_of_an_ecgs_file(tmp_path):
    table = persons(tmp_path, "stem,sex,age,height_cm,weight_kg\na.xml,F,61,,\nfolder/b.c.DCM,M,,,\nd.e,,50,,\n")
    assert table.files == {"a": Person("female", 61.0), "b.c": Person("male"), "d.e": Person(None, 50.0)}
    assert table.rows == {} and table.of_file(tmp_path / "a.hea", None) == Person("female", 61.0)
    assert table.of_file(tmp_path / "other.xml", None) == Person()


@pytest.mark.parametrize(("name", "message"), [("a.hea", "a repetition of row 2: the same file"), ("", "empty")])
def test_a_file_is_named_once(tmp_path, name, message):
    with pytest.raises(InputError, match=f"row 3, column file is {message}"):
        persons(tmp_path, f"file,sex,age,height_cm,weight_kg\na.xml,F,61,,\n{name},F,61,,\n")


def test_rows_that_name_no_file_are_counted(tmp_path):
    table = persons(tmp_path, "file,sex,age,height_cm,weight_kg\na.xml,F,61,,\ngone.xml,M,,,\nlost.xml,,50,,\n")
    a, b, lost, gone = (tmp_path / f"{stem}.xml" for stem in ("a", "b", "lost", "gone"))
    assert table.of_no_file([a, b]) == "persons.csv: rows that name no file among the ECGs: 2 (first row 3)"
    assert table.of_no_file([a, lost]).endswith("ECGs: 1 (first row 3)")
    assert table.of_no_file([a, lost, gone]) == ""
    assert table.of_no_file([a]) == "" and table.of_no_file([b]).endswith("ECGs: 3 (first row 2)")
