"""Whether prepared arrays, and the latents beside them, still hold what was written, read whole.

    python -m cohort.check_prepared runs/prepared

Every opening checks the arrays whose files have changed. This reads all of them, so it finds a fault of the disk too.
"""

import sys
from pathlib import Path

import tyro

from cohort.errors import InputError, exit_code_of
from cohort.stored_arrays import ABOUT, open_arrays, read_about


def main(folder: tyro.conf.Positional[Path] = Path("runs/prepared")) -> None:
    """Read every array of prepared cohorts, and refuse the first that was changed.

    Args:
        folder: of one cohort, or of several.
    """
    cohorts = sorted(path.parent for path in folder.rglob(ABOUT))
    if not cohorts:
        raise InputError(folder, "holds no prepared cohort", "name the folder given with --prepared")
    for cohort in cohorts:
        open_arrays(cohort, read_about(cohort), whole=True)
        print(f"{cohort}: as it was written")


if __name__ == "__main__":
    sys.exit(exit_code_of(lambda: tyro.cli(main, prog="python -m cohort.check_prepared")))
