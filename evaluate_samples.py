"""Does the generated heart belong to this patient? Phenotypes measured on generated hearts against the truth.

    python evaluate_samples.py --data UKBB --pipeline runs/diffusion/pipeline --output report/

Every heart, true or generated, is measured by the same segmenter (train_segmenter.py). The control gives each patient
the heart made from ANOTHER patient's ECG and person tokens: what is left then is not about the patient.
"""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import tyro

from cohort.errors import InputError, exit_code_of


@dataclass(frozen=True)
class Config:
    """Measure a pipeline on people it never saw."""

    data: Path = Path("UKBB")
    """Folder with ecg/ and NIFTI/."""
    pipeline: Path | None = None
    """A pipeline folder; the newest trained one under runs/ if not given."""
    segmenter: Path = Path("runs/segmenter/model")
    """A trained segmenter."""
    output: Path = Path("report")
    """report.json and figures are written here."""
    prepared: Path = Path("runs/prepared")
    """Where the cohort is laid down as arrays, once."""
    hearts: Path | None = None
    """A folder of hearts already made by sample.py; made now if not given."""
    split: Literal["test", "validation", "all"] = "test"
    """Whom to measure; all for a cohort the pipeline was not trained on."""
    subjects: int = 200
    """At most so many people."""
    samples: int = 4
    """Hearts per person; their phenotypes are averaged."""
    guidance_scale: float | None = None
    steps: int = 10
    scheduler: str | None = None
    batch_size: int = 8
    seed: int = 0


def main() -> None:
    config = tyro.cli(Config, description=__doc__)
    import numpy as np
    from accelerate import PartialState

    from cohort.phenotypes import PHENOTYPES
    from cohort.prepared import Preparation, prepare_cohort
    from evaluation.agreement import agreement, shuffled_agreement
    from evaluation.measuring import measured_phenotypes
    from evaluation.segmentation import Segmenter
    from sampling.pipeline import ECGToMRIPipeline, load_part, newest_pipeline

    device = PartialState().device
    pipeline = ECGToMRIPipeline.load(config.pipeline or newest_pipeline(Path("runs")), config.scheduler).to(device)
    if not config.segmenter.exists():
        raise InputError(config.segmenter, "holds no segmenter", "train one: accelerate launch train_segmenter.py")
    segmenter = load_part(Segmenter, config.segmenter).to(device)
    encoder = pipeline.ecg_encoder.config
    preparation = Preparation(pipeline.grid, encoder.sampling_rate, encoder.duration_s)
    cohort = prepare_cohort(config.data, config.prepared, preparation)
    rows = np.arange(len(cohort.eid)) if config.split == "all" else cohort.rows(config.split)
    rows = rows[: config.subjects]
    if len(rows) < 3:
        raise InputError(config.data, f"has {len(rows)} people in the {config.split} split", "give at least three")
    if not np.isfinite(cohort.phenotypes[rows]).any():
        raise InputError(config.data, "has no truth to compare with", "give label maps, or phenotypes.csv")
    per_sample = measure_generated(config, pipeline, segmenter, cohort, rows)  # (n, samples, 8)
    found = np.nanmean(per_sample, axis=1)
    truth = np.asarray(cohort.phenotypes[rows], dtype=float)
    true_measured = measured_phenotypes(segmenter, (cohort.hearts[row] / 255.0 for row in rows), pipeline.grid)

    def table(measure, values) -> dict:
        return {name: measure(values[:, k], truth[:, k]) for k, name in enumerate(PHENOTYPES)}

    report = {
        "n_subjects": len(rows),
        "n_samples": per_sample.shape[1],
        "agreement": table(agreement, found),
        "agreement_of_one_sample": table(agreement, per_sample[:, 0]),
        "controls": {"shuffled_ecg_and_person": table(shuffled_agreement, found)},
        "measured_on_true_hearts": table(agreement, true_measured),
    }
    write_report(config.output, report, found, truth)


def measure_generated(config: Config, pipeline, segmenter, cohort, rows):
    """Phenotypes of the generated hearts, made now or read from `--hearts`: (n, samples, 8)."""
    import numpy as np
    from tqdm import tqdm

    from evaluation.measuring import measured_phenotypes
    from sampling.outputs import read_hearts
    from sampling.patients import generate, prepared_patients

    pipeline.set_progress_bar_config(disable=True)
    patients = prepared_patients(cohort, rows)
    if config.hearts:
        made = ((patient, read_hearts(config.hearts / patient.name)) for patient in patients)
    else:
        options = (config.seed, config.batch_size, config.steps, config.guidance_scale)
        made = generate(pipeline, patients, config.samples, *options)
    bar = tqdm(made, total=len(rows), desc="patients")
    return np.stack([measured_phenotypes(segmenter, hearts, pipeline.grid) for _, hearts in bar])


def write_report(folder: Path, report: dict, found, truth) -> None:
    """report.json, a scatter of every phenotype, and a table on screen."""
    from cohort.phenotypes import PHENOTYPES
    from evaluation.figures import write_scatter
    from training.run import write_json

    folder.mkdir(parents=True, exist_ok=True)
    write_json(folder / "report.json", report)
    write_scatter(folder / "agreement.png", found, truth)
    columns = {
        "generated r": (report["agreement"], "r"),
        "one sample r": (report["agreement_of_one_sample"], "r"),
        "shuffled r": (report["controls"]["shuffled_ecg_and_person"], "r"),
        "true heart measured r": (report["measured_on_true_hearts"], "r"),
        "generated R2": (report["agreement"], "r2"),
    }
    print(f"{report['n_subjects']} people, {report['n_samples']} hearts each, against the truth")
    print("phenotype  " + "  ".join(columns))
    for name in PHENOTYPES:
        cells = (f"{values[name][figure]:{len(title)}.2f}" for title, (values, figure) in columns.items())
        print(f"{name:9s}  " + "  ".join(cells))
    print(f"figures: {folder / 'report.json'}, {folder / 'agreement.png'}")


if __name__ == "__main__":
    sys.exit(exit_code_of(main))
