"""What a further field of the person adds to the regression from ECG and person, and what it costs to leave it out."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import torch
from accelerate import Accelerator
from accelerate.utils import set_seed

from cohort.ecg_cohort import prepare_ecgs
from cohort.person_fields import STANDARD, with_fields_of_more
from cohort.phenotypes import PHENOTYPES
from cohort.subjects import split_of
from models.presets import PRESETS
from training.ceiling import ceiling
from training.code_regression import PEOPLE, predict_codes, regression_recipe
from training.ecg_set import EcgSet
from training.fit import fit
from training.learning_curve import EPOCHS, STEPS_FLOOR
from training.run import Run
from training.session import Session
from training.targets import standardised_phenotypes

RATE_HZ, DURATION_S = 250, 10.0
PRESET, LEARNING_RATE = "nano", 1e-3
DRAWS = 1000  # of the bootstrap


def read_people(data: Path, folder: Path, fields: tuple[str, ...]) -> SimpleNamespace:
    """People with ECG and phenotypes as the regression reads a cohort; `person` is (N, 4 + F).

    Args:
        data: of `make_phantom.py --ecg-only`. folder: where the arrays are kept.
    """
    read = with_fields_of_more(prepare_ecgs(data, folder, RATE_HZ, DURATION_S, quiet=True), data, fields)
    split = np.array([split_of(int(eid)) for eid in read.eid])
    return SimpleNamespace(
        preparation=SimpleNamespace(sampling_rate=RATE_HZ, duration_s=DURATION_S),
        rows=lambda name: np.flatnonzero(split == name),
        **{name: getattr(read, name) for name in ("ecg", "lead_mask", "person", "phenotypes", "eid")},
    )


def without(people: SimpleNamespace, fields: str) -> SimpleNamespace:
    """The same people; fields "none": as before there were further ones, "withheld": all of them unknown."""
    person = people.person[:, :STANDARD].copy() if fields == "none" else people.person.copy()
    person[:, STANDARD:] = np.nan
    return SimpleNamespace(**vars(people) | {"person": person})


def learned(
    people: SimpleNamespace, fields: tuple[str, ...], folder: Path, accelerator: Accelerator, seed: int
) -> torch.nn.Module:
    """The regression of the phenotypes as train_ceiling.py would learn it; a run that was cut short goes on."""
    set_seed(seed)
    count = len(people.rows("train"))
    steps = max(STEPS_FLOOR, EPOCHS * count // PEOPLE)
    run = Run(folder, {"people": count, "seed": seed, "fields": list(fields)}, True)
    session = Session(run, regression_recipe(steps, LEARNING_RATE, evaluate_every=50), accelerator, seed)
    return fit(ceiling(session, people, None, PRESETS[PRESET], fields=fields)[0], session)


def squared_errors(regressor: torch.nn.Module, judged: SimpleNamespace, device: torch.device) -> dict[str, np.ndarray]:
    """Phenotype -> (n,) squared error of everybody, in the judged people's variances: R2 is 1 less its mean."""
    everybody = torch.arange(len(judged.eid))
    codes = standardised_phenotypes(judged.phenotypes, regressor.conditioner)
    people = EcgSet.of((judged, everybody.numpy(), codes))
    error = (predict_codes(regressor.to(device).eval(), people, everybody, device) - codes).square()
    error = (error / codes.var(dim=0, correction=0)).numpy()
    return {name: error[:, k] for k, name in enumerate(regressor.conditioner.config.phenotypes) if name in PHENOTYPES}


def gain(before: np.ndarray, after: np.ndarray, seed: int = 0) -> tuple[float, float]:
    """How much R2 grows, and the SD of that over bootstrap samples of the people, of (seeds, n) squared errors."""
    paired = (before - after).mean(axis=0)
    drawn = np.random.default_rng(seed).integers(len(paired), size=(DRAWS, len(paired)))
    return float(paired.mean()), float(paired[drawn].mean(axis=1).std())
