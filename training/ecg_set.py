"""People with an ECG and the heart codes to be predicted from it, of one cohort or of several."""

from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from cohort.ecg_cohort import ECGCohort
from cohort.prepared import PreparedCohort
from cohort.subjects import split_of
from models.conditioning import HeartConditioner

from .motion_targets import standardised_motion
from .targets import standardised_phenotypes


@dataclass(frozen=True)
class EcgSet:
    """n people.

    Attributes:
        cohorts: each with arrays ecg (N, 12, samples), lead_mask (N, 12) and person (N, 4 + F).
        places: (n, 2) number of the cohort, and row in it.
        codes: (n, K) standardised, NaN where unknown.
    """

    cohorts: tuple
    places: Tensor
    codes: Tensor

    @classmethod
    def of(cls, *sources: tuple) -> "EcgSet":
        """Join (cohort, rows (n,), codes (n, K)) of several cohorts."""
        places = [
            torch.stack([torch.full((len(rows),), number), torch.as_tensor(rows)], dim=1)
            for number, (_, rows, _) in enumerate(sources)
        ]
        cohorts, _, codes = zip(*sources, strict=True)
        return cls(cohorts, torch.cat(places), torch.cat(codes))

    def take(self, which: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """ecg (B, 12, samples), lead_mask (B, 12), person (B, 4 + F) and codes (B, K) of `which` (B,)."""
        parts = []
        for number, row in self.places[which].tolist():
            cohort = self.cohorts[number]
            parts.append([torch.tensor(a[row]) for a in (cohort.ecg, cohort.lead_mask, cohort.person)])
        ecg, lead_mask, person = (torch.stack(part) for part in zip(*parts, strict=True))
        return ecg.float(), lead_mask, person, self.codes[which]

    def persons(self) -> Tensor:
        """person (n, 4 + F) of everybody, without reading an ECG."""
        return torch.stack([torch.tensor(self.cohorts[number].person[row]) for number, row in self.places.tolist()])

    def first(self, count: int) -> "EcgSet":
        """The first `count` of them."""
        return replace(self, places=self.places[:count], codes=self.codes[:count])

    def __len__(self) -> int:
        return len(self.places)


def training_ecgs(
    cohort: PreparedCohort,
    codes: Tensor,
    extra_ecgs: ECGCohort | None,
    conditioner: HeartConditioner,
    motion: np.ndarray | None = None,
) -> EcgSet:
    """All people whose ECG may be learned from: the cohort's training people, then those of `extra_ecgs`.

    A folder of further ECGs may hold validation and test people of the cohort too. None of them is taken.

    Args:
        codes: (N, K) of the cohort, the conditioner's phenotypes first (training.targets).
        extra_ecgs: n further people, or None. The conditioner's phenotypes are known of them.
        motion: (n, M) their motion numbers, in their own units; None where nothing is known of it.
    """
    rows = cohort.rows("train")
    sources = [(cohort, rows, codes[rows])]
    if extra_ecgs is not None:
        rows = np.flatnonzero([split_of(int(eid)) == "train" for eid in extra_ecgs.eid])
        known = standardised_phenotypes(extra_ecgs.phenotypes, conditioner)  # (n, K)
        known = functional.pad(known, (0, codes.shape[1] - known.shape[1]), value=torch.nan)
        if motion is not None:
            known[:, -motion.shape[1] :] = standardised_motion(motion, conditioner)
        sources.append((extra_ecgs, rows, known[rows]))
    return EcgSet.of(*sources)


def validation_ecgs(cohort: PreparedCohort, codes: Tensor) -> EcgSet:
    """The cohort's validation people, whose loss decides when learning stops; codes: (N, K) of the cohort."""
    rows = cohort.rows("validation")
    return EcgSet.of((cohort, rows, codes[rows]))
