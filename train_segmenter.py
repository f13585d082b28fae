"""Train the segmenter that measures hearts, on the label maps of `--data`, into runs/segmenter.

accelerate launch train_segmenter.py
"""

import sys
from dataclasses import asdict, dataclass, field
from datetime import timedelta
from pathlib import Path

import tyro

from cohort.errors import InputError, exit_code_of
from cohort.heart_grid import GridGeometry


@dataclass(frozen=True)
class Config:
    """Train the measuring segmenter; the same command continues an interrupted run."""

    data: Path = Path("UKBB")
    """Folder with ecg/ and NIFTI/, label maps included."""
    output: Path = Path("runs/segmenter")
    """The run's folder; the segmenter itself is its model/."""
    prepared: Path = Path("runs/prepared")
    """Where the cohort is laid down as arrays, once."""
    steps: int = 400
    """Optimiser steps."""
    batch_size: int = 32
    """Slices per process and step."""
    learning_rate: float = 2e-3
    sampling_rate: int = 250
    """Of the ECGs in the prepared arrays, so that they are shared with train_diffusion.py."""
    seed: int = 0
    geometry: GridGeometry = field(default_factory=GridGeometry)
    """The heart grid."""


def main() -> None:
    config = tyro.cli(Config, description=__doc__)
    import numpy as np
    from accelerate import Accelerator
    from accelerate.utils import InitProcessGroupKwargs, set_seed

    from cohort.prepared import NO_LABELS, Preparation, prepare_cohort
    from training.threads import share_cores

    # reading a large cohort takes one process hours, while the others wait
    accelerator = Accelerator(kwargs_handlers=[InitProcessGroupKwargs(timeout=timedelta(days=1))])
    share_cores(accelerator.num_processes)
    set_seed(config.seed)  # of the fresh weights
    with accelerator.main_process_first():
        cohort = prepare_cohort(config.data, config.prepared, Preparation(config.geometry, config.sampling_rate))
    labelled = np.flatnonzero(cohort.labels[:, 0, 0, 0, 0] != NO_LABELS)
    rows = {split: np.intersect1d(cohort.rows(split), labelled) for split in ("train", "validation")}
    if not all(map(len, rows.values())):
        raise InputError(config.data, "has too few label maps", "put seg_sa*.nii.gz beside the MRIs")
    train(config, cohort, rows, accelerator)
    accelerator.end_training()


def train(config: Config, cohort, rows: dict, accelerator) -> None:
    """Train on the people with label maps and write model/ and report.json."""
    from cohort.cine import Label
    from cohort.dataset import draw_slices
    from evaluation.segmentation import Segmenter, blurred, dice, segmentation_loss
    from training.fit import Recipe, fit
    from training.order import keyed_generator
    from training.run import Run, save_model, write_json

    device = accelerator.device
    held_out = draw_slices(cohort, rows["validation"], 256, keyed_generator(config.seed, "validation slices"))

    def loss_of(segmenter, step):
        generator = keyed_generator(config.seed, "segmenter", step, accelerator.process_index)
        slices, labels = draw_slices(cohort, rows["train"], config.batch_size, generator)
        loss = segmentation_loss(segmenter(blurred(slices, generator).to(device)), labels.to(device))
        return loss, {"loss": loss.detach()}

    def evaluate(segmenter, step):
        found = segmenter(held_out[0].to(device)).argmax(1).cpu().numpy()
        truth = held_out[1].numpy()
        return {f"dice_{label.name.lower()}": dice(found, truth, label) for label in list(Label)[1:]}

    settings = {k: v for k, v in asdict(config).items() if k not in ("data", "output", "prepared")}
    run = Run(config.output, settings | {"cohort": cohort.folder.name}, accelerator.is_main_process)
    recipe = Recipe(config.steps, config.learning_rate, ema_decay=0.99, evaluate_every=100)
    segmenter = fit(Segmenter(), loss_of, run, recipe, accelerator, evaluate, "segmenter")
    if accelerator.is_main_process:
        report = evaluate(segmenter, config.steps)
        save_model(segmenter, config.output / "model")
        write_json(config.output / "report.json", report)
        print("segmenter on held-out slices: " + ", ".join(f"{k} {v:.3f}" for k, v in report.items()))


if __name__ == "__main__":
    sys.exit(exit_code_of(main))
