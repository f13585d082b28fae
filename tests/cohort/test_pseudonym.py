"""A name behind a key: the same for who has it, nothing for who has not."""

import hashlib
import os
import string

import pytest

from cohort.errors import InputError
from cohort.pseudonym import DIGITS, Naming, main, read_key

NAME = "9000001_20205_2_0"


@pytest.fixture
def key_file(tmp_path):
    path = tmp_path / "key"
    path.write_bytes(b"0123456789abcdef")
    path.chmod(0o600)
    return path


def test_it_is_hmac_sha256():
    """RFC 4231, test case 2; and the construction of RFC 2104 by hand."""
    assert Naming(b"Jefe")("what do ya want for nothing?") == "5bdcc146bf60754e"
    inner, outer = (bytes(k ^ pad for k in b"Jefe".ljust(64, b"\0")) for pad in (0x36, 0x5C))
    by_hand = hashlib.sha256(outer + hashlib.sha256(inner + NAME.encode()).digest()).hexdigest()
    assert Naming(b"Jefe")(NAME) == by_hand[:DIGITS]


def test_it_is_a_name_of_sixteen_hexadecimal_digits_and_a_function_of_key_and_name(key_file):
    naming = Naming(read_key(key_file))
    names = [f"{9_000_001 + k}_20205_2_0" for k in range(2000)]
    found = {naming(name) for name in names}
    assert len(found) == 2000 and all(len(p) == DIGITS == 16 and set(p) <= set(string.hexdigits) for p in found)
    assert naming(NAME) == naming(NAME) != Naming(naming.key + b"!")(NAME)


def test_without_a_key_everybody_keeps_his_name(tmp_path):
    fault = InputError(tmp_path / f"{NAME}.xml", "is empty", "export it again")
    path = tmp_path / f"{NAME}.xml"
    assert Naming().of_file(path, NAME) == str(path) and Naming(b"k")(NAME) == Naming(b"k").of_file(path, NAME)
    assert Naming()(NAME) == NAME and Naming().of_fault(fault, tmp_path / f"{NAME}.xml", NAME) is fault


@pytest.mark.parametrize("mode", [0o604, 0o640, 0o620, 0o606, 0o666])
def test_a_key_that_others_may_open_is_refused(key_file, mode):
    key_file.chmod(mode)
    with pytest.raises(InputError, match="chmod 600"):
        read_key(key_file)


@pytest.mark.parametrize("content", [b"", b"fifteen bytes..", b"fifteen bytes..\r\n\n"])
def test_a_short_key_is_refused_without_quoting_it(key_file, content):
    key_file.write_bytes(content)
    with pytest.raises(InputError, match="16 are the fewest") as refusal:
        read_key(key_file)
    assert "fifteen" not in str(refusal.value)


def test_no_file_or_a_folder_is_no_key(tmp_path):
    for path in (tmp_path / "absent", tmp_path):
        with pytest.raises(InputError):
            read_key(path)


def test_an_editors_line_end_changes_nothing(key_file):
    before = read_key(key_file)
    key_file.write_bytes(before + b"\r\n")
    assert read_key(key_file) == before


def test_a_fault_is_told_without_name_path_or_eid(tmp_path):
    path = tmp_path / f"{NAME}.xml"
    words = f"no {NAME}.dat of 9000001, NIFTI/9000001_2/sa.nii there is no {path}"
    fault = InputError(path, words, f"see {path}", code="absent")
    naming = Naming(b"k" * 16)
    assert naming.of_fault(fault, path, NAME).code == "absent"
    told = str(naming.of_fault(fault, path, NAME))
    assert naming(NAME) in told and "there is no" in told
    for word in ("9000001", "20205", str(tmp_path)):
        assert word not in told


def test_anybody_elses_eid_is_hidden_too_and_a_longer_number_is_none(tmp_path):
    naming = Naming(b"k" * 16)
    text = "9000002_20205_2_0.dat of 9000003; 12345678901 bytes"
    told = str(naming.of_fault(InputError("a", text, text), tmp_path / "a.xml", "a"))
    assert "9000002" not in told and "9000003" not in told and "12345678901" in told
    assert "9000002" not in naming.shown(text) and "9000002" in Naming().shown(text)


@pytest.mark.parametrize("key", [None, b"k" * 16])
def test_nothing_of_a_name_that_a_terminal_obeys_is_shown(key, tmp_path):
    naming, path = Naming(key), tmp_path / "a\x1b[2J\nerror: b\u202e.xml"
    shown = (naming.of_file(path, "a"), naming.shown(path), str(naming.of_fault(InputError(path, "c", "d"), path, "a")))
    assert all(text.isprintable() for text in shown)


def test_a_fault_from_anywhere_hides_eids_where_there_is_a_key():
    fault = InputError("NIFTI/9000001/sa.nii.gz", "is not that of 9000002", "see 9000003", code="crc")
    with pytest.raises(InputError) as refusal, Naming(b"k" * 16).hiding():
        raise fault
    assert not {"9000001", "9000002", "9000003"} & set(str(refusal.value).replace("/", " ").split())
    assert refusal.value.code == "crc" and "sa.nii.gz" in str(refusal.value)
    with pytest.raises(InputError) as refusal, Naming().hiding():
        raise fault
    assert refusal.value is fault


def test_a_name_of_one_letter_is_hidden_and_the_words_around_it_are_not(tmp_path):
    path = tmp_path / "a.npy"
    told = Naming(b"k" * 16).of_fault(InputError(path, "a.npy has a flat lead aVR", "mend a"), path, "a")
    assert told.fault.endswith("flat lead aVR") and "a.npy" not in str(told) and str(tmp_path) not in str(told)


def test_who_holds_the_key_finds_the_pseudonym(key_file, capsys):
    main(key_file, (NAME, "other"))
    lines = capsys.readouterr().out.split("\n")
    assert lines[0] == f"{NAME} {Naming(read_key(key_file))(NAME)}" and lines[1].startswith("other ")
    assert os.fsdecode(read_key(key_file)) not in "".join(lines)
