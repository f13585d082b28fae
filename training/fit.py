"""The training loop: accumulate, clip, step, average, log, evaluate, save. A Task says what is learned."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import NoReturn

import torch
from accelerate import Accelerator
from diffusers.training_utils import EMAModel
from torch import Tensor, nn

from .loss_watch import LossWatch
from .order import keyed_generator
from .progress import Progress
from .session import Session
from .state import PENDING_EVALUATION, checkpoint_bytes, restored, state_of
from .stop_request import CutShort, StopRequest

LOG_EVERY = 20


@dataclass(frozen=True)
class Task:
    """What one stage learns.

    Attributes:
        title: of the progress bar and of the trackers' run.
        module: what is trained.
        loss_of: (module, micro-step) -> scalar loss and metrics to log; must depend on the micro-step alone.
        evaluate: (module holding the averaged weights, step) -> metrics. The main process calls it every
            `evaluate_every` steps and at the end.
        best: a metric of `evaluate`. The averaged weights with its smallest value are left in the module, not the last.
        people_of: micro-step -> rows of the prepared cohort that this process saw, or (cohort, row) of several cohorts.
            The message about a loss that is not finite names them.
    """

    title: str
    module: nn.Module
    loss_of: Callable[[nn.Module, int], tuple[Tensor, dict[str, Tensor]]]
    evaluate: Callable[[nn.Module, int], dict[str, float]]
    best: str | None = None
    people_of: Callable[[int], object] | None = None


def fit(task: Task, session: Session) -> nn.Module:
    """Train the task's module and leave the averaged (EMA) weights in it.

    Raises:
        InputError: the loss is not finite, or the disk cannot hold the checkpoints.
        KeyboardInterrupt: SIGTERM, SIGHUP, Ctrl-C or the end of our launcher, after a checkpoint. An evaluation is
            cut short, and the continued run repeats it.
    """
    module, recipe, accelerator, run = task.module, session.recipe, session.accelerator, session.run
    optimizer = torch.optim.AdamW(
        module.parameters(), lr=recipe.learning_rate, weight_decay=recipe.weight_decay, betas=(0.9, 0.99), fused=True
    )
    ema = EMAModel(module.parameters(), decay=recipe.ema_decay, use_ema_warmup=True, power=0.75, foreach=True)
    first, pending = restored(run, module, ema, optimizer, accelerator)
    if first < recipe.steps:  # a finished run can no longer change
        run.agree("launch.json", _launch(accelerator))
        run.require_space(checkpoint_bytes(module))
        run.goes_on(first)
    ema.to(accelerator.device)
    wrapped, optimizer = accelerator.prepare(module, optimizer)
    if pending or first < recipe.steps:  # else there is nothing to tell them
        session.start_trackers(task.title)
    stop, watch = StopRequest(), LossWatch(accelerator.device)
    name, plan = session.planned(task.title)
    progress = Progress(plan, name, first, recipe.steps, shown=session.main)
    try:
        judges_start = first == 0 and session.begun and task.best  # few people may teach trained weights but noise
        if pending or judges_start:
            if _evaluated(task, session, ema, stop, first, progress) and pending:
                run.save(first, state_of(module, ema, optimizer, accelerator))
            if _any_process(stop.asked, accelerator):
                _leave(accelerator)
        for step in range(first, recipe.steps):
            wrapped.train()
            for micro in _micro_steps(wrapped, step, accelerator):
                loss, metrics = task.loss_of(wrapped, micro)
                watch.see(loss, micro)
                accelerator.backward(loss)
                metrics = _update(wrapped, optimizer, step, recipe, accelerator) | metrics
            ema.step(module.parameters())
            done = step + 1
            asked, last = _any_process(stop.asked, accelerator), done == recipe.steps
            saves = done % recipe.checkpoint_every == 0 or last or asked
            logs, evaluates = step % LOG_EVERY == 0 or last, done % recipe.evaluate_every == 0 or last
            if logs or evaluates or saves:
                parts = state_of(module, ema, optimizer, accelerator)
                watch.require_finite(parts, done, accelerator, task.people_of)
            if logs:
                metrics = {name: float(value) for name, value in metrics.items()}
                session.log(done, metrics)
                progress.metrics(metrics)
            progress.step(done)
            pending = evaluates
            if evaluates and not asked:
                pending = not _evaluated(task, session, ema, stop, done, progress)
                asked = _any_process(stop.asked, accelerator)
            if saves or asked:
                run.save(done, parts | (PENDING_EVALUATION if pending else {}))
            if asked:
                _leave(accelerator)
    finally:
        progress.close()
        stop.restore()
    accelerator.wait_for_everyone()
    ema.copy_to(module.parameters())
    if task.best:
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


def _micro_steps(wrapped: nn.Module, step: int, accelerator: Accelerator) -> Iterator[int]:
    """The numbers of a step's `gradient_accumulation_steps` micro-steps, each within `accelerator.accumulate`."""
    for micro in range(accelerator.gradient_accumulation_steps):
        with accelerator.accumulate(wrapped):
            number = step * accelerator.gradient_accumulation_steps + micro
            # dropout masks come from the global generator, whose state no checkpoint holds
            torch.manual_seed(keyed_generator("dropout", number, accelerator.process_index).initial_seed())
            yield number


def _update(wrapped: nn.Module, optimizer, step: int, recipe, accelerator: Accelerator) -> dict:
    """Clip and step, if the micro-step is the last of its step. Returns what is to be logged."""
    rate, norm = recipe.rate_at(step), None
    for group in optimizer.param_groups:
        group["lr"] = rate
    if accelerator.sync_gradients:
        norm = accelerator.clip_grad_norm_(wrapped.parameters(), recipe.clip)
    optimizer.step()
    optimizer.zero_grad()
    return {"learning_rate": rate, "gradient_norm": norm}


def _evaluated(task: Task, session: Session, ema: EMAModel, stop: StopRequest, step: int, progress: Progress) -> bool:
    """Evaluate the averaged weights on the main process, and keep the best ones. Returns False if it was cut short.

    The training's page is written anew with what was found.
    """
    if not session.main:
        return True
    try:
        with _average(task.module, ema):
            with stop.cutting():
                metrics = task.evaluate(task.module, step)
            if task.best:
                session.run.keep_best(metrics[task.best], step, task.module.state_dict())
    except CutShort:
        return False
    session.log(step, metrics)
    session.show(task.title, progress.line(step))
    return True


def _leave(accelerator: Accelerator) -> NoReturn:
    """End the training on every process at once. If one left first, the launcher would end the one that saves."""
    accelerator.wait_for_everyone()
    raise KeyboardInterrupt


def _any_process(asked: bool, accelerator: Accelerator) -> bool:
    """Whether any process was asked to stop: all must leave at the same step, or the rest wait for ever."""
    if accelerator.num_processes == 1:
        return asked
    return bool(accelerator.reduce(torch.tensor(float(asked), device=accelerator.device)) > 0)


@contextmanager
def _average(module: nn.Module, ema: EMAModel) -> Iterator[None]:
    """Within it, the module holds the averaged weights, in eval mode and without gradients."""
    ema.store(module.parameters())
    ema.copy_to(module.parameters())
    module.eval()
    try:
        with torch.no_grad():
            yield
    finally:
        ema.restore(module.parameters())
        module.train()
