"""Few functions of ours stand between a script and the network: whoever reads the one soon reads the other."""

import inspect
import itertools
from pathlib import Path

import pytest
import torch
from accelerate import Accelerator

from cohort.pseudonym import Naming
from evaluation.heart_sampler import HeartSampler
from phantom.cohort_writer import ecg_path
from sampling.options import SampleOptions
from tests.short_training import shorten
from training.options import DiffusionOptions, StageSteps
from training.stages import STAGES, Training, with_lengths

ROOT = Path(__file__).parents[1]
ENDS = 2  # main of a script above these, the denoiser's forward below


@pytest.fixture
def frames(monkeypatch):
    """Our own functions on the stack whenever the denoiser is asked."""
    seen = []

    def look(module, given):
        own = []
        for frame in inspect.stack():
            path = Path(frame.filename)
            if ROOT in path.parents and ".venv" not in path.parts and "tests" not in path.relative_to(ROOT).parts:
                own.append(f"{path.relative_to(ROOT)}:{frame.function}")
        seen.append(own)

    def watch(denoiser):
        denoiser.register_forward_pre_hook(look)
        return seen

    return watch


def test_sampling_has_four(frames, tiny_pipeline, phantom_data, tmp_path):
    tiny_pipeline.save(tmp_path / "pipeline")
    options = SampleOptions(ecg=None, output=tmp_path / "out", samples=1, steps=1)
    sampler = HeartSampler.open(options, tmp_path / "pipeline", Naming(None), torch.device("cpu"))
    seen = frames(sampler.pipeline.denoiser)
    for _ in sampler.draw([sampler.read(ecg_path(phantom_data, 0))]):
        pass
    assert len(seen) == 1 and ENDS + len(seen[0]) <= 4, seen


def test_training_has_five(frames, prepared, tmp_path, monkeypatch):
    shorten(monkeypatch)
    steps = StageSteps(autoencoder=1, segmenter=1, ceiling=1, condition=1, prior=1)
    places = {name: tmp_path / name for name in ("output", "autoencoder", "segmenter")}
    options = DiffusionOptions(**places, preset="nano", steps=1, stage_steps=steps, hearts_per_batch=2)
    job = Training(with_lengths(options, "cpu"), Accelerator(cpu=True), prepared, watch=lambda step: None)
    for _, learn in itertools.takewhile(lambda stage: stage[0] != "denoiser", STAGES.items()):
        learn(job)
    seen = frames(job.denoiser)
    STAGES["denoiser"](job)
    assert ENDS + len(seen[0]) <= 5, seen[0]
