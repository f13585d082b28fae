"""Reading ECG and person: the heart code they predict, the codes they leave possible, and the ceiling of it all."""

from dataclasses import dataclass, replace

import torch
from accelerate import Accelerator
from torch import Tensor, nn

from cohort.errors import InputError

from .augmentation import augment_ecg
from .fit import Recipe, fit
from .objectives import ConditionReader, dropped, interpolated, stratified_sigma, target_loss
from .order import keyed_generator, rows_of_step
from .run import Run

AUGMENTED_COPIES = 4  # of every recording, encoded once for the prior
HELD_OUT_PEOPLE = 512


@dataclass(frozen=True)
class Recordings:
    """People with an ECG, of one cohort or of several, and the heart codes to be read off it.

    Attributes:
        cohorts: each with arrays ecg (N, 12, samples), lead_mask (N, 12) and person (N, 4).
        places: (n, 2) which cohort, which row of it.
        codes: (n, K) standardised, NaN where unknown.
    """

    cohorts: tuple
    places: Tensor
    codes: Tensor

    def take(self, which: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """ecg (B, 12, samples), lead_mask (B, 12), person (B, 4) and codes (B, K) of `which` (B,)."""
        parts = []
        for number, row in self.places[which].tolist():
            cohort = self.cohorts[number]
            parts.append([torch.tensor(a[row]) for a in (cohort.ecg, cohort.lead_mask, cohort.person)])
        ecg, lead_mask, person = (torch.stack(part) for part in zip(*parts, strict=True))
        return ecg.float(), lead_mask, person, self.codes[which]

    def persons(self) -> Tensor:
        """person (n, 4) of everybody, without touching an ECG."""
        return torch.stack([torch.tensor(self.cohorts[number].person[row]) for number, row in self.places.tolist()])

    def first(self, count: int) -> "Recordings":
        """The first `count` of them."""
        return replace(self, places=self.places[:count], codes=self.codes[:count])

    def __len__(self) -> int:
        return len(self.places)


def recordings(*sources: tuple) -> Recordings:
    """Join (cohort, rows (n,), codes (n, K)) of several cohorts."""
    places = [
        torch.stack([torch.full((len(rows),), number), torch.as_tensor(rows)], dim=1)
        for number, (_, rows, _) in enumerate(sources)
    ]
    return Recordings(tuple(s[0] for s in sources), torch.cat(places), torch.cat([s[2] for s in sources]))


def learn_reading(
    reader: ConditionReader,
    train: Recordings,
    held_out: Recordings,
    run: Run,
    recipe: Recipe,
    accelerator: Accelerator,
    people: int,
    dropout: float,
    seed: int,
    title: str,
) -> None:
    """Teach a reader the heart codes of `train`; the weights that did best on `held_out` are kept (early stopping).

    Args:
        people: per process and step.
        dropout: probability with which ECG and person are withheld; 0 for a regressor that always has both.

    Raises:
        InputError: nothing is known of the held-out people, so nothing could tell when to stop.
    """
    device = accelerator.device
    everyone = torch.arange(len(train))
    if held_out.codes.isnan().all():
        raise InputError(
            "--data", "no phenotype of a validation person is known", "complete phenotypes.csv, or omit it"
        )

    def which(step: int) -> Tensor:
        return rows_of_step(everyone, people, step, seed, accelerator.process_index, accelerator.num_processes)

    def loss_of(wrapped: nn.Module, step: int) -> tuple[Tensor, dict[str, Tensor]]:
        generator = keyed_generator(seed, title, step, accelerator.process_index)
        ecg, lead_mask, person, codes = train.take(which(step))
        recording = augment_ecg(ecg, lead_mask, generator)
        present = dropped(people, dropout, generator)
        _, summary = wrapped(*(value.to(device) for value in (*recording, person, *present)))
        loss = target_loss(reader.conditioner.predicted(summary), codes.to(device))
        return loss, {"code_loss": loss.detach()}

    def evaluate(trained: nn.Module, step: int) -> dict[str, float]:
        predicted = predict_codes(trained, held_out, torch.arange(min(len(held_out), HELD_OUT_PEOPLE)), device)
        return {"validation_code_loss": float(target_loss(predicted, held_out.codes[: len(predicted)]))}

    watched = {"best": "validation_code_loss", "people_of": lambda step: train.places[which(step)].tolist()}
    fit(reader, loss_of, run, recipe, accelerator, evaluate, title, **watched)


@torch.no_grad()
def predict_codes(reader: ConditionReader, people: Recordings, which: Tensor, device: torch.device) -> Tensor:
    """Standardised codes (B, K) read off ECG and person of `which` (B,), on the CPU."""
    found = []
    for part in which.split(128):
        ecg, lead_mask, person, _ = people.take(part)
        present = torch.ones(2, len(part), dtype=torch.bool)
        _, summary = reader(*(value.to(device) for value in (ecg, lead_mask, person, *present)))
        found.append(reader.conditioner.predicted(summary).cpu())
    return torch.cat(found)


def learn_prior(
    prior: nn.Module,
    reader: ConditionReader,
    train: Recordings,
    held_out: Recordings,
    run: Run,
    recipe: Recipe,
    accelerator: Accelerator,
    people: int,
    dropout: float,
    seed: int,
) -> None:
    """Teach the prior which heart codes go with what the reader, no longer learning, says of a person."""
    device = accelerator.device
    pooled = [_pooled(reader, train, copy, seed, device) for copy in range(AUGMENTED_COPIES)]
    persons, held_persons = train.persons(), held_out.persons()
    held_pooled = _pooled(reader, held_out, None, seed, device)
    everyone = torch.arange(len(train))

    def loss_with(wrapped, ecg: Tensor, person: Tensor, codes: Tensor, present, generator) -> Tensor:
        with torch.no_grad():
            given = (value.to(device) for value in (ecg.unsqueeze(1), ecg, person, *present))
            _, summary = reader.conditioner(*given)  # (B, D + K)
        known = ~codes.isnan()
        sigma = stratified_sigma(len(codes), generator)
        noise = torch.randn(codes.shape, generator=generator)
        noisy, velocity = interpolated(codes.nan_to_num(), noise, sigma)  # an unknown number is an average one
        found = wrapped(noisy.to(device), sigma.to(device), summary)
        return target_loss(found, torch.where(known, velocity, torch.nan).to(device))

    def which(step: int) -> Tensor:
        return rows_of_step(everyone, people, step, seed, accelerator.process_index, accelerator.num_processes)

    def loss_of(wrapped: nn.Module, step: int) -> tuple[Tensor, dict[str, Tensor]]:
        generator = keyed_generator(seed, "prior", step, accelerator.process_index)
        rows = which(step)
        copy = pooled[int(torch.randint(AUGMENTED_COPIES, (), generator=generator))]
        present = dropped(people, dropout, generator)
        loss = loss_with(wrapped, copy[rows], persons[rows], train.codes[rows], present, generator)
        return loss, {"prior_loss": loss.detach()}

    def evaluate(trained: nn.Module, step: int) -> dict[str, float]:
        generator = keyed_generator(seed, "prior validation")
        present = torch.ones(2, len(held_pooled), dtype=torch.bool)
        held = (held_pooled, held_persons, held_out.codes, present, generator)
        losses = [float(loss_with(trained, *held)) for _ in range(8)]
        return {"validation_prior_loss": sum(losses) / len(losses)}

    watched = {"best": "validation_prior_loss", "people_of": lambda step: train.places[which(step)].tolist()}
    fit(prior, loss_of, run, recipe, accelerator, evaluate, "prior", **watched)


@torch.no_grad()
def _pooled(reader: ConditionReader, people: Recordings, copy: int | None, seed: int, device: torch.device) -> Tensor:
    """The encoder's pooled vectors of everybody, (n, width); `copy` numbers an augmentation, None is without one."""
    found = []
    for number, part in enumerate(torch.arange(len(people)).split(128)):
        ecg, lead_mask, _, _ = people.take(part)
        if copy is not None:
            ecg, lead_mask = augment_ecg(ecg, lead_mask, keyed_generator(seed, "copy", copy, number))
        found.append(reader.ecg_encoder(ecg.to(device), lead_mask.to(device))[1].cpu())
    return torch.cat(found)
