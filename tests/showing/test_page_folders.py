"""What open pages keep on disk goes when they are closed."""

import pytest

from cohort.errors import InputError
from showing.page_folders import PageFolders


def upload(root, folder="a1b2", name="somebody.xml"):
    (root / folder).mkdir(exist_ok=True)
    (root / folder / name).write_text("an ECG")
    return root / folder / name


def test_a_closed_page_leaves_nothing(tmp_path):
    folders = PageFolders(tmp_path)
    folders.open("one"), folders.open("two")
    folders.hold("one", [upload(tmp_path)])
    with folders.drawing("one") as folder:
        (folder / "heart.html").write_text("a heart")
    folders.close("one")
    assert list(tmp_path.iterdir()) == []


def test_a_page_keeps_its_last_heart_only(tmp_path):
    folders = PageFolders(tmp_path)
    folders.open("one")
    for _ in range(2):
        with folders.drawing("one") as folder:
            (folder / "heart.html").write_text("a heart")
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == [folder / "heart.html"]


def test_an_upload_that_two_pages_share_stays_until_both_are_closed(tmp_path):
    folders, path = PageFolders(tmp_path), upload(tmp_path)
    for page in ("one", "two", "three"):
        folders.open(page)
    folders.hold("one", [path]), folders.hold("two", [path])
    folders.close("one")
    assert path.exists()
    folders.close("two")
    assert not path.parent.exists()


def test_with_the_last_page_goes_what_was_never_asked_for(tmp_path):
    folders = PageFolders(tmp_path)
    folders.open("one"), folders.open("two")
    stray = upload(tmp_path)
    folders.close("one")
    assert stray.exists()  # it may be on its way to page two
    folders.close("two")
    assert list(tmp_path.iterdir()) == []


def test_what_arrives_after_a_page_is_closed_is_deleted(tmp_path):
    folders = PageFolders(tmp_path)
    folders.open("one"), folders.open("two")
    folders.close("one")
    late = upload(tmp_path)
    folders.hold("one", [late])
    assert not late.exists()
    with pytest.raises(InputError, match="was closed"), folders.drawing("one"):
        pass


def test_a_heart_that_is_drawn_while_its_page_is_closed_goes_too(tmp_path):
    folders = PageFolders(tmp_path)
    folders.open("one"), folders.open("two")
    with folders.drawing("one") as folder:
        folders.close("one")
        folder.mkdir(parents=True)  # as a writer does who knows nothing of it
        (folder / "heart.json").write_text("{}")
    assert list(tmp_path.iterdir()) == []


def test_no_folder_outside_is_ever_deleted(tmp_path):
    (tmp_path / "pages").mkdir()
    mine = upload(tmp_path, "mine")
    folders = PageFolders(tmp_path / "pages")
    folders.open("one")
    folders.hold("one", [mine, tmp_path / "pages" / "of_nobody.xml"])
    folders.close("one")
    assert mine.exists() and (tmp_path / "pages").exists()
