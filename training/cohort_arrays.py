"""The cohort that a training learns from, as arrays, and checked before anything is learned."""

from collections.abc import Sequence
from pathlib import Path

from accelerate import Accelerator

from cohort.cines import Cines, cohort_cines
from cohort.ecg_cohort import ECGCohort, prepare_ecgs
from cohort.field_names import require_names
from cohort.leakage import require_separate_splits
from cohort.motion_table import require_motion_table
from cohort.pairs_table import PAIRS
from cohort.person_fields import require_told, with_fields, with_fields_of_more
from cohort.places import CohortPlaces
from cohort.prepared import Preparation, PreparedCohort, prepare_cohort, warn_if_too_few
from cohort.simulated import PLAN
from sampling.model_folder import REAL, SIMULATED

from .options import CohortOptions, DiffusionOptions


def open_cohort(
    options: CohortOptions, accelerator: Accelerator, extra_ecgs: Path | None = None, fields: Sequence[str] = ()
) -> tuple[PreparedCohort, ECGCohort | None]:
    """The cohort of the options, read once by one process; `extra_ecgs` and `fields` as in `open_arrays`."""
    require_names(fields)
    for folder in filter(None, (options.places, extra_ecgs)):
        require_motion_table(folder)  # before what takes hours
    preparation = Preparation(options.geometry, options.sampling_rate)
    where = (options.places, options.prepared, preparation, accelerator, extra_ecgs)
    return open_arrays(*where, options.max_bad_fraction, options.exclude, fields)


def open_cines(options: DiffusionOptions, cohort: PreparedCohort, accelerator: Accelerator) -> Cines | None:
    """The cines that a training learns motion from; None for a model of stills, or where nobody has one.

    A grid of other phases than ED and ES has no motion network either.
    """
    if options.motion == "none" or options.geometry.phases != 2:
        return None
    with accelerator.main_process_first():
        return cohort_cines(cohort, options.places, options.cines, options.exclude)


def open_arrays(
    data: Path | CohortPlaces,
    prepared: Path,
    preparation: Preparation,
    accelerator: Accelerator,
    extra_ecgs: Path | None = None,
    max_bad_fraction: float = 0.2,
    exclude: Path | None = None,
    fields: Sequence[str] = (),
) -> tuple[PreparedCohort, ECGCohort | None]:
    """A cohort as arrays, made as `preparation` says, and the ECGs of further people.

    Args:
        data: a cohort's folder, or one that holds its prepared arrays already.
        extra_ecgs: a folder with ECGs and phenotypes.csv of people without an MRI; None for none.
        exclude: a list of people who withdrew (`cohort.withdrawal`).
        fields: F further numbers of the person to put beside the four (`cohort.person_fields`).

    Raises:
        InputError: the cohort cannot be read (`prepare_cohort`), or somebody is in two splits. Or a further field is
            no column of numbers, or tells nothing of the training people.
    """
    with accelerator.main_process_first():
        cohort = prepare_cohort(data, prepared, preparation, max_bad_fraction, exclude=exclude)
        if accelerator.is_main_process:
            warn_if_too_few(cohort)
        rate_and_duration = (preparation.sampling_rate, preparation.duration_s)
        extra = prepare_ecgs(extra_ecgs, prepared, *rate_and_duration, exclude=exclude) if extra_ecgs else None
        require_separate_splits(cohort, extra)
    cohort = with_fields(cohort, fields)
    for line in require_told(cohort, fields):
        accelerator.print(line)
    return cohort, extra and with_fields_of_more(extra, extra_ecgs, fields)


def taught_by(places: CohortPlaces, extra_ecgs: Path | None = None) -> str:
    """SIMULATED where every cohort to learn from is a phantom's, which holds a cohort.json; else REAL.

    Folders of ECGs or of MRIs that lie elsewhere, and files that pairs.csv names, may be anybody's: REAL.
    """
    folders = [folder for folder in (places.data, extra_ecgs) if folder]
    elsewhere = places.ecg_dir or places.mri_dir or any((folder / PAIRS).exists() for folder in folders)
    all_phantoms = all((folder / PLAN).exists() for folder in folders)
    return SIMULATED if all_phantoms and not elsewhere else REAL
