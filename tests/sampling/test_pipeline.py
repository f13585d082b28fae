import json
import os
from dataclasses import asdict, replace

import pytest
import torch
from safetensors.torch import load_file, save_file

import sampling.pipeline
from cohort.errors import InputError
from cohort.heart_grid import GridGeometry
from models.heart_prior import CASES, HeartPrior
from sampling.pipeline import (
    PARTS,
    ECGToMRIPipeline,
    PatientBatch,
    load_part,
    newest_pipeline,
    sample_generator,
    weights_sha256,
)
from training.batch import heart_batch


def condition(people=3, seed=0):
    generator = torch.Generator().manual_seed(seed)
    present = torch.ones(people, dtype=torch.bool)
    return PatientBatch(
        ecg=torch.randn(people, 12, 2500, generator=generator),
        lead_mask=torch.ones(people, 12, dtype=torch.bool),
        person=torch.tensor([[0.0, 50.0, 160.0, 60.0], [1.0, 65.0, float("nan"), 90.0], [1.0, 70.0, 180.0, 80.0]])[
            :people
        ],
        ecg_present=present,
        person_present=present,
    )


def of_one(given, k):
    return PatientBatch(*(value[k : k + 1] for value in vars(given).values()))


def generators(*samples, seed=0):
    return [sample_generator(seed, "subject", sample) for sample in samples]


@pytest.mark.parametrize("scale", [1.0, 2.0])
def test_a_batch_of_three_is_three_singles(tiny_pipeline, scale):
    given = condition()
    together = tiny_pipeline(given, generators(1, 2, 3), steps=3, guidance_scale=scale)
    assert together.shape == (3, *tiny_pipeline.grid.shape)
    for k in range(3):
        alone = tiny_pipeline(of_one(given, k), generators(k + 1), steps=3, guidance_scale=scale)
        torch.testing.assert_close(alone[0], together[k], atol=1e-5, rtol=0)
    assert (together[0] - together[1]).abs().max() > 0.01


@pytest.mark.parametrize("scheduler", ["DDPMScheduler", "EulerAncestralDiscreteScheduler"])
def test_so_it_is_for_schedulers_that_draw_noise(tiny_pipeline, scheduler):
    tiny_pipeline.scheduler = sampling.pipeline.make_scheduler(scheduler)
    given = condition()
    together = tiny_pipeline(given, generators(1, 2, 3), steps=3)
    alone = tiny_pipeline(of_one(given, 2), generators(3), steps=3)
    torch.testing.assert_close(alone[0], together[2], atol=1e-5, rtol=0)


def test_guidance_1_makes_no_second_pass(tiny_pipeline):
    sizes = []
    tiny_pipeline.denoiser.register_forward_pre_hook(lambda module, given: sizes.append(len(given[0])))
    tiny_pipeline(condition(), generators(1, 2, 3), steps=4, guidance_scale=1.0)
    assert sizes == [3] * 4
    sizes.clear()
    tiny_pipeline(condition(), generators(1, 2, 3), steps=4, guidance_scale=1.5)
    assert sizes == [6] * 4


@pytest.mark.parametrize("between", [(0.0, 0.6), (0.6, 1.0), (0.3, 0.8), (2.0, 2.0)])
def test_guidance_at_some_noise_levels_makes_its_second_pass_there_only(tiny_pipeline, between):
    levels, sizes = [], []

    def look(module, given):
        sizes.append(len(given[0]))
        levels.append(round(float(given[1][0]), 6))

    tiny_pipeline.denoiser.register_forward_pre_hook(look)
    tiny_pipeline(condition(), generators(1, 2, 3), steps=5, guidance_scale=1.5, guided_between=between)
    assert len(levels) == 5 and levels[0] > 0.99
    assert sizes == [3 * (2 if between[0] <= level <= between[1] else 1) for level in levels]


def test_guidance_everywhere_is_the_default_and_nowhere_follows_the_condition(tiny_pipeline, monkeypatch):
    tokens, summary = tiny_pipeline.encode(condition(), guided=True)
    whole = tiny_pipeline.conditioner.global_condition(summary, torch.zeros(6, 3), torch.ones(6, dtype=torch.bool))

    def hearts(rows, scale, *between):
        monkeypatch.setattr(tiny_pipeline, "condition", lambda *_: (tokens[:rows], whole[:rows], None))
        return tiny_pipeline(condition(), generators(1, 2, 3), 3, scale, *between)

    everywhere = hearts(6, 1.5)
    assert torch.equal(hearts(6, 1.5, (0.0, 1.0)), everywhere)
    assert (hearts(6, 1.5, (0.0, 0.5)) - everywhere).abs().max() > 1e-4
    torch.testing.assert_close(hearts(6, 1.5, (2.0, 2.0)), hearts(3, 1.0), atol=1e-5, rtol=0)


