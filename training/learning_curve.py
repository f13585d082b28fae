"""How much of the heart can be read off ECG and person, by the number of people learned from."""

import hashlib
import json
import math
from collections.abc import Sequence
from pathlib import Path

from accelerate import Accelerator
from accelerate.utils import set_seed

from cohort.cines import cohort_cines
from cohort.disk import known_only, sha256_of, whole_folder, write_json
from cohort.ecg_cohort import ECGCohort
from cohort.errors import InputError
from cohort.lock import locked
from cohort.phenotypes import LABELS, PHENOTYPES
from cohort.prepared import PreparedCohort
from cohort.provenance import settings_sha256
from cohort.shown_phenotypes import with_shown
from models.code_regressor import CodeRegressor
from models.presets import PRESETS
from models.segmenter import Segmenter
from sampling.measured_phenotypes import with_measured
from sampling.model_card import renew_size
from sampling.pipeline import ECGToMRIPipeline, load_part

from .ceiling import CEILING_PARTS, CURVE, ceiling, explained
from .checkpoint import bytes_of
from .code_regression import PEOPLE, regression_recipe
from .fit import fit
from .motion_targets import MotionTargets, motion_targets
from .options import CeilingOptions
from .run import Run
from .session import Session
from .stages import phenotypes_sha256, told_measured
from .told_motion import told_motion

RECORD = "finished.json"
STEPS_FLOOR, EPOCHS = 400, 8  # a few people are seen more often, but early stopping limits that


