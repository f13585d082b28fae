"""Another code has another version, with git and without."""

import os
import shutil
import subprocess

import pytest

from cohort.code_version import code_version, sources_sha256


@pytest.fixture
def copy(tmp_path):
    """A small copy of the repository without its history."""
    for name in ("sample.py", "cohort/a.py", "models/b.py"):
        (tmp_path / "code" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "code" / name).write_text(f"# {name}\n")
    code_version.cache_clear()
    yield tmp_path / "code"
    code_version.cache_clear()


def git(folder, *words):
    who = {f"GIT_{role}_{what}": "x" for role in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    done = subprocess.run(
        ["git", "-C", folder, *words], capture_output=True, text=True, check=True, env=os.environ | who
    )
    return done.stdout.strip()


def version(folder):
    code_version.cache_clear()
    return code_version(folder)


def test_without_history_the_sources_are_the_version(copy, tmp_path):
    before = version(copy)
    assert before == f"sources.{sources_sha256(copy)[:12]}"
    shutil.copytree(copy, tmp_path / "elsewhere")
    assert version(tmp_path / "elsewhere") == before
    (copy / "README.md").write_text("of no effect")
    assert version(copy) == before
    (copy / "cohort" / "a.py").write_text("# changed\n")
    assert version(copy) != before


def test_a_renamed_or_a_new_module_is_another_version(copy):
    before = sources_sha256(copy)
    (copy / "cohort" / "a.py").rename(copy / "cohort" / "c.py")
    renamed = sources_sha256(copy)
    (copy / "cohort" / "new.py").write_text("")
    assert len({before, renamed, sources_sha256(copy)}) == 3


@pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")
def test_a_checkout_is_its_commit_and_a_changed_one_says_so(copy):
    git(copy, "init", "-q")
    git(copy, "add", ".")
    git(copy, "commit", "-qm", "first")
    commit = git(copy, "rev-parse", "HEAD")
    assert version(copy) == commit
    (copy / "note.txt").write_text("of no effect")
    assert version(copy) == commit
    (copy / "sample.py").write_text("# changed\n")
    assert version(copy) == f"{commit}+sources.{sources_sha256(copy)[:12]}"


@pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")
def test_a_copy_within_another_projects_checkout_is_not_that_project(copy, tmp_path):
    git(tmp_path, "init", "-q")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-qm", "another project")
    assert version(copy).startswith("sources.")
