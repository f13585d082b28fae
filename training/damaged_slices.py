"""Slices spoiled on purpose, more than any training spoils them: where a segmenter should say that it is unsure."""

import math
from collections.abc import Callable

import torch
from torch import Generator, Tensor
from torch.nn import functional

from .randomised_slices import smooth_field

Damage = Callable[[Tensor, Tensor, Generator], tuple[Tensor, Tensor]]


def noisy(slices: Tensor, labels: Tensor, generator: Generator) -> tuple[Tensor, Tensor]:
    """Noise of up to half of the range."""
    sigma = 0.1 + 0.4 * torch.rand(1, generator=generator)
    return torch.hypot(slices + sigma * _normal(slices, generator), sigma * _normal(slices, generator)), labels


def blurred_away(slices: Tensor, labels: Tensor, generator: Generator) -> tuple[Tensor, Tensor]:
    """A mean over 5 to 15 pixels."""
    side = 5 + 2 * int(torch.randint(6, (1,), generator=generator))
    return functional.avg_pool2d(slices, side, 1, side // 2, count_include_pad=False), labels


def inverted(slices: Tensor, labels: Tensor, generator: Generator) -> tuple[Tensor, Tensor]:
    """Black for white, by half to all of it."""
    share = 0.5 + 0.5 * torch.rand(1, generator=generator)
    return slices + share * (1 - 2 * slices), labels


def turned(slices: Tensor, labels: Tensor, generator: Generator) -> tuple[Tensor, Tensor]:
    """By 90 to 270 degrees, as under an affine that is wrong."""
    angle = math.radians(90 + 180 * float(torch.rand(1, generator=generator)))
    return _moved(slices, labels, torch.eye(2), angle)


def stretched(slices: Tensor, labels: Tensor, generator: Generator) -> tuple[Tensor, Tensor]:
    """Twice to four times as long as it is wide, as under a wrong pixel size."""
    factor = (2 + 2 * float(torch.rand(1, generator=generator))) ** 0.5
    along = torch.randint(2, (1,), generator=generator)
    scale = torch.tensor([factor, 1 / factor]) if along else torch.tensor([1 / factor, factor])
    return _moved(slices, labels, torch.diag(scale), 0.0)


def folded(slices: Tensor, labels: Tensor, generator: Generator) -> tuple[Tensor, Tensor]:
    """Ghosts: the picture again, 10 to 40 pixels away, at a third to all of its brightness."""
    away = int(torch.randint(10, 40, (1,), generator=generator))
    share = 1 / 3 + 2 / 3 * torch.rand(1, generator=generator)
    return (slices + share * slices.roll(away, 3)) / (1 + share), labels


def faded(slices: Tensor, labels: Tensor, generator: Generator) -> tuple[Tensor, Tensor]:
    """Contrast gone but for a fifth or less, under a strong bias field."""
    field = torch.sigmoid(2 * smooth_field(len(slices), 1, slices.shape[2:], 3, generator))
    share = 0.2 * torch.rand(1, generator=generator)
    return share * slices + (1 - share) * field, labels


def elsewhere(slices: Tensor, labels: Tensor, generator: Generator) -> tuple[Tensor, Tensor]:
    """Another place of the body: the heart is out of the picture, or hardly in it."""
    height, width = slices.shape[2:]
    away = int(height * (0.4 + 0.3 * float(torch.rand(1, generator=generator))))
    down = bool(torch.randint(2, (1,), generator=generator))
    shift = (away, 0) if down else (0, int(width * 0.5))
    return _cut(slices, shift), _cut(labels, shift)


def blank(slices: Tensor, labels: Tensor, generator: Generator) -> tuple[Tensor, Tensor]:
    """Noise and nothing else."""
    return 0.5 + 0.2 * _normal(slices, generator), labels


DAMAGES: tuple[Damage, ...] = (noisy, blurred_away, inverted, turned, stretched, folded, faded, elsewhere, blank)


def damaged(slices: Tensor, labels: Tensor, damage: Damage, generator: Generator) -> tuple[Tensor, Tensor]:
    """Slices (n, 1, height, width) in [0, 1] and labels (n, height, width), spoiled alike; labels move with them."""
    seen, marks = damage(slices, labels, generator)
    return seen.clamp(0, 1), marks


def _normal(slices: Tensor, generator: Generator) -> Tensor:
    return torch.randn(slices.shape, generator=generator)


def _moved(slices: Tensor, labels: Tensor, scale: Tensor, angle: float) -> tuple[Tensor, Tensor]:
    cosine, sine = math.cos(angle), math.sin(angle)
    matrix = torch.tensor([[cosine, -sine], [sine, cosine]]) @ scale
    matrix = torch.cat([matrix, torch.zeros(2, 1)], 1).expand(len(slices), -1, -1)
    grid = functional.affine_grid(matrix, list(slices.shape), align_corners=False)
    marks = functional.grid_sample(labels[:, None].float(), grid, mode="nearest", align_corners=False)
    return functional.grid_sample(slices, grid, align_corners=False), marks[:, 0].round().to(labels.dtype)


def _cut(images: Tensor, shift: tuple[int, int]) -> Tensor:
    """Shifted down and right, black where nothing comes in."""
    down, right = shift
    height, width = images.shape[-2:]
    return functional.pad(images[..., : height - down, : width - right], (right, 0, down, 0))
