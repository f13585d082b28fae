"""What tables tell a training of how its people's hearts beat: motion.csv of the cohort and of its further people."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from cohort.disk import sha256_of
from cohort.ecg_cohort import ECGCohort
from cohort.motion_table import MOTION_TABLE, KnownBeat, told_beats
from cohort.places import CohortPlaces, as_places
from cohort.prepared import PreparedCohort


@dataclass(frozen=True)
class ToldMotion:
    """What tables tell.

    Attributes:
        cohort: row -> beat, of the cohort. more: the same of `people` without an MRI.
    """

    cohort: Mapping[int, KnownBeat]
    more: Mapping[int, KnownBeat]
    people: int = 0

    def __str__(self) -> str:
        """What is told of how many; empty where it is nothing."""
        further = f" and of {len(self.more)} without an MRI" if self.more else ""
        return f"{MOTION_TABLE} tells of {len(self.cohort)} people{further}" if self.cohort or self.more else ""


NOTHING_TOLD = ToldMotion({}, {})


def told_motion(
    places: CohortPlaces, cohort: PreparedCohort, more_ecgs: Path | None = None, extra: ECGCohort | None = None
) -> ToldMotion:
    """Read the tables of a cohort and of further people, if there are any.

    Args:
        places: of the cohort. more_ecgs: the folder of `extra`.

    Raises:
        InputError: a table cannot be read (`cohort.motion_table.read_motion`).
    """
    own = told_beats(places, cohort.eid, cohort.instance)
    if extra is None:
        return ToldMotion(own, {})
    return ToldMotion(own, told_beats(as_places(more_ecgs), extra.eid, extra.instance), len(extra.eid))


def tables_sha256(*folders: Path | None) -> dict[str, str]:
    """For a run's settings, what the tables of some folders hold; {} where there are none."""
    tables = [folder / MOTION_TABLE for folder in folders if folder]
    known = [sha256_of(path)[:12] for path in tables if path.exists()]
    return {"motion_tables": " ".join(known)} if known else {}
