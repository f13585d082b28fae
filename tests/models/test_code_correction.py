import pytest
import torch

from models.code_correction import LARGEST_SD, CodeCorrection


@pytest.fixture
def correction():
    """Of two phenotypes of a code of four: the third number goes along with the first, the fourth with nothing."""
    correction = CodeCorrection(4, ("LVEDV", "LVM"), (0, 1), gain=0.5)
    correction.directions.copy_(torch.tensor([[1.0, 0.0, 0.6, 0.0], [0.0, 1.0, 0.0, 0.0]]))
    return correction


def test_a_heart_drawn_as_it_was_meant_is_told_the_same_again(correction):
    told, meant = torch.tensor([[1.4, 0.0, 0.8, 2.0]]), torch.tensor([[1.0, -0.5, 0.5, 2.0]])
    assert torch.equal(correction(told, meant, meant[:, :2]), told)


def test_too_small_a_heart_is_told_larger_with_what_goes_along(correction):
    meant = torch.zeros(1, 4)
    told = correction(meant, meant, torch.tensor([[-1.0, 0.0]]))
    torch.testing.assert_close(told, torch.tensor([[0.5, 0.0, 0.3, 0.0]]))


def test_what_was_told_last_is_moved_and_not_what_was_meant(correction):
    told = correction(torch.full((1, 4), 2.0), torch.zeros(1, 4), torch.tensor([[-1.0, 0.0]]))
    torch.testing.assert_close(told, torch.tensor([[2.5, 2.0, 2.3, 2.0]]))


def test_a_number_that_cannot_be_measured_moves_nothing_and_a_wild_one_not_far(correction):
    meant = torch.zeros(2, 4)
    told = correction(meant, meant, torch.tensor([[torch.nan, 0.0], [-90.0, 0.0]]))
    assert (told[0] == 0).all() and told[1, 0] == 0.5 * LARGEST_SD


def test_a_heart_is_due_what_the_segmenter_finds_on_true_ones(correction):
    correction.seen[0] = torch.tensor([0.8, 0.1])
    meant = torch.tensor([[1.0, 0.0, 0.0, 0.0]])
    torch.testing.assert_close(correction(meant, meant, torch.tensor([[0.9, 0.0]])), meant)


def test_directions_are_how_codes_move_together():
    torch.manual_seed(0)
    codes = torch.randn(4000, 4)
    codes[:, 2] = 0.6 * codes[:, 0] + 0.1 * torch.randn(4000)
    codes[5, 3] = torch.nan
    correction = CodeCorrection(4, ("LVEDV", "LVM"), (0, 1))
    correction.fit_directions(codes)
    expected = torch.tensor([[1.0, 0.0, 0.6, 0.0], [0.0, 1.0, 0.0, 0.0]])
    torch.testing.assert_close(correction.directions, expected, atol=0.05, rtol=0)
    assert torch.equal(correction.directions[:, :2], torch.eye(2))


def test_what_the_segmenter_finds_is_a_line_where_enough_people_know_both():
    torch.manual_seed(0)
    codes = torch.randn(60, 4)
    measured = 0.8 * codes[:, :2] - 0.2
    measured[10:, 1] = torch.nan
    correction = CodeCorrection(4, ("LVEDV", "LVM"), (0, 1))
    correction.fit_seen(codes, measured, fewest=20)
    torch.testing.assert_close(correction.seen, torch.tensor([[0.8, -0.2], [1.0, 0.0]]), atol=1e-5, rtol=0)
