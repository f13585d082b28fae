"""XML written by ECG devices: bytes in, an element tree out; hostile or broken files are refused.

Nothing of the file's text is ever quoted in an error: it may be a patient's name.
"""

import re
from pathlib import Path
from xml.etree.ElementTree import Element, ParseError, TreeBuilder
from xml.parsers.expat import ErrorString

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import DefusedXMLParser

from cohort.errors import InputError
from cohort.input_file import read_limited
from cohort.person import finite_number

DEEPEST_ELEMENT = 64
MOST_ELEMENTS = 100_000
LONGEST_TAG = 2**16  # bytes; expat holds a tag whole, and millions of attributes took 13 s and a gigabyte


class _Excess(ValueError):
    pass


class _BoundedTreeBuilder(TreeBuilder):
    """Neither expat nor defusedxml limits depth or number of elements, which cost far more memory than bytes."""

    def __init__(self) -> None:
        super().__init__()
        self.depth = self.count = 0

    def start(self, tag, attributes):
        self.depth += 1
        self.count += 1
        if self.depth > DEEPEST_ELEMENT:
            raise _Excess(f"its elements are nested deeper than {DEEPEST_ELEMENT}")
        if self.count > MOST_ELEMENTS:
            raise _Excess(f"it has more than {MOST_ELEMENTS} elements")
        return super().start(tag, attributes)

    def end(self, tag):
        self.depth -= 1
        return super().end(tag)


def parse_xml(path: Path) -> Element:
    """The root of an XML file. A plain DOCTYPE is accepted and never fetched; entity declarations are refused.

    The encoding is the one the file declares, which is why bytes and not text are parsed.
    """
    content = read_limited(path)
    if not content.strip(b"\0 \t\r\n"):
        raise InputError(path, "empty", "copy or export the file again")
    if content.startswith(b"\x1f\x8b"):
        raise InputError(path, "gzip-compressed, not XML", "unzip it first")
    if re.search(rb"<[^>]{%d}" % LONGEST_TAG, content):
        raise InputError(
            path, f"not the XML of an ECG device: a tag is longer than {LONGEST_TAG} bytes", "copy it again"
        )
    parser = DefusedXMLParser(target=_BoundedTreeBuilder())
    try:
        parser.feed(content)
        return parser.close()
    except ParseError as error:
        # ErrorString and not str(error): the latter may quote the text of an undefined entity.
        fault = f"not well-formed XML ({ErrorString(error.code)}, line {error.position[0]})"
    except DefusedXmlException:
        fault = "XML that declares entities, which no ECG device writes"
    except _Excess as error:
        fault = f"not the XML of an ECG device: {error}"
    except (ValueError, LookupError):
        fault = "XML in an encoding that cannot be read"
    raise InputError(path, fault, "copy or export the file again")


def text_at(parents: list[Element], tag: str) -> str:
    """The stripped text of the first child `tag` of the first parent that has one, "" when none has."""
    for parent in parents:
        child = parent.find(tag)
        if child is not None:
            return (child.text or "").strip()
    return ""


def positive_number_at(path: Path, parents: list[Element], tag: str) -> float:
    """The number > 0 in the child `tag`; refused by the tag's name when absent, not a number, or not > 0."""
    number = finite_number(text_at(parents, tag))
    if number is None or number <= 0:
        raise InputError(path, f"{tag} is absent or not a positive number", "export the ECG again")
    return number
