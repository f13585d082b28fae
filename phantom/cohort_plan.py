"""What a phantom cohort is made from, and whose folder it is."""

import json
from dataclasses import MISSING, asdict, dataclass, fields, replace
from pathlib import Path

from cohort.dicom_stack import FEWEST_FRAMES
from cohort.disk import write_json, writing
from cohort.errors import InputError, require_within
from cohort.places import BULK
from cohort.provenance import made_by
from cohort.simulated import PLAN
from cohort.subjects import FIRST_IMAGING_VISIT
from phantom.acquisition import SCANNERS
from phantom.cohort_folders import ECGS, IMAGES, contents, is_phantom
from phantom.heart import Draw, Heart, draw_heart
from phantom.population import CONDITIONS, POPULATIONS

MOST_SUBJECTS = 999_999  # an eid has seven digits
MOST_FRAMES = 100
UK_BIOBANK_FRAMES, PREPARED_FRAMES = 50, 25  # of a cine in DICOM, and in prepared arrays
YEARS_BETWEEN_VISITS = 3.0  # of UK Biobank's two imaging visits, at least two
VERSION = 2  # of the phantom: a change of what is drawn or rendered makes another cohort


@dataclass(frozen=True)
class CohortPlan:
    """What a cohort is made from; written as cohort.json.

    Attributes:
        seed: of every draw. subjects: how many.
        frames: of each cine; 2 writes end-diastole and end-systole only, in files of their own.
        ecg_only: no images; ECGs and tables are those of the full cohort.
        dicom: images as DICOM zips, without label maps, instead of NIfTI.
        platform: files lie as on UK Biobank's research platform.
        condition: of everybody, a key of CONDITIONS; None for the population's mixture.
        population: a key of POPULATIONS. scanner: one of SCANNERS.
        visits: 2 for a repeat visit of everybody.
        long_axis: long-axis views beside the short axis.
        prepared: arrays in place of files. cines: of the first rows of such a cohort.
    """

    seed: int
    subjects: int
    frames: int = 2
    ecg_only: bool = False
    dicom: bool = False
    platform: bool = False
    condition: str | None = None
    population: str = "usual"
    scanner: str = "usual"
    visits: int = 1
    long_axis: bool = False
    prepared: bool = False
    cines: int = 0

    @property
    def people(self) -> list[tuple[int, int]]:
        """(index, visit) of every row, in order; visits count from 1."""
        return [(index, visit) for index in range(self.subjects) for visit in range(1, self.visits + 1)]

    def heart(self, index: int, visit: int = 1) -> Heart:
        """Subject `index` at a visit. It depends on seed, index and what is drawn from alone."""
        heart = draw_heart(self.seed, index, Draw(self.condition, self.population, self.scanner, visit))
        later = YEARS_BETWEEN_VISITS * (visit - 1)
        return heart.replace(age_years=heart.age_years + later) if later else heart

    def as_json(self) -> dict:
        """What cohort.json says: every field, and the phantom's version."""
        return asdict(self) | {"version": VERSION}


def usual_frames(dicom: bool, cines: int) -> int:
    """The frames of each cine where nobody gives a number."""
    return UK_BIOBANK_FRAMES if dicom else PREPARED_FRAMES if cines else 2


def instance_of(visit: int) -> int:
    """UK Biobank's number of an imaging visit; visits count from 1."""
    return FIRST_IMAGING_VISIT + visit - 1


