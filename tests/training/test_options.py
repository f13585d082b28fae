"""Numbers of options that no training can have are refused before anything is learned."""

from pathlib import Path

import pytest

import train_autoencoder
import train_segmenter
from cohort.errors import InputError
from evaluation.options import EvaluationOptions
from training.options import CeilingOptions, CohortOptions, DiffusionOptions, DistillationOptions, StageSteps
from training.recipe import Recipe
from training.stages import with_lengths

NONE = (float("nan"), float("inf"), -1.0, 1e300)


@pytest.mark.parametrize("value", NONE)
@pytest.mark.parametrize("name", ["learning_rate", "condition_dropout", "shared_noise"])
def test_a_number_out_of_range_is_refused(name, value):
    DiffusionOptions().require_sound()
    with pytest.raises(InputError, match=f"--{name.replace('_', '-')}: .* is out of range"):
        DiffusionOptions(**{name: value}).require_sound()


COUNTS = [  # of each command, those that would else be a division by zero, an empty batch, or the preset's own
    (CohortOptions, "--sampling-rate", {"sampling_rate": 20}),
    (DiffusionOptions, "--steps", {"steps": 0}),
    (DiffusionOptions, "--hearts-per-batch", {"hearts_per_batch": 0}),
    (DiffusionOptions, "--slices-per-heart", {"slices_per_heart": 0}),
    (DiffusionOptions, "--checkpoint-every", {"checkpoint_every": 0}),
    (DiffusionOptions, "--evaluate-every", {"evaluate_every": -1}),
    (DiffusionOptions, "--stage-steps.prior", {"stage_steps": StageSteps(prior=0)}),
    (train_autoencoder.Config, "--batch-size", {"batch_size": 0}),
    (train_autoencoder.Config, "--checkpoint-every", {"checkpoint_every": 0}),
    (train_segmenter.Config, "--steps", {"steps": 0}),
    (DistillationOptions, "--teacher-steps", {"teacher_steps": 0}),
    (DistillationOptions, "--evaluate-every", {"evaluate_every": 0}),
    (DistillationOptions, "--learning-rate", {"learning_rate": 2.0}),
    (CeilingOptions, "--sizes", {"sizes": (100, 0)}),
    (CeilingOptions, "--sizes", {"sizes": ()}),
    (EvaluationOptions, "--samples", {"samples": 0}),
    (EvaluationOptions, "--subjects", {"subjects": -3}),
    (EvaluationOptions, "--steps", {"steps": 0}),
    (EvaluationOptions, "--guidance-scale", {"guidance_scale": float("nan")}),
    (EvaluationOptions, "--calibrate", {"calibrate": True}),
    (EvaluationOptions, "--labels", {"labels": Path("labels")}),
]


@pytest.mark.parametrize(("options", "name", "given"), COUNTS)
def test_a_count_below_one_is_refused_by_its_name(options, name, given):
    options().require_sound()
    with pytest.raises(InputError, match=f"^{name}"):
        options(**given).require_sound()


def test_a_rate_of_zero_is_not_the_presets_own():
    assert with_lengths(DiffusionOptions(learning_rate=0.0), "cpu").learning_rate == 0
    assert with_lengths(DiffusionOptions(), "cpu").learning_rate == 1e-3


@pytest.mark.parametrize("value", NONE)
def test_no_recipe_has_a_rate_that_is_none(value):
    with pytest.raises(InputError, match="--learning-rate"):
        Recipe(10, value)
