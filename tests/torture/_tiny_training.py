"""A training of seconds through the real loop, the hashes of what it leaves, and ways to start and to end it.

The network is small. The loop (training.fit), the run's folder (training.run), the order of the data
(training.order) and the Accelerator are those of every training. The network has dropout, whose masks must survive too.

    python tests/torture/_tiny_training.py --folder runs/tiny
    ACCELERATE_USE_CPU=1 torchrun --nproc_per_node 2 tests/torture/_tiny_training.py --folder runs/tiny
"""

import argparse
import contextlib
import gc
import json
import os
import signal
import socket
import sys
import time
import uuid
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

import torch
from accelerate import Accelerator
from torch import nn

from cohort.disk import PARTIAL, sha256_of
from cohort.errors import exit_code_of
from training.checkpoint import damaged, digest_of, read_best, step_of
from training.fit import Task, fit
from training.order import keyed_generator, rows_of_step
from training.recipe import Recipe
from training.run import Run
from training.session import Session

torch.set_num_threads(1)  # before any fork: GNU OpenMP's threads do not survive one (tiny.py)
ROOT = Path(__file__).parents[2]
SEED, PEOPLE, BATCH, WIDTH = 7, 50, 8, 512
STEPS, CHECKPOINT_EVERY, EVALUATE_EVERY = 40, 4, 8
MARK = "TORTURE_MARK"  # in the environment of everything started here, so that orphans are found


def train(
    folder: Path,
    steps: int = STEPS,
    checkpoint_every: int = CHECKPOINT_EVERY,
    evaluate_every: int = EVALUATE_EVERY,
    at_step: Callable[[int, int], float | None] | None = None,
    at_evaluation: Callable[[Path], None] | None = None,
) -> None:
    """Train in `folder`, or go on there.

    Args:
        at_step: called with (step, process) before each step. If it returns a number, that multiplies the loss.
        at_evaluation: called with `folder` before each evaluation.
    """
    accelerator = Accelerator(cpu=True)
    rank, ranks = accelerator.process_index, accelerator.num_processes
    run = Run(folder, {"seed": SEED, "steps": steps}, accelerator.is_main_process)
    torch.manual_seed(SEED)
    module = nn.Sequential(nn.Linear(WIDTH, WIDTH), nn.GELU(), nn.Dropout(0.2), nn.Linear(WIDTH, WIDTH))
    table = torch.randn(PEOPLE, WIDTH, generator=keyed_generator(SEED, "people"))

    def rows(step: int) -> torch.Tensor:
        return rows_of_step(torch.arange(PEOPLE), BATCH, step, SEED, rank, ranks)

    def loss_of(wrapped: nn.Module, step: int):
        scale = (at_step and at_step(step, rank)) or 1.0
        x = table[rows(step)]
        noise = torch.randn(x.shape, generator=keyed_generator(SEED, "noise", step, rank))
        loss = (wrapped(x + 0.1 * noise) - x.roll(1, dims=1)).square().mean() * scale
        return loss, {"loss": loss.detach()}

    def evaluate(trained: nn.Module, step: int) -> dict[str, float]:
        if at_evaluation:
            at_evaluation(folder)
        return {"validation_loss": float((trained(table) - table.roll(1, dims=1)).square().mean())}

    plan = Recipe(steps, 1e-3, 5, checkpoint_every=checkpoint_every, evaluate_every=evaluate_every)
    task = Task("tiny", module, loss_of, evaluate, "validation_loss", lambda step: rows(step).tolist())
    fit(task, Session(run, plan, accelerator, SEED))
    accelerator.end_training()


def left_by(folder: Path) -> dict[str, str]:
    """sha256 of everything a run ends with: weights, EMA, optimiser, metrics (losses), and the best weights."""
    last = saved(folder)[-1]
    assert damaged(last) is None, last
    sums = json.loads((last / "manifest.json").read_text())["sha256"]
    tensors, score, step = read_best(folder / "best.safetensors")
    return {
        "step": str(step_of(last)),
        **sums,
        "metrics": sha256_of(folder / "metrics.jsonl"),
        "best": f"{digest_of(tensors)} {score} {step}",
    }


def saved(folder: Path) -> list[Path]:
    """Its checkpoints, oldest first."""
    return sorted((folder / "checkpoints").glob("step_*"))


def half_written(folder: Path) -> bool:
    """Whether a save is under way, or was when the run was killed."""
    return any((folder / "checkpoints").glob(f"{PARTIAL}*"))


class Started:
    """Processes of one start of a training: our children, and by their mark their children."""

    def __init__(self, pids: list[int], log: Path, mark: str | None = None) -> None:
        self.pids, self.log, self._mark = pids, log, mark
        self._codes: dict[int, int] = {}
        self._known = pids

    def code(self, seconds: float = 300.0) -> int | None:
        """The exit code (negative: the signal) of the first process that failed, 0 if none; None: still running."""
        ended = wait_for(self._collect, seconds, pause=0.002)
        return next((code for code in self._codes.values() if code), 0) if ended else None

    def _collect(self) -> bool:
        """Take the exit codes of those that have ended; whether all have."""
        for pid in set(self.pids) - set(self._codes):
            done, status = os.waitpid(pid, os.WNOHANG)
            if done:
                self._codes[pid] = os.waitstatus_to_exitcode(status)
        return len(self._codes) == len(self.pids)

    def alive(self) -> list[int]:
        """Processes of ours that still run, orphans included (a zombie does not run)."""
        if self._mark is None:
            self._collect()
            return [pid for pid in self.pids if pid not in self._codes]
        found = []
        for place in Path("/proc").glob("[0-9]*"):
            try:
                if f"{MARK}={self._mark}\0".encode() in (place / "environ").read_bytes():
                    found.append(int(place.name))
            except OSError:  # ended meanwhile, or somebody else's
                continue
        self._known = found
        return found

    def ranks(self) -> list[int]:
        """Pids of those that train, in the order of their ranks."""
        if self._mark is None:
            return self.pids
        by_rank = {}
        for pid in self.alive():
            try:
                values = (Path("/proc") / str(pid) / "environ").read_bytes().split(b"\0")
            except OSError:
                continue
            rank = next((int(v[5:]) for v in values if v.startswith(b"RANK=")), None)
            if rank is not None:
                by_rank[rank] = pid
        return [by_rank[rank] for rank in sorted(by_rank)]

    def kill(self) -> None:
        """kill -9 of all of them."""
        for known in (self._known, self.alive()):  # those seen last at once, before looking again
            for pid in known:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
        self.code()

    def said(self) -> str:
        return self.log.read_text(errors="replace")


