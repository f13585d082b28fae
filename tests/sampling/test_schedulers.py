"""With the exact denoiser of a Gaussian, whatever a scheduler samples must have that Gaussian's mean and spread."""

import pytest
import torch

from cohort.errors import InputError
from models.noise import heart_noise
from sampling.pipeline import sample_generator
from sampling.schedulers import DEFAULT_SCHEDULER, is_flow, make_scheduler, to_flow

MEAN, STD = 0.7, 0.5

# (scheduler, steps, largest relative error there); first order needs more steps, as everywhere
DETERMINISTIC = [
    (DEFAULT_SCHEDULER, 10, 0.05),
    ("DPMSolverMultistepScheduler", 10, 0.05),
    ("DEISMultistepScheduler", 100, 0.1),
    ("FlowMatchEulerDiscreteScheduler", 100, 0.1),
    ("FlowMatchHeunDiscreteScheduler", 20, 0.05),
    ("EulerDiscreteScheduler", 200, 0.1),
    ("DDIMScheduler", 200, 0.1),
    ("HeunDiscreteScheduler", 200, 0.1),
]
STOCHASTIC = [("DDPMScheduler", 250), ("EulerAncestralDiscreteScheduler", 250)]


def gaussian_velocity(latents, sigma, *_):
    """E[noise - data | point] for data of N(MEAN, STD^2) on the straight path: linear in the point."""
    sigma = sigma.view(-1, 1, 1, 1, 1)
    variance = (1 - sigma) ** 2 * STD**2 + sigma**2
    slope = (sigma - (1 - sigma) * STD**2) / variance
    return -MEAN + slope * (latents - (1 - sigma) * MEAN)


@pytest.fixture
def pipeline(tiny_pipeline, monkeypatch):
    """Its denoiser is the Gaussian's exact one, and it gives back latents."""
    monkeypatch.setattr(tiny_pipeline.denoiser, "forward", gaussian_velocity)
    monkeypatch.setattr(tiny_pipeline, "decode", lambda latents: latents)
    return tiny_pipeline


def drawn(pipeline, steps, hearts=48):
    generators = [sample_generator(0, f"subject {k}", 1) for k in range(hearts)]
    pipeline.condition = lambda *_: (torch.zeros(hearts, 1, 32), torch.zeros(hearts, 32), torch.zeros(hearts, 3))
    return pipeline(None, generators, steps, 1.0)


def worst_error(pipeline, steps):
    """Farthest from the exact flow, which for a Gaussian is affine: each noise value z ends at MEAN + STD z."""
    noise = heart_noise((4, 6, 4, 4, 4), 0.0, [sample_generator(0, f"subject {k}", 1) for k in range(4)])
    return float((drawn(pipeline, steps, 4) - (MEAN + STD * noise)).abs().max()) / STD / float(noise.abs().max())


@pytest.mark.parametrize(("name", "steps", "tolerance"), DETERMINISTIC, ids=[row[0] for row in DETERMINISTIC])
def test_a_deterministic_scheduler_follows_the_exact_flow(pipeline, name, steps, tolerance):
    pipeline.scheduler = make_scheduler(name)
    assert worst_error(pipeline, steps) < tolerance


@pytest.mark.parametrize("name", [row[0] for row in DETERMINISTIC[1:]])
def test_it_follows_it_better_in_more_steps(pipeline, name):
    pipeline.scheduler = make_scheduler(name)
    assert worst_error(pipeline, 20) < 0.7 * worst_error(pipeline, 5)


@pytest.mark.parametrize(
    ("name", "steps"), [row[:2] for row in DETERMINISTIC] + STOCHASTIC, ids=lambda value: str(value)
)
def test_samples_of_a_gaussian_have_its_mean_and_spread(pipeline, name, steps):
    pipeline.scheduler = make_scheduler(name)
    latents = drawn(pipeline, steps)  # 18 432 values: standard errors 0.004 and 0.003
    assert float(latents.mean()) == pytest.approx(MEAN, abs=0.02)
    assert float(latents.std()) == pytest.approx(STD, abs=0.025)


@pytest.mark.parametrize("name", [row[0] for row in DETERMINISTIC + STOCHASTIC])
def test_the_first_of_few_steps_is_at_pure_noise(name):
    """A heart starts from noise and the denoiser must be told so: trailing spacing, a table that ends in noise."""
    scheduler = make_scheduler(name)
    scheduler.set_timesteps(10)
    assert to_flow(scheduler, torch.zeros(1), scheduler.timesteps[0])[1] > 0.99


def test_a_flow_scheduler_takes_the_velocity_and_the_others_the_noise():
    flows = {name: is_flow(make_scheduler(name)) for name, *_ in DETERMINISTIC + STOCHASTIC}
    assert flows[DEFAULT_SCHEDULER] and flows["FlowMatchEulerDiscreteScheduler"]
    assert not flows["DDIMScheduler"] and not flows["DDPMScheduler"]


@pytest.mark.parametrize("name", ["NoSuchScheduler", "UNet2DModel", "", "os", "ScoreSdeVeScheduler", "__doc__"])
def test_what_is_no_scheduler_of_diffusers_is_refused(name):
    with pytest.raises(InputError, match="scheduler"):
        make_scheduler(name)
