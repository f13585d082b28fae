"""A study: people with known hearts, the pipeline that draws their hearts, and the segmenter that measures them."""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from accelerate.state import AcceleratorState
from tqdm import tqdm

from cohort.disk import writing
from cohort.intensity import as_unit
from cohort.phenotypes import PHENOTYPES
from cohort.prepared import PreparedCohort
from cohort.private import private
from sampling.inputs import is_simulated
from sampling.patients import Patient, generate_to_beat, prepared_patients
from sampling.pipeline import ECGToMRIPipeline
from sampling.segmentation import SliceSegmenter
from sampling.told_phenotypes import told_phenotypes

from .arms import ARMS, CONTROL_SAMPLES
from .ceiling import predict_phenotypes
from .controls import derangement
from .drawn_codes import DRAWS, expected_codes, phenotypes_of_codes
from .given_hearts import GivenHearts
from .measuring import Measured, is_measured, load_measured, measured, save_measured


@dataclass(frozen=True, eq=False)
class Study:
    """Whom a pipeline is measured on, by what, and how its hearts are made.

    Attributes:
        pipeline: makes the hearts; folder: where it is stored.
        segmenter: measures every heart, true or generated.
        cohort: holds the true hearts; rows: (n,) whom of it to measure.
        samples: hearts per patient. batch_size: hearts denoised at once.
        steps, guidance_scale: of the sampler; None for the pipeline's own.
        seed: of the hearts, and of who is given whose ECG.
        given: hearts made earlier, to be measured in place of newly generated ones.
    """

    pipeline: ECGToMRIPipeline
    folder: Path
    segmenter: SliceSegmenter
    cohort: PreparedCohort
    rows: np.ndarray
    samples: int = 8
    steps: int | None = None
    guidance_scale: float | None = None
    seed: int = 0
    batch_size: int = 8
    given: GivenHearts | None = None

    @cached_property
    def patients(self) -> list[Patient]:
        """The n people as the network sees them."""
        return prepared_patients(self.cohort, self.rows)

    @property
    def names(self) -> list[str]:
        """Of the n people: a simulated one's, as on every page; empty of a real one, whom no report names."""
        return [patient.name if is_simulated(Path(patient.name)) else "" for patient in self.patients]

    @cached_property
    def truth(self) -> np.ndarray:
        """(n, K) true phenotypes; NaN where unknown."""
        return np.asarray(self.cohort.phenotypes[self.rows], dtype=float)

    @property
    def told_truth(self) -> np.ndarray:
        """(n, K) the truth that label maps and tables tell; NaN where a segmenter measured it."""
        return self.truth if self.cohort.measured is None else np.where(self._measured, np.nan, self.truth)

    @property
    def true_hearts_measured(self) -> int:
        """Of how many people some of the truth is what the segmenter measures on the true heart."""
        return 0 if self.cohort.measured is None else int(self._measured.any(axis=1).sum())

    @property
    def _measured(self) -> np.ndarray:
        return self.cohort.measured[self.rows]

    @cached_property
    def mask(self) -> np.ndarray:
        """(n, slices, phases) bool: slices of the true hearts that were acquired."""
        return np.asarray(self.cohort.mask[self.rows])

    @cached_property
    def ceiling(self) -> np.ndarray | None:
        """(n, K) phenotypes predicted by the regression stored with the pipeline; None where it stores none."""
        folder = self.folder / "ceiling"
        return predict_phenotypes(folder, self.patients, self.pipeline.device) if folder.exists() else None

    @cached_property
    def codes(self) -> np.ndarray:
        """(n, DRAWS, K) phenotypes that heart codes of ECG and person tell, as of heart.json; NaN where none does."""
        return phenotypes_of_codes(self.pipeline, expected_codes(self.pipeline, self.patients, DRAWS, self.seed))

    @property
    def sampler(self) -> dict[str, float]:
        """Guidance scale and steps, the pipeline's own where the study names none."""
        own = self.pipeline.config
        scale = own.guidance_scale if self.guidance_scale is None else self.guidance_scale
        return {"guidance_scale": scale, "steps": self.steps or own.steps}

    def true_heart(self, person: int) -> np.ndarray:
        """(slices, phases, height, width) in [0, 1]."""
        return as_unit(self.cohort.hearts[self.rows[person]])

    def patients_of(self, arm: str) -> list[Patient]:
        """The n people as the generator is given them in one of ARMS: patient i may carry another's ECG."""
        if ARMS[arm].ecg != "another's":
            return self.patients
        others = [self.patients[k] for k in derangement(len(self.patients), self.seed)]
        pairs = zip(self.patients, others, strict=True)
        return [replace(patient, signal=other.signal, lead_mask=other.lead_mask) for patient, other in pairs]

    def hearts(self, arm: str, people: Sequence[int]) -> Iterator[tuple[np.ndarray, np.ndarray | None, np.ndarray]]:
        """Hearts of one kind, of the people with these numbers.

        Args:
            arm: "real", "reconstructed" (true hearts through the autoencoder alone), or one of ARMS.

        Yields:
            hearts (m, slices, phases, height, width) in [0, 1], and their label maps where another segmenter drew them.
            Last come the phenotypes (m, K) that each heart's code told it, NaN where none did.
        """
        if arm == "generated" and self.given:
            names = [self.patients[k].name for k in people]
            for hearts, labels in self.given.of(names, self.samples, self.pipeline.grid):
                yield hearts, labels, _untold(hearts)
            return
        if arm in ARMS:
            yield from ((hearts, None, told) for hearts, told in self._generated(arm, people))
            return
        if arm == "real":
            made = (self.true_heart(k)[None] for k in people)
        else:
            made = (self._reconstructed(k)[None] for k in people)
        yield from ((hearts, None, _untold(hearts)) for hearts in made)

    def _reconstructed(self, person: int) -> np.ndarray:
        """The true heart through the autoencoder; what nobody acquired stays blank, as in the true heart."""
        heart = self.pipeline.reconstruct(torch.from_numpy(self.true_heart(person))).numpy()
        return np.where(self.mask[person][..., None, None], heart, 0)

    def _generated(self, arm: str, people: Sequence[int]) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        patients = self.patients_of(arm)
        made = generate_to_beat(
            self.pipeline,
            [patients[k] for k in people],
            self.samples if arm == "generated" else CONTROL_SAMPLES,
            self.seed,
            self.batch_size,
            self.steps,
            self.guidance_scale,
            ecg=ARMS[arm].ecg is not None,
            person=ARMS[arm].person is not None,
        )
        return ((hearts, told_phenotypes(self.pipeline.conditioner, drawn.codes)) for _, hearts, drawn in made)

    def measure(self, arm: str, folder: Path, state: AcceleratorState) -> None:
        """Measure one kind of heart of every patient, each into a file of its own in `folder`.

        Processes share the patients. A whole file of the same patient, given the same ECG, is kept. So an interrupted
        study continues. Files and folder are for their owner alone: the true hearts are among them.
        """
        with private(), writing(folder):
            folder.mkdir(parents=True, exist_ok=True)
        given = self._given(arm)
        with state.split_between_processes(list(range(len(self.patients)))) as share:  # first: others write already
            people = [k for k in share if not is_measured(self._path(folder, k), given[k])]
            bar = tqdm(self.hearts(arm, people), total=len(people), desc=arm, disable=not state.is_main_process)
            for k, (hearts, labels, told) in zip(people, bar, strict=True):
                acquired = None if arm in ARMS else self.mask[k]
                numbers = measured(self.segmenter, hearts, self.pipeline.grid, self.mask[k], labels, told, acquired)
                with private():
                    save_measured(self._path(folder, k), numbers, given[k])
        state.wait_for_everyone()

    def _given(self, arm: str) -> list[str]:
        """For each patient, a hash of what hearts of this arm are made from: another's ECG depends on who is there."""
        return [patient.sha256 for patient in (self.patients_of(arm) if arm in ARMS else self.patients)]

    def measurements(self, folder: Path) -> Measured:
        """What `measure` has written into a folder, of all n people."""
        return load_measured([self._path(folder, k) for k in range(len(self.patients))])

    def _path(self, folder: Path, person: int) -> Path:
        return folder / f"{self.patients[person].name}.npz"


def people_sha256(study: Study) -> str:
    """A hash that tells whether the same people are measured in the same order, whoever else the cohort holds."""
    return hashlib.sha256("".join(patient.sha256 for patient in study.patients).encode()).hexdigest()


def _untold(hearts: np.ndarray) -> np.ndarray:
    """(m, K) NaN: no code told these hearts anything."""
    return np.full((len(hearts), len(PHENOTYPES)), np.nan)
