"""Who is in a folder, by the names of files: people paired by (eid, instance), however deep their files lie.

    <eid>_20205_<instance>_<array>.xml          resting ECG; or another ending of `cohort.ecg_formats`
    <eid>_20209_<instance>_<array>.zip          short-axis cine as DICOM; or a folder of this name
    <eid>_20209_<instance>_<array>.nii.gz       the same as NIfTI
    <eid>_20208_<instance>_<array>.zip          long-axis MRI: for `cohort.convert` and `cohort.report`
    <folder>/sa.nii.gz, sa_ED.nii.gz, ...       `cohort.person_folder`; <folder> is <eid> (instance 2), <eid>_<instance>
                                                or the person's name
    pairs.csv                                   what names cannot say (`cohort.pairs_table`)

Links to files and folders are followed. What is passed over is counted by kind. Of files, only their names are read,
but for pairs.csv, ACDC's Info.cfg, and the first bytes of what may be DICOM.
"""

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import NamedTuple

from cohort.dicom_files import PREAMBLE, is_dicom
from cohort.ecg_formats import COHORT_SIDECARS, COHORT_SUFFIXES
from cohort.errors import InputError
from cohort.folder_entries import FolderEntry, folder_entries
from cohort.pairs_table import EID, PAIRS, Pair, read_pairs
from cohort.passed_over import PassedOver, kind_of_file
from cohort.person_folder import (
    ACDC_NOTE,
    NIFTI_ENDINGS,
    frames_without_note,
    images_by_name,
    nifti_stem,
    views_by_name,
)
from cohort.person_number import person_number, require_own_numbers
from cohort.places import BELOW_BULK, BULK, IMAGES, CohortPlaces, Root, as_places
from cohort.subjects import (
    BULK_NAME,
    ECG_FIELD,
    FIRST_IMAGING_VISIT,
    FOLDER_NAME,
    LONG_AXIS_FIELD,
    MRI_FIELD,
    NOBODY,
    ShortAxis,
    Subject,
    Visit,
    complete,
)

ZIP = ".zip"  # of DICOM files, as UK Biobank hands them out
DICOM_ENDINGS = (".dcm", ".ima")
GENERATED = "heart.json"  # sample.py writes it beside every heart it draws
NOTES = (".csv", ".tsv", ".json", ".md", ".txt", ".html", ".xlsx", ".cfg")  # may lie beside the folders of a cohort
ENDING = re.compile(r"\.[a-z]{1,8}")  # a UID's last part is no ending
SHARD = re.compile(r"\d\d")
LOOKED_AT = 2  # files and folders that may be DICOM's
SERIES_DEEP = 2  # folders below a person's in which DICOM files may lie
IMAGE_ENDINGS = (*NIFTI_ENDINGS, ZIP)
KNOWN_ENDINGS = (*COHORT_SUFFIXES, *COHORT_SIDECARS, *IMAGE_ENDINGS)


@dataclass(frozen=True)
class Scan:
    """What a folder holds: subjects in order of (eid, instance), and what follows no rule."""

    subjects: list[Subject]
    passed: PassedOver

    @property
    def strays(self) -> int:
        """How many files and folders follow no rule."""
        return self.passed.count


def find_subjects(data: Path | CohortPlaces) -> list[Subject]:
    """Every person and visit with an ECG or an MRI, incomplete ones included, in order of (eid, instance).

    Raises:
        InputError: no such folder, or nothing in it whose name follows the rules. Also a fault of pairs.csv.
    """
    return scan(data).subjects


def scan(data: Path | CohortPlaces) -> Scan:
    """Look for ECGs and MRIs by the names of files.

    Raises:
        InputError: as `find_subjects`.
    """
    places = as_places(data)
    if not places.data.is_dir() and not (places.ecg_dir and places.mri_dir):
        raise InputError(places.data, "is not a folder", _what_to_put(places.data), code=NOBODY)
    pairs = read_pairs(places.data)
    found = _Found({file for pair in pairs for file in (pair.ecg, pair.mri) if file})
    roots = places.roots
    for root in roots:
        found.look_into(root, [other for other in roots if other is not root])
    for pair in pairs:
        found.put_pair(pair, places.data / PAIRS)
    found.settle_loose_ecgs()
    subjects = found.subjects(places.data)
    if not subjects:
        told = "; passed over: " + "; ".join(found.passed.lines) if found.passed.count else ""
        raise InputError(places, f"holds no ECG and no MRI{told}", _what_to_put(places.data), code=NOBODY)
    return Scan(subjects, found.passed)


