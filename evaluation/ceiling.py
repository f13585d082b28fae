"""The ceiling stored with a pipeline: phenotypes predicted from ECG and person directly, without any heart."""

from pathlib import Path

import numpy as np
import torch

from cohort.phenotypes import PHENOTYPES
from models.code_regressor import CodeRegressor
from models.conditioning import HeartConditioner
from models.ecg_encoder import ECGEncoder
from sampling.patients import Patient, patient_batch
from sampling.pipeline import load_part


@torch.no_grad()
def predict_phenotypes(folder: Path, patients: list[Patient], device: torch.device, batch: int = 64) -> np.ndarray:
    """(n, K) PHENOTYPES in their own units, NaN for those the ceiling was not taught.

    Args:
        folder: the pipeline's ceiling/, with an ECG encoder and a conditioner.

    Raises:
        InputError: a part is missing or damaged.
    """
    encoder = load_part(ECGEncoder, folder / "ecg_encoder")
    regressor = CodeRegressor(encoder, load_part(HeartConditioner, folder / "conditioner")).to(device).eval()
    about = regressor.conditioner.config
    columns = [PHENOTYPES.index(name) for name in about.phenotypes]
    predicted = np.full((len(patients), len(PHENOTYPES)), np.nan)
    for first in range(0, len(patients), batch):
        given = patient_batch(patients[first : first + batch]).to(device)
        _, summary = regressor(*vars(given).values())
        standard = regressor.conditioner.predicted(summary).cpu().numpy()  # (B, K)
        standard = standard[:, : len(columns)]  # motion numbers follow
        predicted[first : first + batch, columns] = standard * about.phenotype_std + about.phenotype_mean
    return predicted
