"""Beating hearts of a study's people, measured in every frame: each arm beside the true cines."""

import io
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
from accelerate.state import AcceleratorState
from tqdm import tqdm

from cohort.beat import NUMBERS, measured_beat
from cohort.cine import Label
from cohort.cines import Cines
from cohort.disk import write_bytes, writing
from cohort.ecg import ECG
from cohort.errors import InputError
from cohort.heart_grid import GridGeometry
from cohort.intensity import as_unit
from cohort.prepared import NO_LABELS
from cohort.private import private
from cohort.rhythm import beat_length
from cohort.step_code import code_sha256
from sampling.patients import generate_to_beat
from sampling.pipeline import DrawnHearts

from .arms import ARMS, CONTROL_SAMPLES
from .beating import cine_labels
from .ceiling import predict_motion
from .measuring import MEASURE_AGAIN
from .study import Study

MOTION_SAMPLES = 4  # hearts of the own ECG at most: every frame of each is drawn and measured
REAL, SEGMENTED = "real", "segmented"  # true cines by the label maps somebody drew, and by the study's segmenter


@dataclass(frozen=True, eq=False)
class MeasuredMotion:
    """n people, m hearts each. NaN where a beat cannot be measured.

    Attributes:
        inside: (n, m, frames) share of the stroke volume inside. numbers: (n, m, K) `cohort.beat.NUMBERS`.
        closure: (n, m) step from the last frame to the first, over the mean step between neighbours.
    """

    inside: np.ndarray
    numbers: np.ndarray
    closure: np.ndarray


def measured_motion(cines: np.ndarray, labels: np.ndarray, pixel_mm: float, step_mm: float) -> MeasuredMotion:
    """Everything measured on the cines (m, slices, frames, height, width) of one person, n = 1, by their label maps.

    The curve is that of a beat that closes. What does not close is unknown.
    """
    frames = cines.shape[2]
    inside = np.full((len(cines), frames), np.nan)
    numbers = np.full((len(cines), len(NUMBERS)), np.nan)
    for k, one in enumerate(labels):
        beat = measured_beat(one, pixel_mm, step_mm)
        if beat is not None and beat.closes:
            inside[k], numbers[k] = beat.inside, [beat.numbers[name] for name in NUMBERS]
    return MeasuredMotion(inside[None], numbers[None], np.array([[closure(cine) for cine in cines]]))


def closure(cine: np.ndarray) -> float:
    """The mean step of intensities from the last frame to the first, over that between neighbours.

    1: the cycle leads on to itself as smoothly as it goes. NaN of a cine that stands still.
    """
    steps = np.abs(np.diff(cine, axis=1, append=cine[:, :1])).mean(axis=(0, 2, 3))  # (frames,)
    usual = steps[:-1].mean()
    return float(steps[-1] / usual) if usual > 0 else float("nan")


