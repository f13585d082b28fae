"""What heart codes drawn for many people say of them, whatever is withheld: no heart is drawn, only its code.

The truth is a cohort's own: phenotypes.csv, and truth.csv where somebody is to be told ill from well.
"""

import csv
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from benchmarks.drawn_people import LARGE_RV, NORMAL_LIMIT, People
from benchmarks.told_by_ecg import told_apart
from cohort.ecg_cohort import ECGCohort
from cohort.phenotypes import PHENOTYPES
from evaluation.agreement import r_squared
from evaluation.certainty import interval
from evaluation.drawn_codes import drawn_codes as codes_of
from evaluation.scale import SCALES
from models.code_regressor import CodeRegressor
from phantom.heart import NORMS
from sampling.pipeline import ECGToMRIPipeline, PatientBatch

FIELDS = ("sex", "age", "height", "weight")  # of the person, in the order of PERSON_FIELDS
LIMB = tuple(range(6))
ALL = tuple(range(12))
AT_ONCE = 512  # people


@dataclass(frozen=True)
class Condition:
    """What is told of people: their leads (none: no ECG), their fields (none: no person)."""

    leads: tuple[int, ...] = ALL
    fields: tuple[int, ...] = (0, 1, 2, 3)


CONDITIONS = {
    "ECG and person": Condition(),
    "ECG only": Condition(fields=()),
    "person only": Condition(leads=()),
    "nothing": Condition((), ()),
    **{f"without {field}": Condition(fields=tuple({0, 1, 2, 3} - {k})) for k, field in enumerate(FIELDS)},
    "sex and age of the person": Condition(fields=(0, 1)),
    "half of the chest leads": Condition((*LIMB, 6, 8, 10)),
    "limb leads": Condition(LIMB),
    "limb leads, no person": Condition(LIMB, ()),
    "lead I": Condition((0,)),
    "lead I, no person": Condition((0,), ()),
}


@torch.no_grad()
def patients_of(people: ECGCohort, condition: Condition) -> list[PatientBatch]:
    """Everybody as a condition tells of them, in batches."""
    leads = torch.tensor([k in condition.leads for k in ALL])
    fields = torch.tensor([k in condition.fields for k in range(len(FIELDS))])
    batches = []
    for rows in torch.arange(len(people.eid)).split(AT_ONCE):
        ecg, lead_mask, person = (
            torch.from_numpy(np.asarray(array[rows.numpy()])) for array in (people.ecg, people.lead_mask, people.person)
        )
        told = torch.where(fields, person.float(), torch.nan)
        some = (torch.full((len(rows),), bool(known)) for known in (condition.leads, condition.fields))
        batches.append(PatientBatch(ecg.float(), lead_mask & leads, told, *some))
    return batches


@torch.no_grad()
def drawn_codes(
    pipeline: ECGToMRIPipeline, people: ECGCohort, condition: Condition, draws: int, seed: int
) -> np.ndarray:
    """(n, draws, K) heart codes of everybody, in the cohort's SDs."""
    drawn = []
    for number, patients in enumerate(patients_of(people, condition)):
        names = [f"codes {number} {row}" for row in range(len(patients.ecg))]
        drawn.append(codes_of(pipeline, patients, names, draws, seed))
    return torch.cat(drawn).numpy()


@torch.no_grad()
def predicted_codes(regressor: CodeRegressor, people: ECGCohort, condition: Condition) -> np.ndarray:
    """(n, K) what a regressor without noise expects, in its cohort's SDs."""
    expected = []
    for patients in patients_of(people, condition):
        given = (patients.ecg, patients.lead_mask, patients.person, patients.ecg_present, patients.person_present)
        expected.append(regressor.conditioner.predicted(regressor(*given)[1]).cpu())
    return torch.cat(expected).numpy()


def in_units(codes: np.ndarray, conditioner) -> dict[str, np.ndarray]:
    """The phenotypes of codes (..., K) by name, each (...) in its own unit."""
    about = conditioner.config
    given = zip(about.phenotypes, about.phenotype_mean, about.phenotype_std, strict=True)
    return {name: codes[..., k] * std + mean for k, (name, mean, std) in enumerate(given)}


def honesty(samples: np.ndarray, truth: np.ndarray, name: str) -> dict[str, float]:
    """Whether a phenotype's intervals are honest, and how much its mean tells: (n, m), (n,).

    Returns:
        cover_90, cover_50: per cent, with cover_90_within, the half-width of the former's own 95 % interval.
        r2: of the mean of very many draws, for the spread of m tells what their mean errs by.
        bias: mean error in the truth's SDs. sd_needed: RMS error over what the draws' SD leads to expect, on the scale.
    """
    known = np.isfinite(truth)
    samples, truth, scale = samples[known], truth[known], SCALES[name]
    covered = {}
    for level in (0.9, 0.5):
        low, high = interval(samples, level, scale)
        covered[level] = float(((low <= truth) & (truth <= high)).mean())
    mean, draws = samples.mean(axis=1), samples.shape[1]
    excess = samples.var(axis=1, ddof=1).mean() / draws / truth.var()
    on, true = scale.forth(samples), scale.forth(truth)
    expected = on.var(axis=1, ddof=1).mean() * (1 + 1 / draws)
    return {
        "cover_90": 100 * covered[0.9],
        "cover_90_within": 196 * (covered[0.9] * (1 - covered[0.9]) / len(truth)) ** 0.5,
        "cover_50": 100 * covered[0.5],
        "r2": r_squared(mean, truth) + float(excess),
        "bias": float((mean - truth).mean() / truth.std()),
        "sd_needed": float((((on.mean(axis=1) - true) ** 2).mean() / expected) ** 0.5),
    }


