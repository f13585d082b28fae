"""Slices and label maps made unlike those that were drawn: placed anew, and seen by another scanner.

After SynthSeg (Billot 2023, doi:10.1016/j.media.2023.102789) and nnU-Net (Isensee 2021). Never mirrored: a mirrored
heart is another heart. All randomness comes from the generator.
"""

import math

import torch
from torch import Generator, Tensor
from torch.nn import functional

UNTOUCHED = 0.4  # share of slices whose appearance stays as it was drawn
TURN_DEG, SCALE_LOG, STRETCH_LOG, SHIFT = 14.0, 0.10, 0.04, 0.06  # SD; the shift as a share of half the side
BEND = 0.02  # SD of the elastic displacement, as a share of half the side
BEND_CELLS = 6
STREWN, SHADES = 0.4, 6  # share of slices with strange surroundings, and grey values of these
KNOTS = 7  # of a random curve over grey values
WINDOW = (0.01, 0.99)  # quantiles that become black and white, as on the heart grid


def placed(slices: Tensor, labels: Tensor, size: tuple[int, int], generator: Generator) -> tuple[Tensor, Tensor]:
    """Turn, scale, shift and bend slices together with their labels, and cut out the middle.

    Args:
        slices: (n, 1, height, width). labels: (n, height, width). size: (height, width) of the result.

    Returns:
        slices (n, 1, *size), linearly interpolated, and labels (n, *size), those of the nearest pixel; 0 outside.
    """
    n = len(slices)
    turn = math.radians(TURN_DEG) * torch.randn(n, generator=generator)
    zoom = torch.exp(SCALE_LOG * torch.randn(n, 1, generator=generator))
    stretch = torch.exp(STRETCH_LOG * torch.randn(n, 2, generator=generator))
    share = torch.tensor([size[1] / slices.shape[3], size[0] / slices.shape[2]])  # of the source, along x and y
    scale = share / (zoom * stretch)  # (N, 2)
    cosine, sine = turn.cos(), turn.sin()
    matrix = torch.stack([torch.stack([cosine, -sine], 1), torch.stack([sine, cosine], 1)], 1) * scale[:, None, :]
    shift = SHIFT * torch.randn(n, 2, 1, generator=generator)
    grid = functional.affine_grid(torch.cat([matrix, shift], 2), [n, 1, *size], align_corners=False)  # (N, h, w, 2)
    strength = BEND * torch.rand(n, 1, 1, 1, generator=generator)
    grid = grid + smooth_field(n, 2, size, BEND_CELLS, generator).mul(strength).movedim(1, -1)
    image = functional.grid_sample(slices, grid, align_corners=False)
    marks = functional.grid_sample(labels[:, None].float(), grid, mode="nearest", align_corners=False)
    return image, marks[:, 0].round().long()


def reseen(slices: Tensor, generator: Generator) -> Tensor:
    """Slices (n, 1, height, width) in [0, 1] as another scanner may show them, in [0, 1].

    Grey values follow a random curve, then come texture, a bias field, blur, larger pixels, noise and a window.
    """
    n = len(slices)
    seen = _curved(slices, generator)
    seen = seen * (1 + _some(0.15, n, generator) * smooth_field(n, 1, seen.shape[2:], 24, generator))
    seen = seen * torch.exp(_some(0.35, n, generator) * smooth_field(n, 1, seen.shape[2:], 3, generator))
    seen = _coarser(_softened(seen, generator), generator)
    sigma = _some(0.06, n, generator)
    real, imaginary = (sigma * torch.randn(seen.shape, generator=generator) for _ in range(2))
    seen = torch.hypot(seen + real, imaginary)
    seen = _windowed(seen, generator)
    untouched = torch.rand(n, 1, 1, 1, generator=generator) < UNTOUCHED
    return torch.where(untouched, slices, seen)


