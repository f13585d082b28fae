"""What lies in a folder, links followed: reading leads nowhere out, and where a link leads is its owner's choice."""

import errno
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from cohort.errors import InputError
from cohort.passed_over import PassedOver

NOWHERE, CIRCLE = "links that lead nowhere", "links that lead in a circle"
CLOSED, SPECIAL = "links that cannot be followed", "pipes, sockets or devices"


class FolderEntry(NamedTuple):
    """A regular file or a folder, or a link to one. `name` and `path` are the link's own."""

    name: str
    path: str
    is_folder: bool


def folder_entries(folder: str, above: tuple[str, ...], passed: PassedOver, root: str) -> Iterator[FolderEntry]:
    """Entries in no order, without hidden ones. Links that lead nowhere or back, and specials, are passed over.

    Args:
        above: the folders on the way here, this one included. A link to one of them, or to what holds
            them, would lead in a circle.
        passed: what is passed over is counted there, by its path below `root`.

    Raises:
        InputError: the folder cannot be listed.
    """
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.name[0] == ".":
                    continue
                is_folder, fault = _followed(entry, above)
                if fault:
                    passed.add(fault, entry.path.removeprefix(root).lstrip(os.sep))
                else:
                    yield FolderEntry(entry.name, entry.path, is_folder)
    except OSError as error:
        raise InputError(folder, f"cannot be listed ({error.strerror})", "check its permissions") from error


def _followed(entry: os.DirEntry, above: tuple[str, ...]) -> tuple[bool, str]:
    """Whether it is a folder in the end, and why it cannot be looked at; "" where it can."""
    if not entry.is_symlink():
        is_folder = entry.is_dir(follow_symlinks=False)
        return is_folder, "" if is_folder or entry.is_file(follow_symlinks=False) else SPECIAL
    try:
        about = os.stat(entry.path)  # noqa: PTH116 (making 40,000 Paths takes half a second)
    except OSError as error:
        faults = {errno.ELOOP: CIRCLE, errno.ENOENT: NOWHERE, errno.ENOTDIR: NOWHERE}
        return False, faults.get(error.errno, CLOSED)
    if stat.S_ISREG(about.st_mode):
        return False, ""
    if not stat.S_ISDIR(about.st_mode):
        return False, SPECIAL
    target = Path(entry.path)
    holds_us = Path(above[-1]).resolve().is_relative_to(target.resolve())
    return True, CIRCLE if holds_us or any(target.samefile(folder) for folder in above) else ""
