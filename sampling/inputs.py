"""Which ECGs to sample from, what each is called, and what about them is out of the ordinary."""

import os
import re
from pathlib import Path

import numpy as np

from cohort.ecg_formats import ECG_SUFFIXES, HEADER_SUFFIXES
from cohort.errors import InputError
from cohort.input_file import unreadable
from cohort.leads import LEADS
from cohort.person import QUANTITIES, Person
from cohort.places import BELOW_DATA
from cohort.pseudonym import OWN_NAMES, Naming
from cohort.subjects import BULK_NAME, FIRST_SIMULATED_EID, FOLDER_NAME
from cohort.withdrawal import withdrawn_eids

from .options import SampleOptions

SIMULATED_ONLY = (
    "the weights know simulated patients only, and this ECG's file name is not a simulated patient's. "
    "The heart drawn is a simulation's and says nothing about this person"
)

TAUGHT_BY_UNKNOWN = (
    "its configuration does not say who taught it (trained_on in model_index.json): "
    "it counts as taught by simulated patients only"
)


def ecg_files(path: Path, naming: Naming = OWN_NAMES) -> list[Path]:
    """The ECG itself, or every ECG of a folder in order of name.

    Raises:
        InputError: no such path, a folder without an ECG, or two files whose outputs would have one name.
    """
    try:
        is_folder = path.is_dir()
        is_there = path.exists() or any(path.with_suffix(suffix).exists() for suffix in HEADER_SUFFIXES)
    except (OSError, ValueError):  # too long for a name, no name at all
        is_folder = is_there = False
    if not is_there:
        fault = InputError(path, "does not exist", "give an ECG file or a folder of them with --ecg")
        raise naming.of_fault(fault, path, subject_name(path))
    if not is_folder:
        return [path]
    try:
        with os.scandir(path) as entries:
            files = [path / name for name in sorted(entry.name for entry in entries) if _is_ecg_name(name)]
    except OSError as error:
        raise unreadable(path, error) from None
    if not files:
        raise InputError(path, "holds no ECG", f"put files ending in {', '.join(ECG_SUFFIXES)} there")
    _require_own_names(path, files, naming)
    return files


def stated_person(options: SampleOptions) -> Person:
    """What the options say of the person.

    Raises:
        InputError: a number is impossible or evidently in another unit; or there is a folder of ECGs.
    """
    numbers = {"age": options.age, "height_cm": options.height_cm, "weight_kg": options.weight_kg}
    person = Person(options.sex, *numbers.values())
    if person != Person() and options.ecg is not None and options.ecg.is_dir():
        remedy = "name one ECG with --ecg, or give a table with --persons"
        raise InputError("--sex, --age, --height-cm, --weight-kg", "are of one person, and --ecg is a folder", remedy)
    for name, number in numbers.items():
        if number is not None and not QUANTITIES[name].holds(number):
            unit = QUANTITIES[name].other_unit(number)
            fault = f"looks like {unit}" if unit else "is not possible"
            raise InputError(f"--{name.replace('_', '-')}", fault, f"give {QUANTITIES[name].give}")
    if person.misfit:
        name, fault = person.misfit
        raise InputError(f"--{name.replace('_', '-')}", fault, f"give {QUANTITIES[name].give}")
    return person


def without_withdrawn_files(files: list[Path], exclude: Path | None) -> list[Path]:
    """The ECGs, without those of people who withdrew (`cohort.withdrawal`), whom their file's name tells.

    Lists are looked for in the folder of the ECGs and in those above it, as far as a data folder may be.

    Raises:
        InputError: nobody is left, or a list cannot be read.
    """
    folder = files[0].absolute().parent
    places = [place for place in (folder, *folder.parents[:BELOW_DATA]) if os.access(place, os.R_OK)]
    withdrawn = frozenset().union(withdrawn_eids(None, exclude), *map(withdrawn_eids, places))
    kept = [path for path in files if _eid_of(path) not in withdrawn]
    if not kept:
        who = "this person" if len(files) == 1 else "everybody"
        raise InputError("--ecg", f"{who} withdrew from the study", "give the ECG of somebody else")
    if len(kept) < len(files):
        print(f"note: ECGs of people who withdrew, which are left out: {len(files) - len(kept)}")
    return kept


def _eid_of(path: Path) -> int | None:
    name = BULK_NAME.fullmatch(path.stem) or FOLDER_NAME.fullmatch(path.stem)
    return int(name[1]) if name else None


def _is_ecg_name(name: str) -> bool:
    return name.lower().endswith(ECG_SUFFIXES) and not name.startswith(".")


def _require_own_names(folder: Path, files: list[Path], naming: Naming) -> None:
    names = set()
    for name in map(subject_name, files):
        if name.lower() in names:
            fault = f"several files would be called {naming(name)}"
            raise InputError(folder, fault, "leave one of them there, or rename it")
        names.add(name.lower())  # some disks tell no capitals


def subject_name(path: Path) -> str:
    """A file's stem with unusual characters as "_". It names the folder of the outputs, and it keys the noise."""
    return re.sub(r"[^A-Za-z0-9_.-]", "_", path.stem).lstrip(".-")[:100] or "subject"


def is_simulated(path: Path) -> bool:
    """Whether a file's name is that of a phantom's ECG. Nothing inside such a file tells it from a real one."""
    name = BULK_NAME.fullmatch(path.stem)
    return name is not None and int(name[1]) >= FIRST_SIMULATED_EID


def ecg_limits(ecg: np.ndarray, lead_mask: np.ndarray) -> list[list[float]]:
    """Each lead's range of peak-to-peak amplitudes (mV), which holds 99 % of a training cohort, widened by half.

    Args:
        ecg: (N, 12, samples) mV.
        lead_mask: (N, 12) bool.
    """
    height = np.ptp(ecg.astype(np.float32), axis=2)  # (N, 12)
    limits = []
    for lead in range(height.shape[1]):
        known = height[lead_mask[:, lead], lead]
        low, high = np.percentile(known, [0.5, 99.5]) if len(known) else (0.0, np.inf)
        limits.append([float(low) / 1.5, float(high) * 1.5])
    return limits


def out_of_range(signal: np.ndarray, lead_mask: np.ndarray, limits: list[list[float]]) -> list[str]:
    """A sentence for every lead (12, samples) with an amplitude that the training cohort never showed."""
    warnings = []
    for lead, height, known, (low, high) in zip(LEADS, np.ptp(signal, axis=1), lead_mask, limits, strict=True):
        if known and not low <= float(height) <= high:
            warnings.append(
                f"lead {lead} is {height:.2f} mV peak to peak; the training cohort had {low:.2f} to {high:.2f}"
            )
    return warnings
