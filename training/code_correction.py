"""Fitting the correction of told codes: how codes move together, and what the segmenter finds on true hearts."""

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from cohort.intensity import as_unit
from cohort.phenotypes import VOLUMES, WALLS
from cohort.prepared import PreparedCohort
from models.code_correction import CodeCorrection
from models.conditioning import HeartConditioner
from models.segmenter import Segmenter
from sampling.obeying import in_sds

CORRECTED = (*VOLUMES, *WALLS)  # the rest follows from them
MOST_HEARTS, FEWEST_HEARTS = 200, 20  # held-out people on whose true hearts the segmenter is looked at


def code_correction(
    cohort: PreparedCohort, codes: Tensor, conditioner: HeartConditioner, segmenter: Segmenter, main: bool = True
) -> CodeCorrection | None:
    """The correction of a pipeline's codes; None where its code holds none of CORRECTED.

    Args:
        codes: (N, K) of the cohort, in its SDs. segmenter: the pipeline's own. main: shows the progress.
    """
    names = conditioner.config.phenotypes
    corrected = tuple(name for name in names if name in CORRECTED)
    if not corrected:
        return None
    places = tuple(names.index(name) for name in corrected)
    correction = CodeCorrection(conditioner.code_length, corrected, places)
    correction.fit_directions(codes[cohort.rows("train")])
    rows = cohort.rows("validation")[:MOST_HEARTS]
    hearts = (as_unit(cohort.hearts[row]) for row in tqdm(rows, desc="segmenting true hearts", disable=not main))
    measured = [in_sds(segmenter, heart, cohort.preparation.geometry, conditioner, corrected) for heart in hearts]
    if len(measured):
        correction.fit_seen(codes[rows], torch.tensor(np.array(measured)), FEWEST_HEARTS)
    return correction.eval()
