"""Imports go down only, and the rooms' names say what is in them."""

import ast
from pathlib import Path

ROOT = Path(__file__).parents[1]
ALLOWED = {
    "cohort": set(),
    "models": set(),
    "phantom": {"cohort"},
    "training": {"cohort", "models"},
    "sampling": {"cohort", "models"},
    "evaluation": {"cohort", "models", "sampling"},
}
SAYS_NOTHING = {"utils", "util", "helpers", "helper", "common", "misc", "tools"}


def imported_rooms(path: Path) -> set[str]:
    rooms = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            rooms.add(node.module.split(".")[0])
        elif isinstance(node, ast.Import):
            rooms.update(alias.name.split(".")[0] for alias in node.names)
    return rooms


def test_rooms_import_only_downward():
    scripts = {path.stem for path in ROOT.glob("*.py")} | {"benchmarks"}
    for room, below in ALLOWED.items():
        files = list((ROOT / room).glob("*.py"))
        assert files, room
        for path in files:
            forbidden = (set(ALLOWED) | scripts) - below - {room}
            assert not imported_rooms(path) & forbidden, path


def test_only_the_dataset_of_the_cohort_knows_torch():
    with_torch = {p.name for p in (ROOT / "cohort").glob("*.py") if "torch" in imported_rooms(p)}
    assert with_torch == {"dataset.py"}
    assert not any("torch" in imported_rooms(p) for p in (ROOT / "phantom").glob("*.py"))


def test_no_file_is_named_for_nothing():
    assert not {p.stem for p in ROOT.rglob("*.py") if ".venv" not in p.parts} & SAYS_NOTHING
