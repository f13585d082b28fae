"""A cohort read once and kept as arrays, which training reads in any order (memory-mapped)."""

import contextlib
import json
import os
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property, partial
from pathlib import Path

import numpy as np
from tqdm import tqdm

from .content import files_of_ecg, files_of_image, fingerprint
from .cores import available_cores
from .discovery import scan
from .disk import PARTIAL, array_bytes, new_array, remove_unfinished, require_room, whole_file, write_array, writing
from .ecg import ECG, read_ecg
from .errors import InputError, require_within
from .exclusion import EXCLUDED, Exclusion, counts, read_excluded, reason_code, write_excluded
from .finding import told_together
from .further import write_further
from .heart_grid import GridGeometry, HeartGrid, read_heart
from .intensity import as_grey_levels
from .lock import locked
from .person import Person
from .person_number import read_names, write_names
from .phenotypes import PHENOTYPES, phenotypes_of
from .places import CohortPlaces, as_places
from .preprocessing import ecg_input, part_used
from .private import private
from .process_pool import in_pool
from .provenance import made_by
from .step_code import code_sha256
from .stored_arrays import ABOUT, PREPARE_AGAIN, open_arrays, read_about, write_about
from .study_tables import TABLES, phenotype_values, read_tables
from .subjects import Subject, Visit, names_of, pairs, split_of, too_few_to_split
from .table import write_table
from .withdrawal import counted, withdrawn_eids, without_withdrawn

NO_LABELS = 255
STATE, REMARKS = "state.npy", "remarks.jsonl"
TO_DO, GOOD, BAD = range(3)  # the state of a row
MOST_TOLD = 5  # notes on screen; notes.csv has all
FEW = 24  # subjects that are read sooner than another process starts
ARRAYS = ("hearts", "mask", "labels", "affine", "ecg", "lead_mask", "person", "phenotypes", "eid", "instance")
ArrayShape = tuple[tuple[int, ...], type]


@dataclass(frozen=True)
class Preparation:
    """What decides the arrays: the heart grid, and the strip the ECG encoder expects."""

    geometry: GridGeometry = GridGeometry()
    sampling_rate: int = 250
    duration_s: float = 10.0


@dataclass(frozen=True)
class PreparedCohort:
    """N people with both modalities at one visit. Arrays are memory-mapped; row i is one (eid, instance).

    Attributes:
        folder: where the arrays lie. Latents of an autoencoder are put beside them.
        preparation: how they were made.
        hearts: (N, slices, phases, height, width) uint8, intensity 0..255.
        mask: (N, slices, phases) bool, False outside the acquisition.
        labels: like hearts, uint8. Without a label map, all of them are NO_LABELS.
        affine: (N, 4, 4) grid index (column, row, slice) -> RAS mm.
        ecg: (N, 12, samples) float16 mV; lead_mask: (N, 12) bool.
        person: (N, 4) float32 sex (0 female, 1 male), age, height cm, weight kg; NaN where absent.
        phenotypes: (N, K) float32 in the order of PHENOTYPES; NaN where unknown.
        eid, instance: (N,) int64.
        measured: (N, K) bool, phenotypes that a segmenter measured; None where it measured nobody.
    """

    folder: Path
    preparation: Preparation
    hearts: np.ndarray
    mask: np.ndarray
    labels: np.ndarray
    affine: np.ndarray
    ecg: np.ndarray
    lead_mask: np.ndarray
    person: np.ndarray
    phenotypes: np.ndarray
    eid: np.ndarray
    instance: np.ndarray
    measured: np.ndarray | None = None

    @cached_property
    def split(self) -> np.ndarray:
        """(N,) "train", "validation" or "test", by person."""
        return np.array([split_of(int(eid)) for eid in self.eid])

    @property
    def too_few_to_split(self) -> bool:
        """`cohort.subjects.too_few_to_split` of these people."""
        return too_few_to_split(self.split.tolist())

    def rows(self, split: str) -> np.ndarray:
        """Rows of "train", "validation" or "test". In a cohort too small to split, each of them holds everybody."""
        return self._rows[split]

    @cached_property
    def _rows(self) -> dict[str, np.ndarray]:
        """Every step of a training asks for them, so they are worked out once."""
        everybody = np.ones(len(self.eid), bool)
        splits = ("train", "validation", "test")
        return {s: np.flatnonzero(everybody if self.too_few_to_split else self.split == s) for s in splits}


