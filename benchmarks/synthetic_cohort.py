"""A prepared cohort of any size made of noise, memory-mapped as a real one: no step costs more for real hearts."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from cohort.heart_grid import GridGeometry
from cohort.phenotypes import PHENOTYPES
from cohort.prepared import Preparation, PreparedCohort
from cohort.subjects import FIRST_SIMULATED_EID

CHANNELS, DOWNSAMPLING = 4, 8  # of the autoencoder's latents
BLOCK = 32  # people whose noise is drawn; the others repeat it


@dataclass(frozen=True)
class CohortSize:
    """What costs may grow with."""

    people: int = 1000
    phases: int = 2
    side: int = 12  # of the latents, in cells
    positions: int = 10  # along the long axis
    strip_s: float = 10.0  # length of the ECG

    @property
    def preparation(self) -> Preparation:
        side = DOWNSAMPLING * self.side
        geometry = GridGeometry(slices=self.positions, phases=self.phases, height=side, width=side)
        return Preparation(geometry, duration_s=self.strip_s)


def write_noise(folder: Path, size: CohortSize) -> None:
    """The two arrays that grow with everything: ECGs and latents, float16."""
    rng = np.random.default_rng(0)
    for name, shape in _shapes(size).items():
        block = rng.standard_normal((BLOCK, *shape[1:]), dtype=np.float32).astype(np.float16)
        with (folder / name).open("wb") as file:  # not memory-mapped: that would count as this process's memory
            np.lib.format.write_array_header_1_0(file, {"descr": "<f2", "fortran_order": False, "shape": shape})
            for first in range(0, shape[0], BLOCK):
                file.write(block[: shape[0] - first].tobytes())


def synthetic_cohort(folder: Path, size: CohortSize) -> tuple[PreparedCohort, np.ndarray]:
    """Open what `write_noise` wrote.

    Returns:
        the cohort, without pixels (no step of the denoiser looks at them), and latents (N, slices, phases, C, h, w).
    """
    rng, n, geometry = np.random.default_rng(1), size.people, size.preparation.geometry
    ecg, latents = (np.load(folder / name, mmap_mode="r") for name in _shapes(size))
    nothing = np.broadcast_to(np.uint8(0), (n, *geometry.shape))
    cohort = PreparedCohort(
        folder,
        size.preparation,
        hearts=nothing,
        mask=np.ones((n, size.positions, size.phases), dtype=bool),
        labels=nothing,
        affine=np.broadcast_to(np.eye(4), (n, 4, 4)),
        ecg=ecg,
        lead_mask=np.ones((n, 12), dtype=bool),
        person=rng.normal((0.5, 62, 169, 76), (0.5, 9, 9, 14), (n, 4)).astype(np.float32),
        phenotypes=rng.standard_normal((n, len(PHENOTYPES)), dtype=np.float32),
        eid=FIRST_SIMULATED_EID + np.arange(n),
        instance=np.full(n, 2),
    )
    return cohort, latents


def _shapes(size: CohortSize) -> dict[str, tuple[int, ...]]:
    preparation = size.preparation
    samples = round(preparation.sampling_rate * preparation.duration_s)
    return {
        "ecg.npy": (size.people, 12, samples),
        "latents.npy": (size.people, size.positions, size.phases, CHANNELS, size.side, size.side),
    }
