"""The one error a user can act on."""

import sys
from collections.abc import Callable


class InputError(Exception):
    """A fault in what the user gave, told in one line: which file (or option), what is wrong, what to do.

    Raised by every reader; scripts turn it into exit code 2 without a traceback. `fault` must never
    quote a name, a birth date or an id found INSIDE a file.
    """

    def __init__(self, source: object, fault: str, remedy: str) -> None:
        self.source, self.fault, self.remedy = str(source), fault, remedy
        told = " ".join(f"{source}: {fault}; {remedy}".split())
        # A file's name may hold anything: what a terminal would obey or refuse to show is not passed on.
        super().__init__("".join(letter if letter.isprintable() else "?" for letter in told))


def exit_code_of(main: Callable[[], None]) -> int:
    """Run a script's main: 0 when it ends well, 2 and one line on stderr for an InputError, 130 for Ctrl-C."""
    try:
        main()
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("interrupted; the same command continues", file=sys.stderr)
        return 130
    return 0
