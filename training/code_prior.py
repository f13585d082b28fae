"""Learning the prior: which heart codes ECG and person leave possible."""

import torch
from torch import Tensor, nn

from models.code_regressor import CodeRegressor
from models.heart_prior import HeartPrior
from sampling.pipeline import ECGToMRIPipeline, PatientBatch, sample_generator

from .augmentation import augment_ecg
from .ecg_set import EcgSet
from .fit import Task
from .objectives import dropped, interpolated, stratified_sigma, target_loss, without_some_fields
from .order import keyed_generator
from .recipe import Recipe
from .session import Session

PEOPLE = 256  # per process and step
AUGMENTED_COPIES = 4  # of every recording, encoded once
VALIDATION_DRAWS = 8  # of noise levels and noise, for each held-out person
SPREAD_PEOPLE, SPREAD_CODES = 512, 16  # held-out people and codes drawn for each, to measure the prior's spread
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
        dropout: probability with which ECG and person are withheld. people: per process and step.
    """
    device, seed, everyone = session.device, session.seed, torch.arange(len(train))
    pooled = [_pooled(regressor, train, copy, seed, device) for copy in range(AUGMENTED_COPIES)]
    persons, held_persons = train.persons(), held_out.persons()
    held_pooled = _pooled(regressor, held_out, None, seed, device)

    def loss_with(wrapped, ecg: Tensor, person: Tensor, codes: Tensor, present, generator) -> Tensor:
        with torch.no_grad():
            given = (value.to(device) for value in (ecg.unsqueeze(1), ecg, person, *present))
            _, summary = regressor.conditioner(*given)  # (B, D + K)
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
        copy = pooled[int(torch.randint(AUGMENTED_COPIES, (), generator=generator))]
        present = dropped(people, dropout, generator)
        told = without_some_fields(persons[rows], generator)
        loss = loss_with(wrapped, copy[rows], told, train.codes[rows], present, generator)
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


@torch.no_grad()
def _pooled(regressor: CodeRegressor, people: EcgSet, copy: int | None, seed: int, device: torch.device) -> Tensor:
    """The encoder's pooled vectors of everybody, (n, width); copy: number of an augmented copy, None: not augmented."""
    pooled = []
    for number, part in enumerate(torch.arange(len(people)).split(128)):
        ecg, lead_mask, _, _ = people.take(part)
        if copy is not None:
            ecg, lead_mask = augment_ecg(ecg, lead_mask, keyed_generator(seed, "copy", copy, number))
        pooled.append(regressor.ecg_encoder(ecg.to(device), lead_mask.to(device))[1].cpu())
    return torch.cat(pooled)


def measured_spread(pipeline: ECGToMRIPipeline, held_out: EcgSet, seed: int) -> tuple[float, ...]:
    """How much wider the codes of held-out people spread than the prior says, for each number of the code.

    It is the RMS distance of the true codes from the mean of m drawn ones, divided by the distance to be expected. The
    expected variance is that of the draws and 1/m more, because the mean of m draws varies too.

    Returns:
        (K,) factors between NARROWEST and WIDEST; 1 where a number is known of nobody.
    """
    which = torch.arange(min(len(held_out), SPREAD_PEOPLE))
    ecg, lead_mask, person, codes = held_out.take(which)
    present = torch.ones(len(which), dtype=torch.bool)
    _, summary = pipeline.encode(PatientBatch(ecg, lead_mask, person, present, present), guided=False)
    drawn = []
    for number in range(SPREAD_CODES):
        generators = [sample_generator(seed, f"spread {k}", number) for k in which.tolist()]
        drawn.append(pipeline.draw_codes(summary, generators).cpu())
    drawn = torch.stack(drawn)  # (draws, B, K)
    error = (codes - drawn.mean(0)).square().nanmean(0)  # (K,)
    within = drawn.var(0).mean(0)  # (K,)
    factor = (error / (within * (1 + 1 / SPREAD_CODES))).sqrt()
    return tuple(factor.nan_to_num(1.0).clamp(NARROWEST, WIDEST).tolist())
