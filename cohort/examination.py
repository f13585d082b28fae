"""A cohort examined: who has both modalities at the same visit, what is broken and why, what is poor."""

import hashlib
import os
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
from tqdm import tqdm

from cohort.dicom_files import Glance, glance
from cohort.dicom_stack import glance_at_short_axis, long_axis_views
from cohort.discovery import scan
from cohort.ecg import read_ecg
from cohort.errors import InputError
from cohort.exclusion import reason_code
from cohort.finding import Finding
from cohort.heart_grid import (
    GridGeometry,
    Stacks,
    is_read_as_dicom,
    read_stack_headers,
    read_stacks,
    stacks_grid,
)
from cohort.label_numbering import RENUMBERED
from cohort.long_axis_views import VIEWS
from cohort.person import Person
from cohort.person_folder import nifti_stem, views_by_name
from cohort.places import CohortPlaces, as_places
from cohort.prepared import in_processes
from cohort.preprocessing import part_used
from cohort.quality import (
    duration_s,
    ecg_findings,
    header_findings,
    heart_rate_bpm,
    mri_findings,
    noise_mv,
    slice_count,
)
from cohort.study_tables import StudyTables, read_tables
from cohort.subjects import Subject, complete, names_of, split_of, too_few_to_split
from cohort.table import write_table
from cohort.withdrawal import withdrawn_eids, without_withdrawn

Depth = Literal["names", "headers", "whole"]  # how far files are looked into
COMPLETE = {"names": "complete", "headers": "complete by their headers", "whole": "complete and readable"}
UNCHECKED = {
    "names": "only names were looked at",
    "headers": (
        "MRIs beyond their headers (damage, voxels, label maps, copies), long-axis zips and the quality of ECG signals "
        "were not checked; --full checks them"
    ),
}
POOR_MEANS = "used in trainings, but with a finding"
SHOWN = 3  # subjects named per finding on screen
CHUNK = {"headers": 64, "whole": 4}  # subjects that a process takes at a time
FACTS = (
    "ecg_hz",
    "ecg_s",
    "heart_rate_bpm",
    "ecg_noise_uv",
    "slices",
    "frames",
    "pixel_mm",
    "slice_step_mm",
    "frame_ms",
    "acdc_numbers",
)


@dataclass(frozen=True)
class Examined:
    """One person at one visit, examined.

    Attributes:
        findings: what is missing, cannot be read or is poor; empty when there is nothing to object to.
        usable: both modalities are there and can be read, so that training would take this subject.
        labelled: there is a label map.
        facts: those of FACTS that are known.
        digests: modality -> hash of the recording. A copy under another name has the same.
        stated: what the ECG file says of the person; None where it was not read.
        views: the long-axis views that are there: "2ch", "3ch", "4ch", and "la_1", ... of which no name is certain.
    """

    subject: Subject
    findings: tuple[Finding, ...]
    usable: bool
    labelled: bool = False
    facts: dict[str, float] = field(default_factory=dict)
    digests: dict[str, bytes] = field(default_factory=dict)
    stated: Person | None = None
    views: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        return self.subject.called


