"""Which ECGs to sample from, what each is called, and what about them is out of the ordinary."""

import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np

from cohort.ecg import read_ecg
from cohort.ecg_formats import COHORT_SUFFIXES, ECG_SUFFIXES, HEADER_SUFFIXES
from cohort.errors import InputError
from cohort.folder_entries import folder_entries
from cohort.leads import LEADS
from cohort.passed_over import PassedOver
from cohort.person import QUANTITIES, SEX_WORDS, Person
from cohort.person_number import person_number
from cohort.places import BELOW_DATA, BULK, ECGS
from cohort.pseudonym import OWN_NAMES, Naming
from cohort.subjects import BULK_NAME, ECG_FIELD, FIRST_SIMULATED_EID, FOLDER_NAME
from cohort.withdrawal import NAMES, left_of, withdrawn_eids

from .options import SampleOptions

SIMULATED_ONLY = (
    "the program learned from computer-made (simulated) patients only, and nothing says that this ECG is of one "
    "of them. The heart drawn is a simulated one. It says nothing about a real person's heart"
)
LOOKS_SIMULATED = (
    "the program learned from computer-made (simulated) patients only. If this ECG is a real person's, the heart drawn "
    "says nothing about that person's heart. That its curves look like the simulated ones changes nothing"
)
NAMED_SIMULATED = (
    "the program learned from computer-made (simulated) patients only. This file is named as one of theirs, but its "
    "curves do not look so. If it is a real person's ECG, the heart drawn says nothing about that person's heart"
)

TAUGHT_BY_UNKNOWN = (
    "its configuration does not say who taught it (trained_on in model_index.json): "
    "it counts as taught by simulated patients only"
)


DEEPER = 2  # folders below the one given: shards, such as ecg/12/
BELOW = tuple(suffix for suffix in COHORT_SUFFIXES if suffix != ".dcm")  # there, a .dcm may be of an MRI


def ecg_files(path: Path, naming: Naming = OWN_NAMES) -> list[Path]:
    """The ECG itself, or every ECG of a folder and of the folders up to DEEPER below it, in order of name.

    In the folders below, files are taken that end as BELOW, or whose names are those of UK Biobank's ECGs.

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
    passed = PassedOver()
    found = sorted(_found(str(path), (str(path),), passed), key=lambda file: (os.path.basename(file), file))  # noqa: PTH119
    files = [Path(file) for file in found]
    if passed.count:
        print(f"note: passed over: {passed if naming.key is None else f'{passed.count} links, pipes or devices'}")
    if not files:
        raise InputError(path, "holds no ECG", f"put files ending in {', '.join(ECG_SUFFIXES)} there")
    _require_own_names(path, files, naming)
    return files


def _found(folder: str, above: tuple[str, ...], passed: PassedOver) -> Iterator[str]:
    """The paths of a folder's ECGs, in no order. `above` are the folders from the one given to here."""
    for entry in folder_entries(folder, above, passed, above[0]):
        if entry.is_folder:
            if len(above) <= DEEPER:
                yield from _found(entry.path, (*above, entry.path), passed)
        elif _is_ecg_name(entry.name, below=len(above) > 1):
            yield entry.path


def stated_person(options: SampleOptions) -> Person:
    """What the options say of the person.

    Raises:
        InputError: a sex is in no word we know, a number is impossible or evidently in another unit; or there is a
            folder of ECGs.
    """
    numbers = {"age": options.age, "height_cm": options.height_cm, "weight_kg": options.weight_kg}
    person = Person(_sex_of(options.sex), *numbers.values())
    if person != Person() and options.ecg is not None and options.ecg.is_dir():
        remedy = "name one ECG with --ecg, or give a table with --persons"
        raise InputError("--sex, --age, --height-cm, --weight-kg", "are of one person, and --ecg is a folder", remedy)
    for name, number in numbers.items():
        if number is not None and not QUANTITIES[name].holds(number):
            unit = QUANTITIES[name].other_unit(number)
            fault = f"{number:g} is not possible{f', perhaps it is {unit}' if unit else ''}"
            raise InputError(f"--{name.replace('_', '-')}", fault, f"give {QUANTITIES[name].range}")
    if person.misfit:
        name, fault = person.misfit
        raise InputError(f"--{name.replace('_', '-')}", fault, f"give {QUANTITIES[name].range}")
    return person


def _sex_of(said: str | None) -> str | None:
    """The sex that --sex says. A number is refused: 1 is a man in UK Biobank, and the other way round elsewhere."""
    if said is None:
        return None
    sex = SEX_WORDS.get(said.strip().lower())
    if sex is None:
        is_code = said.strip().isdigit()
        fault = "is a code, and codes differ between sources" if is_code else "is neither female nor male"
        raise InputError("--sex", f"{said!r} {fault}", "give female or male, F or M")
    return sex


