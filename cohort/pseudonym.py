"""Pseudonyms: a patient's name as a keyed hash, so that outputs name nobody to those who lack the key.

A pseudonym is the HMAC-SHA256 (RFC 2104) of the name under a secret key, cut to its first 16 hexadecimal digits. With
these 64 bits, two of 100,000 names agree with a chance of 3e-10. A hash without a key would hide nothing: an eid has
seven digits, and all of them can be tried within seconds. The holder of the key can do that too, so it stays where the
data are.

    (umask 077; openssl rand -hex 32 > key)              makes a key file
    python -m cohort.pseudonym key 9000001_20205_2_0     says how a patient is called under it
"""

import hashlib
import hmac
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import tyro

from cohort.errors import InputError, exit_code_of, printable
from cohort.input_file import check_file, read_limited
from cohort.subjects import BULK_NAME

SHORTEST_KEY = 16  # bytes
DIGITS = 16  # hexadecimal, of the 64 that HMAC-SHA256 gives
POSSIBLE_EID = re.compile(r"(?<!\d)[1-9]\d{6}(?!\d)")
HIDDEN = "<eid>"  # stands for whatever may be one, where no pseudonym does
MAKE_ONE = "make one: (umask 077; openssl rand -hex 32 > key)"


def read_key(path: Path) -> bytes:
    """The bytes of a key file, without the line's end. They are never shown.

    Raises:
        InputError: no regular file, others than its owner may read or write it, or fewer than SHORTEST_KEY bytes.
    """
    path = Path(path)
    check_file(path)
    if path.stat().st_mode & 0o077:
        raise InputError(path, "others than its owner may open this key", "chmod 600, if nobody has read it yet")
    key = read_limited(path).rstrip(b"\r\n")
    if len(key) < SHORTEST_KEY:
        raise InputError(path, f"a key of {len(key)} bytes, and {SHORTEST_KEY} are the fewest", MAKE_ONE)
    return key


@dataclass(frozen=True)
class Naming:
    """How patients are called in files and on screen: by their own names or, with a key, by pseudonyms."""

    key: bytes | None = None

    def __call__(self, name: str) -> str:
        """The name itself, or DIGITS hexadecimal digits that stand for it under the key."""
        if self.key is None:
            return name
        return hmac.new(self.key, name.encode(), hashlib.sha256).hexdigest()[:DIGITS]

    def of_file(self, path: Path, name: str) -> str:
        """The path of a patient's file as a terminal can show it; with a key, the pseudonym in its place."""
        return printable(path) if self.key is None else self(name)

    def of_fault(self, fault: InputError, path: Path, name: str) -> InputError:
        """The same fault of a patient's file; with a key, without its path, its name or any eid."""
        if self.key is None:
            return fault
        words = "|".join(re.escape(word) for word in (str(path), path.name, path.stem, name))
        bulk = BULK_NAME.fullmatch(path.stem)
        eid = rf"|(?<!\d){bulk[1]}(?!\d)" if bulk else ""

        def without(text: str) -> str:
            return self.shown(re.sub(rf"(?<!\w)(?:{words})(?!\w){eid}", self(name), text))

        return InputError(self(name), without(fault.fault), without(fault.remedy), code=fault.code)

    def shown(self, text: object) -> str:
        """Any text as one line for a terminal or a table; with a key, whatever may be an eid is hidden."""
        return printable(text if self.key is None else POSSIBLE_EID.sub(HIDDEN, str(text)))

    @contextmanager
    def hiding(self) -> Iterator[None]:
        """With a key, hide what may be an eid in every fault that is raised within: its path may hold one."""
        try:
            yield
        except InputError as fault:
            if self.key is None:
                raise
            words = map(self.shown, (fault.source, fault.fault, fault.remedy))
            raise InputError(*words, code=fault.code) from None


OWN_NAMES = Naming()  # without a key


def main(key: tyro.conf.Positional[Path], names: tyro.conf.Positional[tuple[str, ...]]) -> None:
    """Say how patients are called under a key.

    Args:
        key: the key file given to `sample.py --pseudonymise`.
        names: of the patients: their ECG files' names without the ending.
    """
    naming = Naming(read_key(key))
    for name in names:
        print(name, naming(name))


if __name__ == "__main__":
    sys.exit(exit_code_of(lambda: tyro.cli(main, prog="python -m cohort.pseudonym")))
