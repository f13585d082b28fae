"""Row A3: mutated XML. `python tests/torture/input_mutations.py [--quick]` prints a Markdown row.

10,000 files; --quick: 500.
"""

import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from cohort.ecg import read_ecg
from cohort.errors import InputError
from cohort.quality import quality_flags
from tests.corpora.case import CANARY
from tests.corpora.mutations import bases, mutated
from tests.corpora.trial import in_child, markdown_row

MOST_SECONDS = 2.0
AT_ONCE = 100  # files to a process, which is ended when it hangs


def read_each(first: int, count: int, path: Path) -> str:
    """Counts of files read and refused, CPU seconds of the slowest, and what went wrong; separated by bars."""
    originals, read, refused, slowest, wrong = bases(), 0, 0, 0.0, ""
    for number in range(first, first + count):
        path.write_bytes(mutated(originals[number % len(originals)], number))
        start = time.process_time()
        try:
            quality_flags(read_ecg(path, allow_missing_leads=number % 2 == 0))
            read += 1
        except InputError as refusal:
            refused += 1
            wrong += f" {number} quotes the patient" if CANARY in str(refusal) else ""
        except Exception as error:
            wrong += f" {number}: {type(error).__name__}"
        slowest = max(slowest, time.process_time() - start)
    return f"{read}|{refused}|{slowest}|{wrong}"


def main(count: int) -> int:
    read, refused, slowest, wrong = 0, 0, 0.0, []
    with tempfile.TemporaryDirectory() as folder:
        for first in range(0, count, AT_ONCE):
            said = in_child(lambda first=first: read_each(first, AT_ONCE, Path(folder) / "case.xml")).said
            if said.count("|") != 3:
                wrong.append(f"{first} to {first + AT_ONCE - 1}: {said}")
                continue
            good, bad, seconds, faults = said.split("|")
            read, refused, slowest = read + int(good), refused + int(bad), max(slowest, float(seconds))
            wrong += [faults] if faults else []
    print("\n".join(wrong), file=sys.stderr)
    reached = f"{read} read, {refused} refused, {count - read - refused} otherwise; the slowest took {slowest:.2f} s"
    print(markdown_row("A3", "mutated XML", f"{count}: only our error type, no hang over {MOST_SECONDS:g} s", reached))
    return int(bool(wrong) or slowest > MOST_SECONDS or read + refused < count)


if __name__ == "__main__":
    sys.exit(main(500 if "--quick" in sys.argv else 10_000))
