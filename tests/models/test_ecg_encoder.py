import pytest
import torch

from models.ecg_encoder import RHYTHM_LAGS, RHYTHM_LAGS_S, RHYTHM_RATE, ECGEncoder, rhythm_features


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


# ---- The rhythm ----


def beats(rr_s, samples=2500, leads=12):
    """(1, leads, samples) mV: a QRS every `rr_s` at 250 Hz."""
    time = torch.arange(samples) / 250
    since = (time - 0.4) % rr_s
    return torch.exp(-(((since - 0.05) / 0.012) ** 2)).expand(1, leads, -1)


@pytest.mark.parametrize("rr_s", [0.5, 0.8, 1.26])
def test_the_rhythm_peaks_where_a_beat_follows_a_beat(rr_s):
    told = rhythm_features(beats(rr_s), 250)
    assert told.shape == (1, RHYTHM_LAGS)
    first = int((told[0] > 0.7).nonzero()[0])  # of several beats: two beats on, the strip repeats itself as well
    assert RHYTHM_LAGS_S[0] + first / RHYTHM_RATE == pytest.approx(rr_s, abs=0.03)


@pytest.mark.parametrize("samples", [2500, 2450, 250, 50])
def test_the_rhythm_is_of_one_length_however_long_the_strip(samples):
    told = rhythm_features(strips(2, samples), 250)
    assert told.shape == (2, RHYTHM_LAGS) and told.isfinite().all()


def test_the_rhythm_of_a_flat_strip_is_nothing():
    assert (rhythm_features(torch.zeros(1, 12, 2500), 250) == 0).all()


def test_the_rhythm_does_not_depend_on_the_voltage_or_on_when_the_strip_begins():
    told = rhythm_features(beats(0.8), 250)
    torch.testing.assert_close(rhythm_features(3 * beats(0.8), 250), told, atol=1e-4, rtol=0)
    assert (rhythm_features(beats(0.8).roll(100, dims=2), 250) - told).abs().max() < 0.1


@torch.no_grad()
def test_an_encoder_that_is_told_the_rhythm_adds_it_to_the_pooled_vector_alone(encoder):
    signal, mask = beats(0.8), torch.ones(1, 12, dtype=torch.bool)
    told = ECGEncoder(width=16, layers=1, heads=2, rhythm=True).eval()
    told.load_state_dict(encoder.state_dict(), strict=False)
    torch.testing.assert_close(told(signal, mask)[0], encoder(signal, mask)[0])
    expected = encoder(signal, mask)[1] + told.of_rhythm(rhythm_features(signal, 250))
    torch.testing.assert_close(told(signal, mask)[1], expected)
    assert not torch.allclose(told(signal, mask)[1], encoder(signal, mask)[1], atol=1e-3)
