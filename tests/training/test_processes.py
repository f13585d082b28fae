"""Two processes that train together see other examples: one that saw its neighbour's would be for nothing."""

import contextlib

import pytest
import torch
from accelerate import Accelerator
from torch import nn

from models.autoencoder import SliceAutoencoder
from models.segmenter import Segmenter
from training.autoencoder import learn_autoencoder
from training.fit import Task, fit
from training.recipe import Recipe
from training.run import Run
from training.segmenter import learn_segmenter
from training.session import Session

RECIPE = Recipe(1, 1e-3)


class Enough(Exception):
    """The first training step has been seen."""


@pytest.fixture
def on_each_of_two(monkeypatch, tmp_path):
    """Begin the same training as process 0 and as process 1."""

    def on_each_of_two(learn):
        for rank in (0, 1):
            monkeypatch.setattr(Accelerator, "process_index", property(lambda self, rank=rank: rank))
            torch.manual_seed(0)
            with contextlib.suppress(Enough):
                learn(tmp_path / str(rank), Accelerator(cpu=True))

    return on_each_of_two


def slices_seen(monkeypatch, network, method):
    """The slices (n, 1, height, width) of the first training step of each process."""
    seen, whole = [], getattr(network, method)

    def listening(self, slices):
        if not self.training:
            return whole(self, slices)
        seen.append(slices)
        raise Enough

    monkeypatch.setattr(network, method, listening)
    return seen


def test_processes_segment_other_slices(prepared, on_each_of_two, monkeypatch):
    seen = slices_seen(monkeypatch, Segmenter, "forward")
    on_each_of_two(lambda folder, accelerator: learn_segmenter(prepared, folder, RECIPE, accelerator, 0, batch=4))
    one, other = seen
    assert (one - other).abs().amax(dim=(1, 2, 3)).min() > 0.1


def test_processes_encode_other_slices(prepared, on_each_of_two, monkeypatch):
    seen = slices_seen(monkeypatch, SliceAutoencoder, "posterior")

    def learn(folder, accelerator):
        learn_autoencoder(8, prepared, folder, RECIPE, accelerator, 0, batch=4)

    on_each_of_two(learn)
    one, other = seen
    assert (one - other).abs().amax(dim=(1, 2, 3)).min() > 0.1


def test_processes_drop_other_units_out(on_each_of_two):
    drawn = []

    def loss_of(wrapped, step):
        drawn.append(torch.rand(8))
        raise Enough

    task = Task("test", nn.Linear(1, 1), loss_of, lambda *_: {})
    on_each_of_two(lambda folder, accelerator: fit(task, Session(Run(folder, {}), RECIPE, accelerator, seed=0)))
    one, other = drawn
    assert not torch.isclose(one, other).any()
