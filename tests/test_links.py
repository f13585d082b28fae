"""Every relative link of the pages for readers leads to a file that exists, and each #anchor to a heading of it."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
LINK = re.compile(r"\]\(([^()\s]+)\)")
HEADING = re.compile(r"^#{1,6} +(.+?) *$", re.MULTILINE)


def dead_links(page: Path) -> list[str]:
    """Links of a page, as written, that lead to no file or to no heading; those to the web are not followed."""
    links = [link for link in LINK.findall(page.read_text(encoding="utf-8")) if "://" not in link]
    return [link for link in links if not leads_somewhere(page, *link.partition("#")[::2])]


def leads_somewhere(page: Path, path: str, anchor: str) -> bool:
    target = page.parent / path if path else page
    return target.exists() and (not anchor or anchor in anchors(target.read_text(encoding="utf-8")))


def anchors(text: str) -> set[str]:
    """The anchors that GitHub gives the headings: lower case, blanks to hyphens, other marks left out."""
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in HEADING.findall(text)}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_every_link_leads_to_a_file_and_a_heading(page):
    assert not dead_links(page)


def test_the_readme_leads_to_every_page_of_docs():
    linked = {link.partition("#")[0] for link in LINK.findall((ROOT / "README.md").read_text(encoding="utf-8"))}
    assert {page.relative_to(ROOT).as_posix() for page in PAGES if page.parent == ROOT / "docs"} <= linked


def test_dead_links_are_found(tmp_path):
    page = tmp_path / "a.md"
    page.write_text(
        "# UK Biobank's own, again\n[a](#uk-biobanks-own-again) [b](#away) [c](b.md) [d](https://e.org/x)\n"
    )
    assert dead_links(page) == ["#away", "b.md"]


def test_the_demos_first_page_leads_to_what_the_demo_writes():
    page = (ROOT / "docs" / "demo.html").read_text(encoding="utf-8")
    links = re.findall(r'href="([^"]+)"', page)
    assert page.count('<a target="_blank" href=') == len(links)  # the way back: none of them has a link to this page
    demo = (ROOT / "Makefile").read_text(encoding="utf-8").partition("\ndemo: ")[2].partition("\n\n")[0]
    assert "cp docs/demo.html demo/index.html" in demo
    folders = {"samples": ("index.html", "overview.png"), "report": ("report.html",)}
    assert links == [f"{folder}/{name}" for folder, names in folders.items() for name in names]
    assert all(f"--output demo/{folder}" in demo for folder in folders)
