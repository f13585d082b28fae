"""The volumes of one patient's drawn hearts over a beat, as PNG."""

import io
from dataclasses import dataclass

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from .certainty import interval
from .phenotype_lines import INTERVAL_SAMPLES

DPI = 100
LV, RV = "#0072b2", "#d55e00"  # blue and vermilion, for the colour-blind


@dataclass(frozen=True, eq=False)
class SampleCurves:
    """Volumes of one patient's hearts over a beat.

    Attributes:
        drawn_ml: (samples, frames) LV: between the measured volumes of ED and ES, as the motion part draws it.
        lv_ml, rv_ml: (frames,) measured in every frame of sample 1.
        rv_ends_ml: (samples, 2) RV at ED and ES, measured.
        es_share: of sample 1, share of the cycle. beat_s: None where unknown.
    """

    drawn_ml: np.ndarray
    lv_ml: np.ndarray
    rv_ml: np.ndarray
    rv_ends_ml: np.ndarray
    es_share: float
    beat_s: float | None


def lv_band(drawn_ml: np.ndarray) -> dict | None:
    """The band of the samples' LV curves (samples, frames): in every frame the 90 % interval of `certainty.interval`.

    Of fewer than INTERVAL_SAMPLES it is their range, and of a single one None.
    """
    if len(drawn_ml) < 2:
        return None
    if len(drawn_ml) < INTERVAL_SAMPLES:
        which, low, high = f"range of {len(drawn_ml)} samples", drawn_ml.min(axis=0), drawn_ml.max(axis=0)
    else:
        which, (low, high) = "90 % interval", interval(drawn_ml.T, 0.9)
    return {"which": which, "low": low.clip(0).round(2).tolist(), "high": high.clip(0).round(2).tolist()}


def volume_plot(curves: SampleCurves) -> bytes:
    """LV and RV of sample 1 over one beat, the LV of all samples as a band, the RV's ends of all as bars.

    The beat is closed: frame 0 comes again at its end. Time is in ms, or the share of the beat where it is unknown.
    """
    figure = Figure(figsize=(7, 4.2), dpi=DPI, layout="constrained")
    axes = figure.subplots()
    frames = curves.drawn_ml.shape[1]
    length = 1000 * curves.beat_s if curves.beat_s else 1.0
    time = np.arange(frames + 1) / frames * length
    samples, band = len(curves.drawn_ml), lv_band(curves.drawn_ml)
    if band:
        low, high = (_closed(np.array(band[end])) for end in ("low", "high"))
        axes.fill_between(time, low, high, color=LV, alpha=0.2, lw=0, label=f"LV, {band['which']}")
    axes.plot(time, _closed(curves.lv_ml), color=LV, label="LV, sample 1, every frame measured")
    axes.plot(time, _closed(curves.rv_ml), color=RV, label="RV, sample 1, every frame measured")
    ends = curves.rv_ends_ml
    if samples > 1:
        moments = np.array([0, curves.es_share * length])
        axes.vlines(
            moments, ends.min(axis=0), ends.max(axis=0), color=RV, alpha=0.35, lw=5, label="RV at ED, ES, range"
        )
    axes.axvline(curves.es_share * length, color="#9aa5ad", linestyle="--", linewidth=1)
    axes.text(curves.es_share * length, 0.02, " ES", transform=axes.get_xaxis_transform(), color="#555555")
    axes.set(xlabel="ms from ED" if curves.beat_s else "share of the beat", ylabel="mL", xlim=(0, length))
    axes.set_ylim(bottom=0)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, fontsize=8, loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=2)
    out = io.BytesIO()
    FigureCanvasAgg(figure).print_png(out)
    return out.getvalue()


def _closed(series: np.ndarray) -> np.ndarray:
    """(..., frames) -> (..., frames + 1)."""
    return np.concatenate([series, series[..., :1]], axis=-1)
