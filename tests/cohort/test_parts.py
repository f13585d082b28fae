import shutil
from pathlib import Path

import numpy as np
import pytest

from cohort.content import content_of
from cohort.ecg import read_ecg
from cohort.errors import InputError
from cohort.parts import Part, join_parts, prepare_part
from cohort.prepare import main as prepare
from cohort.prepared import ARRAYS, Preparation, prepare_cohort
from cohort.stored_arrays import CHECKED
from phantom.cohort_writer import FIRST_EID, ecg_path

PEOPLE, BAD, PARTS = 7, 4, 3


@pytest.fixture
def data(phantom_data, tmp_path):
    """Seven subjects, of whom one has an empty ECG."""
    data = tmp_path / "UKBB"
    (data / "ecg").mkdir(parents=True)
    for index in range(PEOPLE):
        shutil.copytree(phantom_data / "NIFTI" / str(FIRST_EID + index), data / "NIFTI" / str(FIRST_EID + index))
        shutil.copy(ecg_path(phantom_data, index), data / "ecg")
    ecg_path(data, BAD).write_bytes(b"")
    return data


@pytest.fixture
def preparation(geometry):
    return Preparation(geometry)


def in_parts(data, folder, preparation, parts=range(1, PARTS + 1)):
    return [prepare_part(data, folder, preparation, Part(number, PARTS), quiet=True) for number in parts]


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.name != CHECKED}


def test_parts_joined_hold_the_bytes_of_one_job(data, tmp_path, preparation):
    in_parts(data, tmp_path / "parts", preparation, (2, 3, 1))
    joined = join_parts(data, tmp_path / "parts", preparation, PARTS)
    whole = prepare_cohort(data, tmp_path / "whole", preparation, quiet=True).folder
    assert joined.name == whole.name
    assert contents(joined) == contents(whole)
    assert {f"{name}.npy" for name in ARRAYS} < set(contents(joined))
    assert np.load(joined / "eid.npy").tolist() == [FIRST_EID + i for i in range(PEOPLE) if i != BAD]


def test_a_training_takes_the_joined_cohort_and_reads_nobody_again(data, tmp_path, preparation, monkeypatch):
    in_parts(data, tmp_path, preparation)
    joined = join_parts(data, tmp_path, preparation, PARTS)
    monkeypatch.setattr("cohort.prepared.read_example", lambda *_: pytest.fail("a subject was read again"))
    assert prepare_cohort(data, tmp_path, preparation, quiet=True).folder == joined
    assert join_parts(data, tmp_path, preparation, PARTS) == joined


def test_a_finished_part_is_left_alone(data, tmp_path, preparation):
    (first,) = in_parts(data, tmp_path, preparation, (1,))
    before = {path.name: path.stat().st_mtime_ns for path in first.iterdir()}
    assert in_parts(data, tmp_path, preparation, (1,)) == [first]
    assert {path.name: path.stat().st_mtime_ns for path in first.iterdir()} == before


def test_a_part_reads_only_the_files_of_its_share(data, tmp_path, preparation, monkeypatch):
    read = []
    monkeypatch.setattr("cohort.prepared.read_ecg", lambda path: read.append(path) or read_ecg(path))
    in_parts(data, tmp_path, preparation, (2,))
    rows = Part(2, PARTS).rows(PEOPLE)
    assert sorted(read) == [str(ecg_path(data, row)) for row in rows]


def test_every_subject_is_in_one_part_whatever_the_number_of_parts():
    for people in (5, 64, 1000):
        for of in (1, 3, 5):
            rows = [row for number in range(1, of + 1) for row in Part(number, of).rows(people)]
            assert rows == list(range(people))


def test_a_join_names_the_parts_that_are_not_there(data, tmp_path, preparation):
    in_parts(data, tmp_path, preparation, (1, 3))
    with pytest.raises(InputError, match="1 of 3 parts are not there, or are of other files: 2/3; .*--part 2/3"):
        join_parts(data, tmp_path, preparation, PARTS)
    assert not [path for path in tmp_path.glob("UKBB-*") if "part" not in path.name]


def test_a_part_whose_files_have_changed_since_is_not_joined(data, tmp_path, preparation):
    in_parts(data, tmp_path, preparation)
    shutil.copy(ecg_path(data, 1), ecg_path(data, 0))
    with pytest.raises(InputError, match="1 of 3 parts .*: 1/3"):
        join_parts(data, tmp_path, preparation, PARTS)


def test_a_part_with_a_changed_array_is_not_joined(data, tmp_path, preparation):
    places = in_parts(data, tmp_path, preparation)
    hearts = np.load(places[1] / "hearts.npy")
    hearts[0, 0, 0, 0, 0] ^= 1
    np.save(places[1] / "hearts.npy", hearts)
    with pytest.raises(InputError, match=r"hearts\.npy: .*something else than was prepared"):
        join_parts(data, tmp_path, preparation, PARTS)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        *((text, "is not a share") for text in ("3", "a/b", "1-8", "-1/3", "1/3/5", "")),
        *((text, "parts begin at 1") for text in ("0/3", "0/0")),
        ("9/8", "9 is beyond 8"),
    ],
)
def test_a_share_that_is_none_is_refused_with_the_reason(text, why):
    with pytest.raises(InputError, match=f"--part: {why}.*; give 3/64"):
        Part.from_text(text)


def test_more_parts_than_subjects_are_refused(data, tmp_path, preparation):
    with pytest.raises(InputError, match="too few for 9 parts"):
        prepare_part(data, tmp_path, preparation, Part(1, 9), quiet=True)


def test_the_command_prepares_parts_joins_them_and_says_where(data, tmp_path, geometry, capsys):
    for part in ("1/2", "2/2"):
        prepare(data, tmp_path, part=part, geometry=geometry, quiet=True)
    prepare(data, tmp_path, join=2, geometry=geometry, quiet=True)
    *_, last = capsys.readouterr().out.splitlines()
    assert last == f"prepared: {prepare_cohort(data, tmp_path, Preparation(geometry), quiet=True).folder}"


def test_a_part_is_not_joined_in_the_same_command(data, tmp_path):
    with pytest.raises(InputError, match="are two steps"):
        prepare(data, tmp_path, part="1/2", join=2)


def test_a_join_hashes_no_source_file_again(data, tmp_path, preparation, monkeypatch):
    monkeypatch.setattr("cohort.content._is_settled", lambda *_: True)  # the files of this test are seconds old
    in_parts(data, tmp_path, preparation)
    read = []
    monkeypatch.setattr("cohort.content._content_or_nothing", lambda path: read.append(path) or content_of(path))
    join_parts(data, tmp_path, preparation, PARTS)
    assert [path for path in read if data in Path(path).parents] == []


def test_what_the_folder_holds_beside_the_cohort_is_told_once_a_command(data, tmp_path, preparation, capsys):
    (data / "ecg" / "notes.docx").touch()
    told = "note: passed over: 1 .docx files such as notes.docx"
    options = {"data": data, "prepared": tmp_path, "geometry": preparation.geometry, "quiet": True}
    for number in range(1, PARTS + 1):
        prepare(**options, part=f"{number}/{PARTS}")
        assert capsys.readouterr().out.count(told) == 1
    prepare(**options, join=PARTS)
    assert capsys.readouterr().out.count(told) == 1
