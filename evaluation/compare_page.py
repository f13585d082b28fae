"""The page that sets two reports beside one another, and the same on screen."""

from pathlib import Path

from cohort.disk import write_text
from cohort.errors import printable
from cohort.page_template import filled

from .comparison import PAIRED, Difference, differences, is_paired, read_report, require_comparable, what_differs

TEMPLATE = Path(__file__).with_name("compare_page.html")
HOW = {
    True: "The same people were drawn for both: intervals are paired where a figure was drawn.",
    False: "People cannot be paired: intervals come of those of the two reports.",
}


def write_comparison(output: Path, one: Path, other: Path) -> None:
    """Write the page, whole or not at all, and print each difference in a line.

    Raises:
        InputError: a file is no report, the two are of different people, or the page cannot be written.
    """
    first, second = read_report(one), read_report(other)
    require_comparable(first, second, other)
    rows, changed = differences(first, second), what_differs(first, second)
    content = {
        "names": [str(one), str(other)],
        "one": first,
        "how": HOW[is_paired(first, second)],
        "rows": rows,
        "clear": sum(row.clear for row in rows),
        "changed": changed,
    }
    write_text(output, filled(TEMPLATE, **content))
    for row in rows:
        print(printable(line_of(row)))
    for words, before, after in changed:
        print(printable(f"differs in {words}: {before}, {after}"))
    print(printable(f"comparison: {output}"))


def line_of(row: Difference) -> str:
    """One figure for the screen."""
    kind = " (paired)" if row.how == PAIRED else ""
    between = f", {row.interval}{kind}" if row.interval else ""
    return f"{row.words}: {row.one}, then {row.other}; difference {row.difference}{between}"
