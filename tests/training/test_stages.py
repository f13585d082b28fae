"""The stages of a training, one after the other: who teaches them, what one hands to the next, what the pipeline keeps.

One training of two steps a stage serves most of these tests.
"""

import json
import shutil
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from accelerate import Accelerator
from diffusers import UNet2DConditionModel
from torch import nn

from cohort.errors import InputError
from cohort.prepared import PreparedCohort
from cohort.shown_phenotypes import with_shown
from cohort.stored_arrays import write_about
from models.autoencoder import SliceAutoencoder
from models.ecg_encoder import ECGEncoder
from models.heart_prior import CASES
from models.presets import PRESETS
from models.segmenter import Segmenter
from sampling.patients import patient_batch, prepared_patients
from sampling.pipeline import ECGToMRIPipeline, load_part, sample_generator
from tests.short_training import shorten
from training.checkpoint import read_best, read_checkpoint
from training.code_prior import measured_spread
from training.code_regression import predict_codes
from training.ecg_set import EcgSet
from training.networks import fresh_regressor
from training.options import DiffusionOptions, StageSteps
from training.pipeline_folder import learn_pipeline, save_pipeline
from training.stages import STAGES, Training
from training.targets import standardised_phenotypes

SHARED_NOISE = 0.7
CPU = torch.device("cpu")


# ---- What is tested: the only lines that know where it lives ----


def settings(folder, steps=2, **options):
    sizes = {"steps": steps, "hearts_per_batch": 32, "learning_rate": 1e-3, "preset": "nano"}
    given = {"output": folder, "stage_steps": StageSteps(*[steps] * 5), "shared_noise": SHARED_NOISE}
    return DiffusionOptions(**given | sizes | options)


def stored(folder, cohort, **changed):
    """The cohort with other arrays, in a folder that says what its hearts hold."""
    cohort = replace(cohort, folder=folder, **changed)
    np.save(folder / "hearts.npy", cohort.hearts)
    write_about(folder, ["hearts"], {"people": len(cohort.eid)})
    return cohort


def train(folder, cohort, autoencoder, preset, **options):
    """All stages after the autoencoder's and the segmenter's; the pipeline is folder/pipeline."""
    with pytest.MonkeyPatch.context() as patch:
        shorten(patch)
        patch.setitem(PRESETS, "nano", preset)
        job = Training(settings(folder, **options), Accelerator(cpu=True), cohort, autoencoder=autoencoder)
        for name in ("networks", "ceiling", "condition", "prior", "denoiser"):
            STAGES[name](job)
        save_pipeline(job)


def regressed(folder, cohort, regressor, preset, **options):
    """The ceiling, and the regressor that began with its weights and has learned one step."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(PRESETS, "nano", preset)
        codes = standardised_phenotypes(cohort.phenotypes, regressor.conditioner)
        job = Training(settings(folder, 1, **options), Accelerator(cpu=True), cohort, regressor=regressor, codes=codes)
        for name in ("ceiling", "condition"):
            STAGES[name](job)
    return job.ceiling


# ---- One training ----


@dataclass(frozen=True)
class Trained:
    """A training's folder, its cohort, and what the UNet was given at its training steps: (noisy, timesteps) each."""

    folder: Path
    cohort: PreparedCohort
    autoencoder: nn.Module
    steps: list

    @property
    def pipeline(self):
        return ECGToMRIPipeline.load(self.folder / "pipeline")


class Listening:
    """What every UNet is given within."""

    def __enter__(self):
        self.given = []
        self._hook = nn.modules.module.register_module_forward_pre_hook(self._keep)
        return self

    def _keep(self, module, given):
        if isinstance(module, UNet2DConditionModel):
            self.given.append((module.training, given[0][:, :4].detach(), given[1]))

    def __exit__(self, *_):
        self._hook.remove()


@pytest.fixture(scope="module")
def trained(prepared, tiny_preset, tmp_path_factory):
    """Its latents are so small that all the denoiser sees is noise."""
    cohort = stored(tmp_path_factory.mktemp("cohort"), prepared, ecg=np.asarray(prepared.ecg[:, :, :250]))
    cohort, _ = with_shown(cohort)  # as the segmenter's stage does
    torch.manual_seed(0)
    autoencoder = SliceAutoencoder(width=8, latent_channels=4).eval()
    autoencoder.set_latent_statistics(torch.zeros(4), torch.full((4,), 1e4))
    model = tmp_path_factory.mktemp("autoencoder") / "model"
    autoencoder.save_pretrained(model)
    autoencoder = load_part(SliceAutoencoder, model)  # as its stage does
    folder = tmp_path_factory.mktemp("training")
    with Listening() as unet:
        train(folder, cohort, autoencoder, tiny_preset)
    return Trained(folder, cohort, autoencoder, [given[1:] for given in unet.given if given[0]])


