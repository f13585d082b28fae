"""A segmenter for real hearts that sees simulated ones only: their contrast, place and scanner are randomised.

Its weights are chosen on simulated hearts of an UNSEEN kind: other people, scanners, shapes and contrast than those it
learns from. Its own kind would reward learning the phantom (ukb.md: real hearts gained for 500 steps, then lost).
"""

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
from accelerate import Accelerator
from accelerate.utils import set_seed
from torch import Generator, Tensor, nn

from cohort.cine import Label
from cohort.errors import InputError
from cohort.intensity import as_unit
from cohort.labelled_hearts import CHOSEN_BY, LEARNED_FROM, LabelledHearts
from cohort.phenotypes import dice
from models.segmenter import Segmenter
from sampling.model_folder import SIMULATED

from .expected_dice import dice_curve, measured_belief, told_belief
from .fit import Task, fit
from .randomised_slices import placed, reseen, strewn
from .recipe import Recipe
from .run import Run, finish, is_finished, told_finished
from .segmenter import segmentation_loss
from .session import Session

WIDTHS = (16, 32, 64, 96)
SEEN_AT_ONCE = 64  # slices of a validation batch
BEST = "unseen_error"
EVALUATE_EVERY = 200
Kinds = dict[str, tuple[Tensor, Tensor]]


def randomised_recipe(steps: int, learning_rate: float = 2e-3) -> Recipe:
    return Recipe(steps, learning_rate, ema_decay=0.995, evaluate_every=EVALUATE_EVERY, checkpoint_every=250)


def learn_from_folder(folder: Path, recipe: Recipe, accelerator: Accelerator, seed: int, batch: int) -> None:
    """`learn_randomised` from the hearts that lie in the run's folder."""
    hearts, unseen = LabelledHearts(folder / LEARNED_FROM), LabelledHearts(folder / CHOSEN_BY)
    learn_randomised(hearts, unseen, folder, recipe, accelerator, seed, batch)


def learn_randomised(
    hearts: LabelledHearts,
    unseen: LabelledHearts,
    folder: Path,
    recipe: Recipe,
    accelerator: Accelerator,
    seed: int,
    batch: int,
    side: int = 96,
    widths: tuple[int, ...] = WIDTHS,
) -> None:
    """Train a segmenter into folder/model, and write its Dice on the unseen kinds to folder/report.json.

    The weights are those of the step with the best mean Dice over the unseen kinds. An interrupted run continues, and a
    finished one is left as it is.

    Args:
        hearts: to learn from. unseen: to choose the weights by, of other kinds.
        batch: slices per process and step. side: of the square that is learned from, in pixels.

    Raises:
        InputError: a kind is in both.
    """
    require_other_kinds(hearts, unseen)
    taught = {name: hearts.about[name] for name in ("hearts", "seed", "kinds")}
    chosen_by = {name: unseen.about[name] for name in ("hearts", "seed", "kinds")}
    about = {"batch": batch, "seed": seed, "side": side, "widths": list(widths)}
    settings = {**asdict(recipe), **about, "taught": taught, "chosen_by": chosen_by}
    if is_finished(folder, settings):
        accelerator.print(told_finished(folder))
        return
    run = Run(folder, settings, accelerator.is_main_process, lengths=("steps",))
    session = Session(run, recipe, accelerator, seed)
    set_seed(seed)
    segmenter = Segmenter(widths=widths, trained_on=SIMULATED)
    task = _task(session, segmenter, hearts, slices_by_kind(unseen, side), batch, side)
    segmenter = fit(task, session)
    if session.main:
        report = task.evaluate(segmenter, recipe.steps)
        report |= _learn_belief(segmenter, unseen, side, seed, session.device)
        finish(run, segmenter, report)
        print("segmenter on unseen kinds: " + ", ".join(f"{k} {v:.3f}" for k, v in report.items()))
    accelerator.wait_for_everyone()


