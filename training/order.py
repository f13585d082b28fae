"""Stateless randomness: what a step sees depends on (seed, step, rank) alone, so that resuming needs only the step."""

import hashlib
from functools import lru_cache

import torch
from torch import Generator, Tensor


def keyed_generator(*key: object) -> Generator:
    """A CPU generator seeded by the hash of its key, e.g. (seed, "noise", step, rank)."""
    digest = hashlib.sha256(repr(key).encode()).digest()
    return Generator().manual_seed(int.from_bytes(digest[:7], "big"))


def rows_of_step(rows: Tensor, batch: int, step: int, seed: int, rank: int = 0, ranks: int = 1) -> Tensor:
    """The examples rank `rank` sees at `step`: its share of an order that is redrawn every epoch.

    Args:
        rows: (n,) the training rows.
        batch: examples per rank and step. A batch at the end of an epoch goes on with the next epoch's order.

    Returns:
        (batch,) rows.
    """
    first = (step * ranks + rank) * batch
    places = torch.arange(first, first + batch)
    epochs = places // len(rows)
    drawn = torch.empty_like(places)
    for epoch in epochs.unique().tolist():
        here = epochs == epoch
        drawn[here] = _order(len(rows), seed, epoch)[places[here] % len(rows)]
    return rows[drawn]


@lru_cache(maxsize=4)  # needed at every step; for 100,000 people it takes longer than loading the batch
def _order(people: int, seed: int, epoch: int) -> Tensor:
    return torch.randperm(people, generator=keyed_generator(seed, "order", epoch))
