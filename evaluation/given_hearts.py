"""Hearts that sample.py has made already, with the label maps of another segmenter where there are any."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from cohort.disk import sha256_of
from cohort.heart_grid import GridGeometry
from sampling.outputs import read_hearts

from .labels import Convention, read_labels


@dataclass(frozen=True)
class GivenHearts:
    """A folder of hearts, one subfolder a patient.

    Attributes:
        labels: a folder of label maps of these hearts, or None.
        convention: numbering of the label maps; found out if None.
    """

    folder: Path
    labels: Path | None = None
    convention: Convention | None = None

    @property
    def hearts_sha256(self) -> str:
        """One hash of all hearts, their records included."""
        return _sha256_of_files(self.folder)

    @property
    def labels_sha256(self) -> str | None:
        """One hash of all label maps; None where there are none."""
        return self.labels and _sha256_of_files(self.labels)

    def of(
        self, names: list[str], samples: int, geometry: GridGeometry
    ) -> Iterator[tuple[np.ndarray, np.ndarray | None]]:
        """Each patient's first hearts and their label maps, (m, slices, phases, height, width) each.

        Raises:
            InputError: a heart or a label map is missing or damaged.
        """
        maps = dict.fromkeys(names)
        if self.labels:
            maps = read_labels(self.labels, geometry, names, self.folder, self.convention)
        yield from ((read_hearts(self.folder / name)[:samples], maps[name]) for name in names)


def _sha256_of_files(folder: Path) -> str:
    """One hash of the records and NIfTI files of a folder, whole, by their places in it."""
    digest = hashlib.sha256()
    for path in sorted((*folder.rglob("heart.json"), *folder.rglob("*.nii.gz"), *folder.rglob("*.nii"))):
        if path.is_file():
            digest.update(f"{path.relative_to(folder).as_posix()}\0{sha256_of(path)}\0".encode())
    return digest.hexdigest()
