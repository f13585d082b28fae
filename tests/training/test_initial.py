"""A training that begins with a trained pipeline: what it says at first is what the pipeline says."""

import json
import shutil
from copy import deepcopy
from dataclasses import asdict, replace

import numpy as np
import pytest
import torch
from accelerate import Accelerator

from cohort.errors import InputError
from cohort.leakage import read_training, teachers
from cohort.phenotypes import PHENOTYPES
from cohort.shown_phenotypes import with_shown
from cohort.stored_arrays import write_about
from models.autoencoder import SliceAutoencoder
from models.code_regressor import CodeRegressor
from models.conditioning import HeartConditioner
from models.denoiser import HeartDenoiser
from models.ecg_encoder import ECGEncoder
from models.heart_prior import HeartPrior
from models.presets import PRESETS
from models.segmenter import Segmenter
from sampling.pipeline import ECGToMRIPipeline, load_part
from sampling.release import IN_FULL, RELEASED, halve
from sampling.schedulers import DEFAULT_SCHEDULER, make_scheduler
from tests.short_training import shorten
from training.initial import opened_start, take_denoiser, take_prior, take_regressor
from training.options import START_RATE, DiffusionOptions, StageSteps
from training.pipeline_folder import learn_pipeline
from training.run import steps_done
from training.stages import STAGES, Training, with_lengths

STATISTICS = {"phenotype_mean": (120.0, 150.0), "phenotype_std": (30.0, 40.0)}
KNOWN = ("LVM", "LVEDV")  # in another order than ours
NO_PEOPLE = {"person_mean": (0.4, 50.0, 170.0, 70.0), "person_std": (0.5, 12.0, 8.0, 11.0)}


def conditioner_of(phenotypes=KNOWN, components=24, **about):
    return HeartConditioner(width=32, phenotypes=phenotypes, components=components, **STATISTICS | NO_PEOPLE | about)


def pipeline_with(conditioner, geometry, trained_on="simulated"):
    autoencoder = SliceAutoencoder(width=8, latent_channels=4)
    autoencoder.set_latent_statistics(torch.full((4,), 0.1), torch.full((4,), 1.5))
    return ECGToMRIPipeline(
        ECGEncoder(width=32, layers=1, heads=4),
        conditioner,
        HeartPrior(conditioner.code_length, conditioner.summary_length),
        HeartDenoiser(4, (4, 4), 32, conditioner.condition_length, widths=(32, 64)),
        autoencoder,
        make_scheduler(DEFAULT_SCHEDULER),
        geometry=asdict(geometry),
        ecg_limits=[[0.0, 20.0]] * 12,
        trained_on=trained_on,
    )


@pytest.fixture(scope="module")
def folder(geometry, tmp_path_factory):
    """A pipeline of random weights, stored as a released one: in half precision, without a ceiling."""
    torch.manual_seed(5)
    whole, released = (tmp_path_factory.mktemp("start") / name for name in ("whole", "released"))
    pipeline_with(conditioner_of(), geometry).save(whole, {"segmenter": Segmenter(trained_on="simulated")})
    (whole / "training.json").write_text(json.dumps({"cohort": "earlier", "taught": {"salt": "00", "train": ["ab"]}}))
    halve(whole, released, IN_FULL)
    return released


@pytest.fixture
def start(folder):
    return opened_start(folder)


# ---- What the parts say at first ----


def people(count=6):
    generator = torch.Generator().manual_seed(1)
    person = torch.tensor([[1.0, 55, 176, 82]]).repeat(count, 1) + torch.randn(count, 4, generator=generator)
    ecg = torch.randn(count, 12, 250, generator=generator)
    return ecg, torch.ones(count, 12, dtype=torch.bool), person, *torch.ones(2, count, dtype=torch.bool)


def in_own_units(regressor):
    """What a regressor predicts of each phenotype, by name."""
    _, summary = regressor.eval()(*people())
    about, code = regressor.conditioner.config, regressor.conditioner.predicted(summary)
    return {
        name: code[:, k] * about.phenotype_std[k] + about.phenotype_mean[k] for k, name in enumerate(about.phenotypes)
    }


def fresh(rhythm=False, **about):
    other = {"phenotype_mean": (60.0, 200.0, 110.0), "phenotype_std": (9.0, 50.0, 25.0)}
    clinic = {"person_mean": (0.6, 70.0, 168.0, 90.0), "person_std": (0.5, 7.0, 9.0, 16.0)}
    conditioner = conditioner_of(("LVEF", "LVEDV", "LVM"), **other | clinic | about)
    return CodeRegressor(ECGEncoder(width=32, layers=1, heads=4, rhythm=rhythm), conditioner)


