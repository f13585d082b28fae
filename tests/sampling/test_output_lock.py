"""Two commands in one output folder: the second is refused, and the first one's leftovers go."""

from types import SimpleNamespace

import pytest

from cohort.errors import InputError
from sampling.output_lock import kept_apart

MAIN = SimpleNamespace(is_main_process=True, wait_for_everyone=lambda: None)
OTHER = SimpleNamespace(is_main_process=False, wait_for_everyone=lambda: None)


def test_a_second_command_is_refused_until_the_first_one_ends(tmp_path):
    with kept_apart(tmp_path / "out", MAIN):
        with pytest.raises(InputError, match="another sample.py"), kept_apart(tmp_path / "out", MAIN):
            pass
        with kept_apart(tmp_path / "elsewhere", MAIN), kept_apart(tmp_path / "out", OTHER):
            pass  # another folder, and another process of the same command
    with kept_apart(tmp_path / "out", MAIN):
        pass


def test_a_command_that_fails_holds_nothing(tmp_path):
    with pytest.raises(ZeroDivisionError), kept_apart(tmp_path, MAIN):
        raise ZeroDivisionError
    with kept_apart(tmp_path, MAIN):
        pass


def test_what_a_killed_command_left_half_written_goes(tmp_path):
    (tmp_path / ".partial-0a1b2c3d-patient").mkdir()
    with kept_apart(tmp_path, MAIN):
        assert not list(tmp_path.glob(".partial-*"))
