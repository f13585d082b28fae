"""The numbers beside the weights: as many as there must be, finite, and of a size that can be.

Training measured them, and they stand in configurations. A wrong one spoils every heart and shows in none.
"""

import itertools
from collections.abc import Callable, Mapping
from typing import NamedTuple

from cohort.field_names import is_name
from models.conditioning import PERSON_FIELDS
from models.heart_prior import CASES
from models.usual_ecgs import MOST_SURPRISING

from .ranges import LARGEST, SAMPLING_RATES_HZ, SMALLEST, all_within


class Measured(NamedTuple):
    """Numbers of a part's configuration, as many as `count` says, each from `low` to `high`."""

    name: str
    count: Callable[[Mapping], int]
    low: float = -LARGEST
    high: float = LARGEST
    may_be_absent: bool = False
    rows: int = 0  # that there may be as well, each of so many numbers; 0: there is but one


def _channels(config: Mapping) -> int:
    return config["latent_channels"]


def _phenotypes(config: Mapping) -> int:
    return len(config["phenotypes"])


def _motion(config: Mapping) -> int:
    return len(config["motion"])


def _fields(config: Mapping) -> int:
    return len(PERSON_FIELDS) + len(config["further_fields"])


def _code(config: Mapping) -> int:
    return config["code"]


def _nodes(config: Mapping) -> int:
    return max(1, len(config["surprises"] or ()))


def _points(config: Mapping) -> int:
    return len(config["dice_expected"] or ())


MEASURED = {  # by a part's class
    "SliceAutoencoder": (
        Measured("latents_mean", _channels),
        Measured("latents_std", _channels, SMALLEST),
        Measured("latents_weight", _channels, SMALLEST),
    ),
    "HeartConditioner": (
        Measured("phenotype_mean", _phenotypes),
        Measured("phenotype_std", _phenotypes, SMALLEST),
        Measured("motion_mean", _motion),
        Measured("motion_std", _motion, SMALLEST),
        Measured("person_mean", _fields),
        Measured("person_std", _fields, SMALLEST),
    ),
    "Segmenter": (
        Measured("dice_expected", _points, 0, 1, may_be_absent=True),
        Measured("dice_found", _points, 0, 1, may_be_absent=True),
    ),
    "HeartPrior": (Measured("spread", _code, SMALLEST, 100, may_be_absent=True, rows=len(CASES)),),
    "UsualECGs": (
        Measured("surprises", _nodes, 0, MOST_SURPRISING),
        Measured("widening", _nodes, 1, 100),
    ),
}
CHOICES = {"Segmenter": {"trained_on": ("simulated", "real", None)}}
RANGES = {
    "ECGEncoder": {"sampling_rate": SAMPLING_RATES_HZ, "duration_s": (1, 60)},  # Hz, s
    "CodeCorrection": {"gain": (0, 2)},
    "UsualECGs": {"withheld_beyond": (0, MOST_SURPRISING)},
}


def unsound_number(part: str, config: Mapping) -> str | None:
    """What is wrong with the numbers in a part's configuration, in a few words; None where they are sound.

    Args:
        part: name of its class.
    """
    if part == "HeartConditioner" and not _sound_names(config["further_fields"]):
        return "further_fields names no fields of a person"
    for one in MEASURED.get(part, ()):
        values = config[one.name]
        if values is None and one.may_be_absent:
            continue
        for row in _rows_of(values, one.rows):
            if not isinstance(row, list | tuple) or len(row) != one.count(config):
                return f"{one.name} holds {_count_of(row)}, and {one.count(config)} are needed"
            if not all_within(row, one.low, one.high):
                return f"{one.name} holds a number that is not finite, or out of range"
    if part == "UsualECGs" and not all(low < high for low, high in itertools.pairwise(config["surprises"])):
        return "surprises do not increase"
    for name, (low, high) in RANGES.get(part, {}).items():
        if not all_within([config[name]], low, high):
            return f"{name} is not from {low} to {high}"
    for name, known in CHOICES.get(part, {}).items():
        if config[name] not in known:
            return f"{name} is none of {', '.join(filter(None, known))}"
    return None


def _sound_names(names: object) -> bool:
    return isinstance(names, list | tuple) and all(map(is_name, names)) and len(set(names)) == len(names)


def _rows_of(values: object, rows: int) -> list:
    """The rows of numbers that `values` are: themselves, or those they hold, where `rows` may be and are."""
    nested = isinstance(values, list | tuple) and len(values) == rows > 0
    return list(values) if nested and all(isinstance(row, list | tuple) for row in values) else [values]


def _count_of(values: object) -> str:
    return f"{len(values)} numbers" if isinstance(values, list | tuple) else "no numbers"
