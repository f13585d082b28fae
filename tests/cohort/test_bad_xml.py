"""Row A1: hostile, damaged and unusual XML is read right or refused by name. Cost: tests/torture/input_xml.py."""

import pytest

from cohort.ecg import read_ecg
from tests.corpora.case import verdict
from tests.corpora.xml_corpus import xml_cases

CASES = xml_cases()


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_xml_is_read_right_or_refused_by_name(tmp_path, case):
    assert verdict(case, case.write(tmp_path), read_ecg) == ""


def test_the_corpus_is_as_large_as_promised_and_names_every_case_once():
    assert len(CASES) >= 60 and len({case.name for case in CASES}) == len(CASES)
