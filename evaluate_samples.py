"""Does the generated heart belong to this patient, and how sure is it?

    python evaluate_samples.py --data UKBB --pipeline runs/diffusion/pipeline --output report/

Every heart, true or generated, is measured by the same segmenter. Beside the hearts made from a patient's own ECG stand
those made from another patient's, from the person alone, from the ECG alone and from nothing, the mean heart, the heart
of the training patient with the nearest ECG, and the ceiling: what a direct regression reads off ECG and person.
Writes report.json and report.html; the same command continues an interrupted evaluation.
"""

import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import tyro

from cohort.errors import InputError, exit_code_of

CONTROLS = {  # whose ECG ("own", "other" or none), whose person tokens
    "shuffled_ecg": ("other", "own"),
    "person_only": (None, "own"),
    "ecg_only": ("own", None),
    "population": (None, None),
}
CONTROL_SAMPLES = 2  # hearts per person of each control
CURVES = {  # other settings, one changed at a time (--curves)
    "guidance_scale": (1.0, 1.5, 2.0, 3.0),
    "steps": (4, 6, 10, 15),
}
CURVE_PEOPLE, CURVE_SAMPLES = 40, 4
TRAINING_HEARTS = 1000  # of the training people, of whose hearts the mean heart is made


@dataclass(frozen=True)
class Config:
    """Measure a pipeline on people it never saw."""

    data: Path = Path("UKBB")
    """Folder with ecg/ and NIFTI/."""
    pipeline: Path | None = None
    """A pipeline folder; if not given the newest trained one under runs/, else the one that comes with the code."""
    output: Path = Path("report")
    """report.json, report.html and what they are made from."""
    training_data: Path | None = None
    """The folder the pipeline was trained on, for mean heart, nearest ECG and memorisation; `--data` if not given."""
    segmenter: Path | None = None
    """A trained segmenter, if not the one in the pipeline's folder."""
    prepared: Path = Path("runs/prepared")
    """Where cohorts are laid down as arrays, once."""
    hearts: Path | None = None
    """A folder of hearts already made by sample.py; without controls then."""
    labels: Path | None = None
    """Label maps of `--hearts` by another segmenter: <labels>/<patient>/seg_sa_ED.nii.gz ..."""
    label_convention: Literal["ukbb", "acdc"] | None = None
    """Numbering of `--labels`; found out if not given."""
    split: Literal["test", "validation", "all"] = "test"
    """Whom to measure; all for a cohort the pipeline was not trained on."""
    subjects: int = 300
    """At most so many people."""
    samples: int = 8
    """Hearts per person."""
    controls: tuple[Literal["shuffled_ecg", "person_only", "ecg_only", "population"], ...] = (*CONTROLS,)
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
    from accelerate import Accelerator

    from evaluation.measuring import load_measured
    from sampling.patients import prepared_patients
    from training.threads import share_cores

    state = Accelerator().state  # unlike PartialState, it heeds ACCELERATE_USE_CPU
    share_cores(state.num_processes)
    started = time.monotonic()
    pipeline, folder, segmenter = open_pipeline(config, state.device)
    with state.main_process_first():
        cohort, rows = people_of(config, pipeline, folder)
    patients = prepared_patients(cohort, rows)
    record = record_of(config, pipeline, folder, cohort, rows)
    work = config.output / f"measured-{fingerprint(record)}"
    seconds = {}
    for arm in arms_of(config):
        begun = time.monotonic()
        measure_arm(arm, config, pipeline, segmenter, cohort, rows, patients, work / arm, state)
        seconds[arm] = time.monotonic() - begun
    if config.curves:
        begun = time.monotonic()
        measure_curves(config, pipeline, segmenter, cohort, rows, patients, work, state)
        seconds["curves"] = time.monotonic() - begun
    if not state.is_main_process:
        return
    begun = time.monotonic()
    arms = {arm: load_measured([work / arm / f"{p.name}.npz" for p in patients]) for arm in arms_of(config)}
    if config.calibrate:
        return calibrate(folder, arms["generated"], cohort.phenotypes[rows])
    report, pictures = build_report(config, pipeline, folder, segmenter, cohort, rows, patients, arms)
    if config.curves:
        report["curves"] = curve_report(config, folder, pipeline, arms, cohort, rows, patients, work)
    seconds["figures"] = time.monotonic() - begun
    report = record | report | {"seconds": seconds | {"all": time.monotonic() - started}}
    write_report(config, folder, report, pictures)


