"""A training on one page that renews itself: learning curves of all stages and the newest sample grid."""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from cohort.disk import write_text
from cohort.page_template import embedded, filled

from .metrics import read_metrics

TEMPLATE = Path(__file__).with_name("training_page.html")
REFRESH_S = 30
WIDTH, HEIGHT = 320, 120  # of a curve, in its own units
MOST_POINTS = 300  # of a curve; more cannot be told apart


@dataclass(frozen=True)
class TrainingPage:
    """Where the page lies, and the runs that it shows.

    Attributes:
        folder: gets index.html; its samples/ holds the grids.
        runs: folders with metrics.jsonl, by the stage's name.
    """

    folder: Path
    runs: dict[str, Path]

    def write(self, now: str = "", finished: bool = False) -> None:
        """Write index.html, whole or not at all.

        Args:
            now: what is going on, in words. finished: the page says so, and renews itself no more.
        """
        read = {stage: read_metrics(run) for stage, run in self.runs.items()}
        grids = sorted((self.folder / "samples").glob("step_*.png"))
        content = {
            "folder": self.folder.name,
            "now": now,
            "written": datetime.now().strftime("%Y-%m-%d %H:%M:%S"),
            "refresh": None if finished else REFRESH_S,
            "stages": {stage: curves_of(lines) for stage, (lines, _) in read.items() if lines},
            "unreadable": sum(count for _, count in read.values()),
            "grid": embedded(grids[-1].read_bytes()) if grids else None,
            "grid_name": grids[-1].stem.replace("_", " ") if grids else "",
            "size": (WIDTH, HEIGHT),
        }
        write_text(self.folder / "index.html", filled(TEMPLATE, **content))


def curves_of(lines: list[dict[str, float]]) -> list[dict]:
    """One curve a metric, for the template: its words, newest value, ends of both axes, and points of a polyline."""
    names = dict.fromkeys(name for line in lines for name in line if name != "step")
    found = {name: [(line["step"], line[name]) for line in lines if name in line] for name in names}
    return [_curve(name.replace("_", " "), points) for name, points in found.items()]


def _curve(words: str, points: list[tuple[float, float]]) -> dict:
    every = -(-len(points) // MOST_POINTS)
    shown = [*points[:-1:every], points[-1]]
    steps, values = zip(*shown, strict=True)
    low, high, first, last = min(values), max(values), min(steps), max(steps)
    across, up = (last - first) or 1, (high - low) or 1
    line = [(WIDTH * (x - first) / across, HEIGHT * (high - y) / up) for x, y in shown]
    return {
        "words": words,
        "newest": f"{values[-1]:.4g}",
        "low": f"{low:.3g}",
        "high": f"{high:.3g}",
        "first": f"{first:,.0f}",
        "last": f"{last:,.0f}",
        "line": " ".join(f"{x:.1f},{y:.1f}" for x, y in line),
        "end": line[-1],
    }
