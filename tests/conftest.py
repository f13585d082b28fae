"""Fixtures shared by the rooms: where the real files are, if they are here at all."""

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def real_files() -> Path:
    """The folder of real ECGs and a real cine; tests that need it are marked `real`."""
    folder = Path(os.environ.get("REAL_FILES", Path(__file__).parents[2] / "shared" / "real"))
    if not folder.is_dir():
        pytest.skip(f"no real files at {folder}; set REAL_FILES to try the code on them")
    return folder
