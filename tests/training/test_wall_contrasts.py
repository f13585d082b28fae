"""The part of a loss that tells which wall is the thinner one."""

import pytest
import torch

from cohort.phenotypes import WALLS
from models.conditioning import HeartConditioner
from training.objectives import target_loss
from training.wall_contrasts import NARROWEST, WallContrasts

NAMES = ("LVM", *WALLS)


def conditioner(names=NAMES):
    about = {"phenotype_mean": (0.0,) * len(names), "phenotype_std": (1.0,) * len(names)}
    return HeartConditioner(width=8, phenotypes=names, **about)


def hearts(people=200):
    """Codes whose walls are nearly alike in each heart."""
    generator = torch.Generator().manual_seed(0)
    size = torch.randn(people, 1, generator=generator)
    return torch.cat([size, size + 0.2 * torch.randn(people, len(WALLS), generator=generator)], dim=1)


def test_an_error_of_one_wall_costs_more_than_the_same_error_of_all():
    """Both predictions err by the same mean square."""
    codes = hearts()
    contrasts = WallContrasts.of(conditioner(), codes)
    one, every = codes.clone(), codes.clone()
    one[:, 1] += 0.2
    every[:, 1:] += 0.1
    assert float(target_loss(one, codes)) == pytest.approx(float(target_loss(every, codes)), rel=1e-4)
    assert float(contrasts.loss(one, codes)) > 3 * float(contrasts.loss(every, codes))
    assert float(contrasts.loss(every, codes)) == pytest.approx(float(target_loss(every, codes)), rel=1e-4)


def test_contrasts_have_the_unit_spread_of_those_who_teach():
    codes = hearts()
    assert WallContrasts.of(conditioner(), codes)(codes).std(dim=0).tolist() == pytest.approx([1.0] * 4, rel=1e-3)


def test_a_heart_with_an_unknown_wall_has_no_say_in_contrasts():
    codes = hearts()
    codes[:100, 2] = torch.nan
    contrasts, predicted = WallContrasts.of(conditioner(), codes), codes.nan_to_num() + 0.1
    predicted[:100, 1] += 5  # the other walls count by themselves alone
    apart = contrasts.loss(predicted, codes) - target_loss(predicted, codes)
    assert float(apart) == pytest.approx(0.0, abs=1e-6)


@pytest.mark.parametrize("names", [("LVM",), ("LVM", "wall_septal")])
def test_codes_of_less_than_two_walls_have_the_plain_loss(names):
    codes = hearts()[:, : len(names)]
    predicted = codes + 0.3
    assert torch.equal(
        WallContrasts.of(conditioner(names), codes).loss(predicted, codes), target_loss(predicted, codes)
    )


def test_walls_that_never_differ_are_not_scaled_up_without_end():
    codes = torch.randn(50, 1).expand(-1, len(NAMES)).clone()
    assert WallContrasts.of(conditioner(), codes).spread.tolist() == pytest.approx([NARROWEST] * 4)
