"""Who may come to the page."""

import pytest

from cohort.errors import InputError
from showing.options import ShowOptions


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1", "127.0.0.2"])
def test_this_machine_alone_needs_no_password(host):
    ShowOptions(host=host).require_sound()
    assert ShowOptions(host=host).is_local and ShowOptions(host=host).password() is None


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.7", "hospital.example"])
def test_a_network_is_let_in_with_a_password_only(host, tmp_path):
    with pytest.raises(InputError, match="--password-file"):
        ShowOptions(host=host).require_sound()
    (tmp_path / "word").write_text("correct horse\nsecond line\n")
    options = ShowOptions(host=host, password_file=tmp_path / "word")
    options.require_sound()
    assert options.password() == "correct horse"


def test_a_short_password_an_absent_file_and_a_port_that_is_none_are_refused(tmp_path):
    (tmp_path / "word").write_text("mouse\n")
    with pytest.raises(InputError, match="8 are the fewest") as told:
        ShowOptions(password_file=tmp_path / "word").password()
    assert "mouse" not in str(told.value)
    with pytest.raises(InputError, match="no such file"):
        ShowOptions(password_file=tmp_path / "none").password()
    with pytest.raises(InputError, match="--port"):
        ShowOptions(port=0).require_sound()
