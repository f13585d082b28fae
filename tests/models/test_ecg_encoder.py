import pytest
import torch

from models.ecg_encoder import ECGEncoder


@pytest.fixture
def encoder():
    torch.manual_seed(1)
    return ECGEncoder(width=16, layers=1, heads=2).eval()


def strips(batch, samples=2500, seed=0):
    return torch.randn(batch, 12, samples, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("samples", [2500, 2499, 2451, 2450, 1237, 50, 1])
def test_any_length_gives_a_token_for_every_begun_patch(encoder, samples):
    with torch.no_grad():
        tokens, pooled = encoder(strips(2, samples), torch.ones(2, 12, dtype=torch.bool))
    assert tokens.shape == (2, -(-samples // 50), 16) and pooled.shape == (2, 16)
    assert tokens.isfinite().all()
    torch.testing.assert_close(pooled, tokens.mean(dim=1))


@torch.no_grad()
def test_permuting_the_batch_permutes_the_output(encoder):
    signal, mask = strips(3), torch.ones(3, 12, dtype=torch.bool)
    mask[1, 4] = False
    order = torch.tensor([2, 0, 1])
    for straight, permuted in zip(encoder(signal, mask), encoder(signal[order], mask[order]), strict=True):
        torch.testing.assert_close(permuted, straight[order], atol=1e-5, rtol=0)
        assert not torch.allclose(permuted, straight, atol=1e-2)


@torch.no_grad()
def test_the_samples_of_a_masked_lead_are_not_looked_at(encoder):
    signal, mask = strips(1), torch.ones(1, 12, dtype=torch.bool)
    mask[0, 6] = False
    garbage = signal.clone()
    garbage[0, 6] = float("nan")  # an absent lead is a row of NaN (cohort.ecg.ECG)
    assert torch.equal(encoder(signal, mask)[0], encoder(garbage, mask)[0])
    garbage[0, 7] += 1
    assert not torch.allclose(encoder(signal, mask)[0], encoder(garbage, mask)[0])


@torch.no_grad()
def test_a_masked_lead_is_not_a_flat_one(encoder):
    torch.nn.init.normal_(encoder.lead_absent)
    signal, mask = strips(1), torch.ones(1, 12, dtype=torch.bool)
    signal[0, 6] = 0
    absent = mask.clone()
    absent[0, 6] = False
    assert not torch.allclose(encoder(signal, mask)[0], encoder(signal, absent)[0])


@torch.no_grad()
def test_the_order_of_the_beats_matters(encoder):
    signal, mask = strips(1), torch.ones(1, 12, dtype=torch.bool)
    assert not torch.allclose(encoder(signal, mask)[1], encoder(signal.flip(2), mask)[1], atol=1e-3)


@torch.no_grad()
def test_a_token_carries_the_sinusoids_of_its_place(encoder):
    """Vaswani 2017, section 3.5: sines, then cosines, from one turn in 2 pi tokens to one in 2 pi x 10,000."""
    for layer in encoder.stem[::2]:
        torch.nn.init.zeros_(layer.bias)  # a flat strip leaves the stem at zero
    given = []
    encoder.transformer.register_forward_pre_hook(lambda _, tokens: given.append(tokens[0]))
    encoder(torch.zeros(1, 12, 2500), torch.ones(1, 12, dtype=torch.bool))
    angle = torch.arange(50)[:, None] / 10_000 ** (torch.arange(8) / 8)  # (N, D / 2)
    torch.testing.assert_close(given[0][0], torch.cat([angle.sin(), angle.cos()], dim=1), atol=1e-5, rtol=0)
