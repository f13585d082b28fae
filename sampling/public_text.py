"""Text that may be made public: one line without absolute paths and without numbers that could be participant ids."""

import re

# Where a path of a machine begins: not after "https:", and not within a relative path.
PATH_START = r"(?:(?<![\w.:/\\~-])|(?<=:)(?!//))(?:~[\w.-]*|[A-Za-z]:|file:)?[/\\]+"
QUOTED_PATH = re.compile(rf"""(?<=(['"])){PATH_START}.*?(?=\1)""")
PLAIN_PATH = re.compile(rf"""{PATH_START}(?:\\\s|[^\s'"`,;|<>():])+""")
POSSIBLE_ID = re.compile(r"(?<![0-9A-Za-z.])[1-9][0-9]{6}(?![0-9A-Za-z])")  # UK Biobank's, also in a file's name
MARKUP = re.compile(r"<!--|-->|[`|]")  # could end a code span or a table, or hide what follows


def public(text: object) -> str:
    """Any value as one line of Markdown that is safe to publish.

    Absolute paths are cut to their last name. A possible participant id becomes "…". Markup is removed.
    """
    line = " ".join(str(text).split())
    for kind in (QUOTED_PATH, PLAIN_PATH):
        line = kind.sub(lambda path: last_name(path[0]), line)
    return MARKUP.sub("", POSSIBLE_ID.sub("…", line))


def shown(value: object) -> str:
    """The same for a number or a dict: 2,000, 0.001, or "torch 2.13.0, numpy 2.4.6"."""
    if isinstance(value, dict):
        return ", ".join(f"{public(key)} {shown(item)}" for key, item in value.items())
    if isinstance(value, int):
        return grouped(value)
    return f"{value:.6g}" if isinstance(value, float) else public(value)


def grouped(value: float, digits: int = 0) -> str:
    """A number with so many decimals, its thousands set apart: 2,000.

    From a million on underscores set them apart: a spreadsheet or a search would join commas to a participant's id.
    """
    return f"{value:_.{digits}f}" if abs(value) >= 1e6 else f"{value:,.{digits}f}"


def last_name(path: object) -> str:
    """The last part of a path of any system; a name is its own last part."""
    return re.split(r"[/\\]", str(path).rstrip("/\\"))[-1]
