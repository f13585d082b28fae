"""The data doctor: who has both modalities at the same visit, what is broken and why, what is poor.

    python -m cohort.report --data UKBB            reads ECGs, and the headers of MRIs
    python -m cohort.report --data UKBB --full     reads all files whole, as a training does

It prints a table, and writes subjects.csv, with one row a subject, and a page; with --full, the page has pictures.
"Poor" subjects are used in trainings, but have a finding. The exit code is 0 where somebody can be used, whatever was
found, and 2 where nobody can. With --strict it is 2 for any finding, too.
"""

import sys
from pathlib import Path

import tyro

from cohort.errors import InputError, exit_code_of
from cohort.places import CohortPlaces


def main(
    data: Path = Path("UKBB"),
    output: Path = Path("report/cohort"),
    ecg_dir: Path | None = None,
    mri_dir: Path | None = None,
    names_only: bool = False,
    full: bool = False,
    pictures: int = 200,
    quiet: bool = False,
    exclude: Path | None = None,
    strict: bool = False,
) -> None:
    """Say who in a folder has both an ECG and a short-axis MRI of one visit, what is broken, and what is poor.

    Args:
        data: the folder with `ecg` and `NIFTI` in it, or with UK Biobank's files in other folders.
        output: where subjects.csv and cohort.html are put.
        ecg_dir: the folder of the ECGs, where they lie elsewhere.
        mri_dir: the folder of the MRIs, where they lie elsewhere.
        names_only: look at the files' names alone, which takes a second; write nothing.
        full: read every file whole, and draw. Without it, the report says what was not checked.
        pictures: with --full, subjects on the page with an ECG strip and a slice of the heart. Findings go first.
        quiet: no progress bar.
        exclude: people who withdrew, one eid a line, beside those whom a list in the data folder names.
        strict: end with exit code 2 where there is a finding, for a script that goes on with sound cohorts only.

    Raises:
        InputError: an option is out of range, nobody can be used, or there is a finding and `strict`.
    """
    if pictures < 0:
        raise InputError("--pictures", "is negative", "give 0 or more")
    if names_only and full:
        raise InputError("--names-only and --full", "contradict each other", "give one of them")
    from cohort.examination import examine_cohort, write_subjects  # not above, so that --help is quick
    from cohort.lock import locked
    from cohort.report_page import write_page
    from cohort.stored_arrays import ABOUT

    if (data / ABOUT).exists():
        fault = "holds arrays that are prepared already, and no files"
        raise InputError(data, fault, "name the folder of the files they were made from")

    depth = "names" if names_only else "whole" if full else "headers"
    report = examine_cohort(CohortPlaces(data, ecg_dir, mri_dir), depth, quiet, exclude)
    print(report)
    if not names_only:
        with locked(output / "cohort"):  # two cohorts in one folder would mix table and page
            write_subjects(output / "subjects.csv", report)
            write_page(output / "cohort.html", report, pictures if full else 0, quiet)
        shown = "pictures, findings first" if full else "a page of the findings"
        print(f"every subject: {output / 'subjects.csv'}; {shown}: {output / 'cohort.html'}")
    if not report.usable:
        raise InputError(data, "holds nobody who can be used", "the table above says why")
    if strict and not report.clean:
        raise InputError(data, "has findings", "repair them, or leave --strict out")


if __name__ == "__main__":
    sys.exit(exit_code_of(lambda: tyro.cli(main, prog="python -m cohort.report")))