def of_hearts(slices, times, per_heart):
    """Noise (hearts, slices, cells) of noisy latents (hearts * slices, C, h, w) at these times, 0 to 1000."""
    noise = slices / (times.view(-1, 1, 1, 1) / 1000)
    return noise.reshape(-1, per_heart, noise[0].numel())


def correlation_between_slices(noise):
    """Of (hearts, slices, cells) of unit variance: mean over hearts and pairs of slices."""
    slices = noise.shape[1]
    products = torch.einsum("b s n, b t n -> s t", noise, noise) / (noise.numel() / slices)
    return float((products.sum() - products.trace()) / (slices * (slices - 1)))


def test_hearts_start_in_sampling_from_the_noise_they_were_trained_on(trained):
    """Between the slices of a heart it correlates by --shared-noise, there and here."""
    in_training = torch.cat([of_hearts(*step, 3) for step in trained.steps])
    people = prepared_patients(trained.cohort, np.zeros(32, int))
    with Listening() as unet:
        trained.pipeline(patient_batch(people), [sample_generator(0, "heart", k) for k in range(32)], steps=1)
    (_, slices, times), *_ = unet.given
    in_sampling = of_hearts(slices, times.expand(len(slices)), 6)
    assert len(in_training) == 64 and len(in_sampling) == 32
    assert correlation_between_slices(in_training) == pytest.approx(SHARED_NOISE, abs=0.05)
    assert correlation_between_slices(in_sampling) == pytest.approx(SHARED_NOISE, abs=0.05)


def tensors_below(tensors, prefix):
    return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}


def same_bits(a, b):
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


def test_the_pipeline_holds_the_best_weights_of_every_stage(trained):
    """And of the denoiser the average; the ceiling that travels with it is the regression's own."""
    pipeline = trained.pipeline
    ceiling, condition, prior = (
        read_best(trained.folder / stage / "best.safetensors")[0] for stage in ("ceiling", "condition", "prior")
    )
    for name in ("ecg_encoder", "conditioner"):
        assert same_bits(getattr(pipeline, name).state_dict(), tensors_below(condition, f"{name}."))
        stored = type(getattr(pipeline, name)).from_pretrained(trained.folder / "pipeline" / "ceiling" / name)
        assert same_bits(stored.state_dict(), tensors_below(ceiling, f"{name}."))
    assert same_bits(pipeline.prior.state_dict(), prior)
    average = read_checkpoint(trained.folder / "checkpoints" / "step_00000002")["ema"]
    assert all(torch.equal(p, average[str(k)]) for k, p in enumerate(pipeline.denoiser.parameters()))


def test_the_pipeline_knows_how_widely_held_out_people_spread(trained):
    spread = trained.pipeline.prior.config.spread
    length = trained.pipeline.conditioner.code_length
    assert [len(row) for row in spread] == [length] * len(CASES)  # for each case of what is known
    assert len({factor for row in spread for factor in row}) > len(CASES)


def test_nobody_but_the_training_people_has_a_say_in_any_weight(trained, tiny_preset, tmp_path):
    """The rest are other people now: other hearts, other ECGs, other phenotypes. They judge, at the end, once."""
    rng, cohort, train_rows = np.random.default_rng(0), trained.cohort, trained.cohort.rows("train")
    others = np.setdiff1d(np.arange(len(cohort.eid)), train_rows)
    changed = {}
    for name in ("hearts", "ecg", "person", "phenotypes"):
        changed[name] = np.array(getattr(cohort, name))
        changed[name][others] = changed[name][train_rows[: len(others)]] * rng.uniform(0.2, 0.9)
    (tmp_path / "cohort").mkdir()
    train(tmp_path / "run", stored(tmp_path / "cohort", cohort, **changed), trained.autoencoder, tiny_preset)
    one, same = trained.pipeline, ECGToMRIPipeline.load(tmp_path / "run" / "pipeline")
    for part in ("ecg_encoder", "conditioner", "prior", "denoiser", "autoencoder"):
        assert same_bits(getattr(one, part).state_dict(), getattr(same, part).state_dict()), part
    assert one.config.ecg_limits == same.config.ecg_limits and one.config.ecg_limits
    statistics = ("phenotype_mean", "phenotype_std", "person_mean", "person_std")
    assert all(one.conditioner.config[name] == same.conditioner.config[name] for name in statistics)


