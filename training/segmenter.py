"""Learning to segment, on the label maps of the cohort at hand, pictures as soft as generation may leave them."""

from pathlib import Path

import numpy as np
import torch
from accelerate import Accelerator
from torch import Generator, Tensor, nn
from torch.nn import functional

from cohort.cine import Label
from cohort.dataset import draw_slices
from cohort.errors import InputError
from cohort.phenotypes import dice
from cohort.prepared import NO_LABELS, PreparedCohort
from models.segmenter import CLASSES, Segmenter

from .fit import Recipe, fit
from .order import keyed_generator
from .run import Run, save_model, write_json

HELD_OUT_SLICES = 256


def labelled_rows(cohort: PreparedCohort) -> dict[str, np.ndarray]:
    """Rows of "train" and "validation" people with label maps."""
    labelled = np.flatnonzero(cohort.labels[:, 0, 0, 0, 0] != NO_LABELS)
    return {split: np.intersect1d(cohort.rows(split), labelled) for split in ("train", "validation")}


def learn_segmenter(
    cohort: PreparedCohort, folder: Path, recipe: Recipe, accelerator: Accelerator, batch: int, settings: dict
) -> None:
    """Train a segmenter into folder/model and write its Dice on held-out slices to folder/report.json.

    Args:
        batch: slices per process and step. settings: recorded; they must not change between start and continuation.

    Raises:
        InputError: nobody to train or validate on has a label map.
    """
    rows, seed, device = labelled_rows(cohort), settings["seed"], accelerator.device
    if not all(map(len, rows.values())):
        raise InputError(cohort.folder.name, "has too few label maps", "put seg_sa*.nii.gz beside the MRIs")
    held_out = draw_slices(cohort, rows["validation"], HELD_OUT_SLICES, keyed_generator(seed, "validation slices"))

    def loss_of(segmenter: nn.Module, step: int) -> tuple[Tensor, dict[str, Tensor]]:
        generator = keyed_generator(seed, "segmenter", step, accelerator.process_index)
        slices, labels = draw_slices(cohort, rows["train"], batch, generator)
        loss = segmentation_loss(segmenter(blurred(slices, generator).to(device)), labels.to(device))
        return loss, {"segmentation_loss": loss.detach()}

    def evaluate(segmenter: nn.Module, step: int) -> dict[str, float]:
        return held_out_dice(segmenter, *held_out, device)

    run = Run(folder, settings | {"cohort": cohort.folder.name}, accelerator.is_main_process)
    segmenter = fit(Segmenter(), loss_of, run, recipe, accelerator, evaluate, "segmenter")
    if accelerator.is_main_process:
        report = evaluate(segmenter, recipe.steps)
        write_json(folder / "report.json", report)
        save_model(segmenter, folder / "model")
        print("segmenter on held-out slices: " + ", ".join(f"{k} {v:.3f}" for k, v in report.items()))
    accelerator.wait_for_everyone()


@torch.no_grad()
def held_out_dice(segmenter: nn.Module, slices: Tensor, labels: Tensor, device: torch.device) -> dict[str, float]:
    """Dice of each structure over all slices together; NaN where a structure is on none."""
    found = segmenter(slices.to(device)).argmax(1).cpu()
    return {f"dice_{label.name.lower()}": dice(found.numpy(), labels.numpy(), label) for label in list(Label)[1:]}


def segmentation_loss(logits: Tensor, labels: Tensor) -> Tensor:
    """Cross-entropy + soft Dice over the three structures (Isensee 2021, nnU-Net's pair)."""
    truth = functional.one_hot(labels, CLASSES).movedim(-1, 1).float()  # (N, 4, H, W)
    share = logits.softmax(dim=1)
    overlap = (share * truth).sum(dim=(0, 2, 3))[1:]
    total = (share + truth).sum(dim=(0, 2, 3))[1:]
    return functional.cross_entropy(logits, labels) + (1 - (2 * overlap + 1) / (total + 1)).mean()


def blurred(slices: Tensor, generator: Generator) -> Tensor:
    """Training slices (n, 1, height, width) with random softness, contrast and noise: what generation may leave."""
    n = len(slices)
    share = torch.rand(n, 1, 1, 1, generator=generator)
    slices = slices + share * (functional.avg_pool2d(slices, 3, stride=1, padding=1) - slices)
    gamma = torch.exp(0.15 * torch.randn(n, 1, 1, 1, generator=generator))
    noise = 0.03 * torch.rand(n, 1, 1, 1, generator=generator) * torch.randn(slices.shape, generator=generator)
    return (slices.clamp(1e-4, 1) ** gamma + noise).clamp(0, 1)
