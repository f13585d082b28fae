"""How far a stage is: a bar on a terminal, and elsewhere, as in a log, a plain line now and then."""

import sys
import time

from tqdm import tqdm

from .plan import Plan

LINE_EVERY_S = 30.0


class Progress:
    """Shows the steps of one stage on stderr, and tells its plan how long they take.

    Args:
        stage: its name in the plan. first, total: steps done before, and in all.
        shown: whether this process tells anything.
    """

    def __init__(self, plan: Plan, stage: str, first: int, total: int, shown: bool = True) -> None:
        self.plan, self.stage, self.first, self.total = plan, stage, first, total
        bar = shown and sys.stderr.isatty()
        self._plain = shown and not bar
        options = {"desc": stage, "initial": first, "total": total, "smoothing": 0.05}
        self._bar = tqdm(disable=not bar, **options)
        self._began = self._told = time.monotonic()
        self._metrics: dict[str, float] = {}

    def metrics(self, metrics: dict[str, float]) -> None:
        """Take the newest losses to show; other metrics are left out."""
        self._metrics = {name: value for name, value in metrics.items() if name.endswith("loss")}
        self._bar.set_postfix({name: f"{value:.3f}" for name, value in self._metrics.items()}, refresh=False)

    def step(self, done: int) -> None:
        """Say that so many steps are done."""
        now = time.monotonic()
        self.plan.timed(self.stage, self.total - done, (now - self._began) / (done - self.first))
        self._bar.update(done - self._bar.n)
        if self._plain and now - self._told >= LINE_EVERY_S:
            self._told = now
            print(self.line(done), file=sys.stderr, flush=True)

    def line(self, done: int) -> str:
        """Stage, step, loss and time left."""
        losses = "".join(f", {name.replace('_', ' ')} {value:.3f}" for name, value in self._metrics.items())
        return f"{self.plan.place(self.stage)}, step {done} of {self.total}{losses}, {self.plan.time_left(self.stage)}"

    def close(self) -> None:
        """Leave the bar as it stands."""
        self._bar.close()
