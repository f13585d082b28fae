"""The trained pipeline as a folder that describes itself."""

import json
import math
from dataclasses import asdict
from datetime import date
from pathlib import Path

import torch

from cohort.disk import write_json
from cohort.errors import InputError
from cohort.leakage import BEGAN_WITH, keyed_recordings, recordings_sha256
from cohort.lock import locked
from cohort.provenance import made_by, settings_sha256
from cohort.simulated import VERSION_TAUGHT, phantom_version
from models.autoencoder import SliceAutoencoder
from models.code_regressor import CodeRegressor
from models.segmenter import Segmenter
from sampling.measured_phenotypes import said_of
from sampling.model_card import write_model_card
from sampling.pipeline import FURTHER_PARTS, load_part

from .ceiling import CEILING_PARTS, CURVE, explained
from .checkpoint import Tensors
from .ecg_set import validation_ecgs
from .run import environment, told_finished
from .stages import Training, learn_stages, measured_cohort, recorded_settings, stored_segmenter
from .targets import heart_codes


def learn_pipeline(training: Training) -> Path:
    """All stages, then the pipeline's folder. A finished training is left as it is; returns the pipeline's folder."""
    folder = training.options.output / "pipeline"
    if is_made(folder, training):
        training.accelerator.print(told_finished(folder))
        return folder
    learn_stages(training)
    if training.accelerator.is_main_process:
        save_pipeline(training)
        print(f"pipeline: {folder}\nwatched on: {training.options.output / 'index.html'}")
    return folder


def is_made(folder: Path, training: Training) -> bool:
    """Whether a pipeline's folder came of this very training: same settings, autoencoder and segmenter."""
    options = training.options
    autoencoder, about = options.autoencoder / "model", folder / "training.json"
    if not (autoencoder.is_dir() and about.is_file()):
        return False
    given = (*measured_cohort(training), load_part(SliceAutoencoder, autoencoder))
    settings = recorded_settings(options, *given, training.cines, training.start)
    try:
        recorded = json.loads(about.read_text()).get("configuration_sha256")
    except (OSError, ValueError, AttributeError):
        return False
    return recorded == settings_sha256(settings) and holds_segmenter(folder, stored_segmenter(training))


def save_pipeline(training: Training) -> Path:
    """Write the pipeline with its model card, and with segmenter and ceiling if there are any; returns its folder.

    A folder that holds the same weights stays with all that was added to it, and one of other weights is set aside.
    """
    folder = training.options.output / "pipeline"
    companions = {"components": training.components} if training.components else {}
    companions |= {"segmenter": training.segmenter} if training.segmenter else {}
    if training.ceiling:
        companions |= {f"ceiling/{name}": getattr(training.ceiling, name) for name in CEILING_PARTS}
    with locked(folder):
        if holds(folder, training):
            print(f"{folder} holds these weights already, and stays as it is")
        else:
            training.pipeline.save(folder, companions, lambda unfinished: describe(unfinished, training), keep=True)
    return folder


def holds(folder: Path, training: Training) -> bool:
    """Whether a pipeline's folder holds a training's weights, those that travel with it included."""
    parts = training.pipeline.parts
    if any((folder / name).exists() for name in FURTHER_PARTS.keys() - parts):
        return False
    try:
        stored = {name: load_part(type(part), folder / name).state_dict() for name, part in parts.items()}
    except InputError:  # none, or damaged
        return False
    ours = {name: part.state_dict() for name, part in parts.items()}
    travel = holds_segmenter(folder, training.segmenter) and holds_ceiling(folder, training.ceiling)
    return travel and all(same_weights(ours[name], stored[name]) for name in parts)


def holds_segmenter(folder: Path, segmenter: Segmenter | None) -> bool:
    """Whether a pipeline's folder holds this segmenter; with None, whether it holds none."""
    stored = folder / "segmenter"
    if segmenter is None or not stored.is_dir():
        return segmenter is None and not stored.exists()
    return same_weights(segmenter.state_dict(), load_part(Segmenter, stored).state_dict())


def holds_ceiling(folder: Path, ceiling: CodeRegressor | None) -> bool:
    """Whether a pipeline's folder holds this ceiling (with None, none), or train_ceiling.py's in its place."""
    stored = folder / "ceiling"
    if ceiling is None or not stored.is_dir():
        return ceiling is None and not stored.exists()
    if (stored / CURVE).exists():
        return True
    parts = {name: getattr(ceiling, name) for name in CEILING_PARTS}
    return all(same_weights(p.state_dict(), load_part(type(p), stored / n).state_dict()) for n, p in parts.items())


def same_weights(one: Tensors, other: Tensors) -> bool:
    """Whether two networks have the same bits."""
    return one.keys() == other.keys() and all(torch.equal(one[name].cpu(), other[name].cpu()) for name in one)


def describe(folder: Path, training: Training) -> None:
    """Write the model card, and who taught the pipeline: an evaluation must not measure these people."""
    options, cohort, made = training.options, training.cohort, made_by(training.settings)
    about = {"cohort": cohort.folder.name, "recordings_sha256": recordings_sha256(cohort), "seed": options.seed}
    about["learned_by"] = training.run.code_versions()
    if training.pipeline.knows_phantoms_only and (version := phantom_version(options.data)) is not None:
        about[VERSION_TAUGHT] = version
    told = {"taught": keyed_recordings(cohort, training.extra_ecgs), "validation": validation(training)}
    if training.start is not None:
        told[BEGAN_WITH] = training.start.record
    write_json(folder / "training.json", about | made | told)
    recipe = {
        "steps": options.steps,
        "stage_steps": asdict(options.stage_steps),
        "batch": f"{options.hearts_per_batch} hearts x {options.slices_per_heart} slices a process",
        "learning_rate": options.learning_rate,
        "seed": options.seed,
        "preset": options.preset,
        "person_fields": ", ".join(options.person_fields) or None,
        "date": date.today().isoformat(),
        "packages": environment(),
        **made,
        "code_version": about["learned_by"],
        "began_with": training.start and training.start.said,
        "taken": {part.part: part.share for part in training.taken} or None,
    }
    people = {split: len(cohort.rows(split)) for split in ("train", "validation", "test")}
    data = {"cohort": options.data, "people": people, "phantom": training.pipeline.knows_phantoms_only}
    if training.motion is not None:
        recipe["cines"] = len(training.cines.rows)
    if cohort.measured is not None:
        data |= {"measured": int(cohort.measured.any(axis=1).sum()), "measured_by": said_of(training.segmenter)}
    write_model_card(folder, {"name": f"ECG to cardiac MRI, {options.preset}", "data": data, "recipe": recipe})


def validation(training: Training) -> dict:
    """What tells a trained pipeline from a toy (sampling.release.falls_short).

    Returns:
        autoencoder: dB on held-out slices beside patch PCA, {} where no report lies beside its model.
        ceiling_r2: of every phenotype on validation people, {} without a ceiling; None where it is no number.
    """
    report, r2 = training.options.autoencoder / "report.json", {}
    if training.ceiling:
        codes = heart_codes(training.cohort, None, training.ceiling.conditioner, training.motion_targets)
        people = validation_ecgs(training.cohort, codes)
        r2 = explained(training.ceiling, people, training.accelerator.device)
    return {
        "autoencoder": json.loads(report.read_text()) if report.is_file() else {},
        "ceiling_r2": {name: value if math.isfinite(value) else None for name, value in r2.items()},
    }
