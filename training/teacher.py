"""The teacher's hearts: what a student of a pipeline learns from."""

from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor

from cohort.prepared import PreparedCohort
from sampling.patients import patient_batch, prepared_patients
from sampling.pipeline import ECGToMRIPipeline, guided

from .distillation import FlowSampler
from .objectives import dropped, without_some_fields
from .order import keyed_generator, rows_of_step


def heart_maker(
    teacher: ECGToMRIPipeline, steps: int, cohort: PreparedCohort, split: str, dropout: float, seed: int
) -> Callable[[Tensor], dict[str, Tensor]]:
    """A function that makes the pairs with given numbers (B,), as fields of training.distillation.Pairs.

    They are the hearts the pipeline itself would make: same codes, noise, sampler and guidance. So the student learns
    the guided flow by a single pass (Meng 2023, section 3.1, at one scale).

    Args:
        steps: of the teacher's sampler. split: of the people, who take turns.
        dropout: probability with which ECG and person are withheld, independently.
    """
    rows, scale = torch.from_numpy(cohort.rows(split)), teacher.config.guidance_scale
    sampler, places = FlowSampler(teacher.scheduler, steps), teacher.places.to(teacher.device)

    @torch.no_grad()
    def make(numbers: Tensor) -> dict[str, Tensor]:
        batch, generators = len(numbers), [keyed_generator(seed, "pair", split, n) for n in numbers.tolist()]
        people = torch.cat([rows_of_step(rows, 1, number, seed) for number in numbers.tolist()])
        withholding = [keyed_generator(seed, "present", n) for n in numbers.tolist()]
        draws = [dropped(1, dropout, generator) for generator in withholding]
        ecg_present, person_present = (torch.cat(part) for part in zip(*draws, strict=True))
        patients = patient_batch(prepared_patients(cohort, people.numpy()))
        patients = replace(patients, ecg_present=ecg_present, person_present=person_present)
        if dropout:
            told = zip(patients.person.split(1), withholding, strict=True)
            patients = replace(patients, person=torch.cat([without_some_fields(*one) for one in told]))
        tokens, condition, _ = teacher.condition(patients, generators, scale)  # of B, or 2 B with the empty condition
        passes = len(condition) // batch
        noise = teacher.starting_noise(generators)

        def velocity(points: Tensor, sigma: Tensor) -> Tensor:
            points, sigma = points.repeat(passes, 1, 1, 1, 1), sigma.repeat(passes)
            predicted = teacher.denoiser(points, sigma, places.repeated(len(points)), tokens, condition)
            return guided(predicted, batch, scale)

        latents = sampler.until(steps, velocity, noise)
        halves = {"noise": noise.half(), "latents": latents.half(), "tokens": tokens[:batch].half()}
        return halves | {"condition": condition[:batch]}

    return make
