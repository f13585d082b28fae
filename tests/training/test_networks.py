"""Fresh networks take their shapes and their statistics from the cohort."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from cohort.phenotypes import PHENOTYPES
from cohort.prepared import Preparation
from models.conditioning import HeartConditioner
from models.places import Places
from training.networks import copy_matching_weights, fresh_generator, fresh_regressor

PEOPLE = 30  # 20 of them to train on


def cohort(unknown=()):
    """People with random phenotypes, some of them unknown of everybody."""
    rng = np.random.default_rng(0)
    phenotypes = rng.normal(100, 20, (PEOPLE, len(PHENOTYPES))).astype(np.float32)
    for name in unknown:
        phenotypes[:, PHENOTYPES.index(name)] = np.nan
    person = np.stack([rng.integers(2, size=PEOPLE), *rng.normal([[60], [170], [80]], 8, (3, PEOPLE))], axis=1)
    return SimpleNamespace(
        phenotypes=phenotypes,
        person=person.astype(np.float32),
        preparation=Preparation(duration_s=1.0),
        rows=lambda split: np.arange(20) if split == "train" else np.arange(20, PEOPLE),
    )


def test_statistics_are_those_of_the_training_people_alone(tiny_preset):
    people = cohort()
    people.phenotypes[20:], people.person[20:] = 1e6, 1e6
    people.phenotypes[3, 1] = np.nan  # unknown of one
    about = fresh_regressor(people, tiny_preset, components=4).conditioner.config
    assert tuple(about.phenotypes) == PHENOTYPES and about.components == 4
    np.testing.assert_allclose(about.phenotype_mean, np.nanmean(people.phenotypes[:20], axis=0), rtol=1e-5)
    np.testing.assert_allclose(about.phenotype_std, np.nanstd(people.phenotypes[:20], axis=0), rtol=1e-5)
    np.testing.assert_allclose(about.person_mean, people.person[:20].mean(axis=0), rtol=1e-5)
    np.testing.assert_allclose(about.person_std, people.person[:20].std(axis=0), rtol=1e-5)


@pytest.mark.filterwarnings("error::RuntimeWarning")
def test_phenotypes_unknown_of_everybody_are_not_asked_for(tiny_preset):
    unknown = ("LVSV", "wall_septal", "wall_lateral")
    people = cohort(unknown=unknown)
    regressor = fresh_regressor(people, tiny_preset, components=2)
    about = regressor.conditioner.config
    assert about.phenotypes == tuple(name for name in PHENOTYPES if name not in unknown)
    assert len(about.phenotype_mean) == len(about.phenotype_std) == len(PHENOTYPES) - 3
    assert regressor.conditioner.code_length == len(PHENOTYPES) - 3 + 2
    known = people.phenotypes[:20, PHENOTYPES.index("LVEF")]
    assert about.phenotype_mean[about.phenotypes.index("LVEF")] == pytest.approx(known.mean(), rel=1e-5)


@pytest.mark.filterwarnings("error::RuntimeWarning")
def test_a_cohort_without_phenotypes_is_asked_for_components_only(tiny_preset):
    assert fresh_regressor(cohort(PHENOTYPES), tiny_preset, components=3).conditioner.code_length == 3
    assert fresh_regressor(cohort(PHENOTYPES), tiny_preset, components=0).conditioner.target_head is None


def test_what_is_the_same_in_everybody_is_divided_by_1(tiny_preset):
    """Women only, all of one height, one phenotype known of one person."""
    people = cohort()
    people.person[:, 0], people.person[:, 2] = 0, 165
    people.phenotypes[1:, 4] = np.nan
    regressor = fresh_regressor(people, tiny_preset, components=0)
    about = regressor.conditioner.config
    assert about.person_std[0] == about.person_std[2] == 1 and about.phenotype_std[4] == 1
    assert about.person_mean[0] == 0 and about.person_mean[2] == 165
    assert about.phenotype_mean[4] == pytest.approx(people.phenotypes[0, 4])
    tokens = regressor.conditioner.person_tokens(torch.from_numpy(people.person), torch.ones(PEOPLE, dtype=torch.bool))
    assert tokens.isfinite().all()


def test_persons_of_whom_a_field_is_unknown_have_the_conditioners_own_statistics(tiny_preset):
    people = cohort()
    people.person[:, 3] = np.nan
    about = fresh_regressor(people, tiny_preset, components=0).conditioner.config
    usual = HeartConditioner(width=8).config
    assert (about.person_mean, about.person_std) == (usual.person_mean, usual.person_std)


def test_the_encoder_is_built_for_the_cohorts_strips(tiny_preset):
    about = fresh_regressor(cohort(), tiny_preset, components=0).ecg_encoder.config
    assert (about.sampling_rate, about.duration_s, about.width) == (250, 1.0, tiny_preset.ecg_width)


@torch.no_grad()
def test_the_generator_fits_its_conditioner(tiny_preset):
    conditioner = HeartConditioner(width=tiny_preset.ecg_width, components=5)
    prior, denoiser = fresh_generator(conditioner, tiny_preset, (4, 6, 8))
    noisy, summary = torch.randn(2, 5), torch.randn(2, conditioner.summary_length)
    assert prior(noisy, torch.rand(2), summary).shape == (2, 5)
    condition = conditioner.global_condition(summary, noisy, torch.ones(2, dtype=torch.bool))
    places = Places.short_axis(torch.zeros(2, 3), torch.zeros(2, 3))
    latents, tokens = torch.randn(2, 3, 4, 6, 8), torch.randn(2, 7, tiny_preset.ecg_width)
    assert denoiser(latents, torch.rand(2), places, tokens, condition).shape == latents.shape


def test_a_regressor_begins_with_what_another_has_learned(tiny_preset):
    """All but the last layer, whose length is that of another heart code."""
    torch.manual_seed(0)
    taught = fresh_regressor(cohort(), tiny_preset, components=0)
    regressor = fresh_regressor(cohort(), tiny_preset, components=6)
    before = {name: value.clone() for name, value in regressor.state_dict().items()}
    copy_matching_weights(regressor, taught)
    after, learned = regressor.state_dict(), taught.state_dict()
    own = {f"conditioner.{name}" for name in ("target_head.weight", "target_head.bias", "ecg_head.weight")}
    assert own < after.keys() and after.keys() == learned.keys()
    for name, value in after.items():
        assert torch.equal(value, (before if name in own else learned)[name]), name
    assert not torch.equal(before["ecg_encoder.stem.0.weight"], after["ecg_encoder.stem.0.weight"])
    taught.ecg_encoder.stem[0].weight.data.zero_()  # a copy: what the taught one does later is its own affair
    assert regressor.ecg_encoder.stem[0].weight.abs().max() > 0
