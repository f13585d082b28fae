"""How long sampling takes: one patient from XML to NIfTI and PNG, many patients at once, memory, and each stage.

    python benchmarks/sampling_speed.py

What is timed is sample.py itself, always in a fresh process, so that nothing is warm that would be cold for a user. CPU
seconds stand beside the wall's: a busy machine multiplies the wall's and hardly touches the CPU's. The ECGs are
phantoms made on the fly. With a GPU everything is measured on both. Writes results/sampling_speed.md and .json.
"""

import contextlib
import json
import os
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from importlib import import_module
from multiprocessing import get_context
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import NamedTuple

import tyro

sys.path.insert(0, str(Path(__file__).parents[1]))  # the repository, wherever the command is given

from cohort.errors import exit_code_of
from sampling.imports import lean_imports

ROOT = Path(__file__).parents[1]
SCRIPTS = (*sorted(path.name for path in ROOT.glob("*.py")), "-m cohort.report")
IMPORTED = (  # what sample.main imports as it goes along
    *(
        "sample",
        "cohort.pseudonym",
        "sampling.inputs",
        "tqdm",
        "evaluation.heart_sampler",
        "evaluation.phenotype_lines",
    ),
    *("evaluation.tally", "sampling.grid", "sampling.output_lock", "sampling.release", "sampling.threads"),
)
STAGES = (  # name, module, class or None, function
    ("load", "evaluation.heart_sampler", "HeartSampler", "open"),
    ("read", "evaluation.heart_sampler", "HeartSampler", "read"),
    ("encode", "sampling.pipeline", "ECGToMRIPipeline", "encode"),
    ("prior", "sampling.pipeline", "ECGToMRIPipeline", "draw_codes"),
    ("denoise", "sampling.pipeline", "ECGToMRIPipeline", "draw"),  # less what of it are other stages
    ("decode", "sampling.pipeline", "ECGToMRIPipeline", "decode"),
    ("beat", "sampling.pipeline", "ECGToMRIPipeline", "beat"),
    ("segment", "evaluation.heart_sampler", None, "segment"),
    ("segment", "evaluation.beating", None, "segment"),  # every frame of a beat
    ("measure", "evaluation.heart_sampler", "HeartSampler", "_summed_up"),
    ("measure", "evaluation.beating", None, "measured_beat"),
    ("write NIfTI", "sampling.outputs", None, "_write_stacks"),
    ("write NIfTI", "sampling.outputs", None, "_write_beating"),
    ("write GIF and curve", "evaluation.beating", None, "heart_film"),
    ("write GIF and curve", "evaluation.beating", None, "volume_plot"),
    ("write PNG", "sampling.outputs", None, "write_grid"),
)
PER_HEART = ("encode", "prior", "denoise", "decode", "beat")  # stages that make a heart; "segment" measures it
OTHER = "other (git, hashes, tables)"


@dataclass(frozen=True)
class Config:
    """Measure the speed of sampling."""

    pipeline: Path | None = None
    """A pipeline folder; what sample.py would take if not given."""
    patients: int = 8
    """Of the throughput."""
    repeats: int = 3
    """Runs of everything else; the median is shown."""
    seed: int = 4
    """Of the phantoms."""
    sample_arguments: tuple[str, ...] = ()
    """Handed to sample.py, last: --sample-arguments --steps 6"""
    output: Path = ROOT / "benchmarks" / "results"


class Cost(NamedTuple):
    wall_s: float
    cpu_s: float
    peak_mb: float = float("nan")


class Stopwatch:
    """Wall and CPU seconds of named stages. Repeated ones add up; a stage within another counts for itself alone."""

    def __init__(self) -> None:
        self.seconds: dict[str, tuple[float, float]] = defaultdict(lambda: (0.0, 0.0))
        self.wait: Callable[[], None] = lambda: None  # until the device has done all it was asked to

    @contextlib.contextmanager
    def timing(self, stage: str) -> Iterator[None]:
        begun, timed = self._now(), self._timed()
        yield
        ended, within = self._now(), [now - before for now, before in zip(self._timed(), timed, strict=True)]
        self.seconds[stage] = tuple(self.seconds[stage][k] + ended[k] - begun[k] - within[k] for k in (0, 1))

    def _now(self) -> tuple[float, float]:
        self.wait()
        return time.perf_counter(), time.process_time()

    def _timed(self) -> tuple[float, float]:
        """Of all stages so far."""
        return tuple(sum(spent[k] for spent in self.seconds.values()) for k in (0, 1))

    def times(self, owner: object, name: str, stage: str) -> None:
        """From now on every call of owner.name counts as this stage."""
        inner = getattr(owner, name)

        def timed(*given, **named):
            with self.timing(stage):
                return inner(*given, **named)

        setattr(owner, name, timed)


def main() -> None:
    config = tyro.cli(Config, description=__doc__)
    given = ["--pipeline", str(config.pipeline.resolve())] if config.pipeline else []
    given += config.sample_arguments
    with TemporaryDirectory() as folder:
        ecgs = write_phantoms(Path(folder) / "phantoms", config.patients, config.seed)
        tables = {}
        for device in in_fresh_process(devices):
            os.environ["ACCELERATE_USE_CPU"] = str(device == "cpu").lower()
            tables[f"one patient, 4 hearts of 20 slices ({device})"] = one_patient(ecgs[0], given, folder, config)
            tables[f"{config.patients} patients, 4 hearts each ({device})"] = many_patients(
                ecgs[0].parent, given, folder
            )
        tables["--help"] = [
            {"script": script} | shown(median_of([*script.split(), "--help"], config.repeats)) for script in SCRIPTS
        ]
    from torch import device as torch_device

    from benchmarks.machine import described
    from benchmarks.table import markdown, write_tables

    for title, rows in tables.items():
        print(f"{title}\n{markdown(rows)}")
    machine = described(torch_device("cpu")) | {
        "arguments": " ".join(given[2:] if config.pipeline else given) or "none"
    }
    write_tables(config.output, "sampling_speed", machine, tables)


