"""Learning anew what heart code a frozen encoder's pooled vector and a person tell: the conditioner's head alone."""

import torch
from torch import Tensor, nn

from models.code_regressor import CodeRegressor

from .ecg_set import EcgSet
from .fit import Task
from .objectives import without_some_fields
from .pooled_ecgs import PooledEcgs, pooled, summary_of
from .recipe import Recipe
from .session import Session
from .wall_contrasts import WallContrasts
from .withholding import withheld

PEOPLE = 256  # per process and step


def head_recipe(steps: int) -> Recipe:
    return Recipe(steps, 3e-3, weight_decay=0.05, ema_decay=0.99, evaluate_every=100)


def code_head(
    session: Session,
    regressor: CodeRegressor,
    train: EcgSet,
    held_out: EcgSet,
    dropout: float,
    people: int = PEOPLE,
) -> Task:
    """The task of learning the lines from embedding and pooled vector to the code; what a denoiser is given stays.

    Args:
        dropout: share of each case in which something is withheld (`withholding.CASES`), and of lost leads.
        people: per process and step.
    """
    device, everyone, conditioner = session.device, torch.arange(len(train)), regressor.conditioner
    heard = PooledEcgs.of(regressor, train, session.seed, device, lose=dropout > 0)
    held_pooled = pooled(regressor, held_out, None, session.seed, device)
    persons, held_persons = train.persons(), held_out.persons()
    contrasts = WallContrasts.of(conditioner, train.codes)
    conditioner.requires_grad_(False)
    for part in (conditioner.target_head, conditioner.ecg_head):
        part.requires_grad_(True)

    def loss_with(wrapped: nn.Module, ecg: Tensor, person: Tensor, codes: Tensor, present) -> Tensor:
        summary = summary_of(wrapped, ecg, person, present, device)  # (B, D + K)
        return contrasts.loss(conditioner.predicted(summary), codes.to(device))

    def loss_of(wrapped: nn.Module, step: int) -> tuple[Tensor, dict[str, Tensor]]:
        generator, rows = session.generator("head", step), session.rows(everyone, people, step)
        ecg = heard.drawn(rows, dropout, generator)
        *present, told = withheld(without_some_fields(persons[rows], generator), dropout, generator)
        loss = loss_with(wrapped, ecg, told, train.codes[rows], present)
        return loss, {"code_loss": loss.detach()}

    def evaluate(trained: nn.Module, step: int) -> dict[str, float]:
        present = torch.ones(2, len(held_pooled), dtype=torch.bool)
        return {"validation_code_loss": float(loss_with(trained, held_pooled, held_persons, held_out.codes, present))}

    def people_of(step: int) -> list:
        return train.places[session.rows(everyone, people, step)].tolist()

    return Task("head", conditioner, loss_of, evaluate, "validation_code_loss", people_of)