@dataclass(frozen=True)
class CohortReport:
    """What a folder holds.

    Attributes:
        data: the folder.
        subjects: everybody with an ECG or an MRI, in order of (eid, instance).
        passed: lines on files and folders whose names follow no rule.
        faults: of the folder's tables, why they are refused, and of its people taken together; in words.
        notes: what its tables hold beside what is used; no fault.
        depth: how far files were looked into.
    """

    data: Path
    subjects: tuple[Examined, ...]
    passed: tuple[str, ...]
    faults: tuple[str, ...] = ()
    depth: Depth = "whole"
    notes: tuple[str, ...] = ()

    @property
    def usable(self) -> list[Examined]:
        return [examined for examined in self.subjects if examined.usable]

    @property
    def clean(self) -> bool:
        """Somebody is complete, and there is nothing to object to."""
        return bool(self.usable) and not (self.passed or self.faults or any(s.findings for s in self.subjects))

    @property
    def by_code(self) -> dict[str, list[Examined]]:
        """Code -> the subjects with such a finding.

        Codes that leave somebody out come first, the most frequent at the head. Codes of poor recordings come last.
        """
        by_code = defaultdict(list)
        for examined in self.subjects:
            for code in dict.fromkeys(finding.code for finding in examined.findings):
                by_code[code].append(examined)

        def rank(code: str) -> tuple:
            return (any(examined.usable for examined in by_code[code]), -len(by_code[code]), code)

        return {code: by_code[code] for code in sorted(by_code, key=rank)}

    @property
    def headline(self) -> str:
        usable = self.usable
        people = {examined.subject.eid for examined in usable}
        splits = Counter(map(split_of, people))
        sizes = ", ".join(f"{splits[split]} {split}" for split in ("train", "validation", "test"))
        if too_few_to_split(splits):
            sizes = "too few to split: in a training the same people train, validate and test"
        out = len(self.subjects) - len(usable)
        poor = "" if self.depth == "names" else f", {sum(bool(one.findings) for one in usable)} poor ({POOR_MEANS})"
        visits = f"{len(usable)} visit{'' if len(usable) == 1 else 's'} {COMPLETE[self.depth]}"
        return f"{self.data}: {visits}, of {len(people)} people ({sizes}); {out} left out{poor}"

    @property
    def unchecked(self) -> str:
        """A sentence on what was not looked at; empty where everything was."""
        return UNCHECKED.get(self.depth, "")

    @property
    def _views(self) -> str:
        """How many people have each long-axis view."""
        counts = Counter(view for s in self.subjects for view in {v if v in VIEWS else "unnamed" for v in s.views})
        return ", ".join(f"{view} {counts[view]}" for view in (*VIEWS, "unnamed") if counts[view] or view in VIEWS)

    def __str__(self) -> str:
        lines = [self.headline]
        for code, subjects in self.by_code.items():
            names = [examined.name for examined in subjects[:SHOWN]] + ["..."] * (len(subjects) > SHOWN)
            lines.append(f"  {len(subjects):>6}  {code:<20} {', '.join(names)}: {_words(subjects[0], code)}")
        unlabelled = sum(not examined.labelled for examined in self.usable)
        if unlabelled:
            lines.append(f"  {unlabelled:>6}  without a label map: heart's centre and ES will be estimated (no fault)")
        long_axes = sum(examined.subject.long_axis is not None for examined in self.subjects)
        if long_axes:
            told = f": {self._views}" if any(examined.views for examined in self.subjects) else ""
            lines.append(f"  {long_axes:>6}  with long-axis MRI (field 20208){told}; training leaves it out (no fault)")
        lines += [f"  passed over: {line}" for line in self.passed]
        lines += [f"  {fault}" for fault in self.faults]
        lines += [f"  {self.unchecked}"] if self.depth == "headers" else []
        return "\n".join(lines + [f"  note: {note}" for note in self.notes])


def _words(examined: Examined, code: str) -> str:
    return next(finding.words for finding in examined.findings if finding.code == code)


def examine_cohort(
    data: Path | CohortPlaces, depth: Depth = "whole", quiet: bool = True, exclude: Path | None = None
) -> CohortReport:
    """Examine a folder, with one process a core.

    Args:
        depth: look at the names alone, and read no file; or at headers and ECGs; or read all files whole.
        exclude: a list of people who withdrew (`cohort.withdrawal`).

    Raises:
        InputError: no such folder, or nothing in it.
    """
    places = as_places(data)
    names, data = scan(places), places.data
    known = names_of(names.subjects)
    people = without_withdrawn(names.subjects, withdrawn_eids(data, exclude, known))
    if depth == "names":
        subjects = tuple(examine_names(subject) for subject in people)
    else:
        read = in_processes(partial(examine, whole=depth == "whole"), people, CHUNK[depth])
        subjects = tuple(tqdm(read, total=len(people), desc="examining", unit="subject", disable=quiet))
        subjects = tuple(_with_copies(subjects))
    tables, faults = StudyTables(), ()
    try:
        tables = read_tables(data, known)
    except InputError as refusal:
        faults = (str(refusal),)
    faults += _mixed_numbers(subjects)
    subjects = tuple(_with_tables(subjects, tables))
    notes = tables.notes_on((s.subject.eid, s.subject.instance) for s in subjects)
    return CohortReport(data, subjects, names.passed.lines, faults, depth, notes)


