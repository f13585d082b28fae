"""Sentences of at most 25 words: in docstrings, comments and messages of the code, and in the logs beside it.

`python tests/test_prose.py [FILE ...]` prints the sentences that are longer, and how many words each file's have.
"""

import ast
import io
import re
import sys
import textwrap
import tokenize
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ROOMS = ("models", "training", "sampling", "evaluation", "segmenting", "showing", "cohort", "benchmarks", "tests")
MARKDOWN = (
    "README.md",
    "CONTRIBUTING.md",
    "CHANGELOG.md",
    "docs/app.md",
    "docs/cluster.md",
    "docs/figures.md",
    "docs/how_it_works.md",
    "docs/options.md",
    "docs/privacy.md",
    "docs/reading.md",
    "docs/segmenting.md",
    "docs/ukb.md",
    "LOG.md",
    "benchmarks/README.md",
    "phantom/README.md",
    "tests/torture/README.md",
    "sampling/model_card_template.md",
)
LONGEST = 25  # words
MESSAGE = 6  # words; a shorter string is a name, a key or a label

ABBREVIATION = re.compile(r"(?:^|[\s(])(?:e\.g|i\.e|al|vs|cf|resp|approx|[Ff]igs?|[Ee]qs?|[A-Z])\.$")
SENTENCE_END = re.compile(r"[.!?][\"')\]*_]*(?=\s)")  # a semicolon ends none: what it joins is read in one breath
NO_PROSE = re.compile(r"noqa|type:|fmt:|pragma|!")  # how a comment for a tool begins
SECTION = re.compile(r"(Args|Returns|Yields|Raises|Attributes|Note|Example)s?:")
LABEL = re.compile(r"^[*`\w.\[\]]+(?:, [*`\w.\[\]]+)*:(?:\s+|$)")
BULLET = re.compile(r"^(?:[-*] |\d+\) )")
CELL = re.compile(r"\s*\|\s*")


@dataclass(frozen=True)
class Sentence:
    """One sentence of a file, and the line its paragraph begins on."""

    line: int
    text: str

    @property
    def words(self) -> int:
        """Tokens with a letter."""
        return count_words(self.text)


def count_words(text: str) -> int:
    return sum(any(character.isalpha() for character in token) for token in text.split())


# ---- From text to sentences ----


def sentences_of(text: str) -> list[str]:
    """Split a docstring, comment, message or Markdown page; code and tables' rules are left out."""
    return [sentence for unit in units(text) for sentence in split_sentences(unit)]


def split_sentences(paragraph: str) -> list[str]:
    """Sentences of one paragraph; what stands in backticks counts as one word, and ends none."""
    text = re.sub(r"``?[^`]+``?", "code", " ".join(paragraph.split()))
    found, begin = [], 0
    for end in SENTENCE_END.finditer(text):
        if not (end[0][0] == "." and ABBREVIATION.search(text[begin : end.start() + 1])):
            found.append(text[begin : end.end()].strip())
            begin = end.end()
    return [sentence for sentence in (*found, text[begin:].strip()) if count_words(sentence)]


def units(text: str) -> Iterator[str]:
    """Paragraphs, headings, entries of lists and of "Args:", and cells of tables."""
    fenced, code, unit, section, last = False, False, [], None, 0
    for line in [*text.expandtabs().splitlines(), ""]:
        stripped, indent = line.strip(), len(line) - len(line.lstrip())
        if stripped.startswith("```"):
            fenced = not fenced
            stripped = ""
        code = bool(stripped) and indent >= last + 4 and (code or not unit) and section is None
        if (fenced and stripped) or code:
            continue
        heading = bool(SECTION.fullmatch(stripped)) or stripped.startswith(("#", "|"))
        section = section_of(stripped, indent, section)
        if not stripped or heading or BULLET.match(stripped) or (section == indent and LABEL.match(stripped)):
            yield " ".join(unit)
            unit = []
        if heading and not SECTION.fullmatch(stripped):
            yield from CELL.split(stripped)
        elif stripped and not heading:
            unit.append(stripped if unit else without_label(stripped, section == indent))
            last = indent
    yield " ".join(unit)


def section_of(line: str, indent: int, section: int | None) -> int | None:
    """How far the entries of "Args:" and its like are indented; None outside of them."""
    if SECTION.fullmatch(line):
        return indent + 4
    return None if line and section is not None and indent < section else section


def without_label(line: str, in_section: bool) -> str:
    """A line without its bullet or the name of an argument."""
    line = BULLET.sub("", line)
    return LABEL.sub("", line) if in_section else line


# ---- From files to text ----


