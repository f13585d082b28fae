"""Row A5: axis orders and rotations. `python tests/torture/input_orientation.py [--quick]` prints Markdown rows.

100 volumes; --quick: 48, every axis order once.
"""

import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.corpora.orientations import SAME, difference_after_load, itk_disagrees
from tests.corpora.trial import markdown_row


def main(quick: bool) -> int:
    numbers = range(48) if quick else range(100)
    with tempfile.TemporaryDirectory() as folder:
        apart = [difference_after_load(number, Path(folder)) for number in numbers]
        faults = [itk_disagrees(number, Path(folder)) for number in numbers]
    for number, fault in zip(numbers, faults, strict=True):
        if fault:
            print(f"volume {number}: {fault}", file=sys.stderr)
    same, read = sum(a <= SAME for a in apart), faults.count("")
    what = f"{len(apart)} volumes, axis orders x oblique rotations"
    print(markdown_row("A5", what, f"same slices to {SAME:g}", f"{same} of {len(apart)}; at most {max(apart):.1g}"))
    target = "SimpleITK reads our output, spacing and direction to 1e-4"
    print(markdown_row("A5", what, target, f"{read} of {len(faults)}"))
    return int(same < len(apart) or read < len(faults))


if __name__ == "__main__":
    sys.exit(main("--quick" in sys.argv))
