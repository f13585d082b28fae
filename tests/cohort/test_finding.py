"""Many remarks are told in few lines, in words a person reads."""

import pytest

from cohort.finding import told_together

ABSENT = "frames of {} of {} slices are absent: the nearest ones are repeated"


@pytest.mark.parametrize(
    ("remarks", "told"),
    [
        ([ABSENT.format(2, 10)], ABSENT.format(2, 10)),
        ([ABSENT.format(3, 10), ABSENT.format(1, 10)], ABSENT.format("1 to 3", 10)),
        (["it lasts 8.0 s, not 10 s", "it lasts 7.5 s, not 10 s"], "it lasts 7.5 to 8.0 s, not 10 s"),
        (["a {brace} of 2", "a {brace} of 9"], "a (brace) of 2 to 9"),
    ],
)
def test_remarks_that_differ_in_numbers_are_one_sentence_with_the_numbers_span(remarks, told):
    assert told_together(enumerate(remarks)) == [(len(remarks), told)]


def test_a_person_counts_once_names_are_no_numbers_and_what_most_have_comes_first():
    remarks = [(1, "V2 is flat"), (1, "slice 3 is empty"), (1, "slice 4 is empty"), (2, "slice 4 is empty")]
    assert told_together(remarks) == [(2, "slice 3 to 4 is empty"), (1, "V2 is flat")]
