"""The ceiling stored with a pipeline: phenotypes predicted from ECG and person directly, without any heart."""

from pathlib import Path

import numpy as np
import torch

from cohort.errors import InputError
from cohort.phenotypes import PHENOTYPES
from models.code_regressor import CodeRegressor
from models.conditioning import PERSON_FIELDS, HeartConditioner
from models.ecg_encoder import ECGEncoder
from sampling.patients import Patient, patient_batch
from sampling.pipeline import load_part


def predict_phenotypes(folder: Path, patients: list[Patient], device: torch.device, batch: int = 64) -> np.ndarray:
    """(n, K) PHENOTYPES in their own units, NaN for those the ceiling was not taught.

    Args:
        folder: the pipeline's ceiling/, with an ECG encoder and a conditioner.

    Raises:
        InputError: a part is missing or damaged, or knows other further fields of the person than the patients.
    """
    predicted = np.full((len(patients), len(PHENOTYPES)), np.nan)
    for name, values in _predicted(folder, patients, device, batch).items():
        if name in PHENOTYPES:
            predicted[:, PHENOTYPES.index(name)] = values
    return predicted


def predict_motion(
    folder: Path, patients: list[Patient], device: torch.device, batch: int = 64
) -> dict[str, np.ndarray]:
    """{motion number: (n,)} in their own units; empty where the ceiling was not taught motion.

    Args, raises: as of `predict_phenotypes`.
    """
    found = _predicted(folder, patients, device, batch)
    return {name: values for name, values in found.items() if name not in PHENOTYPES}


@torch.no_grad()
def _predicted(folder: Path, patients: list[Patient], device: torch.device, batch: int) -> dict[str, np.ndarray]:
    """Every number that the ceiling regresses, by name, (n,) each."""
    encoder = load_part(ECGEncoder, folder / "ecg_encoder")
    regressor = CodeRegressor(encoder, load_part(HeartConditioner, folder / "conditioner")).to(device).eval()
    about = regressor.conditioner.config
    known = len(PERSON_FIELDS) + len(about.further_fields)
    if any(len(patient.person) != known for patient in patients):
        fault = "it knows other further fields of the person than the pipeline"
        raise InputError(folder, fault, "measure it anew with train_ceiling.py")
    rows = []
    for first in range(0, len(patients), batch):
        given = patient_batch(patients[first : first + batch]).to(device)
        _, summary = regressor(*vars(given).values())
        rows.append(regressor.conditioner.predicted(summary).cpu().numpy())  # (B, K)
    mean, std = (np.array([*about[f"phenotype_{of}"], *about[f"motion_{of}"]]) for of in ("mean", "std"))
    values = np.concatenate(rows) * std + mean
    return dict(zip((*about.phenotypes, *about.motion), values.T, strict=True))
