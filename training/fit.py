"""The loop: accumulate, clip, step, average, log, check in. Everything else is handed in."""

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import NoReturn

import torch
from accelerate import Accelerator
from diffusers.training_utils import EMAModel
from torch import Tensor, nn
from tqdm import tqdm

from cohort.errors import InputError

from . import launcher
from .checkpoint import Tensors, bytes_of
from .objectives import learning_rate
from .order import keyed_generator
from .run import Run

LOG_EVERY = 20
OWED = {"owed": {"evaluation": torch.tensor(True)}}  # part of a checkpoint whose step is still to be evaluated


@dataclass(frozen=True)
class Recipe:
    """How long and how fast to learn; `steps` are optimiser steps."""

    steps: int
    learning_rate: float
    warmup: int = 50
    weight_decay: float = 0.01
    clip: float = 1.0
    ema_decay: float = 0.998
    checkpoint_every: int = 500
    evaluate_every: int = 250


class CutShort(BaseException):
    """Asked to stop, in the middle of what may be left undone."""


class StopRequest:
    """SIGTERM, SIGHUP, Ctrl-C or the end of our launcher asks for a checkpoint and a clean end instead of a torn one.

    What whoever started us has us ignore (nohup: SIGHUP; `&` in a script: Ctrl-C) is still ignored.
    A launcher that is killed, or `accelerate launch` of one process that gets SIGTERM, says nothing to its children:
    they would go on as orphans, and keep the next start out of the run's folder.
    """

    def __init__(self) -> None:
        self._signalled = self._cutting = False
        heeded = [s for s in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT) if signal.getsignal(s) != signal.SIG_IGN]
        self._before = {s: signal.signal(s, self._ask) for s in heeded}

    def _ask(self, *_: object) -> None:
        self._signalled = True
        if self._cutting:
            self._cutting = False
            raise CutShort

    @contextmanager
    def cutting(self) -> Iterator[None]:
        """What is done within is left at once at a signal, by CutShort: a cluster may not wait for its end."""
        self._cutting = True
        try:
            if self._signalled:  # since somebody last looked
                raise CutShort
            yield
        finally:
            self._cutting = False

    @property
    def asked(self) -> bool:
        return self._signalled or launcher.is_gone()

    def restore(self) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)


class LossWatch:
    """Which micro-step's loss was the first that is not finite, noted on the device so that no step waits for it."""

    def __init__(self, device: torch.device) -> None:
        self._first = torch.full((), -1, device=device)

    def see(self, loss: Tensor, micro: int) -> None:
        self._first = torch.where(loss.detach().isfinite() | (self._first >= 0), self._first, micro)

    def first(self) -> int | None:
        """The micro-step, or None if all were finite; waits for the device."""
        micro = int(self._first)
        return None if micro < 0 else micro


