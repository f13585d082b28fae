"""Every torture script of this folder, and one table of what was reached.

    python tests/torture/run_all.py            # up to an hour of two cores
    python tests/torture/run_all.py --quick    # minutes

The full run measures, one script after the other. The quick one runs two at once: its limits of time are wide, and its
memory is that of a script's own processes.

A script prints Markdown rows `| id | what | target | reached |`, takes --quick, and exits with 0 if every target was
met. Files without a `__main__` are no scripts, nor are those whose name begins with an underscore. The table is
printed. The full run writes it to results.md, too.
"""

import argparse
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from functools import partial
from pathlib import Path

HERE = Path(__file__).parent
AT_ONCE = {True: 2, False: 1}  # scripts, quick or full
LONGEST_S = {True: 1200, False: 3600}  # for one script, quick or full, on a busy machine; longer is a hang
RUNNING: set[subprocess.Popen] = set()
HEAD = ["| id | what | target | reached |", "|---|---|---|---|"]


def scripts() -> list[Path]:
    found = (path for path in HERE.glob("[!_]*.py") if path.name != Path(__file__).name)
    return sorted(path for path in found if "__main__" in path.read_text())


def run(script: Path, quick: bool) -> tuple[list[str], bool, float]:
    """A script's rows, whether it met its targets, and its seconds."""
    print(f"{script.name} ...", file=sys.stderr, flush=True)
    command = [sys.executable, str(script), *(["--quick"] if quick else [])]
    environment = {**os.environ, "OMP_WAIT_POLICY": "PASSIVE", "HF_HUB_OFFLINE": "1"}
    if AT_ONCE[quick] > 1:
        environment["OMP_NUM_THREADS"] = "1"  # more threads would fight for the cores
    environment["PYTHONPATH"] = os.pathsep.join([str(HERE.parents[1]), environment.get("PYTHONPATH", "")])
    begun = time.monotonic()
    said, code = _ended(command, environment, LONGEST_S[quick])
    rows = [line for line in said.splitlines() if line.startswith("| ") and line.count(" | ") >= 3]
    if code != 0 or not rows:
        rows.append(f"| - | {script.name} | exit code 0, at least one row | code {code} **missed** |")
    return rows, code == 0 and bool(rows), time.monotonic() - begun


def _ended(command: list[str], environment: dict[str, str], seconds: float) -> tuple[str, int]:
    """What a command printed, and its exit code; one that hangs is killed with its children."""
    started = subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, env=environment, cwd=HERE.parents[1], start_new_session=True
    )
    RUNNING.add(started)
    try:
        said, _ = started.communicate(timeout=seconds)
        return said, started.returncode
    except subprocess.TimeoutExpired:
        print(f"{command[1]} still ran after {seconds:.0f} s", file=sys.stderr)
        os.killpg(started.pid, signal.SIGKILL)
        return started.communicate()[0], started.returncode
    finally:
        RUNNING.discard(started)


def all_of(found: list[Path], quick: bool) -> Iterator[tuple[list[str], bool, float]]:
    """What `run` says of each script, in their order."""
    with ThreadPoolExecutor(AT_ONCE[quick]) as at_once:
        try:
            yield from at_once.map(partial(run, quick=quick), found)
        except KeyboardInterrupt:  # a process in a session of its own does not get this signal
            for started in list(RUNNING):
                os.killpg(started.pid, signal.SIGKILL)
            raise


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true")
    options = parser.parse_args()
    table, times, met = [*HEAD], [], True
    found = scripts()
    for script, (rows, good, seconds) in zip(found, all_of(found, options.quick), strict=True):
        table += rows
        times.append(f"{script.name} {seconds:.0f} s{'' if good else ' (missed)'}")
        met &= good
    load = ", ".join(f"{value:.1f}" for value in os.getloadavg())
    command = f"python tests/torture/run_all.py{' --quick' if options.quick else ''}"
    about = f"`{command}`, {date.today().isoformat()}, {os.cpu_count()} cores, load averages at the end {load}."
    text = "\n".join([about, "", *table, "", "Time: " + ", ".join(times) + ".", ""])
    if not options.quick:
        (HERE / "results.md").write_text(text)
    print(text)
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main())