def fork(folder: Path, processes: int = 1, log: Path | None = None, job=train, **options) -> Started:
    """Start the training from this warm process: no import to wait for. Several processes get torchrun's environment.

    Args:
        log: of its output; <folder>.log if not given.
        job: called with (folder, **options) in each child.
    """
    log, port = log or folder.with_name(f"{folder.name}.log"), free_port()
    sys.stdout.flush()
    gc.freeze()  # Accelerate collects garbage at the end: a child need not look through all that was imported here
    pids = []
    for rank in range(processes):
        pid = os.fork()
        if pid == 0:
            _become_rank(rank, processes, port, log)
            code = 1
            try:
                code = exit_code_of(lambda: job(folder, **options))
            except BaseException:
                import traceback

                traceback.print_exc()
            finally:
                sys.stdout.flush()
                sys.stderr.flush()
                os._exit(code)
        pids.append(pid)
    return Started(pids, log)


def _become_rank(rank: int, processes: int, port: int, log: Path) -> None:
    os.setsid()
    signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored by whatever a script has started with `&`,
    signal.signal(signal.SIGHUP, signal.SIG_DFL)  # and this by `nohup`
    handle = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(handle, 1)
    os.dup2(handle, 2)
    if processes > 1:
        place = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": processes, "LOCAL_WORLD_SIZE": processes}
        place |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "ACCELERATE_USE_CPU": "1"}
        os.environ.update({name: str(value) for name, value in place.items()})


def launch(folder: Path, processes: int, *options: object) -> Started:
    """Start the training as a user does: with python, `accelerate launch` (0) or torchrun (2 and more)."""
    arguments = [str(Path(__file__)), "--folder", str(folder), *map(str, options)]
    return launch_script(folder, processes, *arguments)


def launch_script(folder: Path, processes: int, *arguments: object) -> Started:
    """Start any script likewise; its output goes to <folder>.log."""
    launcher = {0: ["-m", "accelerate.commands.launch", "--num_processes", "1", "--num_machines", "1"], 1: []}
    if processes == 0:
        launcher[0] += ["--mixed_precision", "no", "--dynamo_backend", "no"]
    torchrun = ["-m", "torch.distributed.run", "--nproc_per_node", str(processes), "--master_port", str(free_port())]
    command = [sys.executable, *launcher.get(processes, torchrun), *map(str, arguments)]
    mark, log = uuid.uuid4().hex, folder.with_name(f"{folder.name}.log")
    environment = {**os.environ, MARK: mark, "ACCELERATE_USE_CPU": "1", "OMP_NUM_THREADS": "1"}
    environment |= {"PYTHONPATH": str(ROOT), "OMP_WAIT_POLICY": "PASSIVE", "HF_HUB_OFFLINE": "1"}
    with log.open("a") as out:
        pid = os.posix_spawn(
            sys.executable,
            command,
            environment,
            setsid=True,
            setsigdef=[signal.SIGINT, signal.SIGHUP],  # ignored by what a script has started with `&` or `nohup`
            file_actions=[(os.POSIX_SPAWN_DUP2, out.fileno(), 1), (os.POSIX_SPAWN_DUP2, out.fileno(), 2)],
        )
    return Started([pid], log, mark)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def row(number: str, what: str, target: str, reached: str, met: bool) -> bool:
    """Print a line of the table; returns `met`."""
    print(f"| {number} | {what} | {target} | {reached}{'' if met else ' **missed**'} |", flush=True)
    return met


def wait_for(condition, seconds: float = 120.0, pause: float = 0.0005) -> bool:
    """Poll until it holds, once at least; False if it never does."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() >= end:
            return False
        time.sleep(pause)
    return True


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=STEPS)
    parser.add_argument("--checkpoint-every", type=int, default=CHECKPOINT_EVERY)
    parser.add_argument("--pause", type=float, default=0.0, help="seconds more a step takes")
    parser.add_argument("--raise-at", type=int, default=-1, help="step at which process 1 fails")
    parser.add_argument("--nan-at", type=int, default=-1, help="step at which the last process's loss is NaN")
    options = parser.parse_args()

    def at_step(step: int, rank: int) -> float:
        time.sleep(options.pause)
        last = rank == int(os.environ.get("WORLD_SIZE", 1)) - 1
        if last and step == options.raise_at:
            raise RuntimeError("this process fails on purpose")
        return float("nan") if last and step == options.nan_at else 1.0

    train(options.folder, options.steps, options.checkpoint_every, at_step=at_step)


if __name__ == "__main__":
    sys.exit(exit_code_of(main))
