"""Row A4: bad NIfTI. `python tests/torture/input_nifti.py [--quick]` prints Markdown rows.

--quick leaves nothing out, as the whole corpus takes seconds. It allows five times the seconds.
"""

import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.corpora.nifti_corpus import FLIPS, bomb_cases, flipped_bits, nifti_cases, read_case
from tests.corpora.trial import judged, markdown_row, tried

MOST_SECONDS, MOST_MEGABYTES = 1.0, 300.0


def main(quick: bool) -> int:
    most_seconds = 5 * MOST_SECONDS if quick else MOST_SECONDS
    said = list(judged(nifti_cases(), read_case))
    wrong = [f"{name}: {fault}" for name, fault in said if fault]
    bombs = list(tried(bomb_cases(), read_case))
    within = [o for _, o in bombs if not o.said and o.seconds <= most_seconds and o.megabytes <= MOST_MEGABYTES]
    wrong += [f"{case.name}: {outcome}" for case, outcome in bombs if outcome not in within]
    with tempfile.TemporaryDirectory() as folder:
        refused, same, other = flipped_bits(Path(folder))
    for line in wrong:
        print(line, file=sys.stderr)
    good = sum(not fault for _, fault in said)
    print(markdown_row("A4", "bad NIfTI", "all of at least 70 refused or exact", f"{good} of {len(said)}"))
    slowest, largest = max(o.seconds for _, o in bombs), max(o.megabytes for _, o in bombs)
    reached = f"{len(within)} of {len(bombs)}; at most {slowest:.2f} s of processor, {largest:.0f} MB"
    print(markdown_row("A4", "bombs", f"all under {MOST_MEGABYTES:g} MB and {most_seconds:g} s", reached))
    reached = f"{refused} refused, {same} read as they were, {other} read as another image"
    print(markdown_row("A4", "one bit of a .nii.gz flipped", f"{FLIPS} of {FLIPS} refused or harmless", reached))
    return int(bool(wrong) or other > 0 or len(said) < 70)


if __name__ == "__main__":
    sys.exit(main("--quick" in sys.argv))
