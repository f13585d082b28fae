"""The three answers that a report begins with: whose heart it is, how sure, how real; with numbers and intervals."""

import math
from collections.abc import Callable
from typing import NamedTuple

from cohort.phenotypes import UNITS

from .report_numbers import as_ratio, as_share, as_size, as_span, content_at, fair_r2, interval_at, value_at
from .verdicts import HEADLINE, SHUFFLED, clauses_of, own_table

WHOSE, SURE, REAL = "Does it belong to the patient?", "How sure is it?", "How real is it?"
ANSWERS = {  # question: {a saying of the verdicts: answer}; the first saying that was said decides
    WHOSE: {"ignored": "No", "alike": "No", "nobody's": "No", "perhaps own": "Perhaps", "own": "Yes"},
    SURE: {"too sure": "Too sure", "too unsure": "Less sure than it could be", "honest": "As sure as it should be"},
    REAL: {
        "implausible": "Not always",
        "looks made": "Not in every detail",
        "looks real": "Hardly told from true ones",
    },
}
KINDS = {"No": "bad", "Yes": "good", "Too sure": "bad", "Not always": "bad", "As sure as it should be": "good"}
IN_PART = "In part"


class Answer(NamedTuple):
    """A question, its answer in a word ("" where nothing decides it), "good", "bad" or "note", and the numbers."""

    question: str
    word: str
    kind: str
    sentence: str


def headline(report: dict) -> list[Answer]:
    """The answers of which anything was measured."""
    said = clauses_of(report)
    sentences = {WHOSE: _whose(report), SURE: _sure(report), REAL: _real(report)}
    answers = []
    for question, sentence in sentences.items():
        words = [word for saying, word in ANSWERS[question].items() if saying in said]
        word = words[0] if words else ""
        if question == WHOSE and "No" in words and "Yes" in words:
            word = IN_PART
        answers.append(Answer(question, word, KINDS.get(word, "note"), sentence))
    return [answer for answer in answers if answer.sentence]


def _whose(report: dict) -> str:
    """R2 with the own ECG and with another's."""
    own, another = own_table(report), content_at(report, *SHUFFLED)
    parts = []
    for name, words in HEADLINE.items():
        mine = _told(own, name, fair_r2(own, name), as_ratio)
        others = _told(another, name, fair_r2(another, name), as_ratio)
        if mine:
            parts.append(
                f"{words}: R2 {mine} with the own ECG" + (f", {others} with another patient's" if others else "")
            )
    return f"{'; '.join(parts)}." if parts else ""


def _sure(report: dict) -> str:
    """What the 90 % intervals cover, those of the samples and those told, and how wide they are."""
    pooled = _told(report, "coverage_pooled", "90", _percent)
    covers = f"{pooled} of all values" if pooled else _cells(report)
    if not covers:
        return ""
    widths = [
        f"{width} {UNITS[name]} wide for {words}"
        for name, words in HEADLINE.items()
        if (width := _told(report, "coverage", name, "width_90", as_size))
    ]
    wide = f" In the median they are {' and '.join(widths)}." if widths else ""
    told = _told(report, "coverage_told_pooled", "90", _percent)
    beside = f" Those that heart.json tells, by heart codes, hold {told}." if told else ""
    return f"The 90 % intervals of the samples hold the truth of {covers}.{wide}{beside}"


def _cells(report: dict) -> str:
    """Coverage of single phenotypes, for a report without that of all together."""
    cells = {words: _told(report, "coverage", name, "90", _percent) for name, words in HEADLINE.items()}
    return ", ".join(f"{told} for {words}" for words, told in cells.items() if told)


def _real(report: dict) -> str:
    """Hearts that break a limit, and the AUC of a classifier."""
    parts = []
    broken = _told(report, "implausible", "any", "generated", as_share)
    if broken:
        real = _told(report, "implausible", "any", "real", as_share)
        beside = f", of true ones {real}" if real else ""
        parts.append(f"{broken} of the generated hearts break a limit of living hearts{beside}")
    if auc := _told(report, "realism", "classifier_auc", as_ratio):
        parts.append(f"a classifier that tells slices apart has AUC {auc}, a coin 0.50")
    return f"{sentence[0].upper()}{sentence[1:]}." if (sentence := "; ".join(parts)) else ""


def _percent(value: float) -> str:
    return f"{as_size(value)} %"


def _told(report: object, *place: str | Callable[[float], str]) -> str:
    """The number at a place with its interval; "" where there is none. Last comes how to show it."""
    *keys, show = place
    value, ends = value_at(report, *keys), interval_at(report, *keys)
    if not math.isfinite(value):
        return ""
    return show(value) + (f" ({as_span(ends, show)})" if ends else "")
