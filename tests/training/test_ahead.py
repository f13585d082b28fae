"""What steps need is drawn ahead, and is what it would have been."""

import threading

import pytest

from training.ahead import Ahead, steps_ahead


def test_values_drawn_ahead_are_those_of_their_steps_wherever_one_begins():
    for steps in (0, 1, 3):
        ahead = Ahead(lambda step: 10 * step, steps)
        assert [ahead(step) for step in (4, 5, 6, 7)] == [40, 50, 60, 70]
        assert [ahead(step) for step in (0, 1, 9, 2)] == [0, 10, 90, 20]


def test_the_next_steps_are_drawn_while_this_one_is_computed():
    drawn, enough = [], threading.Event()

    def draw(step: int) -> int:
        drawn.append(step)
        if len(drawn) == 4:
            enough.set()
        return step

    ahead = Ahead(draw, 3)
    assert ahead(7) == 7 and enough.wait(10) and sorted(drawn) == [7, 8, 9, 10]
    assert ahead(8) == 8 and drawn.count(8) == 1


def test_on_a_cpu_nothing_is_drawn_before_it_is_asked_for():
    drawn = []
    ahead = Ahead(drawn.append, steps_ahead("cpu"))
    ahead(3)
    assert drawn == [3] and steps_ahead("cuda") > 0


def test_what_drawing_raises_reaches_the_step_that_asked():
    def draw(step: int) -> int:
        if step == 2:
            raise OSError("the disk is gone")
        return step

    ahead = Ahead(draw, 3)
    assert (ahead(0), ahead(1)) == (0, 1)
    with pytest.raises(OSError, match="the disk is gone"):
        ahead(2)
