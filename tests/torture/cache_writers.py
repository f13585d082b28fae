"""Row C1: eight processes prepare one cohort and its latents in one folder at once; a fifth of them is killed.

    python tests/torture/cache_writers.py            # 40 rounds of 8 writers, 64 kills
    python tests/torture/cache_writers.py --quick    # 5 rounds, 8 kills

Every kill is a SIGKILL at a random instant. Half of them hit the very process that is writing then. Two of the people
are damaged, so that rows are taken out at the end as well. The surviving writers look at the arrays when they are done,
and another process looks all the time. A look is torn when it sees an array under its name that differs, in any bit,
from what one undisturbed process writes.
"""

import argparse
import hashlib
import os
import random
import signal
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

import numpy as np
import torch

from cohort.disk import PARTIAL
from cohort.exclusion import EXCLUDED
from cohort.heart_grid import GridGeometry
from cohort.prepared import ARRAYS, Preparation, PreparedCohort, load_prepared, prepare_cohort
from models.autoencoder import SliceAutoencoder
from phantom.cohort_plan import CohortPlan
from phantom.cohort_writer import ecg_path, write_cohort
from tests.corpora.trial import markdown_row
from training.latents import cohort_latents

WRITERS, KILLS = 8, (2, 2, 1, 2, 1)  # kills of one round after the other: 8 of 40 writers
PREPARATION = Preparation(GridGeometry(slices=3, phases=2, height=32, width=32, slice_step_mm=30.0, pixel_mm=5.4))
PEOPLE, DAMAGED = 14, (3, 9)
LONGEST_S = 600


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true")
    rounds = 5 if parser.parse_args().quick else 40
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        write_cohort(place / "UKBB", CohortPlan(seed=3, subjects=PEOPLE), processes=1)
        for index in DAMAGED:
            ecg_path(place / "UKBB", index).write_bytes(b"")
        truth = write(place / "UKBB", place / "undisturbed")
        begun = time.monotonic()
        write(place / "UKBB", place / "again")  # warm, as the writers are
        lasts_s = time.monotonic() - begun
        chance = random.Random(0)
        found = [one_round(place / "UKBB", place / f"round_{k}", truth, lasts_s, k, chance) for k in range(rounds)]
    kills, holders, looks, torn, failed, left = (sum(column) for column in zip(*found, strict=True))
    reached = (
        f"{torn} of {looks} looks torn; {rounds * WRITERS} writers, {kills} killed ({holders} while writing), "
        f"{failed} survivors failed, {left} drafts left behind"
    )
    print(markdown_row("C1", "8 cache writers at once, 20 % killed", "no torn read, every survivor done", reached))
    return int(bool(torn or failed or left) or not looks or kills < 0.2 * rounds * WRITERS)


def write(data: Path, folder: Path) -> str:
    """What one writer does: prepare, encode, look."""
    torch.manual_seed(0)
    autoencoder = SliceAutoencoder(width=8, latent_channels=4).eval()
    autoencoder.set_latent_statistics(torch.zeros(4), torch.ones(4))
    cohort = prepare_cohort(data, folder, PREPARATION, quiet=True)
    cohort_latents(autoencoder, cohort, torch.device("cpu"), main=True)
    return look(cohort)


def look(cohort: PreparedCohort) -> str:
    """Hash of everything that can be seen under its name; the latents are the last to appear."""
    digest = hashlib.sha256((cohort.folder / EXCLUDED).read_bytes())
    for name in ARRAYS:
        digest.update(np.ascontiguousarray(getattr(cohort, name)).tobytes())
    for path in cohort.folder.glob("latents-*/latents.npy"):
        digest.update(np.load(path, mmap_mode="r").tobytes())
    return digest.hexdigest()


def one_round(data: Path, folder: Path, truth: str, lasts_s: float, number: int, chance: random.Random) -> tuple:
    """Counts of kills, kills while writing, looks, torn looks, failed survivors, and drafts left behind."""
    begun = time.monotonic()
    writers = {fork(lambda: int(write(data, folder) != truth)) for _ in range(WRITERS)}
    moments = sorted(chance.uniform(0, 0.9 * lasts_s) for _ in range(KILLS[number % len(KILLS)]))
    killed, waiting = set(), set(writers)
    holders = looks = torn = failed = 0
    while waiting and time.monotonic() - begun < LONGEST_S:
        if moments and (time.monotonic() - begun > moments[0] or len(waiting) <= len(moments)):
            writing = sorted(waiting & holding_a_lock())
            pick_writing = bool(writing) and len(moments) % 2 == 1
            victim = writing[0] if pick_writing else chance.choice(sorted(waiting))
            os.kill(victim, signal.SIGKILL)
            killed.add(victim)
            holders += victim in writing
            moments.pop(0)
        for pid, status in ended(waiting):
            waiting.discard(pid)
            failed += pid not in killed and status != 0
        for cohort in seen(folder):
            whole = bool(list(cohort.folder.glob("latents-*/latents.npy")))
            if whole:  # before that, the encoding processes look at everything but the latents
                looks += 1
                torn += look(cohort) != truth
        time.sleep(0.01)
    for pid in waiting:
        os.kill(pid, signal.SIGKILL)
        failed += 1
    survivors = len(writers) - len(killed)
    left = len(list(folder.rglob(f"{PARTIAL}*")))
    return len(killed), holders, looks + survivors, torn, failed, left


def seen(folder: Path) -> list[PreparedCohort]:
    return [load_prepared(path.parent) for path in folder.glob("UKBB-*/prepared.json")]


def fork(job) -> int:
    """Start job() in a process of its own; its result is the exit code, and nothing it prints is shown."""
    sys.stdout.flush()
    pid = os.fork()
    if pid:
        return pid
    code = 70
    try:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, 1)
        os.dup2(nowhere, 2)
        code = job()
    finally:
        os._exit(code)


def ended(pids: set[int]) -> list[tuple[int, int]]:
    found = [os.waitpid(pid, os.WNOHANG) for pid in pids]
    return [(pid, status) for pid, status in found if pid]


def holding_a_lock() -> set[int]:
    """Processes that hold a lock on a file at this moment, as Linux lists them."""
    listed = Path("/proc/locks")
    lines = [line.split() for line in listed.read_text().splitlines()] if listed.exists() else []
    return {int(line[4]) for line in lines if line[1] == "FLOCK"}


if __name__ == "__main__":
    sys.exit(main())
