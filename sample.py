"""One ECG in, pseudo-MRIs of the same patient's heart out.

    python sample.py --ecg path.xml
    accelerate launch sample.py --ecg UKBB/ecg --mri UKBB/NIFTI

Formats: XML (UK Biobank / GE CardioSoft, GE MUSE, Philips, Mortara, HL7 aECG), DICOM, SCP-ECG, EDF, ISHNE, WFDB.
.npy and .csv need --sampling-rate.
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
    config.require_sound()
    from cohort.leakage import read_training
    from cohort.pseudonym import Naming, read_key
    from cohort.simulated import warning_of_version
    from sampling import inputs
    from sampling.imports import lean_imports

    naming = Naming(read_key(config.pseudonymise) if config.pseudonymise else None)
    with naming.hiding():
        inputs.stated_person(config)  # refuses before anything is loaded
        found = inputs.ecg_files(config.ecg, naming)
        files = inputs.without_withdrawn_files(found, config.ecg, config.exclude)
        withdrawn = inputs.files_of_withdrawn(found, config.ecg, config.exclude)
        inputs.require_readable(config, files, naming)
        alone = len(files) == 1
        with lean_imports():
            from accelerate.utils import gather_object

            from evaluation.heart_sampler import HeartSampler
            from evaluation.phenotype_lines import phenotype_lines
            from evaluation.tally import TABLE, Tally, join_tables, left_alone
            from evaluation.training_people import warning_of_withdrawn
            from sampling.grid import write_overview
            from sampling.index_page import way_to_index, write_index
            from sampling.output_lock import kept_apart
            from sampling.refused_table import said_of_refused
            from sampling.release import chosen_pipeline
            from sampling.threads import started_state

            state = started_state()
            folder, why = chosen_pipeline(config.pipeline, Path("runs"))
            sampler = HeartSampler.open(config, folder, naming, state.device, inputs.names_of_files(files))
        if state.is_main_process:
            print(naming.shown(f"pipeline: {folder} ({why}) on {state.device}"))
            unknown = sampler.pipeline.config.trained_on is None
            warnings = (
                f"{folder}: {inputs.TAUGHT_BY_UNKNOWN}" if unknown else "",
                warning_of_withdrawn(folder, withdrawn, sampler.pipeline.preparation),
                warning_of_version(read_training(folder), config.ecg),
                sampler.persons.of_no_file(found),
            )
            for warning in filter(None, warnings):
                print(naming.shown(f"warning: {warning}"), file=sys.stderr)
            print(f"note: {sampler.said}")
        tally = Tally(config.output, naming, alone, state.process_index)
        departing, overview = 0, []  # of the first few only: a folder may hold thousands
        with state.split_between_processes(files) as mine:
            # A file alone is looked at before anything is written.
            first = list(sampler.read_all(mine, tally)) if alone else []
            hidden, share = alone or not state.is_main_process, state.num_processes
            said = "ECGs" if share == 1 else f"ECGs of the first of {share} processes"
            apart, whole = kept_apart(config.output, state), tally.withdrawn_when_interrupted()
            with apart, whole, tally.progress(len(mine), said, hidden) as bar:
                if config.page and not alone and state.is_main_process:
                    write_index(config.output, naming)  # again at the end: no page's link to it may lead nowhere
                patients = first if alone else sampler.read_all(mine, tally)
                for drawn in sampler.draw(sampler.waiting(patients, tally), tally):
                    departing += drawn.departs
                    if drawn.phenotypes:
                        told = (drawn.name, drawn.phenotypes, len(drawn.hearts), drawn.of_simulated)
                        bar.write(phenotype_lines(*told))
                    if len(overview) < OVERVIEW_PATIENTS:
                        overview.append((drawn.name, drawn.true_heart, drawn.hearts[0]))
                state.wait_for_everyone()  # a refusal here must not end the others' work
                counts = list(zip(*gather_object([(*tally.counts, departing)]), strict=True))
                refused, finished, written, departing = map(sum, counts)
                if state.is_main_process:
                    if not alone:
                        join_tables(config.output, counts[0])
                    if len(overview) > 1:
                        write_overview(config.output / "overview.png", overview, sampler.pipeline.grid.pixel_mm)
                    if config.page and (not alone or way_to_index(config.output)):
                        write_index(config.output, naming)
        if not state.is_main_process:
            return
        if written:
            names = sampler.said_of_files(written, departing)
            print(naming.shown(f"pseudo-MRIs: {config.output}/<patient>/ ({names})"))
        if finished:
            print(left_alone(finished))
        if refused:
            remedy = f"{config.output / TABLE} says which and why"
            raise InputError(config.ecg, said_of_refused(refused, len(files), "ECGs"), remedy)


if __name__ == "__main__":
    sys.exit(exit_code_of(main))
