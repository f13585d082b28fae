"""Row A9: bad DICOM. `python tests/torture/input_dicom.py [--quick]` prints Markdown rows.

The corpus, each case in a process of its own, and 3,000 mutated zips; --quick: the corpus and 200.
"""

import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from cohort.dicom_stack import read_dicom
from cohort.errors import InputError
from tests.corpora.case import CANARY, CANARY_PID
from tests.corpora.dicom_corpus import dicom_cases, read_case
from tests.corpora.dicom_mutations import bases, mutated
from tests.corpora.trial import in_child, markdown_row, tried

MOST_SECONDS, MOST_MEGABYTES = 2.0, 300.0
AT_ONCE = 50  # files to a process, which is ended when it hangs


def read_each(first: int, count: int, path: Path) -> str:
    """Counts of studies read and refused, CPU seconds of the slowest, and what went wrong; separated by bars."""
    read, refused, slowest, wrong = 0, 0, 0.0, ""
    for number in range(first, first + count):
        path.write_bytes(mutated(number))
        start = time.process_time()
        told = ""
        try:
            told = " ".join(read_dicom(path).notes)
            read += 1
        except InputError as refusal:
            refused += 1
            told = str(refusal)
        except Exception as error:
            wrong += f" {number}: {type(error).__name__} {error}"
        wrong += f" {number} quotes the patient" if CANARY in told or CANARY_PID in told else ""
        slowest = max(slowest, time.process_time() - start)
    return f"{read}|{refused}|{slowest}|{wrong}"


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
    read, refused, slowest = 0, 0, 0.0
    with tempfile.TemporaryDirectory() as folder:
        for first in range(0, count, AT_ONCE):
            said = in_child(lambda first=first: read_each(first, AT_ONCE, Path(folder) / "case.zip")).said
            if said.count("|") != 3:
                wrong.append(f"{first} to {first + AT_ONCE - 1}: {said}")
                continue
            good, bad, seconds, faults = said.split("|")
            read, refused, slowest = read + int(good), refused + int(bad), max(slowest, float(seconds))
            wrong += [faults] if faults else []
    print("\n".join(wrong), file=sys.stderr)
    reached = f"{read} read, {refused} refused, {count - read - refused} otherwise; the slowest took {slowest:.2f} s"
    target = f"{count}: only our error type, none over {most_seconds:g} s"
    print(markdown_row("A9", "mutated DICOM", target, reached))
    return int(bool(wrong) or slowest > most_seconds or read + refused < count or len(cases) < 80)


if __name__ == "__main__":
    sys.exit(main("--quick" in sys.argv))
