"""Nothing measured of one pipeline is added to another that has taken its folder."""

import pytest

from cohort.errors import InputError
from cohort.lock import try_locked
from sampling.additions import adding_to
from sampling.pipeline import weights_sha256


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "pipeline" / "denoiser").mkdir(parents=True)
    (tmp_path / "pipeline" / "denoiser" / "model.safetensors").write_bytes(b"one")
    return tmp_path / "pipeline"


def test_the_folder_is_held_while_something_is_added(folder):
    with adding_to(folder, weights_sha256(folder)):
        assert try_locked(folder) is None
    assert try_locked(folder) is not None


def test_weights_exchanged_since_they_were_measured_are_refused(folder):
    measured = weights_sha256(folder)
    (folder / "denoiser" / "model.safetensors").write_bytes(b"other")
    with pytest.raises(InputError, match="got other weights while it was measured"), adding_to(folder, measured):
        pytest.fail("something was added")
