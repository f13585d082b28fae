"""Does the generated heart belong to this patient, and how sure is it?

    python evaluate_samples.py --data UKBB --pipeline runs/diffusion/pipeline --output report/

One segmenter measures every heart, true or generated. Hearts made from the patient's own ECG stand beside controls.
These are made from another patient's ECG, from the person alone, from the ECG alone, and from nothing. Two more
controls are the mean heart and the heart of the training patient with the nearest ECG. The ceiling is a direct
regression from ECG and person to the same numbers.

Writes report.json and report.html, which may be passed on. What was measured of single people stays beside the
prepared arrays. The same command continues an interrupted evaluation.
"""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import tyro

from cohort.errors import InputError, exit_code_of
from cohort.places import CohortPlaces
from evaluation.arms import CONTROLS, Control


@dataclass(frozen=True)
class Config(CohortPlaces):
    """Measure a pipeline on people it never saw."""

    exclude: Path | None = None
    """People who withdrew, one eid a line, beside those whom a list in the data folder names."""
    max_bad_fraction: float = 0.2
    """Share of unreadable subjects above which a cohort is refused, that of `--training-data` too."""
    pipeline: Path | None = None
    """A pipeline folder; if not given the newest trained one under runs/, else the one that comes with the code."""
    output: Path | None = None
    """For report.json and report.html; report/<pipeline>/<cohort> if not given. They name nobody."""
    training_data: Path | None = None
    """The folder the pipeline was trained on, for mean heart, nearest ECG and memorisation; `--data` if not given."""
    segmenter: Path | None = None
    """A trained segmenter, if not the one in the pipeline's folder, or else the released one."""
    prepared: Path = Path("runs/prepared")
    """Where cohorts are laid down as arrays, once. Measurements of single people are kept beside the arrays."""
    group_readable: bool = False
    """Let your group read the arrays and the measurements; else they are yours alone."""
    hearts: Path | None = None
    """A folder of hearts already made by sample.py; without controls then."""
    labels: Path | None = None
    """Label maps of `--hearts` by another segmenter: <labels>/<patient>/seg_sa_ED.nii.gz ..."""
    label_convention: Literal["ukbb", "acdc"] | None = None
    """Numbering of `--labels`; found out if not given."""
    split: Literal["test", "validation", "all"] | None = None
    """Whom to measure; everybody the pipeline never saw if not given."""
    subjects: int = 300
    """At most so many people."""
    samples: int = 8
    """Hearts per person."""
    controls: tuple[Control, ...] = CONTROLS
    """Hearts to set beside them: of another's ECG, of the person alone, of the ECG alone, of nothing."""
    guidance_scale: float | None = None
    steps: int | None = None
    """Evaluations of the denoiser; the pipeline's own number if not given."""
    scheduler: str | None = None
    batch_size: int = 8
    curves: bool = False
    """Also try other guidance scales and numbers of steps, on fewer people."""
    calibrate: bool = False
    """Only fit the calibration of the intervals on these people, and store it in the pipeline (--split validation)."""
    seed: int = 0


def main() -> None:
    config = tyro.cli(Config, description=__doc__)
    if config.calibrate and config.split != "validation":
        raise InputError("--calibrate", "is for validation people only", "add --split validation")
    from cohort.private import let_the_group_read
    from evaluation import opening
    from evaluation.calibration import calibrate
    from evaluation.curves import curve_numbers, measure_curves
    from evaluation.given_hearts import GivenHearts
    from evaluation.record import record_of
    from evaluation.report_files import write_report
    from evaluation.study import Study
    from evaluation.study_report import build_report
    from evaluation.timing import timed
    from sampling.additions import adding_to
    from sampling.threads import started_state

    state, seconds = started_state(), {}
    with timed(seconds, "all"):
        pipeline, folder = opening.open_pipeline(config.pipeline, config.scheduler, state.device)
        segmenter, segmenter_folder = opening.open_segmenter(config.segmenter, folder, state.device)
        split, told = config.split or opening.UNSEEN, (segmenter_folder, config.exclude, config.max_bad_fraction)
        with state.main_process_first():
            whom = (split, config.subjects, config.exclude, config.max_bad_fraction)
            cohort, rows = opening.people_to_measure(config.places, config.prepared, pipeline, folder, *whom)
            cohort = opening.with_truth(cohort, rows, segmenter, segmenter_folder)
        given = config.hearts and GivenHearts(config.hearts, config.labels, config.label_convention)
        options = {name: getattr(config, name) for name in ("samples", "steps", "guidance_scale", "seed", "batch_size")}
        study = Study(pipeline, folder, segmenter, cohort, rows, **options, given=given)
        record = record_of(study, split, config.scheduler, segmenter_folder)
        work = cohort.folder / f"measured-{record['measurements']}"
        arms = ("real", "reconstructed", "generated", *(() if given else config.controls))
        arms = ("generated",) if config.calibrate else arms
        for arm in arms:
            with timed(seconds, arm):
                study.measure(arm, work / arm, state)
        if config.curves:
            with timed(seconds, "curves"):
                measure_curves(study, work, state)
        if not state.is_main_process:
            return
        if config.group_readable:
            let_the_group_read(cohort.folder)
        if config.calibrate:
            samples = study.measurements(work / "generated").phenotypes
            with adding_to(folder, record["weights_sha256"]):
                return calibrate(folder, samples, study.truth)
        with timed(seconds, "figures"):
            measured = {arm: study.measurements(work / arm) for arm in arms}
            training = opening.open_training_people(study, config.training_data, config.prepared, *told)
            report, pictures = build_report(study, measured, training, config.data)
            if config.curves:
                report["curves"] = curve_numbers(study, work, measured["generated"], measured["real"])
    output = config.output or Path("report") / record["pipeline"] / record["cohort"]
    write_report(output, folder, record | report | {"seconds": seconds}, pictures)


if __name__ == "__main__":
    sys.exit(exit_code_of(main))
