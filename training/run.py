"""The folder of a run: its resolved configuration, metrics, and checkpoints that are complete or absent."""

import json
import math
import platform
import shutil
from importlib.metadata import version
from pathlib import Path

import torch

from cohort.disk import free_bytes, remove_unfinished, sync, whole_folder, write_json, write_text, writing
from cohort.errors import InputError
from cohort.lock import lock_or_refuse
from cohort.provenance import made_by

from .checkpoint import (
    START_ANEW,
    Tensors,
    bytes_of,
    damaged,
    read_best,
    read_checkpoint,
    step_of,
    write_best,
    write_checkpoint,
)

KEPT_CHECKPOINTS = 2


class Run:
    """A run's folder. Opening it again with the same configuration continues the run; another one is refused.

    Layout: config.json, launch.json, environment.json, metrics.jsonl, best.safetensors, samples/,
    checkpoints/step_00000500/.

    Args:
        folder: made if absent.
        config: JSON-able; what must not change between the start of a run and its continuation.
        main: whether this process writes (one per run does).

    Raises:
        InputError: another configuration; another training in this folder; nobody may write there.
    """

    def __init__(self, folder: Path, config: dict, main: bool = True) -> None:
        self.folder, self.main = folder, main
        self.checkpoints = folder / "checkpoints"
        if main:
            with writing(folder):
                self.checkpoints.mkdir(parents=True, exist_ok=True)
                self._lock()
                for place in (folder, self.checkpoints):
                    remove_unfinished(place)
        self.agree("config.json", config)
        if main:
            write_json(folder / "environment.json", environment() | made_by(config))

    def _lock(self) -> None:
        """Lock the folder until this object is deleted or its process ends, in whatever way."""
        who, remedy = "another training is writing here", "wait, or choose another --output"
        self._held = lock_or_refuse(self.folder / "run", who, remedy)

    def agree(self, name: str, settings: dict) -> None:
        """Record settings when the run starts. When it goes on, refuse others and show the difference.

        Args:
            name: of the JSON file in the run's folder.
        """
        path, settings = self.folder / name, json.loads(json.dumps(settings))
        if not path.exists() and not self._saved():
            if self.main:
                write_json(path, settings)
            return
        try:
            before = json.loads(path.read_text())
        except (OSError, ValueError):
            raise InputError(path, "is missing or damaged, but there are checkpoints", START_ANEW) from None
        changed = [
            f"{key} was {before.get(key)!r}, is {settings.get(key)!r}"
            for key in sorted({*before, *settings})
            if before.get(key) != settings.get(key)
        ]
        if changed:
            raise InputError(
                self.folder,
                "holds a run of another configuration (" + "; ".join(changed) + ")",
                "continue with the old options, choose another --output, or delete that folder",
            )

    def require_space(self, size: int) -> None:
        """Refuse to start if the disk would be full hours later.

        Args:
            size: bytes of a checkpoint. Room is asked for those kept, the one being written, and the best weights.
        """
        needed = size * max(1, KEPT_CHECKPOINTS + 2 - len(self._saved()))
        if self.main and (free := free_bytes(self.folder)) < needed:
            fault = f"the checkpoints to come need {needed:_} bytes and {free:_} are free"
            raise InputError(self.folder, fault, "make room, or choose another --output")

    def log(self, step: int, **metrics: float) -> None:
        """Append one line to metrics.jsonl."""
        if not self.main:
            return
        line = json.dumps({"step": step, **metrics}) + "\n"
        with writing(self.folder, len(line)), (self.folder / "metrics.jsonl").open("a") as file:
            file.write(line)

    def save(self, step: int, parts: dict[str, Tensors]) -> None:
        """Write a checkpoint; older ones are deleted only after that.

        Raises:
            InputError: the disk is full or nobody may write there; earlier checkpoints are left as they were.
        """
        if not self.main:
            return
        metrics = self.folder / "metrics.jsonl"
        if metrics.exists():
            sync(metrics)  # a later start does not write the lines up to this step again
        write_checkpoint(self.checkpoints / f"step_{step:08d}", parts)
        with writing(self.checkpoints):
            for old in self._saved()[:-KEPT_CHECKPOINTS]:
                shutil.rmtree(old)

    def load(self) -> tuple[int, dict[str, Tensors]] | None:
        """The newest intact checkpoint as (step, parts); None for a run that has none yet.

        Raises:
            InputError: checkpoints exist and every one of them is damaged (never a silent restart).
        """
        useless = []
        for folder in reversed(self._saved()):
            fault = damaged(folder)
            if fault is None:
                parts = read_checkpoint(folder)
                self._put_aside(useless)
                self._forget_metrics_after(step_of(folder))
                return step_of(folder), parts
            useless.append(folder)
            if self.main:
                print(f"warning: {folder} is damaged ({fault}); trying the one before it")
        if useless:
            raise InputError(self.checkpoints, "every checkpoint is damaged", START_ANEW)
        self._forget_metrics_after(-1)
        return None

    def _put_aside(self, useless: list[Path]) -> None:
        """Rename damaged checkpoints: they are not among those that are kept, but can still be looked at."""
        if self.main:
            for folder in useless:
                aside = folder.with_name(f"damaged_{folder.name}")
                shutil.rmtree(aside, ignore_errors=True)
                folder.rename(aside)

    def keep_best(self, score: float, step: int, tensors: Tensors) -> None:
        """Keep these weights in best.safetensors if their score is the lowest of the steps up to this one.

        An interrupted run may have left a best of a later step, which the continued run does again. It is ignored.
        """
        path = self.folder / "best.safetensors"
        if not math.isfinite(score):
            return
        if path.exists():
            _, lowest, at = read_best(path)
            if at < step and lowest <= score:
                return
        write_best(path, tensors, score, step)

    def best(self) -> Tensors:
        """The weights `keep_best` kept.

        Raises:
            InputError: they are damaged, or no score was ever finite.
        """
        path = self.folder / "best.safetensors"
        if not path.exists():
            raise InputError(self.folder, "no validation loss was finite", f"see metrics.jsonl; {START_ANEW}")
        return read_best(path)[0]

    def _forget_metrics_after(self, step: int) -> None:
        path = self.folder / "metrics.jsonl"
        if self.main and path.exists():
            kept = [line for line in path.read_text().splitlines() if _step_of_line(line) <= step]
            write_text(path, "".join(line + "\n" for line in kept))

    def _saved(self) -> list[Path]:
        return sorted(path for path in self.checkpoints.glob("step_*") if path.name[5:].isdigit())


def _step_of_line(line: str) -> float:
    """The step of a line of metrics; infinite for one that a kill has torn."""
    try:
        return json.loads(line)["step"]
    except ValueError:
        return float("inf")


def environment() -> dict[str, str]:
    """Versions of Python and the packages that a run depends on."""
    packages = ("torch", "diffusers", "accelerate", "numpy", "safetensors")
    return {"python": platform.python_version(), **{p: version(p) for p in packages}}


def save_model(model: torch.nn.Module, folder: Path) -> None:
    """`save_pretrained`, whole or not at all."""
    with whole_folder(folder, bytes_of({"model": model.state_dict()})) as unfinished:
        model.save_pretrained(unfinished, safe_serialization=True)
