"""The network over a whole cine, and its shares of every class carried back to the file's own pixels."""

from dataclasses import dataclass, replace

import numpy as np
import scipy  # its parts load when first used: --help need not wait for them
import torch
from einops import rearrange
from torch import Tensor
from torch.nn import functional

from cohort.cine import CineStack, Label
from cohort.heart_grid import HeartGrid, own_slices_grid, usual_axes
from cohort.labelled_orientation import oriented_by_labels, turned
from models.confidence import expected_dice_of_heart
from models.largest_class import largest_class
from sampling.segmentation import SliceSegmenter

from .pieces import Touching, largest_piece

FARTHEST_MM = 12.0  # from the grid's middle to the heart's
LV = (Label.LV_CAVITY, Label.LV_MYOCARDIUM)
TURNS_DEG = (0, 90, 180, 270)  # of a picture whose file states no orientation
BY_NETWORK = "no orientation is stated: the picture was turned as the segmenter finds the heart best"


@dataclass(frozen=True, eq=False)
class SegmentedCine:
    """Label maps of a cine, of `Label`.

    Attributes:
        labels: (x, y, z, t) uint8 in the file's own axes.
        grid: the same cine on the heart grid, in slices of its own.
        grid_labels: (slices, frames, height, width) uint8 on that grid.
        logits: (frames, slices, classes, height, width) float16, of which the network's confidence is told.
        lv_apart: (frames,) share of the LV's voxels in `labels` that were islands, and were removed.
    """

    labels: np.ndarray
    grid: HeartGrid
    grid_labels: np.ndarray
    logits: Tensor
    lv_apart: np.ndarray


def segment_cine(segmenter: SliceSegmenter, cine: CineStack, source: str, batch_size: int = 32) -> SegmentedCine:
    """Segment every slice and frame of a cine.

    The network sees the heart grid. Its shares of the classes are interpolated linearly at the file's pixels, slice by
    slice; the largest share decides. Pixels outside of the grid are background.

    Args:
        source: to name in an error.
        batch_size: slices at once, rounded to whole frames.

    Where the file states no orientation, a label map of one frame tells it (`oriented_by_labels`). The network draws
    that map in four turns of the picture; the one of which it is surest counts.

    Raises:
        InputError: as `own_slices_grid`, or as `oriented_by_labels`.
    """
    if not cine.states_orientation:
        cine = _oriented(segmenter, cine, source, batch_size)
    return _segmented(segmenter, cine, source, batch_size)


