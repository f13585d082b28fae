"""Lay a cohort down as arrays before any training, by one job or by many.

    python -m cohort.prepare --data UKBB                  the whole cohort, as a training would
    python -m cohort.prepare --data UKBB --part 3/64      one of 64 shares, e.g. of a Slurm array
    python -m cohort.prepare --data UKBB --join 64        the shares, joined to the same bytes

Every training finds the result by itself. An interrupted preparation continues; a finished one is left alone.
"""

import sys
from pathlib import Path

import tyro

from cohort.errors import InputError, exit_code_of
from cohort.heart_grid import GridGeometry
from cohort.parts import Part, join_parts, prepare_part
from cohort.places import CohortPlaces
from cohort.prepared import Preparation, prepare_cohort

HEART_GRID = GridGeometry()


def main(
    data: Path = Path("UKBB"),
    prepared: Path = Path("runs/prepared"),
    ecg_dir: Path | None = None,
    mri_dir: Path | None = None,
    part: str | None = None,
    join: int | None = None,
    max_bad_fraction: float = 0.2,
    sampling_rate: int = 250,
    geometry: GridGeometry = HEART_GRID,
    quiet: bool = False,
    exclude: Path | None = None,
) -> None:
    """Read a cohort once and keep it as arrays.

    Args:
        data: the folder with `ecg` and `NIFTI` in it, or with UK Biobank's files in other folders.
        prepared: where the arrays are put; give trainings the same.
        ecg_dir: the folder of the ECGs, where they lie elsewhere.
        mri_dir: the folder of the MRIs, where they lie elsewhere.
        part: one share, such as 3/64 for the third of 64 jobs.
        join: join this number of finished shares.
        max_bad_fraction: share of unreadable subjects above which the cohort is refused.
        sampling_rate: Hz of the ECGs in the arrays.
        geometry: the heart grid.
        quiet: no progress bar.
        exclude: people who withdrew, one eid a line, beside those whom a list in the data folder names.
    """
    if part is not None and join is not None:
        raise InputError("--part and --join", "are two steps", "prepare all parts, then join them")
    if join is not None and join < 1:
        raise InputError("--join", "is not a number of parts", "give the number after the stroke of --part")
    preparation, places = Preparation(geometry, sampling_rate), CohortPlaces(data, ecg_dir, mri_dir)
    if part is not None:
        place = prepare_part(places, prepared, preparation, Part.from_text(part), quiet, exclude)
    else:
        if join is not None:
            join_parts(places, prepared, preparation, join, exclude)
        place = prepare_cohort(places, prepared, preparation, max_bad_fraction, quiet, exclude).folder
    print(f"prepared: {place}" if part is None else f"part {part} is prepared; after all of them: --join: {place}")


if __name__ == "__main__":
    sys.exit(exit_code_of(lambda: tyro.cli(main, prog="python -m cohort.prepare")))
