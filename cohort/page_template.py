"""Pages of HTML from templates: every value is escaped, and a page loads nothing from outside."""

import base64
from functools import cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

SHARED = Path(__file__).parent  # page_base.html and page_style.css, which every page begins with


def filled(template: Path, **content: object) -> str:
    """The page that a template makes of some content.

    Args:
        template: a file whose folder may hold further ones. It may extend "page_base.html".
        content: by the names that the template uses. Text is escaped there, whatever it holds.

    Raises:
        jinja2.UndefinedError: the template names what `content` lacks.
    """
    return _templates_in(template.parent).get_template(template.name).render(**content)


@cache
def _templates_in(folder: Path) -> Environment:
    """The templates of a folder, and those that all share; compiled once."""
    folders = FileSystemLoader([folder, SHARED])
    options = {"trim_blocks": True, "lstrip_blocks": True, "keep_trailing_newline": True}
    return Environment(loader=folders, autoescape=True, undefined=StrictUndefined, **options)


def embedded(picture: bytes, kind: str = "png") -> str:
    """A picture's file as an address that holds it whole; kind: "png" or "jpeg"."""
    return f"data:image/{kind};base64,{base64.b64encode(picture).decode('ascii')}"
