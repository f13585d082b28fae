import fcntl
import os
import signal

import pytest

from cohort.lock import locked


def child_holding(path):
    """A process inside `locked(path)`, until it is killed."""
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        with locked(path):
            os.write(writing, b"in")
            signal.pause()
    assert os.read(reading, 2) == b"in"
    return pid


def test_while_one_process_writes_no_other_may(tmp_path):
    pid = child_holding(tmp_path / "cohort")
    with (tmp_path / ".lock-cohort").open("w") as file, pytest.raises(BlockingIOError):
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    with locked(tmp_path / "another cohort"):
        pass
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)


def test_a_killed_process_leaves_no_lock(tmp_path):
    pid = child_holding(tmp_path / "cohort")
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    with locked(tmp_path / "cohort"):
        pass


def test_whoever_waits_says_so_and_comes_in_after(tmp_path, monkeypatch):
    first, said = child_holding(tmp_path / "cohort"), []

    def hear(text):
        said.append(text)
        os.kill(first, signal.SIGKILL)

    monkeypatch.setattr("builtins.print", hear)
    with locked(tmp_path / "cohort"):
        pass
    assert said == [f"another process is writing {tmp_path / 'cohort'}; waiting for it"]
    os.waitpid(first, 0)
