"""The report of a study: every number and every picture, from the measurements of its arms."""

import json
from pathlib import Path

import numpy as np
from einops import rearrange

from cohort.intensity import as_unit
from cohort.prepared import NO_LABELS
from sampling.measured_phenotypes import measured_phenotypes
from sampling.segmentation import segment

from . import plots
from .arms import CONTROL_SAMPLES, CONTROLS
from .calibration import read_calibration, why_passed_over
from .coherence import coherence
from .condition_report import condition_report
from .groups import disease_groups, sex_groups, with_pooled_disease
from .heart_distances import pixel_distances
from .hearts_picture import hearts_picture
from .image_floor import changed_features
from .likelihood import denoising_losses
from .measuring import Measured
from .memorisation import audit, membership_auc, planted_copies
from .paired_draws import headline_draws
from .report import (
    agreement_numbers,
    another_less_person,
    ceiling_numbers,
    certainty_numbers,
    control_numbers,
    group_numbers,
    implausible_numbers,
    mean_of_samples,
    obedience_numbers,
    realism_numbers,
    reconstruction_numbers,
    retrieval_numbers,
    segmented_slopes,
    segmenter_numbers,
    told_numbers,
)
from .report_pictures import drawn_from
from .study import Study, people_sha256
from .training_people import TrainingPeople

PICTURED_PEOPLE = 4


def build_report(
    study: Study, arms: dict[str, Measured], training: TrainingPeople | None, data: Path
) -> tuple[dict, dict[str, bytes]]:
    """Every number of a study, and the pictures as PNG by name.

    Args:
        arms: what was measured of each kind of heart, "real", "reconstructed" and "generated" at least.
        training: the people the pipeline was trained on, where they are at hand.
        data: the cohort's folder, whose truth.csv may say who is ill.
    """
    generated, real = arms["generated"], arms["real"]
    groups, scars = disease_groups(data, study.cohort.eid[study.rows])
    groups = with_pooled_disease(groups) or sex_groups(study.cohort.person[study.rows])
    report = agreement_numbers(generated, real, study.truth, study.told_truth)
    report |= ceiling_report(study, generated)
    controls = control_phenotypes(study, arms, training)
    report["controls"] = control_numbers(controls, study.truth)
    report["another_less_person"] = another_less_person(controls, study.truth)
    report["obedience"] = obedience_numbers(generated)
    report["segmented_slopes"] = segmented_slopes(real, study.told_truth)
    report["implausible"] = implausible_numbers({name: arms[name] for name in ("generated", "real", "reconstructed")})
    report |= certainty_numbers(generated, study.truth, groups)
    report |= told_report(study)
    report["groups"] = group_numbers(generated, real, study.truth, groups, scars, study.ceiling)
    if "shuffled_ecg" in arms:
        report |= retrieval_numbers(generated, arms["shuffled_ecg"], real, study.mask)
    report["coherence"] = coherence(generated.coherence.reshape(-1, 5), real.coherence.reshape(-1, 5))
    report["decision"] = condition_report(study, generated, training)
    another = arms.get("shuffled_ecg")
    report["draws"] = headline_draws(people_sha256(study), generated, another, study.ceiling, study.truth)
    report["segmenter"] = segmenter_numbers(real, *label_maps(study), generated)
    mean_heart = training.mean_heart if training else None
    floors = changed_features(study.segmenter, map(study.true_heart, range(len(study.rows))), study.seed)
    report["realism"], spectra = realism_numbers(generated, real, study.mask, mean_heart, floors)
    agreement, floor = reconstruction_numbers(arms["reconstructed"], real, study.mask, study.truth)
    report["measured_on_reconstructions"] = agreement
    report["realism"] |= {_of_reconstruction(name): value for name, value in floor.items()}
    if training and not training.include(study.cohort, study.rows):  # else copies cannot be told from own hearts
        report["memorisation"] = memorisation_report(study, generated, training)
    return report, pictures_of(study, generated, report, spectra)


def _of_reconstruction(name: str) -> str:
    """The key in the report of a figure of reconstructions; an interval's ending stays last."""
    return f"{name.removesuffix('_ci')}_reconstruction{'_ci' if name.endswith('_ci') else ''}"


