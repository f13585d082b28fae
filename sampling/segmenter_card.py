"""The card of a segmenter that learned from simulated hearts of random contrast: how it was made, how good it is."""

import json
from pathlib import Path

from safetensors.torch import load_file

from cohort.disk import write_text
from cohort.errors import InputError

from .model_folder import WEIGHTS

CARD = """---
license: apache-2.0
library_name: diffusers
tags:
- cardiac-mri
- segmentation
- domain-randomisation
---

# Short-axis cine segmenter, from simulated hearts only

LV cavity (papillary muscles included), LV wall and RV cavity, numbered 1, 2, 3 as in ukbb_cardiac, on slices of
1.8 x 1.8 mm as the heart grid holds them. **For research. NOT FOR DIAGNOSIS.**

## Data

{taught} simulated hearts (phantom version 2, two moments each, seed {seed}), half of them with a signal drawn for each
tissue. In training each slice is placed anew, its surroundings are strewn with shapes, and another scanner is imitated
(`training/randomised_slices.py`). No person's data were used. The kinds:

{kinds}

The weights are those of the step with the best mean Dice on {chosen} hearts of other kinds, from which nothing was
learned:

{unseen_kinds}

## Recipe

`make segmenter` makes these weights again. Steps: {steps}; slices a step: {batch}; peak learning rate: {rate:g}; seed:
{seed}; channels: {widths}. {parameters:_} parameters, {megabytes:.1f} MB in half precision.

## Figures

Dice on the unseen kinds, all slices of a kind together:

| | LV cavity | wall | RV cavity |
|---|---|---|---|
{dice}

## When it is unsure

`Segmenter.confidence` tells the Dice to expect of a slice, `confidence_of_heart` that of a heart; 0 where no heart was
found. The curve behind it was fitted on half of the unseen hearts, as drawn and damaged. The damages: noise, blur,
inverted contrast, wrong turn, wrong pixel size, ghosts, faded contrast, another organ, nothing but noise. The figures
are of the other half: {maps} label maps, {poor:.0%} of them with a Dice below 0.7.

- rank correlation of score and Dice: {rank:.2f}
- area under the curve, Dice below 0.7: {auc}
- mean error of the score: {error:.3f}
- mean score: {whole:.2f} as drawn, {damaged:.2f} damaged

## Limits

- It has seen no real heart, and no pathology but the phantom's. Every figure made with it says so.
- The first and last slices of a stack are the least certain: the phantom's base is a plane without valves.
- It knows short-axis slices only, and the heart grid's orientation: RV on the left, anterior wall on top.
- A heart that differs from all phantoms in shape may be segmented wrongly with a high score.
"""
STRUCTURES = ("lv_cavity", "lv_myocardium", "rv_cavity")


def write_segmenter_card(folder: Path, run: Path) -> None:
    """Write README.md of a segmenter's folder from what its run recorded.

    Args:
        folder: holds the weights. run: holds config.json and report.json of `training.randomised_segmenter`.

    Raises:
        InputError: the run did not record what the card tells.
    """
    try:
        config, report = (
            json.loads((run / name).read_text(encoding="utf-8")) for name in ("config.json", "report.json")
        )
        text = _card(folder, config, report)
    except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
        fault = "does not record how a segmenter learned from simulated hearts"
        raise InputError(run, fault, "give the model folder of train_segmenter.py --domain-randomised") from error
    write_text(folder / "README.md", text)


def _card(folder: Path, config: dict, report: dict) -> str:
    kinds, unseen = config["taught"]["kinds"], config["chosen_by"]["kinds"]
    parameters = sum(value.numel() for value in load_file(folder / WEIGHTS).values())
    dice = [[f"{report[f'dice_{name}_{number}']:.3f}" for name in STRUCTURES] for number in range(len(unseen))]
    poor = report.get("belief_auc_poor")
    return CARD.format(
        taught=config["taught"]["hearts"],
        chosen=config["chosen_by"]["hearts"],
        kinds="\n".join(f"- {kind}" for kind in kinds),
        unseen_kinds="\n".join(f"- {kind}" for kind in unseen),
        seed=config["seed"],
        steps=config["steps"],
        batch=config["batch"],
        rate=config["learning_rate"],
        widths="-".join(map(str, config["widths"])),
        parameters=parameters,
        megabytes=(folder / WEIGHTS).stat().st_size / 1e6,
        dice="\n".join(f"| {kind} | {' | '.join(row)} |" for kind, row in zip(unseen, dice, strict=True)),
        maps=report["belief_label_maps"],
        poor=report["belief_poor_share"],
        rank=report["belief_rank_correlation"],
        auc="–" if poor is None else f"{poor:.2f}",
        error=report["belief_mean_error"],
        whole=report["belief_mean_score_undamaged"],
        damaged=report["belief_mean_score_damaged"],
    )
