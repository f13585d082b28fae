from dataclasses import replace

import numpy as np
import torch

from cohort.phenotypes import PHENOTYPES
from models.conditioning import HeartConditioner
from models.segmenter import Segmenter
from training import code_correction as module
from training.code_correction import code_correction
from training.targets import standardised_phenotypes

NAMES = ("LVEDV", "LVEF", "LVM")


def fitted(prepared, monkeypatch, shrunk):
    """Of a segmenter that finds `shrunk` times the SDs of the true phenotypes, on a cohort of held-out people too."""
    known = prepared.phenotypes[:, [PHENOTYPES.index(name) for name in NAMES]]
    about = {"phenotype_mean": known.mean(0).tolist(), "phenotype_std": known.std(0).tolist()}
    conditioner = HeartConditioner(width=16, phenotypes=NAMES, **about)
    codes = standardised_phenotypes(prepared.phenotypes, conditioner)
    rows = iter(prepared.rows("validation"))
    monkeypatch.setattr(module, "FEWEST_HEARTS", 2)
    found = {"LVEDV": 0, "LVM": 2}
    finds = lambda *given: np.array([shrunk * float(codes[given[0]][found[name]]) for name in given[1]])  # noqa: E731
    monkeypatch.setattr(module, "in_sds", lambda _s, _h, _g, _c, names: finds(next(rows), names))
    return code_correction(prepared, codes, conditioner, Segmenter((8, 16)), main=False)


def test_what_follows_from_other_phenotypes_is_not_corrected(prepared, monkeypatch):
    correction = fitted(prepared, monkeypatch, 1.0)
    assert correction.config.corrected == ("LVEDV", "LVM") and correction.config.places == (0, 2)


def test_the_segmenters_own_slope_is_not_corrected(prepared, monkeypatch):
    correction = fitted(prepared, monkeypatch, 0.8)
    torch.testing.assert_close(correction.seen, torch.tensor([[0.8, 0.0], [0.8, 0.0]]), atol=1e-4, rtol=0)


def test_a_code_without_phenotypes_has_no_correction(prepared):
    bare = HeartConditioner(width=16, components=3)
    codes = torch.zeros(len(prepared.eid), 3)
    assert code_correction(replace(prepared), codes, bare, Segmenter((8, 16)), main=False) is None