def curve_point(
    options: CeilingOptions,
    cohort: PreparedCohort,
    extra_ecgs: ECGCohort | None,
    people: int,
    accelerator: Accelerator,
    motion: MotionTargets | None = None,
    fields: Sequence[str] = (),
) -> tuple[CodeRegressor, dict]:
    """The regression learned from so many people; {people: their number, r2: by number, on validation people}.

    Args:
        motion: of the cohort's people; None to regress phenotypes alone.
        fields: names of the further fields of the person that both cohorts hold.
    """
    set_seed(options.seed)
    steps = max(STEPS_FLOOR, EPOCHS * people // PEOPLE // accelerator.num_processes)
    settings = point_settings(options, cohort, extra_ecgs, motion, fields) | {"size": people}
    run = Run(options.output / f"people_{people}", settings, accelerator.is_main_process)
    recipe = regression_recipe(steps, options.learning_rate, evaluate_every=50)
    session = Session(run, recipe, accelerator, options.seed)
    task, train, held_out = ceiling(session, cohort, extra_ecgs, PRESETS[options.preset], people, motion, fields)
    regressor = fit(task, session)
    point = {"people": len(train), "r2": explained(regressor, held_out, accelerator.device)}
    accelerator.print(
        ", ".join(f"{LABELS.get(name, name)} {r2:.2f}" for name, r2 in point["r2"].items()),
        f"of {point['people']} people",
    )
    return regressor, point


def save_curve(pipeline: Path, points: list[tuple[CodeRegressor, dict]]) -> Path:
    """Put the best regression and the whole curve into a pipeline's folder, in place of its ceiling; returns where.

    The best tells most of the phenotypes. Motion does not count: the few validation people with a cine move its R2.
    """
    folder = pipeline / "ceiling"
    best, _ = max(points, key=lambda point: told(point[1]["r2"]))
    parts = {name: getattr(best, name) for name in CEILING_PARTS}
    size = bytes_of({name: dict(part.state_dict()) for name, part in parts.items()})
    with locked(pipeline):
        with whole_folder(folder, size) as unfinished:
            for name, part in parts.items():
                part.save_pretrained(unfinished / name, safe_serialization=True)
            write_json(unfinished / CURVE, known_only([point for _, point in points]))
        renew_size(pipeline)
    return folder


def told(r2: dict[str, float]) -> float:
    """The sum of the R2 of all phenotypes that have one."""
    return sum(value for name, value in r2.items() if name in PHENOTYPES and math.isfinite(value))


def point_settings(
    options: CeilingOptions,
    cohort: PreparedCohort,
    extra_ecgs: ECGCohort | None,
    motion: MotionTargets | None = None,
    fields: Sequence[str] = (),
) -> dict:
    """All that decides a point of the curve but its size; without motion and further fields as before these."""
    settings = {name: getattr(options, name) for name in ("preset", "learning_rate", "seed")}
    settings |= {"cohort": cohort.folder.name, "more_ecgs": extra_ecgs and extra_ecgs.folder.name}
    if motion is not None:
        known = motion.values.tobytes() + (b"" if motion.more is None else motion.more.tobytes())
        settings["motion"] = hashlib.sha256(known).hexdigest()[:12]
    return settings | phenotypes_sha256(cohort) | ({"person_fields": list(fields)} if fields else {})


def measured_like_the_pipeline(
    cohort: PreparedCohort, more: ECGCohort | None, pipeline: Path, accelerator: Accelerator
) -> tuple[PreparedCohort, ECGCohort | None]:
    """Cohort and further ECGs with the phenotypes that hearts show on the grid, as in the pipeline's training.

    Its own segmenter measures those without a label map.
    """
    segmenter = stored_segmenter(pipeline, accelerator)
    with accelerator.main_process_first():
        main = accelerator.is_main_process
        if segmenter is not None:
            cohort = with_measured(cohort, segmenter, main)
        cohort, more = with_shown(cohort, more, main)
    if cohort.measured is not None:
        accelerator.print(told_measured(cohort, segmenter))
    return cohort, more


def stored_segmenter(pipeline: Path, accelerator: Accelerator) -> Segmenter | None:
    """The segmenter in a pipeline's folder, None where it holds none."""
    folder = pipeline / "segmenter"
    return load_part(Segmenter, folder).to(accelerator.device) if folder.exists() else None


def motion_like_the_pipelines(
    options: CeilingOptions,
    cohort: PreparedCohort,
    folder: Path,
    pipeline: ECGToMRIPipeline,
    accelerator: Accelerator,
    extra: ECGCohort | None = None,
) -> MotionTargets | None:
    """How the cohort's hearts move, in the numbers of a pipeline whose hearts beat; None of a pipeline of stills.

    Args:
        folder: of the pipeline. extra: the people of `options.more_ecgs`.

    Raises:
        InputError: no cine can be measured. The pipeline's own ceiling, which tells motion, would be lost.
    """
    if pipeline.motion is None:
        return None
    with accelerator.main_process_first():
        cines = cohort_cines(cohort, options.places, options.cines, options.exclude)
    segmenter = stored_segmenter(folder, accelerator)
    told = told_motion(options.places, cohort, options.more_ecgs, extra)
    measured = cines and motion_targets(cohort, cines, segmenter, pipeline.motion, told)
    if measured is None:
        fault = "teaches no motion, but the hearts of the pipeline beat: no beat of a cine can be measured"
        raise InputError(str(options.places), fault, "give the cohort that taught the pipeline, with its cines")
    return measured


def is_curve_of(pipeline: Path, output: Path, settings: dict) -> bool:
    """Whether a pipeline's folder still holds the curve that these settings led to (`record_curve`)."""
    try:
        return json.loads((output / RECORD).read_text()) == _record(pipeline, settings)
    except (OSError, ValueError):
        return False


def record_curve(pipeline: Path, output: Path, settings: dict) -> None:
    """Note in the run's folder what was put into a pipeline's folder, so that it need not be made again."""
    write_json(output / RECORD, _record(pipeline, settings))


def _record(pipeline: Path, settings: dict) -> dict:
    files = sorted(path for path in (pipeline / "ceiling").rglob("*") if path.is_file())
    made = {path.relative_to(pipeline).as_posix(): sha256_of(path) for path in files}
    return {"configuration_sha256": settings_sha256(settings), "made": made}