@dataclass(frozen=True)
class Example:
    """One subject as it was read.

    Attributes:
        arrays: its row of every array; empty if it cannot be read.
        remarks: what had to be estimated, or why it cannot be read.
        code: of `cohort.exclusion`, if it cannot be read.
    """

    arrays: dict[str, np.ndarray]
    remarks: tuple[str, ...]
    code: str = ""


def prepare_cohort(
    data: Path | CohortPlaces,
    folder: Path,
    preparation: Preparation,
    max_bad_fraction: float = 0.2,
    quiet: bool = False,
    exclude: Path | None = None,
) -> PreparedCohort:
    """Read every complete subject of `data` once. An interrupted preparation continues where it was.

    The arrays go to a folder inside `folder`, which appears when whole and which only its owner may open. Its name is
    a hash of the settings, of what the files hold, and of the code that reads them (`cohort_fingerprint`). So a cohort
    is read anew when any of these has changed. One process reads while others wait. Subjects that cannot be read are
    listed in its `excluded.csv`: eid, instance, code (`cohort.exclusion`), remark. Further numbers of the tables are in
    its further.csv (`cohort.further`). Where people are called by names, names.csv says who has which number.

    A data folder that holds such arrays itself (prepared.json) is opened as it is.

    Args:
        exclude: a list of people who withdrew (`cohort.withdrawal`). Arrays that hold one of them have another name.

    Raises:
        InputError: an option is out of range. No subject is complete, none can be read, or more than
            `max_bad_fraction` of them cannot be read. Or the arrays hold something else than was prepared. Also where
            `data` holds arrays that were prepared otherwise, or of people who withdrew since.
    """
    preparation.geometry.require_sound()
    require_within("--max-bad-fraction", max_bad_fraction, 0, 1)
    places = as_places(data)
    if (places.data / ABOUT).exists():
        return _already(places, preparation, exclude)
    subjects, data = complete_subjects(places, exclude), places.data
    final = folder_of(data, subjects, folder, preparation)
    if not final.exists():
        with locked(final), private():
            if not final.exists():
                _prepare(data, subjects, final, preparation, quiet)
    cohort = load_prepared(final)
    bad = len(subjects) - len(cohort.eid)
    summary = f"{bad} of {len(subjects)} subjects cannot be read"
    if bad / len(subjects) > max_bad_fraction:
        remedy = f"{final / EXCLUDED} says why; repair them, or allow more with --max-bad-fraction"
        raise InputError(data, f"{summary} ({counts(read_excluded(final))})", remedy)
    if bad:
        print(f"{summary} ({counts(read_excluded(final))}); {final / EXCLUDED} says why")
    return cohort


def _already(places: CohortPlaces, preparation: Preparation, exclude: Path | None) -> PreparedCohort:
    """The cohort whose arrays lie in the data folder itself."""
    folder = places.data
    if places.ecg_dir or places.mri_dir:
        raise InputError("--ecg-dir and --mri-dir", f"{folder} holds prepared arrays", "leave them out")
    cohort = load_prepared(folder)
    there, wanted = (_settings(one) for one in (cohort.preparation, preparation))
    if other := [name for name in wanted if there[name] != wanted[name]]:
        said = ", ".join(f"{name} {there[name]}, not {wanted[name]}" for name in other)
        raise InputError(folder, f"its arrays have {said}", "give the options they were prepared with")
    withdrawn = withdrawn_eids(folder, exclude, read_names(folder)) & set(cohort.eid.tolist())
    if withdrawn:
        raise InputError(folder, f"holds {counted(len(withdrawn))} who withdrew", "prepare it anew without them")
    return cohort


def warn_if_too_few(cohort: PreparedCohort) -> None:
    """Warn whoever is about to use a split of people who are too few for one."""
    if cohort.too_few_to_split:
        people = len(set(cohort.eid.tolist()))
        print(f"warning: {people} people are too few to split: the same ones train, validate and test")


def _settings(preparation: Preparation) -> dict[str, float]:
    """Settings by the names of their options."""
    settings = asdict(preparation)
    geometry = {f"geometry.{name}": value for name, value in settings.pop("geometry").items()}
    return settings | geometry


