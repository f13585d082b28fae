"""A small segmenter, trained on true hearts with label maps, that measures hearts true and generated alike."""

from collections.abc import Callable

import numpy as np
import torch
from diffusers import ConfigMixin, ModelMixin, UNet2DModel
from diffusers.configuration_utils import register_to_config
from einops import rearrange
from torch import Generator, Tensor
from torch.nn import functional

CLASSES = 4  # of cohort.cine.Label


class Segmenter(ModelMixin, ConfigMixin):
    """A stock convolutional UNet on 2 x 2 unshuffled pixels: slices -> logits of background, LV, wall, RV."""

    @register_to_config
    def __init__(self, widths: tuple[int, ...] = (16, 32, 64), unshuffle: int = 2) -> None:
        super().__init__()
        self.unet = UNet2DModel(
            in_channels=unshuffle**2,
            out_channels=CLASSES * unshuffle**2,
            block_out_channels=widths,
            down_block_types=("DownBlock2D",) * len(widths),
            up_block_types=("UpBlock2D",) * len(widths),
            layers_per_block=1,
            norm_num_groups=8,
            add_attention=False,
        )

    def forward(self, slices: Tensor) -> Tensor:
        """(n, 1, height, width) in [0, 1] -> logits (n, classes, height, width)."""
        side = self.config.unshuffle
        folded = rearrange(2 * slices - 1, "n 1 (h a) (w b) -> n (a b) h w", a=side, b=side)  # (N, a*b, H/a, W/b)
        logits = self.unet(folded, 0).sample  # (N, 4*a*b, H/a, W/b)
        return rearrange(logits, "n (c a b) h w -> n c (h a) (w b)", a=side, b=side)  # (N, 4, H, W)


def segmentation_loss(logits: Tensor, labels: Tensor) -> Tensor:
    """Cross-entropy + soft Dice over the three structures (Isensee 2021, nnU-Net's pair)."""
    truth = functional.one_hot(labels, CLASSES).movedim(-1, 1).float()  # (N, 4, H, W)
    share = logits.softmax(dim=1)
    overlap = (share * truth).sum(dim=(0, 2, 3))[1:]
    total = (share + truth).sum(dim=(0, 2, 3))[1:]
    return functional.cross_entropy(logits, labels) + (1 - (2 * overlap + 1) / (total + 1)).mean()


def blurred(slices: Tensor, generator: Generator) -> Tensor:
    """Training slices (n, 1, height, width) with random softness, contrast and noise: what generation may leave."""
    n = len(slices)
    share = torch.rand(n, 1, 1, 1, generator=generator)
    slices = slices + share * (functional.avg_pool2d(slices, 3, stride=1, padding=1) - slices)
    gamma = torch.exp(0.15 * torch.randn(n, 1, 1, 1, generator=generator))
    noise = 0.03 * torch.rand(n, 1, 1, 1, generator=generator) * torch.randn(slices.shape, generator=generator)
    return (slices.clamp(1e-4, 1) ** gamma + noise).clamp(0, 1)


@torch.no_grad()
def segment(segmenter: Callable[[Tensor], Tensor], heart: np.ndarray) -> np.ndarray:
    """Label map of one heart: (slices, phases, height, width) in [0, 1] -> uint8 of the same shape."""
    device = getattr(segmenter, "device", torch.device("cpu"))
    pixels = torch.from_numpy(np.ascontiguousarray(heart, dtype=np.float32)).to(device)
    logits = segmenter(rearrange(pixels, "s p h w -> (s p) 1 h w"))  # (S*P, 4, H, W)
    return rearrange(logits.argmax(1), "(s p) h w -> s p h w", p=heart.shape[1]).to(torch.uint8).cpu().numpy()


def dice(found: np.ndarray, truth: np.ndarray, label: int) -> float:
    """Overlap of one label in two label maps of the same shape; NaN where neither has it."""
    a, b = found == label, truth == label
    both = int(a.sum() + b.sum())
    return 2 * int((a & b).sum()) / both if both else float("nan")