def _oriented(segmenter: SliceSegmenter, cine: CineStack, source: str, batch_size: int) -> CineStack:
    """A cine without an orientation, with one that the network's label map at its first frame tells."""
    some = replace(cine, voxels=cine.voxels[..., [0, max(1, cine.voxels.shape[3] // 3)]])  # two frames show what moves
    tried = [_segmented(segmenter, turned(some, turn, usual_axes(), source), source, batch_size) for turn in TURNS_DEG]
    sure = [float(expected_dice_of_heart(one.logits[0].float())) for one in tried]
    labels = tried[int(np.argmax(sure))].labels[..., 0]
    oriented = oriented_by_labels(cine, labels, usual_axes(), source)
    return replace(oriented, notes=(*oriented.notes, BY_NETWORK))


@torch.inference_mode()
def _segmented(segmenter: SliceSegmenter, cine: CineStack, source: str, batch_size: int) -> SegmentedCine:
    """Segment a cine whose orientation is stated, or taken as such."""
    grid = _grid_about_the_heart(segmenter, cine, source)
    slices, frames = grid.voxels.shape[:2]
    pixels = torch.from_numpy(np.ascontiguousarray(grid.voxels.swapaxes(0, 1)))  # (P, S, H, W)
    acquired = torch.from_numpy(np.ascontiguousarray(grid.mask.T))  # (P, S)
    way_back = WayBack(cine, grid, segmenter.device)
    labels = np.zeros(cine.voxels.shape, np.uint8, order="F")
    grid_labels = np.empty(grid.voxels.shape, np.uint8)
    step = max(1, batch_size // slices)
    every = []
    for first in range(0, frames, step):
        some = pixels[first : first + step]
        given = rearrange(some, "p s h w -> (p s) 1 h w").to(segmenter.device)
        logits, _ = segmenter.logits_and_features(given)  # (P*S, 4, H, W)
        blank = ~acquired[first : first + step].flatten().to(segmenter.device)  # nothing was acquired there
        logits[blank] = _certain_background(logits)
        shares = logits.softmax(dim=1)
        found = largest_class(shares).cpu().numpy()  # (P*S, H, W)
        grid_labels[:, first : first + step] = rearrange(found, "(p s) h w -> s p h w", s=slices)
        way_back.put(labels, first, rearrange(shares, "(p s) c h w -> p s c h w", s=slices))
        every.append(rearrange(logits, "(p s) c h w -> p s c h w", s=slices).half().cpu())
    apart = np.array([remove_islands(labels[..., frame]) for frame in range(frames)])
    for frame in range(frames):
        remove_islands(grid_labels[:, frame])
    return SegmentedCine(labels, grid, grid_labels, torch.cat(every), apart)


def remove_islands(labels: np.ndarray) -> float:
    """Of the LV, cavity and wall, and of the RV keep the largest connected part of a volume; the rest is background.

    Returns:
        Share of the LV's voxels that lay apart from its largest part; 0 where there is no LV.
    """
    if not labels.any():
        return 0.0
    (near,) = scipy.ndimage.find_objects(np.minimum(labels, 1))
    heart = labels[near]
    lv, rv = np.isin(heart, LV), heart == int(Label.RV_CAVITY)
    lv_apart, rv_apart = (shape & ~largest_piece(shape, Touching.FACES) for shape in (lv, rv))
    heart[lv_apart | rv_apart] = Label.BACKGROUND
    return float(lv_apart.sum() / max(1, lv.sum()))


def _grid_about_the_heart(segmenter: SliceSegmenter, cine: CineStack, source: str) -> HeartGrid:
    """The grid about what moves; laid anew about the heart where the network finds it far from the middle."""
    grid = own_slices_grid(cine, source)
    first = torch.from_numpy(np.ascontiguousarray(grid.voxels[:, :1])).to(segmenter.device)  # (S, 1, H, W)
    found = largest_class(segmenter.logits_and_features(first)[0]).cpu().numpy()  # (S, H, W)
    remove_islands(found)
    if not found.any():
        return grid
    middle = np.argwhere(found).mean(axis=0)[::-1]  # column, row, slice
    away = middle[:2] - (np.array(found.shape[:0:-1]) - 1) / 2
    if np.linalg.norm(away) * grid.geometry.pixel_mm <= FARTHEST_MM:
        return grid
    voxel = np.linalg.inv(cine.affine) @ grid.affine @ np.append(middle, 1)
    return own_slices_grid(cine, source, centre=voxel[:3])


def _certain_background(logits: Tensor) -> Tensor:
    """(classes, height, width) logits of nothing but background."""
    certain = torch.full_like(logits[0], -30.0)
    certain[int(Label.BACKGROUND)] = 30.0
    return certain


class WayBack:
    """From the grid to the pixels of a file, by the two affines alone.

    Args:
        cine: the file. grid: its own slices on the grid, in either order.
    """

    def __init__(self, cine: CineStack, grid: HeartGrid, device: torch.device) -> None:
        self.through = cine.slice_axis
        within = list(cine.in_plane_axes)
        slices, _, height, width = grid.voxels.shape
        to_file = np.linalg.inv(cine.affine) @ grid.affine
        numbers = np.arange(slices)
        self.slices = np.round(to_file[self.through, 2] * numbers + to_file[self.through, 3]).astype(int)
        to_grid = np.linalg.inv(grid.affine) @ cine.affine  # file index -> (column, row, slice)
        first, second = (np.arange(cine.voxels.shape[axis]) for axis in within)
        places = [  # column and row of every pixel, (slices, first, second)
            to_grid[k, within[0]] * first[:, None]
            + to_grid[k, within[1]] * second
            + (to_grid[k, self.through] * self.slices + to_grid[k, 3])[:, None, None]
            for k in (0, 1)
        ]
        sizes = np.array([width, height])
        inside = np.logical_and.reduce([np.abs(p - (n - 1) / 2) <= n / 2 for p, n in zip(places, sizes, strict=True)])
        box = [np.flatnonzero(inside.any(axis=axes)) for axes in ((0, 2), (0, 1))]
        self.box = tuple(slice(int(side[0]), int(side[-1]) + 1) if len(side) else slice(0, 0) for side in box)
        near = (slice(None), *self.box)
        unit = np.stack([2 * p[near] / (n - 1) - 1 for p, n in zip(places, sizes, strict=True)], axis=-1)
        self.points = torch.from_numpy(unit.astype(np.float32)).to(device)  # (S, A, B, 2) in [-1, 1]
        self.inside = torch.from_numpy(inside[near]).to(device)

    def put(self, labels: np.ndarray, first: int, shares: Tensor) -> None:
        """Write the labels of some frames into a file's label map (x, y, z, t), from frame `first` on.

        Args:
            shares: (frames, slices, classes, height, width) of the classes on the grid.
        """
        frames = len(shares)
        points = self.points.repeat(frames, 1, 1, 1)
        own = functional.grid_sample(shares.flatten(0, 1), points, padding_mode="border", align_corners=True)
        found = largest_class(own) * self.inside.repeat(frames, 1, 1)
        found = rearrange(found, "(p s) a b -> a b s p", p=frames).cpu().numpy()
        seen = np.moveaxis(labels, self.through, 2)  # (first, second, slice, frame)
        for number, place in enumerate(self.slices):
            seen[(*self.box, place, slice(first, first + frames))] = found[:, :, number]
