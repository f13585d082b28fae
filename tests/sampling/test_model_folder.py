"""A folder of weights that carries code, or leads out of itself, is refused before anything in it is opened."""

import json

import pytest
import torch

from cohort.errors import InputError
from models.ecg_encoder import ECGEncoder
from models.heart_prior import HeartPrior
from models.segmenter import Segmenter
from sampling.model_folder import read_index, require_config_of, require_plain
from sampling.pipeline import FURTHER_PARTS, PARTS, ECGToMRIPipeline, load_part


@pytest.fixture
def saved(tiny_pipeline, tmp_path):
    tiny_pipeline.save(tmp_path / "pipeline")
    return tmp_path / "pipeline"


def test_what_a_training_writes_is_plain(saved):
    (saved / "README.md").write_text("card")
    (saved / ".gitattributes").write_text("*.safetensors filter=lfs")
    (saved / ".cache").mkdir()
    (saved / ".cache" / "download.lock").write_text("")
    require_plain(saved)
    for name, part in PARTS.items():
        require_config_of(part, saved / name)
    assert ECGToMRIPipeline.load(saved).grid.slices == 3


@pytest.mark.parametrize(
    "name",
    [
        "denoiser/pytorch_model.bin",
        "denoiser/a.ckpt",
        "x.pkl",
        "prior/w.PT",
        "pipeline.py",
        "denoiser/denoiser.py",
        "a.so",
        "a.npy",
    ]
    + ["denoiser/diffusion_pytorch_model.safetensors.index.json"],
)
def test_what_can_carry_code_is_refused_by_name(saved, name):
    (saved / name).write_bytes(b"")
    with pytest.raises(InputError, match="may carry code") as refusal:
        ECGToMRIPipeline.load(saved)
    assert name in str(refusal.value)


@pytest.mark.parametrize("what", ["denoiser", "denoiser/config.json", "denoiser/diffusion_pytorch_model.safetensors"])
def test_links_in_the_folder_are_refused_and_a_link_to_it_is_followed(saved, tmp_path, what):
    (tmp_path / "latest").symlink_to(saved)
    ECGToMRIPipeline.load(tmp_path / "latest")
    (saved / what).rename(tmp_path / "elsewhere")
    (saved / what).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(InputError, match="is a link"):
        ECGToMRIPipeline.load(saved)


@pytest.mark.parametrize(
    "poison",
    [
        {"_class_name": "Segmenter"},
        {"auto_map": {"AutoModel": "evil.Evil"}},
        {"trust_remote_code": True},
        {"quantization_config": {"quant_method": "bitsandbytes"}},
    ],
)
def test_a_configuration_of_another_class_or_with_foreign_keys_is_refused(saved, poison):
    path = saved / "ecg_encoder" / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | poison))
    with pytest.raises(InputError, match="no configuration of ECGEncoder"):
        load_part(ECGEncoder, saved / "ecg_encoder")


@pytest.mark.parametrize("content", ["[]", "null", "{", '"os.system"', "[" * 100_000])
def test_a_configuration_that_is_no_table_is_refused(saved, content):
    (saved / "denoiser" / "config.json").write_text(content)
    with pytest.raises(InputError):
        ECGToMRIPipeline.load(saved)


@pytest.mark.parametrize("value", ["wide", -1, None, [1, 2], 2.5])
def test_a_configuration_no_network_can_be_built_from_is_an_error_of_the_input(saved, value):
    path = saved / "ecg_encoder" / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"width": value}))
    with pytest.raises(InputError):
        load_part(ECGEncoder, saved / "ecg_encoder")


@pytest.mark.parametrize(
    "setting",
    [
        {"geometry": {"slices": 0}},
        {"geometry": {"slices": "3"}},
        {"geometry": {"command": 1}},
        {"geometry": [1]},
        {"ecg_limits": [[0, 1]]},
        {"shared_noise": 2},
        {"guidance_scale": "much"},
        {"guidance_scale": float("nan")},
        {"guidance_scale": 1e300},
        {"steps": 10**6},
        {"steps": True},
        {"geometry": {"pixel_mm": 1000.0}},
        {"geometry": {"pixel_mm": float("nan")}},
        {"geometry": {"slice_step_mm": 0}},
        {"geometry": {"slices": 10**6}},
        {"geometry": {"slices": 2.5}},
        {"geometry": {"slices": 100, "phases": 100, "height": 512, "width": 512}},
        {"ecg_limits": [[0, float("nan")]] * 12},
        {"ecg_limits": [[float("inf"), float("inf")]] * 12},
        {"ecg_limits": [[2, 1]] * 12},
        {"ecg_limits": [["0", "1"]] * 12},
        {"trained_on": "people"},
        {"trained_on": ["real"]},
    ],
)
def test_settings_out_of_range_are_refused(saved, setting):
    path = saved / "model_index.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | setting))
    with pytest.raises(InputError, match="setting"):
        read_index(saved, "ECGToMRIPipeline", PARTS, FURTHER_PARTS)


