"""Who in a folder is complete, who is not and why: `python -m cohort.report --data UKBB`.

Reads names only. Exit code 0 when everything has its place, 1 when something was found, 2 when there is nothing.
"""

import sys
from collections import Counter, defaultdict
from dataclasses import dataclass
from pathlib import Path

import tyro

from cohort.errors import exit_code_of
from cohort.subjects import Subject, pairs, scan, split_of

SHOWN = 5  # eids per reason


@dataclass(frozen=True)
class CohortReport:
    """What a folder holds.

    Attributes:
        data: the folder.
        complete: pairs of an ECG and a short-axis MRI of one visit.
        people: persons among them.
        splits: split -> pairs.
        missing: reason -> the subjects (eid, instance) it holds for, most frequent first.
        unlabelled: complete ones without a label map; no fault, but worth knowing.
        strays: entries no rule of the names could place.
    """

    data: Path
    complete: int
    people: int
    splits: dict[str, int]
    missing: dict[str, tuple[tuple[int, int], ...]]
    unlabelled: int
    strays: int

    @property
    def clean(self) -> bool:
        return self.complete > 0 and not self.missing and not self.strays

    def __str__(self) -> str:
        sizes = ", ".join(f"{count} {split}" for split, count in self.splits.items())
        lines = [f"{self.data}: {self.complete} complete subjects of {self.people} people ({sizes})"]
        for reason, who in self.missing.items():
            shown = ", ".join(f"{eid}_{instance}" for eid, instance in who[:SHOWN])
            lines.append(f"  {len(who):>6}  {reason}: {shown}{', ...' if len(who) > SHOWN else ''}")
        if self.unlabelled:
            lines.append(f"  {self.unlabelled:>6}  without a label map: heart's centre and ES will be estimated")
        if self.strays:
            lines.append(f"  {self.strays:>6}  files or folders whose name says nothing, or links")
        return "\n".join(lines)


def report(data: Path) -> CohortReport:
    """Look through a folder's names.

    Raises:
        InputError: no such folder, or nothing in it.
    """
    found = scan(data)
    whole = pairs(found.subjects)
    splits = Counter(split_of(subject.eid) for subject in whole)
    return CohortReport(
        data=Path(data),
        complete=len(whole),
        people=len({subject.eid for subject in whole}),
        splits={split: splits[split] for split in ("train", "validation", "test")},
        missing=_by_reason(found.subjects),
        unlabelled=sum(not (s.images.labels_cine or s.images.labels_ed) for s in whole),
        strays=found.strays,
    )


def _by_reason(subjects: list[Subject]) -> dict[str, tuple[tuple[int, int], ...]]:
    who = defaultdict(list)
    for subject in subjects:
        for reason in subject.missing:
            who[reason].append((subject.eid, subject.instance))
    return {reason: tuple(who[reason]) for reason in sorted(who, key=lambda reason: (-len(who[reason]), reason))}


def main(data: Path = Path("UKBB")) -> None:
    """Say which subjects of a folder are complete, and what the others lack.

    Args:
        data: the folder with `ecg` and `NIFTI` in it.
    """
    found = report(data)
    print(found)
    if not found.clean:
        raise SystemExit(1)


if __name__ == "__main__":
    sys.exit(exit_code_of(lambda: tyro.cli(main)))