# ---- What is measured, and by what ----


def arms_of(config: Config) -> tuple[str, ...]:
    """The kinds of hearts to measure."""
    if config.calibrate:
        return ("generated",)
    return ("real", "reconstructed", "generated", *(() if config.hearts else config.controls))


def open_pipeline(config: Config, device) -> tuple:
    """The pipeline, its folder, and the segmenter that measures."""
    from models.segmenter import Segmenter
    from sampling.pipeline import ECGToMRIPipeline, load_part
    from sampling.release import pipeline_to_use

    folder = config.pipeline or pipeline_to_use(Path("runs"))
    pipeline = ECGToMRIPipeline.load(folder, config.scheduler).to(device)
    pipeline.set_progress_bar_config(disable=True)
    source = config.segmenter or folder / "segmenter"
    if not source.exists():
        raise InputError(source, "holds no segmenter", "train one (train_segmenter.py) and name it with --segmenter")
    return pipeline, folder, load_part(Segmenter, source).to(device)


def people_of(config: Config, pipeline, folder: Path) -> tuple:
    """The prepared cohort and the rows to measure.

    Raises:
        InputError: too few people, no truth, or people the pipeline was trained on.
    """
    import numpy as np

    from cohort.prepared import prepare_cohort

    cohort = prepare_cohort(config.data, config.prepared, pipeline.preparation)
    if config.split == "all" and has_taught(folder, cohort):
        raise InputError(
            config.data, "is the cohort this pipeline was trained on", "leave --split at test, or give other people"
        )
    rows = np.arange(len(cohort.eid)) if config.split == "all" else cohort.rows(config.split)
    rows = rows[: config.subjects]
    if len(rows) < 3:
        raise InputError(config.data, f"has {len(rows)} people in the {config.split} split", "give at least three")
    if not np.isfinite(cohort.phenotypes[rows]).any():
        raise InputError(config.data, "has no truth to compare with", "give label maps, or phenotypes.csv")
    return cohort, rows


def has_taught(folder: Path, cohort) -> bool:
    """Whether a pipeline was trained on this cohort; False if its folder does not say."""
    import json

    from cohort.leakage import is_cohort_of

    card = folder / "training.json"
    return card.exists() and is_cohort_of(json.loads(card.read_text()), cohort)


def record_of(config: Config, pipeline, folder: Path, cohort, rows) -> dict:
    """What the measurements depend on; other options, other measurements."""
    from cohort.code_version import code_version
    from sampling.model_folder import configuration_sha256
    from sampling.pipeline import weights_sha256
    from sampling.release import pipeline_name

    options = {
        "cohort": cohort.folder.name,
        "split": config.split,
        "n_subjects": len(rows),
        "n_samples": config.samples,
        "pipeline": pipeline_name(folder),
        "guidance_scale": config.guidance_scale,
        "steps": config.steps or pipeline.config.steps,
        "scheduler": config.scheduler,
        "hearts": config.hearts and config.hearts.name,
        "labels": config.labels and config.labels.name,
        "segmenter_given": bool(config.segmenter),
        "seed": config.seed,
    }
    return {
        **options,
        "weights_sha256": weights_sha256(folder),
        "configuration_sha256": configuration_sha256(folder, options),
        "code_version": code_version(),
    }


def fingerprint(record: dict) -> str:
    """Names the folder of measurements; people are added and code is mended without measuring all anew.

    Nor does a calibration, which is part of the pipeline's configuration, touch what was measured.
    """
    from cohort.provenance import settings_sha256

    changing = ("n_subjects", "configuration_sha256", "code_version")
    lasting = {k: v for k, v in record.items() if k not in changing}
    return settings_sha256(lasting)[:12]


# ---- Measuring ----


