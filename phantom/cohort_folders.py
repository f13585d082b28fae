"""Where the files of a phantom cohort lie: in two folders, or as on UK Biobank's research platform."""

import re
from pathlib import Path

from cohort.errors import InputError
from cohort.subjects import FIRST_IMAGING_VISIT
from cohort.subjects import FIRST_SIMULATED_EID as FIRST_EID

ECGS, IMAGES = "ecg", "NIFTI"
PLATFORM_ECGS, PLATFORM_IMAGES = "Bulk/Electrocardiogram/Resting", "Bulk/Heart MRI/Short axis"  # and shards in them


def ecg_folder(output: Path, platform: bool = False) -> Path:
    return output / (PLATFORM_ECGS if platform else ECGS)


def image_folder(output: Path, platform: bool = False) -> Path:
    return output / (PLATFORM_IMAGES if platform else IMAGES)


def ecg_path(output: Path, index: int, platform: bool = False, instance: int = FIRST_IMAGING_VISIT) -> Path:
    """Where the ECG of subject `index` lies: field 20205."""
    return _shard(ecg_folder(output, platform), index, platform) / f"{FIRST_EID + index}_20205_{instance}_0.xml"


def zip_path(output: Path, index: int, platform: bool = False, instance: int = FIRST_IMAGING_VISIT) -> Path:
    """Where the DICOM zip of subject `index` lies: field 20209."""
    return _shard(image_folder(output, platform), index, platform) / f"{FIRST_EID + index}_20209_{instance}_0.zip"


def nifti_folder(output: Path, index: int, instance: int = FIRST_IMAGING_VISIT) -> Path:
    """Where the NIfTI files of subject `index` lie: <eid>, or <eid>_3 of the repeat visit."""
    visit = "" if instance == FIRST_IMAGING_VISIT else f"_{instance}"
    return image_folder(output) / f"{FIRST_EID + index}{visit}"


def _shard(folder: Path, index: int, platform: bool) -> Path:
    """The platform puts files into folders named by the first two digits of the eid."""
    return folder / str(FIRST_EID + index)[:2] if platform else folder


def contents(output: Path) -> list[Path]:
    """What lies in the folders of ECGs and images, README and hidden files aside; of the platform's, what is in shards.

    Raises:
        InputError: one of the folders is a file.
    """
    folders = [make(output, platform) for platform in (False, True) for make in (ecg_folder, image_folder)]
    if fault := next((path for path in (output, *folders) if path.exists() and not path.is_dir()), None):
        raise InputError(fault, "is not a folder", "give another --output")
    paths = [path for folder in folders if folder.is_dir() for path in sorted(folder.iterdir())]
    shards = [path for path in paths if re.fullmatch(r"\d\d", path.name) and path.is_dir()]
    paths = [path for path in paths if path not in shards] + [
        path for shard in shards for path in sorted(shard.iterdir())
    ]
    return [path for path in paths if path.name != "README.md" and not path.name.startswith(".")]


def is_phantom(path: Path, visits: int = 1) -> bool:
    """Whether a file or folder has a name that a phantom cohort of so many visits gives."""
    name = re.fullmatch(r"(9\d{6})(?:_(\d))?|(9\d{6})_(?:20205_(\d)_0\.xml|20209_(\d)_0\.zip)", path.name)
    if name is None:
        return False
    instance = int(name[2] or name[4] or name[5] or FIRST_IMAGING_VISIT)
    return int(name[1] or name[3]) >= FIRST_EID and 0 <= instance - FIRST_IMAGING_VISIT < visits
