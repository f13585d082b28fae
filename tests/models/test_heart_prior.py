import pytest
import torch

from models.heart_prior import CASES, HeartPrior


def given(batch, code=4, summary=6):
    generator = torch.Generator().manual_seed(0)
    return (
        torch.randn(batch, code, generator=generator),
        torch.linspace(0.1, 0.9, batch),
        torch.randn(batch, summary, generator=generator),
    )


@torch.no_grad()
def test_permuting_the_batch_permutes_the_velocity_and_every_input_has_a_say():
    torch.manual_seed(0)
    prior = HeartPrior(4, 6, width=16, blocks=2).eval()
    order = torch.tensor([2, 0, 1])
    inputs = given(3)
    velocity = prior(*inputs)
    torch.testing.assert_close(prior(*(value[order] for value in inputs)), velocity[order])
    for k in range(3):
        changed = [value + (0.05 if j == k else 0) for j, value in enumerate(inputs)]
        assert not torch.allclose(prior(*changed), velocity, atol=1e-4)


def test_a_prior_can_learn_a_code_that_the_summary_determines():
    """code = 2 x the first number of the summary: sampled by Euler steps, the drawn codes follow it."""
    torch.manual_seed(0)
    prior = HeartPrior(1, 2, width=32, blocks=1)
    optimizer = torch.optim.Adam(prior.parameters(), lr=3e-3)
    for _ in range(300):
        summary, noise, sigma = torch.randn(256, 2), torch.randn(256, 1), torch.rand(256)
        code = 2 * summary[:, :1]
        noisy = (1 - sigma[:, None]) * code + sigma[:, None] * noise
        optimizer.zero_grad()
        (prior(noisy, sigma, summary) - (noise - code)).square().mean().backward()
        optimizer.step()
    prior.eval()
    with torch.no_grad():
        summary, code = torch.randn(200, 2), torch.randn(200, 1)
        for step in range(20, 0, -1):
            code = code - prior(code, torch.full((200,), step / 20), summary) / 20
    assert torch.corrcoef(torch.stack([code[:, 0], summary[:, 0]]))[0, 1] > 0.95


def test_a_measured_spread_widens_about_the_prediction():
    prior = HeartPrior(2, 3, width=8, blocks=1)
    code, predicted = torch.tensor([[1.0, 5.0]]), torch.tensor([[0.0, 3.0]])
    assert torch.equal(prior.widened(code, predicted), code)
    prior.register_to_config(spread=(2.0, 0.5))
    assert prior.widened(code, predicted).tolist() == [[2.0, 4.0]]


@torch.no_grad()
def test_a_spread_by_case_is_that_of_what_is_known_and_lies_between_two_where_none_was_measured():
    """The factor of a case is its number of leads plus a tenth of its fields: linear, so interpolation finds it."""
    prior = HeartPrior(2, 3, width=8, blocks=1, spread=[[leads + fields / 10 + 1, 1.0] for leads, fields in CASES])
    known = torch.tensor([[0, 0], [8, 4], [8, 0], [0, 4], [1, 3], [3, 4], [7, 1], [5, 2]])
    code, predicted = torch.ones(len(known), 2), torch.zeros(len(known), 2)
    expected = [leads + fields / 10 + 1 for leads, fields in known.tolist()]
    widened = prior.widened(code, predicted, known)
    assert widened[:, 0].tolist() == pytest.approx(expected) and (widened[:, 1] - 1).abs().max() < 1e-6
    torch.testing.assert_close(prior.widened(2 * code, code, known), widened + 1)
    with pytest.raises(ValueError, match="what is known"):
        prior.widened(code, predicted)


@torch.no_grad()
def test_a_prior_about_the_prediction_moves_with_it_and_by_as_much():
    """Where the network is blind to it, another prediction moves every drawn code by the difference.

    The embedding, which comes before the prediction, has no say.
    """
    torch.manual_seed(0)
    prior = HeartPrior(2, 5, width=16, blocks=1, about_predicted=True).eval()
    prior.given[0].weight[:, :2] = 0
    noise, summary, moved = torch.randn(6, 2), torch.randn(6, 5), torch.randn(6, 2)

    def drawn(summary, steps=10):
        code = noise
        for step in range(steps, 0, -1):
            code = code - prior(code, torch.full((6,), step / steps), summary) / steps
        return code

    other = torch.cat([summary[:, :3], summary[:, 3:] + moved], dim=1)
    torch.testing.assert_close(drawn(other) - drawn(summary), moved)
    assert torch.equal(drawn(torch.cat([summary[:, :3] + 1, summary[:, 3:]], dim=1)), drawn(summary))
