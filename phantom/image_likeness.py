"""How far simulated MRIs look like a real one.

`python -m phantom.image_likeness --real FOLDER` prints the table; the folder holds sa.nii.gz and seg_sa.nii.gz. The
same code measures real and simulated cines, at ED and ES, in the middle half of the slices with LV cavity.
"""

import argparse
import sys
from collections.abc import Iterable
from itertools import pairwise
from pathlib import Path

import numpy as np
from scipy import ndimage

from cohort.cine import CineStack, Label, read_nifti
from cohort.errors import exit_code_of
from cohort.heart_grid import GridGeometry, cine_grid
from cohort.phases import PHASES
from phantom.heart import draw_heart
from phantom.scanner import scan

FEWEST_PIXELS = 20  # of cavity, for a slice to count
CYCLES_PER_MM = (0.006, 0.017, 0.033, 0.056, 0.083, 0.111, 0.15, 0.194, 0.278)  # edges of the spectrum's bands
FEATURES = (
    "blood to muscle",
    "dark inside the LV (%)",
    "dark inside the RV (%)",
    "CV of muscle",
    "CV of LV blood",
    "edge of septum and RV (mm)",
    "noise (% of blood)",
    *(f"spectrum {1 / high:.1f}-{1 / low:.0f} mm" for low, high in pairwise(CYCLES_PER_MM)),
)
GRID = GridGeometry(height=96, width=96, pixel_mm=1.8)


def features(image: CineStack, labels: CineStack) -> dict[str, np.ndarray]:
    """FEATURES of a cine at ED and ES, each (15,); contrast on its own voxels, detail on the product's heart grid."""
    grid = cine_grid(image, labels, GRID)
    cavity = (labels.voxels == Label.LV_CAVITY).sum(axis=(0, 1, 2))
    moments = (0, int(cavity.argmin()))
    found = {}
    for k, (name, t) in enumerate(zip(PHASES, moments, strict=True)):
        levels = _contrast(image.voxels[..., t].astype(np.float32), labels.voxels[..., t])
        found[name] = np.array([*levels, *_detail(np.asarray(grid.voxels[:, k], float), grid.labels[:, k])])
    return found


