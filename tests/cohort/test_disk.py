"""Files and folders are whole or absent; what is the same stays, and what was added to a folder is never deleted.

A full disk is told in one line with the bytes, before anything is lost; nothing that is no number is written.
"""

import errno
import os
import shutil

import numpy as np
import pytest

from cohort import disk
from cohort.disk import (
    PARTIAL,
    new_array,
    require_room,
    reserve,
    whole_file,
    whole_folder,
    write_array,
    write_json,
    write_text,
    writing,
)
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


def write(folder, text, keep=False):
    with whole_folder(folder, keep=keep) as unfinished:
        (unfinished / "part").mkdir()
        (unfinished / "part" / "weights").write_text(text)


def state_of(folder):
    return {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in folder.rglob("*") if path.is_file()}


def test_a_file_of_the_same_text_is_left_with_its_time_and_another_replaced(tmp_path):
    path = tmp_path / "config.json"
    write_text(path, "one")
    before = state_of(tmp_path)
    write_text(path, "one")
    assert state_of(tmp_path) == before
    write_text(path, "two")
    assert path.read_text() == "two" and list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("keep", [False, True])
def test_a_folder_of_the_same_files_is_left_as_it_is(tmp_path, keep):
    write(tmp_path / "model", "one")
    before = state_of(tmp_path)
    write(tmp_path / "model", "one", keep)
    assert state_of(tmp_path) == before and [path.name for path in tmp_path.iterdir()] == ["model"]


@pytest.mark.parametrize("more", ["added.json", "part/added.json"])
def test_a_folder_that_holds_more_is_not_the_same(tmp_path, more):
    write(tmp_path / "model", "one")
    (tmp_path / "model" / more).touch()
    write(tmp_path / "model", "one")
    assert not (tmp_path / "model" / more).exists()


def test_what_is_to_be_kept_is_set_aside_under_a_free_name_and_told(tmp_path, capsys):
    for number, text in enumerate(("one", "two", "three")):
        write(tmp_path / "model", text, keep=True)
        (tmp_path / "model" / "added.json").write_text(str(number))
    found = {path.name: (path / "part" / "weights").read_text() for path in tmp_path.iterdir()}
    assert found == {"model": "three", "model-earlier-1": "one", "model-earlier-2": "two"}
    assert (tmp_path / "model-earlier-2" / "added.json").read_text() == "1"
    told = capsys.readouterr().out.splitlines()
    assert len(told) == 2 and told[1].endswith(str(tmp_path / "model-earlier-2"))


@pytest.mark.parametrize("keep", [False, True])
@pytest.mark.parametrize("at", [1, 2])
def test_a_stop_while_names_are_exchanged_loses_neither(tmp_path, monkeypatch, keep, at):
    write(tmp_path / "model", "one")
    rename, calls = type(tmp_path).rename, []

    def stopped(path, target):
        calls.append(path)
        if len(calls) == at:
            raise KeyboardInterrupt
        return rename(path, target)

    monkeypatch.setattr(type(tmp_path), "rename", stopped)
    with pytest.raises(KeyboardInterrupt):
        write(tmp_path / "model", "two", keep)
    assert (tmp_path / "model" / "part" / "weights").read_text() == "one"
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


def test_an_error_leaves_nothing_half_written(tmp_path):
    with pytest.raises(ZeroDivisionError), whole_folder(tmp_path / "model") as unfinished:
        (unfinished / "weights").touch()
        raise ZeroDivisionError
    assert not list(tmp_path.glob(f"{PARTIAL}*")) and not list(tmp_path.iterdir())


@pytest.mark.parametrize("below", ["", "deeper/still"])
def test_a_file_in_the_way_of_a_folder_is_named(tmp_path, below):
    (tmp_path / "out").write_text("mine")
    folder = tmp_path / "out" / below
    with pytest.raises(InputError, match="is a file, where a folder") as refusal, writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
    assert f"{tmp_path / 'out'}:" in str(refusal.value) and (tmp_path / "out").read_text() == "mine"
