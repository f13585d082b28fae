"""The page as a reader has it: Chromium drops files on it, waits, and looks. Nothing leaves the machine."""

import importlib.util
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from models.segmenter import Segmenter
from phantom.cohort_writer import ecg_path
from tests.browser import BROWSER, needs_browser

pytestmark = [
    needs_browser,
    *(
        pytest.mark.skipif(importlib.util.find_spec(name) is None, reason=f"{name} is not installed ({remedy})")
        for name, remedy in (("gradio", "make app-install"), ("playwright", "make install"))
    ),
]
ROOT = Path(__file__).parents[2]
SETTINGS = ("--samples", "2", "--frames", "5")
PATIENCE_MS = 30_000  # of a busy machine
MOVED = Path(__file__).with_name("film_moves.js").read_text()


@pytest.fixture
def pipeline(beating_pipeline, tmp_path):
    beating_pipeline.register_to_config(steps=1)
    beating_pipeline.save(tmp_path / "pipeline", {"segmenter": Segmenter((8, 16))})
    return tmp_path / "pipeline"


def free_port() -> int:
    with socket.socket() as place:
        place.bind(("127.0.0.1", 0))
        return place.getsockname()[1]


class Served:
    """app.py as a process, whose temporary files lie in one folder."""

    def __init__(self, pipeline: Path, folder: Path) -> None:
        self.kept, self.port = folder / "temporary", free_port()
        self.kept.mkdir()
        command = ["app.py", "--pipeline", str(pipeline), "--port", str(self.port), *SETTINGS]
        environment = os.environ | {"TMPDIR": str(self.kept)}
        streams = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
        self.process = subprocess.Popen([sys.executable, *command], cwd=ROOT, env=environment, **streams)
        self.said = ""
        while "Ctrl-C" not in self.said:
            line = self.process.stdout.readline()
            assert line, self.said
            self.said += line
        self.address = f"http://127.0.0.1:{self.port}"

    def files(self) -> list[Path]:
        """What lies on the disk of pages and uploads; the examples are ours. Folders may vanish meanwhile."""
        found = [Path(folder, name) for folder, _, names in os.walk(self.kept) for name in names]
        return [path for path in found if "examples" not in path.parts]

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        self.said += self.process.communicate(timeout=30)[0]
        return self.process.returncode


@pytest.fixture
def served(pipeline, tmp_path):
    served = Served(pipeline, tmp_path)
    yield served
    if served.process.poll() is None:
        served.stop()


@pytest.fixture
def browser():
    from playwright.sync_api import sync_playwright  # not everywhere

    # Any other host than the page's own leads nowhere.
    rules = "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"
    with sync_playwright() as player:
        browser = player.chromium.launch(executable_path=BROWSER, args=["--no-sandbox", rules])
        yield browser
        browser.close()


def opened(browser, served, width=1280):
    page = browser.new_page(viewport={"width": width, "height": 900})
    page.set_default_timeout(PATIENCE_MS)
    page.asked = []
    page.on("request", lambda request: page.asked.append(request.url))
    page.goto(served.address)
    page.get_by_role("button", name="Draw the heart").wait_for()
    page.wait_for_function("document.querySelector('#age input').value === ''")  # the page has told that it is open
    return page


def drop(page, *paths, field="ecg"):
    with page.expect_response(lambda response: "/upload" in response.url):
        page.set_input_files(f"#{field} input[type=file]", paths)
    page.locator(f"#{field}").get_by_text(Path(paths[0]).suffix).first.wait_for()


def press(page):
    page.get_by_role("button", name="Draw the heart").click()


def moves(page):
    """Whether two frames of the heart's film differ. A browser draws only what is in sight."""
    page.locator("iframe.heart").scroll_into_view_if_needed()
    canvas = page.frame_locator("iframe.heart").locator("#heart")
    canvas.evaluate("canvas => canvas.scrollIntoView({block: 'center'})")
    return canvas.evaluate(MOVED)


def wait_until(true, seconds=20):
    end = time.monotonic() + seconds
    while not true() and time.monotonic() < end:
        time.sleep(0.05)
    return true()


def sampled(pipeline, ecg, output):
    """heart.json of sample.py."""
    command = [sys.executable, "sample.py", "--ecg", ecg, "--pipeline", pipeline, "--output", output, *SETTINGS]
    subprocess.run(list(map(str, command)), cwd=ROOT, check=True, capture_output=True)
    (record,) = output.glob("*/heart.json")
    return json.loads(record.read_text())


def test_an_ecg_is_dropped_and_a_heart_moves_whose_numbers_are_those_of_sample_py(
    browser, served, pipeline, phantom_data, tmp_path
):
    ecg = Path(shutil.copy(ecg_path(phantom_data, 0), tmp_path / "Somebody (1).xml"))
    page = opened(browser, served)
    drop(page, ecg)
    press(page)
    assert moves(page)
    heart = page.frame_locator("iframe.heart")
    assert page.locator("iframe.heart").get_attribute("sandbox") == "allow-scripts"
    link = page.locator("#files a[download='heart.json']").get_attribute("href")
    record, theirs = page.request.get(link).json(), sampled(pipeline, ecg, tmp_path / "out")
    assert record == theirs and record["phenotypes"]["LVEDV"]["mean"] is not None
    assert f"{record['phenotypes']['LVEDV']['mean']:.0f}" in heart.locator("body").inner_text()
    assert page.locator("#said").inner_text().startswith("Drawn in ") and "warnings stand first" in page.inner_text(
        "#said"
    )
    hosts = {urlsplit(url).hostname for url in page.asked if urlsplit(url).scheme not in ("data", "blob")}
    assert hosts == {"127.0.0.1"}
    assert served.files()
    page.close()
    assert wait_until(lambda: not served.files()), served.files()
    assert served.stop() == 130 and list(served.kept.iterdir()) == []
    assert "Somebody" not in served.said and str(tmp_path) not in served.said.replace(str(pipeline), "")


def test_on_a_phone_a_bad_file_is_refused_in_words_and_a_simulated_patient_is_drawn(browser, served, tmp_path):
    page = opened(browser, served, width=390)
    (tmp_path / "a visit's notes.xml").write_text("<html><body>no ECG</body></html>")
    drop(page, tmp_path / "a visit's notes.xml")
    press(page)
    page.get_by_role("alert").wait_for()
    said = page.get_by_role("alert").inner_text()
    assert said.startswith("Refused: a visit's notes.xml: it is HTML") and str(tmp_path) not in said
    assert "Traceback" not in page.inner_text("body") and page.locator("iframe.heart").count() == 0
    page.get_by_label("Simulated").first.check()
    page.wait_for_function("document.querySelector('#age input').value !== ''")
    assert page.get_by_role("alert").count() == 0  # the refusal was of the file before
    press(page)
    assert moves(page)
    root = "document.documentElement"
    assert page.evaluate(f"{root}.scrollWidth - {root}.clientWidth") == 0
    page.fill("#age input", "900")
    press(page)
    page.get_by_role("alert").wait_for()
    other = opened(browser, served)  # somebody else's ECG takes over nothing of the patient before
    (tmp_path / "next.xml").write_text("no ECG")
    drop(page, tmp_path / "next.xml")
    page.wait_for_function("document.querySelector('#age input').value === ''")
    assert not page.get_by_label("Simulated").first.is_checked() and page.get_by_role("alert").count() == 0
    assert other.locator("iframe.heart").count() == 0
    assert served.stop() == 130 and list(served.kept.iterdir()) == []  # stopped while two pages are open
    assert served.said.endswith("\nstopped; nothing that was dropped is left on the disk\n")
