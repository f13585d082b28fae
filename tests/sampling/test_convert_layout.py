"""Folders of the earlier layout: refused with the command that converts them, and the same hearts after it."""

import json
import shutil

import pytest
import torch
from safetensors.torch import load_file, save_file

from cohort.errors import InputError
from sampling.convert_layout import convert_layout
from sampling.model_card import REAL, SIMULATED
from sampling.model_folder import WEIGHTS
from sampling.pipeline import ECGToMRIPipeline


@pytest.fixture
def old(tiny_pipeline, tmp_path):
    """A folder as it was written before: a stock UNet in unet/, named so in the index."""
    folder = tmp_path / "old"
    tiny_pipeline.save(folder)
    tiny_pipeline.denoiser.unet.save_pretrained(folder / "unet")
    shutil.rmtree(folder / "denoiser")
    index = json.loads((folder / "model_index.json").read_text())
    del index["denoiser"]
    index["unet"] = ["diffusers", "UNet2DConditionModel"]
    (folder / "model_index.json").write_text(json.dumps(index))
    return folder


def test_an_old_folder_is_refused_with_the_command_that_converts_it(old):
    with pytest.raises(InputError, match=f"python -m sampling.convert_layout {old}"):
        ECGToMRIPipeline.load(old)


def test_a_converted_folder_holds_the_same_pipeline(old, tiny_pipeline, tmp_path):
    convert_layout(old, tmp_path / "new")
    loaded = ECGToMRIPipeline.load(tmp_path / "new")
    for name in ("latent_channels", "token_width", "condition_length", "layers"):
        assert loaded.denoiser.config[name] == tiny_pipeline.denoiser.config[name]
    own, converted = tiny_pipeline.denoiser.state_dict(), loaded.denoiser.state_dict()
    assert own.keys() == converted.keys() and all(torch.equal(own[name], converted[name]) for name in own)
    assert loaded.config.geometry == tiny_pipeline.config.geometry
    assert (old / "unet").is_dir()  # nothing is taken from the old one


@pytest.mark.parametrize(("card", "taught_by"), [(SIMULATED, "simulated"), (REAL, "real"), ("no word", None)])
def test_the_card_of_an_old_folder_says_who_taught_it(old, tmp_path, card, taught_by):
    index = json.loads((old / "model_index.json").read_text())
    del index["trained_on"]
    (old / "model_index.json").write_text(json.dumps(index))
    (old / "README.md").write_text(f"---\nlicense: mit\n---\n## Data\n\n{card}\n\n## Size\n\nsmall\n")
    convert_layout(old, tmp_path / "new")
    assert ECGToMRIPipeline.load(tmp_path / "new").config.trained_on == taught_by


def test_half_precision_stays_half_on_the_disk(old, tmp_path):
    halves = {name: value.half() for name, value in load_file(old / "unet" / WEIGHTS).items()}
    save_file(halves, old / "unet" / WEIGHTS, metadata={"format": "pt"})
    convert_layout(old, tmp_path / "new")
    stored = load_file(tmp_path / "new" / "denoiser" / WEIGHTS)
    assert {value.dtype for value in stored.values()} == {torch.float16}


def test_another_folder_is_no_old_one_and_nothing_is_written(tiny_pipeline, tmp_path):
    tiny_pipeline.save(tmp_path / "today")
    for folder in ("today", "nowhere"):
        with pytest.raises(InputError, match="no pipeline folder with its denoiser in unet"):
            convert_layout(tmp_path / folder, tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_weights_that_do_not_fit_are_refused_and_nothing_is_written(old, tmp_path):
    tensors = load_file(old / "unet" / WEIGHTS)
    tensors.pop("conv_in.bias")
    save_file(tensors, old / "unet" / WEIGHTS, metadata={"format": "pt"})
    with pytest.raises(InputError, match="weights do not fit"):
        convert_layout(old, tmp_path / "new")
    assert not (tmp_path / "new").exists()
