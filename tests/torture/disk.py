"""Row B6: a disk that gets full while a training runs (ten levels), is too small from the start, or is read-only.

    python tests/torture/disk.py            # ten levels
    python tests/torture/disk.py --quick    # two

Where user namespaces are allowed (`unshare -rm`), it needs no privilege: the disk is a small tmpfs that only this
script sees. Elsewhere a limit on the size of files (RLIMIT_FSIZE) takes its place, and the rows say so.
"""

import argparse
import os
import resource
import shutil
import sys
import tempfile
from pathlib import Path

from _small_disk import disk, refusal, unmount, with_own_mounts
from _tiny_training import PARTIAL, damaged, fork, left_by, row, saved, step_of

STEPS, FILLED_AT = 12, 6  # checkpoints are due at 4, 8 and 12
DISK_BYTES = 64 * 2**20


def full_at(level: float, place: Path, mounts: bool, size: int, expected: dict) -> str | None:
    """What went wrong when the disk had room for this share of a checkpoint, or None.

    Args:
        size: bytes of a checkpoint.
    """
    place = disk(place, DISK_BYTES) if mounts else place
    folder, filler = place / "run", place / "filler"

    def fill(step: int, rank: int) -> None:
        if step == FILLED_AT and mounts:
            with filler.open("wb") as file:
                os.posix_fallocate(file.fileno(), 0, shutil.disk_usage(place).free - int(level * size))
        elif step == FILLED_AT:
            limit = int(
                level * size / 4
            )  # the optimiser's file is half a checkpoint, weights and average a quarter each
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.getrlimit(resource.RLIMIT_FSIZE)[1]))

    place.mkdir(exist_ok=True)
    started = fork(folder, steps=STEPS, at_step=fill, log=place.with_name(f"{place.name}.log"))
    code, said = started.code(), started.said()
    if not refusal(code, said, "cannot be written", "bytes are needed"):
        return f"code {code}: {said[-1500:]}"
    left = [str(p.relative_to(folder)) for p in folder.rglob("*") if p.name.startswith((PARTIAL, ".tmp"))]
    if [step_of(path) for path in saved(folder)] != [4] or damaged(saved(folder)[-1]) or left:
        return f"left {[p.name for p in saved(folder)]} and {left}"
    filler.unlink(missing_ok=True)
    again = fork(folder, steps=STEPS, log=place.with_name(f"{place.name}.log"))
    if again.code() != 0:
        return again.said()[-1500:]
    return None if left_by(folder) == expected else "another result"


def small_at(level: float, place: Path, size: int) -> str | None:
    """What went wrong when the disk was too small from the start, or None."""
    folder = disk(place, int(level * 4 * size)) / "run"
    started = fork(folder, steps=STEPS, log=place.with_name(f"{place.name}.log"))
    code, said = started.code(), started.said()
    good = refusal(code, said, "the checkpoints to come need", "bytes and", "are free")
    return None if good and not (folder / "metrics.jsonl").exists() else f"code {code}: {said[-1500:]}"


def read_only(place: Path, mounts: bool) -> str | None:
    """What went wrong in a folder nobody may write to, or None."""
    if mounts:
        disk(place, DISK_BYTES, "ro")
    else:
        place.mkdir()
        place.chmod(0o555)
        if os.access(place, os.W_OK):
            return "cannot be tried: this user may write everywhere"
    started = fork(place / "run", steps=STEPS, log=place.with_name(f"{place.name}.log"))
    code, said = started.code(), started.said()
    return None if refusal(code, said, "cannot be written") else f"code {code}: {said[-1500:]}"


def told(what: str, target: str, faults: dict[str, str | None]) -> bool:
    for name, fault in faults.items():
        if fault:
            print(name, fault, sep=": ", file=sys.stderr)
    good = sum(fault is None for fault in faults.values())
    return row("B6", what, target, f"{good} of {len(faults)}", good == len(faults))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true")
    options = parser.parse_args()
    mounts = with_own_mounts()
    levels = [0.0, 0.5] if options.quick else [level / 10 for level in range(10)]
    how = "own tmpfs" if mounts else "RLIMIT_FSIZE"
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        assert fork(place / "whole", steps=STEPS).code() == 0
        expected = left_by(place / "whole")
        size = sum(path.stat().st_size for path in saved(place / "whole")[-1].iterdir())
        faults = {f"{v:.0%}": full_at(v, place / f"full_{n}", mounts, size, expected) for n, v in enumerate(levels)}
        target = (
            "code 2, bytes needed in the message, the checkpoint before is whole, sha256-equal end after making room"
        )
        met = told(f"disk full while training, {len(levels)} levels ({how})", target, faults)
        if mounts:
            faults = {f"{v:.0%}": small_at(v, place / f"small_{n}", size) for n, v in enumerate((0.1, 0.5, 0.9))}
            target = "refused before the first step with the bytes needed"
            met &= told("disk too small from the start, 3 levels (own tmpfs)", target, faults)
        what = f"read-only folder ({'read-only tmpfs' if mounts else 'permissions'})"
        met &= told(what, "refused with code 2 and one line", {"read-only": read_only(place / "locked", mounts)})
        if mounts:
            for mounted in (*place.glob("full_*"), *place.glob("small_*"), place / "locked"):
                unmount(mounted) if mounted.is_dir() else None
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main())
