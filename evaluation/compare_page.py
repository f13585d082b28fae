"""The page that sets two reports beside one another, and the same on screen."""

from pathlib import Path

from cohort.disk import write_text
from cohort.errors import printable
from cohort.page_template import filled

from .agreement import FEW_PEOPLE
from .comparison import PAIRED, Difference, differences, is_paired, read_report, require_comparable, what_differs
from .page_parts import RED_SENTENCE, Picture, picture
from .report_numbers import value_at
from .report_pictures import pictures_in

TOO_FEW = "{} people are too few to compare figures by: look at the pictures of both reports."
CAPTION = "true hearts, and hearts generated from the same patients' ECGs."
TEMPLATE = Path(__file__).with_name("compare_page.html")
HOW = {
    True: "The same people were drawn for both: intervals are paired where a figure was drawn.",
    False: "People cannot be paired: intervals come of those of the two reports.",
}


def write_comparison(output: Path, one: Path, other: Path) -> None:
    """Write the page, whole or not at all, and print each difference in a line.

    Of fewer than FEW_PEOPLE it shows a sentence and the hearts of both reports, and no figures.

    Raises:
        InputError: a file is no report, the two are of different people, or the page cannot be written.
    """
    first, second = read_report(one), read_report(other)
    require_comparable(first, second, other)
    people = min(value_at(report, "n_subjects") for report in (first, second))
    few = people < FEW_PEOPLE
    rows, changed = [] if few else differences(first, second), what_differs(first, second)
    content = {
        "few": TOO_FEW.format(f"{people:.0f}") if few else "",
        "seen": _hearts_of(one, other) if few else [],
        "red_line": RED_SENTENCE,
        "names": [str(one), str(other)],
        "one": first,
        "how": "" if few else HOW[is_paired(first, second)],
        "rows": rows,
        "clear": sum(row.clear for row in rows),
        "changed": changed,
    }
    write_text(output, filled(TEMPLATE, **content))
    if few:
        print(printable(content["few"]))
    for row in rows:
        print(printable(line_of(row)))
    for words, before, after in changed:
        print(printable(f"differs in {words}: {before}, {after}"))
    print(printable(f"comparison: {output}"))


def _hearts_of(one: Path, other: Path) -> list[Picture]:
    """The pictures of hearts on the two reports' own pages, of those that lie beside them."""
    pages = {"A": one.with_suffix(".html"), "B": other.with_suffix(".html")}
    found = [picture(pictures_in(page), "hearts", f"{name}: {CAPTION}") for name, page in pages.items()]
    return [part for part in found if isinstance(part, Picture)]


def line_of(row: Difference) -> str:
    """One figure for the screen."""
    kind = " (paired)" if row.how == PAIRED else ""
    between = f", {row.interval}{kind}" if row.interval else ""
    return f"{row.words}: {row.one}, then {row.other}; difference {row.difference}{between}"
