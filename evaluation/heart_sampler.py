"""One ECG in, a patient's folder out: read, generate, measure and write."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property, partial
from pathlib import Path

import numpy as np
import torch

from cohort.code_version import code_version
from cohort.column_names import shown
from cohort.errors import InputError
from cohort.field_table import FieldTable, read_fields
from cohort.heart_grid import HeartGrid
from cohort.leads import ECG
from cohort.leakage import read_training, whose_ecg_taught
from cohort.person import Person
from cohort.pseudonym import Naming
from cohort.rhythm import STATED, BeatLength, beat_length, strip_beats
from cohort.study_tables import PersonTable, read_persons
from cohort.subjects import BULK_NAME, FIRST_IMAGING_VISIT, FOLDER_NAME, Visit
from cohort.volume_curve import FEWEST_FRAMES
from models.segmenter import Segmenter
from sampling.decision_rows import of_simulated
from sampling.heart_film import still_film
from sampling.heart_page import PatientOnPage, heart_page, person_of
from sampling.index_page import way_to_index
from sampling.inputs import stated_person
from sampling.measured_phenotypes import measured_phenotypes, said_of
from sampling.model_folder import configuration_sha256
from sampling.options import SampleOptions
from sampling.outputs import (
    NOT_FINITE,
    Beating,
    departure_names,
    read_record,
    refuse_links,
    write_patient,
    written_names,
)
from sampling.patients import Patient, generate, generate_to_beat, read_patient
from sampling.person_fields import known_fields, known_person, stated_fields, told_fields
from sampling.pipeline import DrawnHearts, ECGToMRIPipeline, load_part, weights_sha256
from sampling.release import RELEASED_SEGMENTER, pipeline_name
from sampling.segmentation import segment
from sampling.shown_heart import ShownHeart
from sampling.true_heart import (
    TrueCine,
    estimated,
    find_true_cine,
    find_true_heart,
    no_true_heart,
    real_heart_words,
)
from sampling.unlike import WITHHELD

from .beating import PatientBeat, motion_of_the_record
from .calibration import read_calibration, why_passed_over
from .chances import Line, read_lines
from .decision import beside_real, decision_support, is_unproven, why_withheld
from .departures import departure_map
from .drawn_codes import DRAWS, Expected, expected_hearts
from .plausibility import implausible, wall_masses
from .tally import Tally, tell
from .told_curves import told_bands
from .told_numbers import by_codes, disagreements, told_numbers
from .true_numbers import true_numbers

NO_RHYTHM = "no beats are found in this ECG: the frame interval of the cine is unknown"
RHYTHM_STATED = "no beats are found in this ECG: the cine beats at the rate that its file states"
DRAWN_ANEW = "drawn anew, over what an earlier run made of another person, ECG, option or pipeline"
TAUGHT = "this ECG taught the weights: how well its heart is drawn says nothing of patients never seen"
OTHER_VISIT = "persons.csv knows this person at another visit only: its age and weight are not taken"


@dataclass(frozen=True, eq=False)
class Drawn:
    """What was made of one ECG, as it was written.

    Attributes:
        name: the patient is shown by; a pseudonym where one is asked for.
        hearts: (samples, slices, phases, height, width) in [0, 1].
        true_heart: (slices, phases, height, width) in [0, 1] of `--mri`, None without one.
        phenotypes: {phenotype: mean, sd, intervals, told_by, drawn} of evaluation.told_numbers; empty where withheld.
        warnings: what makes the result less sure.
        departs: whether maps of where the true heart departs lie beside it.
        of_simulated: whether the phenotypes are of simulated patients, and not of this one.
    """

    name: str
    hearts: np.ndarray
    true_heart: np.ndarray | None
    phenotypes: dict[str, dict]
    warnings: tuple[str, ...]
    departs: bool = False
    of_simulated: bool = False


SAMPLE_1 = "generated, sample 1"
AT_RHYTHM = "at the ECG's rhythm"  # whatever its own was when it was scanned
OTHER_RHYTHM = 0.2  # of the ECG's rate: a scan this far from it is of another rhythm


@dataclass(frozen=True)
class HeartSampler:
    """A pipeline with what measures its hearts, and how they are asked for.

    Attributes:
        segmenter: None where the pipeline has none: then no drawn heart is measured.
        calibration: factors (K,) of the codes' intervals, or None.
        record: what every heart.json says of how the hearts were made.
        persons: what is known of people beside their ECG files.
        simulated_only: the weights know phantoms only; anybody else's ECG is warned of.
        stated: what the options say of the person, before all else.
        lines: of probabilities (`chances.read_lines`).
        fields: what the table of persons says of the pipeline's further fields; stated_fields: what the options say.
        training: who taught the weights (`cohort.leakage.read_training`).
    """

    options: SampleOptions
    pipeline: ECGToMRIPipeline
    segmenter: Segmenter | None
    calibration: np.ndarray | None
    record: dict
    persons: PersonTable
    naming: Naming
    simulated_only: bool
    stated: Person = Person()
    fields: FieldTable = FieldTable()
    stated_fields: Mapping[str, float] = field(default_factory=dict)
    lines: Mapping[str, Line] = field(default_factory=dict)
    training: dict = field(default_factory=dict)

    @classmethod
    def open(
        cls,
        options: SampleOptions,
        folder: Path,
        naming: Naming,
        device: torch.device | str = "cpu",
        names: Collection[str] = (),
    ) -> "HeartSampler":
        """Load a pipeline folder and whatever measures its hearts.

        Args:
            names: of people whom no eid calls, whom the table of persons may name.

        Raises:
            InputError: the folder, the scheduler or the table of persons is refused.
        """
        pipeline = ECGToMRIPipeline.load(folder, options.scheduler).to(device)
        pipeline.set_progress_bar_config(disable=True)
        asked = {"redraws": options.redraws, "steering": options.steering}
        pipeline.register_to_config(**{name: value for name, value in asked.items() if value is not None})
        measures = (folder / "segmenter").exists()
        # Channels last, a segmenter takes a third less time. Of a thousand slices of a beat that counts.
        layout = torch.preserve_format if pipeline.motion is None else torch.channels_last
        persons = read_persons(options.persons, names) if options.persons else PersonTable()
        names_of_fields = pipeline.further_fields if options.persons else ()
        fields = read_fields(options.persons, names_of_fields, names)
        lacking = (f"{options.persons}: no column is called {shown(fields.lacking)}",) if fields.lacking else ()
        for note in (*persons.notes, *lacking):
            tell(f"warning: {naming.shown(note)}")
        if passed_over := why_passed_over(folder):
            tell(f"note: {naming.shown(passed_over)}")
        return cls(
            options,
            pipeline,
            load_part(Segmenter, folder / "segmenter").to(device, memory_format=layout) if measures else None,
            read_calibration(folder),
            record_of(options, pipeline, folder),
            persons,
            naming,
            pipeline.knows_phantoms_only,
            stated_person(options),
            fields,
            stated_fields(options, pipeline.conditioner),
            read_lines(folder),
            read_training(folder),
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
        visit = _visit_of(path)
        known, source = self.persons.of_file(path, visit), self.persons.name
        if self.stated != Person():
            told = {field: value for field, value in asdict(self.stated).items() if value is not None}
            known, source = replace(known, **told), "the option"
        reading = {
            "allow_missing_leads": self.options.allow_missing_leads,
            "sampling_rate": self.options.sampling_rate,
        }
        fields = told_fields(self.pipeline.conditioner, self.fields.of_file(path, visit), self.stated_fields)
        patient = read_patient(path, self.pipeline, known, self.simulated_only, source, fields, **reading)
        if visit and self.persons.other_visit_only(*visit):
            patient = replace(patient, warnings=(*patient.warnings, OTHER_VISIT))
        if whose_ecg_taught(self.training, patient.signal.astype(np.float16)[None], patient.lead_mask[None]).any():
            patient = replace(patient, warnings=(*patient.warnings, TAUGHT))
        if self.options.mri is None:
            return patient
        heart = self.true_heart(patient)
        if heart is None:
            return replace(patient, warnings=(*patient.warnings, no_true_heart(self.options.mri)))
        return replace(patient, has_true_heart=True, warnings=(*patient.warnings, *estimated(heart)))

    def read_all(self, paths: Iterable[Path], tally: Tally) -> Iterator[Patient]:
        """The readable ones, one by one; what is wrong with the others is told and counted.

        Raises:
            InputError: a file alone is refused.
        """
        for path in paths:
            try:
                patient = self.read(path)
            except InputError as fault:
                tally.refuse(path, fault)
                continue
            tally.warn(path, patient.warnings)
            yield patient

    def waiting(self, patients: Iterable[Patient], tally: Tally) -> Iterator[Patient]:
        """Those that no earlier run has finished, one by one; the others are counted. Who is drawn anew is told."""
        for patient in patients:
            try:
                done = self.is_done(patient)
            except InputError as fault:
                tally.refuse(patient.path, fault)
                continue
            if done:
                tally.finish_before()
                continue
            if read_record(self.options.output / self.naming(patient.name)):
                tell(f"note: {self.naming(patient.name)}: {DRAWN_ANEW}")
            yield patient

    def draw(self, patients: Iterable[Patient], tally: Tally | None = None) -> Iterator[Drawn]:
        """Generate, measure and write hearts of many patients, one patient after the other.

        Args:
            tally: told of patients whose hearts are refused; the others go on.

        Raises:
            InputError: nobody may write there; without a tally also, a heart is not finite.
        """
        o = self.options
        settings = (o.samples, o.seed, o.batch_size, o.steps, o.guidance_scale)
        made = (generate if self.pipeline.motion is None else generate_to_beat)(self.pipeline, patients, *settings)
        return filter(None, map(partial(self._drawn, tally), made))

    def is_done(self, patient: Patient) -> bool:
        """Whether an earlier run of the same options has finished this patient, and all it wrote is still there.

        Raises:
            InputError: the patient's folder is a link, or holds one.
        """
        about = self._about(patient)
        folder = self.options.output / about["subject"]
        refuse_links(folder)
        record = read_record(folder)
        if record is None or not about.items() <= record.items():
            return False
        return record.get("page", True) or not self.options.page  # of an earlier version, a record says nothing of it

    def true_heart(self, patient: Patient) -> HeartGrid | None:
        """The real heart of `--mri` on the grid, None without one."""
        mri = self.options.mri
        return find_true_heart(mri, patient.name, self.pipeline.grid) if mri else None

    @cached_property
    def of_unlabelled(self) -> Segmenter | None:
        """What measures a real heart without label maps: the released segmenter, else the pipeline's own."""
        if not RELEASED_SEGMENTER.exists():
            return self.segmenter
        return load_part(Segmenter, RELEASED_SEGMENTER).to(self.pipeline.device)

    def _maps(self, hearts: np.ndarray) -> list[np.ndarray] | None:
        """The label map of each heart; None without a segmenter."""
        return None if self.segmenter is None else [segment(self.segmenter, heart)[0] for heart in hearts]

    def _summed_up(self, expected: Expected | None, maps: list[np.ndarray] | None) -> tuple[dict[str, dict], list[str]]:
        """What one patient is told of each phenotype, and what to tell of hearts with these label maps.

        Args:
            expected: None where nothing is told. maps: None without a segmenter.
        """
        values, doubts = None, []
        if maps is not None:
            values = np.stack([measured_phenotypes(labels, self.pipeline.grid) for labels in maps])  # (m, K)
            doubts = implausible(values, np.array([wall_masses(labels, self.pipeline.grid) for labels in maps]))
        if expected is None:
            return {}, doubts
        told = told_numbers(expected.given, values, self.calibration)
        return told, [*doubts, *disagreements(told)]

    @property
    def said(self) -> str:
        """Who measures the hearts, in one line."""
        if self.segmenter is None:
            return "this pipeline holds no segmenter (no label maps in training): hearts are not measured"
        return f"{said_of(self.segmenter)} measures the hearts"

    @property
    def written_names(self) -> list[str]:
        """What lies in each patient's folder."""
        beats, measured = self.pipeline.motion is not None, self.segmenter is not None
        return written_names(self.options.samples, self.pipeline.grid.phases, beats, measured, self.options.page)

    def said_of_files(self, written: int, departing: int) -> str:
        """What lies in the folders of so many patients, in one line.

        Args:
            departing: of how many there are maps of where the real heart departs.
        """
        names = ", ".join(self.written_names)
        if not departing:
            return names
        whose = "" if departing == written else f"for {departing} of {written} also "
        return f"{names}, {whose}{', '.join(departure_names(self.pipeline.grid.phases))}"

    def beat_length(self, patient: Patient) -> BeatLength | None:
        """How long a beat of the patient's ECG lasts; None where too few are found, and its file states no rate."""
        return beat_length(self._strip(patient), patient.stated_bpm)

    def _strip(self, patient: Patient) -> ECG:
        """The ECG as the pipeline is given it."""
        return ECG(patient.signal, self.pipeline.ecg_encoder.config.sampling_rate)

    def _drawn(self, tally: Tally | None, made: tuple) -> Drawn | None:
        """What was made of one patient (`generate`, `generate_to_beat`); None, after it was told, if refused."""
        patient, hearts, *to_beat = made
        try:
            drawn = self._finish_beating(patient, hearts, *to_beat) if to_beat else self._finish(patient, hearts)
        except InputError as fault:
            if tally is None or fault.code != NOT_FINITE:
                raise
            tally.refuse(patient.path, fault)
            return None
        if tally:
            tally.write()
            tally.warn(patient.path, drawn.warnings[len(patient.warnings) :])
        return drawn

    def _finish(self, patient: Patient, hearts: np.ndarray) -> Drawn:
        heart = self.true_heart(patient) if patient.has_true_heart else None
        true = None if heart is None else true_numbers(heart, None, self.of_unlabelled)
        return self._written(patient, self._expected(patient), hearts, self._maps(hearts), heart, true=true)

    def _expected(self, patient: Patient) -> Expected | None:
        """What the patient's heart is expected to measure; None where nothing is told."""
        asked = ([patient], DRAWS, self.options.seed, self.options.frames)
        return None if patient.unlike.withheld else expected_hearts(self.pipeline, *asked)[0]

    def _finish_beating(self, patient: Patient, hearts: np.ndarray, drawn: DrawnHearts) -> Drawn:
        grid, length = self.pipeline.grid, self.beat_length(patient)
        beat, order = PatientBeat.of(self.pipeline, self.segmenter, hearts, drawn, self.options.frames).in_order(grid)
        heart = self.true_heart(patient) if patient.has_true_heart else None
        cine, doubts = self._true_cine(patient, heart)
        above = None if heart is None else above_the_film(heart, cine, beat.inside[0])
        expected = self._expected(patient)
        bands = told_bands(expected, self.calibration)
        true = None if heart is None else true_numbers(heart, cine, self.of_unlabelled)
        written = beat.written(grid, None if length is None else length.rr_s, above, bands, true)
        maps = None if beat.maps is None else list(beat.maps)
        scanned = {} if cine is None or cine.beat_s is None else {"true_heart_bpm": round(60 / cine.beat_s, 1)}
        about = motion_of_the_record(beat, order, grid, length, bands) | scanned
        doubts = (*doubts, *doubts_of(length), *other_rhythm(about), *unmeasured(about))
        return self._written(patient, expected, beat.hearts, maps, heart, written, about, doubts, above, true)

    def _true_cine(self, patient: Patient, heart: HeartGrid | None) -> tuple[TrueCine | None, tuple[str, ...]]:
        """The true heart over the beat, None where the files hold ED and ES only; and what to tell of that."""
        if heart is None:
            return None, ()
        try:
            return find_true_cine(self.options.mri, patient.name, heart, self.options.frames), ()
        except InputError as fault:
            return None, (f"the film shows the real heart at ED and ES only: {fault}",)

    def _written(
        self,
        patient: Patient,
        expected: Expected | None,
        hearts: np.ndarray,
        maps: list[np.ndarray] | None,
        heart: HeartGrid | None,
        beating: Beating | None = None,
        motion: dict | None = None,
        doubts: tuple[str, ...] = (),
        above: ShownHeart | None = None,
        true: dict | None = None,
    ) -> Drawn:
        """Write one patient's folder.

        Args:
            expected: of `_expected`. motion: what heart.json says of beating hearts.
            above: the true heart that the film shows.
            true: what `true_numbers` says of the true heart.
        """
        withheld = patient.unlike.withheld
        phenotypes, further = self._summed_up(expected, maps)
        true_heart = None if heart is None else heart.voxels
        warnings, about = (*patient.warnings, *doubts, *further), self._about(patient)
        if withheld:  # volumes over the beat are phenotypes, and its timing is told by the same ECG
            motion = motion and motion | {"motion": None}
            beating = beating and replace(beating, curve=None)
        support, z = self._support(patient, expected, hearts, heart, true)
        record = (
            about
            | support
            | {
                "person_known": known_person(patient.person),
                "unlike_the_ecgs_that_taught": patient.unlike.record,
                "phenotypes": None if withheld else phenotypes,
                **({"phenotypes_withheld": WITHHELD} if withheld else {}),
                "measured_by": None if self.segmenter is None else said_of(self.segmenter),
                "calibrated": self.calibration is not None and by_codes(phenotypes),
                "warnings": [self.naming.shown(text) for text in warnings],
                **(motion or {}),
                **({} if heart is None else {"true_heart": true}),
                "page": self.options.page,
            }
        )
        length = self.beat_length(patient)
        beat_s = None if length is None else length.rr_s
        folder = self.options.output / about["subject"]
        labels = None if maps is None else np.stack(maps)
        true_labels = None if heart is None else heart.labels
        page = None
        if self.options.page:
            shown = shown_hearts(hearts, labels, heart, beating, above)
            page = self._page(patient, record, hearts, shown, z)
        grid = self.pipeline.grid
        write_patient(folder, hearts, grid, record, true_heart, beat_s, beating, labels, true_labels, page, z)
        name, theirs = about["subject"], of_simulated(record)
        return Drawn(name, hearts, true_heart, phenotypes, warnings, z is not None, theirs)

    def _support(
        self,
        patient: Patient,
        expected: Expected | None,
        hearts: np.ndarray,
        heart: HeartGrid | None,
        true: dict | None,
    ) -> tuple[dict, np.ndarray | None]:
        """What heart.json says to support a decision, and the map of where the real heart departs; None without one.

        Args:
            expected: None where phenotypes are withheld. hearts: the drawn ones.
            heart, true: the real heart, and what `true_numbers` says of it.
        """
        unproven = is_unproven(patient, self.simulated_only)
        why = why_withheld(patient, unproven, self.options.show_unproven)
        if why or expected is None:
            return {"decision_support": None, "decision_support_withheld": why or WITHHELD}, None
        support = decision_support(expected, person_of(patient.person), self.lines, unproven)
        if heart is None:
            return {"decision_support": support}, None
        z = departure_map(heart.voxels, hearts, heart.mask)
        return {"decision_support": support | {"beside_mri": beside_real(true, expected, z is not None)}}, z

    def _page(
        self, patient: Patient, record: dict, hearts: np.ndarray, shown: list[ShownHeart], z: np.ndarray | None
    ) -> str:
        strip = self._strip(patient)
        about = PatientOnPage(
            record,
            hearts,
            shown,
            self.pipeline.grid,
            patient.signal,
            patient.lead_mask,
            strip.sampling_rate,
            strip_beats(strip),
            person_of(patient.person),
            self.simulated_only,
            way_to_index(self.options.output),
            z,
        )
        try:
            return heart_page(about)
        except ValueError as fault:
            raise InputError(patient.path, f"{fault}", "give --no-page") from None

    def _about(self, patient: Patient) -> dict:
        who = {"subject": self.naming(patient.name), "input_sha256": self.naming(patient.sha256)}
        about = {**who, "beside_true_heart": patient.has_true_heart, **self.record}
        fields = known_fields(self.pipeline.further_fields, patient.person)
        return about | ({"person_fields_known": fields} if fields else {})