def measure_arm(arm: str, config: Config, pipeline, segmenter, cohort, rows, patients, folder: Path, state) -> None:
    """Measure one kind of heart of every patient, each into a file of its own; what is there already is kept."""
    from tqdm import tqdm

    from evaluation.measuring import measured, save_measured

    folder.mkdir(parents=True, exist_ok=True)
    with state.split_between_processes(list(range(len(patients)))) as share:  # split first: others are writing already
        mine = [k for k in share if not (folder / f"{patients[k].name}.npz").exists()]
        made = hearts_of(arm, config, pipeline, cohort, rows, patients, mine)
        bar = tqdm(made, total=len(mine), desc=arm, disable=not state.is_main_process)
        for k, (hearts, labels) in zip(mine, bar, strict=True):
            mask = cohort.mask[rows[k]]
            save_measured(folder / f"{patients[k].name}.npz", measured(segmenter, hearts, pipeline.grid, mask, labels))
    state.wait_for_everyone()


def measure_curves(config: Config, pipeline, segmenter, cohort, rows, patients, work: Path, state) -> None:
    """The first few people under each setting of CURVES, each in a folder of its own."""
    from dataclasses import replace

    for option, values in CURVES.items():
        for value in values:
            setting = replace(config, samples=CURVE_SAMPLES, **{option: value})
            some = patients[:CURVE_PEOPLE]
            measure_arm(
                "generated", setting, pipeline, segmenter, cohort, rows, some, work / f"{option}_{value}", state
            )


def hearts_of(arm: str, config: Config, pipeline, cohort, rows, patients, mine):
    """Hearts (m, slices, phases, height, width), and label maps where given, of the patients numbered `mine`."""
    from dataclasses import replace

    import torch

    from evaluation.controls import derangement
    from evaluation.labels import read_labels
    from sampling.outputs import read_hearts
    from sampling.patients import generate

    chosen = [patients[k] for k in mine]
    if arm == "real":
        yield from ((cohort.hearts[rows[k]][None] / 255.0, None) for k in mine)
    elif arm == "reconstructed":  # what the autoencoder alone loses
        true = (torch.from_numpy(cohort.hearts[rows[k]] / 255.0) for k in mine)
        yield from ((pipeline.reconstruct(heart).numpy()[None], None) for heart in true)
    elif arm == "generated" and config.hearts:
        names = [patient.name for patient in chosen]
        labels = (
            read_labels(config.labels, pipeline.grid, names, config.hearts, config.label_convention)
            if config.labels
            else dict.fromkeys(names)
        )
        yield from ((read_hearts(config.hearts / name)[: config.samples], labels[name]) for name in names)
    else:
        ecg, person = CONTROLS.get(arm, ("own", "own"))
        samples = CONTROL_SAMPLES if arm in CONTROLS else config.samples
        if ecg == "other":
            other = derangement(len(patients), config.seed)
            given = [patients[other[k]] for k in mine]
            pairs = zip(chosen, given, strict=True)
            chosen = [replace(patient, signal=o.signal, lead_mask=o.lead_mask) for patient, o in pairs]
        options = (config.seed, config.batch_size, config.steps, config.guidance_scale, bool(ecg), bool(person))
        yield from ((hearts, None) for _, hearts in generate(pipeline, chosen, samples, *options))


# ---- Figures ----


