import gc
import os
import signal

import pytest

from cohort.errors import InputError
from cohort.lock import locked, try_locked


@pytest.fixture
def child_holding():
    """Starts a process inside `locked(path)`; it ends with the test, if not before."""
    children = []

    def start(path):
        reading, writing = os.pipe()
        pid = os.fork()
        if pid == 0:
            with locked(path):
                os.write(writing, b"in")
                signal.pause()
        children.append(pid)
        assert os.read(reading, 2) == b"in"
        return pid

    yield start
    for pid in children:
        os.kill(pid, signal.SIGKILL)  # a killed child can be killed again until it is waited for
        os.waitpid(pid, 0)


def test_while_one_process_writes_no_other_may(tmp_path, child_holding):
    child_holding(tmp_path / "cohort")
    assert try_locked(tmp_path / "cohort") is None
    with locked(tmp_path / "another cohort"):
        pass


def test_a_killed_process_leaves_no_lock(tmp_path, child_holding):
    os.kill(child_holding(tmp_path / "cohort"), signal.SIGKILL)
    with locked(tmp_path / "cohort"):
        pass


def test_whoever_waits_says_so_and_comes_in_after(tmp_path, child_holding, monkeypatch):
    first, printed = child_holding(tmp_path / "cohort"), []

    def hear(text):
        printed.append(text)
        os.kill(first, signal.SIGKILL)

    monkeypatch.setattr("builtins.print", hear)
    with locked(tmp_path / "cohort"):
        pass
    assert printed == [f"another process is writing {tmp_path / 'cohort'}; waiting for it"]


def test_a_lock_that_was_tried_for_is_held_until_it_is_released_or_forgotten(tmp_path):
    held = try_locked(tmp_path / "run")
    assert held is not None and try_locked(tmp_path / "run") is None
    held.release()
    again = try_locked(tmp_path / "run")
    assert again is not None and try_locked(tmp_path / "run") is None
    del again
    gc.collect()
    assert try_locked(tmp_path / "run") is not None


def test_a_lock_is_released_when_its_holder_fails(tmp_path):
    with pytest.raises(ZeroDivisionError), locked(tmp_path / "cohort"):
        raise ZeroDivisionError
    assert try_locked(tmp_path / "cohort") is not None


def test_where_nothing_can_be_written_no_lock_is_taken(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot be written"):
        try_locked(tmp_path / "file" / "cohort")
