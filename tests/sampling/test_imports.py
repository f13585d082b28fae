"""The garbage collector rests while libraries are imported, and works again afterwards."""

import gc
import weakref

import pytest

from sampling.imports import lean_imports


@pytest.fixture
def collector():
    """Put the collector's settings back after a test."""
    collected = gc.isenabled()
    yield
    gc.unfreeze()
    (gc.enable if collected else gc.disable)()


@pytest.mark.parametrize("collected", [True, False])
def test_the_collector_rests_inside_and_is_as_before_afterwards(collector, collected):
    (gc.enable if collected else gc.disable)()
    with pytest.raises(ZeroDivisionError), lean_imports():
        assert not gc.isenabled()
        raise ZeroDivisionError
    assert gc.isenabled() is collected


def test_objects_from_inside_are_passed_over_and_later_ones_are_collected(collector):
    class Cycle:
        def __init__(self):
            self.own = self

    with lean_imports():
        stays = weakref.ref(Cycle())
    assert gc.get_freeze_count() > 1000
    goes = weakref.ref(Cycle())
    gc.collect()
    assert stays() is not None and goes() is None
