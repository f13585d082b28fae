"""People and networks so small that a few steps teach them something, and ways to look at what was learned."""

import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import torch
from accelerate import Accelerator
from torch import Tensor, nn

from cohort.phenotypes import PHENOTYPES
from cohort.prepared import Preparation
from cohort.subjects import split_of
from models.code_regressor import CodeRegressor
from models.conditioning import HeartConditioner
from models.ecg_encoder import ECGEncoder
from training.ecg_set import EcgSet
from training.recipe import Recipe
from training.run import Run
from training.session import Session

SAMPLES = 250  # one second
WIDTH, CODE = 16, 2
RECIPE = Recipe(12, 3e-3, warmup=2, weight_decay=0.05, ema_decay=0.9, checkpoint_every=4, evaluate_every=2)


class Stopped(Exception):
    """Stands for a crash in the middle of a step."""


# ---- People whose code is written in their ECG and weight ----


def crowd(people: int, seed: int = 0) -> tuple[SimpleNamespace, Tensor]:
    """People of one cohort, and their codes (n, 2): the height of the beat, and the weight."""
    rng = np.random.default_rng(seed)
    codes = rng.normal(size=(people, CODE)).astype(np.float32)
    beat = np.exp(-((np.arange(SAMPLES) - 100) ** 2) / 50)
    cohort = SimpleNamespace(
        ecg=((1 + 0.5 * codes[:, :1, None]) * np.linspace(0.5, 1.5, 12)[:, None] * beat).astype(np.float16),
        lead_mask=np.ones((people, 12), bool),
        person=np.stack([np.ones(people), np.full(people, 60), np.full(people, 170), 76 + 14 * codes[:, 1]], 1),
    )
    cohort.person = cohort.person.astype(np.float32)
    return cohort, torch.from_numpy(codes)


def everybody(people: int, seed: int = 0) -> EcgSet:
    """A crowd as the set that is learned from."""
    cohort, codes = crowd(people, seed)
    return EcgSet.of((cohort, np.arange(people), codes))


def fresh_regressor(dropout: float = 0.1) -> CodeRegressor:
    """The same weights at every call."""
    torch.manual_seed(0)
    encoder = ECGEncoder(duration_s=1.0, width=WIDTH, layers=1, heads=2, dropout=dropout)
    return CodeRegressor(encoder, HeartConditioner(width=WIDTH, components=CODE, with_ecg_head=True))


# ---- People with phenotypes ----


def measured_people(count: int, seed: int) -> SimpleNamespace:
    """Arrays of people with an ECG of one second and every phenotype: mean 100, SD 20."""
    rng = np.random.default_rng(seed)
    return SimpleNamespace(
        ecg=rng.normal(size=(count, 12, SAMPLES)).astype(np.float16),
        lead_mask=np.ones((count, 12), bool),
        person=rng.normal([0.5, 60, 170, 80], [0.1, 8, 9, 12], (count, 4)).astype(np.float32),
        phenotypes=rng.normal(100, 20, (count, len(PHENOTYPES))).astype(np.float32),
        eid=np.arange(count),
    )


def cohort_of_splits() -> SimpleNamespace:
    """16 people to train on, 4 of validation, 4 of test, mixed."""
    people = measured_people(24, 0)
    split = np.array(["train", "train", "validation", "train", "test", "train"] * 4)
    people.rows = lambda name: np.flatnonzero(split == name)
    people.preparation = Preparation(duration_s=1.0)
    return people


TRAIN_EIDS = [eid for eid in range(100) if split_of(eid) == "train"]


def further_people(count: int) -> SimpleNamespace:
    """People of another cohort, all of the training split."""
    people = measured_people(count, 1)
    people.eid = np.array(TRAIN_EIDS[:count])
    return people


def phenotype_conditioner(names: tuple[str, ...] = PHENOTYPES) -> HeartConditioner:
    """A conditioner that predicts these phenotypes, in the units of `measured_people`."""
    mean, std = [100.0] * len(names), [20.0] * len(names)
    return HeartConditioner(width=8, phenotypes=names, phenotype_mean=mean, phenotype_std=std)


# ---- What was learned ----


def session_in(folder: Path, recipe: Recipe = RECIPE) -> Session:
    """A session of one process on a CPU."""
    return Session(Run(folder, {}), recipe, Accelerator(cpu=True), seed=7)


def metric(run: Run, name: str) -> list[float]:
    """Its values, in the order of the steps."""
    lines = [json.loads(line) for line in (run.folder / "metrics.jsonl").read_text().splitlines()]
    return [line[name] for line in lines if name in line]


def weights(module: nn.Module) -> dict[str, Tensor]:
    """A copy of them."""
    return {name: value.clone() for name, value in module.state_dict().items()}


def same_bits(a: dict[str, Tensor], b: dict[str, Tensor]) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


def breaks_at(monkeypatch, module, name: str, call: int) -> None:
    """The function of that name in a module fails at its `call`-th call."""
    calls, whole = [], getattr(module, name)

    def broken(*arguments):
        calls.append(name)
        if len(calls) == call:
            raise Stopped
        return whole(*arguments)

    monkeypatch.setattr(module, name, broken)