def test_a_pipeline_says_that_real_people_taught_it(trained):
    """No cohort.json of a phantom lies in the data folder of its options."""
    assert trained.pipeline.config.trained_on == "real" and not trained.pipeline.knows_phantoms_only


# ---- Once more, and longer ----


@pytest.fixture
def finished(trained, tmp_path):
    """A copy of the training, whose pipeline has been calibrated and given a better ceiling since."""
    folder = shutil.copytree(trained.folder, tmp_path / "run", copy_function=shutil.copy2)
    (folder / "pipeline" / "calibration.json").write_text('{"LVEDV": 1.1}')
    (folder / "pipeline" / "ceiling" / "learning_curve.json").write_text("[]")
    return folder


def state_of(folder):
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): (path.read_bytes(), path.stat().st_mtime_ns) for path in files}


def test_all_stages_once_more_change_no_file_and_keep_what_was_added(trained, finished, tiny_preset):
    before = state_of(finished)
    train(finished, trained.cohort, trained.autoencoder, tiny_preset)
    after = state_of(finished)
    assert sorted(name for name in after if after[name] != before.get(name)) in ([], [".lock-pipeline"])
    assert after.keys() - {".lock-pipeline"} == before.keys() - {".lock-pipeline"}


def test_a_longer_training_goes_on_and_sets_the_pipeline_aside_with_what_was_added(
    trained, finished, tiny_preset, capsys
):
    before = state_of(finished / "pipeline")
    train(finished, trained.cohort, trained.autoencoder, tiny_preset, steps=3)
    assert state_of(finished / "pipeline-earlier-1") == before
    assert not (finished / "pipeline" / "calibration.json").exists()
    for stage in (".", "ceiling", "condition", "prior"):
        steps = [json.loads(line)["step"] for line in (finished / stage / "metrics.jsonl").read_text().splitlines()]
        assert 2 in steps and max(steps) == 3, stage
    said = capsys.readouterr().out
    assert said.count("3 steps now, 2 before; from step 2 on the learning rate is that of a run of 3 steps") == 4
    assert len([line for line in said.splitlines() if line.endswith("pipeline-earlier-1")]) == 1
    about = json.loads((finished / "pipeline" / "training.json").read_text())
    assert about["configuration_sha256"] != json.loads(before["training.json"][0])["configuration_sha256"]


def test_prior_and_denoiser_must_learn_on_with_a_longer_condition(trained, finished, tiny_preset):
    lengths = StageSteps(2, 2, 2, 3, 2)
    with pytest.raises(InputError, match="prior has learned all its 2 steps.*raise --stage-steps.prior too"):
        train(finished, trained.cohort, trained.autoencoder, tiny_preset, stage_steps=lengths)
    lengths = replace(lengths, prior=3)
    with pytest.raises(InputError, match="denoiser has learned all its 2 steps.*raise --steps too"):
        train(finished, trained.cohort, trained.autoencoder, tiny_preset, stage_steps=lengths)


def test_fewer_steps_than_are_done_are_refused(trained, finished, tiny_preset):
    before = state_of(finished / "pipeline")
    with pytest.raises(InputError, match="has done 2 steps, of 2 planned, and cannot be one of 1"):
        train(finished, trained.cohort, trained.autoencoder, tiny_preset, steps=1)
    assert state_of(finished / "pipeline") == before


def test_a_ceiling_that_learned_longer_reaches_the_pipeline_unless_a_better_one_is_there(
    trained, finished, tiny_preset
):
    longer = {"stage_steps": StageSteps(2, 2, 3, 2, 2)}
    before = state_of(finished / "pipeline" / "ceiling")
    train(finished, trained.cohort, trained.autoencoder, tiny_preset, **longer)
    assert state_of(finished / "pipeline" / "ceiling") == before, "train_ceiling.py's stays"
    (finished / "pipeline" / "ceiling" / "learning_curve.json").unlink()
    train(finished, trained.cohort, trained.autoencoder, tiny_preset, **longer)
    learned = read_best(finished / "ceiling" / "best.safetensors")[0]
    stored = load_part(ECGEncoder, finished / "pipeline" / "ceiling" / "ecg_encoder").state_dict()
    assert same_bits(stored, tensors_below(learned, "ecg_encoder."))
    assert (finished / "pipeline-earlier-1" / "calibration.json").exists()


