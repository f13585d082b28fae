"""Trained weights in a fresh network: those that mean the same there, by shape and by name."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import NamedTuple

import torch
from torch import Tensor, nn


class Named(NamedTuple):
    """Where things with names lie along an axis of a tensor.

    Attributes:
        names, had: of the fresh and the trained tensor's things, in their order.
        before: places before the first of them. each: places of each.
    """

    axis: int
    names: Sequence[str]
    had: Sequence[str]
    before: int = 0
    each: int = 1


@dataclass(frozen=True)
class Taken:
    """How many of a part's weights were taken, of how many, and why not the others."""

    part: str
    weights: int
    of: int
    why: str = ""

    @property
    def share(self) -> str:
        return f"{100 * self.weights / max(1, self.of):.0f} %"

    def __str__(self) -> str:
        return f"{self.part}: {self.weights:_} of {self.of:_} weights" + f" ({self.why})" * bool(self.why)


def take(part: str, new: nn.Module, old: nn.Module, named: Mapping[str, Named] = MappingProxyType({})) -> Taken:
    """Copy a trained part's weights into a fresh one, wherever they mean the same there.

    A tensor along whose axis numbers have names is copied name by name. Where the trained part has no such number, a
    weight starts at 0: the part begins as one that is told, or tells, the average. Other tensors are copied where their
    shapes agree.

    Args:
        named: the numbers with names along a tensor's axis, by tensor.
    """
    state, trained, count, left = new.state_dict(), old.state_dict(), 0, set()
    for name, value in state.items():
        if name not in trained:
            left.add("no such layer in the pipeline")
        elif name in named:
            moved, taken = by_name(value, trained[name], named[name])
            state[name], count = moved, count + taken
        elif trained[name].shape == value.shape:
            state[name], count = trained[name], count + value.numel()
        else:
            left.add("layers of another size")
    new.load_state_dict(state)
    unknown = dict.fromkeys(name for one in named.values() for name in one.names if name not in one.had)
    dropped = dict.fromkeys(name for one in named.values() for name in one.had if name not in one.names)
    left |= {f"not in the pipeline, start at 0: {listed(unknown)}"} if unknown else set()
    left |= {f"in the pipeline alone, left out: {listed(dropped)}"} if dropped else set()
    return Taken(part, count, sum(value.numel() for value in state.values()), "; ".join(sorted(left)))


def by_name(new: Tensor, old: Tensor, named: Named) -> tuple[Tensor, int]:
    """A fresh tensor with a trained one's values where the names agree and 0 at the others, and how many were taken.

    What lies before and after the named places is copied as it is. Where sizes do not agree, nothing is taken.
    """
    axis, names, had, before, each = named
    if new.dim() != old.dim() or other_sides(new, axis) != other_sides(old, axis):
        return new, 0
    after = new.shape[axis] - before - each * len(names)
    if after < 0 or old.shape[axis] != before + each * len(had) + after:
        return new, 0
    places = {name: before + each * place for place, name in enumerate(had)}
    source = [*range(before)]
    for name in names:
        source += range(places[name], places[name] + each) if name in places else [-1] * each
    source += range(old.shape[axis] - after, old.shape[axis])
    source = torch.tensor(source)
    known = source >= 0
    moved = torch.zeros_like(new)
    moved.index_copy_(axis, known.nonzero().flatten(), old.index_select(axis, source[known]).to(new))
    return moved, int(known.sum()) * (new.numel() // max(1, new.shape[axis]))


def other_sides(value: Tensor, axis: int) -> list[int]:
    """A tensor's shape without one axis."""
    return [size for place, size in enumerate(value.shape) if place != axis]


def listed(names: Iterable[str]) -> str:
    """Names in a row; of components how many there are."""
    components = [name for name in names if " component " in name]
    rest = [name for name in names if name not in components]
    return ", ".join([*rest, *([f"{len(components)} components"] if components else [])])


def begins(taken: Taken) -> str:
    """A line that tells what a stage begins with."""
    return f"begins with the weights of --init, {taken}"
