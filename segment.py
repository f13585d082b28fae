"""A short-axis cine in, label maps of every frame, volume curves and phenotypes out.

    python segment.py --mri sa.nii.gz
    python segment.py --mri UKBB/NIFTI
    python segment.py --mri 9000001_20209_2_0.zip

Reads NIfTI and DICOM (UK Biobank field 20209). Patients that an earlier run has finished are passed over.
"""

import sys
from dataclasses import dataclass

import tyro

from cohort.errors import exit_code_of
from segmenting.options import SegmentOptions


@dataclass(frozen=True)
class Config(SegmentOptions):
    """Segment and measure short-axis cines that nobody labelled."""


def main() -> None:
    config = tyro.cli(Config, description=__doc__)
    config.require_sound()
    from cohort.pseudonym import Naming, read_key
    from sampling.imports import lean_imports
    from segmenting.sources import find_sources

    naming = Naming(read_key(config.pseudonymise) if config.pseudonymise else None)
    with naming.hiding():
        sources = find_sources(config.mri, config.exclude, naming)
        with lean_imports():
            from segmenting.run import segment_all
        segment_all(config, sources, naming)


if __name__ == "__main__":
    sys.exit(exit_code_of(main))
