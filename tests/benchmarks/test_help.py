"""The benchmarks answer --help at once."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SCRIPTS = [path for path in sorted((ROOT / "benchmarks").glob("*.py")) if "tyro.cli(" in path.read_text()]
HEAVY = {"torch", "diffusers", "accelerate", "scipy.signal", "matplotlib"}
HELP = """
import runpy, sys
script, sys.argv[1:] = sys.argv[1], ["--help"]
try:
    runpy.run_path(script, run_name="__main__")
except SystemExit:
    print(*sys.modules, file=sys.stderr)
"""


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_help_imports_nothing_heavy(script):
    done = subprocess.run([sys.executable, "-c", HELP, script], capture_output=True, text=True)
    imported = set(done.stderr.split())
    assert "tyro" in imported and "usage: " in done.stdout
    assert not HEAVY & imported
