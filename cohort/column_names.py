"""How the columns of a study's tables may be called. Another spelling is one line here.

Case, blanks and punctuation do not count. A unit may follow a name if it is ours: "LVEDV (mL)", "Height [cm]".
"""

from collections.abc import Iterable, Mapping

ALIASES = {  # another study's name -> ours
    "gender": "sex",
    "visit": "instance",
    "participanteid": "eid",  # UK Biobank's research platform
    "feid": "eid",  # UK Biobank for R
    "neid": "eid",  # and for Stata
    "stem": "file",
}
UNIT_WORDS = {
    "years": ("years", "year", "y"),
    "cm": ("cm",),
    "kg": ("kg",),
    "mL": ("ml", "cm3"),
    "%": ("%", "percent"),
    "g": ("g",),
    "mm": ("mm",),
}
LONGEST_SHOWN, MOST_SHOWN = 40, 8


def plain(name: str) -> str:
    """A name without case, blanks and punctuation."""
    return "".join(letter for letter in name.casefold() if letter.isalnum() or letter == "%")


def known_spellings(units: Mapping[str, str]) -> dict[str, str]:
    """Plain spelling -> our name.

    Args:
        units: our names, each with its unit; "" where it has none, or where the name says it.
    """
    spelled = {plain(name): name for name in units}
    spelled |= {plain(name) + word: name for name, unit in units.items() for word in UNIT_WORDS.get(unit, ())}
    return spelled | {plain(other): name for other, name in ALIASES.items() if name in units}


def is_unit(cell: str, unit: str) -> bool:
    """Whether a cell under the header only says the unit that we expect."""
    return plain(cell) in ("", *UNIT_WORDS.get(unit, ()))


def shown(names: Iterable[str]) -> str:
    """Names of a stranger's columns, cut short, for a message."""
    names = [name if len(name) <= LONGEST_SHOWN else f"{name[:LONGEST_SHOWN]}..." for name in names]
    rest = f" and {len(names) - MOST_SHOWN} more" if len(names) > MOST_SHOWN else ""
    return ", ".join(name or "(no name)" for name in names[:MOST_SHOWN]) + rest
