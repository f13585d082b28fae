"""The ceiling: how many people it learns from, and what its score says."""

import errno
import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from accelerate import Accelerator
from torch import nn

from cohort.disk import write_text
from cohort.errors import InputError
from cohort.phenotypes import PHENOTYPES
from cohort.prepared import NO_LABELS
from models.segmenter import Segmenter
from tests.training.small_people import (
    cohort_of_splits,
    further_people,
    measured_people,
    phenotype_conditioner,
    session_in,
)
from training.ceiling import ceiling, explained
from training.ecg_set import EcgSet, training_ecgs
from training.fit import fit
from training.learning_curve import measured_like_the_pipeline, point_settings, save_curve
from training.options import CeilingOptions
from training.recipe import Recipe
from training.targets import standardised_phenotypes

CPU = torch.device("cpu")


@pytest.fixture
def cohort():
    return cohort_of_splits()


@pytest.mark.parametrize(("size", "people"), [(1, 1), (16, 16), (20, 20), (1000, 25), (None, 25)])
def test_of_many_so_many_are_learned_from_and_the_larger_hold_the_smaller(cohort, tiny_preset, tmp_path, size, people):
    _, train, held_out = ceiling(session_in(tmp_path), cohort, further_people(9), tiny_preset, size)
    conditioner = phenotype_conditioner()
    codes = standardised_phenotypes(cohort.phenotypes, conditioner)
    everybody = training_ecgs(cohort, codes, further_people(9), conditioner)
    assert len(train) == people and torch.equal(train.places, everybody.places[:people])
    assert len(held_out) == 4


class Knows(nn.Module):
    """Reads the code where `written` has put it; `share` of it, and so much noise."""

    def __init__(self, share=1.0, noise=0.0):
        super().__init__()
        self.share, self.noise = share, noise
        self.conditioner = SimpleNamespace(config=phenotype_conditioner().config, predicted=lambda summary: summary)

    def forward(self, ecg, *_):
        code = ecg[:, 0, : len(PHENOTYPES)]
        return None, self.share * code + self.noise * torch.randn(code.shape)


def written(count=600, unknown=0):
    """People whose codes stand in the first samples of their first lead; a few phenotypes unknown."""
    people = measured_people(count, 2)
    people.ecg = people.ecg.astype(np.float32)
    codes = torch.from_numpy(people.ecg[:, 0, : len(PHENOTYPES)].copy())
    codes[:unknown, 0] = torch.nan
    return EcgSet.of((people, np.arange(count), codes))


@pytest.mark.parametrize("unknown", [0, 50])
def test_one_who_knows_explains_everything_and_the_mean_nothing(unknown):
    people = written(unknown=unknown)
    assert explained(Knows(), people, CPU) == pytest.approx(dict.fromkeys(PHENOTYPES, 1.0), abs=1e-6)
    assert explained(Knows(0.0), people, CPU) == pytest.approx(dict.fromkeys(PHENOTYPES, 0.0), abs=0.02)


def test_r2_of_a_known_error():
    """The share of the variance that is not noise; of half the code missed, a quarter."""
    torch.manual_seed(0)
    noisy = explained(Knows(noise=0.6), written(), CPU)
    assert noisy == pytest.approx(dict.fromkeys(PHENOTYPES, 1 - 0.36), abs=0.1)
    assert explained(Knows(0.5), written(), CPU) == pytest.approx(dict.fromkeys(PHENOTYPES, 0.75), abs=0.02)
    assert max(explained(Knows(-1.0), written(), CPU).values()) < -2.5


def test_the_ceiling_predicts_phenotypes_and_nothing_else(cohort, tiny_preset, tmp_path):
    cohort.phenotypes[:, PHENOTYPES.index("LVSV")] = np.nan
    where = session_in(tmp_path, Recipe(2, 1e-3, warmup=1, checkpoint_every=2, evaluate_every=1))
    task, train, held_out = ceiling(where, cohort, measured_people(3, 1), tiny_preset, 10)
    regressor = fit(task, where)
    known = tuple(name for name in PHENOTYPES if name != "LVSV")
    assert regressor.conditioner.config.phenotypes == known and regressor.conditioner.code_length == len(known)
    assert len(train) == 10 and len(held_out) == 4
    assert set(explained(regressor, held_out, CPU)) == set(known)
    assert train.codes.mean(0).abs().max() < 1.5  # standardised by the training people's statistics
    assert all(torch.equal(value, regressor.state_dict()[name]) for name, value in where.run.best().items())


def test_a_point_of_the_curve_depends_on_the_further_ecgs_and_on_the_phenotypes_that_teach(cohort):
    options, extra = CeilingOptions(), SimpleNamespace(folder=Path("ecgs-ecg-0a"))
    cohort.folder = Path("UKBB-1b")
    alone = point_settings(options, cohort, None)
    assert alone != point_settings(options, cohort, extra)
    cohort.phenotypes += 1
    assert point_settings(options, cohort, None) != alone


def test_without_label_maps_the_pipelines_own_segmenter_tells_what_the_ceiling_learns(
    prepared, tmp_path, monkeypatch, capsys
):
    """As in the pipeline's training. Else the ceiling would learn the few numbers of a table, or nothing."""
    maps = iter(np.array(prepared.labels))
    monkeypatch.setattr("sampling.measured_phenotypes.segment", lambda segmenter, heart: (next(maps), None))
    nobody = np.full_like(prepared.phenotypes, np.nan)
    labels = np.full_like(prepared.labels, NO_LABELS)
    cohort = replace(prepared, folder=tmp_path, labels=labels, phenotypes=nobody)
    given = (cohort, None, tmp_path, Accelerator(cpu=True))
    assert measured_like_the_pipeline(*given) == (cohort, None), "it has no segmenter"
    Segmenter((8, 16), trained_on="simulated").save_pretrained(tmp_path / "segmenter")
    known, _ = measured_like_the_pipeline(*given)
    assert np.isfinite(known.phenotypes[:, PHENOTYPES.index("LVEDV")]).all()
    assert "simulated hearts only measured them" in capsys.readouterr().out


def test_a_curve_that_cannot_be_stored_leaves_the_ceiling_as_it_was(tmp_path):
    def kept(folder, safe_serialization):
        write_text(folder, "kept")

    parts = {name: SimpleNamespace(state_dict=dict, save_pretrained=kept) for name in ("ecg_encoder", "conditioner")}
    best = SimpleNamespace(state_dict=dict, **parts)
    point = {"people": 3, "r2": {"LVEDV": float("nan")}}
    folder = save_curve(tmp_path, [(best, point)])
    assert json.loads((folder / "learning_curve.json").read_text()) == [{"people": 3, "r2": {"LVEDV": None}}]
    before = {path.name: path.read_text() for path in folder.iterdir()}

    def full(folder, safe_serialization):
        raise OSError(errno.ENOSPC, "No space left on device")

    parts["conditioner"].save_pretrained = full
    with pytest.raises(InputError, match="No space left"):
        save_curve(tmp_path, [(best, point)])
    assert {path.name: path.read_text() for path in folder.iterdir()} == before
