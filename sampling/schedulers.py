"""Any diffusers scheduler by name, for a denoiser that was trained on rectified flow."""

import inspect

import diffusers
import numpy as np
import torch
from torch import Tensor

from cohort.errors import InputError
from models.denoiser import TIMESTEPS

DEFAULT_SCHEDULER = "UniPCMultistepScheduler"


def make_scheduler(name: str):
    """Build a diffusers scheduler that integrates the flow, by itself or through `to_flow`.

    Schedulers that know flows (`use_flow_sigmas`, FlowMatch*) take the velocity as it is. All others work on the
    variance-preserving path. They get the noise prediction that follows from the same velocity.

    Timesteps are spaced "trailing", so that the first one is pure noise. With "leading", ten steps would begin a
    tenth of the way down.

    Raises:
        InputError: diffusers has no such scheduler, or it predicts neither noise nor flow.
    """
    cls = getattr(diffusers, name, None)
    if not (inspect.isclass(cls) and issubclass(cls, diffusers.SchedulerMixin)):
        raise InputError(f"--scheduler {name}", "diffusers has no scheduler of this name", f"try {DEFAULT_SCHEDULER}")
    known = inspect.signature(cls.__init__).parameters
    options: dict = {"num_train_timesteps": TIMESTEPS} if "num_train_timesteps" in known else {}
    if "use_flow_sigmas" in known:
        options |= {"prediction_type": "flow_prediction", "use_flow_sigmas": True}
    elif "prediction_type" in known:
        options |= {"prediction_type": "epsilon"}
        if "beta_start" in known:  # the default of some is Stable Diffusion's table, which stops short of pure noise
            options |= {"beta_start": 0.0001, "beta_end": 0.02}
    elif not name.startswith("FlowMatch"):
        raise InputError(f"--scheduler {name}", "it takes no noise or flow prediction", f"try {DEFAULT_SCHEDULER}")
    if "timestep_spacing" in known:
        options["timestep_spacing"] = "trailing"
    if "clip_sample" in known:
        options["clip_sample"] = False
    return cls(**options)


def is_flow(scheduler) -> bool:
    """Whether the scheduler takes the velocity itself."""
    return scheduler.config.get("use_flow_sigmas", False) or type(scheduler).__name__.startswith("FlowMatch")


def to_flow(scheduler, sample: Tensor, timestep: Tensor) -> tuple[Tensor, Tensor]:
    """Move a sample from the scheduler's path to the straight path, which the denoiser was trained on.

    A variance-preserving sample is a x0 + s eps, with a^2 + s^2 = 1. Divided by a + s, it is
    (1 - sigma) x0 + sigma eps, with sigma = s / (a + s).

    Returns:
        the sample on the straight path, and sigma as a 0-d tensor.
    """
    if is_flow(scheduler):
        return sample, timestep / TIMESTEPS
    if hasattr(scheduler, "scale_model_input"):  # from the variance-exploding to the variance-preserving path
        sample = scheduler.scale_model_input(sample, timestep)
    table = scheduler.alphas_cumprod.cpu().double().numpy()
    alpha_bar = float(np.interp(float(timestep), np.arange(len(table)), table))
    a, s = alpha_bar**0.5, (1 - alpha_bar) ** 0.5
    return sample / (a + s), torch.tensor(s / (a + s), device=sample.device)


def from_flow(scheduler, on_path: Tensor, velocity: Tensor, sigma: Tensor) -> Tensor:
    """The prediction that the scheduler expects: the velocity eps - x0, or eps = x + (1 - sigma) velocity."""
    return velocity if is_flow(scheduler) else on_path + (1 - sigma) * velocity