def examine_names(subject: Subject) -> Examined:
    """What a subject's file names tell."""
    images = subject.images
    return Examined(subject, subject.missing, complete(subject), bool(images.labels_cine or images.labels_ed))


def examine(subject: Subject, whole: bool = True) -> Examined:
    """Look at a subject's files. Those that are refused become findings.

    Args:
        whole: read them as training would, and look at what they hold. Else an ECG is read, and of an MRI its headers.
    """
    named = examine_names(subject)
    findings, facts, digests, stated, normal, sound = list(named.findings), {}, {}, None, None, named.usable
    looks = (_look_at_ecg, _look_at_mri) if whole else (_glance_at_ecg, _glance_at_mri)
    for part, there, look in zip(("ecg", "mri"), (subject.ecg, subject.has_mri), looks, strict=True):
        if not there:
            continue
        try:
            seen = look(subject)
        except InputError as refusal:
            findings.append(Finding(reason_code(part, refusal), str(refusal)))
            sound = False
            continue
        findings += seen.findings
        facts |= seen.facts
        digests |= {part: seen.digest} if seen.digest else {}
        stated = seen.stated or stated
        normal = seen.normal if seen.normal is not None else normal
    views, doubts = _look_at_long_axis(subject, normal, whole)
    return Examined(subject, (*findings, *doubts), sound, named.labelled, facts, digests, stated, views)


def _look_at_long_axis(
    subject: Subject, normal: np.ndarray | None, whole: bool
) -> tuple[tuple[str, ...], list[Finding]]:
    """The long-axis views of a subject, and what is wrong with them. They make nobody unusable.

    Args:
        normal: (3,) of the short-axis slices in RAS; None where it is unknown.
        whole: read the headers of all images of a zip. Else only the names of NIfTI files tell views.
    """
    path = subject.long_axis
    if path is None or nifti_stem(os.path.basename(path)):  # noqa: PTH119 (as paths are kept, as text)
        return (), []
    if os.path.isdir(path) and (views := views_by_name(os.listdir(path))):  # noqa: PTH112, PTH208 (as above)
        return views, []
    if not whole:
        return (), []
    try:
        views, notes = long_axis_views(Path(path), normal)
    except InputError as refusal:
        return (), [Finding("mri_long_axis", str(refusal))]
    return views, [Finding("mri_long_axis", note) for note in notes]


class _Look(NamedTuple):
    """What one recording of a subject shows; fields as those of Examined."""

    findings: list[Finding]
    facts: dict[str, float]
    digest: bytes = b""
    stated: Person | None = None
    normal: np.ndarray | None = None  # (3,) of the short-axis slices in RAS, where the file says how they lie


def _glance_at_ecg(subject: Subject) -> _Look:
    """An ECG as it is read: 3 ms and a hundredth of the bytes of an MRI, so nothing less is looked at."""
    ecg = read_ecg(subject.ecg)
    facts = {"ecg_hz": ecg.sampling_rate, "ecg_s": duration_s(ecg)}
    return _Look([*ecg.notes, *part_used(ecg)], facts, hashlib.sha256(ecg.signal.tobytes()).digest(), ecg.person)


def _look_at_ecg(subject: Subject) -> _Look:
    ecg = read_ecg(subject.ecg)
    facts = {
        "ecg_hz": ecg.sampling_rate,
        "ecg_s": duration_s(ecg),
        "heart_rate_bpm": round(heart_rate_bpm(ecg), 1),
        "ecg_noise_uv": round(1000 * float(noise_mv(ecg).max()), 1),
    }
    findings = [*ecg_findings(ecg), *part_used(ecg)]
    return _Look(findings, facts, hashlib.sha256(ecg.signal.tobytes()).digest(), ecg.person)


