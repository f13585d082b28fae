"""A training on the first few of a cohort's training people, and what its codes then tell of people held out."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
import torch
from accelerate import Accelerator

from cohort.prepared import PreparedCohort
from sampling.patients import patient_batch, prepared_patients
from sampling.pipeline import ECGToMRIPipeline, sample_generator
from training.code_regression import predict_codes
from training.ecg_set import EcgSet
from training.initial import Start
from training.options import DiffusionOptions
from training.stages import STAGES, Training, pipeline_of, with_lengths

TOLD = ("LVM", "LVEDV")
LEARNED = ("ceiling", "condition", "prior", "denoiser")


@dataclass(frozen=True)
class FewPairs(PreparedCohort):
    """A cohort of which only the first so many training people teach; the held out are the same."""

    pairs: int = 0

    @classmethod
    def of(cls, cohort: PreparedCohort, pairs: int) -> "FewPairs":
        return cls(**{f.name: getattr(cohort, f.name) for f in fields(cohort)}, pairs=pairs)

    def rows(self, split: str) -> np.ndarray:
        rows = super().rows(split)
        return rows[: self.pairs] if split == "train" else rows


def rows_of(cohort: PreparedCohort, start: Start, options: DiffusionOptions, sizes: tuple[int, ...]) -> Iterator[dict]:
    """One row for the pipeline as it is, then one for each number of pairs and each way to begin."""
    first = options.output / "as it is"
    yield {"pairs": 0, "from": "the pipeline"} | learned(
        FewPairs.of(cohort, sizes[0]), start, start, options, first, ()
    )
    for pairs in sizes:
        for way, begun in (("nothing", None), ("the pipeline", start)):
            folder = options.output / f"{pairs} {way}"
            yield {"pairs": pairs, "from": way} | learned(FewPairs.of(cohort, pairs), start, begun, options, folder)


def learned(
    cohort: PreparedCohort,
    start: Start,
    begun: Start | None,
    options: DiffusionOptions,
    folder: Path,
    stages: tuple[str, ...] = LEARNED,
) -> dict[str, float]:
    """Train, and measure on the test people what regression and prior tell; the denoiser's loss on validation people.

    Both ways use the start's autoencoder: the losses are of the same latents.

    Args:
        start: whose autoencoder is used. begun: the same, or None to begin with fresh weights.
        folder: the run's. stages: what is learned; without the denoiser its loss is unknown.
    """
    given = {f.name: getattr(options, f.name) for f in fields(DiffusionOptions)} | {"output": folder}
    chosen = with_lengths(DiffusionOptions(**given), "cpu", begun)
    training = Training(chosen, Accelerator(cpu=True), cohort, watch=lambda step: None, start=begun)
    training.autoencoder = start.pipeline.autoencoder
    for stage in ("networks", *stages):
        STAGES[stage](training)
    training.pipeline = training.pipeline or pipeline_of(training)
    rows = cohort.rows("test")
    about, truth = training.regressor.conditioner.config, training.codes[rows]
    mean = mean_codes(training.pipeline, cohort, rows, chosen.seed)
    regressed = predict_codes(
        training.regressor, EcgSet.of((cohort, rows, truth)), torch.arange(len(rows)), torch.device("cpu")
    )
    found = {"people": len(rows)}
    for name in TOLD:
        k = about.phenotypes.index(name)
        found[f"{name}, regression"] = r2(regressed[:, k], truth[:, k])
        found[f"{name}, mean of codes"] = r2(mean[:, k], truth[:, k])
    if "denoiser" not in stages:
        return found | {"flow loss": float("nan")}
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    losses = [line["validation_flow_loss"] for line in lines if "validation_flow_loss" in line]
    return found | {"flow loss": losses[-1]}


def mean_codes(
    pipeline: ECGToMRIPipeline, cohort: PreparedCohort, rows: np.ndarray, seed: int, draws: int = 16
) -> torch.Tensor:
    """(n, K) mean of so many drawn heart codes of each person, in the conditioner's SDs."""
    patients = patient_batch(prepared_patients(cohort, rows))
    summary, known = pipeline.encode(patients, guided=False)[1], patients.known.to(pipeline.device)
    drawn = [
        pipeline.draw_codes(summary, [sample_generator(seed, f"mean {row}", number) for row in rows], known=known)
        for number in range(draws)
    ]
    return torch.stack(drawn).mean(dim=0).cpu()


def r2(predicted: torch.Tensor, truth: torch.Tensor) -> float:
    """Share of the variance told, over those of whom the truth is known."""
    known = ~truth.isnan()
    error, spread = (predicted - truth)[known].square().mean(), truth[known].var(unbiased=False)
    return float(1 - error / spread)
