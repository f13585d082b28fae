"""Row D3: the README's commands with no network at all, after installation.

    python tests/torture/no_network.py [--quick]

They run in a network namespace of their own (`unshare -n`, as root or as any user who may). It has only loopback,
through which the processes of one training talk. Where the kernel allows no namespace, Python refuses connections
instead, and the row says so. Each attempt to look up or reach another machine is noted. There should be none. The home
folder is empty, so that earlier downloads are not found. Prints Markdown rows; --quick leaves out the trainings and the
evaluation.
"""

import argparse
import contextlib
import fcntl
import os
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.torture.tiny import (
    FEW_STEPS,
    ROOT,
    TRAIN_DIFFUSION,
    Done,
    command,
    table_row,
    tiny_pipeline,
)

ELSEWHERE = "192.0.2.1"  # of TEST-NET-1 (RFC 5737): nobody's
SET_FLAGS, UP_AND_RUNNING = 0x8914, 0x41  # SIOCSIFFLAGS, IFF_UP | IFF_RUNNING (netdevice(7))
NOTES = """\
import os, sys
def note(event, arguments):
    if event in ("socket.getaddrinfo", "socket.gethostbyname"):
        place = arguments[0]
    elif event in ("socket.connect", "socket.sendto"):
        place = arguments[1][0] if isinstance(arguments[1], tuple) else None
    else:
        return
    if place is None or str(place) in ("localhost", "127.0.0.1", "::1", "", "0.0.0.0", os.uname().nodename):
        return
    with open(os.environ["ATTEMPTS"], "a") as file:
        file.write(f"{event} {place} by {sys.argv[:1]}\\n")
    if os.environ.get("REFUSE"):
        raise OSError(101, "Network is unreachable")
sys.addaudithook(note)
"""
LAUNCH = ("-m", "accelerate.commands.launch", "--num_processes=1", "--num_machines=1", "--mixed_precision=no")
LAUNCH += ("--dynamo_backend=no",)
FEW_PAIRS = ("--pairs", "6", "--optimiser-steps", "2", "--hearts-per-batch", "2", "--teacher-steps", "3")
FEW_DRAWS = ("--samples", "2", "--steps", "1")


def readme_commands(quick: bool, key: Path) -> list[tuple]:
    """The commands of the README, on a coarse grid and with few steps. The quick form has the released weights only."""
    people = ("--subjects", "2" if quick else "18")
    phantom = [
        ("make_phantom.py", "--output", "UKBB", *people, "--processes", "1"),
        ("-m", "cohort.report", "--data", "UKBB", "--full"),
    ]
    ecg = "UKBB/ecg/9000001_20205_2_0.xml"
    sampling = [
        ("sample.py", "--ecg", ecg, *FEW_DRAWS, "--mri", "UKBB", "--persons", "UKBB/persons.csv"),
        ("-m", "cohort.pseudonym", key, "9000001_20205_2_0"),
    ]
    if quick:
        return phantom + sampling
    small = "import train_ceiling as t; t.STEPS_FLOOR, t.EPOCHS = 2, 0; t.main()"
    measured = ("--data", "unseen", "--training-data", "UKBB", "--split", "all", *FEW_DRAWS)
    return [
        *phantom,
        ("make_phantom.py", "--output", "unseen", "--subjects", "4", "--seed", "2"),
        ("make_phantom.py", "--output", "ecgs", "--subjects", "6", "--seed", "3", "--ecg-only"),
        (*LAUNCH, "train_diffusion.py", "--more-ecgs", "ecgs", *TRAIN_DIFFUSION),
        (*LAUNCH, "train_autoencoder.py", *FEW_STEPS, "--output", "runs/again"),
        ("train_segmenter.py", *FEW_STEPS, "--output", "runs/other"),
        ("-c", small, "--data", "UKBB", "--sizes", "8", "--pipeline", "runs/diffusion/pipeline"),
        *sampling,
        ("sample.py", "--ecg", ecg, "--scheduler", "DDIMScheduler", *FEW_DRAWS, "--output", "ddim"),
        ("sample.py", "--ecg", "unseen/ecg", "--pseudonymise", key, *FEW_DRAWS, "--output", "hidden"),
        (
            "-m",
            "torch.distributed.run",
            "--standalone",
            "--nproc_per_node=2",
            "sample.py",
            "--ecg",
            "UKBB/ecg",
            *FEW_DRAWS,
            "--output",
            "2",
        ),
        (*LAUNCH, "evaluate_samples.py", *measured),
        ("sample.py", "--ecg", "unseen/ecg", *FEW_DRAWS, "--output", "hearts"),
        ("evaluate_samples.py", *measured, "--hearts", "hearts", "--output", "of_hearts"),
        *(((*LAUNCH, "distil.py", *FEW_PAIRS),) if (ROOT / "distil.py").exists() else ()),
    ]


