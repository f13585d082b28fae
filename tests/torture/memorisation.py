"""Rows E4 and E5: copies of training patients are found, strangers are left alone, and a real run hands out none.

    python tests/torture/memorisation.py [--quick] [--report REPORT]

The detector (evaluation.memorisation) is tried on simulated hearts. These are planted copies as a poor generator would
make them, strangers, a generator that copies nobody, and one that copies a tenth. `--report` names the report.json of
an `evaluate_samples.py` run, whose numbers on a real generator are judged as well. Prints Markdown rows; --quick takes
fewer people and end-diastole alone.
"""

import argparse
import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

import numpy as np

from tests.torture.tiny import table_row

LEAST_FOUND, MOST_ALARMS, MOST_FLAGGED, AUC_WITHIN = 0.95, 0.01, 0.01, 0.02
CHANCE = 0.025  # that a row is missed by chance although the rate holds, with few people
SEEDS = {"training": 21, "held out": 22, "strangers": 23, "generated": 24}


def hearts(seed: int, people: int, phases: tuple) -> tuple[np.ndarray, np.ndarray]:
    """Phantom hearts on the grid, (n, slices, phases, height, width) uint8, and their masks."""
    from cohort.cine import CineStack
    from cohort.heart_grid import GridGeometry, heart_grid
    from phantom.heart import draw_heart
    from phantom.scanner import scan

    voxels, masks = [], []
    for index in range(people):
        images = scan(draw_heart(seed, index), phases)
        stacks = [
            [CineStack(array[..., k : k + 1], images.affine, None) for k in (0, len(phases) - 1)]
            for array in (images.voxels, images.labels)
        ]
        found = heart_grid(*stacks[0], *stacks[1], GridGeometry(phases=2), "phantom")
        voxels.append(np.round(found.voxels[:, : len(phases)] * 255).astype(np.uint8))
        masks.append(found.mask[:, : len(phases)])
    return np.stack(voxels), np.stack(masks)


def most_by_chance(rate: float, people: int) -> int:
    """The count that is exceeded with a probability below CHANCE, among so many people at this rate."""
    from scipy.stats import binom

    return int(binom.ppf(1 - CHANCE, people, rate))


def detector(people: dict, seed: int) -> list[bool]:
    """E4: shares of planted copies and of strangers below the threshold from held-out people."""
    from evaluation.heart_distances import pixel_distances
    from evaluation.memorisation import copy_scores, copy_threshold, planted_copies

    training, held_out, strangers = (people[name] for name in ("training", "held out", "strangers"))
    copies = planted_copies(training[0], seed), training[1]
    threshold = copy_threshold(copy_scores(pixel_distances(*held_out, *training)))
    scores = {"copies": copies, "strangers": strangers}
    scores = {name: copy_scores(pixel_distances(*bank, *training)) for name, bank in scores.items()}
    found, alarms = (scores["copies"] < threshold).mean(), int((scores["strangers"] < threshold).sum())
    count, others = len(training[1]), len(strangers[1])
    rate = max(1, int(MOST_ALARMS * (len(held_out[1]) + 1))) / (len(held_out[1]) + 1)  # what the threshold promises
    allowed = most_by_chance(rate, others)
    return [
        table_row("E4", f"{count} planted copies found", "95 %", f"{100 * found:.1f} %", found >= LEAST_FOUND),
        table_row(
            "E4",
            f"{others} strangers taken for copies",
            f"1 % (by chance at most {allowed})",
            f"{alarms} ({100 * alarms / others:.1f} %)",
            alarms <= allowed,
        ),
    ]


def generators(people: dict, seed: int, within: float) -> list[bool]:
    """E5: a generator that copies nobody, and one that copies training hearts a tenth of the time."""
    from evaluation.heart_distances import pixel_distances
    from evaluation.memorisation import audit, planted_copies

    training, held_out, generated = (people[name] for name in ("training", "held out", "generated"))
    some = slice(0, max(1, len(generated[1]) // 10))
    copies = planted_copies(training[0][some], seed + 1), training[1][some]
    planted = planted_copies(training[0][: len(held_out[1])], seed), training[1][: len(held_out[1])]
    mixed = tuple(np.concatenate([a, b[len(a) :]]) for a, b in zip(copies, _as_float(generated), strict=True))
    honest = audit(pixel_distances, _as_float(generated), training, held_out, planted, seed=seed)
    partly = audit(pixel_distances, mixed, training, held_out, planted, seed=seed)
    share = len(copies[1]) / len(mixed[1])
    allowed = most_by_chance(MOST_FLAGGED, len(generated[1])) / len(generated[1])
    low, high = honest["auc_ci"]
    return [
        table_row(
            "E5",
            f"a generator that copies nobody: AUC ({len(generated[1])} hearts)",
            f"0.50 +- {within:.2f}",
            f"{honest['auc']:.3f} ({low:.3f} to {high:.3f})",
            abs(honest["auc"] - 0.5) <= within,
        ),
        table_row(
            "E5",
            "the same: share flagged",
            f"1 % (by chance at most {100 * allowed:.1f} %)",
            f"{100 * honest['fraction']:.1f} %",
            honest["fraction"] <= allowed,
        ),
        table_row(
            "E5",
            f"a generator of which {100 * share:.0f} % are copies: share flagged",
            f"{95 * share:.1f} to {100 * (share + allowed):.1f} %",
            f"{100 * partly['fraction']:.1f} %",
            0.95 * share <= partly["fraction"] <= share + allowed,
        ),
    ]


def _as_float(bank: tuple) -> tuple:
    return bank[0].astype(np.float32) / 255, bank[1]


def real_run(report: Path | None) -> list[bool]:
    """The numbers of a generator, from the report of its evaluation."""
    if report is None:
        print("| E5 | a real run | - | not judged: name its report.json with --report |")
        return []
    figures = json.loads(report.read_text())["memorisation"]
    low, high = figures["auc_ci"]
    name = f"a real run ({figures['n']} hearts of {report})"
    auc, fraction = figures["auc"], figures["fraction"]
    power, alarms = figures["detector_tpr"], figures["threshold_fpr"]
    reached = f"{auc:.3f} ({low:.3f} to {high:.3f})"
    return [
        table_row("E4", f"{name}: planted copies found", "95 %", f"{100 * power:.1f} %", power >= LEAST_FOUND),
        table_row("E4", f"{name}: strangers flagged", "1 %", f"{100 * alarms:.1f} %", alarms <= MOST_ALARMS),
        table_row("E5", f"{name}: AUC", "0.50 +- 0.02", reached, abs(auc - 0.5) <= AUC_WITHIN),
        table_row("E5", f"{name}: share flagged", "1 %", f"{100 * fraction:.1f} %", fraction <= MOST_FLAGGED),
    ]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--report", type=Path)
    options = parser.parse_args()
    counts = (30, 30, 30, 30) if options.quick else (300, 300, 300, 300)
    phases = (0.0,) if options.quick else (0.0, "es")
    people = {name: hearts(SEEDS[name], count, phases) for name, count in zip(SEEDS, counts, strict=True)}
    met = detector(people, seed=0)
    # banks of 30 people: the AUC has a standard error of about 0.05
    met += generators(people, seed=0, within=0.10 if options.quick else AUC_WITHIN)
    return int(not all([*met, *real_run(options.report)]))


if __name__ == "__main__":
    sys.exit(main())
