"""The browser of the tests: Debian's Chromium, or Chrome. Where there is none, tests are skipped by name."""

import shutil

import pytest

BROWSER = shutil.which("chromium") or shutil.which("google-chrome")
needs_browser = pytest.mark.skipif(BROWSER is None, reason="neither chromium nor google-chrome is installed")
