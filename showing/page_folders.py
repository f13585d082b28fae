"""What open pages keep on disk, and that it goes when they are closed."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Lock

from cohort.errors import InputError


class PageFolders:
    """Folders of the pages that are open, all of them in one.

    Args:
        root: an existing folder. Uploads lie in it, too, in folders of their own.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self._held: dict[str, set[Path]] = {}  # of each open page, the folders of its uploads
        self._lock = Lock()

    def open(self, page: str) -> None:
        """A page is open from now on."""
        with self._lock:
            self._held.setdefault(page, set())

    def hold(self, page: str, uploads: list[Path]) -> None:
        """Remember whose these uploaded files are. A page that is closed by now holds none: they are deleted."""
        folders = {path.parent for path in uploads if self.root in path.parent.parents}
        with self._lock:
            if page in self._held:
                self._held[page] |= folders
            else:
                self._delete(folders)

    @contextmanager
    def drawing(self, page: str) -> Iterator[Path]:
        """A new, empty folder for a page's next heart; the one before is deleted.

        Raises:
            InputError: the page is closed.
        """
        place = self.root / page
        with self._lock:
            if page not in self._held:
                raise InputError("this page", "was closed in between, and its files are deleted", "load it again")
            shutil.rmtree(place, ignore_errors=True)
            place.mkdir()
            folder = Path(tempfile.mkdtemp(dir=place))
        try:
            yield folder
        finally:
            with self._lock:
                if page not in self._held:  # closed while its heart was drawn
                    shutil.rmtree(place, ignore_errors=True)

    def close(self, page: str) -> None:
        """Delete what a page holds. With the last page everything goes, also what was never asked for."""
        with self._lock:
            mine = self._held.pop(page, set())
            shutil.rmtree(self.root / page, ignore_errors=True)
            self._delete(mine)
            if not self._held:
                _empty(self.root)

    def _delete(self, folders: set[Path]) -> None:
        """Delete uploads that no open page holds: two pages with the same file share its folder."""
        for folder in folders.difference(*self._held.values()):
            shutil.rmtree(folder, ignore_errors=True)


def _empty(root: Path) -> None:
    for path in root.iterdir():
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)
