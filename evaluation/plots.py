"""Plots of a report as PNG bytes: one panel a phenotype, drawn without pyplot's global state."""

import io
import math

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from cohort.phenotypes import PHENOTYPES, UNITS

from .agreement import SD_WITHIN_95, agreement
from .arms import CONTROL_WORDS
from .certainty import NOMINAL
from .report_numbers import as_ratio, value_at

LOWEST_R2 = -1.0  # bars end here; the number beside a bar says how bad it is
DPI = 120
ROWS = 2  # of panels
CURVES = 6  # people whose curves are shown
OWN, OTHER, CALM, BEST = "#0072b2", "#d55e00", "#9aa5ad", "#222222"  # blue and vermilion, for the colour-blind
PALE = "#56b4e9"
COLOURS = {"own_ecg": PALE, "shuffled_ecg": OTHER}


def scatter(generated: np.ndarray, truth: np.ndarray) -> bytes:
    """Generated against true, one panel a phenotype, with the line of identity; (n, K) each."""
    pairs = _pairs(generated, truth)
    figure, panels = _panels("true", "generated", height=6.5)
    for (name, axes), (made, true) in zip(panels.items(), pairs, strict=True):
        axes.scatter(true, made, s=9, alpha=0.6, color=OWN, linewidths=0)
        low, high = min(axes.get_xlim()[0], axes.get_ylim()[0]), max(axes.get_xlim()[1], axes.get_ylim()[1])
        axes.plot([low, high], [low, high], color=CALM, linewidth=1, zorder=0)
        axes.set(title=f"{name}, {UNITS[name]}", xlim=(low, high), ylim=(low, high), box_aspect=1)
        scores = agreement(made, true)
        _note(axes, f"r {as_ratio(scores['r'])}   R2 {as_ratio(scores['r2'])}\nn {len(true)}")
    return _png(figure)


def bland_altman(generated: np.ndarray, truth: np.ndarray) -> bytes:
    """Difference against mean of generated and true, with the bias and its limits of agreement; (n, K) each."""
    pairs = _pairs(generated, truth)
    figure, panels = _panels("mean of true and generated", "generated - true")
    for (name, axes), (made, true) in zip(panels.items(), pairs, strict=True):
        middle, difference = (made + true) / 2, made - true
        axes.scatter(middle, difference, s=9, alpha=0.6, color=OWN, linewidths=0)
        axes.axhline(0, color=CALM, linewidth=1)
        if len(true) > 1:
            bias, limit = difference.mean(), SD_WITHIN_95 * difference.std(ddof=1)
            for height, line in ((bias, "-"), (bias - limit, "--"), (bias + limit, "--")):
                axes.axhline(height, color=OTHER, linewidth=1, linestyle=line)
            _note(axes, f"bias {bias:.1f}, limits {bias - limit:.1f} to {bias + limit:.1f}")
        axes.margins(y=0.15)
        axes.set_title(f"{name}, {UNITS[name]}")
    return _png(figure)


def controls_bars(report: dict) -> bytes:
    """R2 per phenotype of the generated hearts, of one sample, of each control and of the ceiling.

    Bars end at LOWEST_R2 with a triangle; the number beside a bar is never clipped. A missing value has no bar.
    """
    series = {
        "ceiling": (report.get("ceiling"), BEST),
        "generated": (report.get("agreement"), OWN),
        "one sample": (report.get("agreement_of_one_sample"), PALE),
    }
    controls = report.get("controls") or {}
    for name in dict.fromkeys([*(known for known in CONTROL_WORDS if known in controls), *controls]):
        series[CONTROL_WORDS.get(name, name)] = (controls.get(name), COLOURS.get(name, CALM))
    figure, panels = _panels("R2", "", height=7, sharex=True, sharey=True)
    for name, axes in panels.items():
        for row, (table, colour) in enumerate(series.values()):
            _bar(axes, row, value_at(table, name, "r2"), colour)
        axes.axvline(0, color=BEST, linewidth=0.8)
        axes.set(title=name, xlim=(LOWEST_R2 - 0.12, 1.42), xticks=(-1, -0.5, 0, 0.5, 1))
        axes.set_yticks(range(len(series)), labels=list(series))
        axes.set_ylim(len(series) - 0.4, -0.6)
    return _png(figure)


