"""No number that could be a UK Biobank participant id is in a tracked file, a file's name, or the history."""

import json
import re
import shutil
import struct
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
STANDALONE = re.compile(rb"(?<![0-9A-Za-z_.])([0-9]{7})(?![0-9A-Za-z_.]*[0-9A-Za-z_])")
BULK_NAME = re.compile(rb"(?<![0-9A-Za-z])([0-9]{7})_2[0-9]{4}(?![0-9])")  # of a data-field's file: 20205, 20209
LOWEST, HIGHEST = 1_000_000, 6_500_000


def possible_ids(content: bytes) -> list[int]:
    """Numbers in the range of participant ids that stand alone, or begin a bulk file's name."""
    found = [int(number) for pattern in (STANDALONE, BULK_NAME) for number in pattern.findall(content)]
    return sorted({number for number in found if LOWEST <= number <= HIGHEST})


def words_of(name: str, content: bytes) -> bytes:
    """The part of a file that people wrote: text chunks of pictures, notes and names of weights."""
    try:
        if name.endswith(".png") and content.startswith(b"\x89PNG"):
            return b"\n".join(_png_texts(content))
        if name.endswith(".safetensors"):
            header = json.loads(content[8 : 8 + struct.unpack("<Q", content[:8])[0]])
            return json.dumps([header.get("__metadata__"), *header]).encode()
    except (struct.error, ValueError):
        pass  # its content is not what its name says: search all of it
    return content


def _png_texts(content: bytes) -> Iterator[bytes]:
    at = 8
    while at < len(content):
        length, kind = struct.unpack(">I4s", content[at : at + 8])
        if kind in (b"tEXt", b"zTXt", b"iTXt"):
            yield content[at + 8 : at + 8 + length]
        at += 12 + length


def git(*words: str, given: bytes = b"") -> bytes:
    return subprocess.run(["git", *words], cwd=ROOT, input=given, capture_output=True, check=True).stdout


@pytest.fixture(scope="module")
def checkout() -> None:
    """Skip the test, with the reason, where there is no history to search."""
    if shutil.which("git") is None:
        pytest.skip("git is not installed: neither tracked files nor history can be listed")
    if not (ROOT / ".git").exists():
        pytest.skip("this copy has no git history: neither tracked files nor history can be listed")


def blobs() -> Iterator[tuple[str, bytes]]:
    """(path, content) of everything reachable that was ever committed, each version of a path once."""
    listed = git("rev-list", "--objects", "--all").splitlines()
    paths = dict(line.split(b" ", 1) for line in listed if b" " in line)
    packed = git("cat-file", "--batch", given=b"\n".join(paths) + b"\n")
    at = 0
    for path in paths.values():
        head, _, _ = packed[at : at + 200].partition(b"\n")
        _, kind, size = head.split()
        begin = at + len(head) + 1
        at = begin + int(size) + 1
        if kind == b"blob":
            yield path.decode(errors="replace"), packed[begin : at - 1]


def test_the_search_finds_an_id():
    planted = str(LOWEST + 234_567).encode()
    for content in (b"eid," + planted + b"\n", planted + b"_20205_2_0.xml", b"UKBB/" + planted + b"/sa.nii.gz"):
        assert possible_ids(content) == [LOWEST + 234_567]
    for content in (b"9000001_20205_2_0 is a phantom, 1_234_567 is a number", b"sha" + planted + b"f", b"0." + planted):
        assert possible_ids(content) == []


def test_the_search_looks_into_pictures_and_weights():
    planted = str(LOWEST + 234_567).encode()
    chunk = struct.pack(">I4s", 7, b"tEXt") + planted + b"\0" * 4
    pixels = struct.pack(">I4s", 9, b"IDAT") + b" " + planted + b" " + b"\0" * 4
    assert possible_ids(words_of("a.png", b"\x89PNG\r\n\x1a\n" + chunk)) == [LOWEST + 234_567]
    assert possible_ids(words_of("a.png", b"\x89PNG\r\n\x1a\n" + pixels)) == []
    header = {"__metadata__": {"who": planted.decode()}, "w": {"data_offsets": [0, LOWEST + 7]}}
    packed = json.dumps(header).encode()
    assert possible_ids(words_of("a.safetensors", struct.pack("<Q", len(packed)) + packed)) == [LOWEST + 234_567]
    assert possible_ids(words_of("torn.png", planted)) == [LOWEST + 234_567]


def test_no_tracked_file_holds_a_possible_participant_id(checkout):
    names = [name for name in git("ls-files", "-z").decode().split("\0") if name]
    assert names
    found = {n: possible_ids(words_of(n, (ROOT / n).read_bytes())) for n in names if (ROOT / n).is_file()}
    assert not {name: ids for name, ids in found.items() if ids}
    assert not possible_ids("\n".join(names).replace("_", " ").encode())


def test_nothing_ever_committed_holds_a_possible_participant_id(checkout):
    if git("rev-parse", "--is-shallow-repository").strip() == b"true":
        pytest.skip("this clone is shallow: its history is not here to be looked through")
    found, names = {}, set()
    for name, content in blobs():
        names.add(name)
        if ids := possible_ids(words_of(name, content)):
            found[name] = ids
    assert len(names) > 1
    assert not found
    assert not possible_ids("\n".join(names).replace("_", " ").encode())
    assert not possible_ids(git("log", "--all", "--format=%an %ae %cn %ce%n%B"))
    assert not possible_ids(git("for-each-ref", "--format=%(refname) %(contents)").replace(b"_", b" "))
