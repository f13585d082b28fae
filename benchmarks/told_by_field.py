"""What a further field of the person adds to what ECG and person tell, and what it costs to leave it out.

The encoder of a stored ceiling reads the ECGs once and is not trained. What joins its summary and the person is learned
anew, as in a training: with the field, of which some is withheld, and without it.
"""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import torch
from torch import Tensor

from cohort.ecg_cohort import prepare_ecgs
from cohort.person_fields import STANDARD, with_fields_of_more
from cohort.subjects import split_of
from models.conditioning import HeartConditioner
from models.ecg_encoder import ECGEncoder
from models.presets import PRESETS
from sampling.pipeline import load_part
from training.networks import fresh_regressor
from training.objectives import target_loss, without_some_fields
from training.order import keyed_generator, rows_of_step
from training.targets import standardised_phenotypes

STEPS, PEOPLE, EVERY, LEARNING_RATE, DECAY = 1500, 256, 25, 1e-3, 0.05
DRAWS = 1000  # of the bootstrap


def read_people(data: Path, folder: Path, fields: tuple[str, ...], encoder: Path) -> SimpleNamespace:
    """People with ECG and phenotypes; `person` is (N, 4 + F), and `pooled` (N, width) their encoded ECGs.

    Args:
        data: of `make_phantom.py --ecg-only`. folder: where the arrays are kept. encoder: of a stored ceiling.
    """
    network = load_part(ECGEncoder, encoder)
    about = network.config
    read = with_fields_of_more(prepare_ecgs(data, folder, about.sampling_rate, about.duration_s, True), data, fields)
    split = np.array([split_of(int(eid)) for eid in read.eid])
    pooled = []
    with torch.no_grad():
        for part in np.array_split(np.arange(len(split)), len(split) // 64 + 1):
            ecg, mask = torch.from_numpy(read.ecg[part]).float(), torch.from_numpy(read.lead_mask[part])
            pooled.append(network(ecg, mask)[1])
    return SimpleNamespace(
        preparation=about,
        rows=lambda name: np.flatnonzero(split == name),
        person=read.person,
        phenotypes=read.phenotypes,
        pooled=torch.cat(pooled),
    )


def without(people: SimpleNamespace) -> SimpleNamespace:
    """The same people, of whom no further field is known."""
    person = people.person.copy()
    person[:, STANDARD:] = np.nan
    return SimpleNamespace(**vars(people) | {"person": person})


def of_four(people: SimpleNamespace) -> SimpleNamespace:
    """The same people as they were before there were further fields."""
    return SimpleNamespace(**vars(people) | {"person": people.person[:, :STANDARD]})


def learned(people: SimpleNamespace, fields: tuple[str, ...], seed: int) -> HeartConditioner:
    """A conditioner that regresses the phenotypes; the weights that did best on validation people are kept."""
    torch.manual_seed(seed)
    conditioner = fresh_regressor(people, PRESETS["nano"], components=0, fields=fields).conditioner
    codes = standardised_phenotypes(people.phenotypes, conditioner)
    train, held_out = (torch.from_numpy(people.rows(split)) for split in ("train", "validation"))
    optimiser = torch.optim.AdamW(conditioner.parameters(), LEARNING_RATE, weight_decay=DECAY)
    best, lowest = conditioner.state_dict(), float("inf")
    for step in range(STEPS):
        rows = rows_of_step(train, PEOPLE, step, seed)
        person = without_some_fields(torch.from_numpy(people.person)[rows], keyed_generator(seed, "fields", step))
        loss = target_loss(predicted(conditioner, people.pooled[rows], person), codes[rows])
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        if step % EVERY == EVERY - 1:
            with torch.no_grad():
                found = predicted(conditioner, people.pooled[held_out], torch.from_numpy(people.person)[held_out])
            score = float(target_loss(found, codes[held_out]))
            if score < lowest:
                best, lowest = {name: value.clone() for name, value in conditioner.state_dict().items()}, score
    conditioner.load_state_dict(best)
    return conditioner


def predicted(conditioner: HeartConditioner, pooled: Tensor, person: Tensor) -> Tensor:
    """(n, K) in the cohort's SDs."""
    present = torch.ones(len(person), dtype=torch.bool)
    return conditioner.predicted(conditioner(pooled[:, None], pooled, person, present, present)[1])


@torch.no_grad()
def squared_errors(conditioner: HeartConditioner, judged: SimpleNamespace) -> dict[str, np.ndarray]:
    """Phenotype -> (n,) squared error of everybody, in the judged people's variances: R2 is 1 less its mean."""
    codes = standardised_phenotypes(judged.phenotypes, conditioner)
    error = (predicted(conditioner, judged.pooled, torch.from_numpy(judged.person)) - codes).square()
    error = (error / codes.var(dim=0, correction=0)).numpy()
    return {name: error[:, k] for k, name in enumerate(conditioner.config.phenotypes)}


def gain(before: np.ndarray, after: np.ndarray, seed: int = 0) -> tuple[float, float]:
    """How much R2 grows, and the SD of that over bootstrap samples of the people, of (seeds, n) squared errors."""
    paired = (before - after).mean(axis=0)
    drawn = np.random.default_rng(seed).integers(len(paired), size=(DRAWS, len(paired)))
    return float(paired.mean()), float(paired[drawn].mean(axis=1).std())