def coverage_curve(report: dict) -> bytes:
    """Share of patients inside their 50, 80 and 90 % intervals against the ideal, as sampled and calibrated."""
    figure, panels = _panels("nominal, %", "reached, %", sharex=True, sharey=True)
    kinds = {"as sampled": ("coverage", OWN, "o-"), "calibrated": ("coverage_calibrated", OTHER, "s--")}
    for name, axes in panels.items():
        axes.plot([0, 100], [0, 100], color=CALM, linewidth=1, label="ideal")
        for label, (key, colour, style) in kinds.items():
            reached = [value_at(report, key, name, str(nominal)) for nominal in NOMINAL]
            if np.isfinite(reached).any():
                axes.plot(NOMINAL, reached, style, color=colour, markersize=5, linewidth=1.3, label=label)
        axes.set(title=name, xlim=(40, 100), ylim=(0, 104), xticks=NOMINAL)
    _legend(figure, panels)
    return _png(figure)


def rank_histograms(report: dict) -> bytes:
    """How often the truth was the k-th smallest among a patient's samples (Hamill, Mon. Weather Rev. 2001, fig. 1).

    The band holds 95 % of the counts of samples that are as uncertain as they should be.
    """
    figure, panels = _panels("rank of the truth", "patients")
    for name, axes in panels.items():
        counts = np.asarray((report.get("rank_histogram") or {}).get(name) or [], dtype=float)
        if np.nansum(counts) > 0:
            chance = 1 / len(counts)
            even, spread = np.nansum(counts) * chance, math.sqrt(np.nansum(counts) * chance * (1 - chance))
            band = max(even - SD_WITHIN_95 * spread, 0), even + SD_WITHIN_95 * spread
            axes.axhspan(*band, color=CALM, alpha=0.35, linewidth=0)
            axes.axhline(even, color=OTHER, linewidth=1)
            axes.bar(np.arange(len(counts)), counts, width=0.85, color=OWN, alpha=0.85)
            axes.set_xticks(range(0, len(counts), math.ceil(len(counts) / 8)))
        axes.set_title(name)
    return _png(figure)


def spectrum(real: np.ndarray, generated: np.ndarray) -> bytes:
    """Radial spectra of true and generated slices, and their ratio.

    Args:
        real, generated: (k,) log10 power, entry j at j cycles per height of the picture (`radial_power_spectrum`).
    """
    real, generated = np.asarray(real, dtype=float), np.asarray(generated, dtype=float)
    figure = _new_figure(10, 4)
    powers, ratios = figure.subplots(1, 2)
    cycles = np.arange(len(real))
    powers.plot(cycles, real, color=BEST, label="true")
    powers.plot(cycles, generated, "--", color=OWN, label="generated")
    powers.legend(frameon=False)
    ratios.plot(cycles, 10 ** (generated - real), color=OWN)
    ratios.axhline(1, color=CALM, linewidth=1)
    ratios.set_ylim(bottom=0)
    for axes, title in ((powers, "log10 power of a slice"), (ratios, "power, generated / true")):
        axes.set(title=title, xlabel="detail, cycles per picture height (coarse to fine)")
        axes.spines[["top", "right"]].set_visible(False)
    return _png(figure)


def learning_curve(report: dict) -> bytes:
    """R2 of the direct regression against the number of people it learned from; dashed, R2 of the generated hearts."""
    steps = [step for step in report.get("ceiling_curve") or [] if value_at(step, "people") > 0]
    people = [value_at(step, "people") for step in steps]
    figure, panels = _panels("people learned from", "R2", sharex=True, sharey=True)
    for name, axes in panels.items():
        axes.set(title=name, ylim=(-0.25, 1))
        if people:
            reached = [value_at(step, "r2", name) for step in steps]
            axes.plot(people, reached, "o-", color=BEST, markersize=5, linewidth=1.3, label="direct regression")
            axes.set_xscale("log")
            axes.set_xticks(people, labels=[f"{count:,.0f}" for count in people], rotation=40, ha="right")
            axes.minorticks_off()
        own = value_at(report, "agreement", name, "r2")
        if own < axes.get_ylim()[0]:
            _note(axes, f"generated hearts {as_ratio(own)}, below the axis")
        elif math.isfinite(own):
            axes.axhline(own, color=OWN, linestyle="--", linewidth=1.3, label="generated hearts")
    _legend(figure, panels)
    return _png(figure)


