"""What a look into folders leaves aside: counted by kind, with some examples, so that nothing is left out silently."""

import bisect
import re
from dataclasses import dataclass, field

from cohort.errors import printable

SHOWN = 3  # examples of a kind
KINDS_SHOWN = 8
LONGEST_SHOWN = 80
ENDING = re.compile(r"\.[A-Za-z0-9]{1,8}")


@dataclass
class PassedOver:
    """Kinds of things, each with its number and its first examples in order of their names.

    The kinds are few, so any number of files takes no memory.
    """

    counts: dict[str, int] = field(default_factory=dict)
    examples: dict[str, list[str]] = field(default_factory=dict)

    def add(self, kind: str, example: str) -> None:
        """Count one thing. `kind` is in the plural."""
        self.counts[kind] = self.counts.get(kind, 0) + 1
        first = self.examples.setdefault(kind, [])
        if len(first) < SHOWN or example < first[-1]:
            bisect.insort(first, example)
            del first[SHOWN:]

    @property
    def count(self) -> int:
        return sum(self.counts.values())

    @property
    def lines(self) -> tuple[str, ...]:
        """One a kind, the most frequent first, fit for a terminal."""
        kinds = sorted(self.counts, key=lambda kind: (-self.counts[kind], kind))
        lines = [f"{self.counts[kind]} {kind} such as {self._shown(kind)}" for kind in kinds[:KINDS_SHOWN]]
        rest = sum(self.counts[kind] for kind in kinds[KINDS_SHOWN:])
        return (*lines, f"{rest} of other kinds") if rest else tuple(lines)

    def _shown(self, kind: str) -> str:
        names = map(printable, self.examples[kind])
        return ", ".join(name if len(name) <= LONGEST_SHOWN else f"{name[:LONGEST_SHOWN]}..." for name in names)

    def __str__(self) -> str:
        return "; ".join(self.lines)


def kind_of_file(name: str, known_endings: tuple[str, ...]) -> str:
    """What to call files that end as this name does.

    Args:
        known_endings: in lower case; of those it is the name that says nothing, not the ending.
    """
    lower = name.lower()
    known = next((ending for ending in sorted(known_endings, key=len, reverse=True) if lower.endswith(ending)), None)
    if known:
        return f"{known} files of other names"
    dot, ending = lower.rpartition(".")[1:]
    return f"{dot}{ending} files" if ENDING.fullmatch(dot + ending) else "files without an ending"