def fit(
    module: nn.Module,
    loss_of: Callable[[nn.Module, int], tuple[Tensor, dict[str, float]]],
    run: Run,
    recipe: Recipe,
    accelerator: Accelerator,
    evaluate: Callable[[nn.Module, int], dict[str, float]],
    title: str,
    best: str | None = None,
    people_of: Callable[[int], object] | None = None,
) -> nn.Module:
    """Train `module` and leave the averaged (EMA) weights in it.

    Args:
        loss_of: (module, micro-step) -> scalar loss and metrics to log; must depend on the micro-step alone.
        evaluate: (module holding the EMA weights, step) -> metrics, called on the main process every
            `evaluate_every` steps and at the end.
        title: of the progress bar.
        best: a metric of `evaluate`; the averaged weights of the step where it was smallest are left, not the last.
        people_of: micro-step -> rows of the prepared cohort, or (cohort, row) where there are several, that this
            process saw at it; told where the loss is not finite.

    Raises:
        InputError: the loss is not finite, or the disk cannot hold the checkpoints.
        KeyboardInterrupt: SIGTERM, SIGHUP, Ctrl-C or the end of our launcher, after a checkpoint. An evaluation is
            not waited for: the continued run makes it up.
    """
    optimizer = torch.optim.AdamW(
        module.parameters(), lr=recipe.learning_rate, weight_decay=recipe.weight_decay, betas=(0.9, 0.99), fused=True
    )
    ema = EMAModel(module.parameters(), decay=recipe.ema_decay, use_ema_warmup=True, power=0.75, foreach=True)
    first, owed = _resume(run, module, ema, optimizer, accelerator)
    if first < recipe.steps:  # of a finished run nothing can change any more
        run.agree("launch.json", _launch(accelerator))
        run.require_space(checkpoint_bytes(module))
    ema.to(accelerator.device)
    wrapped, optimizer = accelerator.prepare(module, optimizer)
    stop, watch = StopRequest(), LossWatch(accelerator.device)
    options = {"desc": title, "initial": first, "total": recipe.steps, "smoothing": 0.05}
    progress = tqdm(range(first, recipe.steps), disable=not accelerator.is_main_process, **options)
    judged = partial(_judged, evaluate, module, ema, run, best, stop)
    try:
        if owed:
            if judged(first):
                run.save(first, _parts(module, ema, optimizer, accelerator))
            if _any_process(stop.asked, accelerator):
                _leave(accelerator)
        for step in progress:
            metrics = _optimise(wrapped, loss_of, optimizer, step, recipe, accelerator, watch)
            ema.step(module.parameters())
            done = step + 1
            asked, last = _any_process(stop.asked, accelerator), done == recipe.steps
            saves = done % recipe.checkpoint_every == 0 or last or asked
            logs, evaluates = step % LOG_EVERY == 0 or last, done % recipe.evaluate_every == 0 or last
            if logs or evaluates or saves:
                parts = _parts(module, ema, optimizer, accelerator)
                _check_finite(watch, parts, done, accelerator, people_of)
            if logs:
                metrics = {name: float(value) for name, value in metrics.items()}
                run.log(done, **metrics)
                progress.set_postfix({k: f"{v:.3f}" for k, v in metrics.items() if k.endswith("loss")}, refresh=False)
            owed = evaluates
            if evaluates and not asked:
                owed = not judged(done)
                asked = _any_process(stop.asked, accelerator)
            if saves or asked:
                run.save(done, parts | (OWED if owed else {}))
            if asked:
                _leave(accelerator)
    finally:
        stop.restore()
    accelerator.wait_for_everyone()
    ema.copy_to(module.parameters())
    if best:
        module.load_state_dict(run.best())
    accelerator.free_memory()  # a second stage on the same weights must not meet this stage's gradient hooks
    return module.eval()


def _launch(accelerator: Accelerator) -> dict:
    """Launcher's options that decide what a step sees."""
    return {
        "processes": accelerator.num_processes,
        "gradient_accumulation_steps": accelerator.gradient_accumulation_steps,
        "mixed_precision": accelerator.mixed_precision,
    }


def checkpoint_bytes(module: nn.Module) -> int:
    """What a checkpoint of it takes on the disk: weights, their average, and AdamW's two moments."""
    return bytes_of({"module": module.state_dict()}) + 3 * sum(p.nbytes for p in module.parameters())


def _judged(
    evaluate: Callable, module: nn.Module, ema: EMAModel, run: Run, best: str | None, stop: StopRequest, step: int
) -> bool:
    """Evaluate the averaged weights, on the main process, and keep them when they are the best; False: cut short."""
    if not run.main:
        return True
    try:
        with _average(module, ema):
            with stop.cutting():
                metrics = evaluate(module, step)
            if best:
                run.keep_best(metrics[best], step, module.state_dict())
    except CutShort:
        return False
    run.log(step, **metrics)
    return True


def _leave(accelerator: Accelerator) -> NoReturn:
    """End the training on every process at once: one that leaves first has the launcher end the one that saves."""
    accelerator.wait_for_everyone()
    raise KeyboardInterrupt


def _any_process(asked: bool, accelerator: Accelerator) -> bool:
    """Whether any process was asked to stop: all must leave at the same step, or the rest wait for ever."""
    if accelerator.num_processes == 1:
        return asked
    return bool(accelerator.reduce(torch.tensor(float(asked), device=accelerator.device)) > 0)


