"""An image holds the code and the released weights, whole, and nothing of the data that lies in the same folder."""

from pathlib import Path

from cohort.code_version import ROOMS

ROOT = Path(__file__).parents[1]
NEEDED = {"requirements.txt", "LICENSE", "pretrained", *ROOMS}
SCRIPTS = {path.name for path in ROOT.glob("*.py")}


def test_docker_is_given_what_is_needed_and_nothing_else():
    first, *rest = [
        line for line in (ROOT / ".dockerignore").read_text().splitlines() if line and not line.startswith("#")
    ]
    given = {line[1:] for line in rest if line.startswith("!")}
    assert first == "*" and given == NEEDED | {"*.py"}
    assert "COPY . .\n" in (ROOT / "docs" / "Dockerfile").read_text()


def test_apptainer_is_given_what_is_needed_and_nothing_else():
    text = (ROOT / "docs" / "ecg-to-mri.def").read_text()
    files = dict(line.split() for line in text.split("%files\n")[1].split("\n\n")[0].splitlines())
    assert files.keys() == NEEDED | SCRIPTS
    assert all(inside == f"/app/{name}" for name, inside in files.items())
