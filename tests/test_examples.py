"""What a reader copies runs as it stands: the snippet of the README, and the notebook's cells in their order."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from cohort.cine import read_nifti
from cohort.cores import WAITING
from phantom.cohort_writer import ecg_path

ROOT = Path(__file__).parents[1]
NOTEBOOK = ROOT / "examples" / "first_heart.ipynb"
SNIPPET = re.compile(r"```python\n(.*?)```", re.DOTALL)
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT), "MPLBACKEND": "agg", "PYTHONWARNINGS": "ignore"}


def run(code: str, folder: Path, **settings) -> str:
    """What a program prints in a process and a folder of its own; it must end well."""
    command, options = [sys.executable, "-c", code], {"capture_output": True, "text": True, "timeout": 600}
    done = subprocess.run(command, cwd=folder, env=ENVIRONMENT | settings, **options)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_snippet_of_the_readme_runs_and_writes_a_heart(phantom_data, tmp_path):
    [snippet] = SNIPPET.findall((ROOT / "README.md").read_text(encoding="utf-8"))
    named = re.search(r'Path\("(demo/unseen/ecg/[^"]+)"\)', snippet)[1]
    place = tmp_path / named
    place.parent.mkdir(parents=True)
    place.write_bytes(ecg_path(phantom_data, 0).read_bytes())
    (tmp_path / "pretrained").symlink_to(ROOT / "pretrained")
    said = run(snippet, tmp_path)
    assert "(4, 10, 2, 96, 96)" in said and "'interval_90': [" in said
    voxels = read_nifti(tmp_path / "out" / place.stem / "sa_ED.nii.gz").voxels
    assert voxels.shape[:3] == (96, 96, 10) and np.ptp(voxels) > 500


def first_lines(code: str) -> str:
    """The imports that a program begins with."""
    lines = code.splitlines()
    last = max(k for k, line in enumerate(lines) if re.match(r"(from|import) ", line))
    return "\n".join(line for line in lines[: last + 1] if re.match(r"(from|import) ", line))


@pytest.mark.parametrize("what", ["snippet", "notebook", "from evaluation.heart_sampler import HeartSampler"])
def test_torch_finds_that_its_threads_shall_sleep_however_python_asks_for_a_heart(what, notebook, tmp_path):
    """OpenMP reads the variable once, when torch brings it in."""
    begins = {
        "snippet": SNIPPET.findall((ROOT / "README.md").read_text(encoding="utf-8"))[0],
        "notebook": "".join(next(cell["source"] for cell in notebook["cells"] if cell["cell_type"] == "code")),
    }
    spy = """
import os, sys
class Spy:
    def find_spec(self, name, path=None, target=None):
        if name == "torch":
            print("torch comes:", os.environ.get("OMP_WAIT_POLICY"))
            sys.exit()
sys.meta_path.insert(0, Spy())
"""
    unset = {key: value for key, value in ENVIRONMENT.items() if key not in WAITING}
    code = spy + first_lines(begins.get(what, what))
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=unset, capture_output=True, text=True)
    assert done.stdout == "torch comes: PASSIVE\n", done.stderr


@pytest.fixture(scope="module")
def notebook() -> dict:
    return json.loads(NOTEBOOK.read_text(encoding="utf-8"))


def test_the_notebook_is_of_format_4_and_holds_no_output(notebook):
    assert notebook["nbformat"] == 4
    for cell in notebook["cells"]:
        assert {"cell_type", "id", "metadata", "source"} <= cell.keys() and cell["metadata"] == {}
        assert cell["cell_type"] == "markdown" or (cell["outputs"] == [] and cell["execution_count"] is None)


def test_the_cells_of_the_notebook_run_in_their_order(notebook, tmp_path):
    """In one namespace, as a kernel runs them. No Jupyter is needed, and the folder is that where Jupyter begins."""
    cells = ["".join(cell["source"]) for cell in notebook["cells"] if cell["cell_type"] == "code"]
    said = run("\n".join(cells), NOTEBOOK.parent, TMPDIR=str(tmp_path))
    assert "leads: 12 warnings: (" in said and "(4, 10, 2, 96, 96)" in said
    assert " counts" not in said  # nothing is told of a patient whom the file contradicts
    intervals = re.findall(r"LVEDV +([\d.]+) mL +90 %: +([\d.]+) to +([\d.]+)", said)
    assert len(intervals) == 2 and all(float(low) < float(mean) < float(high) for mean, low, high in intervals)
