"""What the next steps need, drawn in threads while the device computes this one."""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Generic, TypeVar

Drawn = TypeVar("Drawn")
STEPS_AHEAD = 8  # on a GPU; drawing 64 whole hearts takes longer than their step


class Ahead(Generic[Drawn]):
    """A function of the step, computed some steps ahead. Its values must depend on the step alone.

    Args:
        draw: step -> what it needs.
        steps: how many steps ahead, each in a thread of its own; 0 computes a value when it is asked for.
    """

    def __init__(self, draw: Callable[[int], Drawn], steps: int) -> None:
        self._draw, self._steps = draw, steps
        self._coming: dict[int, Future] = {}
        self._threads = ThreadPoolExecutor(steps, thread_name_prefix="ahead") if steps else None

    def __call__(self, step: int) -> Drawn:
        """The value of a step. Values of earlier steps are forgotten; what drawing raises is raised here."""
        if self._threads is None:
            return self._draw(step)
        for other in [other for other in self._coming if not step <= other <= step + self._steps]:
            self._coming.pop(other).cancel()
        for coming in range(step, step + self._steps + 1):
            if coming not in self._coming:
                self._coming[coming] = self._threads.submit(self._draw, coming)
        return self._coming.pop(step).result()


def steps_ahead(device_type: str) -> int:
    """How far to draw ahead: on a CPU the threads would take cores from the step itself."""
    return 0 if device_type == "cpu" else STEPS_AHEAD
