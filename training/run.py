"""The folder a run lives in: its resolved configuration, metrics, and checkpoints that are complete or absent."""

import contextlib
import fcntl
import hashlib
import json
import math
import os
import platform
import shutil
import subprocess
from importlib.metadata import version
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from cohort.errors import InputError

KEPT_CHECKPOINTS = 2
Tensors = dict[str, torch.Tensor]


class Run:
    """A run's folder. Opening it again with the same configuration continues it; with another one is refused.

    Layout: config.json, environment.json, metrics.jsonl, samples/, checkpoints/step_00000500/.

    Args:
        folder: made if absent.
        config: JSON-able; what must not change between the start of a run and its continuation.
        main: whether this process writes (one per run does).
    """

    def __init__(self, folder: Path, config: dict, main: bool = True) -> None:
        self.folder, self.main = folder, main
        self.checkpoints = folder / "checkpoints"
        config = json.loads(json.dumps(config))
        self._refuse_other(config)
        if main:
            self.checkpoints.mkdir(parents=True, exist_ok=True)
            self._lock()
            write_json(folder / "config.json", config)
            write_json(folder / "environment.json", environment())
        self._tensorboard = self._open_tensorboard() if main else None

    def _refuse_other(self, config: dict) -> None:
        path = self.folder / "config.json"
        if not path.exists():
            return
        before = json.loads(path.read_text())
        changed = [
            f"{key} was {before.get(key)!r}, is {config.get(key)!r}"
            for key in sorted({*before, *config})
            if before.get(key) != config.get(key)
        ]
        if changed:
            raise InputError(
                self.folder,
                "holds a run of another configuration (" + "; ".join(changed) + ")",
                "continue with the old options, choose another --output, or delete that folder",
            )

    def _lock(self) -> None:
        self._lock_file = (self.folder / ".lock").open("w")
        try:
            fcntl.flock(self._lock_file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise InputError(
                self.folder, "another training is writing here", "wait, or choose another --output"
            ) from None

    def _open_tensorboard(self):
        with contextlib.suppress(ImportError):
            from torch.utils.tensorboard import SummaryWriter

            return SummaryWriter(self.folder / "tensorboard")
        return None

    def log(self, step: int, **metrics: float) -> None:
        """Append one line of metrics; each is also a TensorBoard scalar where TensorBoard is installed."""
        if not self.main:
            return
        with (self.folder / "metrics.jsonl").open("a") as file:
            file.write(json.dumps({"step": step, **metrics}) + "\n")
        if self._tensorboard is not None:
            for name, value in metrics.items():
                self._tensorboard.add_scalar(name, value, step)

    def save(self, step: int, parts: dict[str, Tensors]) -> None:
        """Commit a checkpoint: temporary folder, sha256 manifest, fsync, rename; older ones go only after that."""
        if not self.main:
            return
        final = self.checkpoints / f"step_{step:08d}"
        partial = self.checkpoints / f".partial_{step:08d}"
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir()
        for name, tensors in parts.items():
            save_file({k: v.detach().cpu().contiguous() for k, v in tensors.items()}, partial / f"{name}.safetensors")
        sums = {path.name: sha256_of(path) for path in sorted(partial.iterdir())}
        write_json(partial / "manifest.json", {"step": step, "sha256": sums})
        for path in [*partial.iterdir(), partial]:
            _sync(path)
        shutil.rmtree(final, ignore_errors=True)
        partial.rename(final)
        _sync(self.checkpoints)
        for old in self._saved()[:-KEPT_CHECKPOINTS]:
            shutil.rmtree(old)

    def load(self) -> tuple[int, dict[str, Tensors]] | None:
        """The newest intact checkpoint as (step, parts); None for a run that has none yet.

        Raises:
            InputError: checkpoints exist and every one of them is damaged (never a silent restart).
        """
        saved = self._saved()
        for folder in reversed(saved):
            if not damaged(folder):
                parts = {path.stem: load_file(path) for path in sorted(folder.glob("*.safetensors"))}
                step = json.loads((folder / "manifest.json").read_text())["step"]
                self._forget_metrics_after(step)
                return step, parts
            print(f"warning: {folder} is damaged ({damaged(folder)}); trying the one before it")
        if saved:
            raise InputError(self.checkpoints, "every checkpoint is damaged", "delete the run's folder to start anew")
        self._forget_metrics_after(-1)
        return None

    def keep_best(self, score: float, step: int, tensors: Tensors) -> None:
        """Keep these weights in best.safetensors if their score is the lowest of the steps up to this one.

        A best that a later, since forgotten, part of an interrupted run has left is no rival.
        """
        path = self.folder / "best.safetensors"
        if not math.isfinite(score):
            return
        if path.exists():
            with safe_open(path, framework="pt") as file:
                before = file.metadata()
            if int(before["step"]) < step and float(before["score"]) <= score:
                return
        partial = path.with_name(f".{path.name}.partial")
        about = {"score": repr(score), "step": str(step)}
        save_file({k: v.detach().cpu().contiguous() for k, v in tensors.items()}, partial, about)
        partial.replace(path)

    def best(self) -> Tensors:
        """The weights `keep_best` kept."""
        return load_file(self.folder / "best.safetensors")

    def _forget_metrics_after(self, step: int) -> None:
        path = self.folder / "metrics.jsonl"
        if self.main and path.exists():
            kept = [line for line in path.read_text().splitlines() if _step_of(line) <= step]
            write_text(path, "".join(line + "\n" for line in kept))

    def _saved(self) -> list[Path]:
        return sorted(self.checkpoints.glob("step_*"))


def damaged(checkpoint: Path) -> str | None:
    """What is wrong with a checkpoint's folder, or None if it is whole."""
    try:
        expected = json.loads((checkpoint / "manifest.json").read_text())["sha256"]
        wrong = [name for name, digest in expected.items() if sha256_of(checkpoint / name) != digest]
    except (OSError, ValueError, KeyError) as error:
        return f"manifest or file unreadable: {type(error).__name__}"
    return f"{wrong[0]} has another sha256" if wrong else None


def _step_of(line: str) -> float:
    """The step of a line of metrics; infinite for one that a kill has torn."""
    try:
        return json.loads(line)["step"]
    except ValueError:
        return float("inf")


def environment() -> dict:
    """Versions and code state, for the record of a run."""
    packages = ("torch", "diffusers", "accelerate", "numpy", "safetensors")
    return {"python": platform.python_version(), "commit": code_version(), **{p: version(p) for p in packages}}


def code_version() -> str:
    """The git commit of this code, or "unknown" outside a checkout."""
    command = ["git", "-C", str(Path(__file__).parent), "rev-parse", "HEAD"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def save_model(model: torch.nn.Module, folder: Path) -> None:
    """`save_pretrained` under a temporary name, then rename."""
    partial = folder.with_name(f".{folder.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    model.save_pretrained(partial, safe_serialization=True)
    shutil.rmtree(folder, ignore_errors=True)
    partial.rename(folder)


def sha256_of(path: Path) -> str:
    """Hex sha256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_text(path: Path, text: str) -> None:
    """Write under a temporary name, then rename."""
    partial = path.with_name(f".{path.name}.partial")
    partial.write_text(text)
    partial.replace(path)


def write_json(path: Path, content: object) -> None:
    """Indented JSON, written whole or not at all."""
    write_text(path, json.dumps(content, indent=2) + "\n")


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
