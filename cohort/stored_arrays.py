"""Arrays on disk that are opened only as they were written."""

import json
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from cohort.content import content_hashes
from cohort.disk import write_json
from cohort.errors import InputError

ABOUT, CHECKED = "prepared.json", "checked.npy"
PREPARE_AGAIN = "delete the folder that holds it; the same command prepares it anew"


def write_about(folder: Path, names: Iterable[str], about: dict) -> None:
    """Write what a folder's arrays are, with the hash of each. It comes last: where it is, the arrays are whole.

    Args:
        names: of the arrays, without ".npy". about: how they were made, as JSON can hold it.
    """
    names = sorted(names)
    contents = content_hashes([folder / f"{name}.npy" for name in names])
    hashes = {name: content.item().hex() for name, content in zip(names, contents, strict=True)}
    write_json(folder / ABOUT, about | {"arrays": hashes})


def read_about(folder: Path) -> dict:
    """What `write_about` wrote.

    Raises:
        InputError: it is absent, damaged, or another user's.
    """
    path = folder / ABOUT
    try:
        about = json.loads(path.read_text(encoding="utf-8"))
    except PermissionError as error:
        remedy = "ask its owner to run python -m cohort.private on the folder, or prepare your own with --prepared"
        raise InputError(path, "is not for you to read", remedy) from error
    except (OSError, ValueError) as error:
        raise InputError(path, "is absent or damaged", PREPARE_AGAIN) from error
    if not (isinstance(about, dict) and about):
        raise InputError(path, "is damaged", PREPARE_AGAIN)
    return about


def array_sha256(folder: Path, name: str) -> str:
    """Hexadecimal digits of a hash of what a folder's array held when it was written.

    An array from before there were hashes is read whole.
    """
    hashes = read_about(folder).get("arrays", {})
    return hashes.get(name) or content_hashes([folder / f"{name}.npy"])[0].item().hex()


def open_arrays(folder: Path, about: dict, in_memory: Iterable[str] = (), whole: bool = False) -> dict[str, np.ndarray]:
    """The arrays of a folder by name, mapped from the disk, if they hold what was written.

    An array is read whole where its file has changed in size, time or place since it was last read. A folder from
    before there were hashes has none to check.

    Args:
        about: of `read_about`. in_memory: names of those to load. whole: read all of them again.

    Raises:
        InputError: an array is absent, or holds something else.
    """
    hashes = about.get("arrays", {})
    paths = {name: folder / f"{name}.npy" for name in hashes}
    contents = content_hashes(list(paths.values()), None if whole else folder / CHECKED)
    for (name, path), content in zip(paths.items(), contents, strict=True):
        if content.item().hex() != hashes[name]:
            raise InputError(path, "is absent, or holds something else than was prepared", PREPARE_AGAIN)
    paths = paths or {path.stem: path for path in folder.glob("*.npy")}
    return {name: _opened(path, None if name in in_memory else "r") for name, path in paths.items()}


def _opened(path: Path, mode: str | None) -> np.ndarray:
    try:
        return np.load(path, mmap_mode=mode)
    except (OSError, ValueError, EOFError) as error:
        raise InputError(path, "is absent or damaged", PREPARE_AGAIN) from error
