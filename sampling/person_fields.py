"""Further numbers of one person, as a pipeline is told them: from the options or a table, if they can be believed."""

from collections.abc import Mapping, Sequence

import numpy as np

from cohort.column_names import shown
from cohort.errors import InputError
from cohort.person import finite_number
from models.conditioning import PERSON_FIELDS, HeartConditioner

from .options import SampleOptions

OPTION = "--person-field"
UNKNOWN = "unknown: "  # begins a warning of what is not known of a person
RARE_SDS, IMPOSSIBLE_SDS = 4.0, 10.0  # from the training people's mean
UNUSUAL_SDS = 2.5  # of age, height and weight: beyond it few people taught
UNITS = {"age_years": "years", "height_cm": "cm", "weight_kg": "kg"}


def stated_fields(options: SampleOptions, conditioner: HeartConditioner) -> dict[str, float]:
    """Field -> number that the options say of a single ECG's person.

    Raises:
        InputError: the pipeline knows no such field, it is named twice, or what stands behind it is no number. Or the
            number is IMPOSSIBLE_SDS from what the training people had. Or there is a folder of ECGs.
    """
    if not options.person_field:
        return {}
    if options.ecg is not None and options.ecg.is_dir():
        raise InputError(OPTION, "is of one person, and --ecg is a folder", "name one ECG, or give a table (--persons)")
    known, told = tuple(conditioner.config.further_fields), {}
    for text in options.person_field:
        name, _, number = (part.strip() for part in text.partition("="))
        if name not in known:
            theirs = f"it knows {shown(known)}" if known else "it knows none: train one with --person-fields"
            raise InputError(OPTION, f"the pipeline knows no field {shown([name])}", theirs)
        if name in told:
            raise InputError(OPTION, f"{name} is given twice", "give it once")
        value = finite_number(number)
        if value is None:
            raise InputError(OPTION, f"what is given for {name} is no number", f"write {name}=NUMBER")
        if abs(distance(conditioner, name, value)) > IMPOSSIBLE_SDS:
            raise InputError(OPTION, _far(conditioner, name, value), "give it in the unit of the training people")
        told[name] = value
    return told


def told_fields(
    conditioner: HeartConditioner, tabled: Mapping[str, float], stated: Mapping[str, float]
) -> tuple[np.ndarray, tuple[str, ...]]:
    """A person's further fields (F,) float32, NaN where unknown, and sentences on what is odd about them.

    Args:
        tabled: of a table; a number that is IMPOSSIBLE_SDS from the training people's mean is left out.
        stated: of `stated_fields`, which goes before.
    """
    names, words = tuple(conditioner.config.further_fields), []
    values = np.full(len(names), np.nan, np.float32)
    for place, name in enumerate(names):
        value = stated.get(name, tabled.get(name))
        if value is None:
            continue
        far = abs(distance(conditioner, name, value))
        if far > RARE_SDS:
            told = _far(conditioner, name, value)
            words.append(f"{told}: it is left out" if far > IMPOSSIBLE_SDS else f"{told}: is it in another unit?")
        if far <= IMPOSSIBLE_SDS:
            values[place] = value
    unknown = [name for name, value in zip(names, values, strict=True) if np.isnan(value)]
    if unknown:
        words.append(f"{UNKNOWN}{', '.join(unknown)}")
    return values, tuple(words)


def unusual_person(conditioner: HeartConditioner, person: np.ndarray) -> list[str]:
    """Sentences on age, height and weight of a person (4 + F,) that are far from those of the people who taught.

    What the person's are is not said: warnings are kept in files that are passed on.
    """
    about, told = conditioner.config, []
    for name, unit in UNITS.items():
        place = _place(conditioner, name)
        mean, sd = about.person_mean[place], about.person_std[place]
        if abs(distance(conditioner, name, person[place])) > UNUSUAL_SDS:  # NaN is not
            words = name.split("_")[0]  # without its unit
            told.append(
                f"the {words} is far from that of the people who taught the model ({mean:.0f} ± {sd:.0f} {unit})"
            )
    return told


def known_person(person: np.ndarray) -> dict[str, bool]:
    """Whether each of PERSON_FIELDS is known of a person (4 + F,), by its name; never what it is."""
    known = ~np.isnan(person[: len(PERSON_FIELDS)])
    return dict(zip(PERSON_FIELDS, known.tolist(), strict=True))


def known_fields(names: Sequence[str], person: np.ndarray) -> dict[str, bool]:
    """Whether each further field of a person (4 + F,) is known, by its name; never what it is."""
    known = ~np.isnan(person[len(PERSON_FIELDS) :])
    return dict(zip(names, known.tolist(), strict=True))


def distance(conditioner: HeartConditioner, name: str, value: float) -> float:
    """How far a number is from the training people's mean, in their SDs."""
    place = _place(conditioner, name)
    return (value - conditioner.config.person_mean[place]) / conditioner.config.person_std[place]


def _place(conditioner: HeartConditioner, name: str) -> int:
    """Where a field lies in a person (4 + F,)."""
    return (*PERSON_FIELDS, *conditioner.config.further_fields).index(name)


def _far(conditioner: HeartConditioner, name: str, value: float) -> str:
    mean = conditioner.config.person_mean[_place(conditioner, name)]
    away = abs(distance(conditioner, name, value))
    return f"{name} {value:g} is {away:.0f} SDs from the training people's mean, {mean:.4g}"
