"""How the MRI of a simulated patient was taken: the scanner, the planned stack, the breath-holds."""

import math
from dataclasses import dataclass, replace

import numpy as np

from phantom.chance import log_normal, normal

SCANNERS = ("usual", "3t", "low")  # as UK Biobank's at 1.5 T; a sharper one at 3 T; an old or low-field one


@dataclass(frozen=True)
class Acquisition:
    """The circumstances of one examination. Another visit of the same heart has another one.

    Attributes:
        matrix: pixels of a slice, along x and y. pixel_mm: their size.
        slice_mm: thickness. gap_mm: between two slices.
        end_slices: (basal, apical) slices beyond those that hold left ventricle; negative: so many are missing.
        plan_tilt_deg: two small angles by which the short-axis stack misses the long axis.
        plan_shift_mm: (u, v, w) by which the stack's middle misses the heart's.
        slice_shift_mm: SD of the breath-hold position from slice to slice.
        breathing_blur_mm: by how much the heart still drifts within a breath-hold, on average.
        acquired_share: of k-space, along x and y; the rest is filled with zeros. filter_share: its smoothed border.
        blood_to_muscle: ratio of the true signals; fresh blood flowing in makes it more than the steady state's.
        venous_to_blood, fat_to_blood, liver_to_muscle: ratios of the true signals.
        muscle_texture: SD of the muscle's signal, as a share. flow_share: the same of the blood's, by its flow.
        ejection_loss: share of its signal that blood in the aortic root has lost at end-systole, spins out of phase.
        noise_share: SD of the noise in each channel against the blood's signal.
        blood_level: the blood's signal in stored units.
        coil_reach_mm: over which the sensitivity of the front and the back array falls to a third.
        coil_share: of the signal, that comes from the array at the front and at the back, at the skin.
        shim_hz_cm: (x, y, z) slope of the off-resonance over the body.
        susceptibility_hz: off-resonance at the heart's edge towards lung and stomach.
        ghost_share: of the signal that pulsation throws half a field of view away.
    """

    matrix: tuple[int, int]
    pixel_mm: float
    slice_mm: float
    gap_mm: float
    end_slices: tuple[int, int]
    plan_tilt_deg: tuple[float, float]
    plan_shift_mm: tuple[float, float, float]
    slice_shift_mm: float
    breathing_blur_mm: float
    acquired_share: tuple[float, float]
    filter_share: float
    blood_to_muscle: float
    venous_to_blood: float
    fat_to_blood: float
    liver_to_muscle: float
    muscle_texture: float
    flow_share: float
    ejection_loss: float
    noise_share: float
    blood_level: float
    coil_reach_mm: float
    coil_share: tuple[float, float]
    shim_hz_cm: tuple[float, float, float]
    susceptibility_hz: float
    ghost_share: float

    @property
    def step_mm(self) -> float:
        """From slice to slice."""
        return self.slice_mm + self.gap_mm


def draw_acquisition(rng: np.random.Generator, scanner: str = "usual") -> Acquisition:
    """Draw the circumstances of one visit's MRI.

    Raises:
        ValueError: `scanner` is none of SCANNERS.
    """
    usual = _draw_usual(rng)
    match scanner:
        case "usual":
            return usual
        case "3t":
            return _at_three_tesla(rng, usual)
        case "low":
            return _at_low_field(rng, usual)
    raise ValueError(f"no scanner {scanner}: one of {', '.join(SCANNERS)}")


def _draw_usual(rng: np.random.Generator) -> Acquisition:
    restless, drifts = rng.uniform(size=2) < (0.15, 0.20)
    return Acquisition(
        matrix=(192, 208),
        pixel_mm=1.8,
        slice_mm=8.0,
        gap_mm=float(rng.choice([2.0, 1.0, 3.0], p=[0.90, 0.05, 0.05])),
        end_slices=(
            int(rng.choice([-1, 0, 1, 2], p=[0.06, 0.34, 0.45, 0.15])),
            int(rng.choice([-2, -1, 0, 1, 2], p=[0.02, 0.08, 0.20, 0.50, 0.20])),
        ),
        plan_tilt_deg=tuple(float(x) for x in rng.normal(0, 3.0, size=2).clip(-8, 8)),
        plan_shift_mm=tuple(float(x) for x in rng.normal(0, [6.0, 6.0, 0.6]).clip(-14, 14)),
        slice_shift_mm=float(rng.uniform(2.5, 5.0) if restless else rng.uniform(0.4, 1.8)),
        breathing_blur_mm=float(rng.uniform(2.0, 5.0) if drifts else rng.uniform(0.2, 1.5)),
        acquired_share=(float(rng.uniform(0.75, 0.98)), float(rng.uniform(0.60, 0.85))),
        filter_share=float(rng.uniform(0.1, 0.5)),
        blood_to_muscle=float(np.clip(log_normal(rng, 4.0, 0.15), 2.8, 5.4)),
        venous_to_blood=normal(rng, 0.93, 0.05, 0.78, 1.05),
        fat_to_blood=normal(rng, 0.88, 0.13, 0.55, 1.3),
        liver_to_muscle=normal(rng, 1.15, 0.18, 0.7, 1.7),
        muscle_texture=float(rng.uniform(0.06, 0.16)),
        flow_share=float(rng.uniform(0.05, 0.14)),
        noise_share=log_normal(rng, 0.021, 0.3),
        blood_level=log_normal(rng, 330.0, 0.25),
        coil_reach_mm=float(rng.uniform(60, 120)),
        coil_share=(float(rng.uniform(0.8, 2.2)), float(rng.uniform(0.3, 1.2))),
        shim_hz_cm=tuple(float(x) for x in rng.normal(0, 3.0, size=3)),
        susceptibility_hz=float(rng.uniform(20, 110)),
        ghost_share=float(max(0.0, rng.normal(0.0, 0.012))),
        ejection_loss=float(rng.uniform(0.0, 0.2)),
    )


def _at_three_tesla(rng: np.random.Generator, usual: Acquisition) -> Acquisition:
    """Smaller pixels, thinner slices, less noise; double off-resonance, and a less even coil."""
    return replace(
        usual,
        matrix=(240, 256),
        pixel_mm=1.4,
        slice_mm=6.0,
        gap_mm=float(rng.choice([2.0, 4.0])),
        blood_to_muscle=0.92 * usual.blood_to_muscle,
        noise_share=0.75 * usual.noise_share,
        coil_reach_mm=0.8 * usual.coil_reach_mm,
        shim_hz_cm=tuple(2 * slope for slope in usual.shim_hz_cm),
        susceptibility_hz=2 * usual.susceptibility_hz,
    )


def _at_low_field(rng: np.random.Generator, usual: Acquisition) -> Acquisition:
    """Larger pixels, thicker slices, more noise and less contrast; hardly any off-resonance."""
    return replace(
        usual,
        matrix=(160, 176),
        pixel_mm=2.2,
        slice_mm=10.0,
        gap_mm=0.0,
        acquired_share=tuple(0.9 * share for share in usual.acquired_share),
        blood_to_muscle=0.80 * usual.blood_to_muscle,
        noise_share=float(rng.uniform(1.8, 2.6)) * usual.noise_share,
        shim_hz_cm=tuple(slope / math.e for slope in usual.shim_hz_cm),
        susceptibility_hz=usual.susceptibility_hz / math.e,
    )
