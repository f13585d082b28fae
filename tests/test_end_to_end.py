"""The whole path on a few phantom patients: files -> trainings of two steps -> pseudo-MRI -> numbers."""

import hashlib
import importlib
import json
import sys
from dataclasses import asdict

import nibabel
import numpy as np
import pytest
import torch
from accelerate import Accelerator
from PIL import Image

from cohort.cine import CineStack, write_nifti
from cohort.errors import exit_code_of
from cohort.heart_grid import GridGeometry, canonical_affine
from cohort.phenotypes import PHENOTYPES
from cohort.prepared import Preparation, prepare_cohort
from phantom.cohort_plan import CohortPlan
from phantom.cohort_writer import FIRST_EID, ecg_path, write_cohort
from sampling.pipeline import weights_sha256
from tests.short_training import shorten
from training.options import DiffusionOptions, StageSteps
from training.stages import Training, segmenter_stage

GEOMETRY = GridGeometry(slices=3, phases=2, height=32, width=32, slice_step_mm=30.0, pixel_mm=5.4)
ON_THE_GRID = [f"--geometry.{name.replace('_', '-')}={value}" for name, value in asdict(GEOMETRY).items()]


@pytest.fixture(scope="module")
def shell(tmp_path_factory, phantom_data):
    """Run a script in one folder, as a user does in the repository; returns a function that does it."""
    patch = pytest.MonkeyPatch()
    folder = tmp_path_factory.mktemp("checkout")
    patch.chdir(folder)
    shorten(patch)

    def run(script, *arguments, grid=False):
        words = [f"{script}.py", *map(str, arguments), *(ON_THE_GRID if grid else ())]
        patch.setattr(sys, "argv", words)
        assert exit_code_of(importlib.import_module(script).main) == 0, words
        return folder

    yield run
    patch.undo()


def weights(folder):
    """sha256 of every file of weights, by its path in the folder."""
    files = sorted(folder.rglob("*.safetensors"))
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


MADE_BY = {"configuration_sha256", "code_version"}
STAGES = [f"--stage-steps.{stage}=2" for stage in ("autoencoder", "segmenter", "ceiling", "condition", "prior")]
THIS_ONE = ("--pipeline", "runs/diffusion/pipeline")  # a toy, which sample.py takes only if it is named
TRAIN_DIFFUSION = ("--steps", 2, *STAGES, "--hearts-per-batch", 4, "--preset", "nano")


@pytest.fixture(scope="module")
def trained(shell, phantom_data):
    """The working folder after the three trainings."""
    shell("train_autoencoder", "--data", phantom_data, "--steps", 2, "--batch-size", 4, "--preset", "nano", grid=True)
    shell("train_segmenter", "--data", phantom_data, "--steps", 2, "--batch-size", 4, grid=True)
    return shell("train_diffusion", "--data", phantom_data, *TRAIN_DIFFUSION, grid=True)


@pytest.fixture(scope="module")
def sampled(shell, trained, phantom_data):
    """The folder of one patient of the test split, two samples."""
    options = ("--samples", 2, "--steps", 2, "--mri", phantom_data, *THIS_ONE)
    shell("sample", "--ecg", ecg_path(phantom_data, 0), *options)
    return trained / "out" / ecg_path(phantom_data, 0).stem


def test_trainings_leave_what_the_next_step_reads(trained):
    runs = trained / "runs"
    assert (runs / "autoencoder" / "model" / "config.json").exists()
    assert (runs / "segmenter" / "model" / "config.json").exists()
    assert (runs / "diffusion" / "pipeline" / "model_index.json").exists()
    assert list((runs / "diffusion" / "samples").glob("*.png"))
    assert len([path for path in (runs / "prepared").iterdir() if path.is_dir()]) == 1  # read once, for all three
    report = json.loads((runs / "autoencoder" / "report.json").read_text())
    assert report["psnr_db"] > 0 and report["patch_pca_psnr_db"] > 0
    metrics = [json.loads(line) for line in (runs / "diffusion" / "metrics.jsonl").read_text().splitlines()]
    assert any("flow_loss" in line for line in metrics) and any("validation_flow_loss" in line for line in metrics)


