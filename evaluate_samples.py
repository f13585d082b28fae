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

import tyro

from cohort.errors import exit_code_of
from evaluation.options import EvaluationOptions


@dataclass(frozen=True)
class Config(EvaluationOptions):
    """Measure a pipeline on people it never saw."""


def main() -> None:
    config = tyro.cli(Config, description=__doc__)
    config.require_sound()
    from cohort.cines import cohort_cines
    from cohort.private import let_the_group_read
    from evaluation import opening
    from evaluation.curves import curve_numbers, measure_curves
    from evaluation.doubtful_pairs import list_pairs
    from evaluation.fitted_calibrations import fit_calibrations
    from evaluation.given_hearts import GivenHearts
    from evaluation.motion import motion_report
    from evaluation.motion_study import REAL, SEGMENTED, MotionStudy
    from evaluation.record import made_now, record_of
    from evaluation.report_files import write_report
    from evaluation.study import Study
    from evaluation.study_report import build_report
    from evaluation.timing import timed
    from sampling.threads import started_state

    state, seconds = started_state(), {}
    with timed(seconds, "all"):
        pipeline, folder = opening.open_pipeline(config.pipeline, config.scheduler, state.device)
        if config.pairs:
            return list_pairs(config, pipeline, folder, state.device) if state.is_main_process else None
        segmenter, segmenter_folder = opening.open_segmenter(config.segmenter, folder, state.device)
        split = config.split or opening.UNSEEN
        with state.main_process_first():
            whom = (split, config.most_people, config.exclude, config.max_bad_fraction)
            cohort, rows = opening.people_to_measure(config.places, config.prepared, pipeline, folder, *whom)
            cohort = opening.with_truth(cohort, rows, segmenter)
        given = config.hearts and GivenHearts(config.hearts, config.labels, config.label_convention)
        options = {name: getattr(config, name) for name in ("samples", "steps", "guidance_scale", "seed", "batch_size")}
        study = Study(pipeline, folder, segmenter, cohort, rows, **options, given=given)
        record = record_of(study, split, config.scheduler, segmenter_folder)
        if config.calibrate:
            if state.is_main_process:
                fit_calibrations(study, record["weights_sha256"])
                if config.group_readable:
                    let_the_group_read(cohort.folder)
            return
        work = cohort.folder / f"measured-{record['measurements']}"
        arms = ("real", "reconstructed", "generated", *(() if given else config.controls))
        for arm in arms:
            with timed(seconds, arm):
                study.measure(arm, work / arm, state)
        moving = None
        if pipeline.motion is not None and not given:
            with state.main_process_first():
                cines = cohort_cines(cohort, config.places, len(rows), config.exclude, among=rows)
            moving = MotionStudy.of(study, cines)
        if moving is not None:
            with timed(seconds, "motion"):
                for arm in (REAL, SEGMENTED, "generated", *config.controls):
                    moving.measure(arm, work, state)
        if config.curves:
            with timed(seconds, "curves"):
                measure_curves(study, work, state)
        if not state.is_main_process:
            return
        if config.group_readable:
            let_the_group_read(cohort.folder)
        with timed(seconds, "figures"):
            measured = {arm: study.measurements(work / arm) for arm in arms}
            where = (config.training_data, config.prepared, config.exclude, config.max_bad_fraction)
            training = opening.open_training_people(study, *where)
            report, pictures = build_report(study, measured, training, config.data)
            if moving is not None:
                report["motion"], pictures["motion"] = motion_report(moving, config.controls, work)
            if config.curves:
                report["curves"] = curve_numbers(study, work, measured["generated"], measured["real"])
    output = config.output or Path("report") / record["pipeline"] / record["cohort"]
    write_report(output, folder, record | report | made_now() | {"seconds": seconds}, pictures)


if __name__ == "__main__":
    sys.exit(exit_code_of(main))
