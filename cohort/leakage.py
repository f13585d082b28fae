"""No person, ECG or image may stand in two splits. Every training checks this first.

People are split by eid, so nobody is in two splits under one eid. But one recording may stand under two eids: copied,
or issued anew. A network trained on one of them would then be tested on what it has seen.
"""

import contextlib
import hashlib
import itertools
import json
import secrets
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np

from cohort.checked_array import read_checked, write_checked
from cohort.discovery import find_subjects
from cohort.ecg import read_ecg
from cohort.ecg_cohort import ECGCohort
from cohort.errors import InputError
from cohort.places import CohortPlaces, as_places
from cohort.prepared import Preparation, PreparedCohort
from cohort.preprocessing import ecg_input
from cohort.private import private
from cohort.step_code import code_sha256
from cohort.subjects import names_of, split_of
from cohort.table import write_table
from cohort.withdrawal import withdrawal_lists, withdrawn_eids

HASHES, LEAKS = "hashes.npy", "leakage.csv"
DIGEST_BYTES = 16  # of a row's SHA-256; by chance, two rows of 100,000 agree in one cohort of 1e28
ROW_HASHES = np.dtype([("ecg", f"V{DIGEST_BYTES}"), ("heart", f"V{DIGEST_BYTES}")])
PREPARING = "cohort.prepared"  # the code whose arrays are hashed
KEYED_DIGITS = 16  # hexadecimal, of a recording's keyed hash: two of 100,000 agree with a chance of 3e-10
Part = Literal["train", "validation", "extra"]  # of those who taught: the cohort's splits, and people without an MRI
PARTS: tuple[Part, ...] = ("train", "validation", "extra")
BEGAN_WITH = "began_with"  # in a training.json: what that of the pipeline says with which the training began
COLUMNS = ("kind", "group", "folder", "eid", "instance", "split")


class _Entry(NamedTuple):
    """n rows of one kind: person, ECG or image. Rows of one `key` are the same person or recording."""

    kind: str
    key: np.ndarray
    split: np.ndarray
    eid: np.ndarray
    instance: np.ndarray
    folder: np.ndarray


def require_separate_splits(cohort: PreparedCohort, extra_ecgs: ECGCohort | None = None) -> None:
    """Refuse a cohort in which a person, an ECG or an image stands in two splits.

    ECGs and images are compared by a hash of their bytes in the arrays. This finds a copy under another eid, but not a
    copy that was resampled or cropped. ECGs without any lead and hearts without any slice are nobody's copy. Hashes
    are computed once and kept beside the arrays. A cohort too small to split is not checked: everybody is in each
    split there, on purpose.

    Args:
        extra_ecgs: ECGs of further people. Only those of the training split are learned from, and only they are
            checked.

    Raises:
        InputError: how many stand in two splits, and which CSV lists them (LEAKS, beside the arrays).
    """
    if cohort.too_few_to_split:
        return
    path = cohort.folder / LEAKS
    shared = [_rows(entry, which) for entry in _entries(cohort, extra_ecgs) if (which := in_two_splits(entry)).any()]
    if not shared:
        path.unlink(missing_ok=True)  # left by an earlier check; the cohort was corrected since
        return
    with private():
        write_table(path, COLUMNS, itertools.chain.from_iterable(map(_listed, shared)))
    counts = {entry.kind: len(np.unique(entry.key)) for entry in shared}
    how_many = " and ".join(f"{count} {kind}{'s' * (count > 1)}" for kind, count in counts.items())
    raise InputError(
        cohort.folder,
        f"{how_many} of it {'stands' if sum(counts.values()) == 1 else 'stand'} in two splits",
        f"{path} lists whose; keep each under one eid only",
    )


def recordings_sha256(cohort: PreparedCohort) -> str:
    """One hash of a cohort's ECGs. Neither the place, the order nor the dates of the files change it.

    It is made of recordings, because two simulated cohorts have the same eids.
    """
    return hashlib.sha256(np.sort(_hashes_beside(cohort)["ecg"]).tobytes()).hexdigest()