def shown_hearts(
    hearts: np.ndarray,
    labels: np.ndarray | None,
    heart: HeartGrid | None,
    beating: Beating | None,
    above: ShownHeart | None,
) -> list[ShownHeart]:
    """Sample 1 as a page shows it, below the true heart where there is one."""
    if beating is not None:
        own = None if beating.cine_labels is None else beating.cine_labels[0]
        return [*([above] if above else []), ShownHeart(SAMPLE_1, beating.cines[0], own)]
    own = None if labels is None else labels[0]
    true = [] if heart is None else [ShownHeart(real_heart_words(heart.labels), heart.voxels, heart.labels)]
    return [*true, ShownHeart(SAMPLE_1, hearts[0], own)]


def above_the_film(heart: HeartGrid, cine: TrueCine | None, inside: np.ndarray) -> ShownHeart:
    """The true heart as the film shows it: its own beat, or ED and ES in turn (`still_film`)."""
    if cine is not None:
        return ShownHeart(f"{real_heart_words(cine.labels)} {AT_RHYTHM}", cine.frames, cine.labels)
    labels = None if heart.labels is None else still_film(heart.labels, inside)
    return ShownHeart(
        f"{real_heart_words(heart.labels)} {AT_RHYTHM}, ED and ES only", still_film(heart.voxels, inside), labels
    )