def find_mris(folder: Path) -> Scan:
    """People with a short-axis MRI in a cohort's folder or in one of MRIs; ECGs are not looked for.

    Args:
        folder: one with NIFTI or Bulk in it, or one in which the folders and files of people lie.

    Raises:
        InputError: two folders would be one person; or a fault of pairs.csv.
    """
    root = next((folder / name for name in (IMAGES, BULK) if (folder / name).is_dir()), folder)
    data = folder.parent if folder.name == IMAGES else folder
    pairs = [pair for pair in read_pairs(data) if pair.mri]
    found = _Found({pair.mri for pair in pairs})
    found.look_into(Root(str(root), False, True, BELOW_BULK, root.name != BULK), [])
    for pair in pairs:
        found.put_pair(pair._replace(ecg=None), data / PAIRS)
    return Scan([subject for subject in found.subjects(folder) if subject.has_mri], found.passed)


def _what_to_put(data: Path) -> str:
    return (
        f"put ECGs in {data / 'ecg'} as <eid>_20205_2_0.xml and hearts in {data / 'NIFTI'} as <eid>_20209_2_0.zip, "
        "<eid>_20209_2_0.nii.gz or <eid>/sa.nii.gz, or make some: python make_phantom.py --output UKBB"
    )


class _Place(NamedTuple):
    """A folder on the way.

    Attributes:
        root: where the way began. path: of this folder.
        above: the folders from there to here, both included.
        deeper: how many folders below this one are looked into.
    """

    root: Root
    path: str
    above: tuple[str, ...]
    deeper: int

    @property
    def name(self) -> str:
        """Its own name; empty of a root, which is called after nobody."""
        return "" if len(self.above) == 1 else self.path.rpartition(os.sep)[2]

    @property
    def is_at_top(self) -> bool:
        """Whether it lies directly in a folder of MRIs, and is not a shard, which two digits call."""
        return self.root.own and len(self.above) == 2 and not SHARD.fullmatch(self.name)

    def within(self, path: str) -> "_Place":
        """A folder in this one."""
        return _Place(self.root, path, (*self.above, path), self.deeper - 1)

    def shown(self, path: str) -> str:
        """A path below the root."""
        return path.removeprefix(self.root.path).lstrip(os.sep)


