"""Weights that come with the code: where they lie, and how to store them in half the size.

python -m sampling.release runs/diffusion/pipeline runs/released
python -m sampling.release runs/randomised/model runs/released-segmenter
"""

import json
import shutil
import sys
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

from cohort.disk import folder_bytes, whole_folder
from cohort.errors import InputError, exit_code_of

from .model_card import renew_size
from .model_folder import WEIGHTS
from .pipeline import newest_pipeline
from .ranges import is_number
from .segmenter_card import write_segmenter_card

# The autoencoder is not run in half precision, and stored latents are named by its weights. A rounded covariance may be
# none, and quantiles of usual ECGs may fall together.
IN_FULL = ("autoencoder", "usual_ecgs")
RELEASED = Path(__file__).parents[1] / "pretrained" / "phantom"
# Measures hearts where a cohort or a pipeline has no label maps. It learned from simulated hearts of random contrast.
RELEASED_SEGMENTER = RELEASED.parent / "segmenter"


def pipeline_to_use(runs: Path) -> Path:
    """The newest pipeline folder under `runs`, or the released one where there is none.

    Raises:
        InputError: there is neither of them.
    """
    trained_here = any(runs.glob("*/pipeline/model_index.json"))
    return RELEASED if not trained_here and (RELEASED / "model_index.json").exists() else newest_pipeline(runs)


def chosen_pipeline(named: Path | None, runs: Path) -> tuple[Path, str]:
    """The pipeline folder to use, and why this one.

    The newest trained here is taken, unless its own validation says that it is a toy: then the released one is.

    Raises:
        InputError: none is named, trained or released.
    """
    if named is not None:
        return named, "as named"
    folder = pipeline_to_use(runs)
    if folder == RELEASED:
        return folder, "released"
    reason = falls_short(folder)
    if reason is None:
        return folder, "the newest trained here"
    if (RELEASED / "model_index.json").exists():
        return RELEASED, f"released; {folder}, the newest trained here, is passed over: {reason}"
    return folder, f"the newest trained here, though {reason}"


def falls_short(folder: Path) -> str | None:
    """Why a pipeline is a toy, by the validation its training recorded; None where that says no such thing."""
    try:
        validation = json.loads((folder / "training.json").read_text(encoding="utf-8"))["validation"]
        autoencoder, r2 = validation["autoencoder"], validation["ceiling_r2"]
        reached, floor = autoencoder.get("psnr_db"), autoencoder.get("patch_pca_psnr_db")
        explained = r2.get("LVEDV", 1.0)
    except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return None  # of an earlier version, or another program's: nothing is known against it
    if is_number(reached) and is_number(floor) and not reached > floor:
        return f"its autoencoder reaches {reached:.1f} dB, patch PCA {floor:.1f} dB"
    if not (is_number(explained) and explained > 0):
        return "its validation people's LVEDV cannot be told from their ECGs"
    return None


def pipeline_name(folder: Path) -> str:
    """The name of a pipeline in records: that of the run that trained it, or of the released folder."""
    folder = folder.resolve()
    return folder.parent.name if folder.name == "pipeline" else folder.name


def halve(source: Path, target: Path, full: tuple[str, ...] = ()) -> None:
    """Copy a pipeline folder with its weights in half precision (11 significant bits); `target` is replaced.

    Computations with these weights still run in float32 (`load_part`).

    Args:
        full: parts left as they are, by subfolder: "autoencoder", "ceiling/conditioner", ...

    Raises:
        InputError: a weight is too large for half precision, or the disk cannot be written.
    """
    with whole_folder(target, folder_bytes(source)) as unfinished:
        shutil.copytree(source, unfinished, dirs_exist_ok=True, ignore=shutil.ignore_patterns(".*"))
        for path in sorted(unfinished.rglob("*.safetensors")):
            part = path.parent.relative_to(unfinished).as_posix()
            if part not in full:
                save_file(_halved(load_file(path), part), path, metadata={"format": "pt"})
        renew_size(unfinished)


def _halved(tensors: dict[str, torch.Tensor], part: str) -> dict[str, torch.Tensor]:
    """Floating-point tensors as float16: all of them, as loading would keep a mixture of precisions."""
    halves = {name: value.half() if value.is_floating_point() else value for name, value in tensors.items()}
    if not all(value.isfinite().all() for value in halves.values()):
        raise InputError(part, "holds a weight too large for half precision", "name it in `full`")
    return halves


def main() -> None:
    """Store the pipeline, or the segmenter, of the first folder in half precision in the second."""
    named = [Path(name) for name in sys.argv[1:]]
    if len(named) != 2 or not any((named[0] / index).is_file() for index in ("model_index.json", WEIGHTS)):
        raise InputError(" ".join(sys.argv[1:]), "is not the folder of a pipeline and a new one", "give both")
    halve(*named, IN_FULL)
    if (named[1] / WEIGHTS).is_file():
        write_segmenter_card(named[1], named[0].parent)


if __name__ == "__main__":
    sys.exit(exit_code_of(main))
