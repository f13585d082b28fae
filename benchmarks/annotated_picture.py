"""How to read a result, as one picture: numbered callouts on a drawn heart's grid.png and curve.png.

    python benchmarks/annotated_picture.py demo/samples/<patient>

The patient needs a true heart (--mri) and two samples or more. docs/annotated.png was made so, of four samples.
"""

import sys
from pathlib import Path

import tyro

sys.path.insert(0, str(Path(__file__).parents[1]))  # the repository, wherever the command is given

from cohort.errors import exit_code_of


def main(patient: tyro.conf.Positional[Path], output: Path = Path("docs/annotated.png")) -> None:
    """Draw numbered callouts on a patient's pictures.

    Args:
        patient: a folder of sample.py, made with --mri and --samples 2 or more.
        output: the picture.
    """
    from benchmarks.callouts import write_annotated

    write_annotated(patient, output)


if __name__ == "__main__":
    sys.exit(exit_code_of(lambda: tyro.cli(main)))
