"""Cores are shared among the processes that accelerate launched, and nobody's explicit choice is overruled."""

import os

import pytest
import torch

from sampling.threads import share_cores


@pytest.fixture
def threads(monkeypatch):
    before = torch.get_num_threads()
    for name in ("ACCELERATE_MIXED_PRECISION", "OMP_NUM_THREADS", "LOCAL_WORLD_SIZE"):
        monkeypatch.delenv(name, raising=False)
    torch.set_num_threads(1)
    yield monkeypatch
    torch.set_num_threads(before)


def test_a_launched_process_alone_takes_every_core(threads):
    threads.setenv("ACCELERATE_MIXED_PRECISION", "no")
    threads.setenv("OMP_NUM_THREADS", "1")
    share_cores(1)
    assert torch.get_num_threads() == len(os.sched_getaffinity(0))
    share_cores(10_000)
    assert torch.get_num_threads() == 1


@pytest.mark.parametrize(("launched", "chosen"), [(False, "1"), (True, "3")])
def test_a_choice_is_kept(threads, launched, chosen):
    if launched:
        threads.setenv("ACCELERATE_MIXED_PRECISION", "no")
    threads.setenv("OMP_NUM_THREADS", chosen)
    share_cores(1)
    assert torch.get_num_threads() == 1
