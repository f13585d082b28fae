"""What the benchmarks compare and how they compute; never how fast anything is."""

import copy
import math
from collections import Counter
from itertools import pairwise

import numpy as np
import pytest
import torch
from accelerate import Accelerator

from benchmarks.contenders import Load, OurTraining, diffusers_loop, parameters
from benchmarks.growth import CURVES
from benchmarks.growth_curve import NAMES, picture, summary
from benchmarks.scaling import exponent
from benchmarks.step_cost import BARE, FLOOR, OURS, gflop_of, gflop_of_ours, measured
from benchmarks.switched_loops import PLAIN, switched_loops
from benchmarks.synthetic_cohort import CohortSize, synthetic_cohort, write_noise
from benchmarks.table import markdown

LOAD = Load(hearts=2, slices=3, latent=(4, 4, 4))


@pytest.fixture(scope="module")
def cohort(tmp_path_factory):
    size = CohortSize(people=40, side=4, positions=3)
    folder = tmp_path_factory.mktemp("noise")
    write_noise(folder, size)
    return synthetic_cohort(folder, size)


@pytest.fixture
def contenders(cohort, tiny_preset):
    """Ours and (a) around a copy of its UNet."""
    ours = OurTraining(*cohort, LOAD, tiny_preset, Accelerator(cpu=True))
    return ours, diffusers_loop(copy.deepcopy(ours.module.unet), LOAD, Accelerator(cpu=True))


def test_noise_is_written_as_numpy_reads_it(cohort):
    people, latents = cohort
    assert people.ecg.shape == (40, 12, 2500)
    assert latents.shape == (40, 3, 2, 4, 4, 4)
    assert people.ecg.dtype == latents.dtype == np.float16
    assert abs(float(latents.astype(np.float32).std()) - 1) < 0.05
    assert (latents[32] == latents[0]).all() and not (latents[1] == latents[0]).all()


def test_both_arms_train_the_same_parameters(contenders):
    ours, bare = contenders
    assert parameters(ours.module) == parameters(bare.module) > 0
    before = [p.detach().clone() for p in bare.module.parameters()]
    assert math.isfinite(bare.step()) and math.isfinite(bare.step())
    assert any((p != old).any() for p, old in zip(bare.module.parameters(), before, strict=True))


def test_our_arm_is_watched_at_every_step_and_its_regressor_stays_as_it_is(contenders):
    ours, _ = contenders
    regressor = copy.deepcopy(ours.regressor.state_dict())
    seen, weights = [], []

    def begins(step):
        seen.append(step)
        weights.append(torch.cat([p.detach().flatten() for p in ours.module.parameters()]))

    ours.run(2, begins)
    assert seen == [0, 1, 2]  # 2: both steps are over
    assert all(w.isfinite().all() for w in weights)
    assert all((after != before).any() for before, after in pairwise(weights))
    assert all(torch.equal(value, regressor[name]) for name, value in ours.regressor.state_dict().items())


def test_every_switch_leaves_a_loop_that_learns():
    loops = switched_loops(Load(hearts=1, slices=2, latent=(4, 4, 4)), Accelerator(cpu=True), compiled=False)
    assert PLAIN in loops and all(math.isfinite(loop.step()) for loop in loops.values())


def test_operations_of_a_product_are_counted_exactly():
    a, b = torch.randn(8, 5), torch.randn(5, 3)
    assert gflop_of(lambda: a @ b) * 1e9 == pytest.approx(2 * 8 * 5 * 3)


def test_ours_does_what_the_bare_loop_does_and_reads_the_ecg_besides(contenders):
    ours, bare = contenders
    assert gflop_of_ours(ours) > gflop_of(bare.step) > 0


def test_counting_leaves_the_fast_paths_as_they_were():
    before = torch.backends.mha.get_fastpath_enabled()
    gflop_of(lambda: None)
    assert torch.backends.mha.get_fastpath_enabled() == before


def test_every_contender_gets_as_many_laps_of_as_many_steps(contenders):
    ours, bare = contenders
    steps, inner = Counter(), bare.step
    bare.step = lambda: (steps.update(["bare"]), inner())
    laps, gflop = measured(ours, {BARE: bare}, rounds=3, steps=2, device=torch.device("cpu"))
    assert {name: len(of) for name, of in laps.items()} == {OURS: 3, BARE: 3, FLOOR: 3}
    assert steps["bare"] == 6
    assert gflop > 0
    assert all(lap.wall_s > 0 for of in laps.values() for lap in of)


@pytest.mark.parametrize("planted", [0.0, 0.5, 1.0, 2.0])
def test_the_fit_recovers_a_planted_exponent(planted):
    size = np.array([1, 2, 5, 10, 20, 50])
    slope, error = exponent(size, 3.0 * size**planted)
    assert slope == pytest.approx(planted, abs=1e-9) and error == pytest.approx(0, abs=1e-9)
    noise = np.exp(0.05 * np.random.default_rng(0).standard_normal(len(size)))
    slope, error = exponent(size, 3.0 * size**planted * noise)
    assert 0 < error < 0.05 and abs(slope - planted) < 4 * error


def test_a_curve_is_summed_up_by_its_ends_and_exponents():
    points = [
        {"value": n, "ms": 10.0 * n, "wall_ms": 1.0, "imports_mb": 100.0, "peak_mb": 150.0} for n in (5, 1, 10, 20)
    ]
    row = summary("slices", points)
    assert (row["from"], row["to"], row["ms a step, from"], row["ms a step, to"]) == (1, 20, 10.0, 200.0)
    assert row["exponent of time"].startswith("1.00 ") and row["exponent of memory"].startswith("0.00 ")
    assert NAMES.keys() == CURVES.keys()
    assert picture({"slices": points, "hearts": points}, [row, summary("hearts", points)]).startswith(b"\x89PNG")


def test_a_table_is_markdown_with_three_digits_that_count():
    table = markdown([{"step": "ours", "ms": 1234.56, "of": 0.98765, "none": None}])
    assert table.splitlines() == [
        "| step | ms | of | none |",
        "| --- | --- | --- | --- |",
        "| ours | 1235 | 0.988 |  |",
    ]
