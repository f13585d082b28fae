"""Another code makes another key; another comment does not."""

from pathlib import Path

import pytest

from cohort.step_code import DECIDES_NO_NUMBER, code_sha256, modules_of

ROOT = Path(__file__).parents[2]
SOURCE = {
    "cohort/step.py": '"""What it does."""\nfrom .reader import read\nfrom . import grid\n\ndef f():\n    return 1\n',
    "cohort/reader.py": "import cohort.deep\nread = 1\n",
    "cohort/deep.py": "x = 1\n",
    "cohort/grid.py": "y = 1\n",
    "cohort/other.py": "z = 1\n",
    "cohort/errors.py": "e = 1\n",
}
_written = 0


@pytest.fixture
def key(tmp_path):
    """The hash of cohort.step, some of whose files are exchanged."""

    def key(**changed):
        global _written
        _written += 1
        root = tmp_path / str(_written)
        for name, text in (SOURCE | {f"cohort/{name}.py": text for name, text in changed.items()}).items():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_text(text)
        return code_sha256("cohort.step", root)

    return key


def test_every_module_that_is_imported_counts_and_no_other(key):
    changes = [{"reader": "import cohort.deep\nread = 2\n"}, {"deep": "x = 2\n"}, {"grid": "y = 2\n"}]
    assert len({key(), *(key(**change) for change in changes)}) == 4
    assert key() == key(other="z = 2\n") == key(errors="e = 2\n")


def test_words_and_spaces_do_not_count(key):
    assert key() == key(step='"""Said otherwise."""\n# a comment\n' + SOURCE["cohort/step.py"].split("\n", 1)[1])
    assert key() != key(step=SOURCE["cohort/step.py"].replace("return 1", "return 2"))


def test_the_steps_of_reading_a_cohort_and_of_measuring_are_found():
    read = modules_of("cohort.prepared")
    assert read >= {f"cohort.{name}" for name in ("cine", "heart_grid", "preprocessing", "ecg", "muse", "phenotypes")}
    measured = modules_of("evaluation.study")
    assert measured >= {f"evaluation.{name}" for name in ("measuring", "coherence", "labels")}
    assert measured >= {"sampling.segmentation", "sampling.measured_phenotypes"}
    assert measured >= {"sampling.pipeline", "sampling.patients", "models.denoiser", "cohort.phenotypes"}


def test_what_decides_no_number_is_there():
    for name in DECIDES_NO_NUMBER:
        assert ROOT.joinpath(*name.split(".")).with_suffix(".py").is_file(), name
