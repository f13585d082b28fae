"""Set two reports of the same people beside one another, figure by figure, on one page.

    python -m evaluation.compare a/report.json b/report.json

Each difference has its interval. Where both reports drew the same people it is that of a paired bootstrap, else it
comes of the two intervals; the page says which. It names what differs in weights, code and options. Reports of other
cohorts or splits are refused.
"""

import sys
from pathlib import Path

import tyro

from cohort.errors import exit_code_of


def main(one: tyro.conf.Positional[Path], other: tyro.conf.Positional[Path], output: Path | None = None) -> None:
    """Set two reports of the same people beside one another, figure by figure, on one page.

    Args:
        one: a report.json.
        other: another report.json of the same cohort and split.
        output: the page; compare.html beside the other report if not given.

    Raises:
        InputError: a file is no report, or the two are of different people.
    """
    from evaluation.compare_page import write_comparison  # not above, so that --help is quick

    write_comparison(output or other.parent / "compare.html", one, other)


if __name__ == "__main__":
    sys.exit(exit_code_of(lambda: tyro.cli(main, prog="python -m evaluation.compare")))
