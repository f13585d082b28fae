"""Files and folders are whole or absent; what is the same stays, and what was added to a folder is never deleted."""

import pytest

from cohort.disk import PARTIAL, whole_folder, write_text


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
