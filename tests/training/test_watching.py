"""A training that can be watched: the plan, plain lines where there is no terminal, and the page of curves."""

import io
import json
import re
import sys
from html.parser import HTMLParser

import pytest
from accelerate import Accelerator
from PIL import Image

import training.progress
from tests.training.test_fit import RECIPE, evaluate, loss_of, network
from training.fit import Task, fit
from training.metrics import read_metrics
from training.plan import Plan, in_words
from training.progress import Progress
from training.run import Run
from training.session import Session
from training.stages import LEARNING, STAGES
from training.training_page import MOST_POINTS, TrainingPage, curves_of

NASTY = "<script>alert(1)</script>"


class Clock:
    """A clock that a step moves on by so many seconds."""

    def __init__(self, monkeypatch, seconds=10.0):
        self.now, self.seconds = 0.0, seconds
        monkeypatch.setattr(training.progress.time, "monotonic", self.read)

    def read(self):
        return self.now

    def tick(self):
        self.now += self.seconds


class Terminal(io.StringIO):
    def isatty(self):
        return True


def steps(progress, clock, first, last):
    for done in range(first + 1, last + 1):
        clock.tick()
        progress.step(done)


# ---- The plan ----


def test_the_plan_says_where_a_training_stands_and_invents_no_speed():
    plan = Plan({"ceiling": 0, "condition": 100, "denoiser": 1000})
    assert plan.line("condition") == "stage 2 of 3: condition, time left not known yet for condition, denoiser"
    plan.timed("condition", 60, 2.0)
    assert plan.line("condition") == "stage 2 of 3: condition, about 2 min left in it, not known yet for denoiser"
    plan.timed("denoiser", 1000, 2.4)
    assert plan.line("condition") == "stage 2 of 3: condition, about 42 min left in all"
    assert plan.line("denoiser") == "stage 3 of 3: denoiser, about 40 min left in all"
    plan.leave_out("condition")
    assert plan.place("denoiser") == "stage 2 of 2: denoiser"
    plan.timed("denoiser", 0, 2.4)
    assert plan.line("denoiser") == "stage 2 of 2: denoiser, nothing left to learn"


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(20, "less than a minute"), (2400, "about 40 min"), (12_000, "about 3 h 20 min"), (7200, "about 2 h")],
)
def test_times_are_said_as_one_says_them(seconds, words):
    assert in_words(seconds) == words


def test_the_stages_that_learn_are_stages_in_their_order():
    assert [name for name in STAGES if name in LEARNING] == list(LEARNING)


# ---- Lines and bars ----


def test_without_a_terminal_there_is_a_plain_line_about_every_half_minute(monkeypatch, capsys):
    clock = Clock(monkeypatch)
    progress = Progress(Plan({"condition": 30, "denoiser": 5}), "condition", 10, 40)
    progress.metrics({"code_loss": 0.5, "learning_rate": 1.0})
    steps(progress, clock, 10, 17)
    progress.close()
    assert capsys.readouterr().err.splitlines() == [
        f"stage 1 of 2: condition, step {done} of 40, code loss 0.500, {left} left in it, not known yet for denoiser"
        for done, left in ((13, "about 4 min"), (16, "about 4 min"))
    ]


def test_a_terminal_has_a_bar_and_no_lines(monkeypatch):
    clock = Clock(monkeypatch)
    monkeypatch.setattr(sys, "stderr", Terminal())
    progress = Progress(Plan({"condition": 8}), "condition", 0, 8)
    steps(progress, clock, 0, 8)
    progress.close()
    assert "\r" in sys.stderr.getvalue() and "8/8" in sys.stderr.getvalue() and "step 8 of" not in sys.stderr.getvalue()


def test_another_process_tells_nothing(monkeypatch, capsys):
    clock = Clock(monkeypatch)
    steps(Progress(Plan({"condition": 30}), "condition", 0, 30, shown=False), clock, 0, 30)
    assert capsys.readouterr() == ("", "")


# ---- The page ----


class Reader(HTMLParser):
    def __init__(self):
        super().__init__()
        self.text, self.tags, self.loads, self.refresh = "", [], [], None

    def handle_starttag(self, tag, attrs):
        known = dict(attrs)
        self.tags.append(tag)
        self.loads += [known[name] for name in ("src", "href", "action") if name in known]
        if known.get("http-equiv") == "refresh":
            self.refresh = known["content"]

    def handle_data(self, data):
        self.text += data