def check_plan(plan: CohortPlan, processes: int | None) -> None:
    """Refuse options out of range, and options that do not go together (InputError)."""
    ranges = (
        ("--subjects", plan.subjects, 1, MOST_SUBJECTS),
        ("--seed", plan.seed, 0, 2**63 - 1),
        ("--frames", plan.frames, FEWEST_FRAMES if plan.dicom else 2, MOST_FRAMES),
        ("--processes", processes or 1, 1, 1024),
        ("--visits", plan.visits, 1, 2),
        ("--cines", plan.cines, 0, plan.subjects * plan.visits),
    )
    for given in ranges:
        require_within(*given)
    _require_known("--condition", plan.condition, (None, *CONDITIONS))
    _require_known("--population", plan.population, POPULATIONS)
    _require_known("--scanner", plan.scanner, SCANNERS)
    if plan.platform and not (plan.dicom or plan.ecg_only):
        raise InputError("--platform", "UK Biobank's platform holds heart MRIs as DICOM", "add --dicom, or --ecg-only")
    if other := _given(plan, "dicom", "ecg_only", "prepared") if plan.long_axis else "":
        raise InputError(f"--long-axis and {other}", "exclude each other: views are NIfTI only", "leave out one")
    if other := _given(plan, "dicom", "ecg_only", "platform") if plan.prepared else "":
        raise InputError(f"--prepared and {other}", "exclude each other: arrays are no files", "give --output instead")
    if plan.ecg_only and plan.dicom:
        raise InputError("--ecg-only and --dicom", "exclude each other: there are no images", "leave out one")
    if plan.cines and not plan.prepared:
        raise InputError("--cines", "is of prepared arrays", "give --prepared, or --frames for cines in files")
    if plan.prepared and (plan.frames > 2) != bool(plan.cines):
        raise InputError("--frames", "is of the cines of prepared arrays", "give 3 or more with --cines, else leave it")


def _given(plan: CohortPlan, *names: str) -> str:
    """The options among these fields that are on, as they are typed."""
    return " and ".join(f"--{name.replace('_', '-')}" for name in names if getattr(plan, name))


def _require_known(option: str, given: object, known: object) -> None:
    if given not in known:
        names = ", ".join(str(name) for name in known if name is not None)
        raise InputError(option, f"{given} is not one of {names}", "give one of them")


def claim(output: Path, plan: CohortPlan, more: dict | None = None) -> CohortPlan:
    """Write cohort.json, with `more` beside the plan; returns what `agreed` returns."""
    plan = agreed(output, plan)
    with writing(output):
        output.mkdir(parents=True, exist_ok=True)
    said = plan.as_json() | (more or {})
    write_json(output / PLAN, said | made_by(said))
    return plan


def agreed(output: Path, plan: CohortPlan) -> CohortPlan:
    """The plan with the larger number of subjects, if a folder holds no others than its people.

    Raises:
        InputError: `output` holds another cohort, perhaps of another version, or anybody's real files.
    """
    note = output / PLAN
    there = read_plan(note)
    if there is None:
        if _strangers(output):
            raise InputError(output, "holds files that are not of a phantom cohort", "give an empty or new folder")
        return plan
    if there.get("version") != VERSION:
        fault = f"this cohort is of phantom version {there.get('version')}; version {VERSION} alone is drawn today"
        raise InputError(note, fault, "give another folder")
    usual = {field.name: field.default for field in fields(plan) if field.default is not MISSING}
    there = usual | there  # a cohort older than an option
    names = (field.name for field in fields(plan) if field.name not in ("prepared", "subjects"))
    for name in ("prepared", *names):
        if there.get(name) != getattr(plan, name):
            fault = f"this cohort has {name} {there.get(name)}, not {getattr(plan, name)}"
            raise InputError(note, fault, "give another folder")
    if not all(is_phantom(path, plan.visits) for path in contents(output)):
        raise InputError(output, "holds other people's files beside the phantom's", "give another folder")
    return replace(plan, subjects=max(plan.subjects, there["subjects"]))


def _strangers(output: Path) -> list[Path]:
    """What lies in a folder that no cohort has begun: README, hidden files and empty folders for ECG and MRI aside."""
    found = contents(output)  # refuses what is no folder
    own = (output / name for name in (ECGS, IMAGES, BULK))
    there = output.iterdir() if output.exists() else ()
    visible = (path for path in there if not path.name.startswith(".") and path.name != "README.md")
    return found + sorted(set(visible) - set(own))


def read_plan(note: Path) -> dict | None:
    """What a cohort.json says; None where there is none, and InputError where it is no phantom cohort's."""
    try:
        plan = json.loads(note.read_text())
    except FileNotFoundError:
        return None
    except (OSError, ValueError):
        plan = None
    if not isinstance(plan, dict) or not isinstance(plan.get("subjects"), int):
        raise InputError(note, "is not a phantom cohort's", "give another folder")
    return plan