def judged(
    pipeline: ECGToMRIPipeline, people: ECGCohort, draws: int, seed: int, conditions: dict[str, Condition] = CONDITIONS
) -> dict[str, dict[str, dict]]:
    """`honesty` by condition and phenotype, of the phenotypes that the people's table knows."""
    report = {}
    for title, condition in conditions.items():
        values = in_units(drawn_codes(pipeline, people, condition, draws, seed), pipeline.conditioner)
        truth = {name: people.phenotypes[:, PHENOTYPES.index(name)] for name in values}
        told = {name: honesty(values[name], truth[name], name) for name in values if np.isfinite(truth[name]).any()}
        report[title] = told
    return report


# ---- Who is ill ----


def read_truth(data: Path, eids: np.ndarray) -> dict[str, np.ndarray]:
    """Diseases as 0 and 1, and "body surface" and "man" beside them: name -> (n,), of a phantom cohort's truth.csv."""
    with (data / "truth.csv").open(newline="") as file:
        rows = {int(row["eid"]): row for row in csv.DictReader(file)}
    people = [rows[int(eid)] for eid in eids]
    surface, mass, lv, rv, ef = (
        np.array([float(row[key]) for row in people])
        for key in ("bsa_m2", "lv_mass_g", "lvedv_ml", "rvedv_ml", "lvef_percent")
    )
    sexes, conditions = [row["sex"] for row in people], np.array([row["condition"] for row in people])
    limits = limits_of(sexes, surface)
    amounts = {"EF < 50": -ef, "LVH": mass, "LV dilation": lv, "RV dilation": rv}
    return {
        **{name: (amounts[name] > limits[name]).astype(float) for name in amounts},
        "infarct": np.array([float(bool(row["scar_territory"])) for row in people]),
        "RV overload": (conditions == "rv_overload").astype(float),
        "hypertrophic": (conditions == "hcm").astype(float),
        "any disease": (conditions != "normal").astype(float),
    }


def limits_of(sexes: list[str], surface: np.ndarray) -> dict[str, np.ndarray]:
    """Beyond which amounts (of `amounts_of`) people with these body surfaces (n,) m2 are ill: name -> (n,)."""
    heavy = {sex: norms.lv_mass_index * np.exp(NORMAL_LIMIT * norms.lv_mass_log_sd) for sex, norms in NORMS.items()}
    wide = {sex: norms.lvedv_index * np.exp(NORMAL_LIMIT * norms.lvedv_log_sd) for sex, norms in NORMS.items()}
    large = {"LVH": heavy, "LV dilation": wide, "RV dilation": LARGE_RV}
    per_surface = {name: np.array([limit[sex] for sex in sexes]) * surface for name, limit in large.items()}
    return {"EF < 50": np.full(len(surface), -50.0), **per_surface}


def amounts_of(values: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """What grows with an illness that a limit defines, of phenotypes by name; left out where one is not known."""
    given = {"EF < 50": ("LVEF", -1), "LVH": ("LVM", 1), "LV dilation": ("LVEDV", 1), "RV dilation": ("RVEDV", 1)}
    return {name: sign * values[phenotype] for name, (phenotype, sign) in given.items() if phenotype in values}


def told_ill(
    taught: dict[str, np.ndarray],
    heard: dict[str, np.ndarray],
    truths: tuple[dict[str, np.ndarray], dict[str, np.ndarray]],
    beyond: dict[str, np.ndarray],
) -> dict[str, dict[str, tuple]]:
    """Area under the curve with its interval, by disease and by who tells it.

    Args:
        taught, heard: numbers (n, F) of the people who teach and of the judged, by who tells: "codes", "ceiling", ...
        truths: of both.
        beyond: of the judged, by disease: the share of drawn codes beyond the limit that defines it.
    """
    report: dict[str, dict[str, tuple]] = {}
    for who, numbers in heard.items():
        nobody = np.zeros((len(numbers), 1)), np.zeros((len(taught[who]), 1))
        judged_people = People(numbers, nobody[0], truths[1])
        learners = People(taught[who], nobody[1], truths[0])
        for name in truths[1]:
            further = beyond.get(name) if who == "codes" else None
            report.setdefault(name, {})[who] = told_apart(learners, judged_people, name, "ECG", further)
    return report


def share_beyond(drawn: dict[str, np.ndarray], limits: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """(n,) share of each person's drawn codes beyond the limit, by disease; drawn: phenotype -> (n, m)."""
    return {name: (amount > limits[name][:, None]).mean(axis=1) for name, amount in amounts_of(drawn).items()}
