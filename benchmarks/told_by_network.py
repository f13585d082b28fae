"""What the product's own regression tells of simulated hearts: the ceiling of `training.ceiling`, without images."""

from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import torch
from accelerate import Accelerator
from accelerate.utils import set_seed

from benchmarks.drawn_people import LARGE_RV, People, people, strips, together
from cohort.phenotypes import PHENOTYPES
from models.presets import PRESETS
from phantom.heart import Draw
from training.accelerator import start_accelerator
from training.ceiling import ceiling
from training.code_regression import PEOPLE, predict_codes, regression_recipe
from training.ecg_set import EcgSet
from training.fit import fit
from training.learning_curve import EPOCHS, STEPS_FLOOR
from training.run import Run
from training.session import Session
from training.targets import standardised_phenotypes

STOPPERS = 500  # people drawn besides, whose loss tells when to stop
RATE_HZ, DURATION_S = 250, 10.0  # of `benchmarks.drawn_people.strips`
PRESET, LEARNING_RATE = "nano", 1e-3
TRUTHS = {"LVEDV": "LVEDV", "LVESV": "LVESV", "LVM": "LV mass", "LVEF": "LVEF", "RVEDV": "RVEDV", "RVESV": "RVESV"}


@dataclass(frozen=True, eq=False)
class DrawnECGs:
    """N people as the regression reads a cohort; the first `learners` teach, the others decide when to stop.

    Attributes:
        ecg: (N, 12, 2500) mV. lead_mask: (N, 12) bool. person: (N, 4). phenotypes: (N, K), NaN where unknown.
    """

    ecg: np.ndarray
    lead_mask: np.ndarray
    person: np.ndarray
    phenotypes: np.ndarray
    learners: int

    @classmethod
    def of(cls, people: People, strips: np.ndarray, learners: int, source: str = "both") -> "DrawnECGs":
        """`source` "ECG" withholds the person, "person" the ECG."""
        known = np.full((len(strips), len(PHENOTYPES)), np.nan, np.float32)
        for name, truth in TRUTHS.items():
            known[:, PHENOTYPES.index(name)] = people.truth[truth]
        person = people.person[:, :4] if source != "ECG" else np.full((len(strips), 4), np.nan, np.float32)
        mask = np.full((len(strips), 12), source != "person")
        return cls(strips if source != "person" else np.zeros_like(strips), mask, person, known, learners)

    @property
    def preparation(self) -> SimpleNamespace:
        """Rate and length of the strips."""
        return SimpleNamespace(sampling_rate=RATE_HZ, duration_s=DURATION_S)

    def rows(self, split: str) -> np.ndarray:
        """Numbers of the people of "train" or "validation"."""
        everybody = np.arange(len(self.ecg))
        return everybody[: self.learners] if split == "train" else everybody[self.learners :]


def told_by_network(
    drawn: DrawnECGs, judged: DrawnECGs, folder: Path, accelerator: Accelerator, seed: int = 0
) -> dict[str, np.ndarray]:
    """Phenotype by its name in `People.truth` -> (judged,) in its own unit, as train_ceiling.py would learn it.

    Args:
        folder: of the run, which goes on where it was cut short.
    """
    set_seed(seed)
    steps = max(STEPS_FLOOR, EPOCHS * drawn.learners // PEOPLE)
    run = Run(folder, {"learners": drawn.learners, "seed": seed, "preset": PRESET}, True)
    session = Session(run, regression_recipe(steps, LEARNING_RATE, evaluate_every=100), accelerator, seed)
    task, _, _ = ceiling(session, drawn, None, PRESETS[PRESET], drawn.learners)
    regressor = fit(task, session).to(accelerator.device)
    config = regressor.conditioner.config
    codes = standardised_phenotypes(judged.phenotypes, regressor.conditioner)
    everybody = torch.arange(len(judged.ecg))
    found = predict_codes(regressor, EcgSet.of((judged, everybody.numpy(), codes)), everybody, accelerator.device)
    units = found.numpy() * config.phenotype_std + config.phenotype_mean
    return {TRUTHS[name]: units[:, column] for column, name in enumerate(config.phenotypes)}


def scores_of(found: dict[str, np.ndarray], judged: People) -> dict[str, np.ndarray]:
    """What the found phenotypes say of diseases that are limits of a phenotype: name -> (N,), higher where sicker."""
    male = judged.person[:, 0] == 1
    large = np.where(male, LARGE_RV["male"], LARGE_RV["female"])
    return {"EF < 50": -found["LVEF"], "RV dilation": found["RVEDV"] / judged.truth["body surface"] / large}


def heard_by_network(
    seed: int, count: int, judged: int, draw: Draw, processes: int, kept: Path
) -> dict[str, np.ndarray]:
    """Name -> (judged,): phenotypes and scores of diseases, learned from `count` people of the cohort `seed`.

    The people who stop it are of a cohort of their own; so are the judged ones, as in `phantom_difficulty`.
    """
    cohorts = ((seed, count), (seed + 3, STOPPERS), (seed + 1, judged))
    drawn = [people(*cohort, draw, processes, kept) for cohort in cohorts]
    seen = [strips(*cohort, draw, processes, kept) for cohort in cohorts]
    taught = DrawnECGs.of(together(*drawn[:2]), np.concatenate(seen[:2]), count)
    tested = DrawnECGs.of(drawn[2], seen[2], 0)
    found = told_by_network(taught, tested, kept / f"network-{seed}-{count}", start_accelerator())
    return found | scores_of(found, drawn[2])