def _middle(labels: np.ndarray) -> np.ndarray:
    """Numbers of the middle half of the slices with LV cavity; labels (x, y, slices)."""
    there = np.flatnonzero((labels == Label.LV_CAVITY).sum(axis=(0, 1)) > FEWEST_PIXELS)
    return there[len(there) // 4 : max(3 * len(there) // 4, len(there) // 4 + 1)]


def dark_share(voxels: np.ndarray, labels: np.ndarray, label: int = Label.LV_CAVITY) -> float:
    """Share of a cavity's voxels darker than half-way from muscle to blood; its outermost voxels do not count."""
    voxels, labels = (x[:, :, _middle(labels)] for x in (voxels, labels))
    half = (np.median(voxels[labels == label]) + np.median(voxels[labels == Label.LV_MYOCARDIUM])) / 2
    inner = ndimage.binary_erosion(labels == label, np.ones((3, 3, 1)))
    return float((voxels[inner] < half).mean()) if inner.any() else np.nan


def _contrast(voxels: np.ndarray, labels: np.ndarray) -> list[float]:
    dark = [100 * dark_share(voxels, labels, label) for label in (Label.LV_CAVITY, Label.RV_CAVITY)]
    voxels, labels = (x[:, :, _middle(labels)] for x in (voxels, labels))
    cavity, muscle = (voxels[labels == label] for label in (Label.LV_CAVITY, Label.LV_MYOCARDIUM))
    blood = cavity[cavity > (np.median(cavity) + np.median(muscle)) / 2]
    ratio = float(np.median(cavity) / np.median(muscle))
    return [ratio, *dark, float(muscle.std() / muscle.mean()), float(blood.std() / blood.mean())]


def _detail(voxels: np.ndarray, labels: np.ndarray) -> list[float]:
    """Edge width, noise and the spectrum's amplitudes in shares of blood; (slices, height, width)."""
    middle = _middle(labels.transpose(1, 2, 0))
    voxels, labels = voxels[middle], labels[middle]
    blood, muscle = (np.median(voxels[labels == label]) for label in (Label.LV_CAVITY, Label.LV_MYOCARDIUM))
    steepness = np.hypot(*np.gradient(voxels, axis=(1, 2)))
    border = (labels == Label.RV_CAVITY) & ndimage.binary_dilation(labels == Label.LV_MYOCARDIUM, np.ones((1, 3, 3)))
    steepest = ndimage.maximum_filter(steepness, (1, 5, 5))[border]
    edge = (blood - muscle) / np.median(steepest) * GRID.pixel_mm if border.any() else np.nan
    diagonal = (voxels[:, :-1, :-1] - voxels[:, 1:, :-1] - voxels[:, :-1, 1:] + voxels[:, 1:, 1:]) / 2
    noise = np.median(np.abs(diagonal)) / 0.6745 / blood
    return [float(edge), float(100 * noise), *_spectrum(voxels / blood)]


def _spectrum(voxels: np.ndarray) -> list[float]:
    """Mean amplitude in each band of CYCLES_PER_MM."""
    height, width = voxels.shape[1:]
    window = np.hanning(height)[:, None] * np.hanning(width)
    power = np.abs(np.fft.fft2((voxels - voxels.mean(axis=(1, 2), keepdims=True)) * window)) ** 2
    frequency = np.hypot(np.fft.fftfreq(height)[:, None], np.fft.fftfreq(width)) / GRID.pixel_mm
    bands = pairwise(CYCLES_PER_MM)
    return [float(np.sqrt(power[:, (frequency >= low) & (frequency < high)].mean())) for low, high in bands]


def phantom_features(indices: Iterable[int], seed: int) -> dict[str, np.ndarray]:
    """(patients, 15) FEATURES at ED and ES of phantoms."""
    rows = {name: [] for name in PHASES}
    for index in indices:
        seen = scan(draw_heart(seed, index))
        found = features(CineStack(seen.voxels, seen.affine), CineStack(seen.labels, seen.affine))
        for name in PHASES:
            rows[name].append(found[name])
    return {name: np.array(values) for name, values in rows.items()}


def real_features(folder: Path) -> dict[str, np.ndarray]:
    """FEATURES at ED and ES of the cine in a folder.

    Raises:
        InputError: no such files, or they cannot be read.
    """
    return features(read_nifti(folder / "sa.nii.gz"), read_nifti(folder / "seg_sa.nii.gz", labels=True))


def table(real: dict, phantoms: dict) -> str:
    """Markdown: each feature of the real cine, and of the phantoms (5 %, median, 95 %)."""
    lines = []
    for name in PHASES:
        lines += [f"| {name} | real | 5 % | median | 95 % |", "|---|---|---|---|---|"]
        low, middle, high = np.nanpercentile(phantoms[name], [5, 50, 95], axis=0)
        columns = (real[name], low, middle, high)
        for feature, *values in zip(FEATURES, *columns, strict=True):
            lines.append(f"| {feature} | " + " | ".join(f"{value:.3g}" for value in values) + " |")
        lines.append("")
    return "\n".join(lines)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="python -m phantom.image_likeness", description=__doc__)
    parser.add_argument("--real", type=Path, required=True, help="folder of sa.nii.gz and seg_sa.nii.gz")
    parser.add_argument("--subjects", type=int, default=60)
    parser.add_argument("--seed", type=int, default=21)
    options = parser.parse_args()
    real = real_features(options.real)  # first, for it may be refused
    print(table(real, phantom_features(range(options.subjects), options.seed)))


if __name__ == "__main__":
    sys.exit(exit_code_of(main))
