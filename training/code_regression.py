"""Learning to predict the heart code from ECG and person."""

import torch
from torch import Tensor, nn

from cohort.errors import InputError
from models.code_regressor import CodeRegressor

from .augmentation import augment_ecg
from .ecg_set import EcgSet
from .fit import Task
from .objectives import without_some_fields
from .recipe import Recipe
from .session import Session
from .wall_contrasts import WallContrasts
from .withholding import withheld, without_leads

PEOPLE = 64  # per process and step
HELD_OUT_PEOPLE = 512


def regression_recipe(steps: int, learning_rate: float, evaluate_every: int = 100) -> Recipe:
    """For every regression from ECGs. They are few and noisy, so weight decay is strong."""
    return Recipe(steps, learning_rate, weight_decay=0.05, ema_decay=0.99, evaluate_every=evaluate_every)


def code_regression(
    session: Session,
    title: str,
    regressor: CodeRegressor,
    train: EcgSet,
    held_out: EcgSet,
    dropout: float = 0.0,
    people: int = PEOPLE,
) -> Task:
    """The task of learning the heart codes of `train`; the weights that did best on `held_out` are kept.

    Args:
        title: of the task; it also keys the randomness.
        dropout: share of each case in which something is withheld (`withholding.CASES`), and of lost leads; 0 for a
            regressor that always has both. Further fields of the person are withheld all the same.
        people: per process and step.

    Raises:
        InputError: no code of a held-out person is known, so nothing could tell when to stop.
    """
    device, everyone = session.device, torch.arange(len(train))
    contrasts = WallContrasts.of(regressor.conditioner, train.codes)
    if held_out.codes.isnan().all():
        fault, remedy = "no phenotype of a validation person is known", "complete phenotypes.csv, or omit it"
        raise InputError("--data", fault, remedy)

    def loss_of(wrapped: nn.Module, step: int) -> tuple[Tensor, dict[str, Tensor]]:
        generator = session.generator(title, step)
        ecg, lead_mask, person, codes = train.take(session.rows(everyone, people, step))
        ecg, lead_mask = augment_ecg(ecg, lead_mask, generator)
        *present, person = withheld(without_some_fields(person, generator), dropout, generator)
        given = (ecg, without_leads(lead_mask, dropout, generator), person, *present)
        _, summary = wrapped(*(value.to(device) for value in given))
        loss = contrasts.loss(regressor.conditioner.predicted(summary), codes.to(device))
        return loss, {"code_loss": loss.detach()}

    def evaluate(trained: nn.Module, step: int) -> dict[str, float]:
        predicted = predict_codes(trained, held_out, torch.arange(min(len(held_out), HELD_OUT_PEOPLE)), device)
        return {"validation_code_loss": float(contrasts.loss(predicted, held_out.codes[: len(predicted)]))}

    def people_of(step: int) -> list:
        return train.places[session.rows(everyone, people, step)].tolist()

    return Task(title, regressor, loss_of, evaluate, "validation_code_loss", people_of)


@torch.no_grad()
def predict_codes(regressor: CodeRegressor, people: EcgSet, which: Tensor, device: torch.device) -> Tensor:
    """Standardised codes (B, K) predicted for the people with the numbers `which` (B,), on the CPU."""
    predicted = []
    for part in which.split(128):
        ecg, lead_mask, person, _ = people.take(part)
        present = torch.ones(2, len(part), dtype=torch.bool)
        _, summary = regressor(*(value.to(device) for value in (ecg, lead_mask, person, *present)))
        predicted.append(regressor.conditioner.predicted(summary).cpu())
    return torch.cat(predicted)
