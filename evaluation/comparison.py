"""What two reports of the same people differ in: every headline figure, with the interval of its difference."""

import json
import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from cohort.errors import InputError

from .report_numbers import as_any, as_ratio, as_share, as_size, as_span, content_at, interval_at, value_at
from .verdicts import HEADLINE

SAME = ("cohort", "split")  # without which nothing is compared
MADE_BY = {
    "pipeline": "pipeline",
    "weights_sha256": "weights, SHA-256",
    "configuration_sha256": "configuration, SHA-256",
    "code_version": "code version",
}
OPTIONS = {
    "n_subjects": "people",
    "n_samples": "hearts each",
    "guidance_scale": "guidance",
    "steps": "steps",
    "scheduler": "scheduler",
    "hearts": "hearts given",
    "labels": "label maps given",
    "segmenter_given": "another segmenter given",
    "measured_by": "measured by",
    "seed": "seed",
}
PAIRED = "paired: the same people are drawn for both"
UNPAIRED = "from the two intervals, as if of different people"
UNTOLD = "no interval: one of the two has none"
FEWEST_DRAWS = 100  # finite in both; of fewer the ends of an interval are a guess


def _of_headline() -> dict[str, tuple]:
    """Place in a report: (words, how it is shown)."""
    figures: dict[str, tuple] = {}
    for name, words in HEADLINE.items():
        figures[f"agreement.{name}.r2_of_many"] = (f"R2 of {words}, mean of many hearts", as_ratio)
        figures[f"agreement.{name}.r2"] = (f"R2 of {words}, mean of the hearts drawn", as_ratio)
        figures[f"controls.shuffled_ecg.{name}.r2_of_many"] = (f"R2 of {words} with another's ECG", as_ratio)
        figures[f"information_kept_of_many.{name}"] = (f"information kept of {words}", as_share)
    return figures | {
        "coverage_pooled.90": ("coverage of the 90 % intervals, %", as_size),
        "implausible.any.generated": ("hearts that no living heart is like", as_share),
        "retrieval.median_percentile": ("median rank of the own heart, %", as_size),
        "realism.classifier_auc": ("AUC of a classifier, generated against true", as_ratio),
        "realism.fid": ("FID", as_any),
        "memorisation.fraction": ("hearts that look like copies", as_share),
    }


FIGURES = _of_headline()


@dataclass(frozen=True)
class Difference:
    """One figure of both reports as text; `clear` where the interval of the difference leaves out 0."""

    words: str
    one: str
    other: str
    difference: str
    interval: str
    how: str
    clear: bool


def read_report(path: Path) -> dict:
    """The content of a report.json.

    Raises:
        InputError: there is no such file, or it is no report.
    """
    remedy = "give a report.json of evaluate_samples.py"
    try:
        report = json.loads(path.read_text(encoding="utf-8"))
    except OSError:
        raise InputError(path, "cannot be read", remedy) from None
    except ValueError:
        raise InputError(path, "is damaged, or no JSON", remedy) from None
    if not isinstance(report, dict) or not isinstance(report.get("agreement"), dict):
        raise InputError(path, "holds no agreement of generated hearts with true ones", remedy)
    return report


def require_comparable(one: dict, other: dict, path: Path) -> None:
    """Refuse reports of other people.

    Raises:
        InputError: cohort or split differ, or a report does not name them.
    """
    for key in SAME:
        if not isinstance(one.get(key), str) or one.get(key) != other.get(key):
            fault = f"is of another {key} than the first report, or one of them names none"
            raise InputError(path, fault, "compare reports of the same people: figures of others differ by chance")


def is_paired(one: dict, other: dict) -> bool:
    """Whether both reports hold bootstrap draws that picked the same people."""
    keys = [content_at(report, "draws", "paired_with") for report in (one, other)]
    return isinstance(keys[0], str) and keys[0] == keys[1]


def differences(one: dict, other: dict) -> list[Difference]:
    """Every headline figure that both reports hold, other minus one."""
    found = []
    for place, (words, show) in FIGURES.items():
        values = [value_at(report, *place.split(".")) for report in (one, other)]
        if not all(map(math.isfinite, values)):
            continue
        ends, how = interval_of_difference(one, other, place)
        found.append(
            Difference(
                words,
                *(show(value) + _span(report, place, show) for value, report in zip(values, (one, other), strict=True)),
                difference=show(values[1] - values[0]),
                interval=as_span(ends, show) if ends else "",
                how=how,
                clear=bool(ends) and (ends[0] > 0 or ends[1] < 0),
            )
        )
    return found


def interval_of_difference(one: dict, other: dict, place: str) -> tuple[tuple[float, float] | None, str]:
    """The 95 % interval of other minus one, and what it came of; None where it is not known.

    In pairs: percentiles of the differences of draws that picked the same people. Else from the two intervals, by the
    square-and-add rule (Zou and Donner, Stat. Med. 2008; 27: 1693-1702), which holds for different people. Of the same
    people it is too wide.
    """
    if is_paired(one, other):
        drawn = [_draws(report, place) for report in (one, other)]
        if len(drawn[0]) == len(drawn[1]):
            apart = drawn[1] - drawn[0]
            apart = apart[np.isfinite(apart)]
            if len(apart) >= FEWEST_DRAWS:
                low, high = np.percentile(apart, [2.5, 97.5])
                return (float(low), float(high)), PAIRED
    known = [_interval(report, place) for report in (one, other)]
    if None in known:
        return None, UNTOLD
    values = [value_at(report, *place.split(".")) for report in (one, other)]
    (low, high), (other_low, other_high) = known
    middle = values[1] - values[0]
    below = math.hypot(values[1] - other_low, high - values[0])
    above = math.hypot(other_high - values[1], values[0] - low)
    return (middle - below, middle + above), UNPAIRED


def what_differs(one: dict, other: dict) -> list[tuple[str, str, str]]:
    """(what, in the one, in the other) of weights, code and options that are not the same."""
    told = MADE_BY | OPTIONS
    return [
        (words, _as_text(one.get(key)), _as_text(other.get(key)))
        for key, words in told.items()
        if one.get(key) != other.get(key)
    ]


def _as_text(value: object) -> str:
    return "the usual" if value is None else "yes" if value is True else "no" if value is False else str(value)


def _draws(report: dict, place: str) -> np.ndarray:
    drawn = content_at(report, "draws", "figures", place)
    drawn = drawn if isinstance(drawn, list) else []
    return np.array([value_at({"value": value}, "value") for value in drawn], dtype=float)


def _interval(report: dict, place: str) -> tuple[float, float] | None:
    """The interval of a.b at a.b_ci, or at a_ci.b where a table of numbers has a table of intervals beside it."""
    keys = place.split(".")
    table = content_at(report, *keys[:-2], f"{keys[-2]}_ci")
    return interval_at(report, *keys) or interval_at({f"{keys[-1]}_ci": content_at(table, keys[-1])}, keys[-1])


def _span(report: dict, place: str, show) -> str:
    ends = _interval(report, place)
    return f" ({as_span(ends, show)})" if ends else ""
