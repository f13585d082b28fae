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


def test_where_there_is_no_hangup_signal_the_others_are_heeded(monkeypatch):
    """As on Windows."""
    monkeypatch.delattr(signal, "SIGHUP")
    stop = StopRequest()
    try:
        os.kill(os.getpid(), signal.SIGTERM)
        assert stop.asked
    finally:
        stop.restore()
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL
