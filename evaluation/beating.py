"""How one patient's drawn hearts beat: which of them stands for all, and their motion in mL, ms and percent."""

from dataclasses import dataclass, replace

import numpy as np

from cohort.beat import NUMBERS, QUARTERS, MeasuredBeat, measured_beat
from cohort.cine import Label
from cohort.heart_grid import GridGeometry
from cohort.phenotypes import volume_ml
from cohort.rhythm import BeatLength
from cohort.volume_curve import volume_curve
from sampling.heart_film import heart_film
from sampling.measured_phenotypes import measured_phenotypes
from sampling.outputs import Beating
from sampling.pipeline import DrawnHearts, ECGToMRIPipeline
from sampling.segmentation import SliceSegmenter, segment
from sampling.shown_heart import ShownHeart

from .volume_plot import band_of, volume_plot

FEWEST_FOR_A_MEDOID = 3  # of two samples, neither is in the middle
MEASURED_AT_ONCE = 3  # frames: more of them do not fit a core's cache


def medoid(numbers: np.ndarray) -> int:
    """The sample whose numbers are nearest to those of all others: (samples, numbers) -> its row.

    Each number counts in the samples' own SDs. What is not known of every sample, or the same in all, does not count.
    """
    known = numbers[:, np.isfinite(numbers).all(axis=0)]
    spread = known.std(axis=0)
    scaled = known[:, spread > 0] / spread[spread > 0]
    apart = np.linalg.norm(scaled[:, None] - scaled[None], axis=2)
    return int(apart.sum(axis=1).argmin())


def medoid_first(numbers: np.ndarray) -> list[int]:
    """The order in which samples are written: the medoid, then the others as they were drawn.

    Fewer than FEWEST_FOR_A_MEDOID stay as they were drawn.
    """
    samples = len(numbers)
    if samples < FEWEST_FOR_A_MEDOID:
        return list(range(samples))
    first = medoid(numbers)
    return [first, *(k for k in range(samples) if k != first)]


def order_record(order: list[int]) -> dict:
    """What heart.json says of the order: which draw each sample is, counted from 1."""
    known = len(order) >= FEWEST_FOR_A_MEDOID
    return {"representative": f"medoid of {len(order)}" if known else None, "draws": [k + 1 for k in order]}


def rhythm_record(length: BeatLength | None) -> dict:
    """What heart.json says of the rhythm; nulls where no beats were found."""
    if length is None:
        return {"rr_ms": None, "heart_rate_bpm": None, "rr_is": None}
    return {
        "rr_ms": round(1000 * length.rr_s, 1),
        "heart_rate_bpm": round(60 / length.rr_s, 1),
        "rr_is": length.which + (f" ({length.beats} intervals)" if length.beats else ""),
    }


def motion_record(numbers: dict[str, float], stroke_ml: float | None, beat_s: float | None) -> dict:
    """Motion numbers (`cohort.beat.NUMBERS`) in mL, ms and percent; None where one is unknown.

    Args:
        stroke_ml: None where nothing measures hearts; then there are no mL/s. beat_s: None where unknown; then no ms.
    """

    def told(value: float | None, digits: int = 1) -> float | None:
        return None if value is None or not np.isfinite(value) else round(float(value), digits)

    cycle_ms = 1000 * beat_s if beat_s else np.nan
    flow = stroke_ml / beat_s if stroke_ml and beat_s else np.nan
    return {
        "ES_share": told(numbers["ES_share"], 4),
        "ES_ms": told(numbers["ES_share"] * cycle_ms),
        "peak_ejection_ml_s": told(numbers["peak_ejection"] * flow),
        "peak_filling_ml_s": told(numbers["peak_filling"] * flow),
        "atrial_share": told(numbers["atrial_share"], 4),
        "thickening_percent": {name: told(numbers[f"thickening_{name}"]) for name in QUARTERS},
        "time_to_peak_ms": {name: told(numbers[f"peak_{name}"] * cycle_ms) for name in QUARTERS},
        "dyssynchrony_ms": told(numbers["dyssynchrony"] * cycle_ms),
    }


def cine_labels(segmenter: SliceSegmenter, cine: np.ndarray) -> np.ndarray:
    """`Label` of every frame of a cine (slices, frames, height, width)."""
    parts = np.split(cine, range(MEASURED_AT_ONCE, cine.shape[1], MEASURED_AT_ONCE), axis=1)
    return np.concatenate([segment(segmenter, part)[0] for part in parts], axis=1)


