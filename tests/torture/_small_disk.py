"""Disks of a few megabytes that only this process and its children see, and what a command says when one is full."""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

INSIDE = "TORTURE_NAMESPACE"


def with_own_mounts() -> bool:
    """Run this script again where it may mount; False if the system does not allow it, True once inside."""
    if os.environ.get(INSIDE):
        return True
    unshare = ["unshare", "--user", "--map-root-user", "--mount"]
    try:
        trial = [*unshare, "mount", "-t", "tmpfs", "tmpfs", tempfile.gettempdir()]  # seen by this one process alone
        subprocess.run(trial, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        return False
    os.execvpe(unshare[0], [*unshare, sys.executable, *sys.argv], os.environ | {INSIDE: "1"})


def disk(place: Path, size: int, options: str = "rw") -> Path:
    place.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={size},{options}", "tmpfs", str(place)]
    subprocess.run(command, check=True)
    return place


def unmount(place: Path) -> None:
    subprocess.run(["umount", str(place)], check=False)


def resize(place: Path, size: int) -> None:
    subprocess.run(["mount", "-o", f"remount,size={size}", "tmpfs", str(place)], check=True)


def leave(place: Path, room: int) -> None:
    """Make a disk so small that a whole number of pages is left of it: at least `room` bytes."""
    usage = shutil.disk_usage(place)
    resize(place, max(usage.used + room, 4096))  # of 0 bytes would be as large as one likes


def refusal(code: int | None, said: str, *words: str) -> bool:
    """Whether the run ended with exit code 2 and one line for the user with these words."""
    lines = [line for line in said.splitlines() if line.startswith("error: ")]
    told = len(lines) == 1 and all(word in lines[0] for word in words)
    return code == 2 and told and "Traceback" not in said
