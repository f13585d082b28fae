"""The pictures of a report: drawn from its numbers, or taken from a page that was written before."""

import base64
import re
from pathlib import Path

from . import plots
from .report_numbers import tables_at

STORED = re.compile(r'<img id="picture-(\w+)" [^>]*src="data:image/png;base64,([A-Za-z0-9+/=]+)"')


def pictures_in(page: Path) -> dict[str, bytes]:
    """PNG by name of a page of a report; empty where there is no such page."""
    text = page.read_text(encoding="utf-8") if page.is_file() else ""
    return {name: base64.b64decode(data) for name, data in STORED.findall(text)}


def drawn_from(report: dict) -> dict[str, bytes]:
    """The plots that a report's numbers alone tell, of which it has any, as PNG by name."""
    needs = {
        "controls": (plots.controls_bars, "controls", "ceiling"),
        "coverage": (plots.coverage_curve, "coverage"),
        "ranks": (plots.rank_histograms, "rank_histogram"),
        "learning_curve": (plots.learning_curve, "ceiling_curve"),
    }
    drawn = {name: draw(report) for name, (draw, *keys) in needs.items() if any(report.get(key) for key in keys)}
    told = any("calibration" in found for found in tables_at(report, "decision", "conditions").values())
    return drawn | ({"chances": plots.calibration_curves(report)} if told else {})
