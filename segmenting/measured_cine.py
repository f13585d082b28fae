"""Numbers of a segmented beat: volumes, fractions, mass, rates, and the wall by quarter."""

from dataclasses import dataclass
from functools import partial

import numpy as np

from cohort.beat import MeasuredBeat, beat_of, sector_thickness
from cohort.cine import CineStack, Label
from cohort.motion_table import motion_row
from cohort.phenotypes import MYOCARDIAL_DENSITY_G_ML, WALLS, sector_thickness_mm, with_derived
from cohort.volume_curve import VolumeCurve, volume_curve

MS = 1000


@dataclass(frozen=True, eq=False)
class MeasuredCine:
    """What a label map of every frame tells.

    Attributes:
        lv, rv: volumes over the frames. ED and ES are the LV's.
        wall_ml: (frames,) volume of the LV's wall.
        thickness_mm: quarter -> its thickness at ED and at ES; NaN where no slice shows it.
        beat_s: from ED to ED; None where the frames tell no beat of a possible length.
        is_cycle: whether the frames are spread over a beat. Else they are ED and ES.
        motion: COLUMNS of motion.csv; None where unknown.
    """

    lv: VolumeCurve
    rv: VolumeCurve
    wall_ml: np.ndarray
    thickness_mm: dict[str, tuple[float, float]]
    beat_s: float | None
    is_cycle: bool
    motion: dict[str, float | None]

    @property
    def phenotypes(self) -> dict[str, float]:
        """mL, %, g and mm, by the names of `cohort.phenotypes`; LVM is that of ED, and LVM_ES that of ES."""
        ed, es = self.lv.ed, self.lv.es
        mass = MYOCARDIAL_DENSITY_G_ML * self.wall_ml
        lv, rv = self.lv.volume_ml, self.rv.volume_ml
        volumes = {"LVEDV": lv[ed], "LVESV": lv[es], "LVM": mass[ed], "RVEDV": rv[ed], "RVESV": rv[es]}
        walls = {f"wall_{quarter}": at_ed for quarter, (at_ed, _) in self.thickness_mm.items()}
        return {**with_derived(volumes), "LVM_ES": float(mass[es]), **walls}

    @property
    def rates(self) -> dict[str, float | None]:
        """Times and rates of the LV; None for what the frames do not tell.

        Keys:
            ES_frame_share: of the beat, from ED to the frame of ES. ES_share, ES_ms: to where ejection ends, between
                frames. peak_ejection_ml_s, peak_filling_ml_s: the steepest fall and rise.
            atrial_share: of the stroke volume, of the last wave of filling.
        """
        frames, lv = len(self.lv.volume_ml), self.lv
        share = lv.end_of_ejection if self.is_cycle and lv.slope_ml is not None else None
        return {
            "ES_frame_share": (lv.es - lv.ed) % frames / frames if self.is_cycle else None,
            "ES_share": share,
            "ES_ms": _times(share, self.beat_s, MS),
            "peak_ejection_ml_s": _over(lv.peak_ejection_ml, self.beat_s),
            "peak_filling_ml_s": _over(lv.peak_filling_ml, self.beat_s),
            "atrial_share": lv.atrial_share,
        }

    @property
    def walls(self) -> dict[str, dict[str, float]]:
        """Quarter -> ED_mm, ES_mm and thickening_percent."""
        return {
            quarter: {"ED_mm": ed, "ES_mm": es, "thickening_percent": 100 * (es / ed - 1) if ed > 0 else float("nan")}
            for quarter, (ed, es) in self.thickness_mm.items()
        }

    @property
    def curve(self) -> dict[str, list[float] | None]:
        """The volumes in time. time_ms counts from the first frame; it is None where the beat's length is unknown."""
        frames = len(self.lv.volume_ml)
        share = np.arange(frames) / frames
        return {
            "time_ms": None if self.beat_s is None else [round(float(t), 2) for t in share * self.beat_s * MS],
            "share_of_beat": [round(float(s), 5) for s in share] if self.is_cycle else None,
            "LV_ml": [round(float(v), 2) for v in self.lv.volume_ml],
            "LV_smooth_ml": [round(float(v), 2) for v in self.lv.smooth_ml],
            "RV_ml": [round(float(v), 2) for v in self.rv.volume_ml],
        }


def measure_cine(
    labels: np.ndarray, cine: CineStack, grid_labels: np.ndarray, pixel_mm: float, is_cycle: bool = True
) -> MeasuredCine:
    """Measure label maps of every frame.

    Args:
        labels: (x, y, z, t) of `Label` in the axes of the file; volumes are counted on them.
        cine: whose spacing and frame interval count. Its voxels are not looked at.
        grid_labels: (slices, frames, height, width) on the heart grid, by which the quarters of the wall are told.
        pixel_mm: of the grid.
        is_cycle: whether the frames are spread over a beat. Else the first is ED and the second ES.
    """
    voxel_ml = float(np.prod(cine.spacing_mm)) / 1000
    counts = np.stack(
        [np.bincount(frame.ravel(order="K"), minlength=len(Label)) for frame in np.moveaxis(labels, 3, 0)]
    )
    volumes = counts * voxel_ml  # (frames, labels)
    lv = volume_curve(volumes[:, Label.LV_CAVITY])
    if not is_cycle:
        lv = VolumeCurve(lv.volume_ml, lv.smooth_ml, None, lv.closed, 0, 1)
    directions = tuple(WALLS.values())
    at = [sector_thickness_mm(grid_labels[:, frame], pixel_mm, directions) for frame in (lv.ed, lv.es)]
    quarters = [name.removeprefix("wall_") for name in WALLS]
    return MeasuredCine(
        lv=lv,
        rv=volume_curve(volumes[:, Label.RV_CAVITY], lv),
        wall_ml=volumes[:, Label.LV_MYOCARDIUM],
        thickness_mm=dict(zip(quarters, zip(*at, strict=True), strict=True)),
        beat_s=cine.beat_s if is_cycle else None,
        is_cycle=is_cycle,
        motion=motion_row(_beat(lv, grid_labels) if is_cycle else None),
    )


def _beat(lv: VolumeCurve, grid_labels: np.ndarray) -> MeasuredBeat | None:
    """The beat from ED on, wherever the cine begins; None as of `cohort.beat.measured_beat`."""
    from_ed = partial(np.roll, shift=-lv.ed, axis=0)
    return beat_of(from_ed(lv.volume_ml), from_ed(sector_thickness(grid_labels)))


def _times(share: float | None, beat_s: float | None, unit: float) -> float | None:
    return None if share is None or beat_s is None else share * beat_s * unit


def _over(amount: float | None, beat_s: float | None) -> float | None:
    return None if amount is None or beat_s is None else amount / beat_s