def without_withdrawn_files(files: list[Path], given: Path, exclude: Path | None) -> list[Path]:
    """The ECGs, without those of people who withdrew (`cohort.withdrawal`), whom their file's name tells.

    Lists are looked for beside the ECGs and above them, up to the data folder. Where there is none, they are looked for
    in the folder of the ECGs and in the one above.

    Args:
        given: the file or folder in which the ECGs were found.

    Raises:
        InputError: nobody is left, or a list cannot be read.
    """
    return left_of(files, _person_of, _withdrawn(files, given, exclude), "--ecg", "ECG")


def files_of_withdrawn(files: list[Path], given: Path, exclude: Path | None) -> list[Path]:
    """ECGs of people who withdrew: those among `files`, and beside a file alone those of its folder.

    Args: as of `without_withdrawn_files`.
    """
    withdrawn = _withdrawn(files, given, exclude)
    if not withdrawn:
        return []
    beside = (
        [] if given.is_dir() else [path for path in given.absolute().parent.iterdir() if _is_ecg_name(path.name, False)]
    )
    return [path for path in (*(files if given.is_dir() else ()), *beside) if _person_of(path) in withdrawn]


def require_readable(options: SampleOptions, files: list[Path], naming: Naming = OWN_NAMES) -> None:
    """Refuse, before any network is loaded, an ECG alone that cannot be read, and an MRI that is not there.

    Of several ECGs none is read here: a bad one costs the others nothing.

    Raises:
        InputError: of `cohort.ecg.read_ecg`, or of the MRI.
    """
    if options.mri is not None:
        require_mri(options.mri)
    if len(files) == 1:
        try:
            read_ecg(files[0], allow_missing_leads=options.allow_missing_leads, sampling_rate=options.sampling_rate)
        except InputError as fault:
            raise naming.of_fault(fault, files[0], subject_name(files[0])) from None


def require_mri(mri: Path) -> None:
    """Refuse (InputError) a place of the real heart where there is nothing."""
    if not mri.exists():
        raise InputError(mri, "does not exist", "give a short-axis NIfTI, a DICOM zip or a data folder with --mri")


def names_of_files(files: Iterable[Path]) -> frozenset[str]:
    """The names of people whom no eid calls: the stems of their ECGs' files."""
    return frozenset(path.stem for path in files if _eid_of(path) is None)


def _withdrawn(files: list[Path], given: Path, exclude: Path | None) -> frozenset[int]:
    """The numbers of people whom a list names: the one given, or one near the ECGs."""
    names = names_of_files(files)
    return withdrawn_eids(None, exclude, names).union(
        *(withdrawn_eids(folder, names=names) for folder in _folders_of_lists(given.absolute()))
    )


def _folders_of_lists(given: Path) -> list[Path]:
    """The folder of the ECGs and those above it, up to the one that holds `ecg` or `Bulk`."""
    folder = given if given.is_dir() else given.parent
    folders = [folder, *folder.parents][: BELOW_DATA + 1]
    data = next((n for n, place in enumerate(folders) if (place / ECGS).is_dir() or (place / BULK).is_dir()), 1)
    return folders[: data + 1]


def _eid_of(path: Path) -> int | None:
    name = BULK_NAME.fullmatch(path.stem) or FOLDER_NAME.fullmatch(path.stem)
    return int(name[1]) if name else None


def _person_of(path: Path) -> int:
    eid = _eid_of(path)
    return person_number(path.stem) if eid is None else eid


def _is_ecg_name(name: str, below: bool) -> bool:
    ending = name.lower()
    if NAMES.fullmatch(name):  # a list of who withdrew
        return False
    if not below or ending.endswith(BELOW):
        return ending.endswith(ECG_SUFFIXES)
    bulk = BULK_NAME.fullmatch(Path(name).stem)
    return bulk is not None and bulk[2] == ECG_FIELD and ending.endswith(ECG_SUFFIXES)


def _require_own_names(folder: Path, files: list[Path], naming: Naming) -> None:
    names = set()
    for name in map(subject_name, files):
        if name.lower() in names:
            fault = f"several files would be called {naming(name)}"
            raise InputError(folder, fault, "leave one of them there, or rename it")
        names.add(name.lower())  # some disks tell no capitals


def subject_name(path: Path) -> str:
    """A file's stem with unusual characters as "_". It names the folder of the outputs, and it keys the noise."""
    return safe_name(path.stem)


def safe_name(name: str) -> str:
    """A name with unusual characters as "_", of at most 100 letters, that begins with no dot: a folder's."""
    return re.sub(r"[^A-Za-z0-9_.-]", "_", name).lstrip(".-")[:100] or "subject"


def is_simulated(path: Path) -> bool:
    """Whether a file's name is that of a phantom's ECG. Nothing inside such a file tells it from a real one."""
    name = BULK_NAME.fullmatch(path.stem)
    return name is not None and int(name[1]) >= FIRST_SIMULATED_EID


def simulated_notice(path: Path, usual: bool | None) -> tuple[str, ...]:
    """What to say of an ECG where simulated patients alone taught the weights: a name is no evidence of whose it is.

    Args:
        usual: whether the ECG is like those that taught; None where the pipeline cannot tell.
    """
    if is_simulated(path):
        return (NAMED_SIMULATED,) if usual is False else ()
    return (LOOKS_SIMULATED,) if usual else (SIMULATED_ONLY,)


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
