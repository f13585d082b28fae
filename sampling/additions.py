"""What is added to a pipeline's folder after training: calibration, figures. Nobody exchanges the folder meanwhile."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cohort.errors import InputError
from cohort.lock import locked

from .pipeline import weights_sha256


@contextmanager
def adding_to(folder: Path, weights: str) -> Iterator[None]:
    """Hold a pipeline's folder while something is added that was measured of its weights.

    Args:
        weights: `weights_sha256` of the folder when the measuring began.

    Raises:
        InputError: a training has put other weights there meanwhile, or nobody may write there.
    """
    with locked(folder):
        if weights_sha256(folder) != weights:
            raise InputError(folder, "got other weights while it was measured", "the same command measures these")
        yield