def test_the_segmenter_does_not_hang_on_what_was_drawn_before_it(prepared, tmp_path):
    """A training killed between autoencoder and segmenter must end in the bits of one that was left alone."""
    learned = []
    for drawn in (1, 2):
        torch.manual_seed(drawn)
        options = DiffusionOptions(segmenter=tmp_path / str(drawn), stage_steps=StageSteps(segmenter=1))
        segmenter_stage(Training(options, Accelerator(cpu=True), prepared))
        learned.append(weights(tmp_path / str(drawn) / "model"))
    assert learned[0] == learned[1]


def test_a_pseudo_mri_is_a_readable_nifti_in_millimetres(sampled):
    for place in (sampled, sampled / "sample_2"):
        for name in ("sa_ED", "sa_ES"):
            image = nibabel.load(place / f"{name}.nii.gz")
            assert image.shape[:3] == (32, 32, 3)
            np.testing.assert_allclose(image.header.get_zooms()[:3], (5.4, 5.4, 30.0), atol=1e-3)
            assert image.header.get_xyzt_units()[0] == "mm"
            assert np.isfinite(image.get_fdata()).all()


def test_the_record_says_how_the_heart_was_made(sampled, trained):
    record = json.loads((sampled / "heart.json").read_text())
    assert "not for diagnosis" in record["note"].lower()
    assert record["steps"] == 2 and record["samples"] == 2 and record["seed"] == 0
    assert len(record["weights_sha256"]) == 64 and isinstance(record["warnings"], list)
    assert str(trained) not in json.dumps(record)  # no path of this machine


def test_the_picture_has_the_true_heart_above_the_generated_ones(sampled):
    with Image.open(sampled / "grid.png") as image:
        assert image.size[0] >= 3 * 32 and image.size[1] >= 3 * 2 * 32


@pytest.fixture(scope="module")
def unseen_data(tmp_path_factory):
    """Four people of another cohort."""
    folder = tmp_path_factory.mktemp("unseen") / "UKBB"
    write_cohort(folder, CohortPlan(seed=5, subjects=4), processes=1)
    return folder


def test_evaluation_writes_its_report_and_page_and_goes_on_where_it_was(shell, trained, phantom_data, unseen_data):
    evaluate = ("--data", unseen_data, "--training-data", phantom_data, "--samples", 2, "--steps", 1)
    shell("evaluate_samples", *evaluate, "--subjects", 4)
    (folder,) = (trained / "report" / "diffusion").iterdir()
    assert sorted(path.name for path in folder.glob("[!.]*")) == ["report.html", "report.json"]
    report = json.loads((folder / "report.json").read_text())
    assert folder.name == report["cohort"]
    assert report["n_subjects"] == 4 and report["n_samples"] == 2
    assert report.keys() >= MADE_BY | {"seed", "weights_sha256"}
    for table in ("agreement", "ceiling", "coverage", "measured_on_true_hearts"):
        assert set(report[table]) == set(PHENOTYPES), table
    assert set(report["information_kept"]) == set(PHENOTYPES)
    controls = {"shuffled_ecg", "person_only", "ecg_only", "population", "mean_heart", "retrieval", "own_ecg"}
    assert set(report["controls"]) == controls
    assert {"fid", "fid_real", "classifier_auc", "ssim", "ssim_mean_heart"} <= set(report["realism"])
    assert "fraction" in report["memorisation"] and "median_percentile" in report["retrieval"]
    assert len(report["agreement"]["LVEDV"]["r2_ci"]) == 2 and "dice" in report["segmenter"]["lv_cavity"]
    page = (folder / "report.html").read_text()
    assert 'src="data:image/png' in page
    assert "http" not in page.replace("http://www.w3.org", "").replace("http-equiv", "")
    card = (trained / "runs" / "diffusion" / "pipeline" / "README.md").read_text()
    assert "None has been measured yet" not in card
    private = trained / "runs" / "prepared" / folder.name
    kept = {path: path.stat().st_mtime_ns for path in private.rglob("measured-*/*/*.npz")}
    assert len(kept) == 4 * 7 and not [path for path in kept if path.stat().st_mode & 0o077]
    shell("evaluate_samples", *evaluate, "--subjects", 4, "--group-readable")
    assert kept == {path: path.stat().st_mtime_ns for path in private.rglob("measured-*/*/*.npz")}
    assert all(path.stat().st_mode & 0o777 == 0o640 for path in kept)


