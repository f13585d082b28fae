"""A full disk is told in one line with the bytes, before anything is lost; nothing that is no number is written."""

import errno
import os
import shutil

import numpy as np
import pytest

from cohort import disk
from cohort.disk import new_array, require_room, reserve, whole_file, whole_folder, write_array, write_json, write_text
from cohort.errors import InputError, exit_code_of
from cohort.prepared import Preparation, prepare_cohort

FULL = OSError(errno.ENOSPC, "No space left on device")


@pytest.fixture
def full(monkeypatch):
    """No byte can be reserved any more."""

    def refuse(*_):
        raise FULL

    monkeypatch.setattr(os, "posix_fallocate", refuse)


@pytest.mark.parametrize(
    "write",
    [
        lambda path: write_text(path, "new"),
        lambda path: write_json(path, {"a": 1}),
        lambda path: write_array(path, np.ones(5)),
    ],
)
def test_a_full_disk_is_told_with_the_bytes_and_the_old_file_stays(tmp_path, full, write):
    (tmp_path / "file").write_text("old")
    with pytest.raises(InputError, match=r"No space left on device\): [\d_]+ bytes are needed and [\d_]+ are free"):
        write(tmp_path / "file")
    assert [path.name for path in tmp_path.iterdir()] == ["file"] and (tmp_path / "file").read_text() == "old"


def test_a_fault_within_an_unfinished_folder_names_the_folder_it_will_be(tmp_path, full):
    with pytest.raises(InputError) as told, whole_folder(tmp_path / "patient") as unfinished:
        write_text(unfinished / "heart.json", "{}")
    assert told.value.source == str(tmp_path / "patient") and not list(tmp_path.iterdir())


def test_a_new_array_holds_all_its_bytes_on_the_disk(tmp_path):
    array = new_array(tmp_path / "a.npy", (3, 100_000), np.float16)
    assert not array.any()
    array[2] = 1
    array.flush()
    np.testing.assert_array_equal(np.load(tmp_path / "a.npy"), array)
    new_array(tmp_path / "b.npy", (3, 100_000), np.float16)
    assert (tmp_path / "b.npy").stat().st_blocks * 512 >= 600_000  # a sparse file would hold next to none


def test_without_posix_fallocate_noughts_are_written_and_what_is_there_stays(tmp_path, monkeypatch):
    monkeypatch.delattr(os, "posix_fallocate")
    path = tmp_path / "file"
    path.write_bytes(b"head")
    handle = os.open(path, os.O_RDWR)
    reserve(handle, 0, 3_000_000 // 2)
    os.close(handle)
    assert path.read_bytes() == b"head" + bytes(3_000_000 // 2 - 4)
    array = new_array(tmp_path / "a.npy", (7, 9), np.int64)
    assert array.shape == (7, 9) and (tmp_path / "a.npy").stat().st_blocks > 0


def test_a_disk_that_cannot_reserve_is_written_to(tmp_path, monkeypatch):
    def refuse(*_):
        raise OSError(errno.EOPNOTSUPP, "Operation not supported")

    monkeypatch.setattr(os, "posix_fallocate", refuse)
    write_text(tmp_path / "file", "text")
    assert (tmp_path / "file").read_text() == "text"


def test_what_takes_hours_asks_for_its_room_first(tmp_path, monkeypatch):
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(disk.shutil, "disk_usage", lambda _: usage._replace(free=999))
    require_room(tmp_path, 999)
    with pytest.raises(InputError, match="1_000 bytes are needed and 999 are free"):
        require_room(tmp_path, 1000)


def test_a_cohort_is_not_read_where_its_arrays_have_no_room(phantom_data, tmp_path, monkeypatch, geometry):
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(disk.shutil, "disk_usage", lambda _: usage._replace(free=10))
    monkeypatch.setattr("cohort.prepared.read_example", lambda *_: pytest.fail("a subject was read"))
    with pytest.raises(InputError, match="bytes are needed and 10 are free"):
        prepare_cohort(phantom_data, tmp_path, Preparation(geometry), quiet=True)


def test_arrays_that_cannot_be_reserved_are_no_signal(phantom_data, tmp_path, full, geometry, monkeypatch):
    monkeypatch.setattr("cohort.prepared.read_example", lambda *_: pytest.fail("a subject was read"))
    with pytest.raises(InputError, match="No space left"):
        prepare_cohort(phantom_data, tmp_path, Preparation(geometry), quiet=True)


@pytest.mark.parametrize("number", [float("nan"), float("inf"), np.float64("-inf")])
def test_json_takes_no_number_that_is_none(tmp_path, number):
    write_json(tmp_path / "file", {"a": 1.0})
    with pytest.raises(InputError, match="not finite"):
        write_json(tmp_path / "file", {"a": [number]})
    assert "1.0" in (tmp_path / "file").read_text()
    assert disk.known_only({"a": [number, 2.0, "text"]}) == {"a": [None, 2.0, "text"]}


def test_a_writer_that_takes_fewer_bytes_leaves_no_noughts(tmp_path):
    with whole_file(tmp_path / "file", 1000) as unfinished:
        unfinished.write_bytes(b"short")
    assert (tmp_path / "file").read_bytes() == b"short"
    write_array(tmp_path / "a.npy", np.arange(3))
    assert np.load(tmp_path / "a.npy").tolist() == [0, 1, 2] and (tmp_path / "a.npy").stat().st_size < 300


def test_a_library_that_meets_a_full_disk_is_one_line_too(capsys):
    def main():
        raise FULL

    assert exit_code_of(main) == 2
    said = capsys.readouterr().err
    assert said.startswith("error: ") and len(said.splitlines()) == 1


def test_another_fault_of_the_system_is_still_a_traceback():
    def main():
        raise OSError(errno.EIO, "Input/output error")

    with pytest.raises(OSError, match="Input/output"):
        exit_code_of(main)
