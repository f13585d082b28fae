"""The report of `benchmarks/codes.py`: people as arrays, what is measured on their codes, and its tables."""

import json
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from benchmarks.drawn_people import people as drawn_people
from benchmarks.told_by_codes import (
    CONDITIONS,
    Condition,
    drawn_codes,
    in_units,
    judged,
    limits_of,
    predicted_codes,
    read_truth,
    share_beyond,
    told_ill,
)
from benchmarks.told_territory import WALLS, learned, scars_of, territory_table, thinnest
from cohort.ecg_cohort import ECGCohort, prepare_ecgs
from cohort.phenotypes import PHENOTYPES
from cohort.simulated import PLAN
from cohort.subjects import FIRST_SIMULATED_EID as FIRST_EID
from evaluation.agreement import r_squared
from models.code_regressor import CodeRegressor
from models.conditioning import HeartConditioner
from models.ecg_encoder import ECGEncoder
from phantom.heart import Draw
from sampling.pipeline import ECGToMRIPipeline, load_part

LEARNERS_DRAWS = 8  # codes of a person who teaches who is ill; their mean counts
WHOLE = Condition()


@dataclass(frozen=True)
class Studied:
    """A pipeline and people of a folder `data`, as arrays. Attributes: ceiling: None where the pipeline has none."""

    pipeline: ECGToMRIPipeline
    ceiling: CodeRegressor | None
    data: Path
    people: ECGCohort


def opened(pipeline: Path, data: Path, kept: Path, count: int | None = None) -> Studied:
    """A pipeline folder and the first `count` people of a folder with ECGs and phenotypes.csv.

    Raises:
        InputError: either cannot be read.
    """
    loaded, folder = ECGToMRIPipeline.load(pipeline), pipeline / "ceiling"
    ceiling = None
    if folder.exists():
        parts = (load_part(ECGEncoder, folder / "ecg_encoder"), load_part(HeartConditioner, folder / "conditioner"))
        ceiling = CodeRegressor(*parts).eval()
    about = loaded.preparation
    people = prepare_ecgs(data, kept, about.sampling_rate, about.duration_s)
    arrays = ("ecg", "lead_mask", "person", "phenotypes", "eid", "instance")
    return Studied(loaded, ceiling, data, replace(people, **{name: getattr(people, name)[:count] for name in arrays}))


def study(studied: Studied, draws: int, seed: int, conditions: dict[str, Condition] = CONDITIONS) -> dict:
    """`told_by_codes.judged`, and beside it the R2 of the ceiling, which knows ECG and person and nothing less."""
    report = {"people": len(studied.people.eid), "draws": draws}
    report["conditions"] = judged(studied.pipeline, studied.people, draws, seed, conditions)
    if studied.ceiling is not None and "ECG and person" in conditions:
        expected = in_units(predicted_codes(studied.ceiling, studied.people, WHOLE), studied.ceiling.conditioner)
        for name, numbers in report["conditions"]["ECG and person"].items():
            truth = studied.people.phenotypes[:, PHENOTYPES.index(name)]
            known = np.isfinite(truth)
            numbers["r2_ceiling"] = r_squared(expected[name][known], truth[known])
    return report


@dataclass(frozen=True)
class Told:
    """What is known of those who teach and of the judged, two arrays each.

    Attributes:
        numbers: (N, F) and (n, F) by who tells: "codes", "ceiling", "ECG features". drawn: codes (n, draws, K).
    """

    numbers: dict[str, list[np.ndarray]]
    drawn: np.ndarray

    def of(self, one: int) -> dict[str, np.ndarray]:
        """0: of those who teach; 1: of the judged."""
        return {who: pair[one] for who, pair in self.numbers.items()}


