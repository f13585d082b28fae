"""Files that tell of single people are for their owner, and for the owner's group where it is let in."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

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
    """Let the owner's group read a folder and all in it. Links are left as they are."""
    for path in (folder, *folder.rglob("*")):
        if not path.is_symlink():
            mode = path.stat().st_mode
            path.chmod(mode | (mode & 0o500) >> 3)