@dataclass(frozen=True, eq=False)
class MotionStudy:
    """The people of a study who have a cine.

    Attributes:
        study: of these people alone, in the order of the cines. cines: theirs.
    """

    study: Study
    cines: Cines

    @classmethod
    def of(cls, study: Study, cines: Cines | None) -> "MotionStudy | None":
        """None where the pipeline draws stills, or hearts are given, or nobody has a cine."""
        if study.pipeline.motion is None or study.given or cines is None:
            return None
        own = cines.among(study.rows)
        return cls(replace(study, rows=own.rows), own) if len(own.rows) else None

    @property
    def samples(self) -> int:
        """Hearts of the own ECG."""
        return min(self.study.samples, MOTION_SAMPLES)

    @property
    def ceiling(self) -> dict[str, np.ndarray]:
        """{motion number: (n,)} regressed by the ceiling stored with the pipeline; empty where it stores none."""
        folder = self.study.folder / "ceiling"
        return predict_motion(folder, self.study.patients, self.study.pipeline.device) if folder.exists() else {}

    @property
    def rr_s(self) -> np.ndarray:
        """(n,) seconds from beat to beat of each patient's ECG; NaN where none are found."""
        rate = self.study.pipeline.ecg_encoder.config.sampling_rate
        lengths = [beat_length(ECG(patient.signal, rate), patient.stated_bpm) for patient in self.study.patients]
        return np.array([np.nan if length is None else length.rr_s for length in lengths])

    def measure(self, arm: str, work: Path, state: AcceleratorState) -> None:
        """Measure REAL, SEGMENTED or one of ARMS, each person into a file of its own.

        Whole files of the same ECG are kept.
        """
        folder = self._folder(work, arm)
        given = [patient.sha256 for patient in (self.study.patients_of(arm) if arm in ARMS else self.study.patients)]
        with private(), writing(folder):
            folder.mkdir(parents=True, exist_ok=True)
        with state.split_between_processes(list(range(len(given)))) as share:
            people = [k for k in share if not _is_stored(self._path(folder, k), given[k])]
            bar = tqdm(people, desc=f"beats, {arm}", disable=not state.is_main_process)
            for k, found in zip(bar, self._found(arm, people), strict=True):
                with private():
                    _save(self._path(folder, k), found, given[k])
        state.wait_for_everyone()

    def measurements(self, arm: str, work: Path) -> MeasuredMotion:
        """What `measure` has written, of all n people.

        Raises:
            InputError: a file is absent or damaged.
        """
        folder = self._folder(work, arm)
        rows = [_stored(self._path(folder, k)) for k in range(len(self.cines.rows))]
        return MeasuredMotion(**{f.name: np.concatenate([row[f.name] for row in rows]) for f in fields(MeasuredMotion)})

    def _found(self, arm: str, people: list[int]) -> Iterator[MeasuredMotion]:
        if arm not in ARMS:
            return (self._true(k, arm == SEGMENTED) for k in people)
        patients, study, grid = self.study.patients_of(arm), self.study, self.study.pipeline.grid
        made = generate_to_beat(
            study.pipeline,
            [patients[k] for k in people],
            self.samples if arm == "generated" else CONTROL_SAMPLES,
            study.seed,
            study.batch_size,
            study.steps,
            study.guidance_scale,
            ecg=ARMS[arm].ecg is not None,
            person=ARMS[arm].person is not None,
        )
        return (self._drawn(drawn, grid) for _, _, drawn in made)

    def _drawn(self, drawn: DrawnHearts, grid: GridGeometry) -> MeasuredMotion:
        cines = self.study.pipeline.beat(drawn, self.cines.images.shape[2]).hearts.numpy()
        maps = [cine_labels(self.study.segmenter, cine) for cine in cines]
        return measured_motion(cines, np.stack(maps), grid.pixel_mm, grid.slice_step_mm)

    def _true(self, person: int, segmented: bool) -> MeasuredMotion:
        """By the label maps of the cine; by the segmenter's where nobody drew any.

        Args:
            segmented: by the segmenter's in any case. Where nobody drew any, all is NaN: its error does not show there.
        """
        row, cohort = self.cines.rows[person], self.study.cohort
        cine, labels = as_unit(np.asarray(self.cines.images[person])), np.asarray(self.cines.labels[person])
        unknown = labels.flat[0] == NO_LABELS
        if unknown or segmented:
            labels = cine_labels(self.study.segmenter, cine)
            labels[~np.asarray(cohort.mask[row]).any(axis=1)] = Label.BACKGROUND  # nothing was acquired there
        step_mm = float(np.linalg.norm(cohort.affine[row][:3, 2]))  # the acquisition's own
        found = measured_motion(cine[None], labels[None], cohort.preparation.geometry.pixel_mm, step_mm)
        if unknown and segmented:
            return MeasuredMotion(*(np.full_like(value, np.nan) for value in vars(found).values()))
        return found

    def _folder(self, work: Path, arm: str) -> Path:
        return work / f"motion-{code_sha256('evaluation.motion_study')[:12]}-{self.cines.images.shape[2]}" / arm

    def _path(self, folder: Path, person: int) -> Path:
        return folder / f"{self.study.patients[person].name}.npz"


def _save(path: Path, found: MeasuredMotion, given: str) -> None:
    content = io.BytesIO()
    np.savez(content, **vars(found), given=np.array(given))
    write_bytes(path, content.getvalue())


def _is_stored(path: Path, given: str) -> bool:
    try:
        return str(_stored(path)["given"]) == given
    except InputError:
        return False


def _stored(path: Path) -> dict[str, np.ndarray]:
    try:
        with np.load(path, allow_pickle=False) as arrays:
            row = {name: arrays[name] for name in (*(f.name for f in fields(MeasuredMotion)), "given")}
    except (OSError, ValueError, EOFError, KeyError, BadZipFile, zlib.error) as error:
        raise InputError(path, "is absent or damaged", MEASURE_AGAIN) from error
    if row["numbers"].shape[2:] != (len(NUMBERS),) or any(len(row[f.name]) != 1 for f in fields(MeasuredMotion)):
        raise InputError(path, "is damaged: its arrays have other shapes", MEASURE_AGAIN)
    return row
