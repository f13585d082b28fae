"""What a folder of ECGs came to: counted, told line by line, and listed where something was refused."""

import csv

import pytest

from cohort.disk import remove_unfinished
from cohort.errors import InputError
from cohort.pseudonym import Naming
from evaluation.tally import TABLE, Tally, join_tables, left_alone
from sampling.refused_table import said_of_refused

NAME = "9000001_20205_2_0"


def rows(path):
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.reader(file))


def test_every_refused_file_has_a_row_with_its_code_and_its_fault(tmp_path, capsys):
    tally = Tally(tmp_path / "out", Naming())
    tally.refuse(tmp_path / "a.xml", InputError(tmp_path / "a.xml", "is cut short", "copy it again", code="truncated"))
    tally.refuse(tmp_path / "b.xml", InputError(tmp_path / "b.xml", "is empty", "export it again", code="empty"))
    join_tables(tmp_path / "out", [tally.refused])
    assert rows(tmp_path / "out" / TABLE) == [
        ["file", "code", "fault", "remedy"],
        [str(tmp_path / "a.xml"), "truncated", "is cut short", "copy it again"],
        [str(tmp_path / "b.xml"), "empty", "is empty", "export it again"],
    ]
    assert [path.name for path in (tmp_path / "out").iterdir()] == [TABLE]
    assert capsys.readouterr().err.count("error: ") == 2


def test_a_table_tells_pseudonyms_where_there_is_a_key(tmp_path, capsys):
    naming = Naming(b"k" * 16)
    tally = Tally(tmp_path, naming)
    path = tmp_path / f"{NAME}.xml"
    tally.refuse(path, InputError(path, f"{NAME}.dat is not there", "copy it"))
    tally.warn(path, (f"see {path}",))
    join_tables(tmp_path, [1])
    assert rows(tmp_path / TABLE)[1] == [naming(NAME), "other", f"{naming(NAME)}.dat is not there", "copy it"]
    assert "9000001" not in (tmp_path / TABLE).read_text() + capsys.readouterr().err


def test_the_screen_says_by_which_options_what_is_unknown_is_told(tmp_path, capsys):
    Tally(tmp_path, Naming()).warn(tmp_path / "a.xml", ("unknown: sex, age", "lead V1 is odd"))
    unknown, odd = capsys.readouterr().err.splitlines()
    assert "unknown: sex, age (--persons" in unknown and odd.endswith("lead V1 is odd")


def test_several_processes_make_one_table(tmp_path):
    tallies = [Tally(tmp_path, Naming(), rank=rank) for rank in range(3)]
    for rank in (0, 2):
        tallies[rank].refuse(tmp_path / f"{rank}.xml", InputError(f"{rank}.xml", "is empty", "copy it"))
    join_tables(tmp_path, [tally.refused for tally in tallies])
    assert [row[0] for row in rows(tmp_path / TABLE)[1:]] == [str(tmp_path / "0.xml"), str(tmp_path / "2.xml")]


def test_nothing_refused_leaves_no_table_not_even_an_earlier_one(tmp_path):
    (tmp_path / TABLE).write_text("file,code,fault")
    (tmp_path / f".partial-1-{TABLE}").write_text("of a killed run")
    join_tables(tmp_path, [0, 0])
    assert list(tmp_path.iterdir()) == []


def test_a_file_alone_ends_everything_by_its_own_fault(tmp_path):
    fault = InputError("a.xml", "is empty", "copy it")
    with pytest.raises(InputError) as refusal:
        Tally(tmp_path / "out", Naming(), alone=True).refuse(tmp_path / "a.xml", fault)
    assert refusal.value is fault and not (tmp_path / "out").exists()


def test_a_hostile_name_is_told_as_one_printable_line(tmp_path, capsys):
    path = tmp_path / "a\x1b[2J\nerror: all is well.xml"
    tally = Tally(tmp_path, Naming())
    tally.warn(path, ("is\x1b[31m red",))
    tally.refuse(path, InputError(path, "is empty", "copy it"))
    join_tables(tmp_path, [1])
    said = capsys.readouterr().err
    assert said.count("\n") == 2 and all(line.isprintable() for line in said.splitlines())
    assert all(cell.isprintable() for row in rows(tmp_path / TABLE) for cell in row)


def test_an_interrupted_run_leaves_no_rows_of_its_own_and_a_finished_one_does(tmp_path):
    fault = InputError("a.xml", "is empty", "copy it")
    tally = Tally(tmp_path, Naming(), rank=2)
    with tally.withdrawn_when_interrupted():
        tally.refuse(tmp_path / "a.xml", fault)
    assert len(list(tmp_path.iterdir())) == 1
    with pytest.raises(KeyboardInterrupt), tally.withdrawn_when_interrupted():
        tally.refuse(tmp_path / "b.xml", fault)
        raise KeyboardInterrupt
    assert list(tmp_path.iterdir()) == []


def test_rows_of_a_killed_run_are_cleared_away_by_the_next(tmp_path):
    Tally(tmp_path, Naming()).refuse(tmp_path / "a.xml", InputError("a.xml", "is empty", "copy it"))
    remove_unfinished(tmp_path)  # as sampling.output_lock does at the start
    assert list(tmp_path.iterdir()) == []


def test_the_bar_counts_each_ecg_once_when_it_is_done_with(tmp_path):
    tally, done = Tally(tmp_path, Naming()), []
    with tally.progress(3, "ECGs", hidden=False) as bar:
        for step in (
            lambda: tally.warn(tmp_path / "a.xml", ("is noisy",)),
            lambda: tally.refuse(tmp_path / "a.xml", InputError("a.xml", "is empty", "copy it")),
            tally.finish_before,
            tally.write,
        ):
            step()
            done.append(bar.n)
    assert done == [0, 1, 2, 3] and bar.total == 3 and tally.counts == (1, 1, 1)


def test_one_is_refused_in_the_singular():
    assert said_of_refused(1, 15, "ECGs") == "1 of 15 ECGs was refused"
    assert said_of_refused(2, 3, "MRIs") == "2 of 3 MRIs were refused"


def test_one_patient_is_one_and_two_are_two():
    assert left_alone(1).startswith("1 patient was finished") and left_alone(2).startswith("2 patients were finished")
