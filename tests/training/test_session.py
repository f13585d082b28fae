"""A stage's session: who sees what at a step, where metrics go, and that nothing of the CPU meets the device."""

import errno
import json
from contextlib import nullcontext
from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch
from accelerate import Accelerator
from accelerate.tracking import GeneralTracker

from cohort.errors import InputError
from models.autoencoder import SliceAutoencoder
from models.code_regressor import CodeRegressor
from models.segmenter import Segmenter
from training.accelerator import start_accelerator
from training.autoencoder import reconstruction
from training.code_head import code_head
from training.code_prior import code_prior
from training.code_regression import code_regression
from training.denoising import BatchPlan, TrainingData, denoising
from training.ecg_set import EcgSet
from training.fit import Task, fit
from training.fit_codes import with_ecg_head
from training.recipe import Recipe
from training.run import Run
from training.segmenter import segmentation
from training.session import Session


def on(device, rank=0, ranks=1):
    """A session of a process that only says which device and which process it is."""
    accelerator = SimpleNamespace(
        device=torch.device(device), process_index=rank, num_processes=ranks, is_main_process=rank == 0
    )
    return Session(None, Recipe(1, 1e-3), accelerator, seed=0)


def test_processes_share_the_examples_of_a_step_and_draw_different_noise():
    everyone = torch.arange(8)
    one, other = (on("cpu", rank, 2) for rank in (0, 1))
    seen = torch.cat([session.rows(everyone, 2, step) for step in (0, 1) for session in (one, other)])
    assert sorted(seen.tolist()) == list(range(8))
    draws = [torch.rand(3, generator=session.generator("step", 0)) for session in (one, other, one)]
    assert torch.equal(draws[0], draws[2]) and not torch.equal(draws[0], draws[1])


# ---- The device ----


@pytest.fixture
def people(prepared):
    """Training people with codes, and networks on the meta device, where every mixture of devices is an error."""
    codes = torch.randn(len(prepared.eid), 3, generator=torch.Generator().manual_seed(0))
    rows = prepared.rows("train")
    return EcgSet.of((prepared, rows, codes[rows])), codes


def test_a_loss_of_the_denoiser_mixes_no_devices(prepared, people, tiny_parts):
    regressor = CodeRegressor(tiny_parts["ecg_encoder"], tiny_parts["conditioner"])
    latents = torch.zeros(len(prepared.eid), 3, 2, 4, 4, 4).numpy()
    data = TrainingData(prepared, latents, people[1], BatchPlan(2, 3, 0.1, 0.5))
    denoiser = tiny_parts["denoiser"].to("meta")
    task = denoising(on("meta"), denoiser, regressor, data, lambda step: None)
    loss, _ = task.loss_of(denoiser, 0)
    assert loss.is_meta


def test_a_loss_of_the_code_regressor_mixes_no_devices(people, tiny_parts):
    regressor = CodeRegressor(tiny_parts["ecg_encoder"], tiny_parts["conditioner"]).to("meta")
    task = code_regression(on("meta"), "test", regressor, people[0], people[0], 0.1, people=4)
    loss, _ = task.loss_of(regressor, 0)
    assert loss.is_meta


def test_a_loss_of_the_prior_mixes_no_devices(people, tiny_parts, monkeypatch):
    regressor = CodeRegressor(tiny_parts["ecg_encoder"], tiny_parts["conditioner"])
    pooled = torch.zeros(len(people[0]), 32)
    # read back to the CPU, which meta cannot be
    for module in ("code_prior", "pooled_ecgs"):
        monkeypatch.setattr(f"training.{module}.pooled", lambda *_, **__: pooled)
    task = code_prior(on("meta"), tiny_parts["prior"].to("meta"), regressor.to("meta"), *[people[0]] * 2, 0.1, people=4)
    loss, _ = task.loss_of(task.module, 0)
    assert loss.is_meta


def test_a_loss_of_the_head_mixes_no_devices(people, tiny_parts, monkeypatch):
    conditioner = with_ecg_head(tiny_parts["conditioner"])
    regressor = CodeRegressor(tiny_parts["ecg_encoder"], conditioner).to("meta")
    for module in ("code_head", "pooled_ecgs"):
        monkeypatch.setattr(f"training.{module}.pooled", lambda *_, **__: torch.zeros(len(people[0]), 32))
    task = code_head(on("meta"), regressor, *[people[0]] * 2, 0.1, people=4)
    loss, _ = task.loss_of(task.module, 0)
    assert loss.is_meta


