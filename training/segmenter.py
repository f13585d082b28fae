"""Learning to segment slices from the cohort's label maps. They are softened, as generated slices may be soft."""

from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
from accelerate import Accelerator
from accelerate.utils import set_seed
from torch import Generator, Tensor, nn
from torch.nn import functional

from cohort.cine import Label
from cohort.errors import InputError
from cohort.phenotypes import dice
from cohort.prepared import NO_LABELS, PreparedCohort
from models.segmenter import CLASSES, Segmenter

from .batch import draw_slices
from .checkpoint import digest_of
from .fit import Task, fit
from .order import keyed_generator
from .recipe import Recipe
from .run import Run, finish, is_finished, told_finished
from .session import Session
from .taken import begins, take

SLICES = 32  # per process and step
HELD_OUT_SLICES = 256


def labelled_rows(cohort: PreparedCohort) -> dict[str, np.ndarray]:
    """Rows of "train" and "validation" people with label maps."""
    labelled = np.flatnonzero(cohort.labels[:, 0, 0, 0, 0] != NO_LABELS)
    return {split: np.intersect1d(cohort.rows(split), labelled) for split in ("train", "validation")}


def segmenter_recipe(steps: int, learning_rate: float = 2e-3) -> Recipe:
    return Recipe(steps, learning_rate, ema_decay=0.99, evaluate_every=100)


def learn_segmenter(
    cohort: PreparedCohort,
    folder: Path,
    recipe: Recipe,
    accelerator: Accelerator,
    seed: int,
    batch: int = SLICES,
    trained_on: str | None = None,
    taught: Segmenter | None = None,
) -> None:
    """Train a segmenter into folder/model and write its Dice on held-out slices to folder/report.json.

    Its fresh weights depend on the seed alone, whatever was trained before. Continues an interrupted run,
    and leaves a finished one as it is.

    Args:
        batch: slices per process and step.
        trained_on: of `Segmenter`.
        taught: a trained one, whose weights it begins with; None to begin with fresh ones.

    Raises:
        InputError: no training person, or no validation person, has a label map.
    """
    rows = labelled_rows(cohort)
    if not all(map(len, rows.values())):
        raise InputError(cohort.folder.name, "has too few label maps", "put seg_sa*.nii.gz beside the MRIs")
    settings = {**asdict(recipe), "batch": batch, "seed": seed, "cohort": cohort.folder.name}
    if taught is not None:
        settings["init"] = digest_of(taught.state_dict())
    if is_finished(folder, settings):
        accelerator.print(told_finished(folder))
        return
    run = Run(folder, settings, accelerator.is_main_process, lengths=("steps",))
    session = Session(run, recipe, accelerator, seed)
    held_out = draw_slices(cohort, rows["validation"], HELD_OUT_SLICES, keyed_generator(seed, "validation slices"))
    set_seed(seed)
    segmenter = Segmenter(trained_on=trained_on)
    if taught is not None:
        accelerator.print(begins(take("segmenter", segmenter, taught)))
    task = segmentation(session, segmenter, cohort, rows["train"], held_out, batch)
    segmenter = fit(task, session)
    if session.main:
        report = task.evaluate(segmenter, recipe.steps)
        finish(run, segmenter, report)
        print("segmenter on held-out slices: " + ", ".join(f"{k} {v:.3f}" for k, v in report.items()))
    accelerator.wait_for_everyone()


def segmentation(
    session: Session,
    segmenter: Segmenter,
    cohort: PreparedCohort,
    train: np.ndarray,
    held_out: tuple[Tensor, Tensor],
    batch: int,
) -> Task:
    """The task of segmenting slices of the rows `train`; held_out: slices and labels of `draw_slices`."""
    device = session.device

    def loss_of(wrapped: nn.Module, step: int) -> tuple[Tensor, dict[str, Tensor]]:
        generator = session.generator("segmenter", step)
        slices, labels = draw_slices(cohort, train, batch, generator)
        loss = segmentation_loss(wrapped(blurred(slices, generator).to(device)), labels.to(device))
        return loss, {"segmentation_loss": loss.detach()}

    def evaluate(trained: nn.Module, step: int) -> dict[str, float]:
        return held_out_dice(trained, *held_out, device)

    return Task("segmenter", segmenter, loss_of, evaluate)


@torch.no_grad()
def held_out_dice(segmenter: nn.Module, slices: Tensor, labels: Tensor, device: torch.device) -> dict[str, float]:
    """Dice of each structure over all slices together; NaN where a structure is on none."""
    predicted = segmenter(slices.to(device)).argmax(1).cpu()
    return {f"dice_{label.name.lower()}": dice(predicted.numpy(), labels.numpy(), label) for label in list(Label)[1:]}


def segmentation_loss(logits: Tensor, labels: Tensor) -> Tensor:
    """Cross-entropy + soft Dice over the three structures (Isensee 2021, nnU-Net's pair)."""
    truth = functional.one_hot(labels, CLASSES).movedim(-1, 1).float()  # (N, 4, H, W)
    share = logits.softmax(dim=1)
    overlap = (share * truth).sum(dim=(0, 2, 3))[1:]
    total = (share + truth).sum(dim=(0, 2, 3))[1:]
    return functional.cross_entropy(logits, labels) + (1 - (2 * overlap + 1) / (total + 1)).mean()


def blurred(slices: Tensor, generator: Generator) -> Tensor:
    """Training slices (n, 1, height, width) with random softness, contrast and noise, as generated ones may have."""
    n = len(slices)
    share = torch.rand(n, 1, 1, 1, generator=generator)
    slices = slices + share * (functional.avg_pool2d(slices, 3, stride=1, padding=1) - slices)
    gamma = torch.exp(0.15 * torch.randn(n, 1, 1, 1, generator=generator))
    noise = 0.03 * torch.rand(n, 1, 1, 1, generator=generator) * torch.randn(slices.shape, generator=generator)
    return (slices.clamp(1e-4, 1) ** gamma + noise).clamp(0, 1)
