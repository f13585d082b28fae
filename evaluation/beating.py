"""How one patient's drawn hearts beat: which of them stands for all, and their motion in mL, ms and percent."""

import numpy as np
import torch

from cohort.beat import QUARTERS, MeasuredBeat, measured_beat
from cohort.cine import Label
from cohort.heart_grid import GridGeometry
from cohort.phenotypes import volume_ml
from cohort.rhythm import BeatLength
from sampling.heart_film import heart_film
from sampling.outputs import Beating
from sampling.pipeline import DrawnBeat, DrawnHearts, ECGToMRIPipeline
from sampling.segmentation import SliceSegmenter, segment

from .volume_plot import SampleCurves, lv_band, volume_plot

FEWEST_FOR_A_MEDOID = 3  # of two samples, neither is in the middle
MEASURED_AT_ONCE = 5  # frames, so that memory stays small


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
        "rr_is": f"{length.which} ({length.beats} intervals)",
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


def curves_record(
    beat: DrawnBeat, numbers: dict[str, np.ndarray], ends_ml: np.ndarray | None, beat_s: float | None
) -> list[dict]:
    """Of each sample its drawn motion, and its curve: LV mL a frame, or the share of the stroke volume inside.

    Args:
        numbers: {motion number: (samples,)}. ends_ml: (samples, 2) LV volumes at ED and ES, or None.
    """
    told = []
    for k, inside in enumerate(beat.inside.numpy()):
        stroke = None if ends_ml is None else float(ends_ml[k, 0] - ends_ml[k, 1])
        record = motion_record({name: float(values[k]) for name, values in numbers.items()}, stroke, beat_s)
        curve = {"inside": inside.round(4).tolist()}
        if ends_ml is not None:
            curve["lv_ml"] = drawn_volumes(inside, ends_ml[k]).round(2).tolist()
        told.append(record | curve)
    return told


def drawn_volumes(inside: np.ndarray, ends_ml: np.ndarray) -> np.ndarray:
    """(frames,) mL, of the share of the stroke volume inside (frames,) and the volumes (2,) at ED and ES."""
    return ends_ml[1] + inside * (ends_ml[0] - ends_ml[1])


def measured_record(beat: MeasuredBeat | None, curves: SampleCurves) -> dict:
    """What is measured in every frame of sample 1; motion is None where its beat cannot be measured."""
    stroke = float(curves.lv_ml.max() - curves.lv_ml.min())
    motion = None if beat is None else motion_record(beat.numbers, stroke, curves.beat_s)
    return {"lv_ml": curves.lv_ml.round(2).tolist(), "rv_ml": curves.rv_ml.round(2).tolist(), "motion": motion}


def motion_numbers(pipeline: ECGToMRIPipeline, drawn: DrawnHearts) -> dict[str, np.ndarray]:
    """Of m drawn hearts, each motion number of the heart code, (m,) in its own unit."""
    return {name: values.cpu().numpy() for name, values in pipeline.conditioner.motion_numbers(drawn.codes).items()}


def reordered(drawn: DrawnHearts, order: list[int]) -> DrawnHearts:
    """The same hearts in another order."""
    rows = torch.tensor(order, device=drawn.latents.device)
    return DrawnHearts(drawn.latents[rows], drawn.codes[rows])


def cine_labels(segmenter: SliceSegmenter, cine: np.ndarray) -> np.ndarray:
    """`Label` of every frame of a cine (slices, frames, height, width)."""
    parts = np.split(cine, range(MEASURED_AT_ONCE, cine.shape[1], MEASURED_AT_ONCE), axis=1)
    return np.concatenate([segment(segmenter, part)[0] for part in parts], axis=1)


def beating_hearts(
    beat: DrawnBeat,
    numbers: dict[str, np.ndarray],
    maps: list[np.ndarray] | None,
    segmenter: SliceSegmenter | None,
    grid: GridGeometry,
    beat_s: float | None,
    true_row: tuple[str, np.ndarray] | None = None,
) -> tuple[Beating, dict]:
    """What is written of one patient's beating hearts, and what heart.json says of their motion.

    Sample 1 is measured in every frame, and the others at ED and ES: to measure them all takes as long as to draw them.

    Args:
        numbers: of `motion_numbers`. maps: label map (slices, 2, height, width) of each sample's ED and ES, or None.
        true_row: name and (slices, frames, height, width) of the heart above the film's.
    """
    cines = beat.hearts.numpy()
    rows = [*([true_row] if true_row else []), ("generated, sample 1", cines[0])]
    film = heart_film(rows, beat_s)
    if maps is None:
        return Beating(cines, film), {"samples": curves_record(beat, numbers, None, beat_s)}
    labels = cine_labels(segmenter, cines[0])
    voxel_mm3 = grid.pixel_mm**2 * grid.slice_step_mm
    lv_ends, rv_ends = (
        np.stack([volume_ml(of_one, part, voxel_mm3) for of_one in maps]) for part in (Label.LV_CAVITY, Label.RV_CAVITY)
    )
    curves = SampleCurves(
        np.stack([drawn_volumes(inside, ends) for inside, ends in zip(beat.inside.numpy(), lv_ends, strict=True)]),
        volume_ml(labels, Label.LV_CAVITY, voxel_mm3),
        volume_ml(labels, Label.RV_CAVITY, voxel_mm3),
        rv_ends,
        float(beat.es_share[0]),
        beat_s,
    )
    about = {
        "samples": curves_record(beat, numbers, lv_ends, beat_s),
        "lv_band_ml": lv_band(curves.drawn_ml),
        "measured_sample_1": measured_record(measured_beat(labels, grid.pixel_mm, grid.slice_step_mm), curves),
    }
    return Beating(cines, film, np.stack(maps), labels, volume_plot(curves)), about
