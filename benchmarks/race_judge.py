"""The judge of the race: what an arm's hearts keep of what ECG and person tell, and after how many minutes."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch

from cohort.cores import available_cores
from cohort.heart_grid import GridGeometry
from cohort.phenotypes import PHENOTYPES
from cohort.prepared import PreparedCohort
from evaluation.agreement import information_kept_of_many
from evaluation.ceiling import predict_phenotypes
from models.segmenter import Segmenter
from sampling.measured_phenotypes import measured_phenotypes
from sampling.patients import Patient, prepared_patients
from sampling.pipeline import load_part
from sampling.segmentation import SliceSegmenter, segment

RACED = ("LVEDV", "LVM")
KEPT_GOAL = 0.5

# (patients, samples) -> hearts (n, m, slices, phases, height, width) in [0, 1]
Generate = Callable[[list[Patient], int], np.ndarray]


@dataclass(frozen=True, eq=False)
class Judge:
    """Measures what an arm generates for the judging people.

    Attributes:
        truth, ceiling: (n, K) PHENOTYPES, true and regressed from ECG and person.
        samples: hearts of each patient.
    """

    patients: list[Patient]
    truth: np.ndarray
    ceiling: np.ndarray
    segmenter: SliceSegmenter
    geometry: GridGeometry
    samples: int

    @classmethod
    def of(cls, cohort: PreparedCohort, segmenter: Path, ceiling: Path, people: int, samples: int) -> "Judge":
        """The first `people` validation people judge.

        Args:
            segmenter, ceiling: folders of the trained models.
        """
        rows = cohort.rows("validation")[:people]
        patients = prepared_patients(cohort, rows)
        return cls(
            patients,
            np.asarray(cohort.phenotypes[rows], dtype=np.float64),
            predict_phenotypes(ceiling, patients, torch.device("cpu")),
            load_part(Segmenter, segmenter),
            cohort.preparation.geometry,
            samples,
        )

    def kept(self, generate: Generate) -> dict[str, float]:
        """Information kept of each of RACED."""
        hearts = generate(self.patients, self.samples)
        values = np.array(
            [[measured_phenotypes(segment(self.segmenter, h)[0], self.geometry) for h in m] for m in hearts]
        )  # (n, m, 12)
        values = np.where(np.isfinite(values), values, np.nanmean(self.truth, axis=0))  # no heart to be seen: no news
        columns = {name: PHENOTYPES.index(name) for name in RACED}
        return {
            name: information_kept_of_many(values[..., k], self.ceiling[:, k], self.truth[:, k])["information_kept"]
            for name, k in columns.items()
        }


class Clock:
    """CPU minutes per core and wall minutes of learning; judging is not counted."""

    def __init__(self) -> None:
        self.cpu_s = self.wall_s = 0.0
        self._begin()

    def _begin(self) -> None:
        self._from = time.process_time(), time.monotonic()

    @contextmanager
    def paused(self) -> Iterator[None]:
        cpu, wall = self._from
        self.cpu_s += time.process_time() - cpu
        self.wall_s += time.monotonic() - wall
        try:
            yield
        finally:
            self._begin()

    def minutes(self) -> dict[str, float]:
        """So far; asked for while paused."""
        return {"minutes": self.cpu_s / 60 / available_cores(), "wall_minutes": self.wall_s / 60}


@dataclass(eq=False)
class Race:
    """One arm's race against the clock.

    Attributes:
        judgements: so far, each {"step", "minutes", "wall_minutes", "kept"}.
    """

    arm: str
    judge: Judge
    clock: Clock = field(default_factory=Clock)
    judgements: list[dict] = field(default_factory=list)

    def reached(self, generate: Generate, step: int, spent: dict[str, float] | None = None) -> bool:
        """Judge the arm's hearts, and say whether they are as good as was asked for.

        Args:
            step: of the weights that are judged.
            spent: what `spent()` said when these were the arm's newest weights; if not given, they still are.
        """
        with self.clock.paused():
            judgement = {"step": step, **(spent or self.clock.minutes()), "kept": self.judge.kept(generate)}
            kept = ", ".join(f"{name} {value:.2f}" for name, value in judgement["kept"].items())
            print(f"{self.arm}: step {step}, {judgement['minutes']:.1f} min: kept {kept}", flush=True)
        self.judgements.append(judgement)
        return reached(judgement)

    def spent(self) -> dict[str, float]:
        """Minutes of learning so far."""
        with self.clock.paused():
            return self.clock.minutes()


def reached(judgement: dict) -> bool:
    """Whether it is as good as was asked for; NaN, where no two hearts differ, is not."""
    return all(kept >= KEPT_GOAL for kept in judgement["kept"].values())


def soonest(judgements: list[dict]) -> float:
    """Minutes of an arm's first judgement that reached the goal, of its last where none did."""
    reaching = [j["minutes"] for j in judgements if reached(j)]
    return min(reaching, default=max(j["minutes"] for j in judgements))


# ---- The result ----


def verdict(ours: list[dict], baseline: list[dict]) -> str:
    """Who won, in words, from the arms' judgements."""
    ratio = soonest(baseline) / soonest(ours)
    if not any(map(reached, ours)):
        return "ours did not reach it: no winner."
    if any(map(reached, baseline)):
        return f"{ratio:.1f} times sooner (the baseline's earlier weights, where judged, had not reached it)."
    return f"at least {ratio:.1f} times sooner: the baseline did not reach it."


def result_rows(arms: dict[str, list[dict]]) -> list[dict]:
    """Every judgement of every arm, in the order of minutes."""
    return [
        {"arm": arm, "step": j["step"], "minutes": j["minutes"], **{f"{k} kept": v for k, v in j["kept"].items()}}
        for arm, judgements in arms.items()
        for j in sorted(judgements, key=lambda j: j["minutes"])
    ]
