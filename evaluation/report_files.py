"""A report as files: report.json, report.html, and the numbers in the pipeline's model card."""

from pathlib import Path

from cohort.disk import write_json
from sampling.model_card import add_figures, people_of_figures

from .page import write_page
from .screen_table import table_of
from .verdicts import FEW_PEOPLE, verdicts


def write_report(output: Path, pipeline: Path, report: dict, pictures: dict[str, bytes]) -> None:
    """Write a report, and show its table and verdicts on screen.

    Args:
        output: folder for report.json and report.html.
        pipeline: a pipeline's folder; its model card keeps the numbers of the largest study.
        pictures: PNG by name (evaluation.study_report.pictures_of).
    """
    write_json(output / "report.json", without_nan(report))
    write_page(output / "report.html", report, pictures)
    if (pipeline / "README.md").exists() and report["n_subjects"] >= people_of_figures(pipeline):
        add_figures(pipeline, report)
    if report["n_subjects"] >= FEW_PEOPLE:
        print(table_of(report))
    for sentence in verdicts(report):
        print(f"- {sentence}")
    print(f"report: {output / 'report.json'}, {output / 'report.html'}")


def without_nan(content: object) -> object:
    """The same with None in place of NaN, which JSON does not know."""
    if isinstance(content, dict):
        return {key: without_nan(value) for key, value in content.items()}
    if isinstance(content, list):
        return [without_nan(value) for value in content]
    return None if isinstance(content, float) and content != content else content
