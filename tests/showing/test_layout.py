"""The page before anybody does anything: what its fields say."""

from pathlib import Path

import pytest

from cohort.person import Person
from showing.examples import CHOSEN, Example

pytest.importorskip("gradio", reason="gradio is not installed (make app-install)")


def test_the_simulated_patients_say_that_choosing_one_fills_in_the_person(tmp_path):
    from showing.layout import layout
    from showing.page_folders import PageFolders

    examples = [Example("Simulated woman of 60, healthy", Path("a.xml"), Person("female", 60.0, 165.0, 65.0))]
    fields = layout(None, PageFolders(tmp_path), examples).get_config_file()["components"]
    (choice,) = [field["props"] for field in fields if field["props"].get("elem_id") == "example"]
    assert choice["choices"][0][0] == "Simulated woman of 60, healthy"
    assert "fills in sex, age, height and weight" in choice["info"] and CHOSEN in choice["info"]


def test_a_heart_is_titled_as_its_example_and_its_record_is_no_dead_link():
    from showing.layout import heart_html

    page = '<p><a href="heart.json">heart.json</a> beside this page holds all</p>'
    shown = heart_html(page, "Simulated man, <healthy>")
    assert shown.startswith("<h2>Simulated man, &lt;healthy&gt;</h2><iframe") and "href" not in shown
    assert "heart.json, among the files to keep, holds all" in shown and heart_html(page).startswith("<iframe")
