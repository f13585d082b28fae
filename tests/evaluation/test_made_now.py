import sys
from datetime import date

from evaluation.record import made_now


def test_the_command_is_told_without_folders_that_may_name_people(monkeypatch):
    given = [
        "/home/jane doe/code/evaluate_samples.py",
        "--data",
        "/mnt/jane/UKBB",
        "--pipeline=~/runs/a b",
        "--samples",
    ]
    monkeypatch.setattr(sys, "argv", [*given, "4", "--output", "runs/new", "--hearts", "../../jane/out", "\x1b[31m"])
    made = made_now()
    assert made["date"] == date.today().isoformat()
    told = "python evaluate_samples.py --data UKBB '--pipeline=a b' --samples 4 --output runs/new --hearts out '?[31m'"
    assert made["command"] == told
