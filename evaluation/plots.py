"""Plots of a report as PNG bytes: one panel a phenotype, drawn without pyplot's global state.

A plot is WIDTH inches wide, and a page shows it at 96 pixels an inch: the smallest letters are SMALL / 72 x 96 pixels.
"""

import io
import math
from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from cohort.phenotypes import LABELS, PHENOTYPES, UNITS

from .agreement import FEW_PEOPLE, SD_WITHIN_95, agreement
from .arms import CONTROL_WORDS
from .certainty import NOMINAL
from .report_numbers import as_ratio, interval_at, rows_at, spaced, tables_at, value_at

LOWEST_R2 = -1.0  # bars end here; the number beside a bar says how bad it is
DPI = 192  # two for each pixel of the page
WIDTH = 11.5  # inches
SMALL, PLAIN_SIZE, TITLE = 8.5, 9, 10.5  # points
MOST_NAMED = 9  # bars with their numbers beside them; more would run into one another
COLUMNS = 4  # of panels
MOST_TICKS = 5  # steps of an axis that is as long as the other one
CALIBRATED_COLUMNS = 2
DOT = {"s": 20, "alpha": 0.75, "linewidths": 0.4, "edgecolors": "white"}
CURVES = 6  # people whose curves are shown
OWN, OTHER, CALM, BEST = "#0072b2", "#d55e00", "#9aa5ad", "#222222"  # blue and vermilion, for the colour-blind
PALE = "#56b4e9"
COLOURS = {"own_ecg": PALE, "shuffled_ecg": OTHER}


def scatter(generated: np.ndarray, truth: np.ndarray) -> bytes:
    """Generated against true, one panel a phenotype, with the line of identity; (n, K) each."""
    pairs = _pairs(generated, truth)
    figure, panels = _panels("true, {unit}", "generated, {unit}", row=3.1)
    for axes, (made, true) in zip(panels.values(), pairs, strict=True):
        axes.scatter(true, made, color=OWN, **DOT)
        low, high = min(axes.get_xlim()[0], axes.get_ylim()[0]), max(axes.get_xlim()[1], axes.get_ylim()[1])
        axes.plot([low, high], [low, high], color=CALM, linewidth=1, zorder=0)
        ticks = [tick for tick in MaxNLocator(MOST_TICKS).tick_values(low, high) if low <= tick <= high]
        axes.set(xlim=(low, high), ylim=(low, high), xticks=ticks, yticks=ticks, box_aspect=1)
        axes.set_title(f"{axes.get_title()}\n{_scores(made, true)}", fontsize=PLAIN_SIZE)  # where it hides no dot
    return _png(figure)


def bland_altman(generated: np.ndarray, truth: np.ndarray) -> bytes:
    """Difference against mean of generated and true, with the bias and its limits of agreement; (n, K) each."""
    pairs = _pairs(generated, truth)
    figure, panels = _panels("mean of both, {unit}", "generated - true, {unit}")
    for axes, (made, true) in zip(panels.values(), pairs, strict=True):
        middle, difference = (made + true) / 2, made - true
        axes.scatter(middle, difference, color=OWN, **DOT)
        axes.axhline(0, color=CALM, linewidth=1)
        if len(true) > 1:
            bias, limit = difference.mean(), SD_WITHIN_95 * difference.std(ddof=1)
            for height, line in ((bias, "-"), (bias - limit, "--"), (bias + limit, "--")):
                axes.axhline(height, color=OTHER, linewidth=1, linestyle=line)
            _note(axes, f"bias {bias:.1f}\nlimits {bias - limit:.1f} to {bias + limit:.1f}")
            low, high = axes.get_ylim()
            axes.set_ylim(low, high + 0.35 * (high - low))  # the note stands above the dots
    return _png(figure)