def told_report(study: Study) -> dict:
    """How well the intervals hold that heart.json tells."""
    if passed_over := why_passed_over(study.folder):
        print(f"note: {passed_over}")
    return told_numbers(study.codes, study.truth, read_calibration(study.folder))


def ceiling_report(study: Study, generated: Measured) -> dict:
    """What the regression stored with the pipeline reaches, and how much of it the hearts keep."""
    if study.ceiling is None:
        print(f"note: {study.folder} holds no ceiling (its cohort had no phenotypes): information kept is not known")
        return {}
    report = ceiling_numbers(generated, study.ceiling, study.truth)
    curve = study.folder / "ceiling" / "learning_curve.json"
    return report | ({"ceiling_curve": json.loads(curve.read_text())} if curve.exists() else {})


def control_phenotypes(
    study: Study, arms: dict[str, Measured], training: TrainingPeople | None
) -> dict[str, np.ndarray]:
    """Phenotypes of every control: (n, m, K) of its samples; (n, K) of the mean heart and the nearest ECG's person.

    `own_ecg` are as few hearts of the own ECG as a control has: fewer hearts alone lower R2, but not that of very many.
    """
    controls = {arm: arms[arm].phenotypes for arm in CONTROLS if arm in arms}
    if controls:
        controls["own_ecg"] = arms["generated"].phenotypes[:, :CONTROL_SAMPLES]
    if training:
        labels, _ = segment(study.segmenter, training.mean_heart)
        of_mean_heart = measured_phenotypes(labels, study.pipeline.grid)
        controls["mean_heart"] = np.tile(of_mean_heart, (len(study.patients), 1))
        nearest = training.with_nearest_ecg(study.pipeline, study.patients)
        controls["retrieval"] = np.asarray(training.cohort.phenotypes[nearest], dtype=float)
    return controls


def label_maps(study: Study) -> tuple[np.ndarray, np.ndarray]:
    """Label maps of the true hearts that have them, and the segmenter's own of the same hearts.

    Returns:
        two (m, slices, phases, height, width) of `Label`; m may be 0.
    """
    cohort = study.cohort
    labelled = [row for row in study.rows if cohort.labels[row, 0, 0, 0, 0] != NO_LABELS]
    maps = [segment(study.segmenter, as_unit(cohort.hearts[row]))[0] for row in labelled]
    return np.asarray(cohort.labels[labelled]), np.asarray(maps)


def memorisation_report(study: Study, generated: Measured, training: TrainingPeople) -> dict:
    """Copies of training hearts among the generated ones, by pixels, and membership inference by the loss."""
    kept, some = generated.hearts.shape[1], training.first(len(study.rows))
    hearts, masks = some.hearts
    held_out = study.cohort.hearts[study.rows], study.mask
    report = audit(
        pixel_distances,
        samples=(rearrange(generated.hearts, "n m s p h w -> (n m) s p h w"), np.repeat(study.mask, kept, axis=0)),
        training=training.hearts,
        held_out=held_out,
        copies=(planted_copies(hearts, study.seed), masks),
        own=np.repeat(np.arange(len(study.rows)), kept),
        samples_per_patient=kept,
        seed=study.seed,
    )
    trained = denoising_losses(study.pipeline, some.patients, hearts, masks)
    unseen = denoising_losses(study.pipeline, study.patients, *held_out)
    return report | {"membership_auc": membership_auc(trained, unseen)}


def pictures_of(
    study: Study, generated: Measured, report: dict, spectra: tuple[np.ndarray, np.ndarray]
) -> dict[str, bytes]:
    """PNG by name: hearts, and a plot of each group of numbers."""
    means = mean_of_samples(generated.phenotypes)
    names = study.names[:PICTURED_PEOPLE]
    of_people = {
        "hearts": hearts_picture([_pictured(study, generated, person) for person in range(len(names))], names),
        "scatter": plots.scatter(means, study.truth),
        "bland_altman": plots.bland_altman(means, study.truth),
        "spectrum": plots.spectrum(*spectra),
    }
    return of_people | drawn_from(report)


def _pictured(study: Study, generated: Measured, person: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A person's true heart, a generated one, and the SD of the samples."""
    spread = generated.spread[person].astype(float)
    return study.true_heart(person), as_unit(generated.hearts[person, 0]), spread
