"""Row A7: whatever an ECG is called, and whatever links lie about, nothing is written outside the output folder."""

import pytest

from tests.corpora.names import (
    INPUT_LINKS,
    LINKS,
    PATHS,
    refuses_what_is_no_ecg,
    strays,
    strays_through,
    strays_when_read,
)


@pytest.mark.parametrize("text", PATHS, ids=range(len(PATHS)))
def test_a_name_stays_in_the_output_folder(tmp_path, text):
    assert strays(text, tmp_path) == ""


@pytest.mark.parametrize("text", PATHS, ids=range(len(PATHS)))
def test_a_path_that_is_no_ecg_is_refused_in_one_line(tmp_path, text):
    assert refuses_what_is_no_ecg(text, tmp_path) == ""


@pytest.mark.parametrize("link", LINKS)
def test_no_link_leads_out_of_the_output_folder(tmp_path, link):
    assert strays_through(link, tmp_path) == ""


@pytest.mark.parametrize("link", INPUT_LINKS)
def test_reading_by_way_of_a_link_ends_and_writes_nothing(tmp_path, link):
    assert strays_when_read(link, tmp_path) == ""