def controls_bars(report: dict) -> bytes:
    """R2 per phenotype of the generated hearts, of one sample, of each control and of the ceiling.

    Its number stands at each bar's end. Bars end at LOWEST_R2 with a triangle; their number is never clipped. A missing
    value has no bar, and an arm without any value no place.
    """
    series = {
        "ceiling": (report.get("ceiling"), BEST),
        "generated": (report.get("agreement"), OWN),
        "one sample": (report.get("agreement_of_one_sample"), PALE),
    }
    controls = report.get("controls") or {}
    for name in dict.fromkeys([*(known for known in CONTROL_WORDS if known in controls), *controls]):
        series[CONTROL_WORDS.get(name, spaced(name))] = (controls.get(name), COLOURS.get(name, CALM))
    series = {
        words: (table, colour)
        for words, (table, colour) in series.items()
        if any(math.isfinite(value_at(table, name, "r2")) for name in PHENOTYPES)
    }
    figure, panels = _panels("R2", "", row=0.8 + 0.23 * len(series), columns=3, sharex=True, sharey=True)
    for name, axes in panels.items():
        for row, (table, colour) in enumerate(series.values()):
            _bar(axes, row, value_at(table, name, "r2"), colour)
        axes.axvline(0, color=BEST, linewidth=0.8)
        axes.set(xlim=(LOWEST_R2 - 0.75, 1.45), xticks=(-1, -0.5, 0, 0.5, 1))
        axes.set_yticks(range(len(series)), labels=list(series))
        axes.set_ylim(max(len(series), 1) - 0.4, -0.6)
    return _png(figure)


def coverage_curve(report: dict) -> bytes:
    """Share of patients inside their 50, 80 and 90 % intervals against the ideal: as told, and of the samples."""
    figure, panels = _panels("width of the interval, %", "patients inside, %", sharex=True, sharey=True)
    kinds = {"samples": ("coverage", OWN, "o-"), "told, by codes": ("coverage_told", OTHER, "s--")}
    for name, axes in panels.items():
        axes.plot([0, 100], [0, 100], color=CALM, linewidth=1, label="ideal")
        for label, (key, colour, style) in kinds.items():
            reached = [value_at(report, key, name, str(nominal)) for nominal in NOMINAL]
            if np.isfinite(reached).any():
                axes.plot(NOMINAL, reached, style, color=colour, markersize=5, linewidth=1.3, label=label)
        axes.set(xlim=(40, 100), ylim=(0, 104), xticks=NOMINAL)
    _legend(figure, panels)
    return _png(figure)


def rank_histograms(report: dict) -> bytes:
    """How often the truth was the k-th smallest among a patient's samples (Hamill, Mon. Weather Rev. 2001, fig. 1).

    The band holds 95 % of the counts of samples that are as uncertain as they should be.
    """
    figure, panels = _panels("rank of the truth among the samples", "patients")
    for name, axes in panels.items():
        counts = np.asarray((report.get("rank_histogram") or {}).get(name) or [], dtype=float)
        if np.nansum(counts) > 0:
            chance = 1 / len(counts)
            even, spread = np.nansum(counts) * chance, math.sqrt(np.nansum(counts) * chance * (1 - chance))
            band = max(even - SD_WITHIN_95 * spread, 0), even + SD_WITHIN_95 * spread
            axes.axhspan(*band, color=CALM, alpha=0.35, linewidth=0)
            axes.axhline(even, color=OTHER, linewidth=1)
            bars = axes.bar(np.arange(len(counts)), counts, width=0.85, color=OWN, alpha=0.85)
            if len(counts) <= MOST_NAMED:
                axes.bar_label(bars, fmt="%.0f", fontsize=SMALL, padding=1)
            axes.margins(y=0.15)
            axes.set_xticks(range(0, len(counts), math.ceil(len(counts) / 8)))
    return _png(figure)


def spectrum(real: np.ndarray, generated: np.ndarray) -> bytes:
    """Radial spectra of true and generated slices, and their ratio.

    Args:
        real, generated: (k,) log10 power, entry j at j cycles per height of the picture (`radial_power_spectrum`).
    """
    real, generated = np.asarray(real, dtype=float), np.asarray(generated, dtype=float)
    figure = _new_figure(4)
    powers, ratios = figure.subplots(1, 2)
    cycles = np.arange(len(real))
    powers.plot(cycles, real, color=BEST, label="true")
    powers.plot(cycles, generated, "--", color=OWN, label="generated")
    powers.legend(frameon=False, fontsize=PLAIN_SIZE)
    ratios.plot(cycles, 10 ** (generated - real), color=OWN)
    ratios.axhline(1, color=CALM, linewidth=1)
    ratios.set_ylim(bottom=0)
    for axes, label in ((powers, "log10 power of a slice"), (ratios, "power, generated / true")):
        _label(axes, "detail, cycles per picture height (coarse to fine)", label)
    return _png(figure)


