"""No stand-alone whole number that could be a UK Biobank participant id, in a tracked file's content or name."""

import re
import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[1]
NUMBER = re.compile(rb"(?<![0-9A-Za-z_.])[0-9]{7}(?![0-9A-Za-z_.]*[0-9A-Za-z_])")
LOWEST, HIGHEST = 1_000_000, 6_500_000


def possible_ids(content: bytes) -> list[int]:
    return [int(n) for n in NUMBER.findall(content) if LOWEST <= int(n) <= HIGHEST]


def test_the_search_finds_an_id():
    planted = str(LOWEST + 234_567).encode()
    assert possible_ids(b"eid," + planted + b"\n") == [LOWEST + 234_567]
    assert possible_ids(b"9000001 is a phantom, 1_234_567 is a number") == []


def test_no_tracked_file_holds_a_possible_participant_id():
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True).stdout
    names = [name for name in listed.decode().split("\0") if name]
    assert names
    text = [name for name in names if not name.endswith((".png", ".safetensors"))]
    found = {name: possible_ids((ROOT / name).read_bytes()) for name in text if (ROOT / name).is_file()}
    assert not {name: ids for name, ids in found.items() if ids}
    assert not possible_ids("\n".join(Path(name).name.replace("_", " ") for name in names).encode())
