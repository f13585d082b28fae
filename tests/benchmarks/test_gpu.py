"""The benchmark of a GPU, in small on a CPU: it trains, goes on, draws, and counts right; never how fast it is."""

import json
import math
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from accelerate import Accelerator

from benchmarks import gpu_run
from benchmarks.gpu_run import FEWEST, UNTIMED, GpuLoad, Ticks, learn, measure, peak_tflops, steps_that_fit
from benchmarks.machine import Lap
from benchmarks.synthetic_cohort import CohortSize
from cohort.errors import InputError

ROOT = Path(__file__).parents[2]
CPU, CUDA = torch.device("cpu"), torch.device("cuda")
SIZE = CohortSize(people=60, side=4, positions=3)
LOAD = GpuLoad("nano", 2, 2, FEWEST, FEWEST + 1, drawn=2, evaluations=1, size=SIZE)


@pytest.fixture(scope="module")
def tables(tmp_path_factory):
    """Of a device that is said to do 2 TFLOP/s."""
    accelerator = Accelerator(cpu=True, mixed_precision="no")
    return measure(tmp_path_factory.mktemp("gpu"), LOAD, accelerator, 2.0, 600.0)


def test_the_training_goes_on_from_the_step_where_it_was_broken_off(tables):
    first, second = next(iter(tables.values()))
    assert (first["from step"], first["to step"]) == (0, FEWEST)
    assert (second["from step"], second["to step"]) == (FEWEST, 2 * FEWEST + 1)


def test_the_rates_follow_from_the_step_time_and_the_operations(tables):
    for row in next(iter(tables.values())):
        step_s = row["ms a step"] / 1e3
        assert 0 < row["first step, s"] < 600 and row["peak MB"] > 50
        assert row["hearts/s"] == pytest.approx(2 / step_s)
        assert row["TFLOP/s"] == pytest.approx(row["GFLOP a step"] / 1e3 / step_s)
        assert row["model FLOP utilisation"] == pytest.approx(row["TFLOP/s"] / 2.0)
        assert row["GFLOP a step"] > 0.1


def test_whole_hearts_are_drawn_in_both_precisions(tables):
    rows = tables["Drawing and decoding"]
    assert [row["precision"] for row in rows] == ["float32", "bf16"]
    assert all((row["hearts"], row["slices a heart"], row["evaluations"]) == (2, 6, 1) for row in rows)
    assert all(row["hearts/s"] == pytest.approx(2 / row["s"]) for row in rows)


def test_a_training_that_does_not_go_on_is_no_result(tables, monkeypatch):
    """The stage does nothing: the run stands where it stood."""
    monkeypatch.setattr(gpu_run, "denoiser_stage", lambda training: None)

    class Nothing:
        """What `learn` looks at."""

        accelerator = type("OnCpu", (), {"device": CPU})
        options = type("Options", (), {"steps": 20})
        run = type("Run", (), {"done": 10})
        regressor = torch.nn.Identity()

    with pytest.raises(RuntimeError, match="stands at step 10; 0 of 10 steps"):
        learn(Nothing(), 1.0, None)


class Watch:
    """A clock of which every step takes 2 s, and the first one 30."""

    def __init__(self, _device):
        self.now = 0.0
        self.start()

    def start(self):
        self.begun = self.now

    def lap(self):
        return Lap(self.now - self.begun, self.now - self.begun)


def test_the_first_steps_are_not_in_the_step_time(monkeypatch):
    monkeypatch.setattr(gpu_run, "Clock", Watch)
    ticks = Ticks(CPU, UNTIMED + 5)
    for step in range(UNTIMED + 6):  # the evaluation at the end is seen too
        ticks()
        ticks._clock.now += 30 if step == 0 else 7 if step < UNTIMED else 2
    assert (ticks.first_s, ticks.step_s) == (30, 2)


@pytest.mark.parametrize(
    ("name", "peak"),
    [
        ("NVIDIA H100 80GB HBM3", 989.0),
        ("NVIDIA H100 PCIe", 756.0),
        ("NVIDIA H200", 989.0),
        ("NVIDIA H200 NVL", 835.0),
        ("NVIDIA A100-SXM4-80GB", 312.0),
    ],
)
def test_the_peak_is_that_of_the_device(monkeypatch, name, peak):
    monkeypatch.setattr(gpu_run, "processor", lambda device: name)
    assert peak_tflops(CUDA, None) == peak and peak_tflops(CUDA, 5.0) == 5.0


@pytest.mark.parametrize("name", ["NVIDIA RTX A1000", "NVIDIA GeForce RTX 4090", "NVIDIA H100 80GB HBM3 MIG 1g.10gb"])
def test_an_unknown_gpu_needs_its_peak_stated(monkeypatch, name):
    monkeypatch.setattr(gpu_run, "processor", lambda device: name)
    with pytest.raises(InputError, match="give --peak-tflops"):
        peak_tflops(CUDA, None)


def test_a_cpu_has_no_peak_unless_it_is_stated():
    assert peak_tflops(CPU, None) is None and peak_tflops(CPU, 0.1) == 0.1


@pytest.mark.parametrize(("step_s", "left_s", "steps"), [(0.1, 1000, 400), (1.0, 100, 50), (60.0, 100, FEWEST)])
def test_a_slow_device_makes_fewer_steps(step_s, left_s, steps):
    assert steps_that_fit(step_s, left_s, 400) == steps


def run(*options: str) -> subprocess.CompletedProcess:
    command = [sys.executable, "benchmarks/gpu.py", *options]
    return subprocess.run(command, capture_output=True, text=True, cwd=ROOT)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_without_a_gpu_it_is_refused_in_one_line(tmp_path):
    done = run("--output", str(tmp_path / "gpu.json"))
    assert done.returncode == 2 and not list(tmp_path.iterdir())
    assert "sees no GPU" in done.stderr and "--small" in done.stderr and done.stderr.count("\n") == 1


def test_the_command_in_small_writes_what_it_prints(tmp_path):
    done = run("--small", "--output", str(tmp_path / "new" / "gpu.json"))
    assert done.returncode == 0, done.stderr
    said = json.loads((tmp_path / "new" / "gpu.json").read_text())
    assert said["small"] and said["machine"]["mixed_precision"] == "bf16" and said["machine"]["dynamo"] == "no"
    for title, rows in said["tables"].items():
        assert title in done.stdout and all(math.isfinite(row["hearts/s"]) for row in rows)
    assert "model FLOP utilisation" in done.stdout
