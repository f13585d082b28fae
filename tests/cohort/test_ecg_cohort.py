import csv
import os
import shutil

import numpy as np
import pytest

from cohort.ecg_cohort import prepare_ecgs
from cohort.errors import InputError
from cohort.phenotypes import PHENOTYPES
from phantom.cohort_plan import CohortPlan
from phantom.cohort_tables import drawn_phenotypes
from phantom.cohort_writer import FIRST_EID, ecg_path, write_cohort
from phantom.heart import draw_heart

PEOPLE = 5


@pytest.fixture(scope="module")
def ecgs(tmp_path_factory):
    """Five people's ECGs and tables, and no image; not to be written to."""
    folder = tmp_path_factory.mktemp("ecgs") / "UKBB"
    write_cohort(folder, CohortPlan(seed=3, subjects=PEOPLE, ecg_only=True), processes=1)
    return folder


@pytest.fixture
def copied(ecgs, tmp_path):
    return shutil.copytree(ecgs, tmp_path / "UKBB")


@pytest.fixture(autouse=True)
def in_this_process(monkeypatch):
    """Without the seconds that starting processes takes."""
    monkeypatch.setattr("cohort.ecg_cohort.in_processes", lambda job, items, chunksize: map(job, items))


def prepare(data, folder):
    return prepare_ecgs(data, folder, sampling_rate=250, duration_s=10.0, quiet=True)


def drop_row(table, eid):
    lines = table.read_text().splitlines(keepends=True)
    table.write_text("".join(line for line in lines if not line.startswith(f"{eid},")))


def test_the_arrays_are_those_of_the_whole_cohort(phantom_data, prepared, tmp_path, monkeypatch):
    monkeypatch.undo()  # with processes
    cohort = prepare(phantom_data, tmp_path)
    assert cohort.ecg.dtype == np.float16 and isinstance(cohort.ecg, np.memmap)
    for name in ("ecg", "lead_mask", "person", "phenotypes", "eid"):
        mine, theirs = getattr(cohort, name), getattr(prepared, name)
        assert mine.dtype == theirs.dtype
        if name == "phenotypes":  # what no table tells is counted on label maps there, and unknown here
            mine, theirs = mine[:, :8], theirs[:, :8]
        np.testing.assert_array_equal(mine, theirs)


def test_nobody_needs_an_mri(ecgs, tmp_path):
    cohort = prepare(ecgs, tmp_path)
    assert cohort.eid.tolist() == [FIRST_EID + index for index in range(PEOPLE)]
    assert cohort.ecg.shape == (PEOPLE, 12, 2500) and cohort.lead_mask.all()
    for index in range(PEOPLE):
        heart = draw_heart(3, index)
        drawn = drawn_phenotypes(heart)
        known = [PHENOTYPES.index(name) for name in drawn]
        np.testing.assert_allclose(cohort.phenotypes[index, known], list(drawn.values()), rtol=1e-5)
        person = [float(heart.sex == "male"), heart.age_years, heart.height_cm, heart.weight_kg]
        np.testing.assert_allclose(cohort.person[index], person, rtol=1e-5)


def test_who_is_not_in_the_table_is_left_out_and_an_empty_cell_is_unknown(copied, tmp_path):
    table = copied / "phenotypes.csv"
    drop_row(table, FIRST_EID + 1)
    with table.open() as file:
        rows = list(csv.reader(file))
    rows[1][rows[0].index("LVM")] = ""
    table.write_text("".join(",".join(row) + "\n" for row in rows))
    cohort = prepare(copied, tmp_path / "out")
    assert cohort.eid.tolist() == [FIRST_EID + index for index in (0, 2, 3, 4)]
    mass = cohort.phenotypes[:, PHENOTYPES.index("LVM")]
    assert np.isnan(mass).tolist() == [True, False, False, False]


def test_a_person_is_one_row_of_the_first_visit_that_has_ecg_and_phenotypes(copied, tmp_path, capsys):
    shutil.copy(ecg_path(copied, 2), copied / "ecg" / f"{FIRST_EID}_20205_3_0.xml")
    alone = prepare(copied, tmp_path / "out")
    assert len(alone.eid) == PEOPLE and not np.array_equal(alone.ecg[0], alone.ecg[2])
    ecg_path(copied, 0).unlink()
    capsys.readouterr()
    assert prepare(copied, tmp_path / "out").eid.tolist() == [FIRST_EID + index for index in (1, 2, 3, 4)]
    assert "rows are of another visit than their ECG: 1" in capsys.readouterr().out
    first, *others = (copied / "phenotypes.csv").read_text().splitlines()
    rows = (f"{line},{3 if line.startswith(str(FIRST_EID)) else 2}\n" for line in others)
    (copied / "phenotypes.csv").write_text(f"{first},instance\n{''.join(rows)}")
    second_visit = prepare(copied, tmp_path / "out")
    assert len(second_visit.eid) == PEOPLE
    np.testing.assert_array_equal(second_visit.ecg[0], second_visit.ecg[2])
    assert np.isfinite(second_visit.phenotypes[0, 0]) and np.isnan(second_visit.person[0, [1, 3]]).sum() in (0, 2)


def test_an_unreadable_ecg_is_left_out_and_counted(copied, tmp_path, capsys):
    whole = prepare(copied, tmp_path / "out")
    ecg_path(copied, 1).write_bytes(ecg_path(copied, 1).read_bytes()[:2000])
    cohort = prepare(copied, tmp_path / "out")
    assert f"1 of {PEOPLE} ECGs cannot be read" in capsys.readouterr().out
    rest = [0, 2, 3, 4]
    for name in ("ecg", "lead_mask", "person", "phenotypes", "eid"):
        np.testing.assert_array_equal(getattr(cohort, name), getattr(whole, name)[rest])


