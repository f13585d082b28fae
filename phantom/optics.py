"""From signal to stored voxels: coils, off-resonance, a k-space that ends early, breath, pulsation, noise.

Every step but the noise is linear and the same in each frame. So the still body is imaged once, and of each frame only
what the beat changes.
"""

from dataclasses import dataclass

import numpy as np

from phantom.contrast import TR_MS
from phantom.heart import Heart
from phantom.stack_plan import BREATH_DIRECTION, SlicePlan

BREATH_STEPS = np.linspace(-0.5, 0.5, 5)
DRIFT_KEY, NOISE_KEY = 5, 2
BAND_WIDTH = 0.35  # radians about half a turn over which the steady state vanishes


@dataclass(frozen=True)
class Optics:
    """Attributes: rows (slices, x, x) and columns (slices, y, y): what each pixel contributes to each.

    noise_rows (x, acquired x), noise_columns (y, acquired y): the same of the noise in k-space, of SD `noise`.
    """

    rows: np.ndarray
    columns: np.ndarray
    noise_rows: np.ndarray
    noise_columns: np.ndarray
    noise: float

    def seen(self, image: np.ndarray, window: tuple[slice, slice]) -> np.ndarray:
        """(slices, x, y) of the whole field of view from the signal (slices, nx, ny) of a window, float32."""
        return self.rows[:, :, window[0]] @ image @ self.columns[:, :, window[1]].transpose(0, 2, 1)

    def stored(self, seen: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """(slices, x, y) int16: the magnitude of a complex signal with noise in both channels."""
        shape = (2 * len(seen), self.noise_rows.shape[1], self.noise_columns.shape[1])
        coarse = rng.standard_normal(shape, np.float32) * np.float32(self.noise)
        noise = (self.noise_rows @ coarse @ self.noise_columns.T).reshape(2, *seen.shape)
        real = noise[0]
        real += seen
        np.square(real, out=real)
        real += np.square(noise[1], out=noise[1])
        return np.rint(np.sqrt(real, out=real), out=real).astype(np.int16)


def optics_of(heart: Heart, plan: SlicePlan) -> Optics:
    """The optics of an examination."""
    how = heart.acquisition
    rng = np.random.default_rng([heart.noise_seed, DRIFT_KEY])
    drift = how.breathing_blur_mm * np.abs(rng.normal(0, 1.25, plan.slices)).clip(max=1.8)
    pixels = [float(BREATH_DIRECTION @ plan.affine[:3, axis]) / plan.pixel_mm**2 for axis in range(2)]
    (rows, noise_rows), (columns, noise_columns) = (
        _along(size, share, how.filter_share, drift * per_mm)
        for size, share, per_mm in zip(how.matrix, how.acquired_share, pixels, strict=True)
    )
    if how.ghost_share:
        columns = columns + how.ghost_share * np.roll(columns, how.matrix[1] // 2, axis=1)
    noise = how.noise_share * how.blood_level
    return Optics(rows, columns.astype(np.float32), noise_rows, noise_columns, noise)


def _along(size: int, share: float, border: float, drift_px: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(slices, size, size) the image's and (size, acquired) the noise's matrix along one axis."""
    frequency = np.fft.fftfreq(size)
    window = _k_window(frequency, share, border)
    blur = np.cos(2 * np.pi * drift_px[:, None, None] * BREATH_STEPS[:, None] * frequency).mean(axis=1)
    wave = np.fft.fft(np.eye(size))
    image = np.fft.ifft((blur * window)[:, :, None] * wave, axis=1).real
    acquired = int(np.count_nonzero(window))
    # White noise of the acquired lines alone; a real orthonormal basis of these spans what their noise can look like.
    cosines = 2 * np.pi * np.arange(size)[:, None] * np.arange(1, acquired // 2 + 1) / size
    basis = np.concatenate([np.full((size, 1), 0.5**0.5), np.cos(cosines), np.sin(cosines)], axis=1) * (2 / size) ** 0.5
    orders = np.concatenate([[0], np.arange(1, acquired // 2 + 1), np.arange(1, acquired // 2 + 1)])
    weight = _k_window(orders / size, share, border)
    weight = weight / np.sqrt(np.mean(weight**2) * len(weight) / size)
    return image.astype(np.float32), (basis * weight).astype(np.float32)


def _k_window(frequency: np.ndarray, share: float, border: float) -> np.ndarray:
    """1 within the acquired share of k-space, 0 outside; scanners smooth its border."""
    inside = np.clip((share / 2 - np.abs(frequency)) / (border * share / 2), 0, 1)
    return 0.5 - 0.5 * np.cos(np.pi * inside)


def sensitivity(heart: Heart, plan: SlicePlan) -> np.ndarray:
    """(slices, x, y) float32: the coils' sensitivity, 1 at the heart, dark where bSSFP's bands lie."""
    how = heart.acquisition
    whole = (slice(0, plan.shape[0]), slice(0, plan.shape[1]))
    points = plan.points(*whole)[0]
    x, y, z = np.moveaxis(points - np.array(heart.centre_mm, np.float32), -1, 0)
    front_at, back_at = heart.chest_depth_mm / 2 - heart.centre_mm[1], -heart.chest_depth_mm / 2 - heart.centre_mm[1]
    front = how.coil_share[0] * np.exp(np.minimum(y - front_at, 15) / how.coil_reach_mm)
    back = how.coil_share[1] * np.exp(np.minimum(back_at - y, 15) / how.coil_reach_mm)
    here = 0.7 + how.coil_share[0] * np.exp(-front_at / how.coil_reach_mm)
    here += how.coil_share[1] * np.exp(back_at / how.coil_reach_mm)
    return ((0.7 + front + back) / here * _steadiness(heart, x, y, z)).astype(np.float32)


def _steadiness(heart: Heart, x: np.ndarray, y: np.ndarray, z: np.ndarray) -> np.ndarray:
    """Share of the steady state that off-resonance leaves: none where the spins turn half round within a TR.

    The field is bent where lung and stomach meet the heart: behind its lateral wall and below its apex. x, y, z: mm
    from the heart, body frame.
    """
    how = heart.acquisition
    hertz = sum(slope / 10 * axis for slope, axis in zip(how.shim_hz_cm, (x, y, z), strict=True))
    lung = np.exp(-((x + 48) ** 2 + (y + 20) ** 2 + (0.6 * z) ** 2) / 26**2)
    stomach = np.exp(-((x + 40) ** 2 + (y - 15) ** 2 + (z + 50) ** 2) / 24**2)
    hertz = hertz + how.susceptibility_hz * (lung + 1.3 * stomach)
    turned = 2 * np.pi * hertz * TR_MS / 1000  # radians against the passband's middle, half a turn from a band
    from_band = np.abs((turned % (2 * np.pi)) - np.pi)
    return 1 - np.exp(-((from_band / BAND_WIDTH) ** 2))
