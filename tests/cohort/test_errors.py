"""The one error a user can act on is one line, and passes whole from a worker process to its parent."""

import pickle

from cohort.errors import InputError


def test_it_is_one_line_that_a_terminal_can_print():
    error = InputError("a\x1b[2J.xml", "is\nbroken", "copy  it again")
    assert str(error) == "a?[2J.xml: is broken; copy it again" and error.code == "other"


def test_it_passes_from_process_to_process():
    error = InputError("a.xml", "empty", "copy it again", code="empty")
    passed = pickle.loads(pickle.dumps(error))
    assert str(passed) == str(error) and vars(passed) == vars(error)