def build_report(config: Config, pipeline, folder: Path, segmenter, cohort, rows, patients, arms: dict) -> tuple:
    """Every figure, and the pictures, of what was measured."""
    import numpy as np

    from evaluation import figures
    from evaluation.calibration import read_calibration
    from evaluation.coherence import coherence
    from evaluation.groups import disease_groups
    from evaluation.report import (
        agreement_figures,
        certainty_figures,
        group_figures,
        mean_of_samples,
        realism_figures,
        reconstruction_figures,
        retrieval_figures,
    )

    generated, real = arms["generated"], arms["real"]
    truth, mask = np.asarray(cohort.phenotypes[rows], dtype=float), np.asarray(cohort.mask[rows])
    groups, scars = disease_groups(config.data, cohort.eid[rows])
    report = agreement_figures(generated, real, truth)
    report |= ceiling_report(pipeline, folder, patients, generated, truth)
    controls, training = control_report(config, pipeline, segmenter, folder, cohort, rows, patients, arms, truth)
    report["controls"] = controls
    report |= certainty_figures(generated, truth, read_calibration(folder), groups)
    report["groups"] = group_figures(generated, real, truth, groups, scars)
    if "shuffled_ecg" in arms:
        report |= retrieval_figures(generated, arms["shuffled_ecg"], real, mask)
    report["coherence"] = coherence(generated.coherence.reshape(-1, 5), real.coherence.reshape(-1, 5))
    report["segmenter"] = segmenter_report(segmenter, cohort, rows, generated, real)
    report["realism"], spectra = realism_figures(generated, real, mask, training and training["mean_heart"])
    report["measured_on_reconstructions"], floor = reconstruction_figures(arms["reconstructed"], real, mask, truth)
    report["realism"] |= {f"{name}_reconstruction": value for name, value in floor.items()}
    if training is not None and not is_taught(cohort, rows, training):
        report["memorisation"] = memorisation_report(config, pipeline, generated, cohort, rows, training)
    found = mean_of_samples(generated.phenotypes)
    pictures = {
        "hearts": hearts_picture(cohort, rows, generated),
        "scatter": figures.scatter(found, truth),
        "bland_altman": figures.bland_altman(found, truth),
        "controls": figures.controls_bars(report),
        "coverage": figures.coverage_curve(report),
        "ranks": figures.rank_histograms(report),
        "spectrum": figures.spectrum(*spectra),
    }
    if report.get("ceiling_curve"):
        pictures["learning_curve"] = figures.learning_curve(report)
    return report, pictures


def ceiling_report(pipeline, folder: Path, patients, generated, truth) -> dict:
    """What the direct regression stored with the pipeline reaches, and how much of it the hearts keep."""
    import json

    from evaluation.ceiling import predict_phenotypes
    from evaluation.report import ceiling_figures

    if not (folder / "ceiling").exists():
        print(f"note: {folder} holds no ceiling (its cohort had no phenotypes): information kept is not known")
        return {}
    report = ceiling_figures(generated, predict_phenotypes(folder / "ceiling", patients, pipeline.device), truth)
    curve = folder / "ceiling" / "learning_curve.json"
    return report | ({"ceiling_curve": json.loads(curve.read_text())} if curve.exists() else {})


def curve_report(config: Config, folder: Path, pipeline, arms: dict, cohort, rows, patients, work: Path) -> list:
    """Information kept, coverage and FID under each setting, and of fewer samples, for the same people."""
    import numpy as np

    from evaluation.ceiling import predict_phenotypes
    from evaluation.measuring import load_measured
    from evaluation.report import setting_figures

    n = min(CURVE_PEOPLE, len(patients))
    people = rows[:n]
    truth, mask = np.asarray(cohort.phenotypes[people], dtype=float), np.asarray(cohort.mask[people])
    has_ceiling = (folder / "ceiling").exists()
    ceiling = predict_phenotypes(folder / "ceiling", patients[:n], pipeline.device) if has_ceiling else None
    known = (arms["real"].first(n), truth, ceiling, mask)
    scale = pipeline.config.guidance_scale if config.guidance_scale is None else config.guidance_scale
    usual = {"guidance_scale": scale, "steps": config.steps or pipeline.config.steps, "samples": CURVE_SAMPLES}
    found = []
    for option, values in CURVES.items():
        for value in values:
            made = load_measured([work / f"{option}_{value}" / f"{p.name}.npz" for p in patients[:n]])
            found.append(usual | {option: value} | setting_figures(made, *known))
    for samples in (2, 4, 8, 16):
        if samples <= config.samples:
            made = arms["generated"].first(n, samples)
            found.append(usual | {"samples": samples} | setting_figures(made, *known))
    return found