def test_every_record_carries_seed_configuration_weights_and_code(trained, sampled, phantom_data):
    """So that any heart or number can be traced back to what made it."""
    runs = trained / "runs"
    stages = (f"diffusion/{stage}" for stage in ("ceiling", "condition", "prior"))
    for stage in ("autoencoder", "segmenter", "diffusion", *stages):
        made = json.loads((runs / stage / "environment.json").read_text())
        assert "seed" in json.loads((runs / stage / "config.json").read_text()), stage
        assert len(made["configuration_sha256"]) == 64 and made["code_version"], stage
    assert json.loads((sampled / "heart.json").read_text()).keys() >= MADE_BY | {"seed", "weights_sha256"}
    about = json.loads((runs / "diffusion" / "pipeline" / "training.json").read_text())
    assert about.keys() >= MADE_BY | {"seed"} and about["phantom_version"] == 2
    assert set(about["validation"]["ceiling_r2"]) == set(PHENOTYPES)
    assert about["validation"]["autoencoder"] == json.loads((runs / "autoencoder" / "report.json").read_text())
    card = (runs / "diffusion" / "pipeline" / "README.md").read_text()
    told = [about["configuration_sha256"], about["code_version"], weights_sha256(runs / "diffusion" / "pipeline")]
    assert all(word in card for word in told) and "- seed: 0" in card
    for record in (*(runs / "prepared").glob("*/prepared.json"), phantom_data / "cohort.json"):
        assert json.loads(record.read_text()).keys() >= MADE_BY


def test_hearts_already_sampled_are_measured_without_controls(shell, trained, phantom_data, unseen_data):
    shell("sample", "--ecg", unseen_data / "ecg", "--samples", 1, "--steps", 1, "--output", "hearts", *THIS_ONE)
    options = ("--hearts", "hearts", "--split", "all", "--samples", 1, "--output", "report_of_hearts")
    shell("evaluate_samples", "--data", unseen_data, "--training-data", phantom_data, *options)
    report = json.loads((trained / "report_of_hearts" / "report.json").read_text())
    assert "shuffled_ecg" not in report["controls"] and "mean_heart" in report["controls"]
    assert str(FIRST_EID) not in (trained / "report_of_hearts" / "report.html").read_text()


def test_another_segmenters_label_maps_take_the_place_of_our_own(shell, trained, unseen_data, phantom_data, tmp_path):
    """Label maps of the true hearts, in ACDC's numbering, replace those of the generated hearts and score as truth."""
    cohort = prepare_cohort(unseen_data, trained / "runs" / "prepared", Preparation(GEOMETRY), quiet=True)
    affine = canonical_affine(GEOMETRY)
    shell("sample", "--ecg", unseen_data / "ecg", "--samples", 1, "--steps", 1, "--output", "hearts", *THIS_ONE)
    for row, eid in enumerate(cohort.eid):
        folder = tmp_path / f"{eid}_20205_2_0"
        folder.mkdir()
        acdc = np.array([0, 3, 2, 1], np.int16)[cohort.labels[row]]
        for phase, name in enumerate(("ED", "ES")):
            voxels = acdc[:, phase : phase + 1].transpose(3, 2, 0, 1)
            write_nifti(folder / f"seg_sa_{name}.nii.gz", CineStack(voxels, affine, None))
    options = ("--hearts", "hearts", "--labels", tmp_path, "--split", "all", "--samples", 1, "--output", "by_labels")
    shell("evaluate_samples", "--data", unseen_data, "--training-data", phantom_data, *options)
    report = json.loads((trained / "by_labels" / "report.json").read_text())
    assert report["agreement"]["wall_septal"]["mae"] < 1e-3  # known from the same label maps
    assert report["agreement"]["LVEDV"]["r"] > 0.8  # drawn numbers, on a grid of three slices


def test_people_the_pipeline_was_trained_on_are_not_measured(trained, phantom_data, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["evaluate_samples.py", "--data", str(phantom_data), "--split", "all"])
    assert exit_code_of(importlib.import_module("evaluate_samples").main) == 2
    assert "was trained on" in capsys.readouterr().err


