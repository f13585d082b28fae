"""The lines of metrics.jsonl, whatever a kill or a full disk made of them."""

import json
import math
from pathlib import Path


def metrics_of(line: str) -> dict[str, float] | None:
    """The numbers of one line, `step` among them; None for a line that says none, as one that a kill has torn."""
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        return None
    if not isinstance(found, dict):
        return None
    numbers = {key: value for key, value in found.items() if isinstance(value, int | float) and math.isfinite(value)}
    return numbers if "step" in numbers else None


def read_metrics(folder: Path) -> tuple[list[dict[str, float]], int]:
    """The lines of a run's folder, and how many of them cannot be read; none where there is no such file."""
    try:
        text = (folder / "metrics.jsonl").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return [], 0
    lines = [metrics_of(line) for line in text.splitlines() if line.strip()]
    return [line for line in lines if line is not None], sum(line is None for line in lines)
