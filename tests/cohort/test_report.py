"""The report counts, names reasons, and its exit code tells a script what to do."""

import subprocess
import sys
from pathlib import Path

import pytest

from cohort.errors import InputError
from cohort.report import report
from tests.cohort.test_subjects import FIRST, touch


def run(data: Path) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "cohort.report", "--data", str(data)]
    return subprocess.run(command, capture_output=True, text=True, cwd=Path(__file__).parents[2])


def whole_cohort(root: Path, count: int) -> Path:
    for eid in range(FIRST, FIRST + count):
        touch(root, f"ecg/{eid}_20205_2_0.xml", f"NIFTI/{eid}/sa.nii.gz")
    return root


def test_counts_add_up_and_reasons_come_most_frequent_first(tmp_path):
    whole_cohort(tmp_path, 30)
    touch(tmp_path, *(f"ecg/{FIRST + 100 + i}_20205_2_0.xml" for i in range(7)), f"NIFTI/{FIRST + 200}/sa.nii.gz")
    found = report(tmp_path)
    assert (found.complete, found.people, sum(found.splits.values())) == (30, 30, 30)
    assert {reason: len(who) for reason, who in found.missing.items()} == {
        "no short-axis MRI": 7,
        "no ECG at instance 2": 1,
    }
    assert next(iter(found.missing)) == "no short-axis MRI"
    assert f"7  no short-axis MRI: {FIRST + 100}_2," in str(found) and ", ..." in str(found)
    assert not found.clean


def test_nothing_to_report_on_is_an_input_error(tmp_path):
    with pytest.raises(InputError, match="make_phantom"):
        report(tmp_path / "absent")


def test_exit_codes(tmp_path):
    clean = run(whole_cohort(tmp_path / "clean", 2))
    assert (clean.returncode, clean.stderr) == (0, "") and "2 complete subjects" in clean.stdout
    found = run(touch(whole_cohort(tmp_path / "found", 2), "ecg/notes.txt"))
    assert found.returncode == 1 and "1  files or folders" in found.stdout
    absent = run(tmp_path / "absent")
    assert absent.returncode == 2 and absent.stderr.startswith("error: ") and absent.stderr.count("\n") == 1
