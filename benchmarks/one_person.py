"""One simulated person with a large gzipped cine, and the parts of preparing them."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from cohort.cardiosoft import write_cardiosoft
from cohort.cine import CineStack, read_nifti, write_nifti
from cohort.discovery import find_subjects
from cohort.ecg import read_ecg
from cohort.heart_grid import cine_grid
from cohort.person import Person
from cohort.phenotypes import phenotypes_of
from cohort.prepared import Preparation, read_example
from cohort.preprocessing import ecg_input
from cohort.subjects import FIRST_SIMULATED_EID as FIRST_EID
from models.autoencoder import SliceAutoencoder
from models.presets import PRESETS
from phantom.electrical import render_ecg
from phantom.heart import draw_heart
from phantom.scanner import Scan, scan

SHAPE = (208, 210, 10, 50)  # of the cine
NOISE = 34.0  # of the real and of the imaginary channel, in stored units


def write_subject(data: Path) -> float:
    """One person in UK Biobank's layout, twice: with the label map in UKBB, without in bare; the cine's MB."""
    heart = draw_heart(1, 0)
    cine, labels, affine = beating(scan(heart, (0.0, "es")), np.random.default_rng(0))
    interval_s = 60 / heart.heart_rate_bpm / SHAPE[3]
    for name in ("UKBB", "bare"):
        folder = data / name / "NIFTI" / str(FIRST_EID)
        folder.mkdir(parents=True)
        (data / name / "ecg").mkdir()
        write_nifti(folder / "sa.nii.gz", CineStack(cine, affine, interval_s))
        rendered = render_ecg(heart)
        write_cardiosoft(data / name / "ecg" / f"{FIRST_EID}_20205_2_0.xml", rendered.ecg, medians=rendered.medians)
    write_nifti(data / "UKBB" / "NIFTI" / str(FIRST_EID) / "seg_sa.nii.gz", CineStack(labels, affine, interval_s))
    return (data / "bare" / "NIFTI" / str(FIRST_EID) / "sa.nii.gz").stat().st_size / 1e6


def beating(ends: Scan, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A noisy cine of SHAPE between a heart's ED and ES (`ends`), its label maps, and its affine."""
    slices = slice(1, 1 + SHAPE[2])
    margin = [(size // 2, size - size // 2) for size in np.subtract(SHAPE[:2], ends.voxels.shape[:2])] + [(0, 0)]
    still, squeezed = (np.pad(ends.voxels[..., slices, k], margin, mode="edge") for k in range(2))
    maps = [np.pad(ends.labels[..., slices, k], margin) for k in range(2)]
    cine = np.empty(SHAPE, np.int16, order="F")
    labels = np.empty(SHAPE, np.uint8, order="F")
    for frame in range(SHAPE[3]):
        share = np.sin(np.pi * min(1.0, frame / SHAPE[3] / 0.7)) ** 2  # of the way to ES and back
        voxels = still + share * (squeezed - still)
        real, imaginary = rng.normal(0, NOISE, (2, *SHAPE[:3]))
        cine[..., frame] = np.hypot(voxels + real, imaginary)  # Rician, as a magnitude image is
        labels[..., frame] = maps[int(share > 0.5)]
    return cine, labels, ends.affine


def jobs(data: Path) -> dict[str, Callable[[], object]]:
    """What is timed: the parts, and the whole as `cohort.prepared` does it; data: of `write_subject`."""
    (labelled,), (bare,) = find_subjects(data / "UKBB"), find_subjects(data / "bare")
    cine, maps = read_nifti(bare.images.cine), read_nifti(labelled.images.labels_cine, labels=True)
    grid, ecg = cine_grid(cine, maps), read_ecg(bare.ecg)
    geometry = grid.geometry
    autoencoder = SliceAutoencoder(PRESETS["nano"].autoencoder_width).eval()
    autoencoder.set_latent_statistics(*(torch.full((autoencoder.config.latent_channels,), v) for v in (0.0, 1.0)))
    pictures = torch.from_numpy(grid.voxels).flatten(0, 1).unsqueeze(1)
    return {
        "inflate the cine, CRC and voxels checked": lambda: read_nifti(bare.images.cine),
        "ES, centre, grid, window": lambda: cine_grid(cine),
        "inflate the label map": lambda: read_nifti(labelled.images.labels_cine, labels=True),
        "grid and window, ES and centre told by labels": lambda: cine_grid(cine, maps),
        "phenotypes": lambda: phenotypes_of(grid.labels, geometry.pixel_mm, geometry.slice_step_mm),
        "read the ECG": lambda: read_ecg(bare.ecg),
        "filter and resample the ECG": lambda: ecg_input(ecg),
        "**person without a label map**": lambda: read_example(Preparation(), (bare, Person(), {})),
        "**person with a label map**": lambda: read_example(Preparation(), (labelled, Person(), {})),
        "latents, nano autoencoder": lambda: encoded(autoencoder, pictures),
    }


@torch.no_grad()
def encoded(autoencoder: SliceAutoencoder, pictures: torch.Tensor) -> torch.Tensor:
    return autoencoder.encode(pictures)
