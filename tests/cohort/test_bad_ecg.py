"""Rows A2 and A3: what an ECG file means is read right or refused by name; mutated files do nothing else either."""

import pytest

from cohort.ecg import read_ecg
from cohort.errors import InputError
from cohort.quality import quality_flags
from tests.corpora.case import CANARY, verdict
from tests.corpora.ecg_corpus import ecg_cases, read_case
from tests.corpora.mutations import bases, mutated

CASES = ecg_cases()


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_an_ecg_is_right_to_a_microvolt_or_refused_by_name(tmp_path, case):
    assert verdict(case, case.write(tmp_path), read_case) == ""


def test_the_corpus_is_as_large_as_promised_and_names_every_case_once():
    assert len(CASES) >= 45 and len({case.name for case in CASES}) == len(CASES)


def test_mutated_files_are_read_or_refused_and_nothing_else(tmp_path):
    originals, path, read = bases(), tmp_path / "case.xml", 0
    for number in range(500):
        path.write_bytes(mutated(originals[number % len(originals)], number))
        try:
            ecg = read_ecg(path, allow_missing_leads=number % 2 == 0)
        except InputError as refusal:
            assert CANARY not in str(refusal), number
        else:
            read += 1
            assert ecg.signal.shape[0] == 12 and isinstance(quality_flags(ecg), list), number
    assert 10 < read < 490  # changes that all break, or never, would test little


def test_what_the_mutations_start_from_is_sound(tmp_path):
    for content in bases():
        (tmp_path / "case.xml").write_bytes(content)
        assert read_ecg(tmp_path / "case.xml").signal.shape == (12, 500)
