"""Row A8: damaged, hostile and unusual DICOM is read exactly or refused by name."""

import pytest

from tests.corpora.case import verdict
from tests.corpora.dicom_corpus import dicom_cases, read_case

CASES = dicom_cases()


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_a_study_is_read_exactly_or_refused_by_name(tmp_path, case):
    assert verdict(case, case.write(tmp_path), read_case) == ""


def test_the_corpus_is_as_large_as_promised_and_names_every_case_once():
    names = [case.name for case in CASES]
    assert len(CASES) >= 80 and len(set(names)) == len(names)
