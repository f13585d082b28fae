"""A key holds what made the thing: no change of a file's content is missed, and nothing else counts."""

import gzip
import os
import shutil
import zipfile

import numpy as np
import pytest

from cohort import content
from cohort.content import NOTHING, content_hashes, content_of, files_of_ecg, fingerprint

SIZE = 5 << 20  # more than is hashed whole of a packed file


def noise(seed, size=SIZE):
    return np.random.default_rng(seed).integers(0, 256, size, np.uint8).tobytes()


def flipped(content, place):
    return content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :]


def packed(content, extra=b""):
    return gzip.compress(content, 0, mtime=0)


def zipped(path, *members):
    with zipfile.ZipFile(path, "w") as archive:
        for number, member in enumerate(members):
            archive.writestr(zipfile.ZipInfo(str(number)), member)
    return path.read_bytes()


PLAIN = noise(0)
CHANGES = {  # of one file of PLAIN
    "first byte": lambda _: flipped(PLAIN, 0),
    "second byte": lambda _: flipped(PLAIN, 1),
    "a byte of the first quarter": lambda _: flipped(PLAIN, SIZE // 4),
    "middle byte": lambda _: flipped(PLAIN, SIZE // 2),
    "a byte of the last quarter": lambda _: flipped(PLAIN, 3 * SIZE // 4),
    "last byte": lambda _: flipped(PLAIN, SIZE - 1),
    "a bit of every byte": lambda _: bytes(np.frombuffer(PLAIN, np.uint8) ^ 128),
    "all zero": lambda _: bytes(SIZE),
    "backwards": lambda _: PLAIN[::-1],
    "halves exchanged": lambda _: PLAIN[SIZE // 2 :] + PLAIN[: SIZE // 2],
    "two bytes exchanged": lambda _: PLAIN[:9] + PLAIN[10:11] + PLAIN[9:10] + PLAIN[11:],
    "one byte shorter": lambda _: PLAIN[:-1],
    "one byte longer": lambda _: PLAIN + b"\0",
    "half as long": lambda _: PLAIN[: SIZE // 2],
    "empty": lambda _: b"",
    "moved by a byte": lambda _: PLAIN[1:] + PLAIN[:1],
    "packed": lambda _: packed(PLAIN),
    "packed, another middle": lambda _: packed(flipped(PLAIN, SIZE // 2)),
    "zipped": lambda folder: zipped(folder / "zip", PLAIN),
    "zipped, another middle": lambda folder: zipped(folder / "zip", flipped(PLAIN, SIZE // 2)),
    "zipped, of two members": lambda folder: zipped(folder / "zip", PLAIN, b"1"),
    "zipped, the other member changed": lambda folder: zipped(folder / "zip", PLAIN, b"2"),
}


def test_no_change_of_content_keeps_the_key_though_size_and_time_are_set_back(tmp_path):
    path, memory, keys = tmp_path / "sa.nii", tmp_path / "memory.npy", {}
    for name, change in {"as it was": lambda _: PLAIN, **CHANGES}.items():
        path.write_bytes(change(tmp_path))
        os.utime(path, (1, 1))
        keys[name] = fingerprint({}, [("cine", path)], memory)
        assert fingerprint({}, [("cine", path)], memory) == keys[name]
    assert len(set(keys.values())) == len(CHANGES) + 1 > 20


def test_a_file_of_many_gzip_blocks_is_read_whole(tmp_path):
    """Its last CRC says nothing of the blocks before. So bgzip writes."""
    block = bytearray(gzip.compress(noise(1), 0, mtime=0))
    block[3] |= content.GZIP_EXTRA
    (tmp_path / "one").write_bytes(bytes(block))
    (tmp_path / "other").write_bytes(flipped(bytes(block), SIZE // 2))
    assert content_of(tmp_path / "one") != content_of(tmp_path / "other")


def test_neither_name_nor_place_nor_time_is_in_the_key(tmp_path):
    one, other = tmp_path / "one.nii", tmp_path / "elsewhere" / "other.nii"
    one.write_bytes(PLAIN)
    other.parent.mkdir()
    shutil.copy(one, other)
    os.utime(other, (5, 5))
    assert fingerprint({}, [("cine", one)]) == fingerprint({}, [("cine", other), ("labels", None)])
    assert fingerprint({}, [("cine", one)]) != fingerprint({}, [("labels", one)])
    assert fingerprint({}, [("cine", one)]) != fingerprint({"seed": 1}, [("cine", one)])


def settle(monkeypatch):
    monkeypatch.setattr(content, "SETTLED_S", -1e9)


def test_two_files_of_one_size_and_time_may_be_exchanged(tmp_path, monkeypatch):
    settle(monkeypatch)
    paths, memory = [tmp_path / "1", tmp_path / "2"], tmp_path / "memory.npy"
    for number, path in enumerate(paths):
        path.write_bytes(noise(number, 99))
        os.utime(path, (1, 1))
    before = content_hashes(paths, memory)
    paths[0].rename(tmp_path / "3")
    paths[1].rename(paths[0])
    (tmp_path / "3").rename(paths[1])
    assert (content_hashes(paths, memory) == before[::-1]).all()


def test_a_file_is_read_once_and_again_when_it_has_changed(tmp_path, monkeypatch):
    settle(monkeypatch)
    paths, memory = [tmp_path / str(number) for number in range(20)], tmp_path / "memory.npy"
    for number, path in enumerate(paths):
        path.write_bytes(noise(number, 99))
    first, read = content_hashes(paths, memory), []
    monkeypatch.setattr(content, "content_of", lambda path: read.append(path) or content_of(path))
    assert (content_hashes(paths, memory) == first).all() and not read
    paths[3].write_bytes(noise(3, 98))
    changed = content_hashes(paths, memory)
    assert read == [paths[3]] and np.flatnonzero(changed != first).tolist() == [3]


def test_what_was_changed_just_now_is_read_again(tmp_path, monkeypatch):
    """Two changes may share one time of the disk."""
    path, memory = tmp_path / "a", tmp_path / "memory.npy"
    path.write_bytes(b"1")
    content_hashes([path], memory)
    monkeypatch.setattr(content, "_stamp", lambda _: 7)
    content_hashes([path], memory)
    path.write_bytes(b"2")
    assert content_hashes([path], memory)[0].tobytes() == content_of(path)


@pytest.mark.parametrize("damage", [b"", b"no array", b"\x93NUMPY"])
def test_a_damaged_memory_is_none(tmp_path, damage):
    path, memory = tmp_path / "a", tmp_path / "memory.npy"
    path.write_bytes(b"1")
    memory.write_bytes(damage)
    assert content_hashes([path], memory)[0].tobytes() == content_of(path)


def test_what_is_no_file_has_no_content(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    hashes = content_hashes([tmp_path / "absent", tmp_path, tmp_path / "pipe"], tmp_path / "memory.npy")
    assert [value.tobytes() for value in hashes] == [NOTHING] * 3


def test_the_signals_of_a_header_belong_to_its_ecg(tmp_path):
    header = tmp_path / "a.hea"
    lines = ["a 3 500 5000", "b.dat 16 200 16 0 I", "b.dat 16 200 16 0 II", "# b2.dat", "../c.dat 16", "Ä.dat 16 200"]
    header.write_text("\n".join(lines), encoding="utf-8")
    for name in ("b.dat", "b2.dat", "Ä.dat"):
        (tmp_path / name).write_bytes(b"1")
    assert files_of_ecg(header) == [header, tmp_path / "b.dat", tmp_path / "Ä.dat"]
    assert files_of_ecg(tmp_path / "a.xml") == [tmp_path / "a.xml"]


def test_the_segments_of_a_record_belong_to_it_with_their_signals(tmp_path):
    (tmp_path / "a.hea").write_text("a/3 2 500 5000\nb 2500\n~ 10\na 2500\nc 2500\n")
    (tmp_path / "b.hea").write_text("b 2 500 2500\nb.dat 16 200 16 0 I\na 16\n")  # leads back
    (tmp_path / "b.dat").write_bytes(b"1")
    files = files_of_ecg(tmp_path / "a.hea")
    assert [path.name for path in files] == ["a.hea", "b.hea", "b.dat"]
