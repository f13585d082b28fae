"""The volumes of one patient's drawn hearts over a beat, as PNG."""

import io

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from sampling.red_line import BESIDE_REAL, RED_LINE
from sampling.true_heart import heart_of_numbers

from .certainty import INTERVAL_SAMPLES, interval
from .scale import SCALES

DPI = 100
LV, RV = "#0072b2", "#d55e00"  # blue and vermilion, for the colour-blind
RED = "#c00000"  # on white; 6.5 to 1 in contrast


def band_of(volumes_ml: np.ndarray) -> dict | None:
    """The band of the samples' curves (samples, frames): in every frame the 90 % interval of `certainty.interval`.

    Of fewer than INTERVAL_SAMPLES it is their range, and of a single one None.
    """
    if len(volumes_ml) < 2:
        return None
    if len(volumes_ml) < INTERVAL_SAMPLES:
        which, low, high = f"range of {len(volumes_ml)} samples", volumes_ml.min(axis=0), volumes_ml.max(axis=0)
    else:
        which, (low, high) = "90 % interval", interval(volumes_ml.T, 0.9, SCALES["LVEDV"])
    return {"which": which, "low": low.round(2).tolist(), "high": high.round(2).tolist()}


def volume_plot(
    lv_ml: np.ndarray,
    rv_ml: np.ndarray,
    es_share: float,
    beat_s: float | None,
    bands: dict[str, dict] | None = None,
    true: dict | None = None,
) -> bytes:
    """LV and RV of sample 1 over one beat, each within its band, below the red line.

    The beat is closed: frame 0 comes again at its end. Time is in ms, or the share of the beat where it is unknown.

    Args:
        lv_ml, rv_ml: (samples, frames). es_share: of sample 1, share of the cycle.
        bands: of `told_bands`; those of the samples (`band_of`) if not given.
        true: "true_heart" of heart.json, whose lines lie over the others in black; without volumes it has none.
    """
    figure = Figure(figsize=(7, 4.2), dpi=DPI, layout="constrained")
    drawn_beside = any((true or {}).get(key) for key in ("lv_ml", "rv_ml"))
    figure.suptitle(BESIDE_REAL if drawn_beside else RED_LINE, color=RED, fontsize=11, fontweight="bold")
    axes = figure.subplots()
    length = 1000 * beat_s if beat_s else 1.0
    time = np.arange(lv_ml.shape[1] + 1) / lv_ml.shape[1] * length
    for name, volumes, colour in (("LV", lv_ml, LV), ("RV", rv_ml, RV)):
        if band := band_of(volumes) if bands is None else bands[name]:
            low, high = (_closed(np.array(band[end])) for end in ("low", "high"))
            axes.fill_between(time, low, high, color=colour, alpha=0.18, lw=0, label=f"{name}, {band['which']}")
        axes.plot(time, _closed(volumes[0]), color=colour, label=f"{name}, sample 1")
    for name, dashes in (("LV", "-"), ("RV", "--")):
        if own := (true or {}).get(f"{name.lower()}_ml"):
            moments = np.linspace(0, length, len(own) + 1)
            label = f"{name}, {heart_of_numbers(true['volumes_measured_by'])}"
            axes.plot(moments, _closed(np.array(own)), color="black", lw=1.2, linestyle=dashes, label=label)
    axes.axvline(es_share * length, color="#9aa5ad", linestyle="--", linewidth=1)
    axes.text(es_share * length, 0.02, " ES", transform=axes.get_xaxis_transform(), color="#555555")
    axes.set(xlabel="ms from ED" if beat_s else "share of the beat", ylabel="mL", xlim=(0, length))
    axes.set_ylim(bottom=0)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, fontsize=8, loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=2)
    out = io.BytesIO()
    FigureCanvasAgg(figure).print_png(out)
    return out.getvalue()


def _closed(series: np.ndarray) -> np.ndarray:
    """(frames,) -> (frames + 1,)."""
    return np.append(series, series[0])
