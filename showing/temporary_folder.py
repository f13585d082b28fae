"""One folder for whatever a process writes in passing, so that nothing of it is left."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def temporary_folder() -> Iterator[Path]:
    """A folder for whatever this process and gradio write, which is deleted at the end.

    gradio asks for its folder when it is imported: import it within.

    Yields:
        The folder of uploads.
    """
    before, told = tempfile.tempdir, {name: os.environ.get(name) for name in ("GRADIO_TEMP_DIR", "TMPDIR")}
    with tempfile.TemporaryDirectory(prefix="ecg-to-mri-", ignore_cleanup_errors=True) as folder:
        pages, parts = Path(folder).resolve() / "pages", Path(folder).resolve() / "parts"
        for place in (pages, parts):
            place.mkdir()
        tempfile.tempdir = str(parts)  # of uploads that are still under way
        os.environ |= {"GRADIO_TEMP_DIR": str(pages), "TMPDIR": str(parts)}
        try:
            yield pages
        finally:
            tempfile.tempdir = before
            for name, value in told.items():
                os.environ.pop(name) if value is None else os.environ.update({name: value})
