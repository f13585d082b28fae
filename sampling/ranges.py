"""Which numbers a sampler, or a model's folder, may be given: real numbers within bounds."""

import math
from collections.abc import Iterable

from cohort.errors import InputError

SMALLEST, LARGEST = 1e-9, 1e6  # in float32, products of a few of them are still numbers
LARGEST_GUIDANCE, MOST_STEPS, MOST_REDRAWS, MOST_STEERING = 100, 1000, 10, 100
SAMPLING_RATES_HZ = (50, 2000)  # of the ECGs an encoder knows


def all_within(values: Iterable, low: float, high: float) -> bool:
    """Whether all are numbers (no text, no truth value), none is NaN, and each is from `low` to `high`."""
    return all(is_number(value) and low <= value <= high for value in values)


def is_number(value: object) -> bool:
    """Whether it is an int or a float, but not NaN; a truth value is none."""
    return isinstance(value, int | float) and not isinstance(value, bool) and not math.isnan(value)


def sound_sampling(guidance_scale: object, steps: object) -> bool:
    """Whether a sampler can run so: a finite scale of some size, and a whole number of steps."""
    whole = isinstance(steps, int) and all_within([steps], 1, MOST_STEPS)
    return whole and all_within([guidance_scale], -LARGEST_GUIDANCE, LARGEST_GUIDANCE)


def sound_count(count: object, most: int) -> bool:
    """Whether it is a whole number from 0 to `most`, as of redraws and of steps of steering."""
    return isinstance(count, int) and all_within([count], 0, most)


def require_sampling(guidance_scale: float | None, steps: int | None) -> None:
    """Refuse (InputError) options that no sampler can run with; None leaves it to the pipeline."""
    if not sound_sampling(guidance_scale or 0.0, 1 if steps is None else steps):
        remedy = f"give at most {LARGEST_GUIDANCE}, and at most {MOST_STEPS}"
        raise InputError("--guidance-scale, --steps", "cannot be sampled with", remedy)