def test_a_lead_that_no_person_had_has_no_highest_amplitude(saved):
    path = saved / "model_index.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"ecg_limits": [[0.0, float("inf")]] * 12}))
    assert ECGToMRIPipeline.load(saved).config.ecg_limits[3] == [0.0, float("inf")]


NAN, INF = float("nan"), float("inf")
UNSOUND = [
    *(("autoencoder", "latents_std", value) for value in ([0.0] * 4, [-1.0] * 4, [1.0] * 3, [1.0] * 5, None, 1.0)),
    *(("autoencoder", "latents_std", [1.0, 1.0, 1.0, value]) for value in (NAN, INF, 1e300, "1", True)),
    ("autoencoder", "latents_mean", [NAN] * 4),
    ("autoencoder", "latents_mean", [0.0]),
    ("autoencoder", "latents_weight", [0.0] * 4),
    ("autoencoder", "latents_weight", None),
    ("conditioner", "phenotype_std", [0.0, 1.0]),
    ("conditioner", "phenotype_mean", [INF, 1.0]),
    ("conditioner", "phenotype_mean", [1.0] * 3),
    ("conditioner", "person_std", [0.0] * 4),
    ("conditioner", "person_std", [1.0] * 3),
    ("conditioner", "person_mean", [NAN] * 4),
    ("prior", "spread", [1.0] * 2),
    ("prior", "spread", [0.0] * 3),
    ("prior", "spread", [1e300] * 3),
    ("ecg_encoder", "sampling_rate", 0),
    ("ecg_encoder", "sampling_rate", 1e9),
    ("ecg_encoder", "duration_s", NAN),
    ("ecg_encoder", "duration_s", -10.0),
]


@pytest.mark.parametrize(("part", "name", "value"), UNSOUND, ids=range(len(UNSOUND)))
def test_a_number_beside_the_weights_that_cannot_be_is_refused_by_name(saved, part, name, value):
    path = saved / part / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {name: value}))
    with pytest.raises(InputError, match=name):
        load_part(PARTS[part], saved / part)


@pytest.mark.parametrize(
    ("part", "change"),
    [
        ("model_index.json", {"geometry": {"slices": 3, "phases": 2, "height": 64, "width": 64}}),
        ("model_index.json", {"geometry": {"slices": 3, "phases": 2, "height": 33, "width": 32}}),
    ],
)
def test_parts_that_do_not_fit_together_are_refused(saved, part, change):
    path = saved / part
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(InputError, match="do not fit together"):
        ECGToMRIPipeline.load(saved)


def test_a_part_of_another_pipeline_is_refused(saved, tmp_path):
    HeartPrior(code=3, summary=99, width=16, blocks=1).save_pretrained(saved / "prior")
    with pytest.raises(InputError, match="length of the summary"):
        ECGToMRIPipeline.load(saved)


def test_an_index_names_our_parts_and_no_others(saved):
    path = saved / "model_index.json"
    good = json.loads(path.read_text())
    assert read_index(saved, "ECGToMRIPipeline", PARTS, FURTHER_PARTS)[1] == "UniPCMultistepScheduler"
    without = {key: value for key, value in good.items() if key != "prior"}
    for bad in (
        without,
        good | {"prior": ["evil", "HeartPrior"]},
        good | {"safety_checker": ["subprocess", "Popen"]},
        good | {"_class_name": "StableDiffusionPipeline"},
    ):
        path.write_text(json.dumps(bad))
        with pytest.raises(InputError, match="is not of a ECGToMRIPipeline"):
            ECGToMRIPipeline.load(saved)


def test_weights_that_are_not_numbers_are_refused(saved):
    from safetensors.torch import load_file, save_file

    path = saved / "prior" / "diffusion_pytorch_model.safetensors"
    tensors = load_file(path)
    next(iter(tensors.values())).view(-1)[0] = torch.inf
    save_file(tensors, path, metadata={"format": "pt"})
    with pytest.raises(InputError, match="not finite"):
        ECGToMRIPipeline.load(saved)


def test_a_segmenter_is_not_an_ecg_encoder(tmp_path):
    Segmenter(widths=(8, 8, 8)).save_pretrained(tmp_path / "segmenter")
    with pytest.raises(InputError, match="another class"):
        load_part(ECGEncoder, tmp_path / "segmenter")
    assert load_part(Segmenter, tmp_path / "segmenter").training is False
