"""Heart codes drawn for people: what ECG and person leave possible. No heart is drawn, so many codes are cheap."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from sampling.patients import Patient, patient_batch
from sampling.pipeline import ECGToMRIPipeline, PatientBatch, sample_generator
from sampling.told_phenotypes import told_phenotypes

AT_ONCE = 64  # people
DRAWS = 128  # codes that tell a patient's numbers
DYSSYNCHRONY = "dyssynchrony"  # among the motion numbers of a code


@torch.no_grad()
def drawn_codes(
    pipeline: ECGToMRIPipeline,
    patients: PatientBatch,
    names: Sequence[str],
    draws: int,
    seed: int,
    widening: Tensor | None = None,
) -> Tensor:
    """Codes of B patients, (B, draws, K) in the cohort's SDs, on the CPU.

    Args:
        names: of the patients. With the seed and the draw's number each keys its noise.
        widening: (B,) factors of the codes' spread, as of `ECGToMRIPipeline.widening`; none if not given.
    """
    summary, known = pipeline.encode(patients, guided=False)[1], patients.known.to(pipeline.device)
    generators = [sample_generator(seed, name, draw) for name in names for draw in range(draws)]
    each = None if widening is None else widening.repeat_interleave(draws, dim=0)  # (B * draws,)
    codes = pipeline.draw_codes(
        summary.repeat_interleave(draws, dim=0), generators, known=known.repeat_interleave(draws, dim=0), widening=each
    )  # (B * draws, K)
    return codes.cpu().unflatten(0, (len(names), draws))


def expected_codes(
    pipeline: ECGToMRIPipeline, patients: Sequence[Patient], draws: int, seed: int, ecg: bool = True
) -> Tensor:
    """Codes (n, draws, K) of patients, spread wider where an ECG is unlike. `ecg` False withholds it."""
    parts = []
    for first in range(0, len(patients), AT_ONCE):
        some = patients[first : first + AT_ONCE]
        given = patient_batch(list(some), ecg=ecg)
        names = [f"expected {patient.name}" for patient in some]
        parts.append(drawn_codes(pipeline, given, names, draws, seed, pipeline.widening(given)))
    return torch.cat(parts)


def phenotypes_of_codes(pipeline: ECGToMRIPipeline, codes: Tensor) -> np.ndarray:
    """(n, draws, len(PHENOTYPES)) of codes (n, draws, K); NaN for a phenotype that the code does not hold."""
    return told_phenotypes(pipeline.conditioner, codes.flatten(0, 1)).reshape(*codes.shape[:2], -1)


@dataclass(frozen=True)
class Expected:
    """What one patient's heart is expected to measure, before any is drawn: (m, K) PHENOTYPES of m codes.

    Attributes:
        given: by ECG and person. without_ecg: by the person alone.
        dyssynchrony: (m,) by ECG and person, in SDs of those who taught; None where the codes hold no motion.
        inside: (m, frames) share of the stroke volume still inside over a beat, by ECG and person; None for stills.
    """

    given: np.ndarray
    without_ecg: np.ndarray
    dyssynchrony: np.ndarray | None = None
    inside: np.ndarray | None = None


def expected_hearts(
    pipeline: ECGToMRIPipeline, patients: Sequence[Patient], draws: int, seed: int, frames: int = 0
) -> list[Expected]:
    """What the hearts of patients are expected to measure, by `draws` codes each.

    Args:
        frames: of a beat, where hearts beat and their curves are wanted; 0 leaves these out.
    """
    given, without_ecg = (expected_codes(pipeline, patients, draws, seed, ecg) for ecg in (True, False))
    motion, nobody = pipeline.conditioner.config.motion, [None] * len(patients)
    apart, inside = nobody, nobody
    if DYSSYNCHRONY in motion:
        apart = given[..., given.shape[-1] - len(motion) + motion.index(DYSSYNCHRONY)].numpy()  # (n, m)
    if frames and pipeline.motion is not None:
        shares = pipeline.emptying(given.flatten(0, 1), frames)[1]  # (n * m, frames)
        inside = shares.cpu().unflatten(0, given.shape[:2]).numpy()
    parts = [phenotypes_of_codes(pipeline, codes) for codes in (given, without_ecg)]
    return [Expected(*one) for one in zip(*parts, apart, inside, strict=True)]
