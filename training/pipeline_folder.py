"""The trained pipeline as a folder that describes itself."""

import json
import math
from dataclasses import asdict
from datetime import date
from pathlib import Path

from cohort.disk import write_json
from cohort.leakage import keyed_recordings, recordings_sha256
from cohort.provenance import made_by
from sampling.measured_phenotypes import said_of
from sampling.model_card import write_model_card

from .ceiling import explained
from .ecg_set import validation_ecgs
from .run import environment
from .stages import Training
from .targets import standardised_phenotypes


def save_pipeline(training: Training) -> Path:
    """Write the pipeline with its model card, and with segmenter and ceiling if there are any; returns its folder."""
    folder = training.options.output / "pipeline"
    companions = {"segmenter": training.segmenter} if training.segmenter else {}
    if training.ceiling:
        parts = {"ecg_encoder": training.ceiling.ecg_encoder, "conditioner": training.ceiling.conditioner}
        companions |= {f"ceiling/{name}": part for name, part in parts.items()}
    training.pipeline.save(folder, companions, lambda unfinished: describe(unfinished, training))
    return folder


def describe(folder: Path, training: Training) -> None:
    """Write the model card, and who taught the pipeline: an evaluation must not measure these people."""
    options, cohort, made = training.options, training.cohort, made_by(training.settings)
    about = {"cohort": cohort.folder.name, "recordings_sha256": recordings_sha256(cohort), "seed": options.seed}
    told = {"taught": keyed_recordings(cohort, training.extra_ecgs), "validation": validation(training)}
    write_json(folder / "training.json", about | made | told)
    recipe = {
        "steps": options.steps,
        "stage_steps": asdict(options.stage_steps),
        "batch": f"{options.hearts_per_batch} hearts x {options.slices_per_heart} slices a process",
        "learning_rate": options.learning_rate,
        "seed": options.seed,
        "preset": options.preset,
        "date": date.today().isoformat(),
        "packages": environment(),
        **made,
    }
    people = {split: len(cohort.rows(split)) for split in ("train", "validation", "test")}
    data = {"cohort": options.data, "people": people, "phantom": training.pipeline.knows_phantoms_only}
    if cohort.measured is not None:
        data |= {"measured": int(cohort.measured.sum()), "measured_by": said_of(training.segmenter)}
    write_model_card(folder, {"name": f"ECG to cardiac MRI, {options.preset}", "data": data, "recipe": recipe})


def validation(training: Training) -> dict:
    """What tells a trained pipeline from a toy (sampling.release.falls_short).

    Returns:
        autoencoder: dB on held-out slices beside patch PCA, {} where no report lies beside its model.
        ceiling_r2: of every phenotype on validation people, {} without a ceiling; None where it is no number.
    """
    report, r2 = training.options.autoencoder / "report.json", {}
    if training.ceiling:
        codes = standardised_phenotypes(training.cohort.phenotypes, training.ceiling.conditioner)
        people = validation_ecgs(training.cohort, codes)
        r2 = explained(training.ceiling, people, training.accelerator.device)
    return {
        "autoencoder": json.loads(report.read_text()) if report.is_file() else {},
        "ceiling_r2": {name: value if math.isfinite(value) else None for name, value in r2.items()},
    }
