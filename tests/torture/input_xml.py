"""Row A1: hostile, damaged and unusual XML. `python tests/torture/input_xml.py [--quick]` prints Markdown rows.

--quick leaves out nothing: the whole corpus takes seconds.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from cohort.ecg import read_ecg
from cohort.preprocessing import ecg_input  # noqa: F401  (imported before the processes are forked)
from tests.corpora.trial import markdown_row, tried
from tests.corpora.xml_corpus import xml_cases

MOST_SECONDS, MOST_MEGABYTES = 1.0, 200.0


def main() -> int:
    wrong, seconds, megabytes, count = [], [0.0], [0.0], 0
    for case, outcome in tried(xml_cases(), read_ecg):
        count += 1
        seconds.append(outcome.seconds)
        megabytes.append(outcome.megabytes)
        if outcome.said or outcome.seconds > MOST_SECONDS or outcome.megabytes > MOST_MEGABYTES:
            wrong.append(case.name)
            print(f"{case.name}: {outcome}", file=sys.stderr)
    reached = f"{count - len(wrong)} of {count}; at most {max(seconds):.2f} s of processor, {max(megabytes):.0f} MB"
    target = f"all of at least 60 as listed, {MOST_SECONDS:g} s and {MOST_MEGABYTES:g} MB each"
    print(markdown_row("A1", "bad XML", target, reached))
    return int(bool(wrong) or count < 60)


if __name__ == "__main__":
    sys.exit(main())
