"""The code of a step: the modules of ours that it runs, and one hash of them, for the keys of what it makes.

The modules are found by following the imports, so that a new reader counts without being listed.
"""

import ast
import hashlib
from functools import cache
from pathlib import Path

from cohort.code_version import ROOMS, ROOT

DECIDES_NO_NUMBER = frozenset(  # they write, wait, refuse or tell; what is computed does not pass through them
    f"cohort.{name}"
    for name in ("code_version", "content", "cores", "disk", "errors", "exclusion", "finding", "lock", "private")
    + ("provenance", "pseudonym", "step_code", "stop_signals", "stored_arrays", "table")
) | {"evaluation.record", "sampling.model_card", "sampling.card_numbers", "sampling.public_text"}


@cache
def code_sha256(module: str, root: Path = ROOT) -> str:
    """One hash of a module and of all it imports of ours. Comments, docstrings and spaces do not count.

    Args:
        module: with its room, as in "cohort.prepared".
    """
    digest = hashlib.sha256()
    for name in sorted(modules_of(module, root) - DECIDES_NO_NUMBER):
        digest.update(f"{name}\n{_bare(_tree(name, root))}\0".encode())
    return digest.hexdigest()


@cache
def modules_of(module: str, root: Path = ROOT) -> frozenset[str]:
    """The names of a module and of all that it imports of ours, directly or not."""
    found, todo = set(), {module}
    while todo:
        name = todo.pop()
        found.add(name)
        todo |= {other for other in _imported(name, root) if _path(other, root).is_file()} - found
    return frozenset(found)


def _path(name: str, root: Path) -> Path:
    return root.joinpath(*name.split(".")).with_suffix(".py")


@cache
def _tree(name: str, root: Path) -> ast.Module:
    return ast.parse(_path(name, root).read_text(encoding="utf-8"))


def _imported(name: str, root: Path) -> set[str]:
    """Dotted names in a module's imports that begin with a room of ours."""
    names = set()
    for node in ast.walk(_tree(name, root)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            above = name.split(".")[: -node.level] if node.level else []
            base = ".".join([*above, *([node.module] if node.module else [])])
            names |= {base, *(f"{base}.{alias.name}" for alias in node.names)}
    return {other for other in names if other.split(".")[0] in ROOMS}


def _bare(tree: ast.Module) -> str:
    """The code alone."""
    kept = ast.parse(ast.unparse(tree))  # a copy
    for node in ast.walk(kept):
        holds_text = isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        if holds_text and ast.get_docstring(node, clean=False) is not None:
            node.body[0].value.value = ""
    return ast.unparse(kept)