def _optimise(
    wrapped, loss_of, optimizer, step: int, recipe: Recipe, accelerator: Accelerator, watch: LossWatch
) -> dict:
    """One optimiser step of `gradient_accumulation_steps` micro-steps; returns the last one's metrics."""
    rate = learning_rate(step, recipe.steps, recipe.learning_rate, recipe.warmup)
    for group in optimizer.param_groups:
        group["lr"] = rate
    wrapped.train()
    metrics: dict = {}
    norm = None
    for micro in range(accelerator.gradient_accumulation_steps):
        with accelerator.accumulate(wrapped):
            number = step * accelerator.gradient_accumulation_steps + micro
            # dropout masks come from the global generator, whose state no checkpoint holds
            torch.manual_seed(keyed_generator("dropout", number, accelerator.process_index).initial_seed())
            loss, metrics = loss_of(wrapped, number)
            watch.see(loss, number)
            accelerator.backward(loss)
            if accelerator.sync_gradients:
                norm = accelerator.clip_grad_norm_(wrapped.parameters(), recipe.clip)
            optimizer.step()
            optimizer.zero_grad()
    return {"learning_rate": rate, "gradient_norm": norm, **metrics}


def _check_finite(
    watch: LossWatch,
    parts: dict[str, Tensors],
    done: int,
    accelerator: Accelerator,
    people_of: Callable[[int], object] | None,
) -> None:
    """Stop before anything that is not finite is kept.

    Weights are the same on every process, so all stop together; a loss is a process's own, so one of them names it.
    """
    micro = watch.first()
    floats = [v.detach() for tensors in parts.values() for v in tensors.values() if v.is_floating_point()]
    if micro is not None:
        step = micro // accelerator.gradient_accumulation_steps + 1
        fault = f"the loss is not finite at step {step}, process {accelerator.process_index}"
        if people_of:
            fault += f", of the people in rows {people_of(micro)} of the prepared cohort"
    elif not nn.utils.get_total_norm(floats).isfinite():
        fault = f"a weight is not finite at step {done} (where a loss was not, its process says so)"
    else:
        return
    raise InputError("training", fault, "check the data, or delete the run's folder and choose a lower --learning-rate")


@contextmanager
def _average(module: nn.Module, ema: EMAModel) -> Iterator[None]:
    """The module holds the averaged weights, ready to be looked at."""
    ema.store(module.parameters())
    ema.copy_to(module.parameters())
    module.eval()
    try:
        with torch.no_grad():
            yield
    finally:
        ema.restore(module.parameters())
        module.train()


def _parts(module: nn.Module, ema: EMAModel, optimizer, accelerator: Accelerator) -> dict[str, Tensors]:
    """Everything a run needs to go on, as tensors by name."""
    state = {
        f"{index}.{name}": value
        for index, slot in optimizer.state_dict()["state"].items()
        for name, value in slot.items()
    }
    shadow = {str(i): p for i, p in enumerate(ema.shadow_params)}
    parts = {
        "module": dict(module.state_dict()),
        "ema": {**shadow, "optimization_step": torch.tensor(ema.optimization_step)},
        "optimizer": state,
    }
    if accelerator.scaler is not None:  # of fp16: how far losses are scaled up now
        parts["scaler"] = {name: torch.tensor(value) for name, value in accelerator.scaler.state_dict().items()}
    return parts


def _resume(run: Run, module: nn.Module, ema: EMAModel, optimizer, accelerator: Accelerator) -> tuple[int, bool]:
    """Put the newest checkpoint back, if there is one: the step to go on with, and whether it is still to be judged."""
    found = run.load()
    if found is None:
        return 0, False
    step, parts = found
    try:
        module.load_state_dict(parts["module"])
    except RuntimeError:
        fault, remedy = "its checkpoint is of another network", "choose another --output, or delete that folder"
        raise InputError(run.folder, fault, remedy) from None
    average = parts["ema"]
    ema.optimization_step = int(average.pop("optimization_step"))
    ema.shadow_params = [average[str(i)] for i in range(len(average))]
    state: dict[int, dict[str, Tensor]] = {}
    for key, value in parts["optimizer"].items():
        index, name = key.split(".", 1)
        state.setdefault(int(index), {})[name] = value
    optimizer.load_state_dict({**optimizer.state_dict(), "state": state})
    if accelerator.scaler is not None:
        accelerator.scaler.load_state_dict({name: value.item() for name, value in parts["scaler"].items()})
    return step, OWED.keys() <= parts.keys()
