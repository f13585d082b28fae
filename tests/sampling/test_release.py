import json
import os

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

import sampling.release
from cohort.errors import InputError
from sampling.model_card import add_figures, renew_size, trained_on, write_model_card
from sampling.patients import patient_batch, prepared_patients
from sampling.pipeline import PARTS, ECGToMRIPipeline, sample_generator, weights_sha256
from sampling.release import chosen_pipeline, halve, pipeline_name, pipeline_to_use

FACTS = {
    "name": "tiny",
    "data": {"cohort": "phantoms", "people": {"train": 8, "validation": 1, "test": 1}, "phantom": True},
    "recipe": {"steps": 1, "batch": 1, "learning_rate": 0.1, "seed": 0, "code_version": "0", "date": "2026-11-22"},
}


@pytest.fixture
def saved(tiny_pipeline, tmp_path):
    folder = tmp_path / "runs" / "tiny" / "pipeline"
    tiny_pipeline.save(folder, describe=lambda partial: write_model_card(partial, FACTS))
    return folder


@pytest.fixture
def released(tiny_pipeline, tmp_path, monkeypatch):
    folder = tmp_path / "repository" / "pretrained" / "phantom"
    monkeypatch.setattr(sampling.release, "RELEASED", folder)
    return folder


def weights(folder):
    return {path: load_file(path) for path in sorted(folder.rglob("*.safetensors"))}


def megabytes(folder):
    return sum(path.stat().st_size for path in folder.rglob("*.safetensors")) / 1e6


def test_half_the_bytes_are_the_same_weights_to_eleven_bits(saved, tmp_path):
    halve(saved, tmp_path / "half")
    assert megabytes(tmp_path / "half") < 0.6 * megabytes(saved)  # names and shapes are not halved
    for full, half in zip(weights(saved).values(), weights(tmp_path / "half").values(), strict=True):
        assert full.keys() == half.keys()
        for name in full:
            assert half[name].dtype == torch.float16
            torch.testing.assert_close(half[name].float(), full[name], rtol=2**-11, atol=2**-25)


@torch.no_grad()
def test_halved_weights_are_computed_with_in_float32_and_make_almost_the_same_hearts(saved, prepared, tmp_path):
    halve(saved, tmp_path / "half")
    given = patient_batch(prepared_patients(prepared, np.array([0, 1])))
    hearts = []
    for folder in (saved, tmp_path / "half"):
        pipeline = ECGToMRIPipeline.load(folder)
        pipeline.set_progress_bar_config(disable=True)
        for name in PARTS:
            assert {value.dtype for value in getattr(pipeline, name).state_dict().values()} == {torch.float32}
        hearts.append(pipeline(given, [sample_generator(0, "a", k) for k in (1, 2)], steps=3))
    assert 0 < (hearts[1] - hearts[0]).abs().max() < 0.01


def test_the_hash_tells_halved_weights_from_full_ones(saved, tmp_path):
    halve(saved, tmp_path / "half")
    assert weights_sha256(tmp_path / "half") != weights_sha256(saved)


def test_a_part_named_stays_in_full(saved, tmp_path):
    halve(saved, tmp_path / "half", full=("autoencoder",))
    same = {
        path.parent.name: path.read_bytes() == (saved / path.relative_to(tmp_path / "half")).read_bytes()
        for path in (tmp_path / "half").rglob("*.safetensors")
    }
    assert same == {name: name == "autoencoder" for name in PARTS}


def test_the_card_of_halved_weights_says_their_size_and_which_they_are(saved, tmp_path):
    halve(saved, tmp_path / "half")
    before, after = ((folder / "README.md").read_text() for folder in (saved, tmp_path / "half"))
    assert f"{megabytes(tmp_path / 'half'):.1f} MB." in after and f"{megabytes(saved):.1f} MB." not in after
    for new, old in zip(
        *([f"{megabytes(f):.1f} MB.", weights_sha256(f)] for f in (tmp_path / "half", saved)), strict=True
    ):
        after = after.replace(new, old)
    assert after == before


def test_a_weight_too_large_for_half_precision_is_refused_and_nothing_is_written(saved, tmp_path):
    path = saved / "denoiser" / "diffusion_pytorch_model.safetensors"
    tensors = load_file(path)
    tensors[min(tensors)].view(-1)[0] = 70_000.0  # the largest half is 65 504
    save_file(tensors, path, metadata={"format": "pt"})
    with pytest.raises(InputError, match="denoiser.*too large"):
        halve(saved, tmp_path / "half")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["runs"]


