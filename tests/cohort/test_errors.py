"""The one error a user can act on is one line, and passes whole from a worker process to its parent."""

import os
import pickle
import subprocess
import sys
from pathlib import Path

import pytest

from cohort.cores import WAITING
from cohort.errors import InputError, exit_code_of

ROOT = Path(__file__).parents[2]


def test_it_is_one_line_that_a_terminal_can_print():
    error = InputError("a\x1b[2J.xml", "is\nbroken", "copy  it again")
    assert str(error) == "a?[2J.xml: is broken; copy it again" and error.code == "other"


def test_it_passes_from_process_to_process():
    error = InputError("a.xml", "empty", "copy it again", code="empty")
    passed = pickle.loads(pickle.dumps(error))
    assert str(passed) == str(error) and vars(passed) == vars(error)


@pytest.mark.parametrize(
    ("chosen", "policy"),
    [({}, "PASSIVE"), ({"OMP_WAIT_POLICY": "ACTIVE"}, "ACTIVE"), ({"GOMP_SPINCOUNT": "9"}, None)],
)
def test_threads_of_a_script_sleep_while_they_wait_unless_the_user_chose(monkeypatch, chosen, policy):
    for name in WAITING:
        monkeypatch.setenv(name, "")  # so that what the script sets is undone
        monkeypatch.delenv(name)
    for name, value in chosen.items():
        monkeypatch.setenv(name, value)
    seen = []
    assert exit_code_of(lambda: seen.append(os.environ.get("OMP_WAIT_POLICY"))) == 0
    assert seen == [policy]


def test_every_script_sets_how_threads_wait_before_it_imports_torch(tmp_path):
    """OpenMP reads the variable once, when torch brings it in."""
    script = "import sys, {}; print('torch' in sys.modules)"
    names = (path.stem for path in ROOT.glob("*.py"))
    for name in names:
        said = subprocess.run([sys.executable, "-c", script.format(name)], cwd=ROOT, capture_output=True, text=True)
        assert said.stdout == "False\n", (name, said.stderr)


def test_a_reader_who_leaves_early_sees_no_traceback():
    """As `head` does. The pipe's reading end is closed before anything is printed."""
    script = "import sys; from cohort.errors import exit_code_of; sys.exit(exit_code_of(lambda: print('x' * 100_000)))"
    read, write = os.pipe()
    os.close(read)
    said = subprocess.run([sys.executable, "-c", script], cwd=ROOT, stdout=write, stderr=subprocess.PIPE, text=True)
    os.close(write)
    assert (said.returncode, said.stderr) == (130, "")
