"""A report as files: report.json, report.html, and the numbers in the pipeline's model card."""

import hashlib
import json
from pathlib import Path

from cohort.disk import known_only, write_json, writing
from cohort.lock import locked
from sampling.additions import adding_to
from sampling.model_card import add_figures, people_of_figures

from .page import write_page
from .screen_table import table_of
from .verdicts import FEW_PEOPLE, verdicts

MADE_THEN = {"seconds": None, "date": None, "command": None}  # these alone make no other report
STUDY = ("cohort", "split", "n_subjects", "pipeline", "measurements")  # in a report: what tells studies apart


def write_report(output: Path, pipeline: Path, report: dict, pictures: dict[str, bytes]) -> None:
    """Write a report, and show its table and verdicts on screen. The report of another study is kept beside it.

    The same report is left as it is.

    Args:
        output: folder for report.json and report.html.
        pipeline: a pipeline's folder; its model card keeps the numbers of the largest study.
        pictures: PNG by name (evaluation.study_report.pictures_of).
    """
    with locked(output / "report"):  # two evaluations at once would mix numbers and page
        keep_other(output, report)
        if is_written(output, report):
            print(f"finished: {output} holds this report, and was not changed")
        else:
            write_json(output / "report.json", known_only(report))
            write_page(output / "report.html", report, pictures)
    if says_less(pipeline, report):
        with adding_to(pipeline, report["weights_sha256"]):
            if says_less(pipeline, report):  # another evaluation may have been first
                add_figures(pipeline, report)
    if report["n_subjects"] >= FEW_PEOPLE:
        print(table_of(report))
    for sentence in verdicts(report):
        print(f"- {sentence}")
    print(f"report: {output / 'report.json'}, {output / 'report.html'}")


def says_less(pipeline: Path, report: dict) -> bool:
    """Whether a pipeline has a model card, and its figures are of no more people than this report's."""
    return (pipeline / "README.md").exists() and report["n_subjects"] >= people_of_figures(pipeline)


def keep_other(output: Path, report: dict) -> None:
    """Rename the report of another study in a folder, by the key of what it measured, so that it is not lost."""
    path = output / "report.json"
    if not path.exists():
        return
    earlier = study_of(path)
    if earlier == tuple(report.get(name) for name in STUDY):
        return
    name = f"report-{hashlib.sha256(repr(earlier).encode()).hexdigest()[:12]}"
    with writing(output):
        for ending in (".json", ".html"):
            if (output / f"report{ending}").exists():
                (output / f"report{ending}").replace(output / f"{name}{ending}")
    print(f"note: {path} was of another study; it is {name}.json now")


def is_written(output: Path, report: dict) -> bool:
    """Whether a folder holds this very report. When, by which command and in how many seconds does not count."""
    try:
        stored = json.loads((output / "report.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    new = json.loads(json.dumps(known_only(report)))
    same = isinstance(stored, dict) and stored | MADE_THEN == new | MADE_THEN
    return same and (output / "report.html").is_file()


def study_of(path: Path) -> tuple:
    """What names the study of a report; nothing but None where it does not say."""
    try:
        stored = json.loads(path.read_text(encoding="utf-8"))
        return tuple(stored.get(name) for name in STUDY)
    except (OSError, ValueError, AttributeError):
        return (None,) * len(STUDY)