def learning_curve(report: dict) -> bytes:
    """R2 of the direct regression against the number of people it learned from; dashed, R2 of the generated hearts."""
    steps = [step for step in report.get("ceiling_curve") or [] if value_at(step, "people") > 0]
    people = [value_at(step, "people") for step in steps]
    figure, panels = _panels("people learned from", "R2", sharex=True, sharey=True)
    for name, axes in panels.items():
        axes.set(ylim=(-0.25, 1))
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


def motion_curves(truth: np.ndarray, drawn: np.ndarray, names: Sequence[str]) -> bytes:
    """Share of the stroke volume still inside, over the cycle: a panel a person, the true curve among the samples.

    Args:
        truth: (n, frames). drawn: (n, m, frames). NaN where unknown; who has no true curve has no panel.
        names: (n,) that stand above the panels.
    """
    shown = np.flatnonzero(np.isfinite(truth).all(axis=1))[:CURVES]
    figure = _new_figure(5)
    panels = figure.subplots(2, CURVES // 2, sharex=True, sharey=True).ravel()
    time = np.arange(truth.shape[1]) / truth.shape[1]
    for axes, person in zip(panels, shown, strict=False):
        whole = drawn[person][np.isfinite(drawn[person]).all(axis=1)]
        axes.plot(time, whole.T, color=PALE, linewidth=0.8)
        if len(whole):
            axes.plot(time, whole.mean(axis=0), color=OWN, linewidth=1.6)
        axes.plot(time, truth[person], color=BEST, linewidth=1.6)
        axes.set_title(names[person], fontsize=TITLE)
        _label(axes, "share of the cycle", "share of the stroke volume inside")
        axes.set(ylim=(-0.15, 1.15))
    for axes in panels[len(shown) :]:
        axes.remove()
    return _png(figure)


def calibration_curves(report: dict) -> bytes:
    """Share of people who were ill against the probability that was told, one panel a condition that has figures.

    Bars are the 95 % interval of the share, and the number above each dot is how many people it stands for.
    """
    tables = tables_at(report, "decision", "conditions")
    curves = {found["words"]: rows for found in tables.values() if (rows := rows_at(found, "calibration"))}
    rows_of_panels = max(math.ceil(len(curves) / CALIBRATED_COLUMNS), 1)
    figure = _new_figure(3.9 * rows_of_panels)
    panels = figure.subplots(rows_of_panels, CALIBRATED_COLUMNS, squeeze=False).ravel()
    for spare in panels[len(curves) :]:
        spare.remove()
    for axes, (words, rows) in zip(panels, curves.items(), strict=False):
        told, observed = (100 * np.array([value_at(row, key) for row in rows]) for key in ("told", "observed"))
        ends = [interval_at(row, "observed") or (math.nan, math.nan) for row in rows]
        low, high = 100 * np.array(ends).T
        axes.plot([0, 100], [0, 100], color=CALM, linewidth=1, zorder=0)
        reach = [np.maximum(observed - low, 0), np.maximum(high - observed, 0)]
        axes.errorbar(told, observed, yerr=reach, fmt="o-", color=OWN, markersize=5, linewidth=1.3, elinewidth=0.8)
        for row, x, y in zip(rows, told, np.nan_to_num(high, nan=100), strict=True):
            axes.annotate(f"{row['people']}", (x, y), (0, 3), textcoords="offset points", ha="center", fontsize=SMALL)
        axes.set_title(words, fontsize=TITLE, wrap=True)
        axes.set(xlim=(-3, 103), ylim=(-3, 112))
        _label(axes, "probability told, %", "share who have it, %")
    return _png(figure)


def _new_figure(height: float) -> Figure:
    return Figure(figsize=(WIDTH, height), dpi=DPI, layout="constrained")


def _panels(
    xlabel: str, ylabel: str, row: float = 2.5, columns: int = COLUMNS, **shared: bool
) -> tuple[Figure, dict[str, Axes]]:
    """A figure with one panel a phenotype, {phenotype: axes}, each with its own names and units.

    Args:
        xlabel, ylabel: of the axes; "{unit}" becomes the phenotype's.
        row: height of a row of panels, inches.
    """
    rows = math.ceil(len(PHENOTYPES) / columns)
    figure = _new_figure(rows * row)
    grid = figure.subplots(rows, columns, squeeze=False, **shared)
    for spare in grid.flat[len(PHENOTYPES) :]:
        spare.remove()
    panels = dict(zip(PHENOTYPES, grid.flat, strict=False))
    for name, axes in panels.items():
        axes.set_title(LABELS[name], fontsize=TITLE)
        _label(axes, xlabel.format(unit=UNITS[name]), ylabel.format(unit=UNITS[name]))
    return figure, panels


def _label(axes: Axes, xlabel: str, ylabel: str) -> None:
    """Names of both axes and their numbers, those that panels share too, in letters that can be read."""
    axes.set_xlabel(xlabel, fontsize=PLAIN_SIZE)
    axes.set_ylabel(ylabel, fontsize=PLAIN_SIZE)
    axes.tick_params(labelsize=SMALL, labelbottom=True, labelleft=True)
    axes.spines[["top", "right"]].set_visible(False)


def _pairs(generated: np.ndarray, truth: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
    """(generated, true) of each phenotype, without the patients where either is unknown."""
    if generated.shape != truth.shape or generated.shape[1:] != (len(PHENOTYPES),):
        raise ValueError(f"generated {generated.shape} and truth {truth.shape} are not both (n, {len(PHENOTYPES)})")
    known = np.isfinite(generated) & np.isfinite(truth)
    return [(generated[rows, k], truth[rows, k]) for k, rows in enumerate(known.T)]


def _bar(axes: Axes, row: int, value: float, colour: str) -> None:
    """One horizontal bar of R2 with its number at its end; a triangle at the end of a clipped one."""
    if not math.isfinite(value):
        return
    axes.barh(row, max(value, LOWEST_R2), color=colour, height=0.72)
    end, side, ha = (value, 0.04, "left") if value >= 0 else (max(value, LOWEST_R2), -0.04, "right")
    if value < LOWEST_R2:
        axes.plot(LOWEST_R2 - 0.06, row, marker="<", color=colour, markersize=6, clip_on=False)
        side = -0.14
    axes.text(end + side, row, as_ratio(value), va="center", ha=ha, fontsize=SMALL)


def _scores(made: np.ndarray, true: np.ndarray) -> str:
    """r and R2 in words; of few people their number alone."""
    if len(true) < FEW_PEOPLE:
        return f"n {len(true)}"
    scores = agreement(made, true)
    return f"r {as_ratio(scores['r'])}   R2 {as_ratio(scores['r2'])}   n {len(true)}"


def _note(axes: Axes, text: str) -> None:
    box = {"facecolor": "white", "alpha": 0.75, "edgecolor": "none", "pad": 1.5}
    axes.text(0.03, 0.98, text, transform=axes.transAxes, va="top", fontsize=SMALL, bbox=box)


def _legend(figure: Figure, panels: dict[str, Axes]) -> None:
    """One legend above all panels, of every label any panel has."""
    entries = {}
    for axes in panels.values():
        lines, labels = axes.get_legend_handles_labels()
        entries |= dict(zip(labels, lines, strict=True))
    if entries:
        where = {"loc": "outside upper center", "ncols": len(entries), "frameon": False, "fontsize": PLAIN_SIZE}
        figure.legend(entries.values(), entries.keys(), **where)


def _png(figure: Figure) -> bytes:
    stream = io.BytesIO()
    FigureCanvasAgg(figure).print_png(stream)
    return stream.getvalue()