def motion_curves(truth: np.ndarray, drawn: np.ndarray) -> bytes:
    """Share of the stroke volume still inside, over the cycle: a panel a person, the true curve among the samples.

    Args:
        truth: (n, frames). drawn: (n, m, frames). NaN where unknown; who has no true curve has no panel.
    """
    shown = np.flatnonzero(np.isfinite(truth).all(axis=1))[:CURVES]
    figure = _new_figure(18, 3.2)
    panels = figure.subplots(1, CURVES, sharex=True, sharey=True)
    time = np.arange(truth.shape[1]) / truth.shape[1]
    for axes, person in zip(panels, shown, strict=False):
        whole = drawn[person][np.isfinite(drawn[person]).all(axis=1)]
        axes.plot(time, whole.T, color=PALE, linewidth=0.8)
        if len(whole):
            axes.plot(time, whole.mean(axis=0), color=OWN, linewidth=1.6)
        axes.plot(time, truth[person], color=BEST, linewidth=1.6)
        axes.spines[["top", "right"]].set_visible(False)
        axes.set(xlabel="share of the cycle", ylim=(-0.15, 1.15))
    for axes in panels[len(shown) :]:
        axes.remove()
    panels[0].set_ylabel("stroke volume inside")
    return _png(figure)


def _new_figure(width: float, height: float) -> Figure:
    return Figure(figsize=(width, height), dpi=DPI, layout="constrained")


def _panels(xlabel: str, ylabel: str, height: float = 6.2, **shared: bool) -> tuple[Figure, dict[str, Axes]]:
    """A figure with one panel a phenotype, {phenotype: axes}, labelled on the outside only."""
    figure = _new_figure(18, height)
    grid = figure.subplots(ROWS, math.ceil(len(PHENOTYPES) / ROWS), **shared)
    for spare in grid.flat[len(PHENOTYPES) :]:
        spare.remove()
    panels = dict(zip(PHENOTYPES, grid.flat, strict=False))
    for axes in panels.values():
        axes.spines[["top", "right"]].set_visible(False)
        axes.tick_params(labelsize=9)
    for axes in grid[-1]:
        axes.set_xlabel(xlabel)
    for axes in grid[:, 0]:
        axes.set_ylabel(ylabel)
    return figure, panels


def _pairs(generated: np.ndarray, truth: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
    """(generated, true) of each phenotype, without the patients where either is unknown."""
    if generated.shape != truth.shape or generated.shape[1:] != (len(PHENOTYPES),):
        raise ValueError(f"generated {generated.shape} and truth {truth.shape} are not both (n, {len(PHENOTYPES)})")
    known = np.isfinite(generated) & np.isfinite(truth)
    return [(generated[rows, k], truth[rows, k]) for k, rows in enumerate(known.T)]


def _bar(axes: Axes, row: int, value: float, colour: str) -> None:
    """One horizontal bar of R2 with its number at the right; a triangle at the end of a clipped one."""
    if not math.isfinite(value):
        return
    axes.barh(row, max(value, LOWEST_R2), color=colour, height=0.72)
    if value < LOWEST_R2:
        axes.plot(LOWEST_R2 - 0.05, row, marker="<", color=colour, markersize=6, clip_on=False)
    axes.text(1.4, row, as_ratio(value), va="center", ha="right", fontsize=8.5)


def _note(axes: Axes, text: str) -> None:
    box = {"facecolor": "white", "alpha": 0.75, "edgecolor": "none", "pad": 1.5}
    axes.text(0.03, 0.98, text, transform=axes.transAxes, va="top", fontsize=8.5, bbox=box)


def _legend(figure: Figure, panels: dict[str, Axes]) -> None:
    """One legend above all panels, of every label any panel has."""
    entries = {}
    for axes in panels.values():
        lines, labels = axes.get_legend_handles_labels()
        entries |= dict(zip(labels, lines, strict=True))
    if entries:
        where = {"loc": "outside upper center", "ncols": len(entries), "frameon": False}
        figure.legend(entries.values(), entries.keys(), **where)


def _png(figure: Figure) -> bytes:
    stream = io.BytesIO()
    FigureCanvasAgg(figure).print_png(stream)
    return stream.getvalue()
