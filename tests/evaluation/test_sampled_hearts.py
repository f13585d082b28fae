"""What sample.py is told changes the heart it makes, and the screen says who measures it."""

import importlib
import shutil
import sys

import numpy as np
import pytest

from cohort.cine import read_nifti
from cohort.errors import exit_code_of
from models.segmenter import Segmenter
from phantom.cohort_writer import FIRST_EID, ecg_path

sample = importlib.import_module("sample")


@pytest.fixture
def voxels(monkeypatch, tmp_path, tiny_pipeline, phantom_data):
    """Of one patient at ED, made by sample.py with these options."""
    monkeypatch.chdir(tmp_path)
    tiny_pipeline.save(tmp_path / "runs" / "tiny" / "pipeline")

    def voxels(*options):
        words = ("--ecg", ecg_path(phantom_data, 0), "--samples", 1, "--output", "out", *options)
        shutil.rmtree(tmp_path / "out", ignore_errors=True)
        monkeypatch.setattr(sys, "argv", ["sample.py", *map(str, words)])
        assert exit_code_of(sample.main) == 0
        return read_nifti(next((tmp_path / "out").glob("*/sa_ED.nii.gz"))).voxels.astype(int)

    return voxels


def test_every_option_that_is_recorded_changes_the_heart(voxels, tmp_path):
    (tmp_path / "persons.csv").write_text(f"eid,sex,age,height_cm,weight_kg\n{FIRST_EID},0,90,150,140\n")
    usual = voxels("--steps", 2)
    for option, value in {
        "--seed": 1,
        "--guidance-scale": 3.0,
        "--steps": 3,
        "--scheduler": "DDIMScheduler",
        "--persons": "persons.csv",
    }.items():
        other = voxels("--steps", 2, option, value)
        assert np.abs(other - usual).max() > 1, option  # of 1000
    np.testing.assert_array_equal(voxels("--steps", 2), usual)


def test_the_screen_says_who_measures_the_hearts(voxels, tmp_path, capsys):
    voxels()
    assert "holds no segmenter" in capsys.readouterr().out
    Segmenter((8, 16), trained_on="simulated").save_pretrained(tmp_path / "runs" / "tiny" / "pipeline" / "segmenter")
    voxels()
    assert "a segmenter that learned from simulated hearts only measures the hearts" in capsys.readouterr().out
