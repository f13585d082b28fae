"""From UK Biobank's zips and its own table to the proof, without a hand-made step and without a label map."""

import importlib
import json
import os
import re
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest

from cohort.errors import exit_code_of
from cohort.heart_grid import GridGeometry
from cohort.subjects import split_of
from phantom.cohort_folders import ecg_folder, ecg_path
from phantom.cohort_plan import CohortPlan
from phantom.cohort_writer import FIRST_EID, write_cohort
from phantom.download import CUT_ZIP, EMPTY_ECG, LACKS_FRAME, NO_ECG, TWICE, TWICE_BY_ECG, WITHDREW, as_downloaded
from tests.short_training import shorten

ROOT = Path(__file__).parents[1]
DEMO_SHOWN = re.search("^UKB_SHOWN := (.*)", (ROOT / "Makefile").read_text(), re.MULTILINE)[1].split()
PRETENDS = """#!/bin/sh
echo "$1" >> "$SAID"
case "$1" in sample.py) exit $CODE;; esac
"""  # an interpreter that says what it is to run, and ends sampling with a code
GEOMETRY = GridGeometry(slices=4, phases=2, height=64, width=64, slice_step_mm=20.0)  # pixels as the segmenter knows
ON_THE_GRID = [f"--geometry.{name.replace('_', '-')}={value}" for name, value in asdict(GEOMETRY).items()]
PEOPLE = 14
STAGES = [f"--stage-steps.{stage}=1" for stage in ("autoencoder", "segmenter", "ceiling", "condition", "prior")]
USABLE = {FIRST_EID + index for index in range(PEOPLE)} - {
    FIRST_EID + index for index in (NO_ECG, EMPTY_ECG, CUT_ZIP, *WITHDREW)
}


def prepared_in(folder):
    """The one cohort that was prepared in a working folder, its parts aside."""
    folders = (path for path in (folder / "runs" / "prepared").iterdir() if path.is_dir())
    (whole,) = (path for path in folders if "-part-" not in path.name)
    return whole


def downloaded(folder, seed, people):
    write_cohort(folder, CohortPlan(seed, people, frames=6, dicom=True, platform=True), processes=1)
    as_downloaded(folder)
    return folder


@pytest.fixture(scope="module")
def command(tmp_path_factory):
    """Run a script or module in one folder, which is returned; the exit code must be as told."""
    patch = pytest.MonkeyPatch()
    folder = tmp_path_factory.mktemp("road")
    patch.chdir(folder)
    shorten(patch)

    def run(name, *arguments, code=0):
        patch.setattr(sys, "argv", [name, *map(str, arguments)])
        module = importlib.import_module(name)
        main = module.main if "." not in name else lambda: module.tyro.cli(module.main)
        assert exit_code_of(main) == code, arguments
        return folder

    yield run
    patch.undo()


@pytest.fixture(scope="module")
def download(command):
    """Fourteen phantoms as UK Biobank hands people out, some of them broken."""
    return downloaded(command("cohort.check_prepared", "nowhere", code=2) / "UKBB", seed=4, people=PEOPLE)


@pytest.fixture(scope="module")
def trained(command, download):
    for part in ("1/2", "2/2"):
        command("cohort.prepare", "--part", part, "--quiet", *ON_THE_GRID)
    command("cohort.prepare", "--join", 2, "--max-bad-fraction", 0.3, "--quiet", *ON_THE_GRID)
    lengths = ("--preset", "nano", "--steps", 1, *STAGES, "--hearts-per-batch", 4)
    return command("train_diffusion", "--max-bad-fraction", 0.3, *lengths, *ON_THE_GRID)


def test_the_data_doctor_names_who_is_broken_and_leaves_out_who_withdrew(command, download, capsys):
    command("cohort.report", "--data", download)
    said = capsys.readouterr().out
    for index, fault in ((EMPTY_ECG, "ecg_empty"), (CUT_ZIP, "mri_truncated"), (NO_ECG, "visit_no_ecg")):
        assert any(fault in line and f"{FIRST_EID + index}_2" in line for line in said.splitlines()), fault
    assert any("visit_no_mri" in line and f"{FIRST_EID + TWICE_BY_ECG}_3" in line for line in said.splitlines())
    assert "2 people who withdrew" in said and not any(f"{FIRST_EID + index}_" in said for index in WITHDREW)
    command("cohort.report", "--data", download, "--strict", code=2)


