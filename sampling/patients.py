"""Patients in batches: read the ECG, generate the hearts, one at a time or many at once with the same result."""

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import islice
from operator import itemgetter
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from cohort.ecg import read_ecg
from cohort.errors import InputError
from cohort.person import Person
from cohort.prepared import PreparedCohort
from cohort.preprocessing import ecg_input, part_used
from cohort.quality import quality_flags

from .inputs import out_of_range, simulated_notice, subject_name
from .person_fields import UNKNOWN, told_fields, unusual_person
from .pipeline import DrawnHearts, ECGToMRIPipeline, PatientBatch, sample_generator
from .unlike import CANNOT_TELL, Unlike


@dataclass(frozen=True, eq=False)
class Patient:
    """One ECG, ready for the network.

    Attributes:
        name: of the output folder; with the seed and the sample number it keys the noise.
        signal: (12, samples) mV; lead_mask: (12,) bool.
        person: (4 + F,) sex, age, height, weight and the pipeline's further fields, NaN where unknown.
        warnings: what about the ECG or the person makes the result less sure.
        path: of the ECG's file, None where it was read from arrays.
        has_true_heart: whether the real heart of this visit is at hand, to be drawn above the generated ones.
        stated_bpm: the heart rate that the ECG's file states; None where it states none.
        unlike: how unlike the ECG is those that taught the pipeline.
    """

    name: str
    signal: np.ndarray
    lead_mask: np.ndarray
    person: np.ndarray
    warnings: tuple[str, ...]
    path: Path | None = None
    has_true_heart: bool = False
    stated_bpm: float | None = None
    unlike: Unlike = Unlike(None, reason=CANNOT_TELL)

    @property
    def sha256(self) -> str:
        """Of what the network is given; another ECG under the same name is another patient."""
        digest = hashlib.sha256(np.ascontiguousarray(self.signal).tobytes())
        digest.update(self.lead_mask.tobytes() + np.ascontiguousarray(self.person).tobytes())
        return digest.hexdigest()


def read_patient(
    path: Path,
    pipeline: ECGToMRIPipeline,
    known: Person,
    simulated_only: bool = False,
    source: str = "the caller",
    fields: tuple[np.ndarray, tuple[str, ...]] | None = None,
    **reading,
) -> Patient:
    """Read an ECG file as the pipeline's encoder wants it.

    Args:
        known: what other sources say of the person; the file's own statements give way to it.
        simulated_only: the pipeline knows phantoms only; anybody else's ECG is warned of.
        source: what to call those other sources in a warning, such as "persons.csv".
        fields: further fields of the person, and what is odd about them (`sampling.person_fields.told_fields`). None:
            all are unknown.
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
    further, odd = told_fields(pipeline.conditioner, {}, {}) if fields is None else fields
    standard = merged.vector
    person = np.concatenate([standard, further])
    if not np.isfinite(signal).all() or np.isinf(person).any():
        raise InputError(path, "holds numbers that are not finite in 32 bits", "export it again", code="samples")
    warnings = [
        *quality_flags(ecg, expected.duration_s),
        *(words for _, words in known.contradictions(ecg.person, source)),
        *merged.doubts,
        *odd,
    ]
    if pipeline.config.ecg_limits:
        warnings += out_of_range(signal, lead_mask, pipeline.config.ecg_limits)
    warnings += [note.words for note in part_used(ecg, expected.duration_s)]
    unknown = [
        field for field, value in zip(("sex", "age", "height", "weight"), standard, strict=True) if np.isnan(value)
    ]
    if unknown:
        warnings.append(f"{UNKNOWN}{', '.join(unknown)}")
    warnings += unusual_person(pipeline.conditioner, person)
    patient = Patient(subject_name(path), signal, lead_mask, person, (), path, stated_bpm=ecg.stated_bpm)
    unlike = Unlike.of(pipeline.usual_ecgs, float(pipeline.unlikeness(patient_batch([patient]))[0]))
    warnings += unlike.warnings
    if simulated_only:
        warnings += simulated_notice(path, None if unlike.surprise is None else not unlike.warned)
    return replace(patient, warnings=tuple(warnings), unlike=unlike)


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
    made = generate_to_beat(pipeline, patients, samples, seed, batch_size, steps, guidance_scale, ecg, person)
    return map(itemgetter(0, 1), made)


def generate_to_beat(
    pipeline: ECGToMRIPipeline,
    patients: Iterable[Patient],
    samples: int,
    seed: int,
    batch_size: int,
    steps: int | None = None,
    guidance_scale: float | None = None,
    ecg: bool = True,
    person: bool = True,
) -> Iterator[tuple[Patient, np.ndarray, DrawnHearts]]:
    """As `generate`, of the very same hearts, with what `pipeline.beat` lets beat.

    Yields:
        each patient with (samples, slices, phases, height, width) in [0, 1], and the hearts as they were drawn.
    """
    jobs = ((patient, sample) for patient in patients for sample in range(1, samples + 1))
    waiting: list[tuple[np.ndarray, Tensor, Tensor]] = []
    while batch := list(islice(jobs, batch_size)):
        generators = [sample_generator(seed, patient.name, sample) for patient, sample in batch]
        given = patient_batch([patient for patient, _ in batch], ecg, person)
        drawn = pipeline.draw(given, generators, steps, guidance_scale)
        made = zip(pipeline.decode(drawn.latents).numpy(), drawn.latents, drawn.codes, strict=True)
        for (patient, sample), heart in zip(batch, made, strict=True):
            waiting.append(heart)
            if sample == samples:
                hearts, latents, codes = zip(*waiting, strict=True)
                yield patient, np.stack(hearts), DrawnHearts(torch.stack(latents), torch.stack(codes))
                waiting = []
