"""Imports go down only and stand at the top, and the rooms' names say what is in them."""

import ast
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ALLOWED = {
    "cohort": set(),
    "models": set(),
    "phantom": {"cohort"},
    "sampling": {"cohort", "models"},
    "training": {"sampling", "cohort", "models"},
    "evaluation": {"sampling", "cohort", "models"},
    "segmenting": {"sampling", "cohort", "models"},
    "showing": {"evaluation", "sampling", "cohort", "phantom"},
}
SCRIPTS = sorted(ROOT.glob("*.py"))
MODULES = sorted(path for room in ALLOWED for path in (ROOT / room).glob("*.py"))
BENCHMARKS = sorted((ROOT / "benchmarks").glob("*.py"))
LONGEST_SCRIPT = 130  # lines
SAYS_NOTHING = {"utils", "util", "helpers", "helper", "common", "misc", "tools"}


def imports(tree: ast.AST) -> list[ast.Import | ast.ImportFrom]:
    return [node for node in ast.walk(tree) if isinstance(node, ast.Import | ast.ImportFrom)]


def imported_modules(path: Path, tree: ast.AST | None = None) -> set[str]:
    """Dotted names of all imports of a file; relative ones are resolved in its room."""
    names = set()
    for node in imports(tree or ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        else:
            base = node.module or "" if not node.level else ".".join(filter(None, (path.parent.name, node.module)))
            names.add(base)
            names.update(f"{base}.{alias.name}" for alias in node.names)
    return names


def imported_rooms(path: Path) -> set[str]:
    return {name.split(".")[0] for name in imported_modules(path)}


@pytest.mark.parametrize("room", ALLOWED)
def test_rooms_import_only_downward(room):
    above = (set(ALLOWED) | {path.stem for path in SCRIPTS} | {"benchmarks", "tests"}) - ALLOWED[room] - {room}
    files = [path for path in MODULES if path.parent.name == room]
    assert files
    assert {path.name: imported_rooms(path) & above for path in files if imported_rooms(path) & above} == {}


def test_a_script_is_imported_by_nobody():
    scripts = {path.stem for path in SCRIPTS}
    assert [path for path in (*MODULES, *SCRIPTS, *BENCHMARKS) if imported_rooms(path) & scripts] == []


def test_no_module_of_a_room_imports_itself_by_whatever_way():
    """Imports within functions count too."""
    names = {f"{path.parent.name}.{path.stem}": path for path in MODULES}
    graph = {name: imported_modules(path) & names.keys() - {name} for name, path in names.items()}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(" -> ".join(error.args[1]))


def imports_within_functions(path: Path) -> list[str]:
    """Functions that import, but for `main` of a script."""
    tree = ast.parse(path.read_text())
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    is_script = any(isinstance(node, ast.If) and "__main__" in ast.unparse(node.test) for node in tree.body)
    return [f.name for f in functions if imports(f) and not (is_script and f.name == "main")]


@pytest.mark.parametrize("path", [*MODULES, *SCRIPTS, *BENCHMARKS], ids=lambda path: f"{path.parent.name}/{path.name}")
def test_imports_stand_at_the_top(path):
    """In `main` of a script they may stand too, so that --help waits for none of them."""
    assert imports_within_functions(path) == []


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.name)
def test_a_script_holds_options_and_main(path):
    tree = ast.parse(path.read_text())
    assert len(path.read_text().splitlines()) <= LONGEST_SCRIPT
    assert [node.name for node in tree.body if isinstance(node, ast.FunctionDef)] == ["main"]
    assert {node.name for node in tree.body if isinstance(node, ast.ClassDef)} <= {"Config", "Options"}


def test_only_what_computes_with_networks_knows_torch():
    for room in ("cohort", "phantom"):
        assert not any("torch" in imported_rooms(path) for path in MODULES if path.parent.name == room)


def test_no_file_is_named_for_nothing():
    assert not {p.stem for p in ROOT.rglob("*.py") if ".venv" not in p.parts} & SAYS_NOTHING
