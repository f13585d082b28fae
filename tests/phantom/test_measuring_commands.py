"""What the commands that measure the phantom refuse: one line, exit code 2, before anything is drawn."""

import sys

import pytest

from cohort.errors import exit_code_of
from phantom import calibration, image_likeness, likeness


@pytest.mark.parametrize(
    ("command", "options", "said"),
    [
        (calibration, ["--subjects", "0"], "--subjects"),
        (calibration, ["--subjects", "2", "--preview", "{folder}/absent/sheet.png"], "its folder does not exist"),
        (calibration, ["--subjects", "2", "--preview", "{folder}/sheet.jpg"], "is no name of a PNG"),
        (image_likeness, ["--real", "{folder}"], "sa.nii.gz"),
        (likeness, ["--real", "{folder}"], "holds too few ECGs to compare"),
        (likeness, ["--real", "{folder}", "--subjects", "1"], "--subjects"),
    ],
)
def test_what_cannot_be_measured_is_refused_in_one_line(command, options, said, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["command", *(option.format(folder=tmp_path) for option in options)])
    assert exit_code_of(command.main) == 2
    error = capsys.readouterr().err
    assert said in error and error.count("\n") == 1