def strewn(slices: Tensor, labels: Tensor, generator: Generator) -> Tensor:
    """Slices whose surroundings hold shapes of any grey value, in a part of them; the heart and a rim stay.

    No phantom has all that lies round a heart: vessels, folds of fat, devices, another organ.

    Args:
        slices: (n, 1, height, width) in [0, 1]. labels: (n, height, width), 0 round the heart.
    """
    n, size = len(slices), slices.shape[2:]
    cells = int(torch.randint(4, 16, (1,), generator=generator))
    levels = torch.rand(n, SHADES, generator=generator)
    shade = (SHADES * torch.sigmoid(2 * smooth_field(n, 1, size, cells, generator))).long().clamp(0, SHADES - 1)
    shapes = levels.gather(1, shade.flatten(1)).view(n, 1, *size)
    rim = 1 + 2 * int(torch.randint(1, 5, (1,), generator=generator))
    heart = functional.max_pool2d((labels > 0).float()[:, None], rim, 1, rim // 2)
    share = (torch.rand(n, 1, 1, 1, generator=generator) < STREWN) * torch.rand(n, 1, 1, 1, generator=generator)
    return slices + share * (1 - heart) * (shapes - slices)


def smooth_field(n: int, channels: int, size: tuple[int, int], cells: int, generator: Generator) -> Tensor:
    """(n, channels, *size) smooth random fields, mean 0 and SD about 1."""
    coarse = torch.randn(n, channels, cells + 1, cells + 1, generator=generator)
    return functional.interpolate(coarse, tuple(size), mode="bicubic", align_corners=True)


def _some(most: float, n: int, generator: Generator) -> Tensor:
    """(n, 1, 1, 1) strengths up to `most`, small ones more often."""
    return most * torch.rand(n, 1, 1, 1, generator=generator) ** 2


def _curved(slices: Tensor, generator: Generator) -> Tensor:
    """Grey values along a curve of each slice's own: a power, any rising one, or, seldom, one that turns back."""
    n, size = len(slices), slices.shape[1:]
    gamma = torch.exp(0.35 * torch.randn(n, 1, 1, 1, generator=generator))
    steps = torch.rand(n, KNOTS - 1, generator=generator) ** 2 + 0.05
    rising = torch.cat([torch.zeros(n, 1), steps.cumsum(1)], 1)
    rising = rising / rising[:, -1:]
    any_way = torch.rand(n, KNOTS, generator=generator)
    kind = torch.rand(n, 1, generator=generator)
    line = torch.linspace(0, 1, KNOTS).expand(n, -1)
    knots = torch.where(kind < 0.12, 0.6 * any_way + 0.4 * line, rising)
    place = (slices.clamp(0, 1) * (KNOTS - 1)).flatten(1)
    low = place.floor().clamp(max=KNOTS - 2).long()
    below, above = knots.gather(1, low), knots.gather(1, low + 1)
    curved = (below + (place - low) * (above - below)).reshape(n, *size)
    return torch.where(kind[:, :, None, None] < 0.55, curved, slices.clamp(1e-4, 1) ** gamma)


def _softened(slices: Tensor, generator: Generator) -> Tensor:
    """Blurred a little, by up to two rounds of a 3 x 3 mean, or sharpened a little."""
    share = 1.6 * torch.rand(len(slices), 1, 1, 1, generator=generator) - 0.6
    for amount in (share.clamp(-0.6, 1), (share - 1).clamp(0, 1)):
        slices = slices + amount * (functional.avg_pool2d(slices, 3, 1, 1, count_include_pad=False) - slices)
    return slices


def _coarser(slices: Tensor, generator: Generator) -> Tensor:
    """A third of the batch as if acquired with pixels up to 1.7 times as large, of one shape for all of these."""
    height, width = slices.shape[2:]
    factor = (1 + 0.7 * torch.rand(2, generator=generator)).tolist()
    which = torch.rand(len(slices), generator=generator) < 1 / 3
    if not which.any():
        return slices
    small = (max(1, round(height / factor[0])), max(1, round(width / factor[1])))
    coarse = functional.interpolate(slices[which], small, mode="bilinear", antialias=True, align_corners=False)
    slices = slices.clone()
    slices[which] = functional.interpolate(coarse, (height, width), mode="bicubic", align_corners=False)
    return slices


def _windowed(slices: Tensor, generator: Generator) -> Tensor:
    """Stretched to [0, 1] between two quantiles; the upper one is missed by up to a fifth."""
    flat = slices.flatten(1)
    low, high = torch.quantile(flat, torch.tensor(WINDOW), dim=1)  # (N,) each
    high = low + (high - low).clamp(min=1e-3) * (0.9 + 0.3 * torch.rand(len(flat), generator=generator))
    shape = (-1, 1, 1, 1)
    return ((slices - low.view(shape)) / (high - low).view(shape)).clamp(0, 1)
