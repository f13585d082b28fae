"""torch's compiler stays out of sampling, and in reach of everybody else; the collector rests, and works again."""

import gc
import subprocess
import sys
import weakref
from pathlib import Path

import pytest

from sampling.imports import COMPILER, lean_imports, without_compiler

ROOT = Path(__file__).parents[2]
SAMPLING = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
import torch
from sampling.imports import lean_imports
with lean_imports():
    from sampling.patients import patient_batch
    from sampling.pipeline import ECGToMRIPipeline, Condition, sample_generator
    pipeline = ECGToMRIPipeline.load(Path(sys.argv[2]))
pipeline.to("cpu")
yes = torch.ones(1, dtype=torch.bool)
given = Condition(torch.randn(1, 12, 2500), yes.expand(1, 12), torch.zeros(1, 4), yes, yes)
pipeline(given, [sample_generator(0, "a", 1)], 2)
assert "torch._dynamo" not in sys.modules, "the compiler was imported"
import torch._dynamo
assert torch._dynamo.__file__ and torch._dynamo.eval_frame.OptimizedModule
assert torch.optim.SGD(pipeline.unet.parameters(), lr=0.1).step() is None
"""


def test_a_heart_is_made_without_the_compiler_and_afterwards_it_can_be_imported(tiny_pipeline, tmp_path):
    """In a process of its own: this one may have imported it long ago."""
    tiny_pipeline.save(tmp_path / "pipeline")
    command = [sys.executable, "-c", SAMPLING, str(ROOT), str(tmp_path / "pipeline")]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_the_stand_in_marks_nothing_and_leaves_no_trace(monkeypatch):
    monkeypatch.delitem(sys.modules, COMPILER, raising=False)

    def function():
        return 7

    with without_compiler():
        stand_in = sys.modules[COMPILER]
        assert stand_in.disable(function) is function and stand_in.disable()(function) is function
        assert stand_in.allow_in_graph(int) is int
        assert not isinstance(function, stand_in.eval_frame.OptimizedModule)
    assert COMPILER not in sys.modules


def test_one_of_several_processes_needs_the_real_compiler(monkeypatch):
    """torch.distributed.init_process_group calls torch._dynamo.trace_rules wherever it finds torch._dynamo."""
    monkeypatch.delitem(sys.modules, COMPILER, raising=False)
    monkeypatch.setenv("WORLD_SIZE", "2")
    with without_compiler():
        assert COMPILER not in sys.modules


def test_a_compiler_that_is_there_stays(monkeypatch):
    there = object()
    monkeypatch.setitem(sys.modules, COMPILER, there)
    with without_compiler():
        assert sys.modules[COMPILER] is there
    assert sys.modules[COMPILER] is there


@pytest.fixture
def collector():
    """Leaves it as it was found."""
    collected = gc.isenabled()
    yield
    gc.unfreeze()
    (gc.enable if collected else gc.disable)()


@pytest.mark.parametrize("collected", [True, False])
def test_the_collector_rests_within_and_is_afterwards_as_before(collector, collected):
    (gc.enable if collected else gc.disable)()
    with pytest.raises(ZeroDivisionError), lean_imports():
        assert not gc.isenabled()
        raise ZeroDivisionError
    assert gc.isenabled() is collected


def test_what_was_loaded_within_is_not_looked_at_again_and_later_rubbish_is(collector):
    class Cycle:
        def __init__(self):
            self.own = self

    with lean_imports():
        stays = weakref.ref(Cycle())
    assert gc.get_freeze_count() > 1000
    goes = weakref.ref(Cycle())
    gc.collect()
    assert stays() is not None and goes() is None