@pytest.mark.parametrize("rhythm", [False, True])
def test_a_regression_predicts_in_ml_and_g_what_the_pipeline_predicts(start, rhythm):
    """In a cohort of other means, whose phenotypes are more and in another order. The new one is average.

    So too where the fresh encoder is told the rhythm, which the pipeline's is not.
    """
    regressor = fresh(rhythm)
    encoder, _ = take_regressor(regressor, start.regressor)
    assert (encoder.weights < encoder.of) == ("no rhythm" in encoder.why) == rhythm
    found, expected = in_own_units(regressor), in_own_units(start.regressor)
    for name in KNOWN:
        torch.testing.assert_close(found[name], expected[name])
        assert expected[name].std() > 0.1
    assert found["LVEF"].tolist() == [60.0] * 6  # of this cohort


def test_a_further_field_of_the_person_changes_nothing_at_first(start):
    own = {"person_mean": (0.6, 70, 168, 90, 140), "person_std": (0.5, 7, 9, 16, 20)}
    regressor = fresh(further_fields=("systolic_bp_mmhg",), **own)
    tokens = regressor.conditioner.person_place[4].clone()
    take_regressor(regressor, start.regressor)
    assert torch.equal(regressor.conditioner.person_place[4], tokens), "its own token must differ from 0"
    assert regressor.conditioner.config.person_mean == (0.4, 50.0, 170.0, 70.0, 140)
    ecg, leads, person, *present = people()
    for pressure in (110.0, torch.nan):
        told = torch.cat([person, torch.full((6, 1), pressure)], dim=1)
        _, summary = regressor.eval()(ecg, leads, told, *present)
        _, expected = start.regressor.eval()(ecg, leads, person, *present)
        torch.testing.assert_close(summary[:, :32], expected[:, :32])


@pytest.mark.parametrize("same", [True, False])
def test_prior_and_denoiser_say_what_they_said_of_the_same_numbers(start, same, geometry):
    """Of other components they begin with the average heart's."""
    conditioner, taught = fresh().conditioner, start.pipeline.conditioner
    prior = HeartPrior(conditioner.code_length, conditioner.summary_length).eval()
    denoiser = HeartDenoiser(4, (4, 4), 32, conditioner.condition_length, widths=(32, 64)).eval()
    taken = take_prior(prior, start, conditioner, same), take_denoiser(denoiser, start, conditioner, same)
    code, generator = torch.zeros(2, taught.code_length), torch.Generator().manual_seed(2)
    code[:, :2], given = torch.randn(2, 2, generator=generator), torch.randn(2, 32, generator=generator)
    if same:
        code[:, 2:] = torch.randn(2, 24, generator=generator)
    ours = torch.cat([torch.full((2, 1), 3.0), code[:, [1, 0]], code[:, 2:] if same else code[:, 2:] + 1], dim=1)
    sigma, present = torch.tensor([0.3, 0.8]), torch.ones(2, dtype=torch.bool)
    found = prior(ours, sigma, torch.cat([given, ours], dim=1))
    expected = start.pipeline.prior(code, sigma, torch.cat([given, code], dim=1))
    torch.testing.assert_close(found[:, [2, 1]], expected[:, :2])
    assert same == torch.allclose(found[:, 3:], expected[:, 2:], atol=1e-5)
    places, latents = start.pipeline.places.repeated(2), torch.randn(2, 6, 4, 4, 4, generator=generator)
    tokens = torch.randn(2, 5, 32, generator=generator)
    drawn = denoiser(latents, sigma, places, tokens, conditioner.global_condition(given, ours, present))
    expected = start.pipeline.denoiser(latents, sigma, places, tokens, taught.global_condition(given, code, present))
    torch.testing.assert_close(drawn, expected)
    assert all("start at 0: LVEF" in part.why and ("24 components" in part.why) != same for part in taken)


def test_ecgs_of_another_rate_are_read_by_a_fresh_encoder(start):
    regressor = CodeRegressor(ECGEncoder(500, width=32, layers=1, heads=4), fresh().conditioner)
    before = {name: value.clone() for name, value in regressor.ecg_encoder.state_dict().items()}
    encoder, _ = take_regressor(regressor, start.regressor)
    assert encoder.weights == 0 and encoder.why == "ECGs are of 500 Hz, the pipeline's of 250 Hz"
    assert all(torch.equal(value, before[name]) for name, value in regressor.ecg_encoder.state_dict().items())


