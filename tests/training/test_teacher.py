"""The teacher's hearts are those its pipeline makes."""

import pytest
import torch

from sampling.patients import patient_batch, prepared_patients
from training.order import keyed_generator
from training.teacher import heart_maker


@pytest.mark.parametrize("scale", [1.0, 2.0])
def test_pairs_are_the_hearts_the_pipeline_itself_makes(tiny_pipeline, prepared, scale):
    tiny_pipeline.register_to_config(shared_noise=0.5, guidance_scale=scale)
    make = heart_maker(tiny_pipeline, 3, prepared, "train", dropout=0.0, seed=0)
    together = make(torch.arange(3))
    alone = make(torch.tensor([2]))
    torch.testing.assert_close(alone["latents"][0], together["latents"][2], atol=5e-3, rtol=0)
    row = [int(prepared.rows("train")[torch.randperm(len(prepared.rows("train")), generator=order())[2]])]
    patients = patient_batch(prepared_patients(prepared, row))
    heart = tiny_pipeline(patients, [keyed_generator(0, "pair", "train", 2)], steps=3)
    pixels = tiny_pipeline.autoencoder.decode(alone["latents"].float().flatten(0, 1))
    torch.testing.assert_close(pixels.view(heart.shape), heart, atol=5e-3, rtol=0)


def order():
    return keyed_generator(0, "order", 0)
