"""Learning the prior: which heart codes ECG and person leave possible."""

import torch
from torch import Generator, Tensor, nn

from cohort.limb_leads import LIMB_LEADS
from models.code_regressor import CodeRegressor
from models.conditioning import PERSON_FIELDS
from models.heart_prior import CASES, HeartPrior
from sampling.pipeline import ECGToMRIPipeline, PatientBatch, sample_generator

from .ecg_set import EcgSet
from .fit import Task
from .objectives import interpolated, stratified_sigma, target_loss, without_some_fields
from .order import keyed_generator
from .pooled_ecgs import PooledEcgs, pooled, summary_of
from .recipe import Recipe
from .session import Session
from .withholding import withheld

PEOPLE = 256  # per process and step
VALIDATION_DRAWS = 8  # of noise levels and noise, for each held-out person
SPREAD_PEOPLE, SPREAD_CODES = 512, 8  # held-out people and codes drawn for each, to measure the prior's spread
NARROWEST, WIDEST = 0.5, 2.0  # measured factors beyond these are clipped


def prior_recipe(steps: int) -> Recipe:
    return Recipe(steps, 1e-3, weight_decay=0.01, ema_decay=0.995, evaluate_every=100)


def code_prior(
    session: Session,
    prior: HeartPrior,
    regressor: CodeRegressor,
    train: EcgSet,
    held_out: EcgSet,
    dropout: float,
    people: int = PEOPLE,
) -> Task:
    """The task of learning which heart codes go with the regressor's summary of a person; the regressor is not trained.

    Args:
        dropout: share of each case in which something is withheld (`withholding.CASES`), and of lost leads.
        people: per process and step.
    """
    device, seed, everyone = session.device, session.seed, torch.arange(len(train))
    heard = PooledEcgs.of(regressor, train, seed, device, lose=dropout > 0)
    persons, held_persons = train.persons(), held_out.persons()
    held_pooled = pooled(regressor, held_out, None, seed, device)

    def loss_with(wrapped, ecg: Tensor, person: Tensor, codes: Tensor, present, generator) -> Tensor:
        with torch.no_grad():
            summary = summary_of(regressor.conditioner, ecg, person, present, device)  # (B, D + K)
        known = ~codes.isnan()
        sigma = stratified_sigma(len(codes), generator)
        noise = torch.randn(codes.shape, generator=generator)
        noisy, velocity = interpolated(
            codes.nan_to_num(), noise, sigma
        )  # an unknown number counts as average, which is 0
        predicted = wrapped(noisy.to(device), sigma.to(device), summary)
        return target_loss(predicted, torch.where(known, velocity, torch.nan).to(device))

    def loss_of(wrapped: nn.Module, step: int) -> tuple[Tensor, dict[str, Tensor]]:
        generator, rows = session.generator("prior", step), session.rows(everyone, people, step)
        ecg = heard.drawn(rows, dropout, generator)
        *present, told = withheld(without_some_fields(persons[rows], generator), dropout, generator)
        loss = loss_with(wrapped, ecg, told, train.codes[rows], present, generator)
        return loss, {"prior_loss": loss.detach()}

    def evaluate(trained: nn.Module, step: int) -> dict[str, float]:
        generator = keyed_generator(seed, "prior validation")
        present = torch.ones(2, len(held_pooled), dtype=torch.bool)
        held = (held_pooled, held_persons, held_out.codes, present, generator)
        losses = [float(loss_with(trained, *held)) for _ in range(VALIDATION_DRAWS)]
        return {"validation_prior_loss": sum(losses) / len(losses)}

    def people_of(step: int) -> list:
        return train.places[session.rows(everyone, people, step)].tolist()

    return Task("prior", prior, loss_of, evaluate, "validation_prior_loss", people_of)


def measured_spread(
    pipeline: ECGToMRIPipeline, held_out: EcgSet, seed: int, codes: int = SPREAD_CODES
) -> tuple[tuple[float, ...], ...]:
    """How much wider the codes of held-out people spread than the prior says, for each number of the code.

    It is the RMS distance of the true codes from the prior's mean, over the SD of its draws. The mean of m draws stands
    for the prior's. It varies by 1/m of the draws' variance, which is taken off. The factor is measured anew in each of
    CASES, with as many leads and fields as they say.

    Args:
        codes: m, drawn for each person in each case.

    Returns:
        (cases, K) factors between NARROWEST and WIDEST; 1 where a number is known of nobody.
    """
    which = torch.arange(min(len(held_out), SPREAD_PEOPLE))
    ecg, lead_mask, person, true = held_out.take(which)
    pipeline.prior.register_to_config(spread=None)  # what is drawn now is not widened yet
    rows = []
    for leads, fields in CASES:
        generator = keyed_generator(seed, "spread", leads, fields)
        told = fields_of(person, fields, generator)
        parts = (torch.full((len(which),), count > 0) for count in (leads, fields))
        patients = PatientBatch(ecg, leads_of(lead_mask, leads, generator), told, *parts)
        _, summary = pipeline.encode(patients, guided=False)
        drawn = []
        for number in range(codes):
            generators = [sample_generator(seed, f"spread {leads} {fields} {k}", number) for k in which.tolist()]
            drawn.append(pipeline.draw_codes(summary, generators).cpu())
        drawn = torch.stack(drawn)  # (draws, B, K)
        error = (true - drawn.mean(0)).square().nanmean(0)  # (K,)
        within = drawn.var(0).mean(0)  # (K,)
        factor = (error / within - 1 / codes).clamp(min=0).sqrt()
        rows.append(tuple(factor.nan_to_num(1.0).clamp(NARROWEST, WIDEST).tolist()))
    return tuple(rows)


def leads_of(lead_mask: Tensor, count: int, generator: Generator) -> Tensor:
    """Recordings (batch, 12) of which so many independent leads are kept: the limb leads, and chest leads by chance.

    One lead is any of the twelve. Nothing is kept of a lead that the recording lacks.
    """
    order = torch.rand(lead_mask.shape, generator=generator)  # (B, 12)
    if count == 1:
        return lead_mask & (order.argsort(dim=1).argsort(dim=1) == 0)
    limb = torch.ones_like(lead_mask[:, : len(LIMB_LEADS)])
    chest = order[:, len(LIMB_LEADS) :].argsort(dim=1).argsort(dim=1) < count - 2  # (B, 6)
    return lead_mask & torch.cat([limb, chest], dim=1)


def fields_of(person: Tensor, count: int, generator: Generator) -> Tensor:
    """People (batch, 4 + F) of whom so many of the four standard fields are kept, by chance."""
    order = torch.rand(person[:, : len(PERSON_FIELDS)].shape, generator=generator)  # (B, 4)
    kept = order.argsort(dim=1).argsort(dim=1) < count
    standard = torch.where(kept, person[:, : len(PERSON_FIELDS)], torch.nan)
    return torch.cat([standard, person[:, len(PERSON_FIELDS) :]], dim=1)
