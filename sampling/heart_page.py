"""One patient's page: a file that opens without a network, with the beating heart, the ECG and what they are worth."""

from dataclasses import dataclass

import numpy as np

from cohort.body_surface import FORMULA, body_surface_m2
from cohort.heart_grid import GridGeometry
from cohort.page_template import embedded
from cohort.person import Person
from cohort.phases import PHASES
from cohort.reference_ranges import ADDRESS, AGES, CITATION, SOURCES, why_unjudged
from cohort.rhythm import StripBeats

from .contours import OUTLINES
from .decision_rows import NO_VERDICTS, OF_SIMULATED, decision_rows, of_simulated, without_verdicts
from .departure_picture import SHOWN_Z, departure_picture
from .ecg_drawing import ECGDrawing, ecg_drawing, shown_beat
from .heart_sprites import ShownHeart, packed
from .page_template import part, rendered
from .phenotype_table import LEVELS, phenotype_rows, unjudged
from .red_line import BESIDE_REAL, RED_LINE, SCALE_MM
from .spread_map import spread_map
from .true_heart import whose_numbers
from .unlike import MOST_COUNTED
from .volume_drawing import VolumeDrawing, volume_drawing

MOST_BYTES = 3_000_000
SPARE_BYTES = 20_000
STILL_MS = 1500  # of ED and ES shown in turn
UNKNOWN_MS = 1000  # of a beat whose length nobody knows


@dataclass(frozen=True, eq=False)
class PatientOnPage:
    """All that a page shows of one patient.

    Attributes:
        record: what heart.json will say, names and warnings as they may be shown.
        hearts: (samples, slices, phases, height, width) in [0, 1].
        shown: the true heart where there is one, and sample 1 below it, of as many frames each.
        geometry: of the grid.
        signal: (12, T) mV; lead_mask: (12,) bool; rate: Hz; beats: of the strip, None where none are found.
        person: what is known of sex, age, height and weight.
        simulated_only: whether simulated patients alone taught the weights.
        index: the address of the page of all patients, from this one; empty where there is none.
        departure: z of every voxel of the real heart (slices, phases, height, width); None without one.
    """

    record: dict
    hearts: np.ndarray
    shown: list[ShownHeart]
    geometry: GridGeometry
    signal: np.ndarray
    lead_mask: np.ndarray
    rate: float
    beats: StripBeats | None
    person: Person
    simulated_only: bool
    index: str = ""
    departure: np.ndarray | None = None


def heart_page(patient: PatientOnPage) -> str:
    """The page as HTML, of MOST_BYTES at most.

    Raises:
        ValueError: the hearts are too large for a page.
    """
    content = _content(patient)
    empty = rendered("heart_page.html", **content, film=_film(patient, content, [], []))
    hearts, frames = packed(patient.shown, MOST_BYTES - SPARE_BYTES - len(empty.encode()))
    labelled = [heart.labels is not None for heart in patient.shown]
    content["contours_left_out"] = labelled != [heart["contours"] is not None for heart in hearts]
    return rendered("heart_page.html", **content, film=_film(patient, content, hearts, frames))


def person_of(vector: np.ndarray) -> Person:
    """What the first four numbers of `Patient.person` say: sex (0 female, 1 male), age, height and weight, or NaN."""
    sex, *numbers = (None if np.isnan(value) else float(value) for value in vector[:4])
    return Person(None if sex is None else "male" if sex else "female", *numbers)


def _content(patient: PatientOnPage) -> dict:
    """All that the template asks for, but the film."""
    record = patient.record
    true_heart = record.get("true_heart") or {}
    return {
        "style": part("heart_page.css"),
        "script": part("heart_page.js"),
        "red_line": RED_LINE if len(patient.shown) == 1 else BESIDE_REAL,
        "simulated_only": patient.simulated_only,
        "index": patient.index,
        "record": record,
        "beats_film": _beats(patient),
        "frame_count": patient.shown[0].frames.shape[1],
        "rate": patient.rate,
        "unused_beats": patient.beats is not None and not patient.beats.used.all(),
        "shown": [heart.name for heart in patient.shown],
        "without_contours": [heart.name for heart in patient.shown if heart.labels is None],
        "contours_left_out": False,
        "outlines": [(outline.words, f"rgb{outline.colour}") for outline in OUTLINES],
        "ecg": ecg_drawing(patient.signal, patient.lead_mask, patient.rate, patient.beats),
        "volumes": volume_drawing(record.get("motion"), record.get("rr_ms"), true_heart),
        "spread": spread_map(patient.hearts),
        "phases": PHASES if patient.hearts.shape[2] == len(PHASES) else range(patient.hearts.shape[2]),
        "support": decision_rows(record),
        "banner": OF_SIMULATED if of_simulated(record) else "",
        "departure": None if patient.departure is None else embedded(departure_picture(patient.departure)),
        "shown_z": SHOWN_Z,
        "rows": phenotype_rows(record["phenotypes"] or {}, patient.person, true_heart.get("phenotypes", {})),
        "true_heart": true_heart,
        "true_words": whose_numbers(true_heart.get("measured_by")),
        "levels": LEVELS,
        "no_verdicts": NO_VERDICTS if without_verdicts(record) else "",
        "person": _person_in_words(patient.person),
        "unjudged": unjudged(patient.person),
        "unlike": unlike_in_words(record["unlike_the_ecgs_that_taught"], patient.simulated_only),
        "sources": SOURCES,
        "citation": CITATION,
        "address": ADDRESS,
        "surface_formula": FORMULA,
        "geometry": patient.geometry,
    }


