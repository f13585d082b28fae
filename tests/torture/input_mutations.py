"""Row A3: mutated XML. `python tests/torture/input_mutations.py [--quick]` prints a Markdown row.

10,000 files; --quick: 500.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from cohort.ecg import read_ecg
from cohort.quality import quality_flags
from tests.corpora.mutations import bases, mutated
from tests.corpora.trial import markdown_row
from tests.torture._mutated import read_all

MOST_SECONDS = 2.0
AT_ONCE = 100  # files to a process, which is ended when it hangs


def mutated_base(number: int) -> bytes:
    originals = bases()
    return mutated(originals[number % len(originals)], number)


def told_of(number: int, path: Path) -> str:
    quality_flags(read_ecg(path, allow_missing_leads=number % 2 == 0))
    return ""


def main(count: int) -> int:
    found = read_all(count, AT_ONCE, "case.xml", mutated_base, told_of)
    print("\n".join(found.wrong), file=sys.stderr)
    reached = found.reached(count)
    print(markdown_row("A3", "mutated XML", f"{count}: only our error type, no hang over {MOST_SECONDS:g} s", reached))
    return int(bool(found.wrong) or found.slowest > MOST_SECONDS or found.read + found.refused < count)


if __name__ == "__main__":
    sys.exit(main(500 if "--quick" in sys.argv else 10_000))
