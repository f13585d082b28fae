"""The report as one HTML file: three answers on top, every figure with what it means, nothing loaded from outside.

A number that is not known is an en dash. A section of which nothing was measured is left out, and named at the end.
Numbers carry their bootstrap 95 % interval where the report has one (`<key>_ci` beside `<key>`).
"""

import math
from pathlib import Path

from cohort.disk import write_text
from cohort.page_template import filled
from cohort.phenotypes import LABELS, TABLE
from sampling.card_numbers import instrument_of

from .headline import headline
from .page_parts import RED_SENTENCE, Picture, Section, picture
from .page_sections import SECTIONS
from .report_numbers import (
    as_any,
    as_count,
    as_ratio,
    as_share,
    as_span,
    content_at,
    fair_r2,
    headline_kept_of,
    interval_at,
    untold_at,
    value_at,
)
from .report_pictures import drawn_from, pictures_in
from .verdicts import FEW_PEOPLE, HEADLINE, SHUFFLED, judged

TEMPLATE = Path(__file__).with_name("report_page.html")
MARKS = {"good": "✓", "bad": "✗", "note": "•"}
SEEN = {  # pictures that tell something of however few people
    "hearts": "True hearts, hearts generated from the same patients' ECGs, and where a patient's samples differ (SD). "
    "A grey value lies between 0 and 1. The largest SDs are white: the picture says from which on.",
    "scatter": "Generated against true, one point a patient; on the line they are equal.",
    "motion": "Share of the stroke volume inside: true (black), the samples, and their mean.",
}
WORDS = {
    "ED, ES": "end-diastole and end-systole: the heart at its fullest and at its emptiest",
    "R2": "share of the differences between patients that is explained: 1 is all, 0 no better than the average",
    "ceiling": "what a direct regression from the same ECG and person reaches, without drawing a heart",
    "(a to b)": "the 95 % interval: where the number would lie with other patients",
}
MADE = {  # of a report: the end of the page
    "date": "date",
    "command": "command",
    "pipeline": "pipeline",
    "weights_sha256": "weights, SHA-256",
    "configuration_sha256": "configuration, SHA-256",
    "code_version": "code version",
    "seed": "seed",
    "measurements": "key of the measurements",
}


def write_page(path: Path, report: dict, pictures: dict[str, bytes]) -> None:
    """Write the report as one HTML file that loads nothing, whole or not at all.

    Args:
        report: the content of report.json; whatever is missing is left out.
        pictures: PNG bytes by name: hearts, scatter, bland_altman, controls, coverage, ranks, spectrum, learning_curve.
    """
    write_text(path, page(report, pictures))


def page_of(report: dict, folder: Path) -> str:
    """The page of a report again, without another evaluation.

    Args:
        report: the content of report.json.
        folder: of the page written before, whose pictures of hearts and people are taken. The others are drawn anew.
    """
    return page(report, pictures_in(folder / "report.html") | drawn_from(report))


def page(report: dict, pictures: dict[str, bytes]) -> str:
    """The whole page as HTML. Of fewer than FEW_PEOPLE it shows pictures and one sentence."""
    few = value_at(report, "n_subjects") < FEW_PEOPLE
    sections = [] if few else [Section.of(title, *fill(report, pictures)) for title, fill in SECTIONS.items()]
    seen = [picture(pictures, name, caption) for name, caption in SEEN.items() if few or name == "hearts"]
    return filled(
        TEMPLATE,
        facts=_facts(report),
        answers=[] if few else headline(report),
        tiles=[] if few else _tiles(report),
        verdicts=[(kind, MARKS[kind], sentence) for kind, sentence in judged(report)],
        seen=[part for part in seen if isinstance(part, Picture)],
        red_line=RED_SENTENCE if "hearts" in pictures else "",
        legend=[(LABELS[name], f"{about.words}, {about.unit}") for name, about in TABLE.items()],
        words={} if few else WORDS,
        sections=[section for section in sections if not section.is_empty],
        absent=", ".join(f"“{section.title}”" for section in sections if section.is_empty),
        made=_made(report),
    )


def _facts(report: dict) -> str:
    """One line: whom, by what, how."""
    counts = {"n_subjects": ("person", "people"), "n_samples": ("heart each", "hearts each")}
    settings = {"guidance_scale": "guidance", "steps": "steps"}
    known = {key: value_at(report, key) for key in (*counts, *settings) if math.isfinite(value_at(report, key))}
    facts = [f"{as_count(known[key])} {words[known[key] != 1]}" for key, words in counts.items() if key in known]
    facts += [f"{key} {report[key]}" for key in ("cohort", "split", "pipeline") if isinstance(report.get(key), str)]
    facts += [f"{words} {as_any(known[key])}" for key, words in settings.items() if key in known]
    facts += [f"measured{by}" for by in [instrument_of(report)] if by]
    return ", ".join(facts)


def _tiles(report: dict) -> list[dict[str, str]]:
    """Information kept of LV mass and LVEDV, of which anything is known."""
    table, tiles = headline_kept_of(report), []
    known = {"generated": ("agreement",), "ceiling": ("ceiling",), "another's ECG": SHUFFLED}
    for name, words in HEADLINE.items():
        kept, ends = value_at(table, name, "kept"), interval_at(table, name, "kept")
        small = f"95 % interval: {as_span(ends, as_share)}" if ends else untold_at(table, name, "kept")
        keys = {title: (*at, name, fair_r2(content_at(report, *at), name)) for title, at in known.items()}
        scores = {title: value_at(report, *at) for title, at in keys.items()}
        told = ", ".join(f"{title} {as_ratio(r2)}" for title, r2 in scores.items() if math.isfinite(r2))
        if math.isfinite(kept) or small:
            tiles.append({"words": words, "kept": as_share(kept), "small": small, "scores": told})
    return tiles


def _made(report: dict) -> list[tuple[str, str]]:
    """What the figures came of: (words, value), in the order of MADE."""
    found = {words: report.get(key) for key, words in MADE.items()}
    plain = {words: value for words, value in found.items() if isinstance(value, str | int) and value != ""}
    return [(words, str(value)) for words, value in plain.items()]
