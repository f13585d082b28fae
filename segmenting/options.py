"""Options of segmenting. Light: `--help` imports this."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from cohort.errors import require_counts


@dataclass(frozen=True)
class SegmentOptions:
    """How short-axis cines are segmented and measured."""

    mri: Path
    """A short-axis cine: NIfTI or DICOM zip. Or a folder of them, of patients' folders, or of DICOM files."""
    output: Path = Path("segmented")
    """One folder a patient is written here, and phenotypes.csv of all."""
    segmenter: Path | None = None
    """A trained segmenter's folder, or a pipeline's that holds one; the one that comes with the code if not given."""
    processes: int | None = None
    """Patients at once, each by a process of its own; one per core if not given."""
    batch_size: int = 32
    """Slices at once; changes nothing but speed and memory."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """auto: the GPU where there is one."""
    exclude: Path | None = None
    """People who withdrew, one eid a line, beside those whom a list near the MRIs names. They are left out."""
    pseudonymise: Path | None = None
    """A key file: folders, tables, pictures and screen call patients by a keyed hash (see cohort/pseudonym.py)."""
    quiet: bool = False
    """No progress bar."""

    def require_sound(self) -> None:
        """Refuse (InputError) counts below 1."""
        require_counts(self, "processes", "batch_size")