def doubts_of(length: BeatLength | None) -> tuple[str, ...]:
    """What to tell where no beats are found in an ECG."""
    if length is None:
        return (NO_RHYTHM,)
    return (RHYTHM_STATED,) if length.which == STATED else ()


def other_rhythm(about: dict) -> tuple[str, ...]:
    """What to tell where the true heart beat otherwise when it was scanned; about: of the record."""
    scanned, here = about.get("true_heart_bpm"), about["heart_rate_bpm"]
    if scanned is None or here is None or abs(scanned / here - 1) <= OTHER_RHYTHM:
        return ()
    return (f"the MRI was scanned at {scanned:.0f} beats a minute, the ECG has {here:.0f}: volumes follow the rate",)


def unmeasured(about: dict) -> tuple[str, ...]:
    """What to tell of samples whose beat cannot be measured; about: of `motion_of_the_record`."""
    samples = about["motion"]["samples"]
    lost = sum("measured" in sample and sample["measured"] is None for sample in samples)
    where = "heart.json holds no numbers of its motion"
    if lost and (frames := len(samples[0]["lv_ml"])) < FEWEST_FRAMES:
        return (f"too few frames to measure the beat ({frames}, of at least {FEWEST_FRAMES}): {where}",)
    return (f"the beat of {lost} of {len(samples)} samples cannot be measured: {where}",) if lost else ()


