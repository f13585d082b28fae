"""One ECG in, pseudo-MRIs of the same patient's heart out.

    python sample.py --ecg path.xml
    accelerate launch sample.py --ecg UKBB/ecg --mri UKBB/NIFTI

Formats: UK Biobank / GE CardioSoft XML, GE MUSE XML, WFDB (.hea), .npy or .csv with --sampling-rate.
"""

import json
import sys
from dataclasses import dataclass
from pathlib import Path

import tyro

from cohort.errors import InputError, exit_code_of

OVERVIEW_PATIENTS = 6
INTERVAL_SAMPLES = 4  # of fewer, an interval is as wide as anything or, where they agree by chance, much too sure


@dataclass(frozen=True)
class Config:
    """Generate hearts from ECGs."""

    ecg: Path
    """An ECG file, or a folder of them."""
    pipeline: Path | None = None
    """A pipeline folder; if not given the newest trained one under runs/, else the one that comes with the code."""
    output: Path = Path("out")
    """One folder a patient is written here."""
    pseudonymise: Path | None = None
    """A key file: folders, captions, heart.json and screen call patients by a keyed hash (see cohort/pseudonym.py)."""
    samples: int = 4
    """Hearts per ECG."""
    mri: Path | None = None
    """The real heart (a short-axis NIfTI, or a folder in a UKBB layout), drawn above the generated ones."""
    persons: Path | None = None
    """A persons.csv (eid, sex, age, height_cm, weight_kg) that fills what the ECG file does not say."""
    guidance_scale: float | None = None
    """1 follows the ECG, above 1 exaggerates it; the pipeline's own if not given."""
    steps: int | None = None
    """Evaluations of the denoiser; the pipeline's own number if not given."""
    scheduler: str | None = None
    """Name of a diffusers scheduler; the pipeline's own if not given."""
    seed: int = 0
    """A heart depends on (seed, subject, sample number) only."""
    batch_size: int = 8
    """Hearts denoised at once; changes nothing but speed and memory."""
    sampling_rate: float | None = None
    """Hz, for ECG files that do not say it (.npy, .csv)."""
    allow_missing_leads: bool = False
    """Accept an ECG without some chest leads; they are masked."""


def main() -> None:
    config = tyro.cli(Config, description=__doc__)
    if min(config.samples, config.batch_size) < 1 or (config.steps is not None and config.steps < 1):
        raise InputError("--samples, --steps, --batch-size", "must be at least 1", "give a positive number")
    from cohort.pseudonym import Naming, read_key
    from sampling.imports import lean_imports
    from sampling.inputs import ecg_files

    shown = Naming(read_key(config.pseudonymise) if config.pseudonymise else None)
    files = ecg_files(config.ecg)
    with lean_imports():
        state, folder, pipeline, segmenter, calibration = open_pipeline(config)

    from tqdm import tqdm

    from cohort.person import read_persons
    from sampling.grid import write_overview
    from sampling.model_card import knows_phantoms_only
    from sampling.patients import generate

    persons = read_persons(config.persons) if config.persons else {}
    record = record_of(config, pipeline, folder)
    simulated_only = knows_phantoms_only(folder)
    with state.split_between_processes(files) as mine:
        patients, refused = read_patients(mine, config, pipeline, persons, simulated_only, shown, alone=len(files) == 1)
        own = [{"subject": shown(p.name), "input_sha256": shown(p.sha256)} for p in patients]
        done = [is_done(config.output / about["subject"], record | about) for about in own]
        waiting = [patient for patient, finished in zip(patients, done, strict=True) if not finished]
        hearts = generate(
            pipeline, waiting, config.samples, config.seed, config.batch_size, config.steps, config.guidance_scale
        )
        bar = tqdm(hearts, total=len(waiting), desc="patients", disable=not state.is_main_process or len(files) == 1)
        overview = []  # of the first few only: a folder may hold thousands
        for patient, made in bar:
            measured = measure(made, pipeline, segmenter, calibration)
            print_phenotypes(shown(patient.name), measured, len(made), bar)
            real, first = write(config, pipeline, patient, made, record | {"phenotypes": measured}, shown)
            if len(overview) < OVERVIEW_PATIENTS:
                overview.append((shown(patient.name), real, first))
    state.wait_for_everyone()  # a refusal here must not end the others' work
    if state.is_main_process:
        if len(overview) > 1:
            write_overview(config.output / "overview.png", overview)
        print(f"pseudo-MRIs: {config.output}/<patient>/ (sa_ED.nii.gz, sa_ES.nii.gz, grid.png, heart.json)")
        if len(waiting) < len(patients):
            print(f"{len(patients) - len(waiting)} patients were finished by an earlier run and left as they are")
    if refused:
        raise InputError(config.ecg, f"{refused} of {len(mine)} ECGs were refused", "see the lines above")


def open_pipeline(config: Config) -> tuple:
    """Accelerate's state, the pipeline's folder, the pipeline, and what measures its hearts (`measuring_parts`)."""
    from accelerate import Accelerator

    from sampling.pipeline import ECGToMRIPipeline
    from sampling.release import RELEASED, pipeline_to_use
    from training.threads import share_cores

    state = Accelerator().state  # unlike PartialState, it heeds ACCELERATE_USE_CPU
    share_cores(state.num_processes)
    folder = config.pipeline or pipeline_to_use(Path("runs"))
    pipeline = ECGToMRIPipeline.load(folder, config.scheduler).to(state.device)
    pipeline.set_progress_bar_config(disable=True)
    why = "as named" if config.pipeline else "released" if folder == RELEASED else "the newest trained here"
    if state.is_main_process:
        print(f"pipeline: {folder} ({why}) on {state.device}")
    return state, folder, pipeline, *measuring_parts(folder, state)


