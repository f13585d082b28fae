"""What sample.py is told changes the heart it makes, and what a pipeline has learned of its intervals widens them."""

import importlib
import shutil
import sys

import numpy as np
import pytest
import torch

from cohort.cine import read_nifti
from cohort.errors import exit_code_of
from cohort.phenotypes import PHENOTYPES
from evaluation.heart_sampler import HeartSampler
from models.segmenter import Segmenter
from phantom.cohort_writer import FIRST_EID, ecg_path
from sampling.measured_phenotypes import measured_phenotypes
from sampling.segmentation import segment

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


class Shrinks:
    """A segmenter to which the brightness of a heart is the size of its cavity."""

    device = torch.device("cpu")

    def logits_and_features(self, slices):
        n, _, height, width = slices.shape
        row, column = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
        radius = ((row - height / 2) ** 2 + (column - width / 2) ** 2).sqrt()
        labels = (radius < width / 2 * slices.mean(dim=(1, 2, 3)).view(-1, 1, 1)).long()
        return torch.nn.functional.one_hot(labels, 4).movedim(-1, 1).float(), torch.zeros(n, 1)


def measured(hearts, pipeline, factors):
    """What a patient is told of LVEDV."""
    sampler = HeartSampler(None, pipeline, Shrinks(), factors, {}, {}, None, False)
    return sampler.measure(hearts)[0]["LVEDV"]


def test_the_screen_says_who_measures_the_hearts(voxels, tmp_path, capsys):
    voxels()
    assert "holds no segmenter" in capsys.readouterr().out
    Segmenter((8, 16), trained_on="simulated").save_pretrained(tmp_path / "runs" / "tiny" / "pipeline" / "segmenter")
    voxels()
    assert "a segmenter that learned from simulated hearts only measures the hearts" in capsys.readouterr().out


def test_calibration_widens_what_is_said_of_a_patient_and_moves_it_nowhere(tiny_pipeline):
    hearts = np.linspace(0.6, 0.7, 5)[:, None, None, None, None] * np.ones((1, *tiny_pipeline.grid.shape))
    hearts[..., 0, 0] = 0  # a slice without contrast would be blank
    plain, widened = (measured(hearts, tiny_pipeline, factors) for factors in (None, np.full(len(PHENOTYPES), 2.0)))
    assert widened["mean"] == pytest.approx(plain["mean"]) and plain["sd"] > 1
    maps = [segment(Shrinks(), heart)[0] for heart in hearts]
    volumes = np.log([measured_phenotypes(labels, tiny_pipeline.grid)[PHENOTYPES.index("LVEDV")] for labels in maps])
    assert plain["sd"] == pytest.approx(np.exp(volumes).std(ddof=1))
    assert widened["sd"] == pytest.approx(np.exp(2 * volumes - volumes.mean()).std(ddof=1))
    for level in (50, 80, 90):  # about the same middle, and twice as wide, on the scale of volumes
        (low, high), (lower, higher) = (np.log(told[f"interval_{level}"]) for told in (plain, widened))
        assert lower + higher == pytest.approx(low + high)
        assert higher - lower == pytest.approx(2 * (high - low))
