import os
import signal

import pytest

from training.stop_request import CutShort, StopRequest


def test_a_stop_just_before_an_evaluation_cuts_it_short_too():
    stop = StopRequest()
    try:
        os.kill(os.getpid(), signal.SIGTERM)
        with pytest.raises(CutShort), stop.cutting():
            pytest.fail("the evaluation began")
        assert stop.asked
    finally:
        stop.restore()