def measuring_parts(folder: Path, state) -> tuple:
    """The pipeline's segmenter and its calibration (12,) of intervals; None each where the pipeline has none."""
    from evaluation.calibration import read_calibration
    from models.segmenter import Segmenter
    from sampling.pipeline import load_part

    if not (folder / "segmenter").exists():
        if state.is_main_process:
            print("note: this pipeline holds no segmenter (no label maps in training): hearts are not measured")
        return None, None
    return load_part(Segmenter, folder / "segmenter").to(state.device), read_calibration(folder)


def measure(hearts, pipeline, segmenter, calibration) -> dict:
    """Phenotypes of one patient: mean of the samples, SD, and of several samples the 50, 80 and 90 % intervals."""
    import numpy as np

    from cohort.phenotypes import PHENOTYPES
    from evaluation.certainty import calibrated, summary_of
    from evaluation.measuring import measured_phenotypes
    from evaluation.segmentation import segment

    if segmenter is None:
        return {}
    found = np.stack([measured_phenotypes(segment(segmenter, heart)[0], pipeline.grid) for heart in hearts])  # (m, 12)
    found = found if calibration is None else calibrated(found, calibration)
    return {name: summary_of(found[:, k]) for k, name in enumerate(PHENOTYPES)}


def print_phenotypes(name: str, measured: dict, samples: int, bar) -> None:
    """One line a phenotype: its mean, and the 90 % interval where there are samples enough to show one."""
    from cohort.phenotypes import UNITS

    if not measured:
        return
    few = samples < INTERVAL_SAMPLES
    lines = [f"{name}: mean of {samples}, too few for intervals" if few else f"{name}: mean of {samples} hearts"]
    for phenotype, found in measured.items():
        interval = None if few else found.get("interval_90")
        digits = 1 if UNITS[phenotype] == "mm" else 0
        between = f", 90 % interval {interval[0]:.{digits}f} to {interval[1]:.{digits}f}" if interval else ""
        mean = "not measurable" if found["mean"] is None else f"{found['mean']:.{digits}f} {UNITS[phenotype]}"
        lines.append(f"  {phenotype:13s} {mean}{between}")
    bar.write("\n".join(lines))


def is_done(folder: Path, record: dict) -> bool:
    """Whether an earlier run of the same options has finished this patient."""
    path = folder / "heart.json"
    return path.exists() and record.items() <= json.loads(path.read_text()).items()


def read_patients(
    files: list[Path], config: Config, pipeline, persons: dict, simulated_only: bool, shown, alone: bool
) -> tuple[list, int]:
    """The readable patients, and how many files were refused; a file alone is refused by its own InputError."""
    from cohort.person import Person
    from cohort.subjects import BULK_NAME
    from sampling.inputs import subject_name
    from sampling.patients import read_patient

    patients, refused = [], 0
    for path in files:
        name = BULK_NAME.fullmatch(path.stem)
        known = persons.get(int(name[1]), Person()) if name else Person()
        try:
            patient = read_patient(
                path,
                pipeline,
                known,
                simulated_only,
                allow_missing_leads=config.allow_missing_leads,
                sampling_rate=config.sampling_rate,
            )
            true_heart(config, pipeline, patient)  # a bad MRI is found before any heart is made
        except InputError as error:
            told = shown.of_fault(error, path, subject_name(path))
            if alone:
                raise told from None
            print(f"error: {told}", file=sys.stderr)
            refused += 1
            continue
        for warning in patient.warnings:
            print(f"warning: {shown.of_file(path, patient.name)}: {warning}", file=sys.stderr)
        patients.append(patient)
    return patients, refused


def record_of(config: Config, pipeline, folder: Path) -> dict:
    """What heart.json says of how the hearts were made."""
    from cohort.code_version import code_version
    from sampling.model_folder import configuration_sha256
    from sampling.pipeline import weights_sha256
    from sampling.release import pipeline_name

    scale = pipeline.config.guidance_scale if config.guidance_scale is None else config.guidance_scale
    options = {
        "seed": config.seed,
        "samples": config.samples,
        "steps": config.steps or pipeline.config.steps,
        "guidance_scale": scale,
        "scheduler": type(pipeline.scheduler).__name__,
        "beside_true_heart": config.mri is not None,
    }
    return {
        "pipeline": pipeline_name(folder),
        "weights_sha256": weights_sha256(folder),
        "configuration_sha256": configuration_sha256(folder, options),
        "code_version": code_version(),
        **options,
    }


def true_heart(config: Config, pipeline, patient):
    """The real heart of `--mri` on the grid, None without one."""
    from sampling.true_heart import find_true_heart

    return find_true_heart(config.mri, patient.name, pipeline.grid) if config.mri else None


def write(config: Config, pipeline, patient, hearts, record: dict, shown) -> tuple:
    """One patient's folder; returns the true heart, if there is one, and the first generated one."""
    from sampling.outputs import write_patient

    real = true_heart(config, pipeline, patient)
    own = {
        "subject": shown(patient.name),
        "input_sha256": shown(patient.sha256),
        **record,
        "warnings": list(patient.warnings),
    }
    write_patient(config.output / own["subject"], hearts, pipeline.grid, own, real)
    return real, hearts[0]


if __name__ == "__main__":
    sys.exit(exit_code_of(main))
