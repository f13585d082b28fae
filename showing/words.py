"""A refusal in the words of the page: its fields in place of options, the files' own names in place of paths."""

import re
from dataclasses import dataclass
from pathlib import Path

from cohort.errors import InputError, printable
from cohort.pseudonym import Naming

RATE, FEWER, ODD_FILES = "Sampling rate", "Some chest leads may be absent", "The true MRI, and odd files"
THERE = f", under “{ODD_FILES}”"
FIELDS = {  # what the page calls the options of sample.py
    "--ecg": "the ECG",
    "--mri": "the true MRI",
    "--sex": "Sex",
    "--age": "Age",
    "--height-cm": "Height",
    "--weight-kg": "Weight",
    "--sampling-rate": RATE,
    "--allow-missing-leads": f"“{FEWER}”",
    "sampling_rate": RATE,
    "allow_missing_leads": f"“{FEWER}”",
}
ON_THE_PAGE = {  # what to do, where words of a command line say it
    "give --sampling-rate, in Hz": f"fill in “{RATE}”{THERE}",
    "as .npy with --sampling-rate": f"as .npy, and fill in “{RATE}”{THERE}",
    "leave out the sampling rate": f"empty “{RATE}”{THERE}",
    "or allow missing chest leads (--allow-missing-leads)": f"or tick “{FEWER}”{THERE}",
    "put it beside the header": "drop it as well",
    "with --mri": f"as the true MRI{THERE}",
    ", --guidance-scale and the pipeline": " and the pipeline",
    "the same command continues": "then draw the heart again",
}
OPTION = re.compile(rf"(?<![\w-])(?:{'|'.join(FIELDS)})(?![\w-])")
ELSEWHERE = re.compile(r"(?<![\w-])--[a-z][\w-]*")  # an option that the page has not
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
    remedy = fault.remedy
    for words, here in ON_THE_PAGE.items():
        remedy = remedy.replace(words, here)
    remedy = _in_fields(remedy)
    told = f"{_in_fields(fault.source)}: {_in_fields(fault.fault)}; {remedy}"
    asks = " (an option of the command line)" if ELSEWHERE.search(remedy) else ""
    return printable(without_folders(told, folder)) + asks


def _in_fields(text: str) -> str:
    return OPTION.sub(lambda found: FIELDS[found[0]], text)
