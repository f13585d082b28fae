"""What a report's page is made of: tables, pictures and notes, as the template shows them."""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import ClassVar

from cohort.page_template import embedded
from cohort.phenotypes import LABELS, PHENOTYPES, UNITS
from sampling.red_line import RED_LINE

from .report_numbers import (
    NO_NUMBER,
    as_any,
    as_ratio,
    as_span,
    content_at,
    interval_at,
    numbers_of,
    untold_at,
    value_at,
)

RED_SENTENCE = f"{RED_LINE}. This is true of every heart that is called drawn or generated."


@dataclass(frozen=True)
class Cell:
    """A number as text, and its interval, or why there is no number, in small type."""

    text: str = ""
    small: str = ""

    @property
    def is_empty(self) -> bool:
        """Whether it holds neither a number nor a reason why there is none."""
        return self.text in (NO_NUMBER, "") and not self.small


@dataclass(frozen=True)
class Table:
    """A caption, the columns' heads (the first is that of the rows' names), and rows of (name, cells)."""

    kind: ClassVar[str] = "table"
    caption: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, tuple[Cell, ...]], ...]
    explained: bool = False  # its last column is words


@dataclass(frozen=True)
class Picture:
    """A PNG as an address that holds it, and what is seen on it."""

    kind: ClassVar[str] = "picture"
    name: str
    source: str
    caption: str


@dataclass(frozen=True)
class Note:
    """A sentence among tables."""

    kind: ClassVar[str] = "note"
    text: str


Part = Table | Picture | Note | None  # None where nothing was measured
Filled = tuple[str | Part, ...]  # what a section's figures mean, what is good, what is bad, then its parts


@dataclass(frozen=True)
class Section:
    """A heading, what its figures mean, what is good and bad, and the parts that hold anything: pictures first."""

    title: str
    meaning: str
    good: str
    bad: str
    parts: tuple[Table | Picture | Note, ...]

    @classmethod
    def of(cls, title: str, meaning: str, good: str, bad: str, *parts: Part) -> "Section":
        held = [part for part in parts if part is not None]
        return cls(title, meaning, good, bad, tuple(sorted(held, key=lambda part: not isinstance(part, Picture))))

    @property
    def anchor(self) -> str:
        """Its name in addresses."""
        return "".join(letter if letter.isalnum() else "-" for letter in self.title.lower()).strip("-")

    @property
    def is_empty(self) -> bool:
        """Whether nothing was measured. A picture alone, which may be drawn of nothing, does not count."""
        return all(isinstance(part, Picture) for part in self.parts)


def cell(source: object, key: str, show: Callable[[float], str] = as_ratio) -> Cell:
    """A number as shown by `show`, with its interval; or why there is none."""
    value, ends, untold = value_at(source, key), interval_at(source, key), untold_at(source, key)
    if untold:
        return Cell(small=untold)
    return Cell(show(value), as_span(ends, show) if ends and math.isfinite(value) else "")


def table(
    caption: str, head: Iterable[str], rows: Iterable[tuple[str, list[Cell]]], explained: bool = False
) -> Table | None:
    """A table without the columns of which no cell holds anything; None where none does."""
    first, *others = head
    rows = [(name, list(cells)) for name, cells in rows]
    told = [k for k in range(len(others)) if any(not cells[k].is_empty for _, cells in rows)]
    kept = tuple((name, tuple(cells[k] for k in told)) for name, cells in rows)
    return Table(caption, (first, *(others[k] for k in told)), kept, explained) if told else None


def phenotype_table(caption: str, columns: dict[str, tuple]) -> Table | None:
    """One row a phenotype. columns: heading -> ({phenotype: figures}, key, how to show it)."""
    rows = [
        (
            f"{LABELS[name]}, {UNITS[name]}",
            [cell(content_at(of, name), key, show) for of, key, show in columns.values()],
        )
        for name in PHENOTYPES
    ]
    return table(caption, ["", *columns], rows)


def measures(caption: str, source: object, meanings: dict[str, tuple]) -> Table | None:
    """One row a number. meanings: key -> (name, how to show it, key of its reference or None, what is good)."""
    rows = [
        (name, [cell(source, key, show), cell(source, other, show) if other else Cell(), Cell(good)])
        for key, (name, show, other, good) in meanings.items()
        if math.isfinite(value_at(source, key))
    ]
    explained = {*meanings, *(other for _, _, other, _ in meanings.values())}
    others = {key: source[key] for key in source if key not in explained} if isinstance(source, dict) else {}
    rows += [(name, [Cell(as_any(value)), Cell(), Cell()]) for name, value in numbers_of(others)]
    return table(caption, ["", "found", "reference", "good is"], rows, explained=True)


def picture(pictures: dict[str, bytes], name: str, caption: str) -> Picture | None:
    """One of the pictures by name; None where there is none."""
    return Picture(name, embedded(pictures[name]), caption) if name in pictures else None
