"""Fixtures shared by the rooms: a small phantom cohort, tiny networks, and the folder of real files, if it is here."""

import gc
import os
from dataclasses import asdict
from pathlib import Path

import pytest
import torch

from cohort.beat import NUMBERS
from cohort.beat_clock import ES_PLACE
from cohort.heart_grid import GridGeometry
from cohort.prepared import Preparation, prepare_cohort
from models.autoencoder import SliceAutoencoder
from models.conditioning import HeartConditioner
from models.denoiser import HeartDenoiser
from models.ecg_encoder import ECGEncoder
from models.heart_motion import HeartMotion
from models.heart_prior import HeartPrior
from models.presets import Preset
from phantom.cohort_plan import CohortPlan
from phantom.cohort_writer import write_cohort
from sampling.pipeline import ECGToMRIPipeline
from sampling.schedulers import DEFAULT_SCHEDULER, make_scheduler

# Coarse, so that tests take seconds of one core, and still a whole heart: 3 slices of 32 x 32, 4 x 4 latents.
GEOMETRY = GridGeometry(slices=3, phases=2, height=32, width=32, slice_step_mm=30.0, pixel_mm=5.4)
SUBJECTS = 18  # the smallest such cohort with two people each in validation and test


def pytest_collection_finish():
    """Thousands of tests and all they import stay to the end: the garbage collector need not look at them each time."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session")
def real_files() -> Path:
    """The folder of real ECGs and a real cine; tests that need it are marked `real`."""
    folder = Path(os.environ.get("REAL_FILES", Path(__file__).parents[2] / "shared" / "real"))
    if not folder.is_dir():
        pytest.skip(f"no real files at {folder}; set REAL_FILES to try the code on them")
    return folder


@pytest.fixture(scope="session")
def geometry() -> GridGeometry:
    return GEOMETRY


@pytest.fixture(scope="session")
def phantom_data(tmp_path_factory) -> Path:
    """A cohort on disk in UK Biobank's formats; tests must not write to it."""
    folder = tmp_path_factory.mktemp("phantom") / "UKBB"
    write_cohort(folder, CohortPlan(seed=3, subjects=SUBJECTS), processes=1)
    return folder


@pytest.fixture(scope="session")
def prepared_folder(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("prepared")


@pytest.fixture(scope="session")
def prepared(phantom_data, prepared_folder):
    """The same cohort as arrays (cohort.prepared.PreparedCohort)."""
    return prepare_cohort(phantom_data, prepared_folder, Preparation(GEOMETRY), quiet=True)


@pytest.fixture(scope="session")
def tiny_preset():
    return Preset(
        denoiser_widths=(32, 64), denoiser_layers=1, ecg_width=32, ecg_layers=1, ecg_heads=4, autoencoder_width=8
    )


@pytest.fixture
def tiny_parts() -> dict:
    """Fresh untrained networks in eval mode, the same at every call."""
    torch.manual_seed(0)
    conditioner = HeartConditioner(width=32, components=3)
    parts = {
        "ecg_encoder": ECGEncoder(width=32, layers=1, heads=4),
        "conditioner": conditioner,
        "prior": HeartPrior(conditioner.code_length, conditioner.summary_length, width=16, blocks=1),
        "denoiser": HeartDenoiser(4, (4, 4), 32, conditioner.condition_length, widths=(32, 64)),
        "autoencoder": SliceAutoencoder(width=8, latent_channels=4),
    }
    parts["autoencoder"].set_latent_statistics(torch.zeros(4), torch.ones(4))
    return {name: part.eval() for name, part in parts.items()}


@pytest.fixture
def tiny_pipeline(tiny_parts):
    """An untrained pipeline whose parts are the tiny ones."""
    pipeline = ECGToMRIPipeline(
        **tiny_parts,
        scheduler=make_scheduler(DEFAULT_SCHEDULER),
        geometry=asdict(GEOMETRY),
        ecg_limits=[[0.0, 20.0]] * 12,
        trained_on="simulated",
    )
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


@pytest.fixture
def beating_pipeline(tiny_parts):
    """An untrained pipeline of tiny parts whose hearts beat: it cross-fades, ES at 0.36 of the cycle on average."""
    torch.manual_seed(0)
    names = ("ES_share", "curve_1", *(name for name in NUMBERS if name != "ES_share"))
    mean, spread = [0.36, 0.0, *[0.5] * (len(names) - 2)], [0.04, 1.0, *[0.1] * (len(names) - 2)]
    conditioner = HeartConditioner(width=32, components=3, motion=names, motion_mean=mean, motion_std=spread)
    curve = [abs(1 - k / 4) if k < 4 else min(1, (k - 4) / 4) for k in range(10)]
    motion = HeartMotion(4, names, ES_PLACE, curve, [[0, 0.1, 0, 0, 0, 0, 0.1, 0, 0, 0]], width=16)
    parts = tiny_parts | {
        "conditioner": conditioner,
        "prior": HeartPrior(conditioner.code_length, conditioner.summary_length, width=16, blocks=1),
        "denoiser": HeartDenoiser(4, (4, 4), 32, conditioner.condition_length, widths=(32, 64)),
        "motion": motion,
    }
    pipeline = ECGToMRIPipeline(
        **{name: part.eval() for name, part in parts.items()},
        scheduler=make_scheduler(DEFAULT_SCHEDULER),
        geometry=asdict(GEOMETRY),
        ecg_limits=[[0.0, 20.0]] * 12,
        trained_on="simulated",
    )
    pipeline.set_progress_bar_config(disable=True)
    return pipeline
