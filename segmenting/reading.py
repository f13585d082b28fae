"""One patient's MRI as one stack over time, and what its label maps must look like on disk."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from cohort.cine import CineStack, read_nifti, same_affine, write_labels_like, write_nifti
from cohort.dicom_stack import read_short_axis
from cohort.errors import InputError
from cohort.joined_slices import join_slices
from cohort.phases import phase_stems
from cohort.subjects import LABELS

from .sources import Source

FEWEST_VALUES = 16  # in a frame; a picture has hundreds, and a label map a handful
NARROWEST_MM = 80.0  # of a picture: no heart of a grown-up fits into less


@dataclass(frozen=True, eq=False)
class ReadMRI:
    """A short-axis MRI.

    Attributes:
        cine: all its frames; those of ED and ES files are two.
        grids: NIfTI files whose grids its label maps take: one of a cine, two of ED and ES, none of DICOM.
    """

    cine: CineStack
    grids: tuple[Path, ...]

    @property
    def is_cycle(self) -> bool:
        """Whether the frames are spread over a beat."""
        return len(self.grids) < 2

    def write_labels(self, folder: Path, labels: np.ndarray) -> None:
        """Write label maps (x, y, z, t) uint8 as seg_sa.nii.gz, or as seg_sa_ED and seg_sa_ES."""
        if len(self.grids) == 2:
            for phase, (stem, grid) in enumerate(zip(phase_stems(LABELS), self.grids, strict=True)):
                write_labels_like(folder / f"{stem}.nii.gz", labels[..., phase : phase + 1], grid)
        elif self.grids:
            write_labels_like(folder / f"{LABELS}.nii.gz", labels, self.grids[0])
        else:
            stack = CineStack(labels, self.cine.affine, self.cine.frame_interval_s)
            write_nifti(folder / f"{LABELS}.nii.gz", stack)


def read_mri(source: Source) -> ReadMRI:
    """Read a patient's MRI. Affine and axes are those of the file, whatever they are.

    Raises:
        InputError: a file is refused, is a label map, or is too small for a heart. Also where ED and ES do not share
            one geometry.
    """
    mri = _read(source)
    _require_picture(mri.cine, source)
    return mri


def _require_picture(cine: CineStack, source: Source) -> None:
    values = len(np.unique(cine.voxels[..., 0]))
    if values < FEWEST_VALUES:
        fault = f"has {values} different values in a frame, as a label map has"
        raise InputError(source.path, fault, "give the images, not their label maps", code="samples")
    sides = [cine.voxels.shape[axis] * cine.spacing_mm[axis] for axis in cine.in_plane_axes]
    if min(sides) < NARROWEST_MM:
        fault = f"has pictures of {sides[0]:.0f} x {sides[1]:.0f} mm, too small for a heart"
        raise InputError(
            source.path, fault, "check the unit of its voxel sizes: are they centimetres?", code="geometry"
        )


def _read(source: Source) -> ReadMRI:
    images = source.images
    if images.cine:
        return ReadMRI(read_nifti(Path(images.cine)), (Path(images.cine),))
    if images.dicom:
        return ReadMRI(read_short_axis(Path(images.dicom)), ())
    if images.slices:
        return ReadMRI(join_slices(images.slices), ())
    paths = Path(images.ed), Path(images.es)
    ed, es = (read_nifti(path) for path in paths)
    if ed.voxels.shape != es.voxels.shape or ed.voxels.shape[3] != 1 or not same_affine(ed.affine, es.affine):
        fault = "its ED and ES are no two volumes of one size and affine"
        raise InputError(source.path, fault, "resample them to one geometry, or give the cine", code="geometry")
    voxels = np.concatenate([ed.voxels, es.voxels], axis=3)
    return ReadMRI(CineStack(voxels, ed.affine, None, tuple(dict.fromkeys(ed.notes + es.notes))), paths)
