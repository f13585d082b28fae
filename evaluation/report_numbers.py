"""Numbers of a report: looked up, where any may be missing, and written for reading."""

import math
from collections.abc import Callable, Iterator
from numbers import Real

from cohort.phenotypes import PHENOTYPES

NO_NUMBER = "–"


def value_at(report: object, *keys: str) -> float:
    """The number under nested keys of a report; NaN where there is none, or none that is finite."""
    value = content_at(report, *keys)
    is_number = isinstance(value, Real) and not isinstance(value, bool)
    return float(value) if is_number and math.isfinite(value) else float("nan")


def interval_at(report: object, *keys: str) -> tuple[float, float] | None:
    """The 95 % interval beside the number under nested keys; None without two finite ends."""
    interval = content_at(report, *keys[:-1], f"{keys[-1]}_ci")
    if not isinstance(interval, list | tuple) or len(interval) != 2:
        return None
    low, high = (value_at({"end": end}, "end") for end in interval)
    return (low, high) if math.isfinite(low - high) else None


def information_kept_of(report: dict, key: str = "information_kept") -> dict[str, dict]:
    """{phenotype: {kept, kept_ci, kept_untold}}: intervals and reasons beside the numbers, as in every other table."""
    values, intervals, reasons = (report.get(f"{key}{ending}") for ending in ("", "_ci", "_untold"))
    return {
        name: {
            "kept": value_at(values, name),
            "kept_ci": content_at(intervals, name),
            "kept_untold": content_at(reasons, name),
        }
        for name in PHENOTYPES
    }


def headline_kept_of(report: dict) -> dict[str, dict]:
    """Information kept by the mean of many, by phenotype; by the mean of the few drawn where a report has no other."""
    many, few = (information_kept_of(report, key) for key in ("information_kept_of_many", "information_kept"))
    return {
        name: many[name] if math.isfinite(many[name]["kept"]) or many[name]["kept_untold"] else few[name]
        for name in PHENOTYPES
    }


def fair_r2(table: object, name: str) -> str:
    """The key of the R2 to compare arms by: that of very many hearts where the table has it, else the plain one."""
    return "r2_of_many" if math.isfinite(value_at(table, name, "r2_of_many")) else "r2"


def untold_at(report: object, *keys: str) -> str:
    """Why there is no number under nested keys of a report; empty where it does not say."""
    reason = content_at(report, *keys[:-1], f"{keys[-1]}_untold")
    return reason if isinstance(reason, str) else ""


def content_at(report: object, *keys: str) -> object:
    """The content under nested keys; None where there is nothing."""
    for key in keys:
        report = report.get(key) if isinstance(report, dict) else None
    return report


def tables_at(report: object, *keys: str) -> dict[str, dict]:
    """The tables under nested keys by name; numbers and lists among them are left out."""
    tables = content_at(report, *keys)
    return {key: table for key, table in tables.items() if isinstance(table, dict)} if isinstance(tables, dict) else {}


def rows_at(report: dict, key: str) -> list[dict]:
    """The tables of a list."""
    rows = report.get(key)
    return [row for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []


def numbers_of(source: object, path: str = "") -> Iterator[tuple[str, float]]:
    """Every number in nested tables by the words of its path; intervals are left out."""
    for key, value in source.items() if isinstance(source, dict) else ():
        words = spaced(f"{path} {key}").strip()
        if isinstance(value, dict):
            yield from numbers_of(value, words)
        elif math.isfinite(value_at(source, key)):
            yield words, value_at(source, key)


def spaced(name: str) -> str:
    """A key of a report that has no words of its own, as words."""
    return name.replace("_", " ")


def decimals(value: float, decimals: int) -> str:
    """A dash for what is no number; never a negative zero."""
    return f"{round(value, decimals) + 0.0:,.{decimals}f}" if math.isfinite(value) else NO_NUMBER


def as_ratio(value: float) -> str:
    return decimals(value, 2)


def as_count(value: float) -> str:
    return decimals(value, 0)


def as_size(value: float) -> str:
    """mL, g, mm or %: a decimal below a hundred."""
    return decimals(value, 0 if abs(value) >= 100 else 1)


def as_share(value: float) -> str:
    """A share of 1 as %: a decimal below ten."""
    return f"{decimals(100 * value, 0 if abs(value) >= 0.1 else 1)} %" if math.isfinite(value) else NO_NUMBER


def as_any(value: float) -> str:
    """A number of any kind: three digits, or all before the point."""
    if not math.isfinite(value):
        return NO_NUMBER
    return f"{value:,.0f}" if value == round(value) or abs(value) >= 1000 else f"{value:.3g}"


def as_span(ends: tuple[float, float], show: Callable[[float], str]) -> str:
    return f"{show(ends[0])} to {show(ends[1])}"
