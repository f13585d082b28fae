"""Templates of the pages that sample.py writes. They lie beside this file, and every text in them is escaped."""

from pathlib import Path

from markupsafe import Markup

from cohort.page_template import filled

FOLDER = Path(__file__).parent
NOTHING_FROM_OUTSIDE = "default-src 'none'; img-src {images}; style-src 'unsafe-inline'; script-src 'unsafe-inline'"


def sentence(text: str) -> str:
    """A sentence with its capital and its full stop; a file's name that begins it stays as it is."""
    first, _, rest = text.partition(" ")
    begins = first[:1].upper() + first[1:] if first.rstrip(":,").isalpha() else first
    whole = f"{begins} {rest}" if rest else begins
    return whole if whole.endswith((".", "!", "?")) else f"{whole}."


def rendered(template: str, images: str = "data:", **content: object) -> str:
    """A page from a template of this folder.

    Args:
        images: from where the page may take pictures, as a browser's content policy says it.
    """
    return filled(FOLDER / template, policy=NOTHING_FROM_OUTSIDE.format(images=images), sentence=sentence, **content)


def part(name: str) -> Markup:
    """A style or a script of this folder, to be written into a page as it is."""
    return Markup((FOLDER / name).read_text(encoding="utf-8"))  # a file of ours, which nobody gave