def read_training(folder: Path) -> dict:
    """A pipeline's training.json: what it says of those who taught it. Empty where there is none.

    Raises:
        InputError: it is damaged.
    """
    path = folder / "training.json"
    if not path.exists():
        return {}
    try:
        about = json.loads(path.read_text(encoding="utf-8"))
        for one in teachers(about):
            for part in PARTS:
                set(one.get("taught", {}).get(part, ()))
            bytes.fromhex(one.get("taught", {}).get("salt", ""))
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise InputError(path, "is damaged", "get the pipeline's folder again: it says who taught it") from error
    return about


def teachers(about: dict) -> list[dict]:
    """What a training.json says of each cohort that taught: its own, then that of the pipeline it began with."""
    found = [about]
    while BEGAN_WITH in found[-1]:
        found.append(found[-1][BEGAN_WITH])
    return found


def is_cohort_of(about: dict, cohort: PreparedCohort) -> bool:
    """Whether a pipeline's training.json (`about`) names this cohort, or a copy of it."""
    return about.get("cohort") == cohort.folder.name or about.get("recordings_sha256") == recordings_sha256(cohort)


def keyed_recordings(cohort: PreparedCohort, extra_ecgs: ECGCohort | None = None) -> dict:
    """Who is about to teach, person by person, for a pipeline's training.json.

    Each recording, an ECG or an image, is hashed with a salt. Whoever holds a recording can ask whether it taught.
    Nobody else learns from the hashes who did: neither ids nor names are in them, and they cannot be tried out. The
    validation people are listed too, because they decide when a training ends. The test people never teach.

    Args:
        extra_ecgs: ECGs of further people; those of their training split teach.
    """
    salt = secrets.token_bytes(16)
    hashes, ecg, image = _hashes_beside(cohort), *_recorded(cohort)
    by_part = {}
    for part in ("train", "validation"):
        rows = cohort.rows(part)
        kept = (hashes["ecg"][rows][ecg[rows]], hashes["heart"][rows][image[rows]])
        by_part[part] = _keyed(np.concatenate(kept), salt)
    if extra_ecgs is not None:
        taught = np.array([split_of(int(eid)) == "train" for eid in extra_ecgs.eid])
        taught &= np.asarray(extra_ecgs.lead_mask).any(axis=1)
        by_part["extra"] = _keyed(row_hashes(extra_ecgs.ecg, extra_ecgs.lead_mask)[taught], salt)
    people = {part: len(cohort.rows(part)) for part in ("train", "validation")}
    keyed = {part: sorted(set(digits)) for part, digits in by_part.items()}
    return {"code": code_sha256(PREPARING), "salt": salt.hex(), "people": people, **keyed}


def made_by_other_code(about: dict) -> bool:
    """Whether a pipeline's training.json is from other preparing code, whose arrays may have other bits."""
    taught = [one["taught"] for one in teachers(about) if "taught" in one]
    return any(one.get("code") != code_sha256(PREPARING) for one in taught)


def who_taught(about: dict, cohort: PreparedCohort, *parts: Part) -> np.ndarray | None:
    """(N,) bool: people of a cohort whose ECG or image taught a pipeline, under whatever eid, in whatever folder.

    All visits of such a person count, by the eid within this cohort. A further visit alone is not recognised. For that
    a hash of the eid would have to be in training.json, and seven digits can be tried out within seconds.

    Args:
        about: the pipeline's training.json; of one that began with another, its own people are found (`teachers`).
        parts: of those who taught; all of PARTS if none is named.

    Returns:
        None where training.json says nothing of single people, as before there were hashes of them.
    """
    taught = about.get("taught")
    if taught is None:
        return None
    known = {digits for part in parts or PARTS for digits in taught.get(part, ())}
    hashes, salt = _hashes_beside(cohort), bytes.fromhex(taught["salt"])
    recorded = _recorded(cohort)
    of_kind = (_keyed(hashes[kind], salt) for kind in ("ecg", "heart"))
    is_known = (np.array([digits in known for digits in keyed], bool) for keyed in of_kind)
    found = np.logical_or(*(known & there for known, there in zip(is_known, recorded, strict=True)))
    eid = np.asarray(cohort.eid)
    return np.isin(eid, eid[found])


