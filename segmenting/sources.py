"""Which MRIs to segment, and what each is called."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from cohort.dicom_files import dicom_paths, is_dicom
from cohort.discovery import ZIP, find_mris, images_at
from cohort.errors import InputError
from cohort.input_file import read_beginning
from cohort.passed_over import PassedOver, kind_of_file
from cohort.person_folder import NIFTI_ENDINGS, images_by_name, nifti_stem
from cohort.person_number import person_number
from cohort.pseudonym import OWN_NAMES, Naming
from cohort.subjects import BULK_NAME, FIRST_IMAGING_VISIT, FOLDER_NAME, IMAGE_STEMS, LABELS, ShortAxis, Subject
from cohort.withdrawal import left_of, withdrawn_eids
from sampling.inputs import safe_name

GIVE = "give a short-axis NIfTI, a DICOM zip (field 20209), or a folder of them with --mri"
LARGEST_ZIP = 2 << 30  # bytes, of which only the beginning is read here
NO_CINES = (f"{LABELS}", "seg", "la_", "sd_")  # how names of label maps, long axes and spreads begin


@dataclass(frozen=True)
class Source:
    """One short-axis MRI.

    Attributes:
        name: of the patient: letters that a folder may have.
        images: its files; a whole cine precedes ED and ES.
        path: what to name in an error.
        person: the participant's number, by which a list of withdrawals knows this patient.
    """

    name: str
    images: ShortAxis
    path: Path
    person: int

    @property
    def files(self) -> list[Path]:
        """Every file it is read from, in a fixed order."""
        images = self.images
        if images.cine:
            return [Path(images.cine)]
        if images.dicom:
            path = Path(images.dicom)
            return [Path(file) for file in dicom_paths(path)] if path.is_dir() else [path]
        return [Path(path) for path in images.slices or (images.ed, images.es) if path]


def find_sources(mri: Path, exclude: Path | None = None, naming: Naming = OWN_NAMES) -> list[Source]:
    """The MRIs of a file or a folder, in order of their patients, without people who withdrew.

    A folder may be a person's, with NIfTI named as a cohort's or with DICOM files in it. Else it may be one of people
    (`cohort.discovery.find_mris`). Else its NIfTI files and zips are one patient each.

    Raises:
        InputError: nothing is there, nobody is left, or two patients' outputs would have one name.
    """
    try:
        there = mri.exists()
    except (OSError, ValueError):  # too long for a name, no name at all
        there = False
    if not there:
        raise naming.of_fault(InputError(mri, "does not exist", GIVE, code="absent"), mri, mri.stem)
    found = list(_in_folder(mri, naming) if mri.is_dir() else [_of_file(mri)])
    if not found:
        raise InputError(mri, "holds no short-axis MRI", GIVE, code="absent")
    kept = _without_withdrawn(found, mri, exclude)
    _require_own_names(mri, kept, naming)
    return kept


def _in_folder(folder: Path, naming: Naming) -> Iterator[Source]:
    files = sorted(path for path in folder.iterdir() if path.is_file())
    own = images_by_name(folder.name, {path.name: str(path) for path in files})
    if not own.is_there and any(_is_dicom(path) for path in files):
        own = ShortAxis(dicom=folder)
    if own.is_there:
        yield _named(folder.resolve().name, own, folder)
        return
    people = find_mris(folder)
    if people.subjects:
        _tell_passed_over(people.passed, naming)
        yield from (_of_subject(subject) for subject in people.subjects)
        return
    cines = [path for path in files if _is_cine_name(path.name)]
    if cines:
        _tell_passed_over(_no_cines(files), naming)
    yield from map(_of_file, cines)


def _no_cines(files: list[Path]) -> PassedOver:
    passed = PassedOver()
    for path in files:
        if not _is_cine_name(path.name):
            passed.add(kind_of_file(path.name, (*NIFTI_ENDINGS, ZIP)), path.name)
    return passed


def _tell_passed_over(passed: PassedOver, naming: Naming) -> None:
    if passed.count:
        print(f"note: passed over: {passed if naming.key is None else passed.count}")


def _of_file(path: Path) -> Source:
    stem = nifti_stem(path.name) or path.name.removesuffix(ZIP)
    above = path.resolve().parent.name
    name = above if stem in IMAGE_STEMS and FOLDER_NAME.fullmatch(above) else stem  # every person's file is called sa
    return _named(name, images_at(str(path)), path)


def _named(name: str, images: ShortAxis, path: Path) -> Source:
    """A source called by eid and instance where the name tells them, as one of a cohort's folder is."""
    images, bulk, own = _cine_alone(images), BULK_NAME.fullmatch(name), FOLDER_NAME.fullmatch(name)
    if bulk:
        return Source(f"{bulk[1]}_{bulk[3]}", images, path, int(bulk[1]))
    if own:
        return Source(f"{own[1]}_{own[2] or FIRST_IMAGING_VISIT}", images, path, int(own[1]))
    return Source(safe_name(name), images, path, person_number(name))


def _of_subject(subject: Subject) -> Source:
    images = _cine_alone(subject.images)
    path = Path(next(path for path in images.files if path))
    named = subject.name and subject.instance == FIRST_IMAGING_VISIT
    return Source(safe_name(subject.name if named else subject.called), images, path, subject.eid)


def _cine_alone(images: ShortAxis) -> ShortAxis:
    """The images without label maps; without ED and ES, and without DICOM, where there is a whole cine."""
    if images.cine:
        return ShortAxis(cine=images.cine)
    if images.dicom and not (images.ed and images.es):
        return ShortAxis(dicom=images.dicom)
    return ShortAxis(ed=images.ed, es=images.es, slices=images.slices)


def _is_cine_name(name: str) -> bool:
    lower = name.lower()
    is_map = lower.startswith(NO_CINES) or "_gt." in lower or lower.startswith(".")
    return lower.endswith((*NIFTI_ENDINGS, ZIP)) and not is_map


def _is_dicom(path: Path) -> bool:
    if path.name.lower().endswith((*NIFTI_ENDINGS, ZIP)):
        return False
    try:
        return is_dicom(read_beginning(path, 133, LARGEST_ZIP))
    except InputError:
        return False


def _without_withdrawn(found: list[Source], mri: Path, exclude: Path | None) -> list[Source]:
    names = frozenset(source.name for source in found)
    folders = [mri, mri.absolute().parent] if mri.is_dir() else [mri.absolute().parent]
    withdrawn = withdrawn_eids(None, exclude, names).union(*(withdrawn_eids(folder, None, names) for folder in folders))
    return left_of(found, lambda source: source.person, withdrawn, "--mri", "MRI")


def _require_own_names(folder: Path, found: list[Source], naming: Naming) -> None:
    names: set[str] = set()
    for source in found:
        if source.name.lower() in names:  # some disks tell no capitals
            fault = f"several MRIs would be called {naming(source.name)}"
            raise InputError(folder, fault, "leave one of them there, or rename it")
        names.add(source.name.lower())
