"""A signal that asks to stop ends a command as Ctrl-C does: code 130, one line, nothing half-written."""

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import InvalidStateError
from pathlib import Path

import pytest

import cohort.stop_signals
from cohort.disk import whole_file
from cohort.errors import InputError, exit_code_of
from cohort.process_pool import process_pool

ROOT = Path(__file__).parents[2]
STOPPED = "stopped; the same command continues\n"
READING = """
import sys, time
from cohort.errors import exit_code_of
from cohort.prepared import in_processes

def main():
    sys.stdout.write("reading\\n"), sys.stdout.flush()
    for _ in in_processes(time.sleep, [0.05] * 2000):
        pass

if __name__ == "__main__":
    sys.exit(exit_code_of(main))
"""


def living(group):
    """Processes of a group that run; a zombie whom nobody has taken leave of does not."""
    found = []
    for place in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            state, _, of, *_ = (place / "stat").read_text().rpartition(")")[2].split()
            found += [place.name] if int(of) == group and state != "Z" else []
    return found


@pytest.fixture(autouse=True)
def heard():
    """Under nohup SIGHUP is not heard, and a command leaves it so."""
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGHUP, before)


def send(number):
    os.kill(os.getpid(), number)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_each_of_them_ends_a_command_with_130_one_line_and_nothing_half_written(tmp_path, capsys, number):
    before = [signal.getsignal(one) for one in cohort.stop_signals.ASKING]

    def main():
        with whole_file(tmp_path / "report.json") as unfinished:
            unfinished.write_text("half")
            send(number)

    assert exit_code_of(main) == 130
    assert capsys.readouterr().err == STOPPED and not list(tmp_path.iterdir())
    assert [signal.getsignal(one) for one in cohort.stop_signals.ASKING] == before


def test_a_second_signal_does_not_break_off_the_clearing_away(tmp_path):
    def main():
        try:
            send(signal.SIGTERM)
        finally:
            send(signal.SIGTERM)
            (tmp_path / "cleared").touch()

    assert exit_code_of(main) == 130 and (tmp_path / "cleared").exists()


def test_a_signal_is_heeded_again_when_the_first_was_swallowed(monkeypatch):
    monkeypatch.setattr(cohort.stop_signals, "PATIENCE_S", 0.0)
    heard = []

    def main():
        for _ in range(2):
            try:
                send(signal.SIGTERM)
            except KeyboardInterrupt:
                heard.append(1)

    assert exit_code_of(main) == 0 and len(heard) == 2


def input_error():
    raise InputError("file", "is broken", "mend it")


@pytest.mark.parametrize(("main", "code"), [(lambda: None, 0), (input_error, 2)])
def test_a_signal_that_comes_when_the_exit_code_is_decided_changes_nothing(monkeypatch, main, code):
    leave = cohort.stop_signals.StopSignals.__exit__

    def hit_on_leaving(self, *told):
        send(signal.SIGTERM)
        return leave(self, *told)

    monkeypatch.setattr(cohort.stop_signals.StopSignals, "__exit__", hit_on_leaving)
    assert exit_code_of(main) == code


def test_a_signal_while_a_refusal_is_told_stops_as_any_does(monkeypatch, capsys):
    monkeypatch.setattr(InputError, "__str__", lambda error: send(signal.SIGTERM))
    assert exit_code_of(input_error) == 130 and capsys.readouterr().err == STOPPED


@pytest.mark.parametrize("other", [RuntimeError("a worker is gone"), InputError("file", "is broken", "mend it")])
def test_an_interruption_that_comes_out_as_another_error_is_one_still(capsys, other):
    def main():
        try:
            send(signal.SIGTERM)
        except KeyboardInterrupt:
            raise other from None

    assert exit_code_of(main) == 130 and capsys.readouterr().err == STOPPED


def test_what_a_command_was_started_to_ignore_it_ignores():
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        assert exit_code_of(lambda: send(signal.SIGHUP)) == 0
    finally:
        signal.signal(signal.SIGHUP, before)


def test_a_fault_of_ours_is_no_stop_and_has_its_traceback():
    """Python itself then ends with 1."""

    def main():
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        exit_code_of(main)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("whom", ["the process", "its group"])
def test_worker_processes_end_with_the_command_and_say_nothing(tmp_path, number, whom):
    """Slurm and a terminal tell every process; `kill` tells one."""
    script = tmp_path / "reading.py"
    script.write_text(READING)
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    options = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, "start_new_session": True}
    started = subprocess.Popen([sys.executable, script], env=environment, **options)
    started.stdout.readline()
    children = Path(f"/proc/{started.pid}/task/{started.pid}/children")
    while len(children.read_text().split()) < 2:  # the resource tracker and a worker, which may be importing yet
        time.sleep(0.05)
    (os.kill if whom == "the process" else os.killpg)(started.pid, number)
    _, said = started.communicate(timeout=60)
    assert (started.returncode, said) == (130, STOPPED)
    until = time.monotonic() + 20  # a worker sees that its parent is gone, and ends by itself
    while living(started.pid) and time.monotonic() < until:
        time.sleep(0.05)
    assert living(started.pid) == []


def test_a_pool_s_thread_that_fails_a_cancelled_job_says_nothing_and_other_threads_do(monkeypatch):
    """Both happen at once where a whole group of processes is stopped."""
    told = []
    monkeypatch.setattr(threading, "excepthook", lambda of: told.append(of.exc_type))
    usual = threading.excepthook

    def failing(fault: type[Exception]) -> None:
        def run() -> None:
            raise fault("told")

        thread = threading.Thread(target=run)
        thread.start()
        thread.join()

    with process_pool(1):
        failing(InvalidStateError)
        failing(ZeroDivisionError)
    assert told == [ZeroDivisionError] and threading.excepthook is usual