def whose_ecg_taught(about: dict, signals: np.ndarray, lead_masks: np.ndarray) -> np.ndarray:
    """(N,) bool: whose ECG taught a pipeline, or the one it began with; nobody where it says nothing of single people.

    Args:
        about: the pipeline's training.json. signals, lead_masks: rows (N, 12, T) and (N, 12) of a cohort's arrays.
    """
    hashes, found = row_hashes(signals, lead_masks), np.zeros(len(signals), bool)
    for taught in (one["taught"] for one in teachers(about) if "taught" in one):
        known = {digits for part in PARTS for digits in taught.get(part, ())}
        found |= np.array([digits in known for digits in _keyed(hashes, bytes.fromhex(taught["salt"]))], bool)
    return found & np.asarray(lead_masks).any(axis=1)


def withdrawn_who_taught(
    about: dict, data: Path | CohortPlaces, preparation: Preparation, exclude: Path | None = None
) -> int:
    """How many people who withdrew taught a pipeline, by their ECGs. Those whose ECG is gone are not counted.

    Args:
        about: the pipeline's training.json; where it says nothing of single people, nobody is found.
        data: the folder in which ECGs and lists of people who withdrew lie. exclude: a further list.
        preparation: the pipeline's.
    """
    places = as_places(data)
    taught = any("taught" in one for one in teachers(about))
    if not taught or not withdrawal_lists(places.data, exclude):
        return 0
    subjects = find_subjects(places)
    withdrawn = withdrawn_eids(places.data, exclude, names_of(subjects))
    gone = {subject.ecg: subject.eid for subject in subjects if subject.eid in withdrawn and subject.ecg}
    return len({gone[path] for path in ecgs_that_taught(about, gone, preparation)})


def ecgs_that_taught(about: dict, ecgs: Iterable[Path], preparation: Preparation) -> list[Path]:
    """Those of some ECGs' files that taught a pipeline, or the one it began with, by their recordings.

    Args:
        about: the pipeline's training.json; where it says nothing of single people, none is found.
        preparation: the pipeline's.
    """
    lists, found = [one["taught"] for one in teachers(about) if "taught" in one], []
    known = [({digits for part in PARTS for digits in one.get(part, ())}, bytes.fromhex(one["salt"])) for one in lists]
    if not known:
        return found
    for path in ecgs:
        with contextlib.suppress(InputError):  # what cannot be read did not teach
            signal, mask = ecg_input(read_ecg(path), preparation.sampling_rate, preparation.duration_s)
            hashes = row_hashes(signal.astype(np.float16)[None], mask[None])
            found += [path] if any(_keyed(hashes, salt)[0] in digits for digits, salt in known) else []
    return found


def _recorded(cohort: PreparedCohort) -> tuple[np.ndarray, np.ndarray]:
    """(N,) bool each: rows with an ECG of any lead, rows with a heart of any slice."""
    return np.asarray(cohort.lead_mask).any(axis=1), np.asarray(cohort.mask).any(axis=(1, 2))


def _keyed(hashes: np.ndarray, salt: bytes) -> list[str]:
    """KEYED_DIGITS digits for each of (N,) hashes."""
    return [hashlib.sha256(salt + value.tobytes()).hexdigest()[:KEYED_DIGITS] for value in hashes]


