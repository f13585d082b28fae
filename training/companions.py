"""What travels in a pipeline's folder beside the pipeline's own parts: segmenter, ceiling, card, calibrations."""

import shutil
from collections.abc import Collection
from pathlib import Path

from sampling.pipeline import FURTHER_PARTS, PARTS


def copy_companions(pipeline: Path, folder: Path, but: Collection[str] = ()) -> None:
    """Copy them to another pipeline's folder. but: names of those that do not hold of that one."""
    own = {"model_index.json", "scheduler", *PARTS, *FURTHER_PARTS, *but}
    for path in sorted(pipeline.iterdir()):
        if path.name not in own and not path.name.startswith("."):
            (shutil.copytree if path.is_dir() else shutil.copy2)(path, folder / path.name)
