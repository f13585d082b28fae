"""Serve the page until the command is stopped; then nothing of it is left on the disk."""

import hmac
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event

from cohort.errors import InputError

from .artist import Artist
from .examples import write_examples
from .layout import SCREEN_READERS, STYLE, THEME, layout
from .options import ShowOptions
from .page_folders import PageFolders

LARGEST_UPLOAD = "1gb"  # a zip of a heart study has some 100 MB
LONGEST_QUEUE = 20  # pages that wait for their heart


@contextmanager
def served(artist: Artist, options: ShowOptions, uploads: Path) -> Iterator[str]:
    """Serve the page while the caller goes on.

    Args:
        uploads: the folder of `showing.temporary_folder`.

    Yields:
        Its address.

    Raises:
        InputError: the port is taken, or the password's file is refused.
    """
    word = options.password()
    examples = write_examples(uploads.parent / "examples") if options.examples else []
    page = layout(artist, PageFolders(uploads), examples).queue(max_size=LONGEST_QUEUE)
    try:
        _, address, _ = page.launch(
            server_name=options.host,
            server_port=options.port,
            auth=None if word is None else lambda _, given: hmac.compare_digest(given.encode(), word.encode()),
            auth_message="Any name, and the password.",
            theme=THEME,
            css_paths=STYLE,
            i18n=SCREEN_READERS,
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


def serve(artist: Artist, options: ShowOptions, uploads: Path) -> None:
    """Serve the page until a signal stops the command; arguments and errors as of `served`."""
    with served(artist, options, uploads) as address:
        print(f"the page: {address}")
        if not options.is_local:
            print("note: everybody on this network may use it who has the password. What they send is not encrypted")
        print("Ctrl-C ends it; then nothing that was dropped is left on the disk", flush=True)
        while not Event().wait(3600):  # a signal raises KeyboardInterrupt
            pass
