import pytest

from training.recipe import Recipe


def test_the_rate_warms_up_reaches_its_peak_and_ends_at_zero():
    rates = [Recipe(steps=100, learning_rate=2e-3, warmup=10).rate_at(step) for step in range(101)]
    assert rates[0] == pytest.approx(2e-4)
    assert max(rates) == pytest.approx(2e-3) and rates[9] == pytest.approx(2e-3)
    assert rates[:10] == sorted(rates[:10]) and rates[10:] == sorted(rates[10:], reverse=True)
    assert rates[55] == pytest.approx(1e-3)  # halfway along the cosine
    assert rates[100] == pytest.approx(0, abs=1e-9)
    assert all(rate > 0 for rate in rates[:100])
