"""What each electrode sees of each piece of muscle: lead fields that vary over the heart.

Dower's row says how a lead sees the heart as a whole. About that mean, a near wall is seen more than a far one.
"""

from dataclasses import dataclass

import numpy as np
from scipy.spatial.transform import Rotation

from phantom.activation import RAS_TO_XYZ, ExcitableTissue
from phantom.heart import Heart
from phantom.recorder import joined
from phantom.recording import Recording

# Dower, Machado & Osborne, "On deriving the electrocardiogram from vectorcardiographic leads", Clin Cardiol 3:87, 1980.
# Rows I, II, V1..V6; columns X left, Y foot, Z back.
DOWER = np.array(
    [
        [0.632, -0.235, 0.059],
        [0.235, 1.066, -0.132],
        [-0.515, 0.157, -0.917],
        [0.044, 0.164, -1.387],
        [0.882, 0.098, -1.277],
        [1.213, 0.127, -0.601],
        [1.125, 0.127, -0.086],
        [0.831, 0.076, 0.230],
    ]
)
# The chest in which Dower's numbers are taken to hold: the mean of the drawn patients.
REFERENCE_CHEST_MM = (310.0, 220.0)
REFERENCE_CENTRE_MM = np.array([-29.0, 25.0, -17.0])
# V1..V6 round the chest: angle from the breastbone towards the left (degrees), height above V1 (mm).
ELECTRODE_ANGLE_DEG = np.array([-8.0, 8.0, 24.0, 40.0, 62.0, 85.0])
ELECTRODE_HEIGHT_MM = np.array([0.0, 0.0, -12.0, -25.0, -25.0, -25.0])
# Right arm, left arm, left leg: where the limbs leave the trunk; the wires see no further than that. Shares of the
# chest's half-width, its half-depth, and mm above V1.
LIMBS = np.array([[0.95, 0.0, 140.0], [-0.95, 0.0, 140.0], [-0.75, 0.3, -230.0]])
SHOULDER_TO_HEART_MM = 200.0
WIRING = joined(np.eye(9))  # leads I, II, V1 to V6 of right arm, left arm, left leg, V1 to V6
# From the equivalent dipole layer (mV mm2) to a Frank lead (mV) in that torso: set once, on the drawn normals.
MV_PER_MV_MM2 = 1.52e-5
ACTION_POTENTIAL_MV = 100.0
# A wall at distance d is seen as d / (d2 + SOFTENING2)^1.5. Fat, bone and the extent of an electrode keep near ones
# from dwarfing the rest. CONTRAST 1 would be that law; the torso round the heart evens part of it out.
SOFTENING_MM = 40.0
CONTRAST = 0.42


@dataclass(frozen=True)
class Place:
    """Where the heart lies while it is recorded: turned about its centre, then moved; body frame, degrees and mm."""

    turn_deg: tuple[float, float, float] = (0.0, 0.0, 0.0)
    shift_mm: tuple[float, float, float] = (0.0, 0.0, 0.0)


def place_of(recording: Recording, breath: float = 0.0) -> Place:
    """Of a recording; `breath` from -1 (out) to 1 (in) moves the heart down and turns it."""
    turn = np.add(recording.heart_turn_deg, np.multiply(breath, recording.breath_turn_deg))
    shift = np.add(recording.heart_shift_mm, [0.0, 0.0, -breath * recording.breath_shift_mm])
    return Place(tuple(turn.tolist()), tuple(shift.tolist()))


def chest_electrodes_mm(chest_width_mm: float, chest_depth_mm: float, shift_mm: np.ndarray) -> np.ndarray:
    """(6, 3) body frame: V1 to V6 on an elliptic chest, each moved by `shift_mm` (6, 2), leftwards and up the skin."""
    angle = np.radians(ELECTRODE_ANGLE_DEG)
    half_width, half_depth = chest_width_mm / 2, chest_depth_mm / 2
    along = np.hypot(half_width * np.cos(angle), half_depth * np.sin(angle))
    angle = angle + shift_mm[:, 0] / along
    height = ELECTRODE_HEIGHT_MM + shift_mm[:, 1]
    return np.stack([-half_width * np.sin(angle), half_depth * np.cos(angle), height], axis=1)