def _beats(patient: PatientOnPage) -> bool:
    return "motion" in patient.record


def _film(patient: PatientOnPage, content: dict, hearts: list[dict], frames: list[int]) -> dict:
    """What the page's script reads."""
    slices, total, height, width = patient.shown[0].frames.shape
    rr_ms = patient.record.get("rr_ms")
    length_ms = (rr_ms or UNKNOWN_MS) if _beats(patient) else STILL_MS
    at = [frame / total for frame in frames]
    return {
        "slices": slices,
        "height": height,
        "width": width,
        "pixel_mm": patient.geometry.pixel_mm,
        "scale_mm": SCALE_MM,
        "length_ms": length_ms,
        "hearts": hearts,
        "colours": [colour for _, colour in content["outlines"]],
        "frames": _frame_names(patient, frames, total, rr_ms),
        "ecg_x": _ecg_places(patient, content["ecg"], at),
        "volume_x": _volume_places(content["volumes"], at),
    }


def _frame_names(patient: PatientOnPage, frames: list[int], total: int, rr_ms: float | None) -> list[str]:
    if not _beats(patient):
        return [PHASES[k] if total == len(PHASES) else f"phase {k + 1} of {total}" for k in frames]
    return [
        f"frame {k + 1} of {total}, "
        + (f"{k / total * rr_ms:.0f} ms" if rr_ms else f"{100 * k / total:.0f} % of a beat")
        for k in frames
    ]


def _ecg_places(patient: PatientOnPage, ecg: ECGDrawing, at: list[float]) -> list[list[float]]:
    """[frame]: x in mm on the rhythm strip and in the columns above; none without a beat, or of stills."""
    rr_ms = patient.record.get("rr_ms")
    beat = shown_beat(patient.beats, rr_ms / 1000 if rr_ms else None) if _beats(patient) else None
    if beat is None:
        return []
    moments = [beat[0] + share * (beat[1] - beat[0]) for share in at]
    return [[round(ecg.x_of(moment), 2), round(ecg.column_x_of(moment), 2)] for moment in moments]


def _volume_places(volumes: VolumeDrawing | None, at: list[float]) -> list[float]:
    return [] if volumes is None else [round(volumes.x_of(share), 1) for share in at]


def _person_in_words(person: Person) -> str:
    """As whom the person is judged, and the body's surface: no more is told. `unjudged` says what is not judged."""
    surface = body_surface_m2(person)
    body = "body surface unknown" if surface is None else f"body surface {surface:.2f} m²"
    if why_unjudged(person):
        return body[0].upper() + body[1:]
    sex = {"male": "man", "female": "woman"}[person.sex]
    return f"Judged as a {sex} of {AGES[0]} to {AGES[1] - 1} years, {body}"


def unlike_in_words(unlike: dict, simulated_only: bool) -> str:
    """How unlike an ECG is those that taught the model, of heart.json, in up to three sentences.

    Args:
        simulated_only: whether simulated patients alone taught it.
    """
    if unlike["surprise"] is None:
        return f"How unlike this ECG is those that taught the model is unknown: {unlike['reason']}."
    share = unlike["share_of_usual_ecgs_more_unlike"]
    usual = "simulated ECGs" if simulated_only else "usual ECGs"
    taught = f"{'the simulated ones' if simulated_only else 'those'} that the model learned from"
    rarer = f"{100 * share:.0f} of 100" if share >= 0.01 else f"{MOST_COUNTED * share:.0f} of {MOST_COUNTED:,}"
    few = f"Fewer than 1 of {MOST_COUNTED:,} {usual} is odder than this one"
    told = few if share * MOST_COUNTED < 1 else f"{rarer} {usual} are odder than this one"
    if not unlike["warned"]:
        return f"{told}. So it looks like {taught}."
    if unlike["phenotypes_withheld"]:
        return f"{told}. So it is unlike {taught}."
    return (
        f"{told}. So it is unlike {taught}. Its intervals are {unlike['spread_widened_by']:.1f} times as wide as usual."
    )
