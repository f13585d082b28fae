"""Files that tell of single people are for their owner, and for the owner's group where it is let in.

python -m cohort.private runs/prepared/UKBB-0123456789ab        lets the group read this cohort
"""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import tyro

from cohort.errors import InputError, exit_code_of

OTHERS = 0o077  # the group and everybody else


@contextmanager
def private() -> Iterator[None]:
    """Within it, new files and folders can be opened by their owner alone (0600, 0700)."""
    before = os.umask(OTHERS)
    try:
        yield
    finally:
        os.umask(before)


def let_the_group_read(folder: Path) -> None:
    """Let the owner's group read a folder and all in it. Links are left as they are.

    Raises:
        InputError: the folder is another user's.
    """
    for path in (folder, *folder.rglob("*")):
        mode = path.lstat().st_mode
        wanted = mode | (mode & 0o500) >> 3
        if wanted != mode and not path.is_symlink():
            try:
                path.chmod(wanted)
            except OSError as error:
                raise InputError(path, "cannot be opened to the group", "ask whoever owns it") from error


def main(folder: tyro.conf.Positional[Path]) -> None:
    """Let the owner's group read a folder and all in it.

    Args:
        folder: of prepared arrays, which only their owner can open at first.
    """
    if not folder.is_dir():
        raise InputError(folder, "is not a folder", "name one below the folder given with --prepared")
    let_the_group_read(folder)
    print(f"{folder}: your group can read it now")


if __name__ == "__main__":
    sys.exit(exit_code_of(lambda: tyro.cli(main, prog="python -m cohort.private")))