def test_a_sampled_patient_is_told_phenotypes_with_intervals_however_few_hearts_were_drawn(sampled):
    record = json.loads((sampled / "heart.json").read_text())
    assert set(record["phenotypes"]) == set(PHENOTYPES)
    measured = record["phenotypes"]["LVEDV"]
    low, high = measured["interval_90"]
    assert low < measured["mean"] < high and measured["sd"] > 0 and measured["told_by"] == "heart codes"
    assert len(measured["drawn"]["values"]) == 2
    assert (sampled / "sd_ED.nii.gz").exists()


def test_the_same_command_again_has_nothing_to_do_and_changes_nothing(shell, trained, phantom_data):
    def state():
        files = [path for path in (trained / "runs").rglob("*") if path.is_file()]
        return {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in files}

    before = state()
    shell("train_diffusion", "--data", phantom_data, *TRAIN_DIFFUSION, grid=True)
    assert state() == before
    pipeline, generator = trained / "runs" / "diffusion" / "pipeline", {"prior", "denoiser", "autoencoder"}
    parts = {name.rpartition("/")[0] for name in weights(pipeline)}
    regressors = {"ecg_encoder", "conditioner", "ceiling/ecg_encoder", "ceiling/conditioner"}
    assert parts == regressors | generator | {"correction", "components", "segmenter"}
    assert len(weights(pipeline)) == len(parts)


def test_what_a_run_must_agree_with_is_the_same_in_every_process(trained):
    """diffusers lists the options left at their default in the order of a set, which differs between processes."""
    for run in ("autoencoder", "segmenter", "diffusion"):
        config = json.loads((trained / "runs" / run / "config.json").read_text())
        assert config and not [name for name in config if name.startswith("_")]


def test_another_configuration_in_the_same_folder_is_refused(trained, phantom_data, monkeypatch, capsys):
    options = ["--data", str(phantom_data), "--steps", "2", "--batch-size", "5"]
    monkeypatch.setattr(sys, "argv", ["train_segmenter.py", *options, *ON_THE_GRID])
    assert exit_code_of(importlib.import_module("train_segmenter").main) == 2
    error = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error: ")]
    assert len(error) == 1 and "batch was 4, is 5" in error[0] and "--output" in error[0]


def test_the_same_seed_trains_the_same_weights(shell, trained, phantom_data):
    shell("train_diffusion", "--data", phantom_data, *TRAIN_DIFFUSION, "--output", "runs/again", grid=True)
    first, again = (trained / "runs" / name / "pipeline" for name in ("diffusion", "again"))
    assert weights(again) == weights(first)


def test_samples_are_the_same_bytes_next_time_and_among_others(shell, trained, sampled, phantom_data):
    options = ("--samples", 2, "--steps", 2, "--pipeline", "runs/diffusion/pipeline", "--output", "second")
    shell("sample", "--ecg", ecg_path(phantom_data, 0), *options)
    name = sampled.name
    for file in ("sa_ED.nii.gz", "sa_ES.nii.gz", "sample_2/sa_ED.nii.gz"):
        assert (trained / "second" / name / file).read_bytes() == (sampled / file).read_bytes()


def test_diffusion_trains_an_autoencoder_where_there_is_none(shell, phantom_data, capsys):
    places = ("--output", "fresh/diffusion", "--autoencoder", "fresh/autoencoder", "--segmenter", "fresh/segmenter")
    folder = shell("train_diffusion", "--data", phantom_data, *TRAIN_DIFFUSION, *places, grid=True)
    assert "training one first" in capsys.readouterr().out
    assert (folder / "fresh" / "autoencoder" / "model").is_dir()
    assert (folder / "fresh" / "diffusion" / "pipeline" / "model_index.json").exists()
    assert str(FIRST_EID) not in (folder / "fresh" / "diffusion" / "config.json").read_text()
    before = weights(folder / "fresh")
    for script in ("train_segmenter", "train_autoencoder"):  # the same recipe: nothing is left to do
        sizes = ("--steps", 2, "--output", f"fresh/{script.removeprefix('train_')}")
        preset = ("--preset", "nano") if script == "train_autoencoder" else ()
        shell(script, "--data", phantom_data, *sizes, *preset, grid=True)
    assert weights(folder / "fresh") == before
