"""A tiny cohort, a tiny pipeline, and scripts run as a user runs them; shared by the scripts beside this file."""

import ast
import gc
import importlib
import inspect
import json
import os
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import IO

import tyro

# GNU OpenMP's threads do not survive a fork: the child of a process that computed with several waits for ever.
os.environ["OMP_NUM_THREADS"] = "1"  # read when torch is imported
ROOT = Path(__file__).parents[2]
SPLIT_SUBJECTS = 18  # the fewest phantoms with two people each in validation and test
GRID = {"slices": 3, "phases": 2, "height": 32, "width": 32, "slice_step_mm": 30.0, "pixel_mm": 5.4}
ON_THE_GRID = [f"--geometry.{name.replace('_', '-')}={value}" for name, value in GRID.items()]
STAGES = [f"--stage-steps.{stage}=2" for stage in ("autoencoder", "segmenter", "ceiling", "condition", "prior")]
TRAIN_DIFFUSION = ["--steps", "2", *STAGES, "--hearts-per-batch", "4", "--preset", "nano", *ON_THE_GRID]
FEW_STEPS = ["--steps", "2", "--batch-size", "4", *ON_THE_GRID]
LONGEST_S = 7200  # of a command; a machine may be busy


@dataclass(frozen=True)
class Done:
    """Exit code of a command (negative: the signal), and its stdout and stderr together."""

    code: int
    said: bytes


def table_row(row: str, what: str, target: str, reached: object, met: bool) -> bool:
    """Print one row of the table; returns whether its target is met."""
    print(f"| {row} | {what} | {target} | {reached}{'' if met else ' **(missed)**'} |", flush=True)
    return met


def tiny_cohort(folder: Path, subjects: int = SPLIT_SUBJECTS, seed: int = 3) -> Path:
    """Simulated patients in UK Biobank's formats."""
    from phantom.cohort_plan import CohortPlan
    from phantom.cohort_writer import write_cohort

    with Path(os.devnull).open("w") as nowhere:
        screen, sys.stderr = sys.stderr, nowhere  # the progress bar
        try:
            write_cohort(folder, CohortPlan(seed, subjects), processes=1)
        finally:
            sys.stderr = screen
    return folder


def tiny_pipeline(folder: Path) -> Path:
    """An untrained pipeline on a coarse grid, with a segmenter; the same weights every time."""
    from models.presets import Preset

    preset = Preset((32, 64), 1, ecg_width=32, ecg_layers=1, ecg_heads=4, autoencoder_width=8)
    return _untrained(folder, preset, GRID)


def nano_pipeline(folder: Path) -> Path:
    """An untrained pipeline of the size that is trained without a GPU, on the whole grid."""
    from models.presets import PRESETS

    return _untrained(folder, PRESETS["nano"], {})


def _untrained(folder: Path, preset, grid: dict) -> Path:
    import torch

    from cohort.heart_grid import GridGeometry
    from models.autoencoder import SliceAutoencoder
    from models.conditioning import HeartConditioner
    from models.denoiser import HeartDenoiser
    from models.ecg_encoder import ECGEncoder
    from models.heart_prior import HeartPrior
    from models.segmenter import Segmenter
    from sampling.pipeline import ECGToMRIPipeline
    from sampling.schedulers import DEFAULT_SCHEDULER, make_scheduler

    torch.manual_seed(0)
    geometry, width, channels = GridGeometry(**grid), preset.ecg_width, 4
    conditioner = HeartConditioner(width=width, components=3)
    autoencoder = SliceAutoencoder(width=preset.autoencoder_width, latent_channels=channels)
    autoencoder.set_latent_statistics(torch.zeros(channels), torch.ones(channels))
    side = geometry.height // autoencoder.downsampling
    pipeline = ECGToMRIPipeline(
        ECGEncoder(width=width, layers=preset.ecg_layers, heads=preset.ecg_heads),
        conditioner,
        HeartPrior(conditioner.code_length, conditioner.summary_length, width=16, blocks=1),
        HeartDenoiser(channels, (side, side), width, conditioner.condition_length, preset.denoiser_widths),
        autoencoder,
        make_scheduler(DEFAULT_SCHEDULER),
        geometry=asdict(geometry),
        ecg_limits=[[0.0, 20.0]] * 12,
    )
    folder.parent.mkdir(parents=True, exist_ok=True)
    pipeline.save(folder, {"segmenter": Segmenter()}, describe=lambda at: _note(at / "training.json"))
    return folder


def _note(path: Path) -> None:
    path.write_text(json.dumps({"cohort": "of-nobody"}))


def command(*words: object, cwd: Path, **environment: str) -> Done:
    """Run a command in a process of its own and in a folder of its own."""
    variables = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", **environment}
    done = subprocess.run(
        [str(word) for word in words],
        cwd=cwd,
        env=variables,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=LONGEST_S,
    )
    return Done(done.returncode, done.stdout)


class Begun:
    """A script that runs in a fork of this process."""

    def __init__(self, child: int, said: IO[bytes]) -> None:
        self.child, self._said = child, said

    def ended(self) -> Done:
        """Wait until it has."""
        _, status = os.waitpid(self.child, 0)
        with self._said as said:
            said.seek(0)
            return Done(os.waitstatus_to_exitcode(status), said.read())


def forked(script: str, *arguments: object, cwd: Path, before: Callable[[], None] | None = None) -> Done:
    """Run a script's main as `python script.py ...` would, in a fork, which need not import anything again.

    Args:
        before: called in the child first, to break or to watch something.
    """
    return begun(script, *arguments, cwd=cwd, before=before).ended()


def begun(script: str, *arguments: object, cwd: Path, before: Callable[[], None] | None = None) -> Begun:
    """Start what `forked` runs; several may run at once."""
    module = importlib.import_module(script)
    _import_what_it_asks_for_late(module)
    assert importlib.import_module("torch").get_num_threads() == 1, "a fork of several threads would hang"
    said = tempfile.TemporaryFile()  # noqa: SIM115 (`ended` closes it)
    gc.freeze()  # a script collects garbage: a child need not look through all that was imported here
    child = os.fork()
    if child == 0:
        code = 1
        try:
            os.dup2(said.fileno(), 1), os.dup2(said.fileno(), 2)
            os.chdir(cwd)
            sys.argv = [f"{script}.py", *map(str, arguments)]
            options_of = inspect.signature(module.main).parameters  # `tyro.cli(main)` fills them in
            code = _code_of(partial(tyro.cli, module.main) if options_of else module.main, before)
        finally:
            sys.stdout.flush(), sys.stderr.flush()
            os._exit(code)
    return Begun(child, said)


def _import_what_it_asks_for_late(module: ModuleType) -> None:
    """Imports within a script's functions, so that its forks find them there."""
    for node in ast.walk(ast.parse(inspect.getsource(module))):
        if isinstance(node, ast.ImportFrom):
            importlib.import_module(node.module)


def _code_of(main: Callable[[], None], before: Callable[[], None] | None) -> int:
    from cohort.errors import exit_code_of

    try:
        if before:
            before()
        return exit_code_of(main)
    except SystemExit as stopped:
        return stopped.code if isinstance(stopped.code, int) else int(stopped.code is not None)
    except BaseException:
        traceback.print_exc()
        return 1


def files_of(*folders: Path) -> list[Path]:
    """Every regular file, in order of name."""
    return sorted(path for folder in folders for path in folder.rglob("*") if path.is_file() and not path.is_symlink())