def test_guidance_0_follows_nobody_and_1_is_the_condition_itself(tiny_pipeline):
    given, others = condition(), condition(seed=1)
    ignored = [tiny_pipeline(c, generators(1, 2, 3), steps=2, guidance_scale=0.0) for c in (given, others)]
    torch.testing.assert_close(*ignored, atol=1e-5, rtol=0)
    follows = tiny_pipeline(given, generators(1, 2, 3), steps=2, guidance_scale=1.0)
    nearly = tiny_pipeline(given, generators(1, 2, 3), steps=2, guidance_scale=1 + 1e-6)
    torch.testing.assert_close(nearly, follows, atol=1e-4, rtol=0)
    assert (follows - ignored[0]).abs().max() > 1e-3


def test_a_heart_follows_the_code_drawn_for_it(tiny_pipeline, monkeypatch):
    given = condition(1)
    hearts = []
    for value in (-1.0, 1.0):
        monkeypatch.setattr(tiny_pipeline, "draw_codes", lambda *_, v=value: torch.full((1, 3), v))
        hearts.append(tiny_pipeline(given, generators(1), steps=2, guidance_scale=1.0))
    assert (hearts[0] - hearts[1]).abs().max() > 1e-3


@torch.no_grad()
def test_codes_are_drawn_as_wide_as_the_prior_says_times_its_measured_spread(tiny_pipeline):
    """A prior whose velocity is that of N(0, 1) exactly: sigma x / ... leaves the noise it starts from."""

    def exact(noisy, sigma, summary):
        s = sigma[:, None]
        return noisy * (2 * s - 1) / ((1 - s) ** 2 + s**2)  # E[noise - code | x] of independent standard normals

    tiny_pipeline.prior.forward = exact
    _, summary = tiny_pipeline.encode(condition(1), guided=False)
    many = generators(*range(400))
    codes = tiny_pipeline.draw_codes(summary.expand(400, -1), many)
    assert codes.mean().abs() < 0.1 and codes.std() == pytest.approx(1, abs=0.1)
    tiny_pipeline.prior.register_to_config(spread=(2.0, 1.0, 0.5))
    wider = tiny_pipeline.draw_codes(summary.expand(400, -1), generators(*range(400)))
    torch.testing.assert_close(wider.std(0) / codes.std(0), torch.tensor([2.0, 1.0, 0.5]), atol=1e-3, rtol=0)
    assert tiny_pipeline.draw_codes(summary, generators(7))[0].tolist() == pytest.approx(wider[7].tolist(), abs=1e-5)


def test_the_same_seed_is_the_same_heart_and_another_is_another(tiny_pipeline):
    given = condition(1)
    first = tiny_pipeline(given, generators(1), steps=2)
    assert torch.equal(tiny_pipeline(given, generators(1), steps=2), first)
    for other in (generators(2), generators(1, seed=1), [sample_generator(0, "other subject", 1)]):
        assert (tiny_pipeline(given, other, steps=2) - first).abs().max() > 0.01


def test_save_then_load_gives_the_same_hearts(tiny_pipeline, tmp_path):
    given = condition()
    tiny_pipeline.save(tmp_path / "pipeline")
    loaded = ECGToMRIPipeline.load(tmp_path / "pipeline")
    loaded.set_progress_bar_config(disable=True)
    assert loaded.grid == tiny_pipeline.grid
    assert type(loaded.scheduler) is type(tiny_pipeline.scheduler)
    assert torch.equal(loaded(given, generators(1, 2, 3), steps=3), tiny_pipeline(given, generators(1, 2, 3), steps=3))
    assert weights_sha256(tmp_path / "pipeline") == weights_sha256(tmp_path / "pipeline")


def test_the_settings_survive_a_folder(tiny_parts, tmp_path):
    settings = {
        "geometry": asdict(GridGeometry(slices=4, height=32, width=32)),
        "ecg_limits": [[0.1 * k, 2.0 + k] for k in range(12)],
        "shared_noise": 0.25,
        "guidance_scale": 1.75,
        "trained_on": "real",
    }
    scheduler = sampling.pipeline.make_scheduler("DDIMScheduler")
    ECGToMRIPipeline(**tiny_parts, scheduler=scheduler, **settings).save(tmp_path / "p")
    loaded = ECGToMRIPipeline.load(tmp_path / "p")
    assert {name: loaded.config[name] for name in settings} == settings
    assert type(loaded.scheduler).__name__ == "DDIMScheduler"
    assert type(ECGToMRIPipeline.load(tmp_path / "p", "EulerDiscreteScheduler").scheduler).__name__.startswith("Euler")


