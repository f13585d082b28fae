import numpy as np
import torch

from cohort.phenotypes import PHENOTYPES
from models.conditioning import HeartConditioner
from sampling.told_phenotypes import told_phenotypes


def test_a_code_tells_phenotypes_in_their_own_units_and_nothing_of_the_others():
    conditioner = HeartConditioner(
        8, ("LVM", "LVEDV"), components=2, phenotype_mean=(100.0, 150.0), phenotype_std=(20.0, 30.0)
    )
    told = told_phenotypes(conditioner, torch.tensor([[1.0, -1.0, 9.0, 9.0], [0.0, 0.5, 9.0, 9.0]]))
    np.testing.assert_allclose(told[:, PHENOTYPES.index("LVM")], [120, 100])
    np.testing.assert_allclose(told[:, PHENOTYPES.index("LVEDV")], [120, 165])
    assert told.shape == (2, len(PHENOTYPES)) and np.isfinite(told).sum() == 4