def control_report(
    config: Config, pipeline, segmenter, folder: Path, cohort, rows, patients, arms: dict, truth
) -> tuple:
    """Agreement of every control, and the training cohort with its mean heart; None where it is not to be had."""
    from evaluation.report import control_figures, mean_of_samples

    found = {arm: mean_of_samples(arms[arm].phenotypes) for arm in CONTROLS if arm in arms}
    if found:  # of as few hearts as the controls have: fewer hearts lower R2 by themselves
        found["own_ecg"] = mean_of_samples(arms["generated"].phenotypes[:, :CONTROL_SAMPLES])
    training = training_people(config, pipeline, folder, cohort)
    if training is not None:
        found |= training_controls(pipeline, segmenter, patients, training)
    return control_figures(found, truth), training


def training_people(config: Config, pipeline, folder: Path, cohort) -> dict | None:
    """The cohort the pipeline was trained on and its training rows; None, and a word why, if it is not at hand."""
    from cohort.prepared import prepare_cohort

    if config.training_data:
        cohort = prepare_cohort(config.training_data, config.prepared, pipeline.preparation)
    if not has_taught(folder, cohort):
        print(
            "note: the training people are not at hand (--training-data names their folder): "
            "no mean heart, no nearest ECG, no memorisation"
        )
        return None
    return {"cohort": cohort, "rows": cohort.rows("train")}


def is_taught(cohort, rows, training: dict) -> bool:
    """Whether the people measured taught the pipeline (a cohort too small to split): then copies cannot be told."""
    return training["cohort"].folder == cohort.folder and bool(set(rows.tolist()) & set(training["rows"].tolist()))


def training_controls(pipeline, segmenter, patients, training: dict) -> dict:
    """Phenotypes (n, K) of the mean training heart, and of the training patient with the nearest ECG."""
    import numpy as np

    from evaluation.controls import nearest
    from evaluation.measuring import measured_phenotypes
    from evaluation.segmentation import segment
    from sampling.patients import pooled_ecgs, prepared_patients

    cohort, rows = training["cohort"], training["rows"]
    some = rows[:TRAINING_HEARTS]
    acquired = cohort.mask[some][..., None, None]
    total = sum(cohort.hearts[part].astype(np.float64).sum(axis=0) for part in np.array_split(some, 20) if len(part))
    training["mean_heart"] = total / np.maximum(acquired.sum(axis=0), 1) / 255
    labels, _ = segment(segmenter, training["mean_heart"])
    mean_heart = np.tile(measured_phenotypes(labels, pipeline.grid), (len(patients), 1))
    bank = pooled_ecgs(pipeline, prepared_patients(cohort, rows))
    closest = rows[nearest(pooled_ecgs(pipeline, patients), bank)]
    return {"mean_heart": mean_heart, "retrieval": np.asarray(cohort.phenotypes[closest], dtype=float)}


def calibrate(folder: Path, generated, truth) -> None:
    """Fit the factors (12,) of the intervals' widths, and keep them with the pipeline."""
    import numpy as np

    from cohort.phenotypes import PHENOTYPES
    from evaluation.calibration import write_calibration
    from evaluation.certainty import fit_spread

    factors = fit_spread(generated.phenotypes, np.asarray(truth, dtype=float))
    write_calibration(folder, factors)
    found = ", ".join(f"{name} {factor:.2f}" for name, factor in zip(PHENOTYPES, factors, strict=True))
    print(f"intervals of {len(truth)} validation people are to be wider by these factors: {found}")


def segmenter_report(segmenter, cohort, rows, generated, real) -> dict:
    """Dice on the true hearts that have label maps."""
    import numpy as np

    from cohort.prepared import NO_LABELS
    from evaluation.report import segmenter_figures
    from evaluation.segmentation import segment

    labelled = [row for row in rows if cohort.labels[row, 0, 0, 0, 0] != NO_LABELS]
    maps = [segment(segmenter, cohort.hearts[row] / 255.0)[0] for row in labelled]
    return segmenter_figures(real, np.asarray(cohort.labels[labelled]), np.asarray(maps), generated)


