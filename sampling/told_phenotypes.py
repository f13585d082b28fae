"""The phenotypes that a drawn heart was told to have: its heart code in the phenotypes' own units."""

import numpy as np
from torch import Tensor

from cohort.phenotypes import PHENOTYPES
from models.conditioning import HeartConditioner


def told_phenotypes(conditioner: HeartConditioner, codes: Tensor) -> np.ndarray:
    """(m, len(PHENOTYPES)) of heart codes (m, code_length); NaN for a phenotype that the code does not hold."""
    config = conditioner.config
    own = codes[:, : len(config.phenotypes)].double().cpu().numpy()
    values = own * np.asarray(config.phenotype_std) + np.asarray(config.phenotype_mean)
    told = np.full((len(codes), len(PHENOTYPES)), np.nan)
    for k, name in enumerate(config.phenotypes):
        if name in PHENOTYPES:
            told[:, PHENOTYPES.index(name)] = values[:, k]
    return told
