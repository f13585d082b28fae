"""One objection to a recording, in a code and in words; and how objections to many are told in few lines."""

import re
from collections import defaultdict
from collections.abc import Hashable, Iterable
from dataclasses import dataclass

NUMBER = re.compile(r"(?<![A-Za-z\d])\d+(?:\.\d+)?")  # no part of a name, such as V1


@dataclass(frozen=True, slots=True)
class Finding:
    """One objection.

    Attributes:
        code: what it is, for counts and filters: ecg_..., mri_..., visit_... or table_...
            It is the same for every lead and slice.
        words: a sentence for a person.
    """

    code: str
    words: str


def told_together(remarks: Iterable[tuple[Hashable, str]]) -> list[tuple[int, str]]:
    """Remarks that differ in their numbers alone as one sentence, such as "frames of 1 to 3 of 10 slices are absent".

    Args:
        remarks: (whose, words).

    Returns:
        of how many a sentence is, and the sentence; those of most come first.
    """
    kinds = defaultdict(list)
    for whose, words in remarks:
        kinds[NUMBER.sub("{}", words.replace("{", "(").replace("}", ")"))].append((whose, NUMBER.findall(words)))
    told = []
    for kind, found in kinds.items():
        columns = zip(*(numbers for _, numbers in found), strict=True)
        told.append((len({whose for whose, _ in found}), kind.format(*map(_span, columns))))
    return sorted(told, key=lambda one: -one[0])


def _span(numbers: tuple[str, ...]) -> str:
    low, high = min(numbers, key=float), max(numbers, key=float)
    return low if float(low) == float(high) else f"{low} to {high}"
