"""The denoiser knows where on the grid it looks."""

import pytest
import torch

from models.unet import build_unet, denoise_heart

SIDE, MIDDLE, AWAY = 96, 48, 8  # cells; what the border does reaches no cell near the middle


@pytest.fixture
def velocity(tiny_preset):
    """The answer (channels, height, width) to one slice (channels, height, width)."""
    torch.manual_seed(3)
    unet = build_unet(tiny_preset, latent_channels=4, latent_size=(4, 4), told=32).eval()

    def velocity(latents):
        place, tokens, condition = torch.zeros(1, 1), torch.zeros(1, 7, 32), torch.zeros(1, 32)
        return denoise_heart(unet, latents[None, None], torch.tensor([500.0]), place, place, tokens, condition)[0, 0]

    return velocity


@torch.no_grad()
def test_a_picture_that_is_the_same_everywhere_gets_another_answer_in_every_place(velocity):
    """Convolutions alone answer alike: for them a moved or mirrored heart is the same heart."""
    answer = velocity(torch.ones(4, SIDE, SIDE))
    near, far = MIDDLE - AWAY, MIDDLE + AWAY
    assert (answer[:, near, MIDDLE] - answer[:, far, MIDDLE]).abs().max() > 1e-3  # rows
    assert (answer[:, MIDDLE, near] - answer[:, MIDDLE, far]).abs().max() > 1e-3  # columns
