"""Steering: a heart is moved, before the last step of the sampler, until it measures what its code tells."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn

from cohort.heart_grid import GridGeometry
from cohort.phenotypes import PHENOTYPES
from models.code_correction import CodeCorrection
from sampling.steering import Sight, steered
from training.code_correction import CORRECTED

GRID = GridGeometry(slices=5, phases=2, height=32, width=32, slice_step_mm=10.0, pixel_mm=2.0)
MEAN, STD = [0.0] * len(PHENOTYPES), [1.0 if name.startswith("wall_") else 10.0 for name in PHENOTYPES]


class Itself(nn.Module):
    """An autoencoder whose latents are the pixels, in units of a tenth."""

    def decode(self, latents):
        return latents / 10


class ByGrey(nn.Module):
    """A segmenter that knows the grey levels of `painted`, a little unsure at their edges."""

    def forward(self, slices):
        return -40 * (slices - torch.tensor([0.5, 1.0, 0.25, 0.75]).view(1, 4, 1, 1)) ** 2


def painted(thick: float = 3.0, at_es: float = 3.0) -> torch.Tensor:
    """(1, 5*2, 1, 32, 32): a bright cavity in a dark wall beside an RV; `at_es` is the wall's thickness there."""
    y, x = np.mgrid[:32, :32] - np.array([15.5, 18.5])[:, None, None]
    heart = np.full((5, 2, 32, 32), 0.5)
    for phase, size, wall in ((0, 6.0, thick), (1, 4.0, at_es)):
        heart[:, phase, np.hypot(x + 12, y) < 0.8 * size] = 0.75
        heart[:, phase, np.hypot(x, y) < size + wall] = 0.25
        heart[:, phase, np.hypot(x, y) < size] = 1.0
    return 10 * torch.from_numpy(heart).float().reshape(1, 10, 1, 32, 32)


def sight(phenotypes=PHENOTYPES, corrected=CORRECTED) -> Sight:
    about = SimpleNamespace(phenotypes=phenotypes, phenotype_mean=MEAN, phenotype_std=STD)
    correction = CodeCorrection(len(phenotypes), corrected, tuple(phenotypes.index(name) for name in corrected))
    return Sight(Itself(), ByGrey(), correction, SimpleNamespace(config=about), GRID)


def code_of(heart: torch.Tensor, eye: Sight) -> torch.Tensor:
    """The code (1, K) that tells what is seen on a heart; what is not looked at is 0."""
    nothing = torch.zeros(1, len(eye.known))
    return nothing.index_add(1, torch.tensor([eye.known.index(name) for name in looked_at(eye)]), seen(heart, eye))


def looked_at(eye: Sight) -> list[str]:
    order = (
        "LVEDV",
        "LVM",
        "RVEDV",
        *(n for n in CORRECTED if n.startswith("wall_")),
        "LVESV",
        "RVESV",
        "LVEF",
        "RVEF",
    )
    return [name for name in order if name in eye.known]


def seen(heart: torch.Tensor, eye: Sight) -> torch.Tensor:
    """(1, P) what is seen, in SDs: the errors beside a code of zeros, without the wall's mass at ES."""
    return eye.errors(heart, torch.zeros(1, len(eye.known)))[:, :-1]


# ---- what is seen and what is due ----


def test_a_heart_that_measures_what_its_code_tells_has_no_error():
    eye, heart = sight(), painted(thick=3.0, at_es=4.09)  # rings of nearly one area at ED and ES
    error = eye.errors(heart, code_of(heart, eye))
    assert error.shape == (1, 12) and error[0, :-1].abs().max() < 1e-4 and abs(error[0, -1]) < 0.4


def test_a_wall_that_loses_mass_at_es_is_an_error():
    eye, heart = sight(), painted(thick=3.0, at_es=2.0)
    error = eye.errors(heart, code_of(heart, eye))
    assert error[0, :-1].abs().max() < 1e-4 and error[0, -1] < -1.0


def test_a_segmenter_that_sees_true_walls_too_thin_is_not_obeyed_to_the_letter():
    eye, heart = sight(), painted()
    row, place = CORRECTED.index("wall_septal"), PHENOTYPES.index("wall_septal")
    code = code_of(heart, eye)
    eye.correction.seen[row] = torch.tensor([0.5, -0.2])
    changed = eye.errors(heart, code)[0, looked_at(eye).index("wall_septal")]
    assert float(changed) == pytest.approx(float(0.5 * code[0, place] + 0.2), abs=1e-3)


def test_fractions_count_beside_volumes():
    eye, heart = sight(), painted()
    code = code_of(heart, eye)
    code[0, PHENOTYPES.index("LVEF")] += 1
    error = eye.errors(heart, code)[0, :-1]
    assert float(error[looked_at(eye).index("LVEF")]) == pytest.approx(-1, abs=1e-4)
    assert int((error.abs() > 1e-3).sum()) == 1


def test_a_code_of_few_phenotypes_is_steered_by_those():
    eye = sight(("LVESV", "LVEDV"), ("LVESV", "LVEDV"))
    assert eye.errors(painted(), torch.zeros(1, 2)).shape == (1, 2)


# ---- how a heart is moved ----


def told_more(eye: Sight, heart: torch.Tensor, name: str) -> torch.Tensor:
    code = code_of(heart, eye)
    code[0, eye.known.index(name)] += 1
    return code


@pytest.mark.parametrize("name", ["wall_lateral", "LVEDV"])
def test_a_heart_told_more_is_moved_towards_it(name):
    eye, heart = sight(), painted(3.0, 4.09)
    code = told_more(eye, heart, name)
    before = eye.errors(heart, code)
    assert before[0, :-1].abs().sum() == pytest.approx(1, abs=1e-3)
    after = eye.errors(steered(heart, lambda points, which: points, eye, code, 12), code)
    assert after.square().sum() < 0.5 * before.square().sum()
    k = looked_at(eye).index(name)
    assert abs(after[0, k]) < 0.75 * abs(before[0, k])


def test_no_steps_leave_the_heart_as_the_sampler_ends():
    heart = painted()
    assert torch.equal(steered(heart, lambda points, which: 2 * points, sight(), torch.zeros(1, 12), 0), 2 * heart)


@pytest.mark.parametrize("at_once", [1, 2])
def test_a_heart_is_steered_alike_in_any_batch(monkeypatch, at_once):
    monkeypatch.setattr("sampling.steering.ON_A_CPU", at_once)
    eye, asked = sight(), []
    hearts = torch.cat([painted(2.5 + 0.1 * k, 3.5) for k in range(3)])
    codes = torch.cat([told_more(eye, heart[None], "LVM") for heart in hearts])

    def clean(points, which):
        asked.append(which.tolist())
        return points

    together = steered(hearts, clean, eye, codes, 2)
    alone = steered(hearts[-1:], lambda points, which: points, eye, codes[-1:], 2)
    torch.testing.assert_close(together[-1:], alone, atol=1e-4, rtol=0)
    assert asked[0] == list(range(at_once)) and asked[-1] == [2]


def test_what_cannot_be_seen_moves_nothing_and_spoils_nothing():
    """Blank hearts have no cavity, no wall and no ejected share."""
    blank, eye = torch.full((1, 10, 1, 32, 32), 5.0), sight()
    error = eye.errors(blank, torch.zeros(1, 12))
    assert error.isnan().any()
    assert steered(blank, lambda points, which: points, eye, torch.zeros(1, 12), 3).isfinite().all()
