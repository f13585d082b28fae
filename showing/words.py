"""A refusal in the words of the page: its fields in place of options, the files' own names in place of paths."""

import re
from dataclasses import dataclass
from pathlib import Path

from cohort.errors import InputError, printable
from cohort.pseudonym import Naming

FIELDS = {  # what the page calls the options of sample.py
    "--ecg": "the ECG",
    "--mri": "the true MRI",
    "--sex": "Sex",
    "--age": "Age",
    "--height-cm": "Height",
    "--weight-kg": "Weight",
    "--sampling-rate": "Sampling rate",
    "--allow-missing-leads": "“Some chest leads may be absent”",
    "sampling_rate": "Sampling rate",
    "allow_missing_leads": "“Some chest leads may be absent”",
}
OPTION = re.compile(rf"(?<![\w-])(?:{'|'.join(FIELDS)})(?![\w-])")


ECG, MRI, OUT = "ecg", "mri", "out"  # the folders of one heart
FOLDERS = {ECG: "the ECG", MRI: "the true MRI", OUT: "the heart"}


@dataclass(frozen=True)
class OwnFileNames(Naming):
    """Files are called as their owner calls them, without the folders in which they lie.

    Attributes:
        folder: of one heart, which holds ECG, MRI and OUT.
    """

    folder: Path = Path()

    def shown(self, text: object) -> str:
        """Any text as one line, without these folders."""
        return printable(without_folders(str(text), self.folder))


def without_folders(text: str, folder: Path) -> str:
    """The text with the folders of one heart left out of every path; a folder alone is called in words."""
    ours = rf"{re.escape(str(folder))}/({ECG}|{MRI}|{OUT})(?:/NIFTI(?:/\d+(?:_\d+)?)?)?(?![^/\s:;,])(/?)"
    return re.sub(ours, lambda found: "" if found[2] else FOLDERS[found[1]], text)


def refusal(fault: InputError, folder: Path) -> str:
    """A refusal of one heart as the page shows it, in one line."""
    return OPTION.sub(lambda found: FIELDS[found[0]], printable(without_folders(str(fault), folder)))
