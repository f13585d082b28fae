"""One phantom's beat on disk, as NIfTI and as a DICOM zip, and the released segmenter."""

import io
import zipfile
from pathlib import Path
from typing import NamedTuple

import nibabel as nib
import numpy as np
import pydicom
import pytest
import torch

from cohort.cine import CineStack, write_nifti
from models.segmenter import Segmenter
from phantom.cohort_plan import CohortPlan
from phantom.cohort_writer import moments
from phantom.dicom_zip import write_dicom_zip
from phantom.scanner import scan
from phantom.truth import motion_truth
from sampling.pipeline import load_part
from sampling.release import RELEASED_SEGMENTER

FRAMES = 25
EID = 9_000_002
NAME = "Mustermann"


class Beat(NamedTuple):
    """A phantom's cine: its stack, its true label map (x, y, z, t), the drawn heart and what its motion is."""

    cine: CineStack
    labels: np.ndarray
    heart: object
    truth: dict[str, float]


@pytest.fixture(scope="session")
def beat() -> Beat:
    plan = CohortPlan(seed=3, subjects=2, frames=FRAMES)
    heart = plan.heart(1)  # of a usual EF, with slices beyond base and apex
    images = scan(heart, moments(FRAMES))
    cine = CineStack(images.voxels, images.affine, 60 / heart.heart_rate_bpm / FRAMES)
    return Beat(cine, images.labels, heart, motion_truth(heart))


@pytest.fixture(scope="session")
def short_beat(beat) -> CineStack:
    """Every fifth frame."""
    return CineStack(beat.cine.voxels[..., ::5], beat.cine.affine, 5 * beat.cine.frame_interval_s)


@pytest.fixture(scope="session")
def files(short_beat, tmp_path_factory) -> Path:
    """A folder of MRIs: one patient's NIfTI, and the same heart as another's DICOM zip. Tests must not write there."""
    folder = tmp_path_factory.mktemp("mri") / "NIFTI"
    (folder / str(EID)).mkdir(parents=True)
    write_nifti(folder / str(EID) / "sa.nii.gz", short_beat)
    image = nib.load(folder / str(EID) / "sa.nii.gz")
    image.header["descrip"] = image.header["db_name"] = NAME
    nib.save(nib.Nifti1Image(np.asanyarray(image.dataobj), None, image.header), folder / str(EID) / "sa.nii.gz")
    times = 1000 * short_beat.frame_interval_s * np.arange(short_beat.voxels.shape[3])
    cycle_ms = float(1000 * short_beat.frame_interval_s * len(times))
    zipped = folder / f"{EID + 1}_20209_2_0.zip"
    write_dicom_zip(zipped, EID + 1, short_beat.voxels, short_beat.affine, times.tolist(), cycle_ms)
    name_somebody(zipped)
    return folder


def name_somebody(path: Path) -> None:
    """Write a name and a birth date into every file of a zip."""
    with zipfile.ZipFile(path) as archive:
        contents = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in contents.items():
            if name.endswith(".dcm"):
                frame = pydicom.dcmread(io.BytesIO(content))
                frame.PatientName, frame.PatientBirthDate, frame.StudyDescription = NAME, "19501231", NAME
                whole = io.BytesIO()
                frame.save_as(whole)
                content = whole.getvalue()
            archive.writestr(name, content)


@pytest.fixture(scope="session")
def somebody() -> str:
    """The name that stands in the files of `files`."""
    return NAME


@pytest.fixture(scope="session")
def segmenter() -> Segmenter:
    return load_part(Segmenter, RELEASED_SEGMENTER).to(memory_format=torch.channels_last)
