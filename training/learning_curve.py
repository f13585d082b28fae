"""How much of the heart can be read off ECG and person, by the number of people learned from."""

from pathlib import Path

from accelerate import Accelerator
from accelerate.utils import set_seed

from cohort.disk import known_only, whole_folder, write_json
from cohort.ecg_cohort import ECGCohort
from cohort.prepared import PreparedCohort
from models.code_regressor import CodeRegressor
from models.presets import PRESETS

from .ceiling import ceiling, explained
from .checkpoint import bytes_of
from .code_regression import PEOPLE, regression_recipe
from .fit import fit
from .options import CeilingOptions
from .run import Run, save_model
from .session import Session

STEPS_FLOOR, EPOCHS = 400, 8  # a few people are seen more often, but early stopping limits that


def curve_point(
    options: CeilingOptions, cohort: PreparedCohort, extra_ecgs: ECGCohort | None, people: int, accelerator: Accelerator
) -> tuple[CodeRegressor, dict]:
    """The regression learned from so many people; {people: their number, r2: by phenotype, on validation people}."""
    set_seed(options.seed)
    steps = max(STEPS_FLOOR, EPOCHS * people // PEOPLE // accelerator.num_processes)
    settings = {"preset": options.preset, "learning_rate": options.learning_rate, "seed": options.seed}
    settings |= {"size": people, "cohort": cohort.folder.name}
    run = Run(options.output / f"people_{people}", settings, accelerator.is_main_process)
    recipe = regression_recipe(steps, options.learning_rate, evaluate_every=50)
    session = Session(run, recipe, accelerator, options.seed)
    task, train, held_out = ceiling(session, cohort, extra_ecgs, PRESETS[options.preset], people)
    regressor = fit(task, session)
    point = {"people": len(train), "r2": explained(regressor, held_out, accelerator.device)}
    accelerator.print(", ".join(f"{name} {r2:.2f}" for name, r2 in point["r2"].items()), f"of {point['people']} people")
    return regressor, point


def save_curve(pipeline: Path, points: list[tuple[CodeRegressor, dict]]) -> Path:
    """Put the best regression and the whole curve into a pipeline's folder; returns where."""
    folder = pipeline / "ceiling"
    best, _ = max(points, key=lambda point: sum(point[1]["r2"].values()))
    with whole_folder(folder, bytes_of({"best": best.state_dict()})) as unfinished:  # its two parts belong together
        for name in ("ecg_encoder", "conditioner"):
            save_model(getattr(best, name), unfinished / name)
        write_json(unfinished / "learning_curve.json", known_only([point for _, point in points]))
    return folder
