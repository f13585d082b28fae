"""The yardsticks of the sampling benchmarks."""

import math
import time

import numpy as np
import pytest

from benchmarks.sampling_error import GUIDED_BETWEEN, PHENOTYPES_SHOWN, SCHEDULERS, Sampler, picture, psnr
from benchmarks.sampling_speed import STAGES, Cost, Stopwatch, cost_of, in_fresh_process, median_cost, shown, stages_of
from models.conditioning import HeartConditioner
from models.segmenter import Segmenter
from phantom.cohort_writer import ecg_path
from sampling.schedulers import make_scheduler


def test_an_error_of_a_tenth_of_the_range_is_20_db_and_hearts_are_averaged_in_db():
    reference = np.full((2, 3, 2, 4, 4), 0.5)
    assert psnr(reference + 0.1, reference) == pytest.approx(20)
    error = np.array([0.1, 0.01]).reshape(2, 1, 1, 1, 1)
    assert psnr(reference + error, reference) == pytest.approx((20 + 40) / 2)


@pytest.mark.parametrize("name", SCHEDULERS.values())
def test_every_scheduler_of_the_curve_can_be_made_for_any_number_of_steps(name):
    scheduler = make_scheduler(name)
    for steps in (2, 20):
        scheduler.set_timesteps(steps)
        assert len(scheduler.timesteps) == (2 * steps - 1 if "Heun" in name else steps)


def test_the_full_interval_of_guidance_is_among_those_compared():
    assert (0.0, 1.0) in GUIDED_BETWEEN.values()


def test_the_picture_is_a_png_with_or_without_a_floor():
    rows = [{"scheduler": "UniPC", "passes": n, "PSNR, dB": 30.0 + n, "LVEF, SD": 1 / n} for n in (2, 4)]
    for floor in (None, 31.0):
        assert picture(rows, floor).startswith(b"\x89PNG")


@pytest.fixture
def pipeline_folder(tiny_pipeline, tmp_path):
    """A pipeline that knows the phenotypes shown, and a segmenter."""
    unit = {"phenotype_mean": (0.0,) * 3, "phenotype_std": (1.0,) * 3}
    conditioner = HeartConditioner(width=32, phenotypes=PHENOTYPES_SHOWN, **unit)
    tiny_pipeline.register_modules(conditioner=conditioner)
    tiny_pipeline.save(tmp_path / "pipeline", {"segmenter": Segmenter()})
    return tmp_path / "pipeline"


def test_a_guided_step_is_two_passes_and_the_reference_is_made_once(pipeline_folder, phantom_data, tmp_path):
    sampler, steps = Sampler(pipeline_folder, phantom_data, people=2, seed=0), (SCHEDULERS["UniPC"], 3)
    passes = []
    for guidance in ((1.0,), (1.5,), (1.5, GUIDED_BETWEEN["nowhere (the code is guided)"])):
        with sampler.counted(2) as cost:
            hearts = sampler.hearts(2, *steps, *guidance)
        passes.append(cost["passes"])
    assert passes == [3, 6, 3]
    assert hearts.shape == (2, *sampler.pipeline.grid.shape)
    with sampler.counted(2) as cost:
        first, again = (sampler.reference(2, 4, 1.0, tmp_path / "cache") for _ in range(2))
    assert cost["passes"] == 4 and (first == again).all()


def test_every_stage_of_sample_py_is_timed(beating_pipeline, phantom_data, tmp_path):
    beating_pipeline.save(tmp_path / "pipeline", {"segmenter": Segmenter()})
    arguments = ["--ecg", ecg_path(phantom_data, 0), "--pipeline", tmp_path / "pipeline", "--output", tmp_path / "out"]
    seconds = in_fresh_process(stages_of, [*map(str, arguments), "--samples", "1"])
    assert {"imports", *(stage for stage, *_ in STAGES)} < seconds.keys()
    assert {stage for stage, (wall, _) in seconds.items() if not wall > 0} == set()
    assert list((tmp_path / "out").glob("*/heart.json"))


class Worker:
    def work(self, value):
        time.sleep(0.02)
        return value + 1

    def oversee(self):
        time.sleep(0.01)
        return self.work(1)


@pytest.fixture
def watch(monkeypatch):
    for name in ("work", "oversee"):
        monkeypatch.setattr(Worker, name, getattr(Worker, name))  # put back afterwards
    watch = Stopwatch()
    watch.times(Worker, "work", "working")
    return watch


def test_stages_add_up_and_count_calls_from_outside(watch):
    assert [Worker().work(k) for k in (1, 2)] == [2, 3]
    wall, cpu = watch.seconds["working"]
    assert wall >= 0.04 and 0 <= cpu <= wall


def test_a_stage_within_another_is_counted_once(watch):
    watch.times(Worker, "oversee", "overseeing")
    begun = time.perf_counter()
    with watch.timing("the rest"):
        assert Worker().oversee() == 2
    elapsed = time.perf_counter() - begun
    walls = {stage: wall for stage, (wall, _) in watch.seconds.items()}
    assert walls["working"] >= 0.02 and walls["overseeing"] >= 0.01
    assert 0.03 <= sum(walls.values()) <= elapsed  # counted twice, it would be more


def test_a_process_is_charged_for_itself_alone():
    """Asked from a fresh process, for this one has imported torch, and a child's peak begins at its parent's."""
    commands = [["-c", f"held = bytearray({mb}_000_000); held[::4096] = held[::4096]"] for mb in (1, 200)]
    small, large = (in_fresh_process(cost_of, command) for command in commands)
    assert 150 < large.peak_mb - small.peak_mb < 250
    assert small.cpu_s > 0 and small.wall_s > 0


def test_the_median_of_costs_is_taken_apart_and_an_unknown_peak_is_left_out():
    costs = [Cost(3, 1), Cost(1, 3), Cost(2, 2)]
    assert shown(median_cost(costs)) == {"wall s": 2, "CPU s": 2, "peak MB": None}
    assert math.isclose(shown(Cost(1, 1, 5.0))["peak MB"], 5.0)


def test_a_fresh_process_has_imported_nothing_heavy():
    modules = in_fresh_process(eval, "list(__import__('sys').modules)")
    assert "multiprocessing.spawn" in modules and not {"torch", "diffusers", "scipy"} & set(modules)