def complete_subjects(data: CohortPlaces, exclude: Path | None = None, quiet: bool = False) -> list[Subject]:
    """Everybody in a cohort with both modalities at one visit, but for people who withdrew.

    What the look into the folder passed over is printed, a line a kind.

    Args:
        exclude: a list of them, beside those that lie in the folder (`cohort.withdrawal`).
        quiet: print nothing of what was passed over.

    Raises:
        InputError: there is nobody.
    """
    found = scan(data)
    for line in () if quiet else found.passed.lines:
        print(f"note: passed over: {line}")
    people = pairs(found.subjects)
    subjects = without_withdrawn(people, withdrawn_eids(data.data, exclude, names_of(people)))
    if not subjects:
        raise InputError(
            data,
            "no person has both an ECG and a short-axis MRI at the same visit",
            f"`python -m cohort.report --data {data.data}` says who lacks what; `python make_phantom.py --output UKBB` "
            "writes a simulated cohort instead",
        )
    return subjects


def folder_of(data: Path, subjects: list[Subject], folder: Path, preparation: Preparation) -> Path:
    """Where the arrays of these subjects lie, or will."""
    name = data.resolve().name
    return folder / f"{name}-{cohort_fingerprint(data, subjects, preparation, memory_of(folder, name))}"


def load_prepared(folder: Path) -> PreparedCohort:
    """Open a folder written by `prepare_cohort`; the arrays stay on disk.

    Raises:
        InputError: an array is absent, or holds something else than was prepared.
    """
    about = read_about(folder)
    settings = about["preparation"]
    preparation = Preparation(**{**settings, "geometry": GridGeometry(**settings["geometry"])})
    arrays = open_arrays(folder, about)
    for name, (shape, dtype) in array_shapes(about["people"], preparation).items():
        if name not in arrays or (arrays[name].shape, arrays[name].dtype) != (shape, dtype):
            raise InputError(folder / f"{name}.npy", "is absent, or of another shape or type", PREPARE_AGAIN)
    return PreparedCohort(folder, preparation, **{name: arrays[name] for name in ARRAYS})


def _prepare(data: Path, subjects: list[Subject], final: Path, preparation: Preparation, quiet: bool) -> None:
    draft = draft_of(final)
    read_rows(data, subjects, draft, preparation, quiet, names_of(subjects))
    finish(data, subjects, draft, preparation)
    draft.rename(final)


def read_rows(
    data: Path,
    subjects: list[Subject],
    draft: Path,
    preparation: Preparation,
    quiet: bool,
    names: Collection[str] = (),
) -> None:
    """Read the subjects that a draft still lacks into its arrays, state.npy and REMARKS.

    Args:
        names: of the whole cohort's people whom no eid calls, whom its tables may name.
    """
    fill_rows(draft, len(subjects), preparation, quiet, partial(_examples, data, subjects, preparation, names))


def fill_rows(
    draft: Path,
    people: int,
    preparation: Preparation,
    quiet: bool,
    examples: Callable[[list[int]], Iterable[Example]],
    more: Mapping[str, ArrayShape] | None = None,
) -> None:
    """Put what a draft still lacks into its arrays, state.npy and REMARKS. What is interrupted goes on here.

    Args:
        examples: the rows that are lacking -> the example of each, in their order.
        more: arrays beside `array_shapes`, perhaps of the first rows only; then the later examples have none of them.
    """
    arrays, state = open_draft(draft, people, preparation, more)
    todo = [row for row in range(people) if state[row] == TO_DO]
    bar = tqdm(total=people, initial=people - len(todo), desc="reading the cohort", disable=quiet)
    for row, example in zip(todo, examples(todo), strict=True):
        for name, value in example.arrays.items():
            arrays[name][row] = value
        if example.remarks:
            add_remarks(draft, [(row, example.code, example.remarks)])
        state[row] = GOOD if example.arrays else BAD
        bar.update()
    bar.close()
    for array in (*arrays.values(), state):
        array.flush()


def open_draft(
    draft: Path, people: int, preparation: Preparation, more: Mapping[str, ArrayShape] | None = None
) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """The arrays of a draft by name, and the state of every row: TO_DO, GOOD or BAD.

    Args:
        more: arrays beside `array_shapes`.
    """
    shapes = array_shapes(people, preparation) | dict(more or {})
    new = {name: array_bytes(*shape) for name, shape in shapes.items() if not (draft / f"{name}.npy").exists()}
    require_room(draft, sum(new.values()))
    arrays = {name: _open(draft / f"{name}.npy", *shape) for name, shape in shapes.items()}
    return arrays, _open(draft / STATE, (people,), np.uint8)