def test_one_phase_or_more_slices_than_in_training_are_free(tiny_parts):
    geometry = asdict(GridGeometry(slices=5, phases=1, height=32, width=40))
    scheduler = sampling.pipeline.make_scheduler("DDIMScheduler")
    pipeline = ECGToMRIPipeline(**tiny_parts, scheduler=scheduler, geometry=geometry)
    pipeline.set_progress_bar_config(disable=True)
    assert pipeline(condition(1), generators(1), steps=1).shape == (1, 5, 1, 32, 40)


@pytest.fixture
def saved(tiny_pipeline, tmp_path):
    tiny_pipeline.save(tmp_path / "pipeline")
    return tmp_path / "pipeline"


def rewrite(saved, part, change):
    path = saved / part / "diffusion_pytorch_model.safetensors"
    tensors = load_file(path)
    change(tensors)
    save_file(tensors, path, metadata={"format": "pt"})


@pytest.mark.parametrize("part", PARTS)
def test_a_missing_or_an_unexpected_tensor_is_refused_and_never_half_loaded(saved, part):
    rewrite(saved, part, lambda tensors: tensors.update(foreign=torch.zeros(2)))
    with pytest.raises(InputError, match="foreign"):
        ECGToMRIPipeline.load(saved)
    rewrite(saved, part, lambda tensors: (tensors.pop("foreign"), tensors.pop(sorted(tensors)[0])))
    with pytest.raises(InputError, match="weights do not fit"):
        ECGToMRIPipeline.load(saved)


def test_a_tensor_of_another_shape_is_refused(saved):
    rewrite(saved, "conditioner", lambda tensors: tensors.update(ecg_null=torch.zeros(5)))
    with pytest.raises(InputError):
        ECGToMRIPipeline.load(saved)


