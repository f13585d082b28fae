"""What it costs to prepare one person: a 27 MB gzipped cine of 208 x 210 x 10 x 50 int16 and an ECG, on one core.

    python benchmarks/data_preparation.py

The cine is a simulated heart that beats, with the noise at which gzip leaves some 27 of 44 MB, as it does of UK
Biobank's. It is read with its label map and without; without one, ES and the heart's centre are looked for in all
frames. Every byte is inflated and its CRC checked, always: stopping at the last frame that is needed would take half
the time, and 183 of 200 flipped bits would become voxels (docs of `cohort.cine`). Writes results/data_preparation.md
and .json.
"""

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import tyro

sys.path.insert(0, str(Path(__file__).parents[1]))  # the repository, wherever the command is given

from cohort.errors import exit_code_of

TARGET_MS = 120.0
SHAPE = (208, 210, 10, 50)
NOISE = 34.0  # of the real and of the imaginary channel, in stored units
EID = 9_000_001


@dataclass(frozen=True)
class Config:
    """Time the preparation of one person."""

    rounds: int = 9
    output: Path = Path(__file__).parent / "results"


def main() -> None:
    config = tyro.cli(Config, description=__doc__)
    import torch

    from benchmarks.machine import described
    from benchmarks.table import markdown, write_tables
    from cohort.cine import igzip

    torch.set_num_threads(1)
    machine = described(torch.device("cpu"), "numpy", "scipy")
    with TemporaryDirectory() as folder:
        megabytes = write_subject(Path(folder))
        rows = [timed(name, job, config.rounds) for name, job in jobs(Path(folder)).items()]
    note = f"{megabytes:.1f} MB gzipped, inflated by {igzip.__name__}; ms of processor, {config.rounds} rounds in turn."
    write_tables(config.output, "data_preparation", machine, {"one person, one core": rows}, note)
    print(note, markdown(rows), sep="\n\n")


def write_subject(data: Path) -> float:
    """One person in UK Biobank's layout, twice: with the label map in UKBB, without in bare; the cine's MB."""
    import numpy as np

    from cohort.cine import CineStack, write_nifti
    from cohort.ecg import write_cardiosoft
    from phantom.electrical import render_ecg
    from phantom.heart import draw_heart
    from phantom.scanner import scan

    heart, rng = draw_heart(1, 0), np.random.default_rng(0)
    ends = scan(heart, (0.0, "es"))
    affine, slices = ends.affine, slice(1, 1 + SHAPE[2])
    margin = [(size // 2, size - size // 2) for size in np.subtract(SHAPE[:2], ends.voxels.shape[:2])] + [(0, 0)]
    still, squeezed = (np.pad(ends.voxels[..., slices, k], margin, mode="edge") for k in range(2))
    labels = [np.pad(ends.labels[..., slices, k], margin) for k in range(2)]
    cine = np.empty(SHAPE, np.int16, order="F")
    maps = np.empty(SHAPE, np.uint8, order="F")
    for frame in range(SHAPE[3]):
        share = np.sin(np.pi * min(1.0, frame / SHAPE[3] / 0.7)) ** 2  # of the way to ES and back
        voxels = still + share * (squeezed - still)
        real, imaginary = rng.normal(0, NOISE, (2, *SHAPE[:3]))
        cine[..., frame] = np.hypot(voxels + real, imaginary)  # Rician, as a magnitude image is
        maps[..., frame] = labels[int(share > 0.5)]
    interval_s = 60 / heart.heart_rate_bpm / SHAPE[3]
    for name in ("UKBB", "bare"):
        folder = data / name / "NIFTI" / str(EID)
        folder.mkdir(parents=True)
        (data / name / "ecg").mkdir()
        write_nifti(folder / "sa.nii.gz", CineStack(cine, affine, interval_s))
        rendered = render_ecg(heart)
        write_cardiosoft(data / name / "ecg" / f"{EID}_20205_2_0.xml", rendered.ecg, medians=rendered.medians)
    write_nifti(data / "UKBB" / "NIFTI" / str(EID) / "seg_sa.nii.gz", CineStack(maps, affine, interval_s))
    return (data / "bare" / "NIFTI" / str(EID) / "sa.nii.gz").stat().st_size / 1e6


def jobs(data: Path) -> dict[str, Callable[[], object]]:
    """What is timed: the parts, and the whole as `cohort.prepared` does it."""
    import torch
    from models.unet import PRESETS

    from cohort.cine import read_nifti
    from cohort.ecg import read_ecg
    from cohort.heart_grid import cine_grid
    from cohort.person import Person
    from cohort.phenotypes import phenotypes_of
    from cohort.prepared import Preparation, read_example
    from cohort.preprocessing import ecg_input
    from cohort.subjects import find_subjects
    from models.autoencoder import SliceAutoencoder

    (labelled,), (bare,) = find_subjects(data / "UKBB"), find_subjects(data / "bare")
    cine, maps = read_nifti(bare.images.cine), read_nifti(labelled.images.labels_cine, labels=True)
    grid, ecg = cine_grid(cine, maps), read_ecg(bare.ecg)
    geometry = grid.geometry
    autoencoder = SliceAutoencoder(PRESETS["nano"].autoencoder_width).eval()
    autoencoder.set_latent_statistics(*(torch.full((autoencoder.config.latent_channels,), v) for v in (0.0, 1.0)))
    pictures = torch.from_numpy(grid.voxels).flatten(0, 1).unsqueeze(1)

    def latents() -> None:
        with torch.no_grad():
            autoencoder.encode(pictures)

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
        "latents, nano autoencoder": latents,
    }


def timed(name: str, job: Callable[[], object], rounds: int) -> dict:
    """The first of `rounds` + 1 is not counted."""
    spent = []
    for _ in range(rounds + 1):
        begun = time.process_time()
        job()
        spent.append(1000 * (time.process_time() - begun))
    least, middle = min(spent[1:]), median(spent[1:])
    met = ("yes" if middle <= TARGET_MS else "**no**") if "person" in name else None
    return {"": name, "ms": middle, "least": least, "target met": met}


if __name__ == "__main__":
    sys.exit(exit_code_of(main))
