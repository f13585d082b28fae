"""Row A4: damaged, hostile and unusual NIfTI files are read exactly or refused by name, in little memory."""

import tracemalloc

import pytest

from tests.corpora.case import verdict
from tests.corpora.nifti_corpus import FLIPS, bomb_cases, flipped_bits, nifti_cases, read_case

CASES, BOMBS = nifti_cases(), bomb_cases()


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_a_file_is_read_exactly_or_refused_by_name(tmp_path, case):
    assert verdict(case, case.write(tmp_path), read_case) == ""


@pytest.mark.parametrize("case", BOMBS, ids=[case.name for case in BOMBS])
def test_a_bomb_does_not_go_off(tmp_path, case):
    assert verdict(case, case.write(tmp_path), read_case) == ""


@pytest.mark.parametrize("name", ["4 GB of zeros behind a sound file", "160 MB of labels, float32"])
def test_a_bomb_takes_little_memory(tmp_path, name):
    """Of the other bombs, and their time, tests/torture/input_nifti.py."""
    case = next(case for case in BOMBS if case.name == name)
    path = case.write(tmp_path)
    tracemalloc.start()
    said = verdict(case, path, read_case)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert said == "" and peak < 300e6


def test_the_corpus_is_as_large_as_promised_and_names_every_case_once():
    names = [case.name for case in CASES + BOMBS]
    assert len(CASES) >= 70 and len(set(names)) == len(names)


def test_no_flipped_bit_gives_another_image(tmp_path):
    refused, same, other = flipped_bits(tmp_path)
    assert other == 0 and refused + same == FLIPS and refused > 0.95 * FLIPS