def test_a_loss_of_the_autoencoder_mixes_no_devices(prepared, monkeypatch):
    monkeypatch.setattr("torch.autocast", lambda *_, **__: nullcontext())  # it knows no meta device
    task = reconstruction(on("meta"), SliceAutoencoder(8), prepared, torch.empty(0), batch=2)
    loss, _ = task.loss_of(task.module.to("meta"), 0)
    assert loss.is_meta


def test_a_loss_of_the_segmenter_mixes_no_devices(prepared):
    nobody = torch.empty(0), torch.empty(0)
    task = segmentation(on("meta"), Segmenter((8, 16)), prepared, prepared.rows("train"), nobody, batch=2)
    loss, _ = task.loss_of(task.module.to("meta"), 0)
    assert loss.is_meta


# ---- Trackers ----


class Notes(GeneralTracker):
    """A tracker that remembers."""

    name, requires_logging_directory, main_process_only = "notes", False, True

    def __init__(self):
        super().__init__()
        self.logged, self.begun, self.finished = [], 0, 0

    @property
    def tracker(self):
        return self

    def store_init_configuration(self, values):
        self.config, self.begun = values, self.begun + 1

    def log(self, values, step):
        self.logged.append((step, values))

    def finish(self):
        self.finished += 1


def test_trackers_are_given_what_metrics_jsonl_is(tmp_path):
    notes = Notes()
    accelerator = Accelerator(cpu=True, log_with=[notes])
    session = Session(Run(tmp_path, {}), Recipe(4, 1e-2, evaluate_every=2), accelerator, seed=5)

    def loss_of(module, step):
        loss = module(torch.ones(1, 2)).square().mean()
        return loss, {"loss": loss.detach()}

    task = Task("test", torch.nn.Linear(2, 1), loss_of, lambda module, step: {"error": 1.0})
    fit(task, session)
    lines = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert [(line.pop("step"), line) for line in lines] == notes.logged
    assert {name for _, values in notes.logged for name in values} >= {"loss", "learning_rate", "error"}
    assert notes.config["steps"] == 4 and notes.config["seed"] == 5
    assert (notes.begun, notes.finished) == (1, 0)
    fit(task, replace(session, run=Run(tmp_path / "next", {})))
    assert (notes.begun, notes.finished) == (2, 1)  # the stage before
    assert len(notes.logged) == 2 * len(lines)


def test_a_finished_stage_opens_no_tracker(tmp_path):
    """The same command again must leave no empty run in W&B."""
    notes = Notes()
    session = Session(Run(tmp_path, {}), Recipe(1, 1e-2), Accelerator(cpu=True, log_with=[notes]), seed=0)
    task = Task("test", torch.nn.Linear(2, 1), lambda module, step: (module(torch.ones(1, 2)).sum(), {}), lambda *_: {})
    for _ in range(2):
        fit(task, session)
    assert notes.begun == 1


def test_without_trackers_nothing_but_metrics_jsonl_is_written(tmp_path):
    session = Session(Run(tmp_path, {}), Recipe(1, 1e-2), Accelerator(cpu=True), seed=0)
    session.start_trackers("test")
    session.log(1, {"loss": 0.5})
    assert not (tmp_path / "tensorboard").exists()
    assert json.loads((tmp_path / "metrics.jsonl").read_text()) == {"step": 1, "loss": 0.5}


def test_a_tracker_that_is_not_installed_is_named_with_its_remedy(monkeypatch):
    monkeypatch.setattr("training.accelerator.get_available_trackers", lambda: [])
    with pytest.raises(InputError, match="--log-with wandb: is not installed; pip install wandb"):
        start_accelerator(("wandb",))


def test_a_tracker_that_meets_a_full_disk_is_one_line(tmp_path):
    def refuse(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device")

    accelerator = SimpleNamespace(log=refuse, init_trackers=refuse, log_with=["tensorboard"], trackers=[])
    accelerator.project_configuration = SimpleNamespace()
    session = Session(Run(tmp_path, {}), Recipe(1, 1e-3), accelerator, seed=0)
    for write in (lambda: session.log(1, {"loss": 1.0}), lambda: session.start_trackers("tiny")):
        with pytest.raises(InputError, match=r"No space left on device\): .*are free"):
            write()