def in_two_splits(entry: _Entry) -> np.ndarray:
    """(n,) bool: rows whose key stands in more than one split."""
    _, key = np.unique(entry.key, return_inverse=True)
    _, split = np.unique(entry.split, return_inverse=True)
    lowest = np.full(len(key), len(split))
    highest = np.full(len(key), -1)
    np.minimum.at(lowest, key, split)
    np.maximum.at(highest, key, split)
    return (lowest != highest)[key]


def _entries(cohort: PreparedCohort, extra_ecgs: ECGCohort | None) -> list[_Entry]:
    """Persons, ECGs and images of the cohort, with the persons and ECGs of the further people's training split."""
    hashes, where = _hashes_beside(cohort), np.full(len(cohort.eid), cohort.folder.name)
    about = (cohort.split, np.asarray(cohort.eid), np.asarray(cohort.instance), where)
    person = _Entry("person", np.asarray(cohort.eid), *about)
    with_ecg, with_image = _recorded(cohort)
    ecg = _rows(_Entry("ECG", hashes["ecg"], *about), with_ecg)
    image = _rows(_Entry("image", hashes["heart"], *about), with_image)
    if extra_ecgs is not None:
        taught = np.flatnonzero([split_of(int(eid)) == "train" for eid in extra_ecgs.eid])
        eid = np.asarray(extra_ecgs.eid)[taught]
        blank = np.full(len(taught), -1), np.full(len(taught), "further people")  # no visit is known
        about = (np.full(len(taught), "train"), eid, *blank)
        person = _joined(person, _Entry("person", eid, *about))
        with_leads = np.asarray(extra_ecgs.lead_mask)[taught].any(axis=1)
        hashed = row_hashes(extra_ecgs.ecg, extra_ecgs.lead_mask)[taught]
        ecg = _joined(ecg, _rows(_Entry("ECG", hashed, *about), with_leads))
    return [person, ecg, image]


def _rows(entry: _Entry, which: np.ndarray) -> _Entry:
    return _Entry(entry.kind, *(array[which] for array in entry[1:]))


def _joined(one: _Entry, other: _Entry) -> _Entry:
    return _Entry(one.kind, *(np.concatenate(pair) for pair in zip(one[1:], other[1:], strict=True)))


def row_hashes(*arrays: np.ndarray) -> np.ndarray:
    """(N,) hashes of DIGEST_BYTES bytes; hash i is of row i of all arrays."""
    digests = np.empty(len(arrays[0]), dtype=f"V{DIGEST_BYTES}")
    for row in range(len(digests)):
        digest = hashlib.sha256()
        for array in arrays:
            digest.update(np.ascontiguousarray(array[row]).data)
        digests[row] = np.void(digest.digest()[:DIGEST_BYTES])
    return digests


def _hashes_beside(cohort: PreparedCohort) -> np.ndarray:
    """(N,) ROW_HASHES: ecg (a row's strip and its leads) and heart (its voxels and its slices)."""
    path = cohort.folder / HASHES
    hashes = _stored_hashes(path, len(cohort.eid))
    if hashes is not None:
        return hashes
    hashes = np.empty(len(cohort.eid), ROW_HASHES)
    hashes["ecg"] = row_hashes(cohort.ecg, cohort.lead_mask)
    hashes["heart"] = row_hashes(cohort.hearts, cohort.mask)
    with private():
        write_checked(path, hashes)
    return hashes


def _stored_hashes(path: Path, people: int) -> np.ndarray | None:
    """The hashes kept in a file; None where it is absent, damaged, or of other people."""
    hashes = read_checked(path)
    sound = hashes is not None and hashes.dtype == ROW_HASHES and hashes.shape == (people,)
    return hashes if sound else None


def _listed(entry: _Entry) -> Iterator[tuple]:
    """A line of COLUMNS for every row. Lines of one group are the same person or recording."""
    _, group = np.unique(entry.key, return_inverse=True)
    for row in np.argsort(group, kind="stable"):
        who = (entry.folder[row], entry.eid[row], entry.instance[row], entry.split[row])
        yield entry.kind, group[row] + 1, *who