def test_the_released_pipeline_gives_all_it_has_to_a_training_of_its_own_numbers():
    start = opened_start(RELEASED)
    assert start.preset == "nano" and start.ceiling.conditioner is not start.pipeline.conditioner
    taught = start.pipeline.conditioner
    conditioner = HeartConditioner(**{k: v for k, v in taught.config.items() if not k.startswith("_")})
    regressor = CodeRegressor(ECGEncoder(**_sizes(start.pipeline.ecg_encoder)), conditioner)
    prior = HeartPrior(taught.code_length, taught.summary_length, about_predicted=True)
    denoiser = HeartDenoiser(**_sizes(start.pipeline.denoiser))
    taken = take_regressor(regressor, start.regressor, True)
    taken += [take_prior(prior, start, conditioner, True), take_denoiser(denoiser, start, conditioner, True)]
    assert [part.why for part in taken] == [""] * 4 and all(part.weights == part.of for part in taken)


def _sizes(part):
    return {name: value for name, value in part.config.items() if not name.startswith("_")}


# ---- Who taught ----


@pytest.mark.parametrize(
    ("before", "now", "together"),
    [
        ("simulated", "simulated", "simulated"),
        ("simulated", "real", "real"),
        ("real", "simulated", "real"),
        (None, "simulated", None),
        (None, "real", "real"),
    ],
)
def test_weights_are_real_peoples_where_anyone_was_real(geometry, tmp_path, before, now, together):
    pipeline_with(conditioner_of(), geometry, before).save(tmp_path / "start")
    assert opened_start(tmp_path / "start").taught_by(now) == together


# ---- One training ----


def training(folder, cohort, start, **options):
    """Of one step a stage, at a vanishing rate."""
    given = {"output": folder / "run", "autoencoder": folder / "autoencoder", "segmenter": folder / "segmenter"}
    rate = {"learning_rate": 1e-9, "steps": 1, "stage_steps": StageSteps(1, 1, 1, 1, 1)}
    chosen = with_lengths(DiffusionOptions(**given | rate | options, preset="nano"), "cpu", start)
    return Training(chosen, Accelerator(cpu=True), cohort, watch=lambda step: None, start=start)


@pytest.fixture(scope="module")
def begun(prepared, tiny_preset, folder, tmp_path_factory):
    """A training that began with the pipeline: its folder, and the cohort, of one second of each ECG."""
    place = tmp_path_factory.mktemp("begun")
    (place / "cohort").mkdir()
    cohort = replace(prepared, folder=place / "cohort", ecg=np.asarray(prepared.ecg[:, :, :250]))
    np.save(cohort.folder / "hearts.npy", cohort.hearts)
    write_about(cohort.folder, ["hearts"], {"people": len(cohort.eid)})
    with pytest.MonkeyPatch.context() as patch:
        shorten(patch)
        patch.setitem(PRESETS, "nano", tiny_preset)
        learn_pipeline(training(place, cohort, opened_start(folder)))
    return place, cohort


def test_every_stage_begins_with_the_pipelines_weights(begun, start):
    made = ECGToMRIPipeline.load(begun[0] / "run" / "pipeline")
    for name in ("ecg_encoder", "denoiser", "autoencoder"):
        taught = getattr(start.pipeline, name).state_dict()
        for key, value in getattr(made, name).state_dict().items():
            if name == "ecg_encoder" and key.startswith("of_rhythm."):  # it adds 0 at first
                assert key not in taught and (key.startswith("of_rhythm.0.") or value.abs().max() < 1e-6), key
            elif key != "unet.class_embedding.linear_1.weight":  # it is told other numbers
                torch.testing.assert_close(value, taught[key], atol=1e-6, rtol=0, msg=f"{name} {key}")
    body = "body.0.1.weight"  # the prior's own rate is no vanishing one
    assert (made.prior.state_dict()[body] - start.pipeline.prior.state_dict()[body]).abs().max() < 1e-3
    ceiling = load_part(ECGEncoder, begun[0] / "run" / "pipeline" / "ceiling" / "ecg_encoder").state_dict()
    torch.testing.assert_close(ceiling["stem.0.weight"], start.pipeline.ecg_encoder.stem[0].weight, atol=1e-6, rtol=0)
    segmenter = load_part(Segmenter, begun[0] / "segmenter" / "model")
    assert segmenter.config.trained_on == "real"
    first = "unet.conv_in.weight"
    assert (segmenter.state_dict()[first] - start.segmenter.state_dict()[first]).abs().max() < 1e-3


