"""The ceiling: who it learns from, and what its score says."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from accelerate import Accelerator
from torch import nn

from cohort.phenotypes import PHENOTYPES
from cohort.prepared import Preparation
from cohort.subjects import split_of
from models.conditioning import HeartConditioner
from training.ceiling import ceiling, explained
from training.ecg_set import EcgSet, training_ecgs, validation_ecgs
from training.fit import fit
from training.recipe import Recipe
from training.run import Run
from training.session import Session
from training.targets import standardised_phenotypes

CPU = torch.device("cpu")


def people_of(count, seed):
    """Arrays of people with an ECG of one second and every phenotype."""
    rng = np.random.default_rng(seed)
    return SimpleNamespace(
        ecg=rng.normal(size=(count, 12, 250)).astype(np.float16),
        lead_mask=np.ones((count, 12), bool),
        person=rng.normal([0.5, 60, 170, 80], [0.1, 8, 9, 12], (count, 4)).astype(np.float32),
        phenotypes=rng.normal(100, 20, (count, len(PHENOTYPES))).astype(np.float32),
        eid=np.arange(count),
    )


@pytest.fixture
def cohort():
    """16 people to train on, 4 of validation, 4 of test, mixed."""
    people = people_of(24, 0)
    split = np.array(["train", "train", "validation", "train", "test", "train"] * 4)
    people.rows = lambda name: np.flatnonzero(split == name)
    people.preparation = Preparation(duration_s=1.0)
    return people


def conditioner(names=PHENOTYPES):
    mean, std = [100.0] * len(names), [20.0] * len(names)
    return HeartConditioner(width=8, phenotypes=names, phenotype_mean=mean, phenotype_std=std)


def taught(cohort, extra, conditioner):
    """Whom a ceiling of this conditioner learns from."""
    return training_ecgs(cohort, standardised_phenotypes(cohort.phenotypes, conditioner), extra, conditioner)


def phenotypes_of(people, names=PHENOTYPES):
    """The phenotypes of recordings, in their own units."""
    columns = [PHENOTYPES.index(name) for name in names]
    expected = [people.cohorts[number].phenotypes[row][columns] for number, row in people.places.tolist()]
    np.testing.assert_allclose(people.codes * 20 + 100, expected, rtol=1e-4)
    return np.array(expected)


def test_it_learns_from_the_training_people_and_stops_by_those_of_validation(cohort):
    train = taught(cohort, None, conditioner())
    held_out = validation_ecgs(cohort, standardised_phenotypes(cohort.phenotypes, conditioner()))
    assert train.places[:, 1].tolist() == cohort.rows("train").tolist()
    assert held_out.places[:, 1].tolist() == cohort.rows("validation").tolist()
    assert (len(train), len(held_out)) == (16, 4)
    phenotypes_of(train), phenotypes_of(held_out)


TRAIN_EIDS = [eid for eid in range(100) if split_of(eid) == "train"]


def further(count):
    """People of another cohort, all of the training split."""
    people = people_of(count, 1)
    people.eid = np.array(TRAIN_EIDS[:count])
    return people


def test_further_people_of_later_splits_teach_nobody(cohort):
    extra = people_of(30, 1)  # eids 0 to 29, of all three splits
    allowed = [eid for eid in TRAIN_EIDS if eid < 30]
    train = taught(cohort, extra, conditioner())
    assert 0 < len(allowed) < 30 and train.places[16:, 1].tolist() == allowed


def test_further_people_are_learned_from(cohort):
    extra = further(9)
    train = taught(cohort, extra, conditioner())
    assert train.places[:, 0].tolist() == [0] * 16 + [1] * 9
    phenotypes_of(train)
    np.testing.assert_array_equal(train.take(torch.tensor([24]))[0][0], extra.ecg[8])


def test_of_further_people_the_phenotypes_are_known_and_not_the_pictures(cohort):
    codes = torch.cat([standardised_phenotypes(cohort.phenotypes, conditioner()), torch.ones(24, 3)], dim=1)
    codes = training_ecgs(cohort, codes, further(9), conditioner()).codes
    assert codes.shape == (25, len(PHENOTYPES) + 3) and not codes[:, : len(PHENOTYPES)].isnan().any()
    assert (codes[:16, -3:] == 1).all() and codes[16:, -3:].isnan().all()


def session(folder, recipe=None):
    return Session(Run(folder, {}), recipe or Recipe(2, 1e-3), Accelerator(cpu=True), seed=0)


@pytest.mark.parametrize(("size", "people"), [(1, 1), (16, 16), (20, 20), (1000, 25), (None, 25)])
def test_of_many_so_many_are_learned_from_and_the_larger_hold_the_smaller(cohort, tiny_preset, tmp_path, size, people):
    _, train, held_out = ceiling(session(tmp_path), cohort, further(9), tiny_preset, size)
    everybody = taught(cohort, further(9), conditioner())
    assert len(train) == people and torch.equal(train.places, everybody.places[:people])
    assert len(held_out) == 4


def test_only_the_phenotypes_meant_are_taught_and_unknown_ones_stay_unknown(cohort):
    cohort.phenotypes[0, PHENOTYPES.index("LVM")] = np.nan
    train = taught(cohort, None, conditioner(("LVM", "RVEF")))
    assert train.codes.shape == (16, 2)
    assert train.codes.isnan().nonzero().tolist() == [[0, 0]]
    phenotypes_of(train, ("LVM", "RVEF"))


class Knows(nn.Module):
    """Reads the code where `written` has put it; `share` of it, and so much noise."""

    def __init__(self, share=1.0, noise=0.0):
        super().__init__()
        self.share, self.noise = share, noise
        self.conditioner = SimpleNamespace(config=conditioner().config, predicted=lambda summary: summary)

    def forward(self, ecg, *_):
        code = ecg[:, 0, : len(PHENOTYPES)]
        return None, self.share * code + self.noise * torch.randn(code.shape)


def written(count=600, unknown=0):
    """People whose codes stand in the first samples of their first lead; a few phenotypes unknown."""
    people = people_of(count, 2)
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
    where = session(tmp_path, Recipe(2, 1e-3, warmup=1, checkpoint_every=2, evaluate_every=1))
    task, train, held_out = ceiling(where, cohort, people_of(3, 1), tiny_preset, 10)
    regressor = fit(task, where)
    known = tuple(name for name in PHENOTYPES if name != "LVSV")
    assert regressor.conditioner.config.phenotypes == known and regressor.conditioner.code_length == len(known)
    assert len(train) == 10 and len(held_out) == 4
    assert set(explained(regressor, held_out, CPU)) == set(known)
    assert train.codes.mean(0).abs().max() < 1.5  # standardised by the training people's statistics
    assert all(torch.equal(value, regressor.state_dict()[name]) for name, value in where.run.best().items())
