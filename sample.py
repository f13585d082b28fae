"""One ECG in, pseudo-MRIs of the same patient's heart out.

    python sample.py --ecg path.xml
    accelerate launch sample.py --ecg UKBB/ecg --mri UKBB/NIFTI

Formats: UK Biobank / GE CardioSoft XML, GE MUSE XML, WFDB (.hea), .npy or .csv with --sampling-rate.
"""

import sys
from dataclasses import dataclass
from pathlib import Path

import tyro

from cohort.errors import InputError, exit_code_of
from sampling.options import SampleOptions

OVERVIEW_PATIENTS = 6


@dataclass(frozen=True)
class Config(SampleOptions):
    """Generate hearts from ECGs."""


def main() -> None:
    config = tyro.cli(Config, description=__doc__)
    config.require_counts()
    from cohort.pseudonym import Naming, read_key
    from sampling.imports import lean_imports
    from sampling.inputs import TAUGHT_BY_UNKNOWN, ecg_files

    naming = Naming(read_key(config.pseudonymise) if config.pseudonymise else None)
    files = ecg_files(config.ecg)
    with lean_imports():
        from tqdm import tqdm

        from evaluation.heart_sampler import HeartSampler
        from evaluation.phenotype_lines import phenotype_lines
        from sampling.grid import write_overview
        from sampling.release import chosen_pipeline
        from sampling.threads import started_state

        state = started_state()
        folder, why = chosen_pipeline(config.pipeline, Path("runs"))
        sampler = HeartSampler.open(config, folder, naming, state.device)
    if state.is_main_process:
        print(f"pipeline: {folder} ({why}) on {state.device}")
        if sampler.pipeline.config.trained_on is None:
            print(f"warning: {folder}: {TAUGHT_BY_UNKNOWN}", file=sys.stderr)
        if sampler.segmenter is None:
            print("note: this pipeline holds no segmenter (no label maps in training): hearts are not measured")
    with state.split_between_processes(files) as mine:
        patients, refused = sampler.read_all(mine, alone=len(files) == 1)
        waiting = [patient for patient in patients if not sampler.is_done(patient)]
        hidden = not state.is_main_process or len(files) == 1
        bar = tqdm(sampler.draw(waiting), total=len(waiting), desc="patients", disable=hidden)
        overview = []  # of the first few only: a folder may hold thousands
        for drawn in bar:
            if drawn.phenotypes:
                bar.write(phenotype_lines(drawn.name, drawn.phenotypes, len(drawn.hearts)))
            if len(overview) < OVERVIEW_PATIENTS:
                overview.append((drawn.name, drawn.true_heart, drawn.hearts[0]))
    state.wait_for_everyone()  # a refusal here must not end the others' work
    if state.is_main_process:
        if len(overview) > 1:
            write_overview(config.output / "overview.png", overview)
        print(f"pseudo-MRIs: {config.output}/<patient>/ (sa_ED.nii.gz, sa_ES.nii.gz, grid.png, heart.json)")
        if len(waiting) < len(patients):
            print(f"{len(patients) - len(waiting)} patients were finished by an earlier run and left as they are")
    if refused:
        raise InputError(config.ecg, f"{refused} of {len(mine)} ECGs were refused", "see the lines above")


if __name__ == "__main__":
    sys.exit(exit_code_of(main))