def test_latents_and_known_numbers_keep_the_pipelines_statistics(begun, start):
    made = ECGToMRIPipeline.load(begun[0] / "run" / "pipeline")
    assert made.autoencoder.config.latents_std == start.pipeline.autoencoder.config.latents_std
    about = made.conditioner.config
    kept = dict(zip(about.phenotypes, about.phenotype_mean, strict=True))
    assert (kept["LVM"], kept["LVEDV"]) == (120.0, 150.0) and about.person_mean == list(NO_PEOPLE["person_mean"])
    shown, _ = with_shown(begun[1])
    told = shown.phenotypes[shown.rows("train"), PHENOTYPES.index("RVEDV")]
    assert kept["RVEDV"] == pytest.approx(np.nanmean(told), rel=1e-4)


def test_the_pipeline_says_with_what_it_began_and_who_taught_that(begun, start):
    made = begun[0] / "run" / "pipeline"
    about = read_training(made)
    own, earlier = teachers(about)
    assert own["taught"]["people"]["train"] > 0 and earlier["taught"] == {"salt": "00", "train": ["ab"]}
    assert earlier["weights_sha256"] == start.weights_sha256 and earlier["trained_on"] == "simulated"
    assert ECGToMRIPipeline.load(made).config.trained_on == "real"
    card = " ".join((made / "README.md").read_text().split())
    assert f"began with: the pipeline whose weights have sha256 {start.weights_sha256}, taught by simulated" in card
    assert "weights it took of that: ECG encoder 87 %" in card  # all but what is told of the rhythm
    assert str(begun[0].parent) not in json.dumps(about) + card


def test_a_finished_one_is_left_and_another_start_is_refused(
    begun, start, geometry, tiny_preset, tmp_path, monkeypatch, capsys
):
    monkeypatch.setitem(PRESETS, "nano", tiny_preset)
    place, cohort = begun
    learn_pipeline(training(place, cohort, start))
    assert capsys.readouterr().out.startswith("finished: ")
    pipeline_with(conditioner_of(), geometry).save(tmp_path / "other")
    other = opened_start(tmp_path / "other")
    for another, now in ((other, other.sha256), (None, None)):
        with pytest.raises(InputError, match=f"init was '{start.sha256}', is {now!r}"):
            learn_pipeline(training(place, cohort, another))


def test_another_folder_of_the_same_weights_is_the_same_start(folder, start, tmp_path):
    """And other statistics are another, though the weights are the same."""
    moved = shutil.copytree(folder, tmp_path / "moved")
    (moved / "calibration.json").write_text('{"LVM": 1.1}')
    assert opened_start(moved).sha256 == start.sha256
    config = moved / "conditioner" / "config.json"
    config.write_text(config.read_text().replace("150.0", "151.0"))
    assert opened_start(moved).sha256 != start.sha256 and opened_start(moved).weights_sha256 == start.weights_sha256


def test_a_training_that_goes_on_does_not_begin_again(begun, start, tiny_preset, tmp_path, monkeypatch):
    """Its own checkpoint counts: a start that is nought in the meantime changes nothing."""
    monkeypatch.setitem(PRESETS, "nano", tiny_preset)
    nought = deepcopy(start.ceiling)
    for parameter in nought.parameters():
        parameter.data.zero_()
    for steps, given in ((1, start), (2, replace(start, ceiling=nought))):
        job = training(tmp_path, begun[1], given, stage_steps=StageSteps(1, 1, steps, 1, 1))
        for stage in ("autoencoder", "segmenter", "networks", "ceiling"):
            STAGES[stage](job)
    assert job.ceiling.ecg_encoder.stem[0].weight.abs().max() > 0.1
    expected = start.ceiling.ecg_encoder.stem[0].weight
    torch.testing.assert_close(job.ceiling.ecg_encoder.stem[0].weight, expected, atol=1e-6, rtol=0)
    assert steps_done(tmp_path / "run" / "ceiling") == 2


def test_lengths_are_those_of_the_pipelines_preset_at_half_the_rate():
    start = opened_start(RELEASED)
    options = with_lengths(DiffusionOptions(init=RELEASED), "cuda", start)
    assert options.preset == "nano" and options.learning_rate == START_RATE * 1e-3
    assert with_lengths(DiffusionOptions(init=RELEASED, learning_rate=2e-3), "cpu", start).learning_rate == 2e-3
    with pytest.raises(InputError, match="holds a pipeline of --preset nano, and base is asked for"):
        with_lengths(DiffusionOptions(init=RELEASED, preset="base"), "cpu", start)