def test_a_pipeline_trained_here_goes_before_the_released_one(saved, released, tmp_path):
    halve(saved, released)
    os.utime(released / "model_index.json", (2e9, 2e9))  # newer, and yet
    assert pipeline_to_use(tmp_path / "runs") == saved
    assert pipeline_to_use(tmp_path / "no runs") == released


def test_the_released_one_is_found_from_any_folder(saved, released, tmp_path, monkeypatch):
    halve(saved, released)
    monkeypatch.chdir(tmp_path / "repository")
    assert pipeline_to_use(sampling.release.Path("runs")) == released


def test_without_either_it_says_how_to_train_one(released, tmp_path):
    with pytest.raises(InputError, match="train_diffusion.py"):
        pipeline_to_use(tmp_path / "runs")


SOUND = {"autoencoder": {"psnr_db": 31.2, "patch_pca_psnr_db": 26.2}, "ceiling_r2": {"LVEDV": 0.6}}
TOYS = [
    ({"autoencoder": {"psnr_db": 26.1, "patch_pca_psnr_db": 26.2}}, "patch PCA 26.2"),
    ({"autoencoder": {"psnr_db": 26.2, "patch_pca_psnr_db": 26.2}}, "patch PCA"),
    ({"ceiling_r2": {"LVEDV": -0.1}}, "LVEDV"),
    ({"ceiling_r2": {"LVEDV": 0}}, "LVEDV"),
    ({"ceiling_r2": {"LVEDV": None}}, "LVEDV"),
]


def record(folder, validation):
    (folder / "training.json").write_text(json.dumps({"validation": validation}))


@pytest.mark.parametrize(("change", "words"), TOYS)
def test_a_toy_trained_here_is_passed_over_by_name_and_with_the_reason(saved, released, change, words):
    record(saved, SOUND | change)
    runs = saved.parents[1]
    assert chosen_pipeline(None, runs)[0] == saved and words in chosen_pipeline(None, runs)[1]  # there is no other
    halve(saved, released)
    folder, why = chosen_pipeline(None, runs)
    assert folder == released and str(saved) in why and words in why
    assert chosen_pipeline(saved, runs) == (saved, "as named")


@pytest.mark.parametrize(
    "content",
    [json.dumps({"validation": about}) for about in (SOUND, SOUND | {"ceiling_r2": {}}, SOUND | {"autoencoder": {}})]
    + ["{}", "[]", "", '{"validation": 1}', "[" * 200_000],
)
def test_a_pipeline_trained_here_is_taken_where_nothing_is_known_against_it(saved, released, content):
    halve(saved, released)
    (saved / "training.json").write_text(content)
    assert chosen_pipeline(None, saved.parents[1]) == (saved, "the newest trained here")


def test_the_released_folder_lies_beside_the_code():
    root = sampling.release.RELEASED.parents[1]
    assert (root / "sample.py").is_file() and sampling.release.RELEASED.name == "phantom"


def test_a_pipeline_is_called_by_its_run_or_by_its_own_name(tmp_path):
    assert pipeline_name(tmp_path / "runs" / "diffusion" / "pipeline") == "diffusion"
    assert pipeline_name(tmp_path / "pretrained" / "phantom") == "phantom"


@pytest.mark.parametrize("phantom", [True, False])
def test_a_card_says_who_taught_the_weights(tmp_path, phantom):
    write_model_card(tmp_path, FACTS | {"data": FACTS["data"] | {"phantom": phantom}})
    assert trained_on(tmp_path) == ("simulated" if phantom else "real")
    assert trained_on(tmp_path / "elsewhere") is None


def test_the_released_weights_say_that_they_know_simulated_people_only():
    """In their configuration: a card may be lost on the way."""
    index = json.loads((sampling.release.RELEASED / "model_index.json").read_text())
    assert index["trained_on"] == trained_on(sampling.release.RELEASED) == "simulated"


def test_a_card_that_is_no_utf8_is_read_all_the_same(saved):
    card = saved / "README.md"
    card.write_bytes(card.read_text().replace("Limits", "Grenzen f\u00fcr alle").encode("latin-1"))
    assert trained_on(saved) == "simulated"
    renew_size(saved)
    add_figures(saved, {})