def one_patient(ecg: Path, given: list[str], folder: str, config: Config) -> list[dict]:
    """The whole command, what of it is not imports, and every stage."""
    number = iter(range(2 * config.repeats))  # another output folder each time: a finished patient is not done again

    def arguments() -> list[str]:
        return ["--ecg", str(ecg), "--output", f"{folder}/one{os.environ['ACCELERATE_USE_CPU']}{next(number)}", *given]

    whole = median_cost([cost_of(["sample.py", *arguments()]) for _ in range(config.repeats)])
    runs = [in_fresh_process(stages_of, arguments()) for _ in range(config.repeats)]
    stages = {name: median_cost([Cost(*run[name]) for run in runs]) for name in runs[0]}
    working = median_cost([Cost(*(sum(run[s][k] for s in run if s != "imports") for k in (0, 1))) for run in runs])
    rows = {"the whole command": whole, "without the imports": working, **stages}
    return [{"what": name} | shown(cost) for name, cost in rows.items()]


def many_patients(ecgs: Path, given: list[str], folder: str) -> list[dict]:
    """Hearts a second of one process that has imported and loaded everything, by what is counted."""
    output = Path(folder) / f"many{os.environ['ACCELERATE_USE_CPU']}"
    run = in_fresh_process(stages_of, ["--ecg", str(ecgs), "--output", str(output), *given])
    hearts = sum(json.loads(record.read_text())["samples"] for record in output.glob("*/heart.json"))
    counted = {
        "generated": PER_HEART,
        "generated and measured": (*PER_HEART, "segment", "measure"),
        "generated, measured and written": tuple(stage for stage in run if stage not in ("imports", "load")),
    }
    rows = []
    for what, stages in counted.items():
        wall, cpu = (sum(run[stage][k] for stage in stages) for k in (0, 1))
        rows.append({"what": what, "hearts/s": hearts / wall, "CPU s a heart": cpu / hearts})
    return rows


# ---- Costs of other processes ----


def in_fresh_process(function: Callable, *given: object) -> object:
    """What the function answers in a new interpreter, which has imported nothing yet but this file."""
    with ProcessPoolExecutor(1, get_context("spawn")) as pool:
        return pool.submit(function, *given).result()


def cost_of(arguments: list[str]) -> Cost:
    """Of `python *arguments` in the repository; this process stays small, for a child's peak begins at its parent's."""
    started = time.perf_counter()
    process = subprocess.Popen([sys.executable, *arguments], cwd=ROOT, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, arguments)
    peak = usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024)  # bytes there, kilobytes elsewhere
    return Cost(time.perf_counter() - started, usage.ru_utime + usage.ru_stime, peak / 1e6)


def median_of(arguments: list[str], repeats: int) -> Cost:
    return median_cost([cost_of(arguments) for _ in range(repeats)])


def median_cost(costs: list[Cost]) -> Cost:
    return Cost(*(median(column) for column in zip(*costs, strict=True)))


def shown(cost: Cost) -> dict:
    peak = None if cost.peak_mb != cost.peak_mb else cost.peak_mb
    return {"wall s": cost.wall_s, "CPU s": cost.cpu_s, "peak MB": peak}


def write_phantoms(folder: Path, subjects: int, seed: int) -> list[Path]:
    """ECGs of simulated patients."""
    options = {"output": folder, "subjects": subjects, "seed": seed, "processes": 1}
    words = [str(word) for name, value in options.items() for word in (f"--{name}", value)]
    cost_of(["make_phantom.py", *words, "--ecg-only"])
    return sorted((folder / "ecg").glob("*.xml"))


# ---- In a fresh process; what it imports is imported by name, for that takes time too ----


def devices() -> list[str]:
    return ["cpu", *(["cuda"] if import_module("torch").cuda.is_available() else [])]


def stages_of(arguments: list[str]) -> dict[str, tuple[float, float]]:
    """Wall and CPU seconds of the stages of sample.py with these arguments."""
    watch = Stopwatch()
    os.chdir(ROOT)
    with watch.timing("imports"):
        import_all()
    cuda = import_module("torch").cuda
    watch.wait = cuda.synchronize if cuda.is_available() else watch.wait
    for stage, module, owner, name in STAGES:
        watch.times(getattr(import_module(module), owner) if owner else import_module(module), name, stage)
    sys.argv = ["sample.py", *arguments]
    with contextlib.redirect_stdout(None), watch.timing(OTHER):
        import_module("sample").main()
    return {stage: watch.seconds[stage] for stage in ("imports", *(stage for stage, *_ in STAGES), OTHER)}


def import_all() -> None:
    """Everything that sample.py imports as it goes along."""
    with lean_imports():
        for name in IMPORTED:
            import_module(name)


if __name__ == "__main__":
    sys.exit(exit_code_of(main))
