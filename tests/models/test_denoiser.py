"""The denoiser: a heart's slices see each other, hearts do not, and every input matters."""

import pytest
import torch

from models.denoiser import HeartDenoiser
from models.places import Places


@pytest.fixture
def denoiser():
    torch.manual_seed(3)
    return HeartDenoiser(latent_channels=4, latent_size=(4, 4), token_width=32, condition_length=32, widths=(32, 64))


def hearts(batch=2, slices=3, seed=0, size=(4, 4)):
    """Arguments of the denoiser."""
    generator = torch.Generator().manual_seed(seed)

    def draw(*shape):
        return torch.randn(shape, generator=generator)

    return {
        "latents": draw(batch, slices, 4, *size),
        "sigma": torch.linspace(0.1, 0.9, batch),
        "places": Places.short_axis(30 * draw(batch, slices), torch.zeros(batch, slices)),
        "tokens": draw(batch, 7, 32),
        "condition": draw(batch, 32),
    }


def reordered(given, which, of_slices=False):
    """The same hearts, or the same slices of each, in another order."""

    def take(value):
        return value[:, which] if of_slices else value[which]

    places = Places(take(given["places"].pose), take(given["places"].phase))
    names = ("latents",) if of_slices else ("latents", "sigma", "tokens", "condition")
    return given | {name: take(given[name]) for name in names} | {"places": places}


@torch.no_grad()
@pytest.mark.parametrize("slices", [1, 2, 20])
def test_the_number_of_slices_is_free(denoiser, slices):
    given = hearts(slices=slices)
    out = denoiser(**given)
    assert out.shape == given["latents"].shape and out.isfinite().all()


@torch.no_grad()
def test_slices_of_one_heart_are_joined_and_hearts_are_not(denoiser):
    given = hearts()
    before = denoiser(**given)
    given["latents"] = given["latents"].clone()
    given["latents"][0, 0] += 1  # slice 0 of heart 0
    after = denoiser(**given)
    assert (after[0, 1:] - before[0, 1:]).abs().amax(dim=(1, 2, 3)).min() > 1e-4  # reaches every other slice
    torch.testing.assert_close(after[1], before[1], atol=1e-6, rtol=0)


@torch.no_grad()
def test_permuting_the_slices_permutes_the_output(denoiser):
    given, order = hearts(slices=4), torch.tensor([2, 0, 3, 1])
    straight, permuted = denoiser(**given), denoiser(**reordered(given, order, of_slices=True))
    torch.testing.assert_close(permuted, straight[:, order], atol=1e-5, rtol=0)
    assert not torch.allclose(permuted, straight, atol=1e-2)


@torch.no_grad()
def test_permuting_the_batch_permutes_the_output(denoiser):
    given, order = hearts(batch=3), torch.tensor([2, 0, 1])
    torch.testing.assert_close(denoiser(**reordered(given, order)), denoiser(**given)[order], atol=1e-5, rtol=0)


@torch.no_grad()
@pytest.mark.parametrize("name", ["sigma", "tokens", "condition", "slice_position_mm", "phase"])
def test_everything_the_denoiser_is_told_matters(denoiser, name):
    given = hearts()
    places = given["places"]
    if name in given:
        changed = given | {name: given[name] + 0.5 * (given[name].abs() + 1)}
    else:
        about = {"slice_position_mm": places.slice_position_mm, "phase": places.phase}
        changed = given | {"places": Places.short_axis(**about | {name: about[name] + 0.5 * (about[name].abs() + 1)})}
    assert (denoiser(**changed) - denoiser(**given)).abs().max() > 1e-4


@torch.no_grad()
def test_a_loaded_denoiser_joins_slices_as_before(denoiser, tmp_path):
    """Attention processors are no part of diffusers' checkpoint."""
    denoiser.save_pretrained(tmp_path)
    given = hearts()
    assert torch.equal(HeartDenoiser.from_pretrained(tmp_path)(**given), denoiser.eval()(**given))


def test_no_tensor_of_the_cpu_meets_one_of_the_device(denoiser):
    """On the meta device every mixture of devices is an error, as it is on a GPU."""
    given = {name: value.to("meta") for name, value in hearts().items()}
    assert denoiser.to("meta")(**given).device.type == "meta"


@torch.no_grad()
def test_a_picture_that_is_the_same_everywhere_gets_another_answer_in_every_place(denoiser):
    """Convolutions alone answer alike: for them a moved or mirrored heart is the same heart."""
    side, middle, away = 96, 48, 8  # cells; what the border does reaches no cell near the middle
    given = hearts(batch=1, slices=1, size=(side, side)) | {"latents": torch.ones(1, 1, 4, side, side)}
    answer = denoiser(**given)[0, 0]
    near, far = middle - away, middle + away
    assert (answer[:, near, middle] - answer[:, far, middle]).abs().max() > 1e-3  # rows
    assert (answer[:, middle, near] - answer[:, middle, far]).abs().max() > 1e-3  # columns