def way_in() -> tuple[str, ...]:
    """The command-line prefix for a namespace without a network; empty where the kernel refuses."""
    for words in (("unshare", "-n"), ("unshare", "-rn")):
        if shutil.which("unshare") and subprocess.run([*words, "true"], capture_output=True).returncode == 0:
            return words
    return ()


def enter(words: list[str]) -> None:
    """Inside the namespace: bring loopback up, then become the command."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        request = struct.pack("16sh14x", b"lo", UP_AND_RUNNING)
        fcntl.ioctl(any_socket, SET_FLAGS, request)
    os.execvp(words[0], words)


def reachable() -> str:
    """What can be reached from here, in words; it should be "nothing"."""
    found = [name for _, name in socket.if_nameindex() if name != "lo"]
    with socket.socket() as line:
        line.settimeout(3)
        try:
            line.connect((ELSEWHERE, 443))
            found.append(ELSEWHERE)
        except OSError as error:
            found += [] if error.errno == 101 else [f"{ELSEWHERE}: {error}"]  # ENETUNREACH
    with contextlib.suppress(OSError):
        found.append(socket.getaddrinfo("example.org", 443)[0][4][0])
    return ", ".join(found) or "nothing"


def run(words: tuple, work: Path, door: tuple[str, ...]) -> Done:
    """Run one command of the README in `work`, as if that were the checkout."""
    inside = (*door, sys.executable, __file__, "--enter") if door else ()
    script = [ROOT / word if str(word).endswith(".py") else word for word in words]
    places = {"HOME": str(work / "home"), "HF_HOME": str(work / "home" / "hf"), "ATTEMPTS": str(work / "attempts")}
    places |= {"PYTHONPATH": f"{work / 'site'}:{ROOT}", "ACCELERATE_USE_CPU": "1", "HF_HUB_OFFLINE": "0"}
    places |= {} if door else {"REFUSE": "1"}
    return command(*inside, sys.executable, *script, cwd=work, **places)


def rows(work: Path, quick: bool) -> list[bool]:
    for name in ("home", "site"):
        (work / name).mkdir()
    (work / "site" / "sitecustomize.py").write_text(NOTES)
    key = work / "key"
    key.touch(0o600)
    key.write_bytes(os.urandom(32))
    if quick:
        tiny_pipeline(work / "runs" / "untrained" / "pipeline")
    door = way_in()
    how = f"`{' '.join(door)}`" if door else "connections refused within Python"
    outside = run((__file__, "--reachable"), work, door).said.decode().strip()
    attempts = work / "attempts"
    asked = attempts.read_text().count("\n") if attempts.exists() else 0  # the attempts made on purpose are noted
    attempts.unlink(missing_ok=True)
    commands, failed = readme_commands(quick, key), []
    for words in commands:
        done = run(words, work, door)
        if done.code:
            failed.append(
                f"{' '.join(map(str, words))}: exit {done.code}\n{done.said.decode(errors='replace')[-3000:]}"
            )
    print("\n".join(failed))
    tried = attempts.read_text() if attempts.exists() else ""
    print(tried, end="")
    passed, wrong = len(commands) - len(failed), tried.count("\n")
    sealed = outside == "nothing" and asked == 2
    return [
        table_row(
            "D3",
            f"what can be reached ({how}); 2 attempts on purpose noted",
            "nothing, 2",
            f"{outside}, {asked}",
            sealed,
        ),
        table_row("D3", "commands of the README that pass", "all", f"{passed} of {len(commands)}", not failed),
        table_row("D3", "attempts to look up or reach another machine", "0", wrong, not wrong),
    ]


def main() -> int:
    if sys.argv[1:2] == ["--enter"]:
        enter(sys.argv[2:])
    if sys.argv[1:2] == ["--reachable"]:
        print(reachable())
        return 0
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true")
    options = parser.parse_args()
    work = Path(tempfile.mkdtemp(prefix="no-network-"))
    try:
        return int(not all(rows(work, options.quick)))
    finally:
        shutil.rmtree(work)


if __name__ == "__main__":
    sys.exit(main())
