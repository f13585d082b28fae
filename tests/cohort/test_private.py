"""What tells of single people is for its owner alone, until the owner lets the group in."""

import pytest

from cohort.errors import InputError
from cohort.private import main, private


@pytest.fixture
def folder(tmp_path):
    with private():
        (tmp_path / "folder" / "within").mkdir(parents=True)
        (tmp_path / "folder" / "within" / "file").write_text("a")
    return tmp_path / "folder"


def modes(folder):
    return [path.stat().st_mode & 0o777 for path in (folder, folder / "within", folder / "within" / "file")]


def test_within_files_are_for_their_owner_alone_and_after_it_as_before(folder, tmp_path):
    (tmp_path / "after").touch()
    assert modes(folder) == [0o700, 0o700, 0o600] and (tmp_path / "after").stat().st_mode & 0o044


def test_the_group_is_let_in_to_read_and_nobody_else(folder, tmp_path):
    (tmp_path / "outside").touch(mode=0o600)
    (folder / "link").symlink_to(tmp_path / "outside")
    main(folder)
    assert modes(folder) == [0o750, 0o750, 0o640] and (tmp_path / "outside").stat().st_mode & 0o777 == 0o600


def test_what_is_no_folder_is_said(tmp_path):
    with pytest.raises(InputError, match="is not a folder"):
        main(tmp_path / "absent")