def test_who_is_sound_is_prepared_with_the_persons_of_the_export(trained):
    folder = prepared_in(trained)
    eid, instance, person = (np.load(folder / f"{name}.npy") for name in ("eid", "instance", "person"))
    assert set(eid.tolist()) == USABLE
    twice = np.flatnonzero(eid == FIRST_EID + TWICE)
    assert instance[twice].tolist() == [2, 3] and person[twice[1], 1] - person[twice[0], 1] == pytest.approx(3)
    assert np.isfinite(person).all() and (np.load(folder / "labels.npy") == 255).all()


def test_the_released_segmenter_measures_and_the_card_says_so(trained):
    pipeline = trained / "runs" / "diffusion" / "pipeline"
    assert (pipeline / "segmenter").is_dir() and (pipeline / "ceiling").is_dir()
    assert (
        "had no label map: a segmenter that learned from simulated hearts only" in (pipeline / "README.md").read_text()
    )


def test_sampling_the_bulk_folder_draws_the_true_heart_and_refuses_the_empty_file(command, trained, download):
    ecgs = ecg_folder(download, platform=True) / "90"
    options = ("--mri", download, "--pipeline", "runs/diffusion/pipeline", "--samples", 1, "--steps", 1)
    command("sample", "--ecg", ecgs, *options, code=2)
    refused = (trained / "out" / "refused.csv").read_text()
    assert "empty" in refused and "truncated zip" in refused and len(refused.splitlines()) == 3
    name = ecg_path(download, TWICE, True).stem
    record = json.loads((trained / "out" / name / "heart.json").read_text())
    assert record["beside_true_heart"] is True and "simulated hearts only" in record["measured_by"]


def test_the_proof_says_that_the_segmenter_is_its_truth(command, trained, tmp_path, capsys):
    unseen = downloaded(tmp_path / "unseen", seed=5, people=16)
    arguments = ("--data", unseen, "--pipeline", "runs/diffusion/pipeline", "--samples", 2, "--prepared", tmp_path)
    command("evaluate_samples", *arguments, "--steps", 1, "--controls", "shuffled_ecg")
    assert "no label map or table tells every phenotype of" in capsys.readouterr().out
    (path,) = (trained / "report").rglob("report.json")
    report = json.loads(path.read_text())
    assert report["true_hearts_measured"] == report["n_subjects"] > 0
    assert "and so were the true hearts" in path.with_name("report.html").read_text()


def test_a_cohort_that_was_changed_already_is_refused(command, download):
    command("phantom.download", download, code=2)


def test_a_zip_that_lacks_a_frame_is_read_and_told(trained):
    folder = prepared_in(trained)
    assert f"{FIRST_EID + LACKS_FRAME},2" in (folder / "notes.csv").read_text()
    assert "frame" in (folder / "notes.csv").read_text()


@pytest.mark.parametrize(("code", "goes_on"), [(0, True), (2, True), (130, False), (143, False)])
def test_the_demo_goes_on_after_a_refused_ecg_and_stops_when_it_is_stopped(tmp_path, code, goes_on):
    ecgs = tmp_path / "UKBB" / "Bulk" / "Electrocardiogram" / "Resting" / "90"
    ecgs.mkdir(parents=True)
    for path in (tmp_path / "UKBB" / "participant.csv", *(ecgs / f"{eid}_20205_2_0.xml" for eid in DEMO_SHOWN)):
        path.touch()
    for name in ("python", "accelerate"):
        (tmp_path / name).write_text(PRETENDS)
        (tmp_path / name).chmod(0o700)
    made = ["make", "-o", "install", "ukb-demo", f"BIN={tmp_path}", f"UKB={tmp_path}"]
    around = os.environ | {"CODE": str(code), "SAID": str(tmp_path / "said")}
    done = subprocess.run(made, cwd=ROOT, env=around, capture_output=True)
    assert ("evaluate_samples.py" in (tmp_path / "said").read_text().split()) == (done.returncode == 0) == goes_on


def test_the_demo_draws_hearts_of_people_who_taught_nothing_and_refuses_an_empty_ecg():
    empty, *shown = map(int, DEMO_SHOWN)
    assert empty == FIRST_EID + EMPTY_ECG and 2 <= len(shown) <= 8 and {split_of(eid) for eid in shown} == {"test"}
