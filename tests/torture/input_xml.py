"""Row A1: hostile, damaged and unusual XML. `python tests/torture/input_xml.py [--quick]` prints Markdown rows.

--quick takes every third file and allows five times the seconds.
"""

import sys
from itertools import islice
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from cohort.ecg import read_ecg
from cohort.preprocessing import ecg_input  # noqa: F401  (imported before the processes are forked)
from tests.corpora.trial import markdown_row, tried
from tests.corpora.xml_corpus import xml_cases

LEAST_FILES, MOST_SECONDS, MOST_MEGABYTES = 60, 1.0, 200.0


def main(quick: bool) -> int:
    every, least, most_seconds = (3, LEAST_FILES // 3, 5 * MOST_SECONDS) if quick else (1, LEAST_FILES, MOST_SECONDS)
    wrong, seconds, megabytes, count = [], [0.0], [0.0], 0
    for case, outcome in tried(islice(xml_cases(), 0, None, every), read_ecg):
        count += 1
        seconds.append(outcome.seconds)
        megabytes.append(outcome.megabytes)
        if outcome.said or outcome.seconds > most_seconds or outcome.megabytes > MOST_MEGABYTES:
            wrong.append(case.name)
            print(f"{case.name}: {outcome}", file=sys.stderr)
    reached = f"{count - len(wrong)} of {count}; at most {max(seconds):.2f} s of processor, {max(megabytes):.0f} MB"
    target = f"all of at least {least} as listed, {most_seconds:g} s and {MOST_MEGABYTES:g} MB each"
    print(markdown_row("A1", "bad XML", target, reached))
    return int(bool(wrong) or count < least)


if __name__ == "__main__":
    sys.exit(main("--quick" in sys.argv))
