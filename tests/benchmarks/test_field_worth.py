"""What a field is worth is seen where it decides a phenotype, and where it decides none."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from benchmarks import told_by_field
from cohort.phenotypes import PHENOTYPES

PEOPLE = 400


@pytest.fixture
def people():
    """LV mass is written in the field alone, LVEDV in nothing."""
    rng = np.random.default_rng(0)
    field, noise = rng.normal(size=(2, PEOPLE))
    phenotypes = np.full((PEOPLE, len(PHENOTYPES)), np.nan, np.float32)
    phenotypes[:, PHENOTYPES.index("LVM")] = 100 + 20 * field
    phenotypes[:, PHENOTYPES.index("LVEDV")] = 150 + 30 * noise
    four = rng.normal((0.5, 60, 170, 80), (0.5, 8, 9, 12), (PEOPLE, 4))
    splits = {"train": np.arange(300), "validation": np.arange(300, PEOPLE)}
    return SimpleNamespace(
        preparation=SimpleNamespace(sampling_rate=250, duration_s=10.0),
        rows=splits.__getitem__,
        person=np.column_stack([four, 140 + 20 * field]).astype(np.float32),
        phenotypes=phenotypes,
        pooled=0.1 * torch.randn(PEOPLE, 128, generator=torch.Generator().manual_seed(0)),
    )


def test_a_field_that_decides_a_phenotype_is_worth_it_and_costs_little_withheld(people, monkeypatch):
    monkeypatch.setattr(told_by_field, "STEPS", 250)
    told, plain = (
        told_by_field.learned(people, ("sbp",), 0),
        told_by_field.learned(told_by_field.of_four(people), (), 0),
    )
    known = told_by_field.squared_errors(told, people)
    withheld = told_by_field.squared_errors(told, told_by_field.without(people))
    bare = told_by_field.squared_errors(plain, told_by_field.of_four(people))
    more, sd = told_by_field.gain(bare["LVM"][None], known["LVM"][None])
    assert more > 0.4 and more > 5 * sd > 0
    assert abs(told_by_field.gain(bare["LVEDV"][None], known["LVEDV"][None])[0]) < 0.2
    assert abs(told_by_field.gain(bare["LVM"][None], withheld["LVM"][None])[0]) < 0.3
    assert known["LVM"].mean() < 0.4 < withheld["LVM"].mean()
