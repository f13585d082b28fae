"""Row A7: subject names and links. `python tests/torture/input_names.py [--quick]` prints a Markdown row.

--quick leaves nothing out: the whole list takes seconds.
"""

import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.corpora.names import (
    INPUT_LINKS,
    LINKS,
    PATHS,
    refuses_what_is_no_ecg,
    strays,
    strays_through,
    strays_when_read,
)
from tests.corpora.trial import markdown_row


def main() -> int:
    trials = [(strays, text) for text in PATHS] + [(strays_through, link) for link in LINKS]
    trials += [(strays_when_read, link) for link in INPUT_LINKS]
    trials += [(refuses_what_is_no_ecg, text) for text in PATHS]
    faults = []
    for trial, text in trials:
        with tempfile.TemporaryDirectory() as folder:
            fault = trial(text, Path(folder))
        if fault:
            faults.append(f"{trial.__name__}, {text!r}: {fault}")
    print("\n".join(faults), file=sys.stderr)
    what = f"{len(PATHS)} subject names, {len(LINKS) + len(INPUT_LINKS)} links"
    reached = f"{len(trials) - len(faults)} of {len(trials)} trials"
    print(markdown_row("A7", what, "nothing written outside the output folder", reached))
    return int(bool(faults))


if __name__ == "__main__":
    sys.exit(main())
