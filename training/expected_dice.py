"""What the Dice that a segmenter expects means: it is held against the Dice of hearts of an unseen kind.

Half of these hearts are as drawn, half are damaged. Every other heart fits the curve, the rest tell how good it is.
"""

from dataclasses import dataclass

import numpy as np
import scipy
import torch
from torch import Tensor

from cohort.intensity import as_unit
from cohort.labelled_hearts import LabelledHearts
from models.confidence import calibrated, expected_dice_of_heart
from models.segmenter import Segmenter

from .damaged_slices import DAMAGES, damaged
from .order import keyed_generator

BINS = 12
POOR = 0.7  # a Dice below it is a failure
Curve = tuple[tuple[float, ...], tuple[float, ...]]


@dataclass(frozen=True)
class Belief:
    """What was expected of n label maps, and what was found.

    Attributes:
        expected, found: (n,) Dice. undamaged: (n,) bool, whether the images were as drawn.
        fits: (n,) bool, whether the heart fits the curve; the others tell how good it is.
    """

    expected: np.ndarray
    found: np.ndarray
    undamaged: np.ndarray
    fits: np.ndarray

    def of(self, rows: np.ndarray) -> "Belief":
        """Those of some rows."""
        return Belief(self.expected[rows], self.found[rows], self.undamaged[rows], self.fits[rows])


@torch.no_grad()
def measured_belief(segmenter: Segmenter, hearts: LabelledHearts, side: int, seed: int, device: torch.device) -> Belief:
    """Expected and true Dice of each heart at each moment, twice: as drawn, and damaged in one way or another."""
    rows, kinds = [], len(hearts.about["kinds"])
    for number, heart in enumerate(hearts):
        generator = keyed_generator(seed, "damage", number)
        first = [(size - side) // 2 for size in heart.images.shape[2:]]
        window = tuple(slice(start, start + side) for start in first)
        for frame in range(heart.images.shape[1]):
            slices = torch.from_numpy(as_unit(heart.images[heart.acquired, frame][:, *window])).unsqueeze(1)
            labels = torch.from_numpy(np.array(heart.labels[heart.acquired, frame][:, *window])).long()
            spoiled = damaged(slices, labels, DAMAGES[(2 * number + frame) % len(DAMAGES)], generator)
            for undamaged, pair in ((True, (slices, labels)), (False, spoiled)):
                logits = segmenter(pair[0].to(device)).cpu()
                found = foreground_dice(logits.argmax(1), pair[1])
                rows.append((float(expected_dice_of_heart(logits)), found, undamaged, number // kinds % 2 == 0))
    return Belief(*(np.array(column) for column in zip(*rows, strict=True)))


def foreground_dice(predicted: Tensor, labels: Tensor) -> float:
    """Dice of LV cavity, wall and RV, weighted by size, of all slices together; 1 where neither map has any."""
    both = int((predicted > 0).sum() + (labels > 0).sum())
    return 2 * int(((predicted == labels) & (labels > 0)).sum()) / both if both else 1.0


def dice_curve(belief: Belief) -> Curve:
    """Expected and found Dice of a rising curve from 0, 0: means of BINS groups of equal size, made to rise."""
    something = belief.expected > 0
    expected, found = belief.expected[something], belief.found[something]
    groups = [group for group in np.array_split(np.argsort(expected, kind="stable"), BINS) if len(group)]
    means = [[float(column[group].mean()) for group in groups] for column in (expected, found)]
    rising = scipy.optimize.isotonic_regression(means[1], weights=[len(group) for group in groups]).x
    return tuple((0.0, *(round(float(value), 4) for value in column)) for column in (means[0], rising))


def told_belief(belief: Belief, curve: Curve) -> dict[str, float]:
    """How well the score tells the Dice: rank correlation, area under the curve of Dice < POOR, mean error."""
    score = calibrated(torch.from_numpy(belief.expected), *curve).numpy()
    poor = belief.found < POOR
    told = {"rank_correlation": float(scipy.stats.spearmanr(score, belief.found).statistic)}
    if 0 < poor.sum() < len(poor):
        above = scipy.stats.mannwhitneyu(score[~poor], score[poor]).statistic
        told["auc_poor"] = float(above / (poor.sum() * (~poor).sum()))
    told["mean_error"] = float(np.abs(score - belief.found).mean())
    told["mean_score_undamaged"], told["mean_score_damaged"] = (
        float(score[which].mean()) for which in (belief.undamaged, ~belief.undamaged)
    )
    return told | {"poor_share": float(poor.mean()), "label_maps": len(poor)}
