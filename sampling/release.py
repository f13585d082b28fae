"""Weights that come with the code: where they lie, and in half the size where that changes no figure.

python -m sampling.release runs/diffusion/pipeline runs/released
"""

import shutil
import sys
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

from cohort.errors import InputError, exit_code_of

from .model_card import renew_size
from .pipeline import newest_pipeline

IN_FULL = ("autoencoder",)  # half precision is not for it, and the stored latents are named by its weights
RELEASED = Path(__file__).parents[1] / "pretrained" / "phantom"


def pipeline_to_use(runs: Path) -> Path:
    """The pipeline folder under `runs` that was written last; where there is none, the released one.

    Raises:
        InputError: there is neither.
    """
    trained_here = any(runs.glob("*/pipeline/model_index.json"))
    return RELEASED if not trained_here and (RELEASED / "model_index.json").exists() else newest_pipeline(runs)


def chosen_pipeline(named: Path | None, runs: Path) -> tuple[Path, str]:
    """The pipeline folder to use, and why this one.

    Raises:
        InputError: none is named, trained or released.
    """
    if named is not None:
        return named, "as named"
    folder = pipeline_to_use(runs)
    return folder, "released" if folder == RELEASED else "the newest trained here"


def pipeline_name(folder: Path) -> str:
    """What a record calls a pipeline: the run that trained it, or the released folder's own name."""
    folder = folder.resolve()
    return folder.parent.name if folder.name == "pipeline" else folder.name


def halve(source: Path, target: Path, full: tuple[str, ...] = ()) -> None:
    """Copy a pipeline folder with its weights in half precision (11 significant bits); `target` is replaced.

    Whoever loads them computes in float32 all the same (`load_part`).

    Args:
        full: parts left as they are, by subfolder: "autoencoder", "ceiling/conditioner", ...

    Raises:
        InputError: a weight is too large for half precision.
    """
    partial = target.with_name(f".{target.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    shutil.copytree(source, partial)
    for path in sorted(partial.rglob("*.safetensors")):
        part = path.parent.relative_to(partial).as_posix()
        if part not in full:
            save_file(_halved(load_file(path), part), path, metadata={"format": "pt"})
    renew_size(partial)
    shutil.rmtree(target, ignore_errors=True)
    partial.rename(target)


def _halved(tensors: dict[str, torch.Tensor], part: str) -> dict[str, torch.Tensor]:
    """Floating-point tensors as float16; a file is one precision throughout, or loading would keep the mixture."""
    found = {name: value.half() if value.is_floating_point() else value for name, value in tensors.items()}
    if not all(value.isfinite().all() for value in found.values()):
        raise InputError(part, "holds a weight too large for half precision", "name it in `full`")
    return found


def main() -> None:
    """Halve the folder named first into the one named second."""
    if len(sys.argv) != 3 or not (Path(sys.argv[1]) / "model_index.json").exists():
        raise InputError(" ".join(sys.argv[1:]), "is not a pipeline's folder and a new one", "name these two")
    halve(Path(sys.argv[1]), Path(sys.argv[2]), IN_FULL)


if __name__ == "__main__":
    sys.exit(exit_code_of(main))