@dataclass
class _Found:
    """What has been found so far.

    Attributes:
        paired: files and folders that pairs.csv names; they are nobody else's.
        names: what people without an eid are called. named: name -> the folder that is called so.
    """

    paired: set[str]
    ecgs: dict[Visit, str] = field(default_factory=dict)
    images: dict[Visit, ShortAxis] = field(default_factory=dict)
    long_axes: dict[Visit, str] = field(default_factory=dict)
    view_folders: dict[Visit, str] = field(default_factory=dict)  # with long-axis NIfTI beside the short axis
    names: set[str] = field(default_factory=set)
    named: dict[str, str] = field(default_factory=dict)
    loose_ecgs: list[tuple[str, str, str]] = field(default_factory=list)  # stem, path, path to show
    passed: PassedOver = field(default_factory=PassedOver)

    def look_into(self, root: Root, others: Sequence[Root]) -> None:
        """Look into a folder, leaving out what of the others lies in it."""
        here = Path(root.path).resolve()
        within = [other.path for other in others if Path(other.path).resolve().is_relative_to(here)]
        self._look(_Place(root, root.path, (root.path,), root.deeper), within)

    def _look(self, place: _Place, others: list[str]) -> None:
        """Take what a folder holds: files that name a visit, a person's images, and the folders below it."""
        loose: list[FolderEntry] = []
        folders: list[FolderEntry] = []
        for entry in folder_entries(place.path, place.above, self.passed, place.root.path):
            if self.paired and os.path.normpath(entry.path) in self.paired:
                continue
            if entry.is_folder:
                folders.append(entry)
            elif not self._take_file(place, entry):
                loose.append(entry)
        if place.name and place.root.images and self._take_person(place, loose, folders):
            return
        for entry in loose:
            self._pass_over(place, entry)
        for entry in folders:
            if others and any(Path(entry.path).samefile(other) for other in others):
                continue
            if _is_other_field(entry.name):
                self._take_folder_of_field(entry)
            elif place.deeper:
                self._look(place.within(entry.path), others)
            else:
                self.passed.add("folders that lie too deep", place.shown(entry.path))

    def _take_file(self, place: _Place, entry: FolderEntry) -> bool:
        """Whether the name of a file says whose it is; then the file is taken, or known not to be needed."""
        stem, ending = _parts(entry.name)
        name = BULK_NAME.fullmatch(stem)
        if name is None or ending not in KNOWN_ENDINGS:
            return False
        visit = (int(name[1]), int(name[3]))
        if name[2] == ECG_FIELD and ending in COHORT_SUFFIXES:
            if not place.root.ecgs:
                self.passed.add("ECGs outside the folder of ECGs", place.shown(entry.path))
                return True
            other = self.ecgs.get(visit)
            self.ecgs[visit] = entry.path if other is None else min(other, entry.path, key=_ecg_rank)
        elif name[2] == MRI_FIELD and ending in IMAGE_ENDINGS:
            if not place.root.images:
                self.passed.add("heart MRIs outside the folder of MRIs", place.shown(entry.path))
                return True
            images = ShortAxis(dicom=entry.path) if ending == ZIP else ShortAxis(cine=entry.path)
            self._put_images(visit, images)
        elif name[2] == LONG_AXIS_FIELD and ending in IMAGE_ENDINGS:
            self._put_long_axis(visit, entry.path)
        return True

    def _take_person(self, place: _Place, loose: list[FolderEntry], folders: list[FolderEntry]) -> bool:
        """Whether a folder is a person's. Then its images are taken, and all else in it is that person's own matter."""
        files = {entry.name: entry.path for entry in loose}
        if GENERATED in files:
            self.passed.add("hearts that sample.py has drawn", place.shown(place.path))
            return True
        visit, images = _visit_of_folder(place.name), images_by_name(place.name, files)
        if not any(images.files) and (visit or place.is_at_top) and _holds_dicom(loose, folders):
            images = ShortAxis(dicom=place.path)
        if not any(images.files):
            return False
        if frames_without_note(place.name, files):
            kind = f"folders with frames of ACDC whose {ACDC_NOTE}, which says which are ED and ES, is absent"
            self.passed.add(kind, place.shown(place.path))
        if visit is None:
            self._take_name(place)
            visit = (person_number(place.name), FIRST_IMAGING_VISIT)
        if views_by_name(files):
            self.view_folders[visit] = min(self.view_folders.get(visit, place.path), place.path)
        self._put_images(visit, images)
        return True

    def _take_name(self, place: _Place) -> None:
        """Let a folder's name be a person's. Two folders of one name may be two people, or anything but people."""
        other = self.named.setdefault(place.name, place.path)
        if other != place.path:
            fault = f"{place.shown(other)} and {place.shown(place.path)} would be one person"
            raise InputError(place.root.path, fault, f"call folders of MRIs by person, or pair files in {PAIRS}")
        self.names.add(place.name)

    def _take_folder_of_field(self, entry: FolderEntry) -> None:
        """A folder named by a field that nobody reads: the long axis is kept, others are known and left."""
        name = BULK_NAME.fullmatch(entry.name)
        if name[2] == LONG_AXIS_FIELD:
            self._put_long_axis((int(name[1]), int(name[3])), entry.path)

    def _put_images(self, visit: Visit, images: ShortAxis) -> None:
        known = self.images.get(visit)
        self.images[visit] = images if known is None else min(known, images, key=_images_rank)

    def _put_long_axis(self, visit: Visit, path: str) -> None:
        self.long_axes[visit] = min(self.long_axes.get(visit, path), path)

    def _pass_over(self, place: _Place, entry: FolderEntry) -> None:
        """Count a file whose name says nothing, unless it may be an ECG of a person with a name, or is a cohort's."""
        stem, ending = _parts(entry.name)
        if place.root.ecgs and (place.root.own or not place.name) and ending in (*COHORT_SUFFIXES, *COHORT_SIDECARS):
            self.loose_ecgs.append((stem, entry.path, place.shown(entry.path)))
        elif place.name or place.root.own or ending not in NOTES:
            self.passed.add(kind_of_file(entry.name, KNOWN_ENDINGS), place.shown(entry.path))

    def put_pair(self, pair: Pair, table: Path) -> None:
        """Put what a row of pairs.csv says in the place of what names said."""
        if EID.fullmatch(pair.person):
            visit = (int(pair.person), pair.instance)
        else:
            self.names.add(pair.person)
            visit = (person_number(pair.person), pair.instance)
        if pair.ecg:
            self.ecgs[visit] = pair.ecg
        if pair.mri:
            images = images_at(pair.mri)
            if not any(images.files):
                fault = f"row {pair.row}, column mri names a folder without a short-axis MRI"
                raise InputError(table, fault, "name its file or its folder")
            self.images[visit] = images

    def settle_loose_ecgs(self) -> None:
        """Give ECGs that are called as a person's folder is to that person, and pass over the others."""
        for stem, path, shown in self.loose_ecgs:
            ending = _parts(path)[1]
            if stem not in self.names:
                self.passed.add(kind_of_file(path, KNOWN_ENDINGS), shown)
            elif ending in COHORT_SUFFIXES:
                visit = (person_number(stem), FIRST_IMAGING_VISIT)
                self.ecgs[visit] = min(self.ecgs.get(visit, path), path, key=_format_rank)

    def subjects(self, source: Path) -> list[Subject]:
        """Everybody found, in order of (eid, instance)."""
        names = require_own_numbers(sorted(self.names), source)
        subjects = [
            Subject(
                *visit,
                self.ecgs.get(visit),
                self.images.get(visit, ShortAxis()),
                long_axis=self.long_axes.get(visit) or self.view_folders.get(visit),
                name=names.get(visit[0], ""),
            )
            for visit in sorted(self.ecgs.keys() | self.images.keys())
        ]
        return _with_other_visits(subjects)