def test_it_is_read_once_and_anew_when_it_changes(copied, tmp_path, monkeypatch):
    out = tmp_path / "out"
    first = prepare(copied, out)
    with monkeypatch.context() as nobody_reads:
        nobody_reads.setattr("cohort.ecg_cohort.in_processes", None)
        np.testing.assert_array_equal(prepare(copied, out).ecg, first.ecg)
    assert len(list(out.glob("UKBB-ecg-*"))) == 1
    assert prepare_ecgs(copied, out, 100, 5.0, quiet=True).ecg.shape == (PEOPLE, 12, 500)
    drop_row(copied / "phenotypes.csv", FIRST_EID)
    assert len(prepare(copied, out).eid) == PEOPLE - 1
    assert len(list(out.glob("UKBB-ecg-*"))) == 3


def test_an_interrupted_reading_leaves_nothing_to_trust(copied, tmp_path, monkeypatch):
    def interrupted(job, items, chunksize):
        yield job(items[0])
        raise KeyboardInterrupt

    with monkeypatch.context() as half:
        half.setattr("cohort.ecg_cohort.in_processes", interrupted)
        with pytest.raises(KeyboardInterrupt):
            prepare(copied, tmp_path / "out")
    assert not list((tmp_path / "out").glob("UKBB-ecg-*"))
    assert len(prepare(copied, tmp_path / "out").eid) == PEOPLE
    assert len(list((tmp_path / "out").glob("UKBB-ecg-*"))) == 1 and not list((tmp_path / "out").glob(".partial-*"))


def test_without_a_table_or_anybody_in_it_there_is_no_cohort(copied, tmp_path):
    for index in range(PEOPLE):
        drop_row(copied / "phenotypes.csv", FIRST_EID + index)
    with pytest.raises(InputError, match=r"phenotypes\.csv: has no row of anybody with an ECG"):
        prepare(copied, tmp_path / "out")
    (copied / "phenotypes.csv").unlink()
    with pytest.raises(InputError, match=r"phenotypes\.csv: there is no such table"):
        prepare(copied, tmp_path / "out")


def test_nothing_but_unreadable_ecgs_is_refused(copied, tmp_path):
    for index in range(PEOPLE):
        ecg_path(copied, index).write_bytes(b"")
    with pytest.raises(InputError, match=f"none of {PEOPLE} ECGs can be read"):
        prepare(copied, tmp_path / "out")


def test_another_content_of_one_size_and_time_is_read_anew(copied, tmp_path):
    first = prepare(copied, tmp_path / "out")
    for path in (ecg_path(copied, 0), copied / "phenotypes.csv"):
        content, about = path.read_bytes(), path.stat()
        middle = next(place for place in range(len(content) // 2, len(content)) if content[place : place + 1].isdigit())
        changed = content[:middle] + str((int(content[middle : middle + 1]) + 1) % 10).encode() + content[middle + 1 :]
        path.write_bytes(changed)
        os.utime(path, ns=(about.st_atime_ns, about.st_mtime_ns))
        prepare(copied, tmp_path / "out")
    assert len(list((tmp_path / "out").glob("UKBB-ecg-*"))) == 3
    assert len(prepare(copied, tmp_path / "out").eid) == len(first.eid)


def test_another_code_reads_anew(copied, tmp_path, monkeypatch):
    prepare(copied, tmp_path / "out")
    monkeypatch.setattr("cohort.ecg_cohort.code_sha256", lambda _: "another")
    prepare(copied, tmp_path / "out")
    assert len(list((tmp_path / "out").glob("UKBB-ecg-*"))) == 2


@pytest.mark.parametrize("name", ["ecg", "lead_mask", "person", "phenotypes", "eid"])
def test_arrays_that_hold_something_else_are_refused(copied, tmp_path, name):
    prepare(copied, tmp_path / "out")
    (folder,) = (tmp_path / "out").glob("UKBB-ecg-*")
    assert folder.stat().st_mode & 0o077 == 0
    content = bytearray((folder / f"{name}.npy").read_bytes())
    content[-3] ^= 1
    (folder / f"{name}.npy").write_bytes(content)
    with pytest.raises(InputError, match=rf"{name}\.npy: .*something else"):
        prepare(copied, tmp_path / "out")


def test_the_visit_of_an_ecg_is_in_the_key(copied, tmp_path):
    for name in ("persons.csv", "phenotypes.csv"):
        header, *rows = (copied / name).read_text().splitlines()
        later = [row.replace(",", ",3,", 1) for row in rows]
        rows = [row.replace(",", ",2,", 1) for row in rows]
        (copied / name).write_text("\n".join([header.replace("eid,", "eid,instance,", 1), *rows, *later]))
    prepare(copied, tmp_path / "out")
    path = ecg_path(copied, 0)
    path.rename(path.with_name(path.name.replace("_20205_2_", "_20205_3_")))
    prepare(copied, tmp_path / "out")
    assert len(list((tmp_path / "out").glob("UKBB-ecg-*"))) == 2


@pytest.mark.parametrize("name", ["persons.csv", "phenotypes.csv"])
def test_each_table_is_in_the_key(copied, tmp_path, name):
    prepare(copied, tmp_path / "out")
    drop_row(copied / name, FIRST_EID)
    prepare(copied, tmp_path / "out")
    assert len(list((tmp_path / "out").glob("UKBB-ecg-*"))) == 2
