"""The loop: accumulate, clip, step, average, log, check in. Everything else is handed in."""

import math
import signal
from collections.abc import Callable
from dataclasses import dataclass

import torch
from accelerate import Accelerator
from diffusers.training_utils import EMAModel
from torch import Tensor, nn
from tqdm import tqdm

from cohort.errors import InputError

from .objectives import learning_rate
from .order import keyed_generator
from .run import Run

LOG_EVERY = 20


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


class StopRequest:
    """SIGTERM or Ctrl-C asks for a checkpoint and a clean end instead of a torn one."""

    def __init__(self) -> None:
        self.asked = False
        self._before = {s: signal.signal(s, self._ask) for s in (signal.SIGTERM, signal.SIGINT)}

    def _ask(self, *_: object) -> None:
        self.asked = True

    def restore(self) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)


def fit(
    module: nn.Module,
    loss_of: Callable[[nn.Module, int], tuple[Tensor, dict[str, float]]],
    run: Run,
    recipe: Recipe,
    accelerator: Accelerator,
    evaluate: Callable[[nn.Module, int], dict[str, float]],
    title: str,
    best: str | None = None,
) -> nn.Module:
    """Train `module` and leave the averaged (EMA) weights in it.

    Args:
        loss_of: (module, micro-step) -> scalar loss and metrics to log; must depend on the micro-step alone.
        evaluate: (module holding the EMA weights, step) -> metrics, called on the main process every
            `evaluate_every` steps and at the end.
        title: of the progress bar.
        best: a metric of `evaluate`; the averaged weights of the step where it was smallest are left, not the last.

    Raises:
        InputError: the loss is not finite. KeyboardInterrupt: SIGTERM or Ctrl-C, after a checkpoint.
    """
    optimizer = torch.optim.AdamW(
        module.parameters(), lr=recipe.learning_rate, weight_decay=recipe.weight_decay, betas=(0.9, 0.99), fused=True
    )
    ema = EMAModel(module.parameters(), decay=recipe.ema_decay, use_ema_warmup=True, power=0.75, foreach=True)
    first = _resume(run, module, ema, optimizer)
    ema.to(accelerator.device)
    wrapped, optimizer = accelerator.prepare(module, optimizer)
    stop = StopRequest()
    progress = tqdm(
        range(first, recipe.steps),
        desc=title,
        initial=first,
        total=recipe.steps,
        disable=not accelerator.is_main_process,
        smoothing=0.05,
    )
    try:
        for step in progress:
            metrics = _optimise(wrapped, loss_of, optimizer, step, recipe, accelerator)
            ema.step(module.parameters())
            done = step + 1
            asked, last = _any_process(stop.asked, accelerator), done == recipe.steps
            saves = done % recipe.checkpoint_every == 0 or last or asked
            if step % LOG_EVERY == 0 or saves:
                metrics = {name: float(value) for name, value in metrics.items()}  # waits for the device
                _check_finite(metrics, module, step)
            if step % LOG_EVERY == 0 or last:
                run.log(done, **metrics)
                progress.set_postfix({k: f"{v:.3f}" for k, v in metrics.items() if k.endswith("loss")}, refresh=False)
            if (done % recipe.evaluate_every == 0 or last) and accelerator.is_main_process:
                run.log(done, **_with_average(module, ema, lambda m, at=done: _judged(evaluate, m, at, run, best)))
            if saves:
                run.save(done, _parts(module, ema, optimizer))
            if asked and not last:
                raise KeyboardInterrupt
    finally:
        stop.restore()
    accelerator.wait_for_everyone()
    ema.copy_to(module.parameters())
    if best:
        module.load_state_dict(run.best())
    accelerator.free_memory()  # a second stage on the same weights must not meet this stage's gradient hooks
    return module.eval()


def _judged(evaluate: Callable, module: nn.Module, step: int, run: Run, best: str | None) -> dict[str, float]:
    """Metrics of the averaged weights, which are kept when they are the best so far."""
    metrics = evaluate(module, step)
    if best:
        run.keep_best(metrics[best], step, module.state_dict())
    return metrics


def _any_process(asked: bool, accelerator: Accelerator) -> bool:
    """Whether any process was asked to stop: all must leave at the same step, or the rest wait for ever."""
    if accelerator.num_processes == 1:
        return asked
    return bool(accelerator.reduce(torch.tensor(float(asked), device=accelerator.device)) > 0)


def _optimise(wrapped, loss_of, optimizer, step: int, recipe: Recipe, accelerator: Accelerator) -> dict:
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
            accelerator.backward(loss)
            if accelerator.sync_gradients:
                norm = accelerator.clip_grad_norm_(wrapped.parameters(), recipe.clip)
            optimizer.step()
            optimizer.zero_grad()
    return {"learning_rate": rate, "gradient_norm": norm, **metrics}


def _check_finite(metrics: dict[str, float], module: nn.Module, step: int) -> None:
    wrong = [name for name, value in metrics.items() if name.endswith("loss") and not math.isfinite(value)]
    if not torch.stack([p.detach().sum() for p in module.parameters()]).isfinite().all():  # the same on every process
        wrong.append("a weight")
    if wrong:
        raise InputError(
            "training",
            f"{wrong[0]} is not finite at step {step}",
            "delete the run's folder and choose a lower --learning-rate",
        )


def _with_average(module: nn.Module, ema: EMAModel, use: Callable[[nn.Module], dict]) -> dict:
    """Call `use` on the module while it holds the averaged weights."""
    ema.store(module.parameters())
    ema.copy_to(module.parameters())
    module.eval()
    try:
        with torch.no_grad():
            return use(module)
    finally:
        ema.restore(module.parameters())
        module.train()


def _parts(module: nn.Module, ema: EMAModel, optimizer) -> dict[str, dict[str, Tensor]]:
    """Everything a run needs to go on, as tensors by name."""
    state = {
        f"{index}.{name}": value
        for index, slot in optimizer.state_dict()["state"].items()
        for name, value in slot.items()
    }
    shadow = {str(i): p for i, p in enumerate(ema.shadow_params)}
    return {
        "module": dict(module.state_dict()),
        "ema": {**shadow, "optimization_step": torch.tensor(ema.optimization_step)},
        "optimizer": state,
    }


def _resume(run: Run, module: nn.Module, ema: EMAModel, optimizer) -> int:
    """Put the newest checkpoint back, if there is one; returns the step to go on with."""
    found = run.load()
    if found is None:
        return 0
    step, parts = found
    module.load_state_dict(parts["module"])
    average = parts["ema"]
    ema.optimization_step = int(average.pop("optimization_step"))
    ema.shadow_params = [average[str(i)] for i in range(len(average))]
    state: dict[int, dict[str, Tensor]] = {}
    for key, value in parts["optimizer"].items():
        index, name = key.split(".", 1)
        state.setdefault(int(index), {})[name] = value
    optimizer.load_state_dict({**optimizer.state_dict(), "state": state})
    return step