def images_at(path: str) -> ShortAxis:
    """The short-axis MRI of a file, or of a person's folder; perhaps none."""
    if not Path(path).is_dir():
        return ShortAxis(cine=path) if nifti_stem(path) else ShortAxis(dicom=path)
    files, folders = _files_and_folders(path)
    images = images_by_name(Path(path).name, {entry.name: entry.path for entry in files})
    return ShortAxis(dicom=path) if not any(images.files) and _holds_dicom(files, folders) else images


def _files_and_folders(folder: str) -> tuple[list[FolderEntry], list[FolderEntry]]:
    entries = sorted(folder_entries(folder, (folder,), PassedOver(), folder))
    return [entry for entry in entries if not entry.is_folder], [entry for entry in entries if entry.is_folder]


def _parts(name: str) -> tuple[str, str]:
    """A name less its ending, and the ending with its dot in lower case; .nii.gz is one ending."""
    stem = nifti_stem(name)
    if stem:
        return stem, name[len(stem) :].lower()
    stem, dot, ending = name.rpartition(".")
    return stem, dot + ending.lower()


def _visit_of_folder(name: str) -> Visit | None:
    """Whose MRI a folder holds, if its name says so."""
    if bulk := BULK_NAME.fullmatch(name):
        return (int(bulk[1]), int(bulk[3])) if bulk[2] == MRI_FIELD else None
    own = FOLDER_NAME.fullmatch(name)
    return (int(own[1]), int(own[2] or FIRST_IMAGING_VISIT)) if own else None


def _is_other_field(name: str) -> bool:
    bulk = BULK_NAME.fullmatch(name)
    return bulk is not None and bulk[2] not in (ECG_FIELD, MRI_FIELD)


def _holds_dicom(files: list[FolderEntry], folders: list[FolderEntry], deeper: int = SERIES_DEEP) -> bool:
    """Whether one of the files, or of those in the folders below, is DICOM. The first in order of names decide."""
    ordered = sorted(files)
    if any(entry.name.lower().endswith(DICOM_ENDINGS) for entry in ordered):
        return True
    unnamed = [entry for entry in ordered if not ENDING.fullmatch(_parts(entry.name)[1])]
    if any(_is_dicom_file(entry.path) for entry in unnamed[:LOOKED_AT]):
        return True
    below = [_files_and_folders(folder.path) for folder in (sorted(folders)[:LOOKED_AT] if deeper else ())]
    return any(_holds_dicom(*parts, deeper - 1) for parts in below)


def _is_dicom_file(path: str) -> bool:
    try:
        with open(path, "rb") as file:  # noqa: PTH123 (a Path for each of 40,000 files takes long)
            return is_dicom(file.read(PREAMBLE + 5))
    except OSError:
        return False


def _ecg_rank(path: str) -> tuple[int, int, str]:
    """The first format of the table, then the lowest array number, then the first name."""
    stem, suffix = _parts(path)
    return COHORT_SUFFIXES.index(suffix), int(stem.rpartition("_")[2]), path


def _format_rank(path: str) -> tuple[int, str]:
    return COHORT_SUFFIXES.index(_parts(path)[1]), path


def _images_rank(images: ShortAxis) -> tuple[bool, int, bool, list[tuple[str, ...]]]:
    """What can be read first, then more NIfTI files, DICOM, the first name. Paths are compared name by name."""
    paths = [path for path in images.files if path]
    whole = len(paths) - len(images.slices) - bool(images.dicom)
    return not images.is_there, -whole, not images.dicom, [Path(path).parts for path in paths]


def _with_other_visits(subjects: list[Subject]) -> list[Subject]:
    """The same subjects. Incomplete ones now know at which other visits this person has what they lack."""
    lacking = {subject.eid for subject in subjects if not complete(subject)}
    if not lacking:
        return subjects
    ecgs: dict[int, list[int]] = {eid: [] for eid in lacking}
    images: dict[int, list[int]] = {eid: [] for eid in lacking}
    for subject in subjects:
        if subject.eid in lacking and subject.ecg:
            ecgs[subject.eid].append(subject.instance)
        if subject.eid in lacking and subject.has_mri:
            images[subject.eid].append(subject.instance)
    return [
        subject
        if complete(subject)
        else replace(
            subject,
            ecg_elsewhere=tuple(i for i in ecgs[subject.eid] if i != subject.instance),
            mri_elsewhere=tuple(i for i in images[subject.eid] if i != subject.instance),
        )
        for subject in subjects
    ]