def electrodes_of(heart: Heart) -> np.ndarray:
    """(6, 3) body frame: where V1 to V6 really are, by this person's landmarks and by this recording's mistakes."""
    shift = np.add(heart.electrode_bias_mm, heart.recording.electrode_shift_mm)
    return chest_electrodes_mm(heart.chest_width_mm, heart.chest_depth_mm, shift)


def lead_matrix(heart: Heart, place: Place = Place()) -> np.ndarray:
    """(8, 3): leads I, II, V1 to V6 of a unit heart vector (X left, Y foot, Z back), for this chest and electrodes.

    Dower's row of a chest electrode turns with the direction in which the heart sees that electrode. It grows with
    its distance to the power of -2. Both are relative to the reference chest. The limbs are far: the width counts
    little. Lungs, fat and bone of this person turn and scale each row once more.
    """
    seen = electrodes_of(heart) - (np.array(heart.centre_mm) + place.shift_mm)
    reference = chest_electrodes_mm(*REFERENCE_CHEST_MM, np.zeros((6, 2))) - REFERENCE_CENTRE_MM
    distance, reference_distance = (np.linalg.norm(x, axis=1, keepdims=True) for x in (seen, reference))
    turn = (seen / distance - reference / reference_distance) @ RAS_TO_XYZ.T
    rows = DOWER.copy()
    length = np.linalg.norm(rows, axis=1, keepdims=True)
    rows[2:] = (rows[2:] + length[2:] * turn) * (reference_distance / distance) ** 2 * heart.chest_gain
    limb = np.hypot(SHOULDER_TO_HEART_MM, [heart.chest_width_mm / 2, REFERENCE_CHEST_MM[0] / 2])
    rows[:2] *= (limb[1] / limb[0]) ** 2
    return heart.gain * (rows + length * np.array(heart.torso_scatter))


def lead_fields(heart: Heart, tissue: ExcitableTissue, place: Place) -> np.ndarray:
    """(N, 8, 3) mV per unit of source, heart's own body frame: the lead vector of each cell; their mean is Dower's row.

    The heart is turned and moved as `place` says; the vectors are turned back, so that the sources stay as they are.
    """
    turn = Rotation.from_euler("xyz", place.turn_deg, degrees=True).as_matrix()
    centre = np.array(heart.centre_mm)
    cells = (tissue.body_mm - centre) @ turn.T + centre + place.shift_mm
    mean_row = lead_matrix(heart, place) @ RAS_TO_XYZ
    seen = _seen(heart, cells)
    middle = seen.mean(axis=1, keepdims=True)
    share = CONTRAST * np.linalg.norm(mean_row, axis=1) / np.linalg.norm(middle, axis=0)
    field = mean_row.T[:, None] + share * (seen - middle)
    return np.moveaxis(np.tensordot(turn.T, field, 1), 0, -1)


def _seen(heart: Heart, cells_mm: np.ndarray) -> np.ndarray:
    """(3, N, 8): the bare distance law of each lead."""
    limbs = LIMBS * [heart.chest_width_mm / 2, heart.chest_depth_mm / 2, 1.0]
    towards = np.concatenate([limbs, electrodes_of(heart)]).T[:, None] - cells_mm.T[:, :, None]
    softened = (towards**2).sum(axis=0) + SOFTENING_MM**2
    return towards / (softened * np.sqrt(softened)) @ WIRING.T


def cell_weights(heart: Heart, tissue: ExcitableTissue, place: Place) -> np.ndarray:
    """(N, 8) mV per unit of Vm: what each cell adds to leads I, II, V1 to V6.

    The lead is -sum over faces of (jump in Vm) x (area) x (the lead vector there). That is the discrete form of Gima &
    Rudy's integral (Circ Res 90:889, 2002). A face to nowhere does not conduct: a uniform Vm gives nothing.
    """
    field = lead_fields(heart, tissue, place)
    weights = np.zeros(field.shape[:2])
    for along, (first, second, area) in zip(np.moveaxis(field, -1, 0), tissue.faces, strict=True):
        face = (0.5 * area)[:, None] * (along[first] + along[second])
        weights[first] += face  # a cell is first of one face along an axis at most, and second of one
        weights[second] -= face
    return weights * (ACTION_POTENTIAL_MV * MV_PER_MV_MM2 * heart.voltage_per_mass)
