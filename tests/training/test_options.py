"""Numbers of options that no training can have are refused before anything is learned."""

import pytest

from cohort.errors import InputError
from training.options import DiffusionOptions
from training.recipe import Recipe

NONE = (float("nan"), float("inf"), -1.0, 1e300)


@pytest.mark.parametrize("value", NONE)
@pytest.mark.parametrize("name", ["learning_rate", "condition_dropout", "shared_noise"])
def test_a_number_out_of_range_is_refused(name, value):
    DiffusionOptions().require_sound()
    with pytest.raises(InputError, match=f"--{name.replace('_', '-')}: .* is out of range"):
        DiffusionOptions(**{name: value}).require_sound()


@pytest.mark.parametrize("value", NONE)
def test_no_recipe_has_a_rate_that_is_none(value):
    with pytest.raises(InputError, match="--learning-rate"):
        Recipe(10, value)
