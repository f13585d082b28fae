import json
from dataclasses import replace

import pytest
import torch

from cohort.errors import InputError
from models.code_correction import CodeCorrection
from models.conditioning import HeartConditioner
from models.denoiser import HeartDenoiser
from models.heart_prior import HeartPrior
from models.segmenter import Segmenter
from sampling.pipeline import ECGToMRIPipeline, PatientBatch
from sampling.schedulers import make_scheduler
from sampling.steering import Sight

KNOWN = {"phenotypes": ("LVEDV", "LVM"), "phenotype_mean": (140.0, 90.0), "phenotype_std": (30.0, 20.0)}
STEPS = 2


@pytest.fixture
def told(monkeypatch):
    """Every heart is found to be 1 SD too small; the list fills with the codes that the denoiser is told."""
    monkeypatch.setattr("sampling.pipeline.in_sds", lambda *_: [-1.0, 0.0])
    return []


@pytest.fixture
def obedient(tiny_pipeline, told):
    """A pipeline that corrects its hearts: what is 1 SD too small is told 1 SD larger."""
    torch.manual_seed(0)
    conditioner = HeartConditioner(width=32, components=3, **KNOWN)
    parts = tiny_pipeline.parts | {
        "conditioner": conditioner,
        "prior": HeartPrior(conditioner.code_length, conditioner.summary_length, width=16, blocks=1).eval(),
        "denoiser": HeartDenoiser(4, (4, 4), 32, conditioner.condition_length, widths=(32, 64)).eval(),
        "correction": CodeCorrection(conditioner.code_length, KNOWN["phenotypes"], (0, 1), gain=1.0).eval(),
    }
    parts["correction"].fit_directions(torch.eye(5).repeat(9, 1))
    pipeline = ECGToMRIPipeline(**parts, scheduler=tiny_pipeline.scheduler, geometry=tiny_pipeline.config.geometry)
    pipeline.set_progress_bar_config(disable=True)
    pipeline.segmenter = Segmenter((8, 16))
    pipeline.denoiser.register_forward_pre_hook(lambda _, given: told.append(given[4][:, 32:37].clone()))
    return pipeline


def patients(count):
    ecg = torch.randn(count, 12, 2500, generator=torch.Generator().manual_seed(3))
    there = torch.ones(count, dtype=torch.bool)
    return PatientBatch(ecg, torch.ones(count, 12, dtype=torch.bool), torch.full((count, 4), torch.nan), there, there)


def generators(*seeds):
    return [torch.Generator().manual_seed(seed) for seed in seeds]


def test_a_heart_that_does_not_obey_is_told_more_and_drawn_again(obedient, told):
    drawn = obedient.draw(patients(2), generators(1, 2), STEPS)
    assert len(told) == 2 * STEPS
    torch.testing.assert_close(told[0], drawn.codes)
    error = drawn.codes[:, 0] + 1  # it was found at -1
    torch.testing.assert_close(told[-1][:, 0], drawn.codes[:, 0] + error.clamp(-1.5, 1.5))


def test_the_code_of_a_drawn_heart_is_what_was_meant(obedient, told):
    meant = obedient.draw(patients(1), generators(1), STEPS).codes
    obedient.register_to_config(redraws=0)
    assert torch.equal(obedient.draw(patients(1), generators(1), STEPS).codes, meant)


@pytest.mark.parametrize("redraws", [0, 1, 3])
def test_hearts_are_drawn_again_as_often_as_the_configuration_says(obedient, told, redraws):
    obedient.register_to_config(redraws=redraws)
    obedient.draw(patients(1), generators(1), STEPS)
    assert len(told) == (1 + redraws) * STEPS


def test_a_corrected_heart_depends_on_its_own_generator_alone(obedient, monkeypatch):
    monkeypatch.setattr("sampling.pipeline.in_sds", lambda _, heart, *rest: [float(heart.mean()), 0.0])
    both = obedient.draw(patients(2), generators(1, 2), STEPS).latents
    given = patients(2)
    alone = PatientBatch(*(value[1:] for value in vars(given).values()))
    torch.testing.assert_close(obedient.draw(alone, generators(2), STEPS).latents, both[1:], atol=1e-4, rtol=0)
    assert not torch.allclose(both[0], both[1])


def test_a_pipeline_that_corrects_needs_something_that_measures(obedient):
    obedient.segmenter = None
    with pytest.raises(ValueError, match="segmenter"):
        obedient.draw(patients(1), generators(1), STEPS)


def test_a_folder_that_corrects_holds_its_segmenter_and_gives_the_same_hearts(obedient, tmp_path):
    expected = obedient.draw(patients(1), generators(1), STEPS).latents
    obedient.save(tmp_path / "bare")
    with pytest.raises(InputError, match="segmenter"):
        ECGToMRIPipeline.load(tmp_path / "bare")
    obedient.save(tmp_path / "whole", {"segmenter": obedient.segmenter})
    loaded = ECGToMRIPipeline.load(tmp_path / "whole")
    loaded.set_progress_bar_config(disable=True)
    torch.testing.assert_close(loaded.draw(patients(1), generators(1), STEPS).latents, expected)