def told_of(studied: Studied, taught: Studied, draws: int, seed: int, processes: int, kept: Path) -> Told:
    """Mean codes, the ceiling's numbers, and what a reader measures on the ECG, of both."""
    both = (taught, studied)
    codes = [
        drawn_codes(studied.pipeline, one.people, WHOLE, count, seed)
        for one, count in zip(both, (LEARNERS_DRAWS, draws), strict=True)
    ]
    numbers = {"codes": [drawn.mean(axis=1) for drawn in codes]}
    if studied.ceiling is not None:
        numbers["ceiling"] = [predicted_codes(studied.ceiling, one.people, WHOLE) for one in both]
    numbers["ECG features"] = [features_of(one, processes, kept) for one in both]
    return Told(numbers, codes[1])


def illness(studied: Studied, taught: Studied, told: Told) -> dict[str, dict[str, tuple]]:
    """`told_ill` from codes, from what the reader knows, from the ceiling and directly from the ECG's features."""
    truths = tuple(read_truth(one.data, one.people.eid) for one in (taught, studied))
    person = studied.people.person
    sexes = ["male" if sex else "female" for sex in person[:, 0]]
    limits = limits_of(sexes, np.sqrt(person[:, 2] * person[:, 3] / 3600))  # Mosteller
    beyond = share_beyond(in_units(told.drawn, studied.pipeline.conditioner), limits)
    return told_ill(told.of(0), told.of(1), truths, beyond)


def territories(studied: Studied, taught: Studied, told: Told) -> list[dict]:
    """`territory_table` of the judged: from walls, true ones and those of codes, where known; by regressions too."""
    first, second = (scars_of(one.data, one.people.eid) for one in (taught, studied))
    walls = in_units(told.numbers["codes"][1], studied.pipeline.conditioner)
    known = {"true walls": studied.people.phenotypes[:, [PHENOTYPES.index(wall) for wall in WALLS]]}
    if set(WALLS) <= walls.keys():
        known["walls of codes"] = np.stack([walls[wall] for wall in WALLS], axis=1)
    named = {
        **{f"{whose}, the thinnest": thinnest(x, second) for whose, x in known.items() if np.isfinite(x).all()},
        **{f"{who}, learned": learned(x, first, y) for who, (x, y) in told.numbers.items()},
    }
    return territory_table(named, second)


def features_of(studied: Studied, processes: int, kept: Path) -> np.ndarray:
    """(n, F) what a reader measures on the median beats of a phantom cohort, drawn again, and the person."""
    seed = json.loads((studied.data / PLAN).read_text(encoding="utf-8"))["seed"]
    rows = studied.people.eid - FIRST_EID
    drawn = drawn_people(seed, int(rows.max()) + 1, Draw(), processes, kept)
    return np.hstack([drawn.ecg[rows], drawn.person[rows]])


def honesty_table(conditions: dict[str, dict[str, dict]]) -> list[dict]:
    """One line a condition: coverage of each phenotype's 90 % interval, its range, and the mean of the 50 % ones."""
    rows = []
    for title, by_name in conditions.items():
        covered = {name: numbers["cover_90"] for name, numbers in by_name.items()}
        half = [numbers["cover_50"] for numbers in by_name.values()]
        needed = [numbers["sd_needed"] for numbers in by_name.values()]
        rows.append(
            {"known": title}
            | {name: f"{value:.1f}" for name, value in covered.items()}
            | {"50 % cover": f"{np.mean(half):.1f}", "SD needed / given": f"{min(needed):.2f}-{max(needed):.2f}"}
            | {f"R2 {name}": f"{by_name[name]['r2']:.2f}" for name in ("LVM", "LVEDV", "LVEF") if name in by_name}
        )
    return rows


def diseases_table(diseases: dict[str, dict[str, tuple]]) -> list[dict]:
    """One line a disease: area under the curve by who tells it, and the 95 % interval of the codes' own."""
    rows = []
    for name, by_who in diseases.items():
        low, high = by_who["codes"][1]
        told = {who: f"{area:.3f}" for who, (area, _) in by_who.items()}
        rows.append({"disease": name} | told | {"95 % of codes": f"{low:.3f} to {high:.3f}"})
    return rows
