"""Trainings on fewer pairs: who teaches, who is measured, and what is told of them."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from benchmarks.fewer_pairs import FewPairs, learned, mean_codes, r2
from models.presets import PRESETS
from tests.short_training import shorten
from training.initial import opened_start
from training.options import DiffusionOptions, StageSteps


def test_fewer_teach_and_the_same_people_are_held_out(prepared):
    few = FewPairs.of(prepared, 5)
    assert few.rows("train").tolist() == prepared.rows("train")[:5].tolist() and len(prepared.rows("train")) > 5
    assert few.rows("test").tolist() == prepared.rows("test").tolist()
    assert few.hearts is prepared.hearts and few.folder == prepared.folder


def test_r2_is_1_for_the_truth_and_0_for_the_mean_of_those_who_are_known():
    truth = torch.tensor([1.0, 2.0, torch.nan, 6.0])
    assert r2(truth, truth) == 1 and r2(torch.full((4,), 3.0), truth) == pytest.approx(0, abs=1e-6)
    assert r2(truth.nan_to_num() + 1, truth) == pytest.approx(1 - 1 / 4.6667, abs=1e-4)


def test_codes_are_averaged_over_draws(tiny_pipeline, prepared, monkeypatch):
    cohort = replace(prepared, ecg=np.asarray(prepared.ecg[:, :, :250]))
    monkeypatch.setattr(
        type(tiny_pipeline),
        "draw_codes",
        lambda self, summary, generators, known: torch.stack([torch.randn(3, generator=g) for g in generators]),
    )
    drawn = mean_codes(tiny_pipeline, cohort, np.arange(4), seed=0, draws=400)
    assert drawn.shape == (4, 3) and drawn.abs().max() < 0.2 and drawn.abs().min() > 0


def test_both_ways_learn_the_same_steps_on_the_pipelines_latents(
    tiny_pipeline, prepared, tiny_preset, tmp_path, monkeypatch
):
    shorten(monkeypatch)
    monkeypatch.setitem(PRESETS, "nano", tiny_preset)
    (tmp_path / "cohort").mkdir()
    for name in ("hearts.npy", "prepared.json"):
        (tmp_path / "cohort" / name).symlink_to(prepared.folder / name)
    cohort = replace(prepared, folder=tmp_path / "cohort", ecg=np.asarray(prepared.ecg[:, :, :250]))
    tiny_pipeline.save(tmp_path / "start")
    start = opened_start(tmp_path / "start")
    options = DiffusionOptions(preset="nano", steps=1, stage_steps=StageSteps(1, 1, 1, 1, 1))
    rows = [
        learned(FewPairs.of(cohort, 8), start, begun, options, tmp_path / name)
        for name, begun in (("fresh", None), ("begun", start))
    ]
    assert rows[0].keys() == rows[1].keys() and rows[0]["people"] == len(prepared.rows("test"))
    assert all(np.isfinite(value) for row in rows for value in row.values())
    assert rows[0]["flow loss"] != rows[1]["flow loss"]
    as_it_is = learned(FewPairs.of(cohort, 8), start, start, options, tmp_path / "as it is", ())
    assert as_it_is.keys() == rows[0].keys() and np.isnan(as_it_is["flow loss"])
    assert not (tmp_path / "as it is" / "condition").exists()  # nothing was learned
    assert len(list((tmp_path / "cohort").glob("latents-*[0-9a-f]"))) == 1
