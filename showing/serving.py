"""Serve the page until the command is stopped; then nothing of it is left on the disk."""

import hmac
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event

from cohort.errors import InputError

from .artist import Artist
from .examples import write_examples
from .layout import STYLE, THEME, layout
from .options import ShowOptions
from .page_folders import PageFolders

LARGEST_UPLOAD = "1gb"  # a zip of a heart study has some 100 MB
LONGEST_QUEUE = 20  # pages that wait for their heart


@contextmanager
def all_in_one_folder() -> Iterator[Path]:
    """A folder for whatever this process and gradio write, which is deleted at the end; gradio is told to be quiet.

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


@contextmanager
def served(artist: Artist, options: ShowOptions) -> Iterator[str]:
    """Serve the page while the caller goes on.

    Yields:
        Its address.

    Raises:
        InputError: the port is taken, or the password's file is refused.
    """
    word = options.password()
    with all_in_one_folder() as pages:
        examples = write_examples(pages.parent / "examples") if options.examples else []
        page = layout(artist, PageFolders(pages), examples).queue(max_size=LONGEST_QUEUE)
        try:
            _, address, _ = page.launch(
                server_name=options.host,
                server_port=options.port,
                auth=None if word is None else lambda _, given: hmac.compare_digest(given.encode(), word.encode()),
                auth_message="Any name, and the password.",
                theme=THEME,
                css=STYLE,
                max_file_size=LARGEST_UPLOAD,
                share=False,
                quiet=True,
                inbrowser=False,
                show_error=False,
                ssr_mode=False,
                pwa=False,
                mcp_server=False,
                enable_monitoring=False,
                run_history=False,
                footer_links=[],
                prevent_thread_lock=True,
            )
        except OSError:
            fault = f"{options.port} is taken by another program"
            raise InputError("--port", fault, "give another number") from None
        try:
            yield address
        finally:
            page.close(verbose=False)


def serve(artist: Artist, options: ShowOptions) -> None:
    """Serve the page until a signal stops the command."""
    with served(artist, options) as address:
        print(f"the page: {address}")
        if not options.is_local:
            print("note: everybody on this network may use it who has the password. What they send is not encrypted")
        print("Ctrl-C ends it; then nothing that was dropped is left on the disk", flush=True)
        while not Event().wait(3600):  # a signal raises KeyboardInterrupt
            pass
