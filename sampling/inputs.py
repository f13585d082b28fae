"""Which ECGs to sample from, what each is called, and what about them is out of the ordinary."""

import re
from pathlib import Path

import numpy as np

from cohort.ecg_formats import ECG_SUFFIXES, HEADER_SUFFIXES
from cohort.errors import InputError
from cohort.leads import LEADS
from cohort.subjects import BULK_NAME, FIRST_SIMULATED_EID

SIMULATED_ONLY = (
    "the weights know simulated patients only, and by its name this ECG is of none. "
    "The heart drawn is a simulation's and says nothing about this person"
)

TAUGHT_BY_UNKNOWN = (
    "its configuration does not say who taught it (trained_on in model_index.json): "
    "it counts as taught by simulated patients only"
)


def ecg_files(path: Path) -> list[Path]:
    """The ECG itself, or every ECG of a folder in order of name.

    Raises:
        InputError: no such path, or a folder without an ECG.
    """
    try:
        is_folder = path.is_dir()
        is_there = path.exists() or any(path.with_suffix(suffix).exists() for suffix in HEADER_SUFFIXES)
    except (OSError, ValueError):  # too long for a name, no name at all
        is_folder = is_there = False
    if is_folder:
        files = sorted(p for p in path.iterdir() if p.suffix.lower() in ECG_SUFFIXES and not p.name.startswith("."))
        if not files:
            raise InputError(path, "holds no ECG", f"put files ending in {', '.join(ECG_SUFFIXES)} there")
        names = [subject_name(p) for p in files]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise InputError(path, f"several files would be called {twice[0]}", "rename one of them")
        return files
    if not is_there:
        raise InputError(path, "does not exist", "give an ECG file or a folder of them with --ecg")
    return [path]


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
        if known and not low <= height <= high:
            warnings.append(
                f"lead {lead} is {height:.2f} mV peak to peak; the training cohort had {low:.2f} to {high:.2f}"
            )
    return warnings
