"""The kinds of generated hearts that are measured beside one another: whose ECG and whose person each is made from."""

from typing import Literal, NamedTuple, get_args


class Arm(NamedTuple):
    """What the generator is given in place of patient i's own data; None is withheld from it."""

    ecg: Literal["own", "another's"] | None
    person: Literal["own"] | None


# fmt: off
ARMS = {  #            whose ECG    whose person
    "generated":    Arm("own",       "own"),
    "shuffled_ecg": Arm("another's", "own"),
    "person_only":  Arm(None,        "own"),
    "ecg_only":     Arm("own",       None),
    "population":   Arm(None,        None),
}
# fmt: on
Control = Literal["shuffled_ecg", "person_only", "ecg_only", "population"]
CONTROLS: tuple[Control, ...] = get_args(Control)
CONTROL_SAMPLES = 2  # hearts per person of each control
ANOTHER, ALONE = "shuffled_ecg", "person_only"  # another's ECG must not tell more than the person alone
CONTROL_WORDS = {  # every control of a report in words, in the order in which they are shown
    "own_ecg": "own ECG, as few",
    "shuffled_ecg": "another's ECG",
    "person_only": "person only",
    "ecg_only": "ECG only",
    "population": "neither",
    "mean_heart": "mean heart",
    "retrieval": "nearest ECG's heart",
}
