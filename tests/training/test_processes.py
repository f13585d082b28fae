"""Trainings of several processes, killed and asked to stop: the torture scripts in their quickest form.

In a process of their own, for they fork, and a test's process has threads.
"""

import os
import subprocess
import sys
from pathlib import Path

TORTURE = Path(__file__).parents[1] / "torture"


def rows(script, *options):
    """The table's rows; every target must have been met."""
    command = [sys.executable, str(TORTURE / script), "--quick", *options]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, capture_output=True, text=True, timeout=600, env=environment)
    assert done.returncode == 0, done.stdout + done.stderr
    found = [line.split(" | ") for line in done.stdout.splitlines() if line.startswith("| ")]
    assert found and "missed" not in done.stdout
    return found


def test_a_killed_run_of_two_processes_ends_in_the_same_bits():
    ((_, what, _, reached),) = rows("kills.py", "--runs", "0", "1", "0", "0")
    assert "1 runs of 2 processes" in what and "1 of 1 equal" in reached


def test_all_processes_leave_together_with_a_checkpoint_and_none_outlives_another():
    found = rows("signals.py")
    assert sum(row[0] == "| B3" for row in found) == 5 and sum(row[0] == "| B4" for row in found) == 3
    assert all("all gone after" in row[-1] for row in found)