def finish(
    data: Path, subjects: list[Subject], draft: Path, preparation: Preparation, more: Collection[str] = ()
) -> None:
    """Leave the good rows of a draft, all of which were read, and write what the arrays are.

    Args:
        data: the folder of the tables. more: names of arrays beside ARRAYS, which stay as they are.

    Raises:
        InputError: no subject can be read.
    """
    arrays, state = open_draft(draft, len(subjects), preparation)
    good = np.flatnonzero(np.asarray(state) == GOOD)
    _write_remarks(draft, subjects, set(good.tolist()))
    write_names(draft, {subject.eid: subject.name for subject in subjects if subject.name})
    if not len(good):
        raise InputError(data, f"none of {len(subjects)} subjects can be read", f"{draft / EXCLUDED} says why")
    for name, array in arrays.items():
        if len(array) == len(good):  # all are good, or an earlier run has taken the bad ones out
            continue
        write_array(draft / f"{name}.npy", array[good])
    visits = [(subjects[row].eid, subjects[row].instance) for row in good]
    write_further(draft, data, visits, names_of(subjects))
    settings = asdict(preparation)
    write_about(draft, (*ARRAYS, *more), {"people": len(good), "preparation": settings, **made_by(settings)})


def draft_of(final: Path) -> Path:
    """The folder in which `final` is made, perhaps with what an interrupted process has finished. Hold the lock.

    Its name is fixed, unlike those of `whole_folder`, so that the next process continues in it.
    """
    draft = final.with_name(f"{PARTIAL}{final.name}")
    with writing(final.parent):
        draft.mkdir(parents=True, exist_ok=True)
        remove_unfinished(draft)
    return draft


def _write_remarks(draft: Path, subjects: list[Subject], good: set[int]) -> None:
    """Write excluded.csv (why a subject is left out) and notes.csv (what had to be estimated). Print a summary."""
    by_row = read_remarks(draft)
    bad = [(subjects[row], code, remark) for row, (code, (remark, *_)) in by_row.items() if row not in good]
    write_excluded(draft, [Exclusion(subject.eid, subject.instance, *why) for subject, *why in bad])
    notes = [(subjects[row], remark) for row, (_, remarks) in by_row.items() for remark in remarks if row in good]
    rows = ((subject.eid, subject.instance, remark) for subject, remark in notes)
    write_table(draft / "notes.csv", ("eid", "instance", "remark"), rows)
    told = told_together(((subject.eid, subject.instance), remark) for subject, remark in notes)
    for count, words in told[:MOST_TOLD]:
        print(f"note: {count} of {len(subjects)} visits: {words}")


def add_remarks(draft: Path, remarks: Iterable[tuple[int, str, Sequence[str]]]) -> None:
    """Append (row, code, remarks) to a draft's REMARKS."""
    lines = "".join("\n" + json.dumps(remark) for remark in remarks)
    with writing(draft, len(lines)), (draft / REMARKS).open("a") as file:
        file.write(lines)


def read_remarks(draft: Path) -> dict[int, tuple[str, list[str]]]:
    """Row -> code and remarks, in order of the rows. A row read twice, after a kill, has the last ones."""
    by_row = {}
    path = draft / REMARKS
    for line in path.read_text().splitlines() if path.exists() else ():
        with contextlib.suppress(ValueError):  # a torn line; its row is not marked as done and will be read again
            row, code, remarks = json.loads(line)
            by_row[row] = code, remarks
    return dict(sorted(by_row.items()))


def _examples(
    data: Path, subjects: list[Subject], preparation: Preparation, names: Collection[str], rows: list[int]
) -> Iterator[Example]:
    subjects = [subjects[row] for row in rows]
    known = what_tables_say(data, [(s.eid, s.instance) for s in subjects], names)
    jobs = [(subject, *row) for subject, row in zip(subjects, known, strict=True)]
    yield from in_processes(partial(read_example, preparation), jobs)


def what_tables_say(
    data: Path, visits: list[Visit], names: Collection[str] = ()
) -> list[tuple[Person, dict[str, float]]]:
    """The person and the known phenotypes of each visit, by the tables of a folder, whose notes are printed."""
    tables = read_tables(data, names)
    for note in tables.notes_on(visits):
        print(f"note: {note}")
    return [(tables.persons.at(*visit), tables.phenotypes.known(visit)) for visit in visits]


