"""A pipeline that learns its heart codes anew: head and prior change, and nothing that draws a heart of a code."""

import json
import shutil
from dataclasses import asdict

import numpy as np
import pytest
import torch
from accelerate import Accelerator

from cohort.beat import NUMBERS
from cohort.beat_clock import ES_PLACE
from cohort.ecg_cohort import prepare_ecgs
from cohort.errors import InputError
from cohort.leakage import BEGAN_WITH
from cohort.phenotypes import PHENOTYPES
from models.autoencoder import SliceAutoencoder
from models.conditioning import HeartConditioner
from models.denoiser import HeartDenoiser
from models.ecg_encoder import ECGEncoder
from models.heart_motion import HeartMotion
from models.heart_prior import HeartPrior
from phantom.cohort_plan import CohortPlan
from phantom.cohort_writer import write_cohort
from sampling.model_card import write_model_card
from sampling.pipeline import PARTS, ECGToMRIPipeline
from sampling.schedulers import DEFAULT_SCHEDULER, make_scheduler
from tests.training.small_people import same_bits, weights
from training.fit_codes import Options, fit_codes, known_codes
from training.initial import opened_start
from training.latents import cohort_latents
from training.targets import heart_components

FACTS = {
    "name": "small",
    "data": {"cohort": "earlier", "people": {"train": 1, "validation": 1, "test": 1}, "phantom": True},
    "recipe": dict.fromkeys(("steps", "batch", "learning_rate", "seed", "code_version", "date"), 1),
}
MOTION = ("ES_share", "curve_1", *(name for name in NUMBERS if name != "ES_share"))
PARTS_KEPT = [part for part in PARTS if part not in ("conditioner", "prior")]


@pytest.fixture(scope="module")
def before(prepared, geometry, tmp_path_factory):
    """A pipeline of random weights, with its card, its calibration, and what its components mean."""
    torch.manual_seed(0)
    folder, numbers = tmp_path_factory.mktemp("before") / "pipeline", prepared.phenotypes
    autoencoder = SliceAutoencoder(width=8, latent_channels=4)
    autoencoder.set_latent_statistics(torch.zeros(4), torch.ones(4))
    mean, std = (tuple(map(float, value)) for value in (numbers.mean(0), numbers.std(0)))
    beat = {"motion": MOTION, "motion_mean": (0.0,) * len(MOTION), "motion_std": (1.0,) * len(MOTION)}
    conditioner = HeartConditioner(
        width=32, phenotypes=PHENOTYPES, components=3, phenotype_mean=mean, phenotype_std=std, **beat
    )
    motion = HeartMotion(4, MOTION, ES_PLACE, [1.0, 0.5, 0.0, 0.5, 1.0], [[0, 0.1, 0, 0.1, 0]], width=16)
    pipeline = ECGToMRIPipeline(
        ECGEncoder(width=32, layers=1, heads=4),
        conditioner,
        HeartPrior(conditioner.code_length, conditioner.summary_length),
        HeartDenoiser(4, (4, 4), 32, conditioner.condition_length, widths=(32, 64)),
        autoencoder,
        make_scheduler(DEFAULT_SCHEDULER),
        geometry=asdict(geometry),
        ecg_limits=[[0.0, 20.0]] * 12,
        trained_on="simulated",
        motion=motion,
    )
    latents = cohort_latents(autoencoder, prepared, torch.device("cpu"), True)
    pipeline.save(folder, {"components": heart_components(prepared, latents, 3)})
    write_model_card(folder, FACTS)
    (folder / "training.json").write_text(json.dumps({"cohort": "earlier"}))
    for fitted_before in ("calibration.json", "chances.json"):
        (folder / fitted_before).write_text("{}")
    return folder


def fitted(before, data, prepared, output):
    options = Options(data=data, pipeline=before, prepared=prepared, output=output, head_steps=2, prior_steps=2)
    return fit_codes(options, Accelerator(cpu=True))


def test_head_and_prior_change_and_what_draws_a_heart_does_not(before, phantom_data, prepared_folder, tmp_path):
    folder = fitted(before, phantom_data, prepared_folder, tmp_path)
    old, new = (ECGToMRIPipeline.load(one) for one in (before, folder))
    for name in PARTS_KEPT:
        assert same_bits(weights(old.parts[name]), weights(new.parts[name])), name
    moved = {
        name
        for name, value in weights(new.conditioner).items()
        if not torch.equal(value, weights(old.conditioner).get(name, torch.zeros_like(value)))
    }
    assert {name.split(".")[0] for name in moved} == {"target_head", "ecg_head"}
    assert new.prior.config.about_predicted and new.prior.config.spread
    assert (folder / "components").is_dir() and not (folder / "calibration.json").exists()
    assert not (folder / "chances.json").exists()
    about = json.loads((folder / "training.json").read_text())
    assert about["cohort"] != "earlier" and about[BEGAN_WITH]["cohort"] == "earlier" and about["taught"]["train"]
    assert "Heart codes learned anew" in (folder / "README.md").read_text()


@pytest.mark.parametrize("whose", ["real", "simulated"])
def test_a_pipeline_is_real_peoples_where_real_people_taught_its_codes(
    before, phantom_data, prepared_folder, tmp_path, monkeypatch, whose
):
    monkeypatch.setattr("training.fit_codes.taught_by", lambda *_: whose)
    folder = fitted(before, phantom_data, prepared_folder, tmp_path)
    assert ECGToMRIPipeline.load(folder).config.trained_on == whose
    assert f"taught by people who are: {whose}" in (folder / "README.md").read_text()
    assert json.loads((folder / "training.json").read_text())[BEGAN_WITH]["trained_on"] == "simulated"


def test_a_pipeline_that_does_not_say_what_its_components_mean_is_refused(
    before, phantom_data, prepared_folder, tmp_path
):
    shutil.copytree(before, tmp_path / "without")
    shutil.rmtree(tmp_path / "without" / "components")
    with pytest.raises(InputError, match="holds no components"):
        fitted(tmp_path / "without", phantom_data, prepared_folder, tmp_path / "run")


def test_people_without_an_mri_teach_phenotypes_walls_and_beat(before, prepared, prepared_folder, tmp_path):
    write_cohort(tmp_path / "ecgs", CohortPlan(seed=4, subjects=6, ecg_only=True), processes=1)
    more = prepare_ecgs(tmp_path / "ecgs", prepared_folder, 250, 10.0)
    options = Options(data=tmp_path, more_ecgs=tmp_path / "ecgs", pipeline=before)
    codes, everybody = known_codes(options, opened_start(before), prepared, more, Accelerator(cpu=True))
    extra = everybody.codes[everybody.places[:, 0] == 1]
    known, beats = len(PHENOTYPES), slice(-len(MOTION), None)
    assert len(extra) and extra[:, :known].isfinite().all() and extra[:, known : known + 3].isnan().all()
    told = more.phenotypes[everybody.places[everybody.places[:, 0] == 1][:, 1].numpy()]
    about = opened_start(before).pipeline.conditioner.config
    assert np.allclose(
        extra[:, :known] * torch.tensor(about.phenotype_std) + torch.tensor(about.phenotype_mean), told, rtol=1e-3
    )
    assert (
        extra[:, beats].isfinite().any(dim=0).all() and codes[:, beats].isnan().all()
    )  # --data has no motion.csv here
