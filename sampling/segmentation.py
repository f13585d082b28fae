"""Label maps of hearts, and features of their slices, by a segmenter."""

from typing import Protocol

import numpy as np
import torch
from einops import rearrange
from torch import Tensor

from cohort.cine import Label
from models.largest_class import largest_class


class SliceSegmenter(Protocol):
    """What a segmenter must offer, as models.segmenter.Segmenter does."""

    device: torch.device

    def logits_and_features(self, slices: Tensor) -> tuple[Tensor, Tensor]:
        """(n, 1, height, width) in [0, 1] -> logits (n, 4, height, width) and features (n, F)."""
        ...


class TrainedSegmenter(SliceSegmenter, Protocol):
    """One that was loaded from a folder: a diffusers model, whose configuration is a dict."""

    config: dict

    def state_dict(self) -> dict[str, Tensor]:
        """Its weights by name."""
        ...


@torch.no_grad()
def segment(segmenter: SliceSegmenter, heart: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Label map and features of one heart. A blank slice, which nobody acquired, shows no heart.

    Args:
        heart: (slices, phases, height, width) in [0, 1].

    Returns:
        labels uint8 of the same shape, and features (slices, phases, F) float32.
    """
    pixels = torch.from_numpy(np.ascontiguousarray(heart, dtype=np.float32)).to(segmenter.device)
    logits, features = segmenter.logits_and_features(rearrange(pixels, "s p h w -> (s p) 1 h w"))  # (S*P, 4, H, W)
    labels = rearrange(largest_class(logits), "(s p) h w -> s p h w", p=heart.shape[1])
    labels[pixels.amax(dim=(2, 3)) == pixels.amin(dim=(2, 3))] = Label.BACKGROUND  # a network may draw one there
    return labels.cpu().numpy(), rearrange(features, "(s p) f -> s p f", p=heart.shape[1]).cpu().numpy()
