"""Which code made an output: the git commit where there is one, and a hash of the sources where that is not enough."""

import hashlib
import subprocess
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[1]
ROOMS = ("cohort", "models", "phantom", "training", "sampling", "evaluation", "segmenting", "showing")


@cache
def code_version(root: Path = ROOT) -> str:
    """Which code this is.

    Returns:
        "386e7fa..." (40 digits) for a clean checkout; "386e7fa...+sources.0a1b2c3d4e5f" where sources have changed;
        "sources.0a1b2c3d4e5f" for a copy without its history, or within another project's.
    """
    sources = f"sources.{sources_sha256(root)[:12]}"
    commit = _git(root, "rev-parse", "HEAD", "--show-toplevel").split("\n")
    if len(commit) != 2 or Path(commit[1]).resolve() != root.resolve():
        return sources
    changed = _git(root, "status", "--porcelain", "--", ":(glob)*.py", *(f":(glob){room}/**/*.py" for room in ROOMS))
    return f"{commit[0]}+{sources}" if changed else commit[0]


def sources_sha256(root: Path = ROOT) -> str:
    """One hash of the scripts and of every room's modules, names included."""
    digest = hashlib.sha256()
    for path in sorted([*root.glob("*.py"), *(path for room in ROOMS for path in (root / room).rglob("*.py"))]):
        digest.update(path.relative_to(root).as_posix().encode() + b"\0" + hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def _git(root: Path, *words: str) -> str:
    """What git prints; "" where it is absent or refuses."""
    try:
        done = subprocess.run(["git", "-C", str(root), *words], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return ""
    return done.stdout.strip()
