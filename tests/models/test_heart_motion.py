"""The motion network: exact at ED and ES, periodic, told the quarters where they lie."""

import pytest
import torch

from models.heart_motion import QUARTERS, HeartMotion, quarter_kinds, with_neighbours

ES = 0.4
NAMES = (
    "ES_share",
    "curve_1",
    *(f"thickening_{name}" for name in QUARTERS),
    *(f"peak_{name}" for name in QUARTERS),
)


@pytest.fixture
def motion():
    """With weights that change what they see: a fresh network cross-fades."""
    torch.manual_seed(0)
    mean, basis = [abs(1 - k / 4) for k in range(8)], [0.0] * 3 + [0.1] + [0.0] * 4
    made = HeartMotion(4, NAMES, ES, tuple(mean), (tuple(basis),), width=16).eval()
    torch.nn.init.normal_(made.leave.weight, std=0.2)
    return made


def given(slices=3, frames=5):
    torch.manual_seed(1)
    keys = with_neighbours(torch.randn(1, slices, 2, 4, 6, 6))[0]
    place, inside = torch.rand(slices, frames), torch.rand(slices, frames)
    return keys, torch.linspace(-40, 40, slices), place, inside, torch.randn(slices, len(NAMES))


@torch.no_grad()
def test_ed_and_es_are_given_back_exactly(motion):
    keys, position, _, _, numbers = given()
    place, inside = torch.tensor([[0.0, ES]] * 3), torch.tensor([[1.0, 0.0]] * 3)
    torch.testing.assert_close(motion(keys, position, place, inside, numbers), keys[:, 1], atol=0, rtol=0)


@torch.no_grad()
def test_between_them_it_is_no_cross_fade_and_the_next_cycle_joins(motion):
    keys, position, _, _, numbers = given()
    place, inside = torch.tensor([[0.2, 0.7]] * 3), torch.full((3, 2), 0.5)
    moved = motion(keys, position, place, inside, numbers)
    assert (moved - keys[:, 1].mean(dim=1, keepdim=True)).abs().max() > 0.01
    last, first = (motion(keys, position, torch.full((3, 1), p), torch.ones(3, 1), numbers) for p in (0.99999, 0.0))
    torch.testing.assert_close(last, first, atol=1e-3, rtol=0)


@torch.no_grad()
def test_a_number_of_a_quarter_changes_most_where_the_quarter_lies(motion):
    """Of the maps that lie on the cells; what the channels are told is the same everywhere."""
    numbers = torch.zeros(1, len(NAMES))
    numbers[0, NAMES.index("peak_lateral")] = 1
    cells, _, peaks = motion._maps(numbers, (6, 6))
    assert quarter_kinds(NAMES) == ("thickening", "peak") and cells.shape == (1, 2, 6, 6)
    lateral, septal = peaks[0, 0, 2:4, 4:], peaks[0, 0, 2:4, :2]
    assert lateral.min() > 0.5 and septal.abs().max() == 0
    numbers = torch.zeros(1, len(NAMES))
    numbers[0, NAMES.index("peak_anterior")] = 1
    peaks = motion._maps(numbers, (6, 6))[2]
    assert peaks[0, 0, :2, 2:4].min() > 0.5 and peaks[0, 0, 4:].abs().max() == 0


@torch.no_grad()
def test_what_it_is_told_and_its_neighbours_count(motion):
    keys, position, place, inside, numbers = given()
    usual = motion(keys, position, place, inside, numbers)
    told, shifted, moved = numbers.clone(), keys.clone(), position + 30
    told[:, NAMES.index("peak_septal")] += 1
    shifted[:, 0] += 1
    for other in (
        motion(keys, position, place, inside, told),
        motion(shifted, position, place, inside, numbers),
        motion(keys, moved, place, inside, numbers),
        motion(keys, position, (place + 0.3) % 1, inside, numbers),
    ):
        assert (other - usual).abs().max() > 1e-4


def test_the_curve_is_that_of_the_scores():
    motion = HeartMotion(4, NAMES, ES, (1.0, 0.5, 0.0, 0.5), ((0.0, 0.2, 0.0, -0.2),), width=16)
    place = torch.tensor([[0.0, 0.125, 0.25, 0.5, 0.875]])
    inside = motion.share_inside(torch.tensor([[1.0]]), place)
    torch.testing.assert_close(inside, torch.tensor([[1.0, 0.85, 0.7, 0.0, 0.65]]))


def test_a_slice_stands_between_its_neighbours_and_the_outermost_are_their_own():
    slices = torch.arange(4.0).view(1, 4, 1, 1, 1, 1).expand(1, 4, 2, 1, 1, 1)
    assert with_neighbours(slices)[0, :, :, 0, 0, 0, 0].tolist() == [[0, 0, 1], [0, 1, 2], [1, 2, 3], [2, 3, 3]]
