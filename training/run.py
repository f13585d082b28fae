"""The folder of a run: its resolved configuration, metrics, and checkpoints that are complete or absent."""

import json
import math
import platform
import shutil
from importlib.metadata import version
from pathlib import Path

import torch

from cohort.code_version import code_version
from cohort.disk import free_bytes, remove_unfinished, sync, whole_folder, write_json, write_text, writing
from cohort.errors import InputError
from cohort.lock import lock_or_refuse
from cohort.provenance import made_by, settings_sha256

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
from .metrics import metrics_of

KEPT_CHECKPOINTS = 2
PACKAGES = ("torch", "diffusers", "accelerate", "numpy", "safetensors")
TOLD = ("code_version", "python", *PACKAGES)


class Run:
    """A run's folder. Opening it again with the same configuration continues the run; another one is refused.

    Layout: config.json, launch.json, environment.json, metrics.jsonl, best.safetensors, index.html, samples/,
    checkpoints/step_00000500/.

    Args:
        folder: made if absent.
        config: JSON-able; what must not change between the start of a run and its continuation.
        main: whether this process writes (one per run does).
        lengths: keys of `config` that may change all the same. The first is the run's own number of steps.

    Raises:
        InputError: another configuration; fewer steps than are done; another training in this folder; nobody may write
            there.
    """

    def __init__(self, folder: Path, config: dict, main: bool = True, lengths: tuple[str, ...] = ()) -> None:
        self.folder, self.main, self.config = folder, main, config
        self.checkpoints = folder / "checkpoints"
        if main:
            with writing(folder):
                self.checkpoints.mkdir(parents=True, exist_ok=True)
                self._lock()
                for place in (folder, self.checkpoints):
                    remove_unfinished(place)
        self.agree("config.json", config, lengths)

    def _lock(self) -> None:
        """Lock the folder until this object is deleted or its process ends, in whatever way."""
        who, remedy = "another training is writing here", "wait, or choose another --output"
        self._held = lock_or_refuse(self.folder / "run", who, remedy)

    @property
    def done(self) -> int:
        """The step of the newest checkpoint, 0 without one."""
        return steps_done(self.folder)

    def agree(self, name: str, settings: dict, lengths: tuple[str, ...] = ()) -> None:
        """Record settings when the run starts. When it goes on, refuse others and show the difference.

        Args:
            name: of the JSON file in the run's folder.
            lengths: as of the run; these are recorded anew.
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
            for key in sorted({*before, *settings} - set(lengths))
            if before.get(key) != settings.get(key)
        ]
        if changed:
            raise InputError(
                self.folder,
                "holds a run of another configuration (" + "; ".join(changed) + ")",
                "continue with the old options, choose another --output, or delete that folder",
            )
        if lengths:
            self._take_length(before.get(lengths[0]), settings[lengths[0]])
            if self.main:
                write_json(path, settings)

    def _take_length(self, before: int | None, steps: int) -> None:
        """Let a run become longer, or shorter than was planned, and say what becomes of the learning rate."""
        if steps == before or not self.done:
            return
        if steps <= self.done:
            fault = f"has done {self.done} steps, of {before} planned, and cannot be one of {steps}"
            raise InputError(self.folder, fault, f"give {before} again, or more than {self.done}")
        if self.main:
            rule = f"from step {self.done} on the learning rate is that of a run of {steps} steps"
            print(f"{self.folder}: {steps} steps now, {before} before; {rule}")

    def goes_on(self, step: int) -> None:
        """Record which code and packages take the run on from a step; others than before are told in one line.

        environment.json holds those of the start. In its list "continued" stands what changed, by step.
        """
        if not self.main:
            return
        path, now = self.folder / "environment.json", environment() | made_by(self.config)
        record = self.record()
        before = {**record, **{name: value for part in record.get("continued", ()) for name, value in part.items()}}
        changed = {name: value for name, value in now.items() if before.get(name) != value}
        if not record:
            write_json(path, now)
        elif changed:
            write_json(path, record | {"continued": [*record.get("continued", ()), {"from_step": step, **changed}]})
        told = [f"{name} was {before.get(name)}, is {value}" for name, value in changed.items() if name in TOLD]
        if record and told:
            print(f"{self.folder}: goes on from step {step} with other code or packages ({'; '.join(told)})")

    def record(self) -> dict:
        """What `goes_on` has recorded; {} where nothing is, or it is damaged."""
        try:
            record = json.loads((self.folder / "environment.json").read_text())
        except (OSError, ValueError):
            return {}
        return record if isinstance(record, dict) else {}

    def code_versions(self) -> str:
        """The code that made the run, with the steps at which other code took it on."""
        record = self.record()
        later = [part for part in record.get("continued", ()) if "code_version" in part]
        first = record.get("code_version", code_version())
        return "; ".join([first, *(f"from step {part['from_step']} on {part['code_version']}" for part in later)])

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
            lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
            kept = [line for line in lines if _step_of_line(line) <= step]
            write_text(path, "".join(line + "\n" for line in kept))

    def _saved(self) -> list[Path]:
        return saved_checkpoints(self.folder)


def saved_checkpoints(folder: Path) -> list[Path]:
    """The checkpoints of a run's folder, oldest first."""
    return sorted(path for path in (folder / "checkpoints").glob("step_*") if path.name[5:].isdigit())


def steps_done(folder: Path) -> int:
    """The step of the newest checkpoint of a run's folder, 0 without one."""
    saved = saved_checkpoints(folder)
    return step_of(saved[-1]) if saved else 0


def _step_of_line(line: str) -> float:
    """The step of a line of metrics; infinite for one that cannot be read, as one that a kill has torn."""
    found = metrics_of(line)
    return float("inf") if found is None else found["step"]


def environment() -> dict[str, str]:
    """Versions of Python and the packages that a run depends on."""
    return {"python": platform.python_version(), **{p: version(p) for p in PACKAGES}}


def is_finished(folder: Path, settings: dict) -> bool:
    """Whether a run of these settings has left its model and its report (`finish`). It opens and locks nothing."""
    try:
        report = json.loads((folder / "report.json").read_text())
    except (OSError, ValueError):
        return False
    made = report.get("configuration_sha256") if isinstance(report, dict) else None
    return made == settings_sha256(settings) and (folder / "model").is_dir()


def finish(run: Run, model: torch.nn.Module, report: dict) -> None:
    """Put a run's model into model/, then what was measured of it into report.json. An earlier model is set aside."""
    with whole_folder(run.folder / "model", bytes_of({"model": model.state_dict()}), keep=True) as unfinished:
        model.save_pretrained(unfinished, safe_serialization=True)
    write_json(run.folder / "report.json", report | {"configuration_sha256": settings_sha256(run.config)})


def told_finished(place: Path) -> str:
    """What a command says that finds everything done."""
    return f"finished: {place} holds what this command makes, and nothing was changed"