def truncate(path):
    os.truncate(path, path.stat().st_size // 2)


@pytest.mark.parametrize(
    "file",
    [
        "model_index.json",
        "denoiser/config.json",
        "autoencoder/config.json",
        "denoiser/diffusion_pytorch_model.safetensors",
        "ecg_encoder/diffusion_pytorch_model.safetensors",
    ],
)
@pytest.mark.parametrize("damage", [truncate, os.unlink], ids=["truncated", "gone"])
def test_a_damaged_folder_is_refused_in_one_line(saved, file, damage):
    damage(saved / file)
    with pytest.raises(InputError) as refusal:
        ECGToMRIPipeline.load(saved)
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize(("entry", "named"), [("denoiser", ["os", "system"]), ("scheduler", ["os", "system"])])
def test_an_index_that_names_code_is_refused_and_runs_none(saved, entry, named):
    """Only the five parts and a scheduler of diffusers are ever built, whatever the index says."""
    index = json.loads((saved / "model_index.json").read_text())
    (saved / "model_index.json").write_text(json.dumps(index | {entry: named}))
    with pytest.raises(InputError, match="entry denoiser|no scheduler"):
        ECGToMRIPipeline.load(saved)
    (saved / "model_index.json").write_text(json.dumps(index | {"scheduler": ["diffusers", "AutoencoderKL"]}))
    with pytest.raises(InputError, match="no scheduler"):
        ECGToMRIPipeline.load(saved)


def test_a_pickle_in_place_of_safetensors_is_not_opened(saved):
    (saved / "denoiser" / "diffusion_pytorch_model.safetensors").unlink()
    torch.save({"a": torch.zeros(1)}, saved / "denoiser" / "diffusion_pytorch_model.bin")
    with pytest.raises(InputError):
        ECGToMRIPipeline.load(saved)


def test_no_pipeline_is_an_error_that_says_how_to_make_one(tmp_path):
    for look in (lambda: newest_pipeline(tmp_path / "runs"), lambda: ECGToMRIPipeline.load(tmp_path / "none")):
        with pytest.raises(InputError, match="train_diffusion.py"):
            look()


def test_the_newest_pipeline_is_the_one_written_last(tmp_path):
    for age, name in ((30, "b"), (10, "a"), (20, "c")):
        index = tmp_path / name / "pipeline" / "model_index.json"
        index.parent.mkdir(parents=True)
        index.write_text("{}")
        os.utime(index, (1e9 - age, 1e9 - age))
    assert newest_pipeline(tmp_path) == tmp_path / "a" / "pipeline"


@pytest.mark.parametrize("taught_by", ["simulated", "real", None])
def test_weights_of_nobody_known_count_as_taught_by_simulated_people(tiny_pipeline, tmp_path, taught_by):
    tiny_pipeline.register_to_config(trained_on=taught_by)
    tiny_pipeline.save(tmp_path / "p")
    assert ECGToMRIPipeline.load(tmp_path / "p").knows_phantoms_only is (taught_by != "real")
    index = tmp_path / "p" / "model_index.json"  # a folder from before there was this setting
    index.write_text(json.dumps({k: v for k, v in json.loads(index.read_text()).items() if k != "trained_on"}))
    assert ECGToMRIPipeline.load(tmp_path / "p").knows_phantoms_only


@pytest.mark.parametrize(("scale", "steps"), [(float("nan"), 2), (float("inf"), 2), (1e30, 2), (1.0, 100_000)])
def test_a_sampler_that_cannot_run_is_refused(tiny_pipeline, scale, steps):
    with pytest.raises(InputError, match="out of range"):
        tiny_pipeline(condition(1), generators(1), steps, scale)


def test_a_changed_weight_has_another_hash(saved):
    before = weights_sha256(saved)
    rewrite(saved, "denoiser", lambda tensors: tensors[min(tensors)].add_(1e-3))
    assert weights_sha256(saved) != before and len(before) == 64


def test_places_are_those_the_cohort_trains_on(prepared, tiny_pipeline):
    drawn = torch.zeros(len(prepared.eid), 3, 2, 4, 4, 4).numpy()
    places = heart_batch(prepared, drawn, torch.tensor([0]), None).places
    assert torch.equal(places.pose, tiny_pipeline.places.pose) and torch.equal(places.phase, tiny_pipeline.places.phase)
    assert places.slice_position_mm[0].tolist() == [-30, -30, 0, 0, 30, 30] and places.phase[0].tolist() == [0, 0.5] * 3


@torch.no_grad()
def test_no_tensor_of_the_cpu_meets_one_of_the_device(tiny_pipeline, monkeypatch):
    """On the meta device every mixture of devices is an error, as it is on a GPU."""
    shapes = []
    monkeypatch.setattr(tiny_pipeline, "decode", lambda latents: shapes.append((latents.device.type, latents.shape)))
    tiny_pipeline.to("meta")
    for scale in (1.0, 2.0):
        tiny_pipeline(condition(), generators(1, 2, 3), steps=2, guidance_scale=scale)
    assert shapes == [("meta", (3, 6, 4, 4, 4))] * 2
    assert tiny_pipeline.encode_heart(torch.rand(3, 2, 32, 32)).device.type == "meta"


# ---- Beating hearts ----


def test_a_pipeline_of_stills_has_no_beat_and_one_with_motion_comes_back_with_it(
    tiny_pipeline, beating_pipeline, tmp_path
):
    with pytest.raises(ValueError, match="draws stills"):
        tiny_pipeline.beat(tiny_pipeline.draw(condition(), generators(1, 2, 3), 2), 5)
    beating_pipeline.save(tmp_path / "beats")
    tiny_pipeline.save(tmp_path / "stills")
    loaded = ECGToMRIPipeline.load(tmp_path / "beats")
    assert "motion" in loaded.parts and ECGToMRIPipeline.load(tmp_path / "stills").motion is None
    for name, value in beating_pipeline.motion.state_dict().items():
        assert torch.equal(value, loaded.motion.state_dict()[name])
    assert weights_sha256(tmp_path / "beats") != weights_sha256(tmp_path / "stills")


def test_a_heart_beats_from_its_ed_by_its_own_es_whatever_the_batch(beating_pipeline):
    drawn = beating_pipeline.draw(condition(), generators(1, 2, 3), 2)
    beat = beating_pipeline.beat(drawn, 10)
    stills = beating_pipeline.decode(drawn.latents)
    assert beat.hearts.shape == (3, *stills.shape[1:2], 10, *stills.shape[3:])
    torch.testing.assert_close(beat.hearts[:, :, 0], stills[:, :, 0], atol=1e-5, rtol=0)
    assert beat.inside[:, 0].tolist() == [1, 1, 1] and beat.inside.shape == (3, 10)
    assert len(set(beat.es_share.tolist())) == 3
    alone = beating_pipeline.draw(of_one(condition(), 1), generators(2), 2)
    torch.testing.assert_close(beating_pipeline.beat(alone, 10).hearts[0], beat.hearts[1], atol=1e-4, rtol=0)


def test_at_es_the_drawn_es_is_shown(beating_pipeline):
    drawn = beating_pipeline.draw(condition(), generators(1, 2, 3), 2)
    drawn.codes[:] = 0  # average: ES at 0.36, the ninth of 25 frames
    beat = beating_pipeline.beat(drawn, 25)
    torch.testing.assert_close(beat.es_share, torch.full((3,), 0.36))
    torch.testing.assert_close(beat.hearts[:, :, 9], beating_pipeline.decode(drawn.latents)[:, :, 1], atol=1e-4, rtol=0)


def test_motion_numbers_of_another_code_are_refused(beating_pipeline, tmp_path):
    beating_pipeline.save(tmp_path / "p")
    config = tmp_path / "p" / "motion" / "config.json"
    about = json.loads(config.read_text())
    about["numbers"] = [*about["numbers"][1:], about["numbers"][0]]
    config.write_text(json.dumps(about))
    with pytest.raises(InputError, match="motion numbers of the heart code"):
        ECGToMRIPipeline.load(tmp_path / "p")


@torch.no_grad()
def test_what_is_known_of_a_patient_decides_how_widely_codes_spread(tiny_pipeline):
    """Alone, with half the leads or fields, or with nothing: the spread is that of the case."""
    rows = [[10 * (leads + 1) + fields] * 3 for leads, fields in CASES]
    given = condition(1)
    given = replace(
        given, person=torch.tensor([[1.0, 60.0, 170.0, 70.0]]), lead_mask=torch.ones(1, 12, dtype=torch.bool)
    )
    no, limb = torch.zeros(1, dtype=torch.bool), torch.arange(12)[None] < 6
    three = given.person.clone()
    three[0, 2] = torch.nan
    cases = {
        (8, 4): given,
        (0, 4): replace(given, ecg_present=no),
        (8, 0): replace(given, person_present=no),
        (0, 0): replace(given, ecg_present=no, person_present=no),
        (2, 3): replace(given, lead_mask=limb, person=three),
        (5, 4): replace(given, lead_mask=torch.arange(12)[None] < 9),
        (1, 4): replace(given, lead_mask=torch.arange(12)[None] == 2),
    }
    for case, patient in cases.items():
        assert patient.known.tolist() == [list(case)]
        tiny_pipeline.prior.register_to_config(spread=None)
        summary = tiny_pipeline.encode(patient, guided=False)[1]
        middle, plain = (
            tiny_pipeline.conditioner.predicted(summary),
            tiny_pipeline.condition(patient, generators(1), 1.0)[2],
        )
        tiny_pipeline.prior.register_to_config(spread=rows)
        for scale in (1.0, 2.0):
            codes = tiny_pipeline.condition(patient, generators(1), scale)[2]
            assert codes.shape == (1, 3)
        codes = tiny_pipeline.condition(patient, generators(1), 1.0)[2]
        torch.testing.assert_close(codes - middle, rows[CASES.index(case)][0] * (plain - middle), rtol=1e-3, atol=1e-3)


SPREADS = {
    "for whatever is known": ([1.5, 1.0, 0.7], ""),
    "for each case": ([[1.5, 1.0, 0.7]] * len(CASES), ""),
    "none": (None, ""),
    "of too few cases": ([[1.5, 1.0, 0.7]] * 3, "3 are needed|out of range"),
    "a case too short": ([[1.5, 1.0, 0.7]] * (len(CASES) - 1) + [[1.0]], "3 are needed"),
    "a case with a number below 0": ([[1.5, 1.0, 0.7]] * (len(CASES) - 1) + [[1.0, -1.0, 1.0]], "out of range"),
    "a case that is no list": ([[1.5, 1.0, 0.7]] * (len(CASES) - 1) + [1.0], "3 are needed|out of range"),
    "too short": ([1.5, 1.0], "3 are needed"),
}


@pytest.mark.parametrize(("spread", "fault"), SPREADS.values(), ids=SPREADS.keys())
def test_a_stored_spread_is_one_for_all_or_one_a_case_and_nothing_else(tiny_pipeline, tmp_path, spread, fault):
    tiny_pipeline.prior.register_to_config(spread=spread)
    tiny_pipeline.prior.save_pretrained(tmp_path / "prior")
    if fault:
        with pytest.raises(InputError, match=fault):
            load_part(HeartPrior, tmp_path / "prior")
    else:
        stored = load_part(HeartPrior, tmp_path / "prior").config.spread
        assert stored == spread
