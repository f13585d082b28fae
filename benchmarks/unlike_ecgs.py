"""How unlike ECGs of several kinds are, and how honest the answers about them: numbers for `benchmarks.unlike`."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from benchmarks.damaged_ecgs import DAMAGES
from cohort.ecg import read_ecg
from cohort.ecg_cohort import prepare_ecgs
from cohort.errors import InputError
from cohort.preprocessing import ecg_input
from evaluation.auc import area_under_curve
from evaluation.bootstrap import with_intervals
from evaluation.certainty import interval
from sampling.inputs import ecg_files
from sampling.pipeline import ECGToMRIPipeline, PatientBatch, sample_generator
from sampling.unlike import Unlike
from training.targets import standardised_phenotypes

SHOWN = ("LVM", "LVEDV")
LEVEL = 0.9
BATCH = 64


@dataclass(frozen=True)
class People:
    """N ECGs. ecg (N, 12, samples) mV; lead_mask (N, 12); person (N, 4 + F); codes (N, K), NaN where unknown."""

    ecg: np.ndarray
    lead_mask: np.ndarray
    person: np.ndarray
    codes: np.ndarray

    def first(self, count: int) -> "People":
        return People(*(value[:count] for value in vars(self).values()))


@dataclass(frozen=True)
class Answers:
    """What a pipeline says of N ECGs.

    Attributes:
        surprise: (N,). warned, withheld: (N,) bool. drawn: (N, m, K) codes. truth: (N, K), NaN where unknown.
    """

    surprise: np.ndarray
    warned: np.ndarray
    withheld: np.ndarray
    drawn: np.ndarray
    truth: np.ndarray


def people_of(folder: Path, prepared: Path, pipeline: ECGToMRIPipeline) -> People:
    """Everybody with an ECG and a row of phenotypes, in the pipeline's units."""
    preparation = pipeline.preparation
    cohort = prepare_ecgs(folder, prepared, preparation.sampling_rate, preparation.duration_s, quiet=True)
    further = np.full((len(cohort.person), len(pipeline.further_fields)), np.nan, np.float32)
    codes = standardised_phenotypes(cohort.phenotypes, pipeline.conditioner).numpy()
    person = np.concatenate([cohort.person, further], axis=1)
    return People(np.asarray(cohort.ecg, np.float32), np.asarray(cohort.lead_mask), person, codes)


def foreign_people(folders: Iterable[Path], pipeline: ECGToMRIPipeline) -> People:
    """ECGs of folders, and of folders below them, of people of whom nothing is known. Unreadable files are left out."""
    strips = []
    for path in (path for folder in folders for path in ecg_files(folder)):
        try:
            ecg = read_ecg(path)
        except InputError:
            continue
        strips.append(ecg_input(ecg, pipeline.preparation.sampling_rate, pipeline.preparation.duration_s))
    ecg, mask = map(np.stack, zip(*strips, strict=True))
    person = np.full((len(ecg), 4 + len(pipeline.further_fields)), np.nan, np.float32)
    return People(ecg, mask, person, np.full((len(ecg), len(pipeline.conditioner.config.phenotypes)), np.nan))


def damaged(people: People) -> dict[str, People]:
    """The same people with every damage done to their ECGs."""
    return {
        kind: replace(people, ecg=np.stack([damage(one, row) for row, one in enumerate(people.ecg)]))
        for kind, damage in DAMAGES.items()
    }


@torch.no_grad()
def answers(pipeline: ECGToMRIPipeline, people: People, codes: int, seed: int = 0) -> Answers:
    """What the pipeline says of people: how unlike they are, and so many codes of each, widened as in sampling."""
    surprises, drawn = [], []
    for first in range(0, len(people.ecg), BATCH):
        part = People(*(value[first : first + BATCH] for value in vars(people).values()))
        present = torch.ones(len(part.ecg), dtype=torch.bool)
        given = (torch.from_numpy(np.ascontiguousarray(value)) for value in (part.ecg, part.lead_mask, part.person))
        patients = PatientBatch(*given, present, present)
        _, summary = pipeline.encode(patients, guided=False)
        surprise = pipeline.unlikeness(patients)
        widening = torch.tensor([Unlike.of(pipeline.usual_ecgs, value).widened for value in surprise.tolist()])
        surprises.append(surprise.numpy())
        draws = []
        for number in range(codes):
            keys = [sample_generator(seed, f"unlike {first + row}", number) for row in range(len(part.ecg))]
            draws.append(pipeline.draw_codes(summary, keys, known=patients.known, widening=widening).numpy())
        drawn.append(np.stack(draws, axis=1))
    surprise, drawn = np.concatenate(surprises), np.concatenate(drawn)
    told = [Unlike.of(pipeline.usual_ecgs, float(value)) for value in surprise]
    which = [pipeline.conditioner.config.phenotypes.index(name) for name in SHOWN]
    warned, withheld = (np.array([getattr(one, what) for one in told]) for what in ("warned", "withheld"))
    return Answers(surprise, warned, withheld, drawn[:, :, which], people.codes[:, which])


def rows_of(found: dict[str, Answers]) -> list[dict]:
    """A row a kind, the first of which is the usual one: AUC, share warned and withheld, SD and coverage."""
    usual = next(iter(found.values()))
    return [{"ECGs": kind, "n": len(one.surprise)} | _row(usual, one) for kind, one in found.items()]


def _row(usual: Answers, one: Answers) -> dict:
    row = {"AUC": "–" if one is usual else _area(usual.surprise, one.surprise)}
    row |= {"warned, %": _percent(one.warned), "withheld, %": _percent(one.withheld)}
    for k, name in enumerate(SHOWN):
        spread = one.drawn[:, :, k].std(axis=1, ddof=1).mean() / usual.drawn[:, :, k].std(axis=1, ddof=1).mean()
        row[f"{name} SD, of the usual"] = f"{spread:.2f}"
        row[f"{name} covered, %"] = _percent(covered(one, k))
        row[f"{name} covered where told, %"] = _percent(covered(one, k)[~one.withheld])
    return row


def covered(one: Answers, number: int) -> np.ndarray:
    """(N,) whether the 90 % interval of a phenotype holds the truth; NaN where nobody knows it."""
    low, high = interval(one.drawn[:, :, number], LEVEL)
    truth = one.truth[:, number]
    return np.where(np.isfinite(truth), (low <= truth) & (truth <= high), np.nan)


def _area(usual: np.ndarray, other: np.ndarray) -> str:
    """Area under the curve with its 95 % interval, the people of both kinds drawn anew."""
    told = np.concatenate([np.zeros(len(usual)), np.ones(len(other))])
    scores = np.concatenate([usual, other])

    def area(scores: np.ndarray, told: np.ndarray) -> dict[str, float]:
        return {"auc": area_under_curve(scores[told == 0], scores[told == 1])}

    found = with_intervals(area, scores, told)
    return f"{found['auc']:.3f} ({found['auc_ci'][0]:.3f} to {found['auc_ci'][1]:.3f})"


def _percent(values: np.ndarray) -> str:
    known = np.asarray(values, float)[np.isfinite(np.asarray(values, float))]
    return f"{100 * known.mean():.1f}" if len(known) else "–"
