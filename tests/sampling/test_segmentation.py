"""Label maps by a segmenter, whatever it says of a slice that shows nothing."""

from types import SimpleNamespace

import numpy as np
import torch

from cohort.cine import Label
from sampling.segmentation import segment


def everywhere(label):
    """A segmenter that sees one structure everywhere."""

    def logits_and_features(slices):
        logits = torch.zeros(len(slices), 4, *slices.shape[2:])
        logits[:, label] = 1
        return logits, torch.zeros(len(slices), 5)

    return SimpleNamespace(device=torch.device("cpu"), logits_and_features=logits_and_features)


def test_a_blank_slice_shows_no_heart_whatever_the_network_sees_there():
    heart = np.random.default_rng(0).random((3, 2, 8, 8), np.float32)
    heart[1, 0], heart[2] = 0, 0.5
    labels, features = segment(everywhere(Label.LV_MYOCARDIUM), heart)
    assert (labels[0] == Label.LV_MYOCARDIUM).all() and (labels[1, 1] == Label.LV_MYOCARDIUM).all()
    assert not labels[1, 0].any() and not labels[2].any()
    assert features.shape == (3, 2, 5) and labels.dtype == np.uint8
