"""A phantom cohort as a download of UK Biobank looks: an export in place of our tables, and files that are not sound.

    python make_phantom.py --output demo/ukb --subjects 60 --dicom --platform
    python -m phantom.download demo/ukb

One person has no file of the ECG, one an empty one. One zip breaks off, and one lacks a frame. Two people withdrew. Two
came twice: one with both recordings, one with the ECG alone. Nobody's volumes are known.
"""

import csv
import shutil
import sys
import zipfile
from dataclasses import replace
from pathlib import Path

import tyro

from cohort.cardiosoft import write_cardiosoft
from cohort.disk import whole_file, writing
from cohort.ecg import read_ecg
from cohort.errors import InputError, exit_code_of
from cohort.motion_table import MOTION_TABLE
from cohort.subjects import FIRST_IMAGING_VISIT
from cohort.subjects import FIRST_SIMULATED_EID as FIRST_EID
from cohort.table import write_table
from phantom.cohort_folders import ecg_path, zip_path

EXPORT, WITHDRAWN = "participant.csv", "w12345_20260101.csv"
NO_ECG, EMPTY_ECG, CUT_ZIP, LACKS_FRAME, TWICE, TWICE_BY_ECG = range(6)  # the first people of the cohort
WITHDREW = (6, 7)
FEWEST = 8
HEADER = ("eid", "p31", "p21003_i2", "p21003_i3", "p50_i2", "p21002_i2", "p21002_i3")
KG_MORE, YEARS_LATER = 2.0, 3  # at the repeat visit


def as_downloaded(cohort: Path) -> None:
    """Change a phantom cohort in place.

    Args:
        cohort: of at least FEWEST people of one visit, on the platform's layout, with DICOM.

    Raises:
        InputError: it is no such cohort, or was changed already.
    """
    persons = cohort / "persons.csv"
    came_back = zip_path(cohort, FEWEST - 1, True, FIRST_IMAGING_VISIT + 1).exists()
    if came_back or not (persons.exists() and zip_path(cohort, FEWEST - 1, True).exists()):
        remedy = f"make_phantom.py --dicom --platform --subjects {FEWEST} or more, of one visit, once"
        raise InputError(cohort, "is no fresh phantom cohort of the platform's layout", remedy)
    _come_again(cohort)
    with writing(cohort):
        ecg_path(cohort, NO_ECG, True).unlink()
        ecg_path(cohort, EMPTY_ECG, True).write_bytes(b"")
        cut = zip_path(cohort, CUT_ZIP, True)
        cut.write_bytes(cut.read_bytes()[:-2000])
        _drop_a_frame(zip_path(cohort, LACKS_FRAME, True))
        (cohort / WITHDRAWN).write_text("".join(f"{FIRST_EID + index}\n" for index in WITHDREW))
    _write_export(cohort, persons)
    for table in (persons, cohort / "phenotypes.csv", cohort / MOTION_TABLE):
        table.unlink(missing_ok=True)


def _come_again(cohort: Path) -> None:
    """Files of the repeat visit, instance 3, of two people."""
    for index in (TWICE, TWICE_BY_ECG):
        first = ecg_path(cohort, index, True)
        ecg = read_ecg(first)
        aged = replace(ecg.person, age_years=ecg.person.age_years + YEARS_LATER)
        write_cardiosoft(_at_repeat_visit(first), replace(ecg, person=aged))
    with writing(cohort):
        first = zip_path(cohort, TWICE, True)
        shutil.copy(first, _at_repeat_visit(first))


def _at_repeat_visit(path: Path) -> Path:
    return path.with_name(path.name.replace("_2_0", "_3_0"))


def _drop_a_frame(path: Path) -> None:
    """Write a zip again without the third of its images."""
    with zipfile.ZipFile(path) as archive:
        images = [info for info in archive.infolist() if info.filename.endswith(".dcm")]
        kept = [info for info in archive.infolist() if info.filename != images[2].filename]
        with whole_file(path) as unfinished, zipfile.ZipFile(unfinished, "w") as written:
            for info in kept:
                written.writestr(info, archive.read(info))


def _write_export(cohort: Path, persons: Path) -> None:
    """UK Biobank's table: a column for each field and visit, sex as its codes 0 and 1."""
    came_again = {str(FIRST_EID + index) for index in (TWICE, TWICE_BY_ECG)}
    with persons.open(encoding="utf-8", newline="") as file:
        rows = [_exported(row, row["eid"] in came_again) for row in csv.DictReader(file)]
    write_table(cohort / EXPORT, HEADER, rows)


def _exported(row: dict[str, str], again: bool) -> tuple:
    """A row of persons.csv under HEADER."""
    age, weight = float(row["age"]), float(row["weight_kg"])
    later = (age + YEARS_LATER, weight + KG_MORE) if again else ("", "")
    return (row["eid"], int(row["sex"] == "male"), age, later[0], row["height_cm"], weight, later[1])


def main(cohort: tyro.conf.Positional[Path]) -> None:
    """Make a phantom cohort look like a download of UK Biobank.

    Args:
        cohort: its folder, as make_phantom.py --dicom --platform wrote it. It is changed in place, once.
    """
    as_downloaded(cohort)
    print(f"{cohort} holds {EXPORT}, {WITHDRAWN}, broken files and repeat visits now")


if __name__ == "__main__":
    sys.exit(exit_code_of(lambda: tyro.cli(main, prog="python -m phantom.download")))