def test_how_long_a_trained_autoencoder_learned_is_no_longer_asked(trained, finished, tiny_preset):
    before = state_of(finished / "pipeline")
    train(finished, trained.cohort, trained.autoencoder, tiny_preset, stage_steps=StageSteps(9, 9, 2, 2, 2))
    assert state_of(finished / "pipeline") == before


def test_a_finished_training_is_known_without_learning_anything(trained, finished, tmp_path, capsys, monkeypatch):
    places = {"autoencoder": tmp_path / "autoencoder", "segmenter": tmp_path / "segmenter"}
    trained.autoencoder.save_pretrained(places["autoencoder"] / "model")
    before = state_of(finished)
    monkeypatch.setattr("training.pipeline_folder.learn_stages", lambda training: pytest.fail("it learned"))

    def again(**options):
        learn_pipeline(Training(settings(finished, **places | options), Accelerator(cpu=True), trained.cohort))

    again()
    assert state_of(finished) == before and capsys.readouterr().out.startswith(f"finished: {finished}")
    for other in ({"steps": 3}, {"shared_noise": 0.1}):
        with pytest.raises(pytest.fail.Exception, match="it learned"):
            again(**other)
    Segmenter(widths=(8, 16)).save_pretrained(places["segmenter"] / "model")  # the pipeline has none
    with pytest.raises(pytest.fail.Exception, match="it learned"):
        again()


# ---- Stages by themselves ----


def test_the_regressor_begins_as_the_ceiling_ended(prepared, tiny_preset, tmp_path):
    """At a vanishing learning rate it still predicts what the ceiling does, of people neither has seen."""
    cohort = replace(prepared, ecg=np.asarray(prepared.ecg[:, :, :250]))
    torch.manual_seed(0)
    regressor = fresh_regressor(cohort, tiny_preset, components=0)
    rows = cohort.rows("test")
    people = EcgSet.of((cohort, rows, torch.zeros(len(rows), regressor.conditioner.code_length)))
    before = predict_codes(regressor.eval(), people, torch.arange(len(people)), CPU)
    ceiling = regressed(tmp_path, cohort, regressor, tiny_preset, learning_rate=1e-9)
    found, expected = (predict_codes(one, people, torch.arange(len(people)), CPU) for one in (regressor, ceiling))
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=0)
    assert (found - before).abs().max() > 0.1


def velocity_of_normal_codes(sd):
    """A prior's forward whose codes are exactly N(0, sd^2), whatever is said of the person."""

    def velocity(noisy, sigma, summary):
        s = sigma[:, None]
        return noisy * (s - (1 - s) * sd**2) / ((1 - s) ** 2 * sd**2 + s**2)  # E[noise - code | noisy]

    return velocity


@torch.no_grad()
@pytest.mark.parametrize("sd", [1 / 1.6, 1.0, 1.6])
def test_a_prior_made_too_narrow_is_widened_by_as_much(tiny_pipeline, prepared, sd):
    """Held-out people's codes have an SD of 1; too wide a prior is narrowed."""
    cohort = replace(prepared, ecg=np.asarray(prepared.ecg[:, :, :250]))
    rows = np.arange(400) % len(cohort.eid)
    tiny_pipeline.prior.register_to_config(spread=(3.0, 3.0, 3.0))  # of an earlier measurement: it has no say
    codes = torch.randn(len(rows), 3, generator=torch.Generator().manual_seed(0))
    tiny_pipeline.conditioner.target_head.weight.zero_()
    tiny_pipeline.conditioner.target_head.bias.zero_()
    tiny_pipeline.prior.forward = velocity_of_normal_codes(sd)
    spread = measured_spread(tiny_pipeline, EcgSet.of((cohort, rows, codes)), seed=0)
    for row in spread:
        assert row == pytest.approx([1 / sd] * 3, rel=0.16)
    assert np.mean(spread) == pytest.approx(1 / sd, rel=0.03)
    tiny_pipeline.prior.register_to_config(spread=spread)
    patients = patient_batch(prepared_patients(cohort, rows))
    _, summary = tiny_pipeline.encode(patients, guided=False)
    generators = [sample_generator(1, "drawn", k) for k in range(len(rows))]
    drawn = tiny_pipeline.draw_codes(summary, generators, known=patients.known)
    assert float(drawn.std()) == pytest.approx(1, abs=0.1)
