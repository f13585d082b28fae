import numpy as np
import pytest

from phantom.anatomy import geometry_at
from phantom.heart import CONDITIONS, draw_heart
from phantom.scanner import TISSUES, bssfp_signal, scan


@pytest.fixture(scope="module")
def scans():
    hearts = {}
    for index in range(300):
        heart = draw_heart(4, index)
        hearts.setdefault(heart.condition, []).append(heart)
    chosen = [heart for group in CONDITIONS for heart in hearts[group][:2]]
    return [(heart, scan(heart)) for heart in chosen]


def volumes_ml(labels, affine):
    voxel = abs(np.linalg.det(affine[:3, :3])) / 1000
    return np.array([[(labels[..., t] == label).sum() * voxel for label in (1, 2, 3)] for t in range(labels.shape[-1])])


def test_volumes_on_the_labels_are_the_drawn_ones_within_partial_volume(scans):
    ratios = np.array(
        [
            volumes_ml(s.labels, s.affine)
            / [[h.lvedv_ml, h.lv_mass_g / 1.05, h.rvedv_ml], [h.lvesv_ml, h.lv_mass_g / 1.05, h.rvesv_ml]]
            for h, s in scans
        ]
    )
    diastole, systole = ratios[:, 0], ratios[:, 1]
    np.testing.assert_allclose(diastole[:, :2], 1, atol=0.05)
    np.testing.assert_allclose(diastole[:, 2], 1, atol=0.08)
    np.testing.assert_allclose(systole, 1, atol=0.16)  # the base has come to lie between two slices
    np.testing.assert_allclose(diastole.mean(0), 1, atol=0.015)
    np.testing.assert_allclose(systole.mean(0), 1, atol=0.05)  # RVESV scatters by 6 %, over 16 hearts


def test_shape_type_and_geometry(scans):
    for heart, image in scans:
        assert image.voxels.shape == image.labels.shape
        assert image.voxels.shape[:2] == (192, 208) and image.voxels.shape[3] == 2
        assert (image.voxels.dtype, image.labels.dtype) == (np.int16, np.uint8)
        np.testing.assert_allclose(np.linalg.norm(image.affine[:3, :3], axis=0), [1.8, 1.8, 10])
        long_axis = geometry_at(heart).axes[2]
        assert image.affine[:3, 2] @ long_axis > 9.8  # base to apex, within the planning error
        assert image.affine[0, 0] < 0 and image.affine[1, 1] < 0  # x to the patient's left, y to the back


def test_the_labels_lie_where_the_heart_was_drawn(scans):
    for heart, image in scans:
        voxels = np.argwhere(image.labels[..., 0] == 1)
        middle = image.affine[:3, :3] @ voxels.mean(0) + image.affine[:3, 3]
        geometry = geometry_at(heart)
        u, v, w = geometry.to_heart(middle)
        assert abs(u) < 4 and abs(v) < 4 and 0 < w < 0.4 * geometry.half_length


def test_the_stack_reaches_from_above_the_base_to_beyond_the_apex(scans):
    for _, image in scans:
        wall = (image.labels[..., 0] == 2).any((0, 1))
        assert wall.sum() >= 6 and not wall[0] and not wall[-1]
        assert wall[np.flatnonzero(wall)[0] : np.flatnonzero(wall)[-1] + 1].all()


def test_the_same_heart_gives_the_same_bytes_and_noise_leaves_labels_alone(scans):
    heart, image = scans[0]
    again, noisy = scan(heart), scan(heart.replace(noise_seed=heart.noise_seed + 1, slice_shift_mm=0.0))
    assert again.voxels.tobytes() == image.voxels.tobytes() and again.labels.tobytes() == image.labels.tobytes()
    still = scan(heart.replace(slice_shift_mm=0.0))
    assert (noisy.labels == still.labels).all() and (noisy.voxels != still.voxels).any()


def test_contrast_is_that_of_bssfp(scans):
    blood, muscle = (bssfp_signal(TISSUES[name]) for name in ("blood", "myocardium"))
    assert 2.3 < blood / muscle < 3.2
    for _, image in scans:
        level = [np.median(image.voxels[image.labels == label]) for label in (1, 2, 3)]
        assert level[0] > 2 * level[1] < level[2]


def test_bssfp_signal_is_the_textbook_limit():
    """For TR << T1, T2: sin(a) / ((T1/T2 + 1) - cos(a) (T1/T2 - 1)) (Scheffler and Lehnhardt 2003)."""
    ratio, flip = 1500 / 240, np.radians(70)
    limit = np.sin(flip) / (ratio + 1 - np.cos(flip) * (ratio - 1))
    assert bssfp_signal(TISSUES["blood"], tr_ms=0.01, flip_deg=70) == pytest.approx(limit, rel=1e-3)


def test_a_cine_starts_at_diastole_and_is_smallest_near_systole():
    heart = draw_heart(0, 0)
    image = scan(heart, [t / 8 for t in range(8)])
    cavity = (image.labels == 1).sum((0, 1, 2))
    assert cavity.argmax() == 0 and cavity.argmin() in (2, 3, 4)