@dataclass(frozen=True, eq=False)
class PatientBeat:
    """One patient's beating hearts, and what is known of how they beat.

    Attributes:
        hearts: (samples, slices, 2, height, width) in [0, 1], ED and ES.
        cines: (samples, slices, frames, height, width) in [0, 1].
        inside: (samples, frames) share of the stroke volume inside, as drawn. es_share: (samples,) as drawn.
        numbers: {motion number: (samples,)} of the heart codes.
        maps: `Label` of every heart, and cine_maps of every frame; None where nothing measures hearts.
    """

    hearts: np.ndarray
    cines: np.ndarray
    inside: np.ndarray
    es_share: np.ndarray
    numbers: dict[str, np.ndarray]
    maps: np.ndarray | None = None
    cine_maps: np.ndarray | None = None

    @classmethod
    def of(
        cls,
        pipeline: ECGToMRIPipeline,
        segmenter: SliceSegmenter | None,
        hearts: np.ndarray,
        drawn: DrawnHearts,
        frames: int,
    ) -> "PatientBeat":
        """Let the hearts of `generate_to_beat` beat, and segment every frame of them where there is a segmenter."""
        beat = pipeline.beat(drawn, frames)
        cines = beat.hearts.numpy()
        numbers = pipeline.conditioner.motion_numbers(drawn.codes)
        about = {name: values.cpu().numpy() for name, values in numbers.items()}
        found = cls(hearts, cines, beat.inside.numpy(), beat.es_share.numpy(), about)
        if segmenter is None:
            return found
        maps = np.stack([segment(segmenter, heart)[0] for heart in hearts])
        return replace(found, maps=maps, cine_maps=np.stack([cine_labels(segmenter, cine) for cine in cines]))

    def reordered(self, order: list[int]) -> "PatientBeat":
        """The same samples in another order."""
        fields = {name: value[order] for name, value in vars(self).items() if isinstance(value, np.ndarray)}
        return replace(self, **fields, numbers={name: values[order] for name, values in self.numbers.items()})

    def measured(self, grid: GridGeometry) -> list[MeasuredBeat | None]:
        """The beat of each sample, by its label maps."""
        return [measured_beat(labels, grid.pixel_mm, grid.slice_step_mm) for labels in self.cine_maps]

    def volumes_ml(self, part: Label, grid: GridGeometry) -> np.ndarray:
        """(samples, frames) of a cavity."""
        voxel_mm3 = grid.pixel_mm**2 * grid.slice_step_mm
        return np.stack([volume_ml(labels, part, voxel_mm3) for labels in self.cine_maps])

    def in_order(self, grid: GridGeometry) -> tuple["PatientBeat", list[int]]:
        """With the medoid first (`medoid_first`), by phenotypes and motion, measured or else of the heart codes."""
        if self.maps is None:
            numbers = np.stack(list(self.numbers.values()), axis=1)
        else:
            unknown = dict.fromkeys(NUMBERS, np.nan)
            motion = [[*(unknown if beat is None else beat.numbers).values()] for beat in self.measured(grid)]
            phenotypes = [measured_phenotypes(labels, grid) for labels in self.maps]
            numbers = np.concatenate([phenotypes, motion], axis=1)
        order = medoid_first(numbers)
        return self.reordered(order), order

    def written(
        self,
        grid: GridGeometry,
        beat_s: float | None,
        above: ShownHeart | None,
        bands: dict[str, dict] | None = None,
        true: dict | None = None,
    ) -> Beating:
        """What `sampling.outputs.write_patient` writes of it.

        Args:
            above: the heart that the film shows above sample 1. bands: of its curves, as of `volume_plot`.
            true: what `true_numbers` says of the real heart, whose curves are drawn too.
        """
        own = None if self.cine_maps is None else self.cine_maps[0]
        shown = [*([above] if above else []), ShownHeart("generated, sample 1", self.cines[0], own)]
        film = heart_film(shown, beat_s, grid.pixel_mm)
        if self.maps is None:
            return Beating(self.cines, film)
        lv, rv = (self.volumes_ml(part, grid) for part in (Label.LV_CAVITY, Label.RV_CAVITY))
        curve = volume_plot(lv, rv, float(self.es_share[0]), beat_s, bands, true)
        return Beating(self.cines, film, self.maps, self.cine_maps, curve)

    def record(self, grid: GridGeometry, beat_s: float | None, bands: dict[str, dict] | None = None) -> dict:
        """What heart.json says of the motion: of every sample as drawn and as measured, and bands of the volumes."""
        drawn = [{name: float(values[k]) for name, values in self.numbers.items()} for k in range(len(self.cines))]
        if self.maps is None:
            samples = [{"drawn": motion_record(numbers, None, beat_s)} for numbers in drawn]
            return {"samples": [one | {"inside": self.inside[k].tolist()} for k, one in enumerate(samples)]}
        lv, rv = (self.volumes_ml(part, grid) for part in (Label.LV_CAVITY, Label.RV_CAVITY))
        samples = []
        for k, beat in enumerate(self.measured(grid)):
            # The one that a beat's rates are shares of. Of a beat that cannot be measured it is noise.
            stroke = None if beat is None else volume_curve(lv[k]).stroke_ml
            samples.append(
                {
                    "lv_ml": lv[k].round(2).tolist(),
                    "rv_ml": rv[k].round(2).tolist(),
                    "measured": None if beat is None else motion_record(beat.numbers, stroke, beat_s),
                    "drawn": motion_record(drawn[k], stroke, beat_s),
                }
            )
        bands = {"LV": band_of(lv), "RV": band_of(rv)} if bands is None else bands
        return {"samples": samples, "lv_band_ml": bands["LV"], "rv_band_ml": bands["RV"]}


def motion_of_the_record(
    beat: PatientBeat,
    order: list[int],
    grid: GridGeometry,
    length: BeatLength | None,
    bands: dict[str, dict] | None = None,
) -> dict:
    """All that heart.json says of beating hearts: their rhythm, which sample is which, and their motion."""
    beat_s = None if length is None else length.rr_s
    return rhythm_record(length) | order_record(order) | {"motion": beat.record(grid, beat_s, bands)}
