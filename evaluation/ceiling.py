"""The ceiling stored with a pipeline: phenotypes predicted from ECG and person directly, without a heart."""

from pathlib import Path

import numpy as np
import torch

from cohort.phenotypes import PHENOTYPES
from models.conditioning import HeartConditioner
from models.ecg_encoder import ECGEncoder
from sampling.patients import Patient, condition_of
from sampling.pipeline import load_part


@torch.no_grad()
def predict_phenotypes(folder: Path, patients: list[Patient], device: torch.device, batch: int = 64) -> np.ndarray:
    """(n, K) PHENOTYPES in their own units; NaN for those the ceiling was not trained on.

    Args:
        folder: the pipeline's ceiling/, with an ECG encoder and a conditioner.

    Raises:
        InputError: a part is missing or damaged.
    """
    encoder = load_part(ECGEncoder, folder / "ecg_encoder").to(device)
    conditioner = load_part(HeartConditioner, folder / "conditioner").to(device)
    about = conditioner.config
    columns = [PHENOTYPES.index(name) for name in about.phenotypes]
    predicted = np.full((len(patients), len(PHENOTYPES)), np.nan)
    for first in range(0, len(patients), batch):
        c = condition_of(patients[first : first + batch])
        tokens, pooled = encoder(c.ecg.to(device), c.lead_mask.to(device))
        given = (value.to(device) for value in (c.person, c.ecg_present, c.person_present))
        _, summary = conditioner(tokens, pooled, *given)
        standard = conditioner.predicted(summary).cpu().numpy()  # (B, K of the ceiling)
        predicted[first : first + batch, columns] = standard * about.phenotype_std + about.phenotype_mean
    return predicted
