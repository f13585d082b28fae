"""One ECG in, a patient's folder out: read, generate, measure and write."""

import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from cohort.code_version import code_version
from cohort.errors import InputError
from cohort.person import Person, read_persons
from cohort.phenotypes import PHENOTYPES
from cohort.pseudonym import Naming
from cohort.subjects import BULK_NAME
from models.segmenter import Segmenter
from sampling.inputs import subject_name
from sampling.model_folder import configuration_sha256
from sampling.options import SampleOptions
from sampling.outputs import write_patient
from sampling.patients import Patient, generate, read_patient
from sampling.pipeline import ECGToMRIPipeline, load_part, weights_sha256
from sampling.release import pipeline_name
from sampling.true_heart import find_true_heart

from .calibration import read_calibration
from .certainty import calibrated, summary_of
from .measuring import measured_phenotypes
from .segmentation import segment


@dataclass(frozen=True, eq=False)
class Drawn:
    """What was made of one ECG, as it was written.

    Attributes:
        name: the patient is shown by; a pseudonym where one is asked for.
        hearts: (samples, slices, phases, height, width) in [0, 1].
        true_heart: (slices, phases, height, width) in [0, 1] of `--mri`, None without one.
        phenotypes: {phenotype: mean, sd, intervals} of evaluation.certainty.summary_of; empty without a segmenter.
        warnings: what makes the result less sure.
    """

    name: str
    hearts: np.ndarray
    true_heart: np.ndarray | None
    phenotypes: dict[str, dict]
    warnings: tuple[str, ...]


@dataclass(frozen=True)
class HeartSampler:
    """A pipeline with what measures its hearts, and how they are asked for.

    Attributes:
        segmenter: None where the pipeline has none: then nothing is measured.
        calibration: factors (K,) of the intervals, or None.
        record: what every heart.json says of how the hearts were made.
        persons: what is known of people beside their ECG files, by eid.
        simulated_only: the weights know phantoms only; anybody else's ECG is warned of.
    """

    options: SampleOptions
    pipeline: ECGToMRIPipeline
    segmenter: Segmenter | None
    calibration: np.ndarray | None
    record: dict
    persons: dict[int, Person]
    naming: Naming
    simulated_only: bool

    @classmethod
    def open(cls, options: SampleOptions, folder: Path, naming: Naming, device: torch.device) -> "HeartSampler":
        """Load a pipeline folder and whatever measures its hearts.

        Raises:
            InputError: the folder, the scheduler or the table of persons is refused.
        """
        pipeline = ECGToMRIPipeline.load(folder, options.scheduler).to(device)
        pipeline.set_progress_bar_config(disable=True)
        measures = (folder / "segmenter").exists()
        return cls(
            options,
            pipeline,
            load_part(Segmenter, folder / "segmenter").to(device) if measures else None,
            read_calibration(folder) if measures else None,
            record_of(options, pipeline, folder),
            read_persons(options.persons) if options.persons else {},
            naming,
            pipeline.knows_phantoms_only,
        )

    def sample(self, path: Path) -> Drawn:
        """Read, generate, measure and write one ECG.

        Raises:
            InputError: the ECG, or the MRI beside it, is refused.
        """
        return next(self.draw([self.read(path)]))

    def read(self, path: Path) -> Patient:
        """One ECG, ready for the network. Its MRI is read too: a bad one is found before any heart is made.

        Raises:
            InputError: either file is refused.
        """
        name = BULK_NAME.fullmatch(path.stem)
        known = self.persons.get(int(name[1]), Person()) if name else Person()
        reading = {
            "allow_missing_leads": self.options.allow_missing_leads,
            "sampling_rate": self.options.sampling_rate,
        }
        patient = read_patient(path, self.pipeline, known, self.simulated_only, **reading)
        self.true_heart(patient)
        return patient

    def read_all(self, paths: list[Path], alone: bool) -> tuple[list[Patient], int]:
        """The readable ones, and how many were refused; faults and warnings go to stderr.

        Args:
            alone: whether there is one file in all, whose fault ends everything.

        Raises:
            InputError: a file alone is refused.
        """
        patients = []
        for path in paths:
            try:
                patients.append(self.read(path))
            except InputError as error:
                fault = self.naming.of_fault(error, path, subject_name(path))
                if alone:
                    raise fault from None
                print(f"error: {fault}", file=sys.stderr)
                continue
            for warning in patients[-1].warnings:
                print(f"warning: {self.naming.of_file(path, patients[-1].name)}: {warning}", file=sys.stderr)
        return patients, len(paths) - len(patients)

    def draw(self, patients: list[Patient]) -> Iterator[Drawn]:
        """Generate, measure and write hearts of many patients, one patient after the other."""
        o = self.options
        settings = (o.samples, o.seed, o.batch_size, o.steps, o.guidance_scale)
        return map(self._finish, generate(self.pipeline, patients, *settings))

    def is_done(self, patient: Patient) -> bool:
        """Whether an earlier run of the same options has finished this patient."""
        about = self._about(patient)
        path = self.options.output / about["subject"] / "heart.json"
        return path.exists() and about.items() <= json.loads(path.read_text()).items()

    def true_heart(self, patient: Patient) -> np.ndarray | None:
        """The real heart of `--mri` on the grid, None without one."""
        mri = self.options.mri
        return find_true_heart(mri, patient.name, self.pipeline.grid) if mri else None

    def measure(self, hearts: np.ndarray) -> dict[str, dict]:
        """Phenotypes of one patient's hearts (m, ...): mean, SD and intervals; empty without a segmenter."""
        if self.segmenter is None:
            return {}
        grid = self.pipeline.grid
        values = np.stack([measured_phenotypes(segment(self.segmenter, heart)[0], grid) for heart in hearts])  # (m, K)
        values = values if self.calibration is None else calibrated(values, self.calibration)
        return {name: summary_of(values[:, k]) for k, name in enumerate(PHENOTYPES)}

    def _finish(self, made: tuple[Patient, np.ndarray]) -> Drawn:
        patient, hearts = made
        phenotypes, true_heart, about = self.measure(hearts), self.true_heart(patient), self._about(patient)
        record = about | {"phenotypes": phenotypes, "warnings": list(patient.warnings)}
        write_patient(self.options.output / about["subject"], hearts, self.pipeline.grid, record, true_heart)
        return Drawn(about["subject"], hearts, true_heart, phenotypes, patient.warnings)

    def _about(self, patient: Patient) -> dict:
        return {"subject": self.naming(patient.name), "input_sha256": self.naming(patient.sha256), **self.record}


def record_of(options: SampleOptions, pipeline: ECGToMRIPipeline, folder: Path) -> dict:
    """What heart.json says of how the hearts were made."""
    scale = pipeline.config.guidance_scale if options.guidance_scale is None else options.guidance_scale
    settings = {
        "seed": options.seed,
        "samples": options.samples,
        "steps": options.steps or pipeline.config.steps,
        "guidance_scale": scale,
        "scheduler": type(pipeline.scheduler).__name__,
        "beside_true_heart": options.mri is not None,
    }
    return {
        "pipeline": pipeline_name(folder),
        "weights_sha256": weights_sha256(folder),
        "configuration_sha256": configuration_sha256(folder, settings),
        "code_version": code_version(),
        **settings,
    }
