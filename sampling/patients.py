"""Patients in batches: read the ECG, generate the hearts, one at a time or many at once with the same result."""

import hashlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch

from cohort.ecg import read_ecg
from cohort.errors import InputError
from cohort.person import Person
from cohort.prepared import PreparedCohort
from cohort.preprocessing import ecg_input, part_used
from cohort.quality import quality_flags

from .inputs import SIMULATED_ONLY, is_simulated, out_of_range, subject_name
from .pipeline import ECGToMRIPipeline, PatientBatch, sample_generator

Made = TypeVar("Made")  # what is made of one ECG and one noise


@dataclass(frozen=True, eq=False)
class Patient:
    """One ECG, ready for the network.

    Attributes:
        name: of the output folder; with the seed and the sample number it keys the noise.
        signal: (12, samples) mV; lead_mask: (12,) bool.
        person: (4,) sex, age, height, weight, NaN where unknown.
        warnings: what about the ECG or the person makes the result less sure.
        path: of the ECG's file, None where it was read from arrays.
        has_true_heart: whether the real heart of this visit is at hand, to be drawn above the generated ones.
        stated_bpm: the heart rate that the ECG's file states; None where it states none.
    """

    name: str
    signal: np.ndarray
    lead_mask: np.ndarray
    person: np.ndarray
    warnings: tuple[str, ...]
    path: Path | None = None
    has_true_heart: bool = False
    stated_bpm: float | None = None

    @property
    def sha256(self) -> str:
        """Of what the network is given; another ECG under the same name is another patient."""
        digest = hashlib.sha256(np.ascontiguousarray(self.signal).tobytes())
        digest.update(self.lead_mask.tobytes() + np.ascontiguousarray(self.person).tobytes())
        return digest.hexdigest()


@dataclass(frozen=True, eq=False)
class BeatingHeart:
    """One drawn heart and its beat.

    Attributes:
        stills: (slices, phases, height, width) in [0, 1]: ED and ES.
        frames: (slices, frames, height, width) in [0, 1], spread evenly over the cycle. Frame 0 is ED.
        inside: (frames,) share of the stroke volume still inside, as drawn.
        es_share: when ES is, share of the cycle, as drawn.
        told: (M,) motion numbers of the drawn heart code, named by `models.heart_motion.HeartMotion`.
    """

    stills: np.ndarray
    frames: np.ndarray
    inside: np.ndarray
    es_share: float
    told: np.ndarray


def read_patient(
    path: Path,
    pipeline: ECGToMRIPipeline,
    known: Person,
    simulated_only: bool = False,
    source: str = "persons.csv",
    **reading,
) -> Patient:
    """Read an ECG file as the pipeline's encoder wants it.

    Args:
        known: what other sources say of the person; the file's own statements give way to it.
        simulated_only: the pipeline knows phantoms only; anybody else's ECG is warned of.
        source: what to call those other sources.
        reading: options of `cohort.ecg.read_ecg`.

    Raises:
        InputError: the file is refused, or no lead carries a signal.
    """
    ecg = read_ecg(path, **reading)
    expected = pipeline.ecg_encoder.config
    signal, lead_mask = ecg_input(ecg, expected.sampling_rate, expected.duration_s)
    if not lead_mask.any():
        raise InputError(path, "every lead is flat or absent", "record the ECG again")
    merged = known.filled_from(ecg.person)
    person = merged.vector
    if not np.isfinite(signal).all() or np.isinf(person).any():
        raise InputError(path, "holds numbers that are not finite in 32 bits", "export it again", code="samples")
    warnings = [
        *quality_flags(ecg, expected.duration_s),
        *(words for _, words in known.contradictions(ecg.person, source)),
        *merged.doubts,
    ]
    if pipeline.config.ecg_limits:
        warnings += out_of_range(signal, lead_mask, pipeline.config.ecg_limits)
    warnings += [note.words for note in part_used(ecg, expected.duration_s)]
    unknown = [
        field for field, value in zip(("sex", "age", "height", "weight"), person, strict=True) if np.isnan(value)
    ]
    if unknown:
        warnings.append(f"unknown: {', '.join(unknown)} (--persons, --sex, --age, --height-cm, --weight-kg)")
    if simulated_only and not is_simulated(path):
        warnings.append(SIMULATED_ONLY)
    return Patient(subject_name(path), signal, lead_mask, person, tuple(warnings), path, stated_bpm=ecg.stated_bpm)