def in_processes(job: Callable, items: Sequence, chunksize: int = 4) -> Iterator:
    """job(item) of every item, in their order: by one process a core, or by this one if there are FEW."""
    if len(items) <= FEW:
        yield from map(job, items)
        return
    yield from in_pool(job, items, available_cores(), chunksize)


def read_example(preparation: Preparation, job: tuple[Subject, Person, dict[str, float]]) -> Example:
    """Read one subject: its arrays, or the reason why there are none."""
    subject, person, known = job
    part = "ecg"
    try:
        ecg = read_ecg(subject.ecg)
        part = "mri"
        heart = read_heart(subject, preparation.geometry)
    except InputError as refusal:
        return Example({}, (str(refusal),), reason_code(part, refusal))
    return example_of(preparation, (subject.eid, subject.instance), ecg, heart, person, known)


def example_of(
    preparation: Preparation, visit: Visit, ecg: ECG, heart: HeartGrid, person: Person, known: dict[str, float]
) -> Example:
    """The arrays of one visit.

    Args:
        ecg: as it was recorded. heart: on the preparation's grid.
        person, known: of `what_tables_say`. They come before what ECG and label maps tell.
    """
    signal, lead_mask = ecg_input(ecg, preparation.sampling_rate, preparation.duration_s)
    spacing = (preparation.geometry.pixel_mm, heart.slice_step_mm)
    measured = {} if heart.labels is None else phenotypes_of(heart.labels, *spacing, absent_ml=np.nan)
    arrays = {
        "hearts": as_grey_levels(heart.voxels),
        "mask": heart.mask,
        "labels": NO_LABELS if heart.labels is None else heart.labels,
        "affine": heart.affine,
        "ecg": signal.astype(np.float16),
        "lead_mask": lead_mask,
        "person": person.filled_from(ecg.person).vector,
        "phenotypes": phenotype_values(known, measured),
        "eid": visit[0],
        "instance": visit[1],
    }
    of_ecg = (*ecg.notes, *part_used(ecg, preparation.duration_s))
    return Example(arrays, (*heart.notes, *(f"ECG: {note.words}" for note in of_ecg)))


def array_shapes(people: int, preparation: Preparation) -> dict[str, ArrayShape]:
    """Shape and type of each of ARRAYS."""
    g = preparation.geometry
    heart = (people, g.slices, g.phases, g.height, g.width)
    return {
        "hearts": (heart, np.uint8),
        "mask": (heart[:3], np.bool_),
        "labels": (heart, np.uint8),
        "affine": ((people, 4, 4), np.float64),
        "ecg": ((people, 12, round(preparation.sampling_rate * preparation.duration_s)), np.float16),
        "lead_mask": ((people, 12), np.bool_),
        "person": ((people, 4), np.float32),
        "phenotypes": ((people, len(PHENOTYPES)), np.float32),
        "eid": ((people,), np.int64),
        "instance": ((people,), np.int64),
    }


def _open(path: Path, shape: tuple[int, ...], dtype: type) -> np.ndarray:
    """A zeroed array on disk, or the one that an interrupted preparation left."""
    if path.exists():
        return np.lib.format.open_memmap(path, mode="r+")
    with whole_file(path) as unfinished:
        return new_array(unfinished, shape, dtype)


def memory_of(folder: Path, name: str) -> Path:
    """Where the hashes of a cohort's files are kept from call to call."""
    return folder / f".content-{name}.npy"


def cohort_fingerprint(
    data: Path, subjects: list[Subject], preparation: Preparation, memory: Path | None = None
) -> str:
    """Twelve hexadecimal digits of what decides the arrays: settings, code, who is there, and what the files hold.

    Args:
        memory: as of `cohort.content.content_hashes`.
    """
    decides = {"preparation": asdict(preparation), "code": code_sha256("cohort.prepared")}
    tables = [(name, data / name) for name in TABLES]
    return fingerprint(decides, [*tables, *(file for subject in subjects for file in source_files(subject))], memory)


def source_files(subject: Subject) -> Iterator[tuple[str, str | Path]]:
    """(whose it is and what for, path) of every file that a subject is read from."""
    whose = f"{subject.eid}_{subject.instance}"
    if subject.ecg:
        reader = os.path.splitext(subject.ecg)[1].lower()  # noqa: PTH122 (as in cohort.content)
        yield from ((f"{whose}_{reader}", path) for path in files_of_ecg(subject.ecg))
    for use, image in enumerate(subject.images.files):
        if image:
            yield from ((f"{whose}_{use}", path) for path in files_of_image(image))
