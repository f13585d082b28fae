"""Which ECGs and hearts of a cohort are probably of two people: a table of everybody, the most doubtful first."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from cohort.doubtful_pairs import COLUMNS, NAME
from cohort.errors import InputError
from cohort.leakage import read_training
from cohort.subjects import FIRST_SIMULATED_EID
from cohort.table import write_table
from sampling.patients import Patient
from sampling.pipeline import ECGToMRIPipeline

from .decision import DOUBTFUL, NOT_PROVEN, verdict, why_withheld
from .drawn_codes import expected_hearts
from .opening import doubt
from .options import EvaluationOptions
from .pair_match import match_probability, match_score
from .people_of_codes import KnownPeople, open_people

OUTPUT = Path("report/cohort")  # beside the data doctor's tables, which name people too
DRAWS = 32  # codes with the ECG, and as many without: more tell hardly more


@dataclass(frozen=True)
class PairRow:
    """One person. Attributes: score: of `match_score`, NaN where it is not told; why: a score is not told, or empty.

    taught: whether the weights learned from this very pair. Then they say less of it than of others.
    """

    name: str
    visit: int
    score: float
    why: str = ""
    taught: bool = False

    @property
    def probability(self) -> float | None:
        """Of one person; None where it is not told."""
        return float(match_probability(self.score)) if np.isfinite(self.score) else None

    @property
    def verdict(self) -> str:
        return f"withheld: {self.why}" if self.why else verdict(self.probability)


def pair_rows(pipeline: ECGToMRIPipeline, people: KnownPeople, seed: int, show_unproven: bool = False) -> list[PairRow]:
    """A row of everybody, the most doubtful pair first and what is not told last.

    Raises:
        InputError: simulated patients alone taught the weights, and nobody here is one.
    """
    phantoms = pipeline.knows_phantoms_only
    whys = [
        why_withheld(patient, phantoms and not _is_simulated(name, patient), show_unproven)
        for name, patient in zip(people.names, people.patients, strict=True)
    ]
    if whys and all(why == NOT_PROVEN for why in whys):
        fault = "are not simulated patients', and simulated patients alone taught the weights: verdicts are withheld"
        raise InputError("these ECGs", fault, "give --show-unproven, or weights that real people taught")
    expected = expected_hearts(pipeline, people.patients, DRAWS, seed)
    scores = [match_score(true, one.given, one.without_ecg) for true, one in zip(people.truth, expected, strict=True)]
    taught = people.taught.tolist() or [False] * len(scores)
    told = zip(people.names, people.visits, scores, whys, taught, strict=True)
    rows = [PairRow(name, visit, np.nan if why else score, why, own) for name, visit, score, why, own in told]
    return sorted(rows, key=lambda row: (np.isnan(row.score), row.score))


def list_pairs(options: EvaluationOptions, pipeline: ECGToMRIPipeline, folder: Path, device: torch.device) -> None:
    """Write the table of everybody in a cohort, and say what it holds.

    Args:
        folder: the pipeline's.

    Raises:
        InputError: there is nobody, or verdicts are withheld of everybody.
    """
    people = open_people(options, pipeline, folder, device)
    if note := "" if people.taught.any() else doubt(read_training(folder), folder):
        print(f"note: {note}")
    rows = pair_rows(pipeline, people, options.seed, options.show_unproven)
    output = options.output or OUTPUT
    output.mkdir(parents=True, exist_ok=True)
    print(f"{write_pairs(output, rows)}: {output / NAME}")


def write_pairs(folder: Path, rows: list[PairRow]) -> str:
    """Write the table into a folder; a sentence on it is given back. It names people."""
    table = [
        (
            row.name,
            row.visit,
            *(("", "") if row.probability is None else (f"{row.score:.2f}", f"{row.probability:.3f}")),
        )
        + (row.verdict, "yes" if row.taught else "")
        for row in rows
    ]
    write_table(folder / NAME, COLUMNS, table)
    told = sum(row.probability is not None for row in rows)
    doubtful = sum(row.verdict == DOUBTFUL for row in rows)
    said = f"{doubtful} of {told} pairs of ECG and heart are {DOUBTFUL}; of {len(rows) - told} nothing is told"
    taught = sum(row.taught for row in rows)
    return said + (f". {taught} of {len(rows)} people taught the weights, and are marked" if taught else "")


def _is_simulated(name: str, patient: Patient) -> bool:
    """By the number of the person, which a prepared cohort tells, and no file."""
    return name.isdecimal() and int(name) >= FIRST_SIMULATED_EID and not patient.unlike.warned