def read(path):
    source, reader = path.read_text(), Reader()
    assert source.endswith("</html>\n") and "://" not in source
    reader.feed(source)
    return reader


def test_a_tiny_training_leaves_a_whole_page_that_renews_itself(tmp_path):
    seen = []

    def evaluated(module, step):
        seen.append((tmp_path / "run" / "index.html").is_file())
        return evaluate(module, step)

    fit(
        Task("test", network(), loss_of, evaluated),
        Session(Run(tmp_path / "run", {}), RECIPE, Accelerator(cpu=True), seed=0),
    )
    assert seen == [False, True, True, True, True, True]  # from the first evaluation on
    page = read(tmp_path / "run" / "index.html")
    assert page.refresh == "30" and page.loads == [] and page.tags.count("svg") == 4
    assert "test, step 60 of 60" in page.text and "validation error" in page.text and "gradient norm" in page.text
    assert not re.search(r"[a-z]_[a-z]", page.text.split("Training")[-1])
    assert not list(tmp_path.rglob(".partial*"))
    newest = json.loads((tmp_path / "run" / "metrics.jsonl").read_text().splitlines()[-1])["validation_error"]
    assert f"{newest:.4g}" in page.text


def test_a_line_that_cannot_be_read_breaks_neither_page_nor_training(tmp_path):
    good = json.dumps({"step": 10, "loss": 0.25})
    broken = ["{", "[]", '{"loss": 1}', '{"step": "x", "loss": 1}', '{"step": NaN}', "7", "[" * 100_000]
    tmp_path.joinpath("metrics.jsonl").write_bytes(
        "\n".join([good, *broken]).encode() + b'\n\xff\xfe\n{"step": 20, "lo'
    )
    lines, unreadable = read_metrics(tmp_path)
    assert lines == [{"step": 10, "loss": 0.25}] and unreadable == len(broken) + 2
    page = TrainingPage(tmp_path, {"test": tmp_path})
    page.write()
    assert f"are left out: {len(broken) + 2}" in read(tmp_path / "index.html").text
    session = Session(Run(tmp_path, {}), RECIPE, Accelerator(cpu=True), seed=0)
    fit(Task("test", network(), loss_of, evaluate), session)
    assert read_metrics(tmp_path)[1] == 0 and "left out" not in read(tmp_path / "index.html").text


def test_the_page_shows_all_stages_and_the_newest_grid_and_ends(tmp_path):
    (tmp_path / "samples").mkdir()
    for step, grey in ((250, 10), (500, 200)):
        Image.new("L", (4, 4), grey).save(tmp_path / "samples" / f"step_{step:06d}.png")
    (tmp_path / "one").mkdir()
    (tmp_path / "one" / "metrics.jsonl").write_text(json.dumps({"step": 1, f"{NASTY}_loss": 0.5}) + "\n")
    page = TrainingPage(tmp_path, {NASTY: tmp_path / "one", "absent": tmp_path / "absent"})
    page.write(now=NASTY)
    shown = read(tmp_path / "index.html")
    assert "script" not in shown.tags and shown.text.count(NASTY) == 3 and "absent" not in shown.text
    assert "step 000500" in shown.text and [load[:22] for load in shown.loads] == ["data:image/png;base64,"]
    assert re.search(r"\.grid \{[^}]*max-width: 100%", (tmp_path / "index.html").read_text()), "half a grid is shown"
    page.write(finished=True)
    assert read(tmp_path / "index.html").refresh is None


def test_a_curve_runs_from_the_first_step_to_the_newest_value():
    (curve,) = curves_of([{"step": 0, "loss": 3.0}, {"step": 5, "loss": 2.0}, {"step": 10, "loss": 1.0}])
    assert curve["line"] == "0.0,0.0 160.0,60.0 320.0,120.0" and curve["newest"] == "1" and curve["last"] == "10"
    (long,) = curves_of([{"step": step, "loss": 1.0} for step in range(10_001)])
    points = long["line"].split()
    assert len(points) <= MOST_POINTS + 1 and points[-1].startswith("320.0,")
