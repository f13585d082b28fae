"""A curve of growth: its line in the table, and its panels in the picture."""

import io

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from benchmarks.scaling import exponent

NAMES = {
    "people": "people in the cohort",
    "slices": "slices drawn of a heart",
    "phases": "phases of a heart",
    "side": "side of a latent, cells",
    "hearts": "hearts a step",
    "processes": "processes, each its own hearts",
}


def time_ms(point: dict) -> float:
    """Of a step: CPU time on one thread, which a busy machine hardly changes, else the wall's."""
    return point["ms"]


def training_mb(point: dict) -> float:
    """Peak memory beyond what the imported packages take."""
    return point["peak_mb"] - point["imports_mb"]


COSTS = {"time": (time_ms, "ms a step"), "memory": (training_mb, "peak MB beyond imports")}


def summary(curve: str, points: list[dict]) -> dict:
    """A curve's line: its ends, and the exponents of time and memory with their standard errors."""
    sizes = [point["value"] for point in points]
    first, last = (next(p for p in points if p["value"] == edge(sizes)) for edge in (min, max))
    exponents = {
        f"exponent of {name}": with_error(*exponent(sizes, [cost(p) for p in points]))
        for name, (cost, _) in COSTS.items()
    }
    return {
        "grows": NAMES[curve],
        "from": first["value"],
        "to": last["value"],
        "ms a step, from": time_ms(first),
        "ms a step, to": time_ms(last),
        **exponents,
        "MB, from": training_mb(first),
        "MB, to": training_mb(last),
    }


def with_error(slope: float, error: float) -> str:
    """An exponent with its standard error; two points have none."""
    return f"{slope:.2f} ± {error:.2f}" if error == error else f"{slope:.2f}"


def picture(points: dict[str, list[dict]], rows: list[dict]) -> bytes:
    """A PNG: time above, memory below, one column a curve.

    Args:
        points: of each curve. rows: the curves' lines, in the same order.
    """
    figure = Figure(figsize=(2.6 * len(rows), 4.6), layout="tight")
    axes = figure.subplots(2, len(rows), squeeze=False)
    for column, (curve, row) in enumerate(zip(points, rows, strict=True)):
        for line, (name, (cost, label)) in enumerate(COSTS.items()):
            panel = axes[line, column]
            sizes = [point["value"] for point in points[curve]]
            draw_panel(panel, sizes, [cost(point) for point in points[curve]])
            panel.set_title(f"exponent {row[f'exponent of {name}']}", fontsize=9)
            panel.set_xlabel(NAMES[curve], fontsize=8)
            if column == 0:
                panel.set_ylabel(label, fontsize=8)
    stream = io.BytesIO()
    FigureCanvasAgg(figure).print_figure(stream, dpi=80, format="png")
    return stream.getvalue()


def draw_panel(panel: Axes, sizes: list[float], costs: list[float]) -> None:
    """Costs over sizes, both logarithmic, over a decade of cost at least: what does not grow looks flat."""
    panel.loglog(sizes, costs, "o", markersize=4, color="black")
    low, high = panel.get_ylim()
    panel.set_ylim(min(low, high / 10), max(high, low * 10))
    ticks = sorted(set(sizes))
    panel.set_xticks(ticks, [f"{size:_}" for size in ticks])
    panel.set_xticks([], minor=True)
    panel.yaxis.set_minor_formatter("")
    panel.tick_params(labelsize=7)
