"""What a training of a few steps need not do: it would take longer than the steps."""

from functools import partial

import pytest

from training.code_prior import measured_spread


def shorten(patch: pytest.MonkeyPatch) -> None:
    """No garbage is collected after a stage, and 2 codes of each person tell the spread, in place of 8."""
    patch.setattr("gc.collect", lambda *_: 0)
    patch.setattr("training.stages.measured_spread", partial(measured_spread, codes=2))
