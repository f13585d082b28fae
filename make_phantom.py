"""Write a cohort of simulated patients, ECG and heart MRI, in UK Biobank's formats.

    python make_phantom.py --output UKBB --subjects 200
    python make_phantom.py --prepared runs/phantom --subjects 20000

The second writes arrays in place of files, for a training.
"""

import os
import sys
from dataclasses import dataclass
from pathlib import Path

import tyro

from cohort.errors import InputError, exit_code_of


@dataclass(frozen=True)
class Options:
    """Simulated patients with a known truth. The same command continues an interrupted run."""

    output: Path | None = None
    """Folder of the cohort: empty, new, or one that this script began."""
    prepared: Path | None = None
    """In place of --output: the arrays that cohort.prepare would make of the files. Give it to a training as --data."""
    cines: int = 0
    """Of --prepared: so many people have a whole cine besides, in cines.npy and cine_labels.npy."""
    subjects: int = 200
    """How many. More later adds to the cohort and changes nobody."""
    seed: int = 0
    """Subject i depends on this, on i, and on what the options below draw from."""
    condition: str | None = None
    """Everybody has this one: normal, lvh, dcm, hcm, infarct, rv_overload, lbbb or rbbb. Default: a mixture."""
    population: str = "usual"
    """Whom they are drawn from: usual (as UK Biobank), clinic (older, heavier, sicker) or small (younger, slighter)."""
    scanner: str = "usual"
    """Which scanner took the MRIs: usual (as UK Biobank's), 3t (sharper) or low (old, or of a low field)."""
    visits: int = 1
    """2: everybody comes back three years later, as at UK Biobank's instance 3."""
    frames: int | None = None
    """2: end-diastole and end-systole only. More: a cine of so many frames. Default: 2, of DICOM 50, of --cines 25."""
    long_axis: bool = False
    """Two-, three- and four-chamber views beside the short axis, with their label maps."""
    ecg_only: bool = False
    """No images: the same people's ECGs and tables, some ten times faster."""
    dicom: bool = False
    """MRIs as UK Biobank hands them out: one DICOM zip a person (field 20209), and no label maps."""
    platform: bool = False
    """Lay files where UK Biobank's research platform has them: Bulk/Heart MRI/Short axis/90/ and so on."""
    processes: int | None = None
    """Default: one per core."""


def main() -> None:
    options = tyro.cli(Options, description=__doc__)
    for library in ("OMP", "OPENBLAS", "MKL"):  # the processes are the parallelism
        os.environ.setdefault(f"{library}_NUM_THREADS", "1")
    from phantom.cohort_plan import CohortPlan, usual_frames
    from phantom.cohort_writer import write_cohort
    from phantom.prepared_writer import write_prepared

    if (options.output is None) == (options.prepared is None):
        fault = "neither is given" if options.output is None else "exclude each other"
        raise InputError("--output and --prepared", fault, "give one: --output writes files, --prepared arrays")
    if options.ecg_only and options.frames is not None:
        raise InputError("--ecg-only and --frames", "exclude each other: there are no images", "leave out one")
    plan = CohortPlan(
        seed=options.seed,
        subjects=options.subjects,
        frames=options.frames or usual_frames(options.dicom, options.cines),
        ecg_only=options.ecg_only,
        dicom=options.dicom,
        platform=options.platform,
        condition=options.condition,
        population=options.population,
        scanner=options.scanner,
        visits=options.visits,
        long_axis=options.long_axis,
        prepared=options.prepared is not None,
        cines=options.cines,
    )
    if options.prepared:
        write_prepared(options.prepared, plan, processes=options.processes)
    else:
        write_cohort(options.output, plan, options.processes)


if __name__ == "__main__":
    sys.exit(exit_code_of(main))
