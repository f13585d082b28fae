"""Hearts a second that batches of a cohort deliver, in one process."""

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from benchmarks.machine import Clock
from cohort.errors import InputError
from cohort.prepared import PreparedCohort, load_prepared
from training.batch import heart_batch
from training.order import keyed_generator, rows_of_step

TARGET_HEARTS_S, TARGET_TIMES = 5_000, 20
WARM_UP, AT_LEAST_S = 10, 1.0  # batches; of processor, for each row


def opened(folder: Path) -> tuple[PreparedCohort, np.ndarray]:
    """A prepared cohort and the newest latents beside it.

    Raises:
        InputError: there are no latents.
    """
    latents = sorted(folder.glob("latents-*/latents.npy"), key=lambda path: path.stat().st_mtime)
    if not latents:
        raise InputError(folder, "holds no latents", "train a pipeline on it first")
    return load_prepared(folder), np.load(latents[-1], mmap_mode="r")


def forget(path: Path) -> None:
    """Drop a file from the system's memory, so that its first pages come from the disk."""
    with path.open("rb") as file:
        os.fsync(file.fileno())
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def loader_rows(
    title: str, cohort: PreparedCohort, latents: np.ndarray, hearts: int, slices: tuple[int, ...], asked_hearts_s: float
) -> list[dict]:
    """A row for every number of slices, with the ECG gathered (if there is one) and without.

    Args:
        title: of the cohort. hearts: a batch's. asked_hearts_s: what a training asks for.
    """
    silent = replace(cohort, ecg=cohort.ecg[:, :, :0])
    ways = [("no", silent), *([("yes", cohort)] if cohort.ecg.shape[2] else [])]
    return [
        {"cohort": title, "people": len(cohort.eid), "slices": count, "ECG": ecg}
        | rates(people, latents, hearts, count, asked_hearts_s)
        for count in slices
        for ecg, people in ways
    ]


def rates(cohort: PreparedCohort, latents: np.ndarray, hearts: int, slices: int, asked_hearts_s: float) -> dict:
    """Hearts a second of processor and by the clock, beside what is asked for."""
    train, generator = torch.from_numpy(cohort.rows("train")), keyed_generator("loader")

    def batch(step: int) -> None:
        heart_batch(cohort, latents, rows_of_step(train, hearts, step, seed=0), slices, generator)

    for step in range(WARM_UP):
        batch(step)
    clock, step = Clock(torch.device("cpu")), WARM_UP
    while (spent := clock.lap()).cpu_s < AT_LEAST_S:
        batch(step)
        step += 1
    delivered = (step - WARM_UP) * hearts
    per_s = delivered / spent.cpu_s
    return {
        "hearts/s": per_s,
        "by the clock": delivered / spent.wall_s,
        "x training": per_s / asked_hearts_s,
        "target met": "yes" if per_s >= max(TARGET_HEARTS_S, TARGET_TIMES * asked_hearts_s) else "**no**",
    }
