"""Figures of a report."""

from pathlib import Path

import numpy as np

from cohort.phenotypes import PHENOTYPES


def write_scatter(path: Path, found: np.ndarray, truth: np.ndarray) -> None:
    """Generated against true, one panel a phenotype, with the line of identity; (n, 10) each."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(15, 6), layout="constrained")
    canvas = FigureCanvasAgg(figure)
    for axes, name, a, b in zip(figure.subplots(2, 5).flat, PHENOTYPES, truth.T, found.T, strict=True):
        limits = [np.nanmin([a, b]), np.nanmax([a, b])]
        axes.plot(limits, limits, color="0.7", linewidth=1)
        axes.scatter(a, b, s=8, alpha=0.6)
        axes.set(title=name, xlabel="true", ylabel="generated")
    partial = path.with_name(f".{path.name}.partial")
    canvas.print_figure(partial, format="png", dpi=100)
    partial.replace(path)