def _learn_belief(
    segmenter: Segmenter, unseen: LabelledHearts, side: int, seed: int, device: torch.device
) -> dict[str, float]:
    """Give the segmenter its curve of expected Dice, and tell how good it is on the hearts that did not fit it."""
    belief = measured_belief(segmenter, unseen, side, seed, device)
    curve = dice_curve(belief.of(belief.fits))
    segmenter.register_to_config(dice_expected=curve[0], dice_found=curve[1])
    return {f"belief_{name}": value for name, value in told_belief(belief.of(~belief.fits), curve).items()}


def require_other_kinds(hearts: LabelledHearts, unseen: LabelledHearts) -> None:
    """Refuse to choose weights on what they learn from."""
    both = sorted(set(hearts.about["kinds"]) & set(unseen.about["kinds"]))
    if both:
        raise InputError(unseen.folder, f"holds a kind that is learned from ({both[0]})", "draw other kinds")


def _task(session: Session, segmenter: Segmenter, hearts: LabelledHearts, unseen: Kinds, batch: int, side: int) -> Task:
    device = session.device

    def loss_of(wrapped: nn.Module, step: int) -> tuple[Tensor, dict[str, Tensor]]:
        generator = session.generator("randomised segmenter", step)
        slices, labels = placed(*drawn_slices(hearts, batch, generator), (side, side), generator)
        seen = reseen(strewn(slices, labels, generator), generator)
        loss = segmentation_loss(wrapped(seen.to(device)), labels.to(device))
        return loss, {"segmentation_loss": loss.detach()}

    def evaluate(trained: nn.Module, step: int) -> dict[str, float]:
        return unseen_dice(trained, unseen, device)

    return Task("randomised segmenter", segmenter, loss_of, evaluate, best=BEST)


def drawn_slices(hearts: LabelledHearts, count: int, generator: Generator) -> tuple[Tensor, Tensor]:
    """`count` random acquired slices of random hearts: (count, 1, height, width) in [0, 1], and labels as int64."""
    images, labels = [], []
    for number in torch.randint(len(hearts), (count,), generator=generator).tolist():
        heart = hearts[number]
        there = np.flatnonzero(heart.acquired)
        place, frame = (
            int(torch.randint(high, (1,), generator=generator)) for high in (len(there), heart.images.shape[1])
        )
        images.append(heart.images[there[place], frame])
        labels.append(heart.labels[there[place], frame])
    slices = torch.from_numpy(as_unit(np.stack(images))).unsqueeze(1)
    return slices, torch.from_numpy(np.stack(labels)).long()


def slices_by_kind(hearts: LabelledHearts, side: int) -> Kinds:
    """The middle `side` pixels of every acquired slice, by kind: slices (n, 1, side, side) and labels."""
    kinds = {kind: ([], []) for kind in hearts.about["kinds"]}
    for number, heart in enumerate(hearts):
        first = [(size - side) // 2 for size in heart.images.shape[2:]]
        middle = (heart.acquired, slice(None), *(slice(start, start + side) for start in first))
        for kept, array in zip(kinds[hearts.kind(number)], (heart.images, heart.labels), strict=True):
            kept.append(array[middle].reshape(-1, side, side))
    arrays = {kind: [np.concatenate(kept) for kept in pair] for kind, pair in kinds.items()}
    return {
        kind: (torch.from_numpy(as_unit(images)).unsqueeze(1), torch.from_numpy(labels).long())
        for kind, (images, labels) in arrays.items()
    }


@torch.no_grad()
def unseen_dice(segmenter: Callable[[Tensor], Tensor], kinds: Kinds, device: torch.device) -> dict[str, float]:
    """Dice of each structure by kind, over all slices of the kind together; and BEST, 1 - their mean."""
    found: dict[str, float] = {}
    for number, (slices, labels) in enumerate(kinds.values()):
        parts = [segmenter(part.to(device)).argmax(1).cpu() for part in slices.split(SEEN_AT_ONCE)]
        predicted = torch.cat(parts).numpy()
        for label in list(Label)[1:]:
            found[f"dice_{label.name.lower()}_{number}"] = dice(predicted, labels.numpy(), label)
    return found | {BEST: 1 - float(np.mean(list(found.values())))}