@pytest.mark.parametrize("correction", [("LVEDV", "RVEDV"), ("LVM", "LVEDV")])
def test_a_correction_of_other_phenotypes_is_refused(obedient, tmp_path, correction):
    obedient.register_modules(correction=CodeCorrection(5, correction, (0, 1)))
    obedient.save(tmp_path / "other", {"segmenter": obedient.segmenter})
    with pytest.raises(InputError, match="corrected"):
        ECGToMRIPipeline.load(tmp_path / "other")


def test_guidance_leaves_the_empty_condition_without_a_code(obedient, told):
    given = replace(patients(1))
    obedient.draw(given, generators(1), STEPS, guidance_scale=2.0)
    assert all((rows[1] == 0).all() for rows in told) and not torch.equal(told[0][0], told[-1][0])


# ---- steered before the last step ----


@pytest.fixture
def steerable(obedient):
    obedient.register_to_config(redraws=0, steering=3)
    return obedient


def errors_of(pipeline, drawn):
    eye = Sight(pipeline.autoencoder, pipeline.segmenter, pipeline.correction, pipeline.conditioner, pipeline.grid)
    with torch.no_grad():
        return eye.errors(drawn.latents, drawn.codes)


def test_a_steered_heart_obeys_better_and_was_meant_alike(steerable):
    steered = steerable.draw(patients(2), generators(1, 2), STEPS)
    steerable.register_to_config(steering=0)
    plain = steerable.draw(patients(2), generators(1, 2), STEPS)
    assert torch.equal(steered.codes, plain.codes)
    far, near = (errors_of(steerable, drawn).abs().sum(1) for drawn in (plain, steered))
    assert (near < far).all()


@pytest.mark.parametrize("scheduler", ["UniPCMultistepScheduler", "FlowMatchEulerDiscreteScheduler", "DDIMScheduler"])
def test_steering_by_no_step_ends_where_the_scheduler_ends(steerable, scheduler, monkeypatch):
    """The last step is taken by the pipeline itself then: it gives what the scheduler's own would."""
    steerable.scheduler = make_scheduler(scheduler)
    monkeypatch.setattr("sampling.pipeline.steered", lambda points, clean, *_: clean(points, torch.arange(len(points))))
    by_hand = steerable.draw(patients(1), generators(1), STEPS).latents
    steerable.register_to_config(steering=0)
    torch.testing.assert_close(steerable.draw(patients(1), generators(1), STEPS).latents, by_hand, atol=2e-2, rtol=0)


def test_steering_teaches_no_network(steerable):
    steerable.draw(patients(1), generators(1), STEPS)
    assert all(value.grad is None for part in steerable.parts.values() for value in part.parameters())
    assert all(value.grad is None for value in steerable.segmenter.parameters())


def test_a_steered_heart_depends_on_its_own_generator_alone(steerable):
    both = steerable.draw(patients(2), generators(1, 2), STEPS).latents
    alone = PatientBatch(*(value[1:] for value in vars(patients(2)).values()))
    torch.testing.assert_close(steerable.draw(alone, generators(2), STEPS).latents, both[1:], atol=1e-3, rtol=0)


def test_steering_needs_something_that_measures(steerable):
    steerable.segmenter = None
    with pytest.raises(ValueError, match="segmenter"):
        steerable.draw(patients(1), generators(1), STEPS)


def test_a_steered_heart_follows_guidance_too(steerable):
    plain = steerable.draw(patients(1), generators(1), STEPS, guidance_scale=1.0).latents
    guided = steerable.draw(patients(1), generators(1), STEPS, guidance_scale=3.0).latents
    assert guided.isfinite().all() and not torch.allclose(plain, guided)


@pytest.mark.parametrize("steering", [-1, 1.5, True, 10**6])
def test_a_folder_of_impossible_steering_is_refused(steerable, tmp_path, steering):
    steerable.save(tmp_path / "made", {"segmenter": steerable.segmenter})
    index = tmp_path / "made" / "model_index.json"
    index.write_text(json.dumps(json.loads(index.read_text()) | {"steering": steering}))
    with pytest.raises(InputError):
        ECGToMRIPipeline.load(tmp_path / "made")


@pytest.mark.parametrize("redraws, steering, corrects", [(0, 0, False), (1, 0, True), (0, 2, True)])
def test_a_pipeline_says_whether_its_segmenter_has_a_part_in_drawing(steerable, redraws, steering, corrects):
    steerable.register_to_config(redraws=redraws, steering=steering)
    assert steerable.corrects is corrects
    steerable.register_modules(correction=None)
    assert not steerable.corrects