def _glance_at_mri(subject: Subject) -> _Look:
    """The headers of an MRI; where they leave open what it is, the whole of it."""
    if not is_read_as_dicom(subject.images):
        images, maps = read_stack_headers(subject)
        return _Look(header_findings(images, maps), _stack_facts(images), normal=_normal(images))
    seen = glance_at_short_axis(Path(subject.images.dicom))
    if seen is None:
        return _look_at_mri(subject)
    listed, pixel_mm = seen
    return _Look(_manifest_findings(listed), {"pixel_mm": round(pixel_mm, 3)})


def _look_at_mri(subject: Subject) -> _Look:
    images, maps = read_stacks(subject)
    stacks_grid(images, maps, GridGeometry())  # refuses what training would refuse
    facts = _stack_facts(images)
    if notes := [stack.notes for stack in maps if stack is not None]:
        facts["acdc_numbers"] = int(any(RENUMBERED in note for note in notes))
    findings = mri_findings(images, maps)
    if is_read_as_dicom(subject.images):
        findings += _manifest_findings(glance(Path(subject.images.dicom), 0))
    digest = hashlib.sha256(images[0].voxels[..., 0].tobytes()).digest()
    return _Look(findings, facts, digest, normal=_normal(images))


def _normal(images: Stacks) -> np.ndarray | None:
    return images[0].normal if images[0].states_orientation else None


def _stack_facts(images: Stacks) -> dict[str, float]:
    facts = {
        "slices": slice_count(images[0]),
        "frames": sum(stack.voxels.shape[3] for stack in images),
        "pixel_mm": round(images[0].pixel_mm, 3),
        "slice_step_mm": round(images[0].slice_step_mm, 3),
    }
    if images[0].frame_interval_s:
        facts["frame_ms"] = round(1000 * images[0].frame_interval_s, 2)
    return facts


def _manifest_findings(listed: Glance) -> list[Finding]:
    if not listed.absent:
        return []
    return [Finding("mri_manifest", f"{listed.absent} of the {listed.listed} files of its manifest are not there")]


def _with_tables(subjects: Iterable[Examined], tables: StudyTables) -> Iterable[Examined]:
    """The same subjects, with what is wrong in their rows of the tables, and what contradicts their ECG files."""
    for examined in subjects:
        visit = (examined.subject.eid, examined.subject.instance)
        yield replace(examined, findings=(*examined.findings, *tables.findings(visit, examined.stated)))


def _mixed_numbers(subjects: Iterable[Examined]) -> tuple[str, ...]:
    """A sentence where some label maps have ACDC's numbers and others ukbb_cardiac's."""
    numbers = Counter(examined.facts["acdc_numbers"] for examined in subjects if "acdc_numbers" in examined.facts)
    if len(numbers) < 2:
        return ()
    return (f"label maps of two numberings: {numbers[1]} have ACDC's and were renumbered, {numbers[0]} have ours",)


def _with_copies(subjects: Iterable[Examined]) -> Iterable[Examined]:
    """The same subjects, with a finding where a recording stands under two people's names.

    One of the two might train a network, and the other test it.
    """
    people = defaultdict(set)
    for examined in subjects:
        for part, digest in examined.digests.items():
            people[part, digest].add(examined.subject.eid)
    for examined in subjects:
        copies = [part for part, digest in examined.digests.items() if len(people[part, digest]) > 1]
        findings = (Finding(f"{part}_copy", f"the same {part.upper()} stands under another eid") for part in copies)
        yield replace(examined, findings=(*examined.findings, *findings))


def write_subjects(path: Path, report: CohortReport) -> None:
    """Write a table, one row a subject: who it is, codes and words of the findings, and FACTS."""
    columns = ("eid", "instance", "split", "usable", "labelled", "long_axis", "codes", "findings", *FACTS)
    write_table(path, columns, map(_row, report.subjects))


def _row(examined: Examined) -> list:
    subject = examined.subject
    codes = " ".join(dict.fromkeys(finding.code for finding in examined.findings))
    words = "; ".join(finding.words for finding in examined.findings)
    known = [subject.name or subject.eid, subject.instance, split_of(subject.eid), int(examined.usable)]
    known += [int(examined.labelled), " ".join(examined.views)]
    return [*known, codes, words, *(examined.facts.get(fact, "") for fact in FACTS)]
