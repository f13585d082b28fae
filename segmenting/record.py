"""What phenotypes.json says of a patient, and one table of all patients, made from these files."""

import json
from pathlib import Path

from cohort.disk import known_only, sha256_of, write_json
from cohort.motion_table import COLUMNS as MOTION
from cohort.motion_table import MOTION_TABLE
from cohort.phenotypes import WALLS
from cohort.subjects import FIRST_IMAGING_VISIT, FOLDER_NAME
from cohort.table import write_table

from .flags import Flag
from .measured_cine import MeasuredCine

RECORD, TABLE = "phenotypes.json", "phenotypes.csv"
PICTURE = "contours.png"
NOTE = "Measured by a network, for research. Not for diagnosis: look at contours.png before a number is used."
LARGEST_RECORD = 4 << 20  # bytes; one of 50 frames has 8 thousand
QUARTERS = tuple(name.removeprefix("wall_") for name in WALLS)


def record_of(
    about: dict, measured: MeasuredCine, flags: list[Flag], confidence: float | None, notes: tuple[str, ...]
) -> dict:
    """What phenotypes.json says, but for the files beside it. Numbers that nobody can know are None.

    Args:
        about: who it is, of what, and by which network and code.
        notes: what reading the MRI had to mend or estimate.
    """
    faults = [flag.words for flag in flags if flag.code == "quality_rule"]
    lv = measured.lv
    content = {
        "note": NOTE,
        **about,
        "phenotypes": {name: round(float(value), 3) for name, value in measured.phenotypes.items()},
        "frames": {"count": len(lv.volume_ml), "ED": lv.ed, "ES": lv.es},
        "beat_ms": measured.beat_s and round(1000 * measured.beat_s, 2),
        "rates": {name: value and round(value, 4) for name, value in measured.rates.items()},
        "walls": {q: {name: round(value, 3) for name, value in of.items()} for q, of in measured.walls.items()},
        "confidence": confidence and round(confidence, 4),
        "quality_rule": {"passed": not faults, "faults": faults},
        "flags": [flag._asdict() for flag in flags],
        "notes": list(notes),
        "curve": measured.curve,
        "motion": {name: value and round(value, 5) for name, value in measured.motion.items()},
    }
    return known_only(content)


def write_record(folder: Path, record: dict) -> None:
    """Write phenotypes.json with the sha256 of every file beside it."""
    files = {path.name: sha256_of(path) for path in sorted(folder.iterdir()) if path.name != RECORD}
    write_json(folder / RECORD, record | {"files": files})


def read_record(folder: Path) -> dict | None:
    """The record of a patient's folder; None where there is none, or it is no such record."""
    try:
        path = folder / RECORD
        if path.is_symlink() or path.stat().st_size > LARGEST_RECORD:
            return None
        record = json.loads(path.read_text(encoding="utf-8"))
        sound = all(isinstance(record[name], dict) for name in ("phenotypes", "frames", "rates", "walls", "files"))
    except (OSError, ValueError, LookupError, TypeError, RecursionError):
        return None
    return record if sound else None


def is_whole(folder: Path, record: dict) -> bool:
    """Whether every file that a record names is there as it was written."""
    try:
        return all(sha256_of(folder / Path(name).name) == digest for name, digest in record["files"].items())
    except OSError:
        return False


def write_phenotypes(output: Path) -> int:
    """Write two tables, phenotypes.csv and motion.csv: a row of every patient's folder below `output`, by name.

    Returns:
        How many rows there are.
    """
    folders = sorted(path for path in output.iterdir() if path.is_dir() and not path.name.startswith("."))
    records = {folder.name: record for folder in folders if (record := read_record(folder)) is not None}
    rows = [_row(name, record) for name, record in records.items()]
    motion = [_motion_row(name, record) for name, record in records.items()]
    if rows:
        columns = list(dict.fromkeys(name for row in rows for name in row))
        write_table(output / TABLE, columns, ([row.get(name) for name in columns] for row in rows))
        write_table(output / MOTION_TABLE, ("eid", "instance", *MOTION), motion)
    return len(rows)


def _motion_row(name: str, record: dict) -> list:
    """One patient's row of motion.csv."""
    told = record.get("motion", {})
    return [*_key(name).values(), *(told.get(column) for column in MOTION)]


def _key(name: str) -> dict:
    """What a training knows a row by: eid and visit, or the name of who has no eid."""
    own = FOLDER_NAME.fullmatch(name)
    eid, visit = (own[1], own[2]) if own else (name, None)
    return {"eid": eid, "instance": visit or FIRST_IMAGING_VISIT}


def _row(name: str, record: dict) -> dict:
    """One patient's row; an empty cell is a number that nobody knows."""
    walls = {quarter: record["walls"].get(quarter, {}) for quarter in QUARTERS}
    return {
        "patient": name,
        **_key(name),
        **record["phenotypes"],
        "frames": record["frames"].get("count"),
        "ED_frame": record["frames"].get("ED"),
        "ES_frame": record["frames"].get("ES"),
        "beat_ms": record.get("beat_ms"),
        **record["rates"],
        **{f"wall_{quarter}_ES": of.get("ES_mm") for quarter, of in walls.items()},
        **{f"thickening_{quarter}_percent": of.get("thickening_percent") for quarter, of in walls.items()},
        "confidence": record.get("confidence"),
        "quality_rule_passed": int(bool(record.get("quality_rule", {}).get("passed"))),
        "flags": " ".join(dict.fromkeys(str(flag.get("code")) for flag in record.get("flags", []))),
    }