def prepared_patients(cohort: PreparedCohort, rows: np.ndarray) -> list[Patient]:
    """People of a prepared cohort, as `read_patient` would read their files."""
    return [
        Patient(
            f"{cohort.eid[row]}_20205_{cohort.instance[row]}_0",
            np.asarray(cohort.ecg[row], dtype=np.float32),
            np.asarray(cohort.lead_mask[row]),
            np.asarray(cohort.person[row]),
            (),
        )
        for row in rows
    ]


def patient_batch(patients: list[Patient], ecg: bool = True, person: bool = True) -> PatientBatch:
    """The patients as one batch; `ecg` or `person` False withholds that part from the networks."""
    return PatientBatch(
        ecg=torch.from_numpy(np.stack([p.signal for p in patients])).float(),
        lead_mask=torch.from_numpy(np.stack([p.lead_mask for p in patients])),
        person=torch.from_numpy(np.stack([p.person for p in patients])),
        ecg_present=torch.full((len(patients),), ecg),
        person_present=torch.full((len(patients),), person),
    )


@torch.no_grad()
def pooled_ecgs(pipeline: ECGToMRIPipeline, patients: list[Patient], batch: int = 64) -> np.ndarray:
    """What the pipeline's encoder makes of each ECG as a whole: (n, width)."""
    pooled = []
    for first in range(0, len(patients), batch):
        c = patient_batch(patients[first : first + batch])
        pooled.append(pipeline.ecg_encoder(c.ecg.to(pipeline.device), c.lead_mask.to(pipeline.device))[1].cpu())
    return torch.cat(pooled).numpy()


def generate(
    pipeline: ECGToMRIPipeline,
    patients: Iterable[Patient],
    samples: int,
    seed: int,
    batch_size: int,
    steps: int | None = None,
    guidance_scale: float | None = None,
    ecg: bool = True,
    person: bool = True,
) -> Iterator[tuple[Patient, np.ndarray]]:
    """Hearts of many patients, `batch_size` hearts at a time; `ecg` or `person` False withholds that part.

    Patients are asked for one by one. No more of them are kept than a batch holds, and one.

    Yields:
        each patient with (samples, slices, phases, height, width) in [0, 1], in the order given.
    """

    def make(batch: list[Patient], generators: list[torch.Generator]) -> list[np.ndarray]:
        return list(pipeline(patient_batch(batch, ecg, person), generators, steps, guidance_scale).numpy())

    for patient, hearts in _in_batches(make, patients, samples, seed, batch_size):
        yield patient, np.stack(hearts)


def generate_beats(
    pipeline: ECGToMRIPipeline,
    patients: Iterable[Patient],
    samples: int,
    seed: int,
    batch_size: int,
    frames: int,
    steps: int | None = None,
    guidance_scale: float | None = None,
    ecg: bool = True,
    person: bool = True,
) -> Iterator[tuple[Patient, list[BeatingHeart]]]:
    """The hearts of `generate`, beating; its arguments, and how many frames a cycle has.

    Yields:
        each patient with its samples, in the order given.
    """

    def make(batch: list[Patient], generators: list[torch.Generator]) -> list[BeatingHeart]:
        drawn = pipeline.draw(patient_batch(batch, ecg, person), generators, steps, guidance_scale)
        stills, beat = pipeline.decode(drawn.latents).numpy(), pipeline.beat(drawn, frames)
        told = torch.stack(list(pipeline.conditioner.motion_numbers(drawn.codes).values()), dim=1)  # (B, M)
        parts = (stills, *(part.cpu().numpy() for part in (beat.hearts, beat.inside, beat.es_share, told)))
        return [BeatingHeart(*heart) for heart in zip(*parts, strict=True)]

    yield from _in_batches(make, patients, samples, seed, batch_size)


def _in_batches(
    make: Callable[[list[Patient], list[torch.Generator]], list[Made]],
    patients: Iterable[Patient],
    samples: int,
    seed: int,
    batch_size: int,
) -> Iterator[tuple[Patient, list[Made]]]:
    """What `make` makes of each patient and each sample's noise, `batch_size` of them at a time."""
    jobs = ((patient, sample) for patient in patients for sample in range(1, samples + 1))
    waiting: list[Made] = []
    while batch := list(islice(jobs, batch_size)):
        generators = [sample_generator(seed, patient.name, sample) for patient, sample in batch]
        made = make([patient for patient, _ in batch], generators)
        for (patient, sample), heart in zip(batch, made, strict=True):
            waiting.append(heart)
            if sample == samples:
                yield patient, waiting
                waiting = []
