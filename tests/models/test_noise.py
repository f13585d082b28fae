import pytest
import torch

from models.noise import heart_noise


def generators(*seeds):
    return [torch.Generator().manual_seed(seed) for seed in seeds]


@pytest.mark.parametrize("shared", [0.0, 0.3, 1.0])
def test_variance_is_one_and_slices_correlate_by_what_they_share(shared):
    noise = heart_noise((1, 3, 1, 200, 200), shared, generators(7))[0].flatten(1)  # (3, 40_000)
    torch.testing.assert_close(torch.cov(noise), torch.eye(3) * (1 - shared) + shared, atol=0.03, rtol=0)
    assert noise.mean().abs() < 0.02


def test_a_heart_does_not_depend_on_its_neighbours():
    together = heart_noise((3, 4, 2, 5, 5), 0.4, generators(1, 2, 3))
    alone = heart_noise((1, 4, 2, 5, 5), 0.4, generators(2))
    assert torch.equal(together[1], alone[0])
    assert not torch.allclose(together[0], together[1])


def test_hearts_that_share_one_generator_are_still_different():
    one = generators(5) * 2
    noise = heart_noise((2, 3, 1, 4, 4), 0.0, one)
    assert not torch.allclose(noise[0], noise[1])
