"""Row A9: bad DICOM. `python tests/torture/input_dicom.py [--quick]` prints Markdown rows.

The corpus, each case in a process of its own, and 3,000 mutated zips; --quick: the corpus and 200.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from cohort.dicom_stack import read_dicom
from tests.corpora.dicom_corpus import dicom_cases, read_case
from tests.corpora.dicom_mutations import bases, mutated
from tests.corpora.trial import markdown_row, tried
from tests.torture._mutated import read_all

MOST_SECONDS, MOST_MEGABYTES = 2.0, 300.0
AT_ONCE = 50  # files to a process, which is ended when it hangs


def told_of(_: int, path: Path) -> str:
    return " ".join(read_dicom(path).notes)


def main(quick: bool) -> int:
    count, most_seconds = (200, 5 * MOST_SECONDS) if quick else (3_000, MOST_SECONDS)
    cases = list(tried(dicom_cases(), read_case))
    within = [o for _, o in cases if not o.said and o.seconds <= most_seconds and o.megabytes <= MOST_MEGABYTES]
    wrong = [f"{case.name}: {outcome}" for case, outcome in cases if outcome not in within]
    longest, largest = max(o.seconds for _, o in cases), max(o.megabytes for _, o in cases)
    target = f"all of at least 80 refused or exact, under {most_seconds:g} s and {MOST_MEGABYTES:g} MB"
    reached = f"{len(within)} of {len(cases)}; at most {longest:.2f} s of processor, {largest:.0f} MB"
    print(markdown_row("A9", "bad DICOM", target, reached))
    bases()  # once, and not in every process
    found = read_all(count, AT_ONCE, "case.zip", mutated, told_of)
    wrong += found.wrong
    print("\n".join(wrong), file=sys.stderr)
    target = f"{count}: only our error type, none over {most_seconds:g} s"
    print(markdown_row("A9", "mutated DICOM", target, found.reached(count)))
    missed = found.slowest > most_seconds or found.read + found.refused < count
    return int(bool(wrong) or missed or len(cases) < 80)


if __name__ == "__main__":
    sys.exit(main("--quick" in sys.argv))
