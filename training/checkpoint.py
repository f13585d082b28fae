"""A checkpoint: a folder of tensors that is complete or absent, with a manifest that shows any damage."""

import hashlib
import json
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file

from cohort.disk import sha256_of, sync, whole_file, whole_folder, writing
from cohort.errors import InputError

Tensors = dict[str, torch.Tensor]
START_ANEW = "delete the run's folder to start anew"


def write_checkpoint(folder: Path, parts: dict[str, Tensors]) -> None:
    """Write a checkpoint with a manifest of sha256, whole or not at all, and wait until the disk has it.

    Args:
        folder: <somewhere>/step_00000500; one of the same name is replaced.
        parts: one .safetensors file each.

    Raises:
        InputError: the disk is full or nobody may write there; nothing is left behind.
    """
    with whole_folder(folder, bytes_of(parts)) as unfinished:
        for name, tensors in parts.items():
            save_file(_plain(tensors), unfinished / f"{name}.safetensors")
        sums = {path.name: sha256_of(path) for path in sorted(unfinished.iterdir())}
        manifest = {"step": step_of(folder), "sha256": sums}
        (unfinished / "manifest.json").write_text(json.dumps(manifest, indent=2) + "\n")
        for path in [*unfinished.iterdir(), unfinished]:
            sync(path)
    with writing(folder.parent):
        sync(folder.parent)


def read_checkpoint(folder: Path) -> dict[str, Tensors]:
    """Its parts. They are read, not memory-mapped: the tensors outlive the files, which are deleted later."""
    return {path.stem: load_file(path, backend="pread") for path in sorted(folder.glob("*.safetensors"))}


def damaged(folder: Path) -> str | None:
    """What is wrong with a checkpoint, or None if it is whole: nothing missing, added or changed."""
    try:
        manifest = json.loads((folder / "manifest.json").read_text())
        step, expected = manifest["step"], manifest["sha256"]
        there = {path.name for path in folder.iterdir()} - {"manifest.json"}
        if there != set(expected):
            return f"{sorted(there ^ set(expected))[0]} is missing or not of it"
        if step != step_of(folder):
            return f"its manifest is of step {step}"
        wrong = [name for name, digest in expected.items() if sha256_of(folder / name) != digest]
    except (OSError, ValueError, LookupError, TypeError) as error:
        return f"manifest or file unreadable: {type(error).__name__}"
    return f"{wrong[0]} has another sha256" if wrong else None


def step_of(folder: Path) -> int:
    """The step in a checkpoint's name."""
    return int(folder.name.removeprefix("step_"))


def write_best(path: Path, tensors: Tensors, score: float, step: int) -> None:
    """Write weights with their score, step and sha256 into one file, whole or not at all.

    Raises:
        InputError: the disk is full or nobody may write there; the previous file is left as it was.
    """
    about = {"score": repr(score), "step": str(step), "sha256": digest_of(tensors)}
    with whole_file(path, bytes_of({"best": tensors})) as unfinished:
        save_file(_plain(tensors), unfinished, about)
        sync(unfinished)
    with writing(path.parent):
        sync(path.parent)


def read_best(path: Path) -> tuple[Tensors, float, int]:
    """What `write_best` wrote: weights, score, step.

    Raises:
        InputError: the file is damaged.
    """
    try:
        with safe_open(path, framework="pt") as file:
            about = file.metadata() or {}
        tensors = load_file(path, backend="pread")
    except (OSError, SafetensorError) as error:
        raise InputError(path, f"is damaged ({type(error).__name__})", START_ANEW) from None
    if about.get("sha256") != digest_of(tensors):
        raise InputError(path, "is damaged (its weights have another sha256)", START_ANEW)
    return tensors, float(about["score"]), int(about["step"])


def bytes_of(parts: dict[str, Tensors]) -> int:
    """Bytes that the tensors of a checkpoint take on the disk."""
    return sum(value.nbytes for tensors in parts.values() for value in tensors.values())


def digest_of(tensors: Tensors) -> str:
    """Hex sha256 of tensors by name; neither their order nor their file matters."""
    digest = hashlib.sha256()
    for name, value in sorted(tensors.items()):
        digest.update(f"{name} {value.dtype} {tuple(value.shape)}".encode())
        digest.update(value.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy())
    return digest.hexdigest()


def _plain(tensors: Tensors) -> Tensors:
    return {name: value.detach().cpu().contiguous() for name, value in tensors.items()}