def memorisation_report(config: Config, pipeline, generated, cohort, rows, training: dict) -> dict:
    """Copies of training hearts among the generated ones, by pixels, and membership inference by the loss."""
    import numpy as np
    from einops import rearrange

    from evaluation.likelihood import denoising_losses
    from evaluation.memorisation import audit, membership_auc, pixel_distances, planted_copies
    from sampling.patients import prepared_patients

    trained, train = training["cohort"], training["rows"]
    kept = generated.hearts.shape[1]
    mask = np.asarray(cohort.mask[rows])
    samples = rearrange(generated.hearts, "n m s p h w -> (n m) s p h w"), np.repeat(mask, kept, axis=0)
    some = train[: len(rows)]
    copies = planted_copies(np.asarray(trained.hearts[some]), config.seed), np.asarray(trained.mask[some])
    report = audit(
        pixel_distances,
        samples,
        (trained.hearts[train], trained.mask[train]),
        (cohort.hearts[rows], mask),
        copies,
        own=np.repeat(np.arange(len(rows)), kept),
        samples_per_patient=kept,
        seed=config.seed,
    )
    losses = []
    for source, people in ((trained, some), (cohort, rows)):
        known = prepared_patients(source, people)
        losses.append(denoising_losses(pipeline, known, source.hearts[people], source.mask[people]))
    return report | {"membership_auc": membership_auc(*losses)}


def hearts_picture(cohort, rows, generated, people: int = 3) -> bytes:
    """A few true hearts, below each a generated one and the SD map, as PNG."""
    import io

    from sampling.grid import draw_grid

    named = []
    for k, row in enumerate(rows[:people]):
        spread = generated.spread[k].astype(float)
        named += [
            (f"patient {k + 1}: true", cohort.hearts[row] / 255.0),
            (f"patient {k + 1}: generated from the ECG", generated.hearts[k, 0] / 255.0),
            (f"patient {k + 1}: SD of the samples, four times as bright", 4 * spread),
        ]
    out = io.BytesIO()
    draw_grid(named).save(out, format="PNG")
    return out.getvalue()


# ---- What is written ----


def write_report(config: Config, folder: Path, report: dict, pictures: dict) -> None:
    """report.json, report.html, the figures in the pipeline's model card, and the table on screen."""
    from evaluation.page import write_page
    from evaluation.verdicts import FEW_PEOPLE, verdicts
    from sampling.model_card import add_figures, people_of_figures
    from training.run import write_json

    write_json(config.output / "report.json", without_nan(report))
    write_page(config.output / "report.html", report, pictures)
    if (folder / "README.md").exists() and report["n_subjects"] >= people_of_figures(folder):  # the best known stay
        add_figures(folder, report)
    if report["n_subjects"] >= FEW_PEOPLE:
        print_table(report)
    for sentence in verdicts(report):
        print(f"- {sentence}")
    print(f"figures: {config.output / 'report.json'}, {config.output / 'report.html'}")


def without_nan(content):
    """JSON knows no NaN: null in its place."""
    if isinstance(content, dict):
        return {key: without_nan(value) for key, value in content.items()}
    if isinstance(content, list):
        return [without_nan(value) for value in content]
    return None if isinstance(content, float) and content != content else content


def print_table(report: dict) -> None:
    """R2 of every phenotype, generated, controls and ceiling, and the coverage."""
    from cohort.phenotypes import PHENOTYPES

    columns = {"generated": report["agreement"], "one": report["agreement_of_one_sample"], **report["controls"]}
    columns |= {key: report[key] for key in ("ceiling",) if key in report}
    columns["true heart"] = report["measured_on_true_hearts"]
    print(f"R2, {report['n_subjects']} people, {report['n_samples']} hearts each")
    print(f"{'':12s} " + " ".join(f"{name:>12s}" for name in columns) + f" {'kept':>6s} {'many':>6s} {'90 %':>6s}")
    for name in PHENOTYPES:
        cells = " ".join(f"{table[name]['r2']:12.2f}" for table in columns.values())
        kept = report.get("information_kept", {}).get(name, float("nan"))
        many = report.get("information_kept_of_many", {}).get(name, float("nan"))
        covered = report.get("coverage", {}).get(name, {}).get("90", float("nan"))
        print(f"{name:12s} {cells} {kept:6.2f} {many:6.2f} {covered:6.0f}")


if __name__ == "__main__":
    sys.exit(exit_code_of(main))