def _visit_of(path: Path) -> Visit | None:
    """(eid, instance) that the name of an ECG's file tells; an eid alone is of the first imaging visit."""
    if name := BULK_NAME.fullmatch(path.stem):
        return int(name[1]), int(name[3])
    name = FOLDER_NAME.fullmatch(path.stem)
    return (int(name[1]), int(name[2] or FIRST_IMAGING_VISIT)) if name else None


def record_of(options: SampleOptions, pipeline: ECGToMRIPipeline, folder: Path) -> dict:
    """What heart.json says of how the hearts were made."""
    scale = pipeline.config.guidance_scale if options.guidance_scale is None else options.guidance_scale
    settings = {
        "seed": options.seed,
        "samples": options.samples,
        "steps": options.steps or pipeline.config.steps,
        "guidance_scale": scale,
        "scheduler": type(pipeline.scheduler).__name__,
        **({} if pipeline.motion is None else {"frames": options.frames}),
        **({} if pipeline.correction is None else {name: pipeline.config[name] for name in ("redraws", "steering")}),
    }
    return {
        "pipeline": pipeline_name(folder),
        "weights_sha256": weights_sha256(folder),
        "configuration_sha256": configuration_sha256(folder, settings),
        "code_version": code_version(),
        "show_unproven": options.show_unproven,
        **settings,
    }
