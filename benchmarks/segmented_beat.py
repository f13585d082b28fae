"""One phantom's whole beat as a file, and the parts of segmenting it that are timed."""

from collections.abc import Callable
from pathlib import Path
from tempfile import mkdtemp

import numpy as np
import torch

from cohort.cine import CineStack, write_nifti
from cohort.heart_grid import own_slices_grid
from cohort.pseudonym import OWN_NAMES
from phantom.cohort_plan import CohortPlan
from phantom.cohort_writer import moments
from phantom.scanner import scan
from segmenting.measured_cine import measure_cine
from segmenting.network import segment_cine
from segmenting.patient import Settings, loaded, segment_patient
from segmenting.reading import read_mri
from segmenting.sources import find_sources

FLOOR, OURS = "**floor: the network's forward passes alone**", "**ours: a file to a patient's folder**"
FIRST = 9_000_001


def write_beats(folder: Path, people: int, frames: int) -> CineStack:
    """One phantom's cine as so many people's files, in UK Biobank's layout; returns the cine."""
    plan = CohortPlan(seed=3, subjects=2, frames=frames)
    heart = plan.heart(1)
    images = scan(heart, moments(frames))
    cine = CineStack(images.voxels, images.affine, 60 / heart.heart_rate_bpm / frames)
    for number in range(people):
        person = folder / str(FIRST + number)
        person.mkdir(parents=True)
        write_nifti(person / "sa.nii.gz", cine)
    return cine


def parts(folder: Path, segmenter: Path, batch_size: int) -> dict[str, Callable[[], object]]:
    """What is timed, by name: the floor, the whole, and the pieces of the whole."""
    network = loaded(segmenter, "cpu", 1)
    source = find_sources(folder)[0]
    mri = read_mri(source)
    found = segment_cine(network, mri.cine, "a beat", batch_size)
    grid = own_slices_grid(mri.cine)
    slices = torch.from_numpy(np.ascontiguousarray(grid.voxels.swapaxes(0, 1))).flatten(0, 1)[:, None]

    @torch.inference_mode()
    def forward() -> None:
        for some in slices.split(batch_size):
            network(some)

    def whole() -> None:
        made = segment_patient(
            Settings(segmenter, Path(mkdtemp(dir=folder.parent)), OWN_NAMES, "cpu", batch_size), source
        )
        if made.refusal is not None:
            raise made.refusal

    return {
        FLOOR: forward,
        OURS: whole,
        "of it: reading and inflating": lambda: read_mri(source),
        "of it: onto the grid": lambda: own_slices_grid(mri.cine),
        "of it: grid, network and back": lambda: segment_cine(network, mri.cine, "a beat", batch_size),
        "of it: measuring": lambda: measure_cine(found.labels, mri.cine, found.grid_labels, 1.8),
        "of it: the label map to disk": lambda: mri.write_labels(Path(mkdtemp(dir=folder.parent)), found.labels),
    }
