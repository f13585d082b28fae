"""What heart.json says to support a decision: z-scores, indexed values, probabilities, and the real heart beside them.

All of it is told by heart codes, as the phenotypes are (told_numbers). Probabilities have a calibration of their own.
"""

import numpy as np

from cohort.body_surface import body_surface_m2
from cohort.person import Person
from cohort.phenotypes import PHENOTYPES
from cohort.reference_ranges import reference_range
from sampling.decision_rows import DOUBTFUL
from sampling.inputs import simulated_notice
from sampling.patients import Patient
from sampling.phenotype_table import PER_SURFACE
from sampling.unlike import WITHHELD

from .chances import MOST_SURE, Line, chance, chance_of
from .conditions import conditions
from .departures import FEWEST_SAMPLES, departures
from .drawn_codes import Expected
from .pair_match import EXCHANGED, match_probability, match_score

NOT_PROVEN = (
    "withheld: simulated patients alone taught the weights, and this ECG is not a simulated patient's "
    "(sample.py --show-unproven shows it)"
)
SHOWN_UNPROVEN = (
    "UNPROVEN, shown because --show-unproven asked for it: simulated patients alone taught the weights, "
    "and this ECG is not a simulated patient's"
)
MATCHED, TOLD_NOTHING = "probably one person", "cannot be told"
DYSSYNCHRONOUS = 2.0  # SDs above the mean of those who taught
DOUBTED_BELOW = 0.9  # probability of one person
NO_CODE = "not judged: the pipeline's codes do not tell it"
FEW_SAMPLES = f"fewer than {FEWEST_SAMPLES} samples: their SD at a voxel says too little"


def is_unproven(patient: Patient, simulated_only: bool) -> bool:
    """Whether simulated patients alone taught the weights, and the ECG is none of theirs as far as one can tell."""
    if not simulated_only or patient.path is None:
        return simulated_only
    usual = None if patient.unlike.surprise is None else not patient.unlike.warned
    return bool(simulated_notice(patient.path, usual))


def why_withheld(patient: Patient, unproven: bool, show: bool) -> str:
    """Why nothing is told in support of a decision, in one sentence; empty where it is told.

    Args:
        unproven: of `is_unproven`.
        show: what is unproven, too. An ECG whose phenotypes are withheld is told nothing in any case.
    """
    if patient.unlike.withheld:
        return WITHHELD
    return NOT_PROVEN if unproven and not show else ""


def decision_support(expected: Expected, person: Person, lines: dict[str, Line], unproven: bool = False) -> dict:
    """What heart.json says of a patient whose numbers are not withheld; lines: of `read_lines`."""
    return {
        **({"unproven": SHOWN_UNPROVEN} if unproven else {}),
        "told_by": f"{len(expected.given)} heart codes drawn for this ECG and person",
        "z_scores": {name: _rounded(z) for name, z in z_scores(expected).items()},
        "z_scores_beside": "people of the same sex, age, height and weight, as far as known, who taught the weights",
        "indexed_per_m2": indexed(expected, person),
        "z_scores_beside_healthy": {name: _rounded(z) for name, z in healthy_z_scores(expected, person).items()},
        "probabilities": {
            condition["name"]: condition
            for condition in (*_probabilities(expected, person, lines), _dyssynchrony(expected))
        },
        "probabilities_within": [round(1 - MOST_SURE, 2), MOST_SURE],
    }


def z_scores(expected: Expected) -> dict[str, float]:
    """How far ECG and person put each phenotype from what the person alone does, in the SDs of such people."""
    means = np.array([_mean(expected.given[:, k]) for k in range(len(PHENOTYPES))])
    return departures(means, expected.without_ecg)


def indexed(expected: Expected, person: Person) -> dict[str, float] | None:
    """The mean of what is expected, per m2 of body surface; None where height or weight is unknown."""
    surface = body_surface_m2(person)
    if surface is None:
        return None
    means = {name: _mean(expected.given[:, PHENOTYPES.index(name)]) for name in PER_SURFACE}
    return {name: _rounded(value / surface) for name, value in means.items() if np.isfinite(value)}


def healthy_z_scores(expected: Expected, person: Person) -> dict[str, float]:
    """In SDs of healthy people of the sex: LVEF and LVM per m2, for no other range is known by its mean and SD."""
    surface, told = body_surface_m2(person), {}
    for name, per_m2 in (("LVEF", False), ("LVM", True)):
        limits = reference_range(name, person, per_m2)
        if limits is None or (per_m2 and surface is None):
            continue
        value = _mean(expected.given[:, PHENOTYPES.index(name)]) / (surface if per_m2 else 1)
        if np.isfinite(value):
            told[f"{name}_per_m2" if per_m2 else name] = float(
                (value - (limits.low + limits.high) / 2) / ((limits.high - limits.low) / (2 * 1.96))
            )
    return told


def beside_real(true: dict | None, expected: Expected, maps: bool) -> dict:
    """Where the real heart departs from what its ECG leads one to expect, and whether both are of one person.

    Args:
        true: what `true_numbers` says of the real heart; None where nothing measures it.
        maps: whether z_ED and z_ES are written.
    """
    measured = {} if true is None else true["phenotypes"]
    values = np.array([np.nan if measured.get(name) is None else measured[name] for name in PHENOTYPES], dtype=float)
    score = match_score(values, expected.given, expected.without_ecg)
    known = bool(np.isfinite(score))
    probability = float(match_probability(score)) if known else None
    return {
        "z_scores": {name: _rounded(z) for name, z in departures(values, expected.given).items()},
        "log_likelihood_ratio": _rounded(score) if known else None,
        "share_of_exchanged_pairs_supposed": EXCHANGED,
        "probability_of_one_person": None if probability is None else round(probability, 3),
        "verdict": verdict(probability),
        "z_maps": maps,
        **({} if maps else {"why_no_z_maps": FEW_SAMPLES}),
    }


def verdict(probability: float | None) -> str:
    """Of a pair, in words."""
    if probability is None:
        return TOLD_NOTHING
    return DOUBTFUL if probability < DOUBTED_BELOW else MATCHED


def _probabilities(expected: Expected, person: Person, lines: dict[str, Line]) -> list[dict]:
    rows = []
    for condition in conditions():
        line = lines.get(condition.name)
        told = chance_of(condition, expected.given, person, line)
        about = {"name": condition.name, "words": condition.words, "limit": condition.source}
        why = condition.why_not(person) or NO_CODE
        rows.append(
            about
            | (
                {"probability": None, "why": why}
                if told is None
                else {"probability": round(told, 3), "set_right_by_line": line is not None}
            )
        )
    return rows


def _dyssynchrony(expected: Expected) -> dict:
    """Quarters of the wall that thicken at different times, by the codes' motion; no line sets it right."""
    about = {
        "name": "dyssynchrony",
        "words": "quarters of the wall thicken at different times (dyssynchrony)",
        "limit": f"{DYSSYNCHRONOUS:g} SD above the mean of those who taught the weights; no published limit is of this "
        "measure",
    }
    told = np.nan if expected.dyssynchrony is None else float(chance(expected.dyssynchrony - DYSSYNCHRONOUS))
    if np.isnan(told):
        return about | {"probability": None, "why": NO_CODE}
    return about | {"probability": round(told, 3), "set_right_by_line": False}


def _mean(values: np.ndarray) -> float:
    return float(values.mean())


def _rounded(value: float) -> float:
    return round(float(value), 2)
