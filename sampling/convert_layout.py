"""A pipeline folder of the earlier layout, whose denoiser lay in unet/, into today's; no weight changes.

python -m sampling.convert_layout OLD NEW
"""

import json
import shutil
import sys
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

from cohort.disk import folder_bytes, whole_folder, write_text
from cohort.errors import InputError, exit_code_of
from models.denoiser import PHASE_FEATURES, POSITION_FEATURES, HeartDenoiser

from .model_card import renew_size, trained_on
from .model_folder import WEIGHTS, require_plain
from .pipeline import ECGToMRIPipeline

OLD, NEW = "unet", "denoiser"


def convert_layout(source: Path, target: Path) -> None:
    """Copy a pipeline folder into today's layout; `target` is replaced.

    Raises:
        InputError: `source` is no folder of the earlier layout, or its weights do not fit.
    """
    if not (source / OLD / WEIGHTS).is_file() or not (source / "model_index.json").is_file():
        raise InputError(
            source, f"is no pipeline folder with its denoiser in {OLD}/", "name the folder to convert first"
        )
    require_plain(source)
    with whole_folder(target, folder_bytes(source)) as unfinished:
        shutil.copytree(source, unfinished, dirs_exist_ok=True, ignore=shutil.ignore_patterns(".*"))
        shutil.rmtree(unfinished / OLD)
        _write_denoiser(source / OLD, unfinished / NEW)
        index = json.loads((unfinished / "model_index.json").read_text())
        del index[OLD]
        index[NEW] = [HeartDenoiser.__module__, HeartDenoiser.__name__]
        index.setdefault("trained_on", trained_on(source))
        write_text(unfinished / "model_index.json", json.dumps(dict(sorted(index.items())), indent=2) + "\n")
        renew_size(unfinished)
        ECGToMRIPipeline.load(unfinished)  # refuses what would not load


def _write_denoiser(unet: Path, denoiser: Path) -> None:
    """The weights of a stock UNet as those of the HeartDenoiser around it."""
    about = json.loads((unet / "config.json").read_text())
    with torch.device("meta"):  # its configuration alone is wanted
        model = HeartDenoiser(
            latent_channels=about["out_channels"],
            latent_size=tuple(about["sample_size"]),
            token_width=about["cross_attention_dim"],
            condition_length=about["projection_class_embeddings_input_dim"] - POSITION_FEATURES - PHASE_FEATURES,
            widths=tuple(about["block_out_channels"]),
            layers=about["layers_per_block"],
        )
    model.save_config(denoiser)
    tensors = {f"unet.{name}": value for name, value in load_file(unet / WEIGHTS).items()}
    save_file(tensors, denoiser / WEIGHTS, metadata={"format": "pt"})


def main() -> None:
    """Convert the folder named first into the one named second."""
    if len(sys.argv) != 3:
        raise InputError("two folders", "are needed", "python -m sampling.convert_layout OLD NEW")
    convert_layout(*map(Path, sys.argv[1:]))
    print(f"pipeline in today's layout: {sys.argv[2]}")


if __name__ == "__main__":
    sys.exit(exit_code_of(main))
