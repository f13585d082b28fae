"""The same seed gives the same heart in any batch, and the record says what made it.

The long form, with real processes: tests/torture/reproducible.py.
"""

import importlib
import json
import shutil
import sys

import numpy as np
import pytest

from cohort.cine import read_nifti
from cohort.errors import exit_code_of
from phantom.cohort_writer import ecg_path
from sampling.model_folder import configuration_sha256
from sampling.pipeline import ECGToMRIPipeline


@pytest.fixture
def sampled(monkeypatch, tmp_path, tiny_pipeline, phantom_data):
    """Run sample.py on three people, or some of them; returns the folder it wrote."""
    monkeypatch.chdir(tmp_path)
    tiny_pipeline.save(tmp_path / "runs" / "tiny" / "pipeline")
    main = importlib.import_module("sample").main

    def run(output, *options, people=(0, 1, 2)):
        (tmp_path / f"ecg_{output}").mkdir()
        for index in people:
            shutil.copy(ecg_path(phantom_data, index), tmp_path / f"ecg_{output}")
        words = ("--ecg", f"ecg_{output}", "--output", output, "--samples", 2, "--steps", 2, *options)
        monkeypatch.setattr(sys, "argv", ["sample.py", *map(str, words)])
        assert exit_code_of(main) == 0
        return tmp_path / output

    return run


def stacks(folder):
    return {str(p.relative_to(folder)): read_nifti(p).voxels for p in sorted(folder.rglob("sa_E*.nii.gz"))}


def records(folder):
    return {path.parent.name: json.loads(path.read_text()) for path in folder.glob("*/heart.json")}


def test_the_same_command_twice_writes_the_same_bytes(sampled):
    first, second = sampled("first"), sampled("second")
    names = sorted(str(path.relative_to(first)) for path in first.rglob("*") if path.is_file())
    assert len(names) > 20 and names == sorted(str(p.relative_to(second)) for p in second.rglob("*") if p.is_file())
    for name in names:
        assert (first / name).read_bytes() == (second / name).read_bytes(), name


def test_neither_batch_size_nor_company_changes_a_heart_by_more_than_rounding(sampled):
    """As with two processes, which share the patients: each patient is sampled among others."""
    reference = stacks(sampled("reference"))
    for output, options, people in (
        ("one", ("--batch-size", 1), (0, 1, 2)),
        ("two", ("--batch-size", 2), (0, 1, 2)),
        ("first_half", (), (0, 1)),
        ("second_half", (), (2,)),
    ):
        for name, voxels in stacks(sampled(output, *options, people=people)).items():
            assert np.abs(voxels.astype(int) - reference[name]).max() <= 1, (output, name)  # of 1000
    assert len(reference) == 3 * 2 * 2


def test_the_record_carries_seed_configuration_weights_and_code(sampled):
    for record in records(sampled("out", "--seed", 5)).values():
        assert record["seed"] == 5
        assert len(record["weights_sha256"]) == len(record["configuration_sha256"]) == len(record["input_sha256"]) == 64
        assert len(record["code_version"]) >= 12


def test_another_option_or_another_configuration_of_the_pipeline_has_another_hash(sampled, tmp_path):
    """Measured statistics (of latents, of people) are part of configurations, not of the weights."""
    before = records(sampled("before")).popitem()[1]
    other_seed = records(sampled("other_seed", "--seed", 1)).popitem()[1]
    path = tmp_path / "runs" / "tiny" / "pipeline" / "autoencoder" / "config.json"
    about = json.loads(path.read_text())
    path.write_text(json.dumps(about | {"latents_std": [1.5] * 4}))
    other_latents = records(sampled("other_latents")).popitem()[1]
    hashes = {record["configuration_sha256"] for record in (before, other_seed, other_latents)}
    assert len(hashes) == 3
    assert before["weights_sha256"] == other_seed["weights_sha256"] == other_latents["weights_sha256"]


def test_where_a_pipeline_lies_is_no_part_of_its_configuration(sampled, tmp_path):
    here = tmp_path / "runs" / "tiny" / "pipeline"
    shutil.copytree(here, tmp_path / "elsewhere" / "pipeline")
    options = {"seed": 0, "guidance_scale": 1.0}
    assert configuration_sha256(here, options) == configuration_sha256(tmp_path / "elsewhere" / "pipeline", options)
    assert configuration_sha256(here, options) != configuration_sha256(here, options | {"seed": 1})
    ECGToMRIPipeline.load(here).save(tmp_path / "again")
    assert configuration_sha256(tmp_path / "again", options) == configuration_sha256(here, options)
