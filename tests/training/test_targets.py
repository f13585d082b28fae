"""What the condition is asked for: standardised phenotypes, and the leading components of whole hearts."""

import numpy as np
import pytest
import torch

from cohort.phenotypes import PHENOTYPES
from models.conditioning import HeartConditioner
from training.objectives import target_loss
from training.order import keyed_generator
from training.targets import component_scores, heart_codes, heart_components


def scores_of(cohort, latents, count):
    return component_scores(cohort, latents, heart_components(cohort, latents, count))


@pytest.fixture
def two_factor_latents(prepared):
    """Hearts that are mixtures of two patterns, one ten times as strong as the other: (N, 3, 2, 4, 2, 2)."""
    generator = keyed_generator("two factors")
    strength = torch.randn(len(prepared.eid), 2, generator=generator) * torch.tensor([10.0, 1.0])
    patterns = torch.randn(2, 3 * 2 * 4 * 2 * 2, generator=generator)
    return strength, (strength @ patterns).reshape(-1, 3, 2, 4, 2, 2).numpy()


def test_components_find_what_the_hearts_are_mixed_from(prepared, two_factor_latents):
    strength, latents = two_factor_latents
    scores = scores_of(prepared, latents, 2)
    strongest = scores[:, -1]  # the largest component comes last
    assert abs(np.corrcoef(strongest, strength[:, 0])[0, 1]) > 0.99
    train = prepared.rows("train")
    torch.testing.assert_close(scores[train].square().mean(0), torch.ones(2), atol=1e-3, rtol=0)
    torch.testing.assert_close(scores[train].mean(0), torch.zeros(2), atol=1e-3, rtol=0)


def test_components_beyond_the_hearts_rank_are_zero_and_not_noise(prepared, two_factor_latents):
    scores = scores_of(prepared, two_factor_latents[1], 5)
    assert scores.isfinite().all() and (scores.abs().sum(0) == 0).sum() == 3


def test_slices_outside_the_acquisition_have_no_say(prepared, two_factor_latents):
    from dataclasses import replace

    mask = np.array(prepared.mask)
    mask[0, 1, 0] = False
    masked, garbage = replace(prepared, mask=mask), two_factor_latents[1].copy()
    before = scores_of(masked, garbage, 2)
    garbage[0, 1, 0] = 1e4
    torch.testing.assert_close(scores_of(masked, garbage, 2), before)


def test_known_phenotypes_are_standardised_over_the_training_people(prepared, two_factor_latents):
    train = prepared.rows("train")
    known = np.asarray(prepared.phenotypes[train])
    conditioner = HeartConditioner(
        width=8,
        phenotypes=PHENOTYPES,
        components=2,
        phenotype_mean=known.mean(0).tolist(),
        phenotype_std=known.std(0).tolist(),
    )
    targets = heart_codes(prepared, two_factor_latents[1], conditioner)
    assert targets.shape == (len(prepared.eid), len(PHENOTYPES) + 2)
    torch.testing.assert_close(targets[train].mean(0), torch.zeros(targets.shape[1]), atol=1e-3, rtol=0)
    torch.testing.assert_close(targets[train].square().mean(0), torch.ones(targets.shape[1]), atol=1e-2, rtol=0)


def test_without_phenotypes_and_components_nothing_is_asked(prepared, two_factor_latents):
    targets = heart_codes(prepared, two_factor_latents[1], HeartConditioner(width=8))
    assert targets.shape == (len(prepared.eid), 0)
    assert target_loss(torch.zeros_like(targets), targets) == 0
