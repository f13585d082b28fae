"""Options of the page. Light: `--help` imports this."""

from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path

from cohort.errors import InputError, require_within
from cohort.input_file import read_limited

SHORTEST_PASSWORD = 8  # letters
LARGEST_PASSWORD_FILE = 4096  # bytes


@dataclass(frozen=True)
class ShowOptions:
    """How the page is served, and how its hearts are drawn."""

    pipeline: Path | None = None
    """A pipeline folder; if not given the newest trained one under runs/, else the one that comes with the code."""
    host: str = "127.0.0.1"
    """Who may come: this machine alone. Another address lets its network in, and needs --password-file."""
    port: int = 7860
    """Of the page's address."""
    password_file: Path | None = None
    """A file with the password that the page asks for. On a machine with other users, give one in any case."""
    samples: int = 4
    """Hearts per ECG."""
    frames: int = 25
    """Of a beat, where the pipeline lets hearts beat."""
    examples: bool = True
    """Offer four simulated patients, whose ECGs are drawn at the start."""
    exclude: Path | None = None
    """People who withdrew, one eid a line. They get no hearts."""

    def require_sound(self) -> None:
        """Refuse (InputError) a port that is none, and an open door without a lock."""
        require_within("--port", self.port, 1, 65_535)
        if not self.is_local and self.password_file is None:
            fault = f"{self.host} lets everybody in who reaches this machine"
            raise InputError("--host", fault, "give --password-file as well, or leave it and use ssh -L")

    @property
    def is_local(self) -> bool:
        """Whether nobody but this machine reaches the page."""
        if self.host == "localhost":
            return True
        try:
            return ip_address(self.host).is_loopback
        except ValueError:
            return False

    def password(self) -> str | None:
        """The first line of the password's file; None where there is no file.

        Raises:
            InputError: the file cannot be read, or its password is too short.
        """
        if self.password_file is None:
            return None
        text = read_limited(self.password_file, LARGEST_PASSWORD_FILE).decode("utf-8", "replace")
        word = text.partition("\n")[0].strip()
        if len(word) < SHORTEST_PASSWORD:
            fault = f"a password of {len(word)} letters, and {SHORTEST_PASSWORD} are the fewest"
            raise InputError(self.password_file, fault, "write a longer one into its first line")
        return word
