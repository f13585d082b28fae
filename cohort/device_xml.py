"""XML written by ECG devices: bytes in, an element tree out. Hostile and broken files are refused.

Nothing of the file's text is ever quoted in an error: it may be a patient's name.
"""

from pathlib import Path
from xml.etree.ElementTree import Element, ParseError, TreeBuilder
from xml.parsers.expat import ErrorString, errors

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import DefusedXMLParser

from cohort.errors import InputError
from cohort.input_file import read_limited
from cohort.leads import plausible_rate
from cohort.person import finite_number

LARGEST_XML = 16 * 2**20  # bytes; 20 minutes of full disclosure have 14 MB, a resting ECG half a megabyte
DEEPEST_ELEMENT = 64
MOST_ELEMENTS = 100_000  # and attributes
LONGEST_NAME = 1_000  # characters, with the namespace that expat puts in front of every name
LONGEST_TAG = 2**16  # bytes; expat keeps a whole tag in memory, and millions of attributes took 13 s and a gigabyte
CUT_SHORT = (errors.XML_ERROR_NO_ELEMENTS, errors.XML_ERROR_UNCLOSED_TOKEN, errors.XML_ERROR_UNCLOSED_CDATA_SECTION)


class _Excess(ValueError):
    pass


class _BoundedTree:
    """Builds the tree, with limits on depth and number of elements, which expat and defusedxml lack.

    Elements cost far more memory than bytes. Without methods `comment` and `pi`, comments and instructions are dropped.
    """

    def __init__(self) -> None:
        self.tree = TreeBuilder()
        self.depth = self.count = self.events = 0

    def start(self, tag, attributes):
        self.events += 1
        self.depth += 1
        self.count += 1 + len(attributes)
        if self.depth > DEEPEST_ELEMENT:
            raise _Excess(f"its elements are nested deeper than {DEEPEST_ELEMENT}")
        if self.count > MOST_ELEMENTS:
            raise _Excess(f"it has more than {MOST_ELEMENTS} elements and attributes")
        if max(map(len, (tag, *attributes))) > LONGEST_NAME:
            raise _Excess(f"a name in it is longer than {LONGEST_NAME} characters")
        return self.tree.start(_without_namespace(tag), attributes)

    def data(self, text):
        self.events += 1
        return self.tree.data(text)

    def end(self, tag):
        self.events += 1
        self.depth -= 1
        return self.tree.end(_without_namespace(tag))

    def close(self):
        return self.tree.close()


def _without_namespace(tag: str) -> str:
    """Some exports put every element into a namespace, and mean the same."""
    return tag.rpartition("}")[2]


def parse_xml(path: Path) -> Element:
    """The root of an XML file. A plain DOCTYPE is accepted and never fetched. Entity declarations are refused.

    Bytes are parsed, not text, because the file declares its encoding.

    Raises:
        InputError: whatever is wrong with the file.
    """
    content = read_limited(path, LARGEST_XML)
    if not content.strip(b"\0 \t\r\n"):
        raise InputError(path, "empty", "copy or export the file again", code="empty")
    try:
        return _parsed(content)
    except ParseError as error:
        # ErrorString and not str(error): the latter may quote the text of an undefined entity.
        words = ErrorString(error.code)
        fault = f"not well-formed XML ({words}, line {error.position[0]})"
        code = "truncated" if words in CUT_SHORT else "damaged"
    except DefusedXmlException:
        fault, code = "XML that declares entities, which no ECG device writes", "format"
    except _Excess as error:
        fault, code = f"not the XML of an ECG device: {error}", "too_large"
    except (ValueError, LookupError):
        fault, code = "XML in an encoding that cannot be read", "damaged"
    raise InputError(path, fault, "copy or export the file again", code=code)


def _parsed(content: bytes) -> Element:
    """Parse piece by piece, to notice an endless tag before expat has gathered all of it."""
    tree = _BoundedTree()
    parser = DefusedXMLParser(target=tree)
    seen, waiting = 0, 0
    for start in range(0, len(content), LONGEST_TAG // 2):
        parser.feed(content[start : start + LONGEST_TAG // 2])
        seen, waiting = tree.events, waiting + 1 if tree.events == seen else 0
        if waiting > 2:
            raise _Excess(f"a tag or comment in it is longer than {LONGEST_TAG} bytes")
    return parser.close()


def text_at(parents: list[Element], tag: str) -> str:
    """The text of the first child `tag` of the first parent that has one, without blanks around; "" when none has."""
    for parent in parents:
        child = parent.find(tag)
        if child is not None:
            return (child.text or "").strip()
    return ""


def stated_rate(root: Element) -> float | None:
    """The heart rate in beats a minute that a resting ECG of GE states; None where it states none that can be."""
    return plausible_rate(finite_number(text_at(root.findall("RestingECGMeasurements"), "VentricularRate")))


def positive_number_at(path: Path, parents: list[Element], tag: str, unit: str = "") -> float:
    """The number > 0 in the child `tag`.

    Args:
        unit: what the element's attribute `units` must say, where it has one; "" takes any.

    Raises:
        InputError: the tag by its name, where it is absent, not a number, not > 0, or in another unit.
    """
    number = finite_number(text_at(parents, tag))
    if number is None or number <= 0:
        raise InputError(path, f"{tag} is absent or not a positive number", "export the ECG again", code="scale")
    stated = next((parent.find(tag).get("units", "") for parent in parents if parent.find(tag) is not None), "")
    if unit and stated and stated.strip().lower() != unit.lower():
        raise InputError(path, f"{tag} is not in {unit}", "export the ECG again", code="unit")
    return number