def prose_of(path: Path) -> Iterator[tuple[int, str]]:
    """(line, text) of all prose in a file of Python or Markdown."""
    source = path.read_text(encoding="utf-8")
    if path.suffix == ".md":
        yield 1, source
        return
    yield from comments(source)
    tree = ast.parse(source)
    bare = {node.value: node for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    within = {part for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in node.values}
    for node in ast.walk(tree):
        text = string_of(node)
        if text is None or node in within:
            continue
        if node in bare or (count_words(text) >= MESSAGE and not is_code(text)):
            yield node.lineno, dedented(text)


def string_of(node: ast.AST) -> str | None:
    """What a string says, with one word for each value put into it."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        return "".join(part.value if isinstance(part, ast.Constant) else "value" for part in node.values)
    return None


def dedented(text: str) -> str:
    """The text with its first line, which has no indentation, as the others."""
    first, _, rest = text.partition("\n")
    return f"{first.strip()}\n{textwrap.dedent(rest)}"


def is_code(text: str) -> bool:
    """Whether a string is a program, markup or a command rather than something to read."""
    if text.lstrip().startswith("<") or re.search(r"(^|\s)--\w[\w-]* \S+ --\w", text):
        return True
    try:
        return "\n" in text.strip() and bool(ast.parse(textwrap.dedent(text)))
    except SyntaxError:
        return False


def comments(source: str) -> Iterator[tuple[int, str]]:
    """Comments; lines of nothing but comment that follow one another are one text."""
    block, begin, last = [], 0, (0, 0)
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type != tokenize.COMMENT:
            continue
        text, (row, column) = token.string.lstrip("#").strip(), token.start
        alone = not token.line[:column].strip()
        if not (block and alone and (row - 1, column) == last):
            yield begin, "\n".join(block)
            block, begin = [], row
        if not NO_PROSE.match(text):
            block.append(text)
        last = (row, column) if alone else (0, 0)
    yield begin, "\n".join(block)


def files() -> list[Path]:
    """What is measured: the rooms, the scripts, and the logs; of phantom/ not the first, which is to go."""
    scripts = [*ROOT.glob("*.py"), *(ROOT / "phantom").glob("*.py")]
    code = [*scripts, *(path for room in ROOMS for path in (ROOT / room).rglob("*.py"))]
    return sorted(code) + [ROOT / name for name in MARKDOWN]


def name_of(path: Path) -> str:
    return path.resolve().relative_to(ROOT).as_posix()


def room_of(name: str) -> str:
    """The folder of a file, "scripts" for those of the root; a log is a room of its own."""
    return name if name in MARKDOWN else name.split("/")[0] if "/" in name else "scripts"


def sentences_in(path: Path) -> list[Sentence]:
    return [Sentence(line, sentence) for line, text in prose_of(path) for sentence in sentences_of(text)]


def long_ones(path: Path) -> list[Sentence]:
    return [sentence for sentence in sentences_in(path) if sentence.words > LONGEST]


# ---- What must hold ----


@pytest.mark.parametrize("path", files(), ids=name_of)
def test_no_sentence_is_too_long_to_be_read_once(path):
    long = [f"{name_of(path)}:{s.line}: {s.words} words: {s.text}" for s in long_ones(path)]
    assert not long, "\n".join(long)


@pytest.mark.parametrize(
    ("text", "sentences"),
    [
        ("One. Two! Three?", ["One.", "Two!", "Three?"]),
        ("Loss is 0.5 of 1.25 mm. So it stays.", ["Loss is 0.5 of 1.25 mm.", "So it stays."]),
        (
            "As others do (e.g. Ho et al. 2020, Fig. 3). Not here.",
            ["As others do (e.g. Ho et al. 2020, Fig. 3).", "Not here."],
        ),
        ("A heart; its ECG.", ["A heart; its ECG."]),
        ("Call `a.b. c d` now. **Then** stop.", ["Call code now.", "**Then** stop."]),
        ("**A title.** The text.", ["**A title.**", "The text."]),
        ("One line\nand its end.\n\nAnother", ["One line and its end.", "Another"]),
        ("What it does.\n\n    python code.py --and more\n\nAfter it.", ["What it does.", "After it."]),
        ("Text.\n```\nsome code here\n```\nEnd.", ["Text.", "End."]),
        ("- an entry\n  that goes on\n- the next", ["an entry that goes on", "the next"]),
        ("| a cell | another |\n|---|---|\n| x | 3 |", ["a cell", "another", "x"]),
        (
            "Do it.\n\nArgs:\n    ecg: (12, T) mV,\n        by lead.\n    a, b: who\n\nLater.",
            ["Do it.", "(12, T) mV, by lead.", "who", "Later."],
        ),
        ("A line that ends in\ndoubt: it goes on.", ["A line that ends in doubt: it goes on."]),
    ],
)
def test_sentences_end_where_a_reader_ends_them(text, sentences):
    assert sentences_of(text) == sentences


def test_prose_is_docstrings_comments_and_messages(tmp_path):
    source = tmp_path / "a.py"
    source.write_text(
        '''
"""Of the module."""
x = 1  # beside it
# a comment
# of two lines
KEY = "a key of few words"

def f(n):
    """Of a function."""
    raise ValueError(f"there are {n} of them, and that is " "too many")

CODE = """
import this
that = this
"""
'''
    )
    assert {text for _, text in prose_of(source)} == {
        "",
        "Of the module.\n",
        "beside it",
        "a comment\nof two lines",
        "Of a function.\n",
        "there are value of them, and that is too many\n",
    }


def test_words_have_a_letter():
    assert count_words("2 x 3 mm, +- 0.5 of 1e-3 (B, 12)") == 5


# ---- The report ----


def main(paths: list[Path]) -> None:
    """Print the long sentences of these files, then a table of all files and one of the rooms."""
    found = {name_of(path): sentences_in(path) for path in paths}
    for name, sentences in found.items():
        for s in sentences:
            if s.words > LONGEST:
                print(f"{name}:{s.line}: {s.words} words: {s.text}")
    rooms: dict[str, list[Sentence]] = {}
    for name, sentences in found.items():
        rooms.setdefault(room_of(name), []).extend(sentences)
    print_table("file", found)
    print_table("room", rooms | {"all": [s for sentences in found.values() for s in sentences]})


def print_table(title: str, rows: dict[str, list[Sentence]]) -> None:
    print(f"\n{title:40s} sentences  mean words  over {LONGEST}")
    for name, sentences in rows.items():
        words = [s.words for s in sentences]
        mean = sum(words) / max(len(words), 1)
        print(f"{name:40s} {len(words):9d}  {mean:10.1f}  {sum(w > LONGEST for w in words):7d}")


if __name__ == "__main__":
    main([Path(name) for name in sys.argv[1:]] or files())
