"""Where a cohort lies: one folder, or its ECGs and its MRIs elsewhere."""

from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from cohort.errors import InputError

ECGS, IMAGES, BULK = "ecg", "NIFTI", "Bulk"
BELOW_OWN, BELOW_BULK, BELOW_DATA = 3, 4, 5  # folders that are looked into; a person's own is one of them


class Root(NamedTuple):
    """A folder to look into.

    Attributes:
        ecgs, images: what is looked for in it.
        deeper: how many folders below it are looked into.
        own: whether nothing else should lie there.
    """

    path: str
    ecgs: bool
    images: bool
    deeper: int
    own: bool


@dataclass(frozen=True)
class CohortPlaces:
    """Where a cohort lies. Scripts that read one inherit its options."""

    data: Path = Path("UKBB")
    """Folder with ecg/ and NIFTI/, or with UK Biobank's files in other folders below it; tables lie in it."""
    ecg_dir: Path | None = None
    """Folder of the ECGs, where they lie elsewhere."""
    mri_dir: Path | None = None
    """Folder of the MRIs, where they lie elsewhere."""

    @property
    def places(self) -> "CohortPlaces":
        """These places alone, of whatever inherits them."""
        return CohortPlaces(self.data, self.ecg_dir, self.mri_dir)

    def __str__(self) -> str:
        others = [f"{name} {path}" for name, path in (("ECGs", self.ecg_dir), ("MRIs", self.mri_dir)) if path]
        return f"{self.data} ({', '.join(others)})" if others else f"{self.data}"

    @property
    def roots(self) -> list[Root]:
        """The folders to look into: those named; else ecg/ and NIFTI/; else Bulk/; else all that lies in `data`.

        Raises:
            InputError: a folder that was named is none.
        """
        ecgs = self._root("--ecg-dir", self.ecg_dir, ECGS)
        images = self._root("--mri-dir", self.mri_dir, IMAGES)
        if Path(ecgs.path).resolve() == Path(images.path).resolve():
            return [ecgs._replace(images=True, own=False)]
        return [ecgs, images._replace(ecgs=False, images=True)]

    def _root(self, option: str, given: Path | None, usual: str) -> Root:
        if given:
            if not given.is_dir():
                raise InputError(option, f"{given} is not a folder", "name a folder that is there")
            return Root(str(given), True, False, BELOW_OWN, True)
        for name, deeper, own in ((usual, BELOW_OWN, True), (BULK, BELOW_BULK, False)):
            if (self.data / name).is_dir():
                return Root(str(self.data / name), True, False, deeper, own)
        return Root(str(self.data), True, False, BELOW_DATA, False)


def as_places(data: Path | CohortPlaces) -> CohortPlaces:
    """The places of a cohort that lies in one folder, or those given."""
    return data if isinstance(data, CohortPlaces) else CohortPlaces(Path(data))
