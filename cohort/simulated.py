"""Which phantom a folder's people are of: phantoms of another version are unlike those that taught a pipeline."""

import json
from pathlib import Path

PLAN = "cohort.json"  # what phantom.cohort_plan writes beside a phantom cohort
HIGHEST_ABOVE = 6  # folders from an ECG up to its cohort's, as on the research platform, and one to spare
VERSION_TAUGHT = "phantom_version"  # in a pipeline's training.json


def phantom_version(folder: Path) -> int | None:
    """The version of the phantom cohort in a folder; None where it is no phantom cohort's, or says no version."""
    try:
        plan = json.loads((folder / PLAN).read_text(encoding="utf-8"))
        version = plan.get("version")
    except (OSError, ValueError, AttributeError, RecursionError):
        return None
    return version if type(version) is int else None


def version_above(path: Path) -> int | None:
    """The version of the phantom cohort in which a file or folder lies; None where it lies in none."""
    nearest = (path.absolute(), *path.absolute().parents)[: HIGHEST_ABOVE + 1]
    return next((version for folder in nearest if (version := phantom_version(folder)) is not None), None)


def warning_of_version(about: dict, path: Path) -> str:
    """A sentence where a path's people are phantoms of another version than those that taught a pipeline; else empty.

    Args:
        about: the pipeline's training.json. It says the version where one phantom cohort taught.
        path: an ECG, a folder of ECGs, or a cohort's folder.
    """
    taught, given = about.get(VERSION_TAUGHT), version_above(path)
    if taught is None or given is None or taught == given:
        return ""
    told = f"phantom version {given}, and version {taught} taught the pipeline"
    return (
        f"these people are of {told}: it knows them no better than strangers. make_phantom.py draws one version alone"
    )
