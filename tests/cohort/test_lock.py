import errno
import fcntl
import gc
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from cohort.errors import InputError
from cohort.lock import lock_or_refuse, locked, try_locked


@pytest.fixture
def child_holding():
    """Starts a process inside `locked(path)`; it ends with the test, if not before."""
    children = []

    def start(path):
        reading, writing = os.pipe()
        pid = os.fork()
        if pid == 0:
            try:
                with locked(path):
                    os.write(writing, b"in")
                    signal.pause()
            finally:
                os._exit(1)
        os.close(writing)  # a child that fails must not leave us waiting
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
    with pytest.raises(InputError, match="is a file, where a folder"):
        try_locked(tmp_path / "file" / "cohort")


@pytest.fixture(params=[errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOLCK], ids=lambda code: errno.errorcode[code])
def no_flock(request, monkeypatch):
    """A disk without `flock`: NFS, or Lustre mounted without it."""

    def refuse(*_):
        raise OSError(request.param, os.strerror(request.param))

    monkeypatch.setattr(fcntl, "flock", refuse)


def test_without_flock_no_other_may_write_and_the_holder_is_named(tmp_path, no_flock, child_holding):
    pid = child_holding(tmp_path / "run")
    with pytest.raises(InputError, match=rf"busy \(process {pid} on .*; if it has ended, delete .*\.held-run\)"):
        lock_or_refuse(tmp_path / "run", "busy", "wait")
    with locked(tmp_path / "another"):
        pass
    assert [path.name for path in tmp_path.glob(".held-*")] == [".held-run"]


def test_without_flock_a_killed_process_of_this_machine_leaves_no_lock(tmp_path, no_flock):
    pid = os.fork()
    if pid == 0:
        held = try_locked(tmp_path / "run")
        os.kill(os.getpid(), signal.SIGKILL if held else signal.SIGTERM)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == -signal.SIGKILL
    assert (tmp_path / ".held-run").exists()
    held = try_locked(tmp_path / "run")
    assert held is not None and try_locked(tmp_path / "run") is None
    held.release()
    assert try_locked(tmp_path / "run") is not None


def test_without_flock_a_lock_of_another_machine_is_kept(tmp_path, no_flock):
    (tmp_path / ".held-run").write_text("12\nanother-machine\n")
    with pytest.raises(InputError, match="process 12 on another-machine; if it has ended, delete"):
        lock_or_refuse(tmp_path / "run", "busy", "wait")


def test_a_disk_with_flock_gets_no_marker(tmp_path):
    with locked(tmp_path / "run"):
        assert [path.name for path in tmp_path.iterdir()] == [".lock-run"]


def test_another_fault_of_a_lock_is_told(tmp_path, monkeypatch):
    def refuse(*_):
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(fcntl, "flock", refuse)
    with pytest.raises(InputError, match="Input/output error"):
        try_locked(tmp_path / "run")


def test_without_the_module_fcntl_sampling_starts(tmp_path):
    """As on Windows; a lock is taken there, too."""
    (tmp_path / "sitecustomize.py").write_text("import sys\nsys.modules['fcntl'] = None\n")
    program = "from pathlib import Path\nfrom cohort.lock import try_locked\n"
    program += "import sample, train_diffusion, cohort.report, training.run\n"
    program += f"a = try_locked(Path({str(tmp_path / 'x')!r}))\n"
    program += f"print(a is not None, try_locked(Path({str(tmp_path / 'x')!r})) is None)\n"
    paths = os.pathsep.join([str(tmp_path), str(Path(__file__).parents[2])])
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, env=os.environ | {"PYTHONPATH": paths}
    )
    assert (done.returncode, done.stdout) == (0, "True True\n"), done.stderr
