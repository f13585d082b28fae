"""Row A2: what ECG files mean. `python tests/torture/input_ecg.py [--quick]` prints a Markdown row.

--quick leaves nothing out: the whole corpus takes seconds.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.corpora.ecg_corpus import ecg_cases, read_case
from tests.corpora.trial import judged, markdown_row


def main() -> int:
    outcomes = list(judged(ecg_cases(), read_case))
    for name, said in outcomes:
        if said:
            print(f"{name}: {said}", file=sys.stderr)
    good = sum(not said for _, said in outcomes)
    target = "all of at least 45 right to 1 uV after resampling, or refused by name"
    print(markdown_row("A2", "ECG meaning", target, f"{good} of {len(outcomes)}"))
    return int(good < len(outcomes) or good < 45)


if __name__ == "__main__":
    sys.exit(main())
