import dataclasses

import numpy as np
import pytest
from scipy import ndimage

from cohort.cine import CineStack
from cohort.phases import PHASES
from phantom import painting
from phantom.anatomy import end_diastole
from phantom.beating import geometry_at
from phantom.chambers import aortic_root, chambers_at, rv_middle
from phantom.contrast import TISSUES, bssfp_signal, signals
from phantom.heart import Draw, draw_heart
from phantom.image_likeness import FEATURES, dark_share, features, real_features
from phantom.motion import beat_of
from phantom.optics import optics_of, sensitivity
from phantom.population import CONDITIONS
from phantom.scanner import scan, scan_long_axis
from phantom.stack_plan import VIEWS, plan_long_axis, plan_stack
from phantom.torso import FROM_SPINE, landmarks, paint_torso


def fully_covered(heart):
    """The same examination planned well: a slice above the base, one beyond the apex, even breath-holds."""
    return heart.replace(
        end_slices=(1, 1),
        slice_shift_mm=min(heart.acquisition.slice_shift_mm, 1.5),
        plan_tilt_deg=tuple(angle / 3 for angle in heart.acquisition.plan_tilt_deg),
    )


@pytest.fixture(scope="module")
def scans():
    hearts = {}
    for index in range(300):
        heart = draw_heart(4, index)
        hearts.setdefault(heart.condition, []).append(fully_covered(heart))
    chosen = [heart for group in CONDITIONS for heart in hearts[group][:2]]
    return [(heart, scan(heart)) for heart in chosen]


def volumes_ml(labels, affine):
    voxel = abs(np.linalg.det(affine[:3, :3])) / 1000
    return np.array([[(labels[..., t] == label).sum() * voxel for label in (1, 2, 3)] for t in range(labels.shape[-1])])


def drawn_ml(heart, phase):
    """LV cavity, LV wall and RV cavity; each ventricle on its own clock."""
    beat = beat_of(heart)
    left, right = (beat.at(curve.ejected, phase) for curve in (beat.lv, beat.rv))
    cavity = heart.lvedv_ml - left * (heart.lvedv_ml - heart.lvesv_ml)
    return [cavity, heart.lv_mass_g / 1.05, heart.rvedv_ml - right * (heart.rvedv_ml - heart.rvesv_ml)]


def darkness(image, t, label=1):
    return dark_share(image.voxels[..., t], image.labels[..., t], label)


# ---- What the labels say ----


def test_volumes_on_the_labels_are_the_drawn_ones_within_partial_volume(scans):
    ratios = np.array([volumes_ml(s.labels, s.affine) / [drawn_ml(h, phase) for phase in s.phases] for h, s in scans])
    diastole, systole = ratios[:, 0], ratios[:, 1]
    np.testing.assert_allclose(diastole[:, :2], 1, atol=0.06)
    np.testing.assert_allclose(diastole[:, 2], 1, atol=0.08)
    np.testing.assert_allclose(systole, 1, atol=0.18)  # the base has come to lie between two slices
    np.testing.assert_allclose(diastole.mean(0), 1, atol=0.02)
    np.testing.assert_allclose(systole.mean(0), 1, atol=0.05)


def test_shape_type_and_geometry(scans):
    for heart, image in scans:
        how = heart.acquisition
        assert image.voxels.shape == image.labels.shape
        assert image.voxels.shape[:2] == how.matrix and image.voxels.shape[3] == 2
        assert (image.voxels.dtype, image.labels.dtype) == (np.int16, np.uint8)
        spacing = np.linalg.norm(image.affine[:3, :3], axis=0)
        np.testing.assert_allclose(spacing, [how.pixel_mm, how.pixel_mm, how.slice_mm + how.gap_mm])
        long_axis = end_diastole(heart).axes[2]
        assert image.affine[:3, 2] @ long_axis > 0.97 * how.step_mm  # base to apex, within the planning error
        assert image.affine[0, 0] < 0 and image.affine[1, 1] < 0  # x to the patient's left, y to the back


def test_the_labels_lie_where_the_heart_was_drawn(scans):
    for heart, image in scans:
        voxels = np.argwhere(image.labels[..., 0] == 1)
        middle = image.affine[:3, :3] @ voxels.mean(0) + image.affine[:3, 3]
        geometry = end_diastole(heart)
        u, v, w = geometry.to_heart(middle)
        assert abs(u) < 4 and abs(v) < 4 and 0 < w < 0.4 * geometry.half_length


def test_a_covering_stack_reaches_from_above_the_base_to_beyond_the_apex(scans):
    for _, image in scans:
        wall = (image.labels[..., 0] == 2).any((0, 1))
        assert wall.sum() >= 6 and not wall[0] and not wall[-1]
        assert wall[np.flatnonzero(wall)[0] : np.flatnonzero(wall)[-1] + 1].all()


def test_end_slices_are_missing_in_some_and_only_there():
    drawn = np.array([draw_heart(6, index).acquisition.end_slices for index in range(400)])
    assert 0.02 < (drawn[:, 0] < 0).mean() < 0.12 and 0.04 < (drawn[:, 1] < 0).mean() < 0.18
    heart = fully_covered(draw_heart(6, 0)).replace(slice_shift_mm=0.0)
    whole, cut = scan(heart, [0.0]), scan(heart.replace(end_slices=(-1, -2)), [0.0])
    assert cut.labels.shape[2] == whole.labels.shape[2] - 5
    assert (cut.labels != whole.labels[:, :, 2:-3]).mean() < 1e-4  # but for ties
    assert (cut.labels[:, :, 0] == 1).any() and (whole.labels[:, :, 1] == 1).any()


def test_above_the_base_there_is_no_label_but_blood():
    heart = draw_heart(4, 1).replace(end_slices=(2, 1), slice_shift_mm=0.0, plan_tilt_deg=(0.0, 0.0))
    image = scan(heart)
    heart_below = (image.labels[:, :, 2, 0] > 0) & (image.labels[:, :, 2, 0] != 2)
    blood = np.median(image.voxels[..., 0][image.labels[..., 0] == 1])
    assert not image.labels[:, :, 0].any()
    assert ((image.voxels[:, :, 0] > 0.6 * blood)[heart_below].mean(axis=0) > 0.6).all()


def test_the_atria_fill_while_the_ventricles_empty():
    heart = draw_heart(4, 2)
    diastole = end_diastole(heart)
    grid = np.stack(np.meshgrid(*[np.arange(-110, 60, 3, np.float32)] * 2, np.arange(-120, 40, 3, np.float32)))
    left, above = chambers_at(diastole, grid).left, []
    for phase in (0.0, beat_of(heart).end_systole):
        geometry = geometry_at(heart, phase)
        sunk = (geometry.centre - diastole.centre) @ geometry.axes[2]
        beat = geometry.beat
        stretched = chambers_at(diastole, grid).at(beat, np.full_like(left, -99), np.zeros_like(left)).left
        above.append(((stretched > 0) & (grid[2] - sunk < -geometry.base)).sum() * 27 / 1000)
    assert 25 < above[0] < 100 and 1.2 < above[1] / above[0] < 2.2  # mL


def test_the_cavity_s_outline_is_no_circle(scans):
    def unevenness(heart):
        outline = end_diastole(heart).endocardium[:, 16]
        return outline.std() / outline.mean()

    uneven = np.array([unevenness(heart) for heart, _ in scans])
    assert np.median(uneven) > 0.025 and uneven.max() < 0.2
    assert unevenness(scans[0][0].replace(outline=(0.0,) * 4, septal_flattening=0.0)) < 1e-6


# ---- What lies round the heart ----


def test_spine_and_aorta_lie_behind_the_heart():
    """The vertebra is dark, the canal in it and the aorta beside it are bright, in every slice that holds them."""
    for index in range(6):
        heart = draw_heart(4, index)
        plan, signal, marks = plan_stack(heart), signals(heart.acquisition), landmarks(heart)
        torso = np.abs(paint_torso(heart, plan, signal)) / signal["blood"]
        x, y, z = np.moveaxis(plan.points(slice(0, plan.shape[0]), slice(0, plan.shape[1]))[0], -1, 0)
        depth = heart.chest_depth_mm
        y = (y + depth / 2) / (1 - 0.30 * z / depth) - depth / 2  # upright, as the chest is painted

        def at(place, radius, x=x, y=y - marks.spine_y, torso=torso):
            return np.median(torso[np.hypot(x - place[0], y - place[1]) < radius])

        assert at(FROM_SPINE["aorta"], 7) > 0.8 and at((0, 0), 10) < 0.35
        ring = np.hypot(x, y - marks.spine_y - FROM_SPINE["canal"][1])
        assert np.median(torso[(ring > 6.5) & (ring < 7.5)]) > at(FROM_SPINE["canal"], 3) + 0.2
        assert heart.centre_mm[1] > marks.spine_y + 40


def test_the_heart_rests_on_its_neighbours_and_not_in_lung_alone(scans):
    """Of what lies 7 to 25 mm from the ventricles, how much is as dark as lung: 0.53 when lung lay all round."""
    shares = []
    for _, image in scans:
        voxels, labels = image.voxels[..., 0], image.labels[..., 0]
        walls = np.flatnonzero((labels == 2).any((0, 1)))
        k = walls[len(walls) // 2]
        heart = labels[:, :, k] > 0
        round_it = ndimage.binary_dilation(heart, iterations=14) & ~ndimage.binary_dilation(heart, iterations=4)
        shares.append((voxels[:, :, k][round_it] < 0.12 * np.median(voxels[labels == 1])).mean())
    assert 0.25 < np.median(shares) < 0.49


def test_the_aortic_valve_is_seen_above_the_base_alone(monkeypatch):
    heart = draw_heart(4, 2).replace(end_slices=(2, 1))
    closed = scan(heart)
    monkeypatch.setattr(painting, "LEAFLET_MM", -99.0)
    without = scan(heart)
    darker = (without.voxels.astype(int) - closed.voxels) / np.median(closed.voxels[closed.labels == 1])
    assert np.percentile(darker[:, :, 1], 99.9) > 0.1 and np.abs(darker[:, :, -4:]).max() < 0.02
    assert (closed.labels == without.labels).all()


# ---- Muscle within the cavities ----


def test_trabeculae_and_papillary_muscles_darken_the_cavity_as_in_real_hearts(scans):
    """By the same measure the real cine of the tests marked `real` has 12 %."""
    diastole, systole = (np.array([darkness(image, t) for _, image in scans]) for t in (0, 1))
    assert 0.06 < np.median(diastole) < 0.14 and diastole.min() > 0.02 and diastole.max() < 0.25
    assert np.median(systole / diastole) > 1.15  # strands keep their thickness while the cavity shrinks
    heart = scans[0][0]
    smooth = scan(heart.replace(trabecular_share=0.001, papillary_scale=0.05))
    assert darkness(smooth, 0) < 0.5 * darkness(scans[0][1], 0)
    assert (smooth.labels == scans[0][1].labels).all()  # they belong to the cavity


def test_the_right_ventricle_has_a_meshwork_that_belongs_to_its_label(scans):
    shares = [darkness(image, 0, label=3) for _, image in scans]
    assert 0.01 < np.median(shares) < 0.25
    heart = scans[0][0]
    smooth = scan(heart.replace(trabecular_share=0.001, papillary_scale=0.05))
    assert darkness(smooth, 0, label=3) < 0.5 * darkness(scans[0][1], 0, label=3)


def test_fine_trabeculae_dim_the_blood_beside_the_wall(scans):
    """Half-way between muscle (0) and blood (1) lies deeper than the label's outermost pixel, as in the real cine."""
    rim, within = [], []
    for _, image in scans:
        middle = image.voxels.shape[2] // 2
        voxels, labels = image.voxels[:, :, middle, 0].astype(float), image.labels[:, :, middle, 0]
        muscle, blood = np.median(voxels[labels == 2]), np.percentile(voxels[labels == 1], 75)
        cavity = labels == 1
        inner = ndimage.binary_erosion(cavity)
        level = (voxels - muscle) / (blood - muscle)
        rim.append(level[cavity & ~inner].mean())
        within.append(level[ndimage.binary_erosion(inner, iterations=2)].mean())
    assert 0.25 < np.median(rim) < 0.45 and np.median(within) > 0.7


def test_the_right_ventricle_s_meshwork_closes_towards_end_systole(scans):
    early, late = (np.array([darkness(image, t, label=3) for _, image in scans]) for t in (0, 1))
    assert np.median(late - early) > 0.02


def test_ejected_blood_dims_in_the_aorta_alone():
    heart = draw_heart(4, 2).replace(end_slices=(2, 1))
    bright, dim = (scan(heart.replace(ejection_loss=loss)) for loss in (0.0, 0.2))
    assert (bright.voxels[..., 0] == dim.voxels[..., 0]).all() and (bright.labels == dim.labels).all()
    lost = (bright.voxels[..., 1].astype(int) - dim.voxels[..., 1]) / np.median(bright.voxels[bright.labels == 1])
    assert 0.1 < np.percentile(lost[:, :, 0], 99.7) < 0.3 and np.abs(lost[:, :, -3:]).max() < 0.02


def test_another_visit_finds_the_same_strands_in_another_stack():
    first, second = (draw_heart(4, 3, Draw(visit=visit)) for visit in (1, 2))
    assert first.pattern_seed == second.pattern_seed and first.noise_seed != second.noise_seed
    assert first.acquisition != second.acquisition


# ---- What the voxels say ----


def test_the_same_heart_gives_the_same_bytes_and_noise_leaves_labels_alone(scans):
    heart, image = scans[0]
    again, noisy = scan(heart), scan(heart.replace(noise_seed=heart.noise_seed + 1, slice_shift_mm=0.0))
    assert again.voxels.tobytes() == image.voxels.tobytes() and again.labels.tobytes() == image.labels.tobytes()
    still = scan(heart.replace(slice_shift_mm=0.0))
    assert (noisy.labels == still.labels).all() and (noisy.voxels != still.voxels).any()


def test_contrast_spreads_as_between_real_scanners_and_follows_the_draw(scans):
    measured, drawn = [], []
    for heart, image in scans:
        level = [np.median(image.voxels[..., 0][image.labels[..., 0] == label]) for label in (1, 2, 3)]
        measured.append(level[0] / level[1])
        drawn.append(heart.acquisition.blood_to_muscle)
        assert level[0] > 1.8 * level[1] and level[2] > 1.8 * level[1]
    assert np.median(measured) == pytest.approx(3.3, abs=0.5)
    assert np.percentile(measured, 90) - np.percentile(measured, 10) > 0.7
    assert np.corrcoef(measured, drawn)[0, 1] > 0.7


@pytest.mark.parametrize("t", [0, 1])
def test_voxels_are_as_uneven_as_real_ones(scans, t):
    """Bounds: within a quarter or so of the real cine's 0.46 and 0.25 (muscle, SD over mean), 1.5 and 2.0 % (noise)."""
    found = np.array([[features(stack(i.voxels, i), stack(i.labels, i))[PHASES[t]] for _, i in scans[:6]]])[0]
    median = dict(zip(FEATURES, np.nanmedian(found, axis=0), strict=True))
    assert 0.3 < median["CV of muscle"] < 0.6
    assert 0.12 < median["CV of LV blood"] < 0.25
    assert 3.0 < median["edge of septum and RV (mm)"] < 4.8
    assert 1.1 < median["noise (% of blood)"] < 2.4


@pytest.mark.real
def test_edges_noise_and_spectrum_are_near_those_of_a_real_cine(scans, real_files):
    real = real_features(real_files / "mri")
    phantom = [features(stack(i.voxels, i), stack(i.labels, i)) for _, i in scans]
    ratio = np.mean([np.nanmedian([p[name] for p in phantom], axis=0) / real[name] for name in PHASES], axis=0)
    ratio = dict(zip(FEATURES, ratio, strict=True))
    for feature in (*FEATURES[3:7], *FEATURES[8:]):  # the coarsest band is that of the lungs' darkness round the heart
        assert 0.7 < ratio[feature] < 1.4, feature


def stack(voxels, image):
    return CineStack(voxels, image.affine)


def test_bssfp_signal_is_the_textbook_limit():
    """For TR << T1, T2: sin(a) / ((T1/T2 + 1) - cos(a) (T1/T2 - 1)) (Scheffler and Lehnhardt 2003)."""
    ratio, flip = 1500 / 240, np.radians(70)
    limit = np.sin(flip) / (ratio + 1 - np.cos(flip) * (ratio - 1))
    assert bssfp_signal(TISSUES["blood"], tr_ms=0.01, flip_deg=70) == pytest.approx(limit, rel=1e-3)


def test_optics_keep_an_even_image_even_and_add_the_drawn_noise():
    heart = draw_heart(4, 0).replace(ghost_share=0.0)
    plan = plan_stack(heart)
    optics = optics_of(heart, plan)
    whole = (slice(None), slice(None))
    even = optics.seen(np.full((plan.slices, *heart.acquisition.matrix), 1000, np.float32), whole)
    np.testing.assert_allclose(even, 1000, rtol=1e-3)
    stored = optics.stored(even, np.random.default_rng(0))
    expected = heart.acquisition.noise_share * heart.acquisition.blood_level
    assert stored.std() == pytest.approx(expected, rel=0.03)


def test_a_heart_that_drifts_within_a_breath_hold_is_blurred():
    heart = draw_heart(4, 0).replace(slice_shift_mm=0.0, noise_share=0.001)

    def sharpness(blur_mm):
        image = scan(heart.replace(breathing_blur_mm=blur_mm), [0.0]).voxels[..., 0].astype(float)
        return np.abs(np.diff(image, axis=1)).max((0, 1)).mean()

    assert sharpness(5.0) < 0.85 * sharpness(0.0)


def test_off_resonance_darkens_bands_and_only_where_it_is_large():
    heart = draw_heart(4, 0).replace(shim_hz_cm=(0.0, 0.0, 0.0), susceptibility_hz=0.0, coil_share=(0.0, 0.0))
    even = sensitivity(heart, plan_stack(heart))
    np.testing.assert_allclose(even, 1, atol=1e-3)
    bent = sensitivity(heart.replace(susceptibility_hz=250.0), plan_stack(heart))
    assert bent.min() < 0.1 and 0.0005 < (bent < 0.5).mean() < 0.1


def test_some_people_do_not_hold_their_breath():
    shifts = np.array([draw_heart(6, index).acquisition.slice_shift_mm for index in range(300)])
    assert 0.08 < (shifts > 2.5).mean() < 0.25 and np.median(shifts) < 1.6
    restless = draw_heart(6, 0).replace(slice_shift_mm=4.0)
    assert np.ptp(plan_stack(restless).body_shift[:, 2]) > 5


def test_other_scanners_see_the_same_heart_otherwise():
    usual, sharp, old = (draw_heart(4, 5, Draw(scanner=scanner)) for scanner in ("usual", "3t", "low"))
    for other in (sharp, old):
        assert dataclasses.replace(other, acquisition=usual.acquisition) == usual
    images = [scan(fully_covered(heart), [0.0]) for heart in (usual, sharp, old)]
    assert [round(float(np.linalg.norm(i.affine[:3, 0])), 2) for i in images] == [1.8, 1.4, 2.2]
    cavities = [volumes_ml(i.labels, i.affine)[0, 0] / usual.lvedv_ml for i in images]
    np.testing.assert_allclose(cavities, 1, atol=0.07)
    noise = [h.acquisition.noise_share for h in (sharp, usual, old)]
    assert noise[0] < noise[1] < noise[2]
    with pytest.raises(ValueError, match="no scanner 7t: one of usual, 3t, low"):
        draw_heart(4, 5, Draw(scanner="7t"))


def test_a_cine_starts_at_diastole_and_is_smallest_near_systole():
    heart = draw_heart(0, 0)
    image = scan(heart, [t / 8 for t in range(8)])
    cavity = (image.labels == 1).sum((0, 1, 2))
    assert cavity.argmax() == 0 and cavity.argmin() in (2, 3, 4)


# ---- Long axis ----


def from_plane_mm(affine, point):
    normal = affine[:3, 2] / np.linalg.norm(affine[:3, 2])
    return abs((point - affine[:3, 3]) @ normal)


@pytest.mark.parametrize("view", VIEWS)
def test_long_axis_planes_pass_through_apex_and_mitral_centre(view):
    for index in range(5):
        heart = draw_heart(8, index)
        geometry, affine = end_diastole(heart), plan_long_axis(heart, view).affine
        for w in (geometry.half_length, -geometry.base):
            assert from_plane_mm(affine, geometry.to_body(np.array([0.0, 0.0, w]))) < 4
        right, aorta = (from_plane_mm(affine, geometry.to_body(p(geometry))) for p in (rv_middle, aortic_root))
        assert (right < 8) == (view == "la_4ch")
        assert aorta < 5 if view == "la_3ch" else aorta > 5


def test_an_unknown_view_is_refused():
    with pytest.raises(ValueError, match="no view la_5ch: one of la_2ch, la_3ch, la_4ch"):
        scan_long_axis(draw_heart(0, 0), "la_5ch")


@pytest.mark.parametrize("view", VIEWS)
def test_long_axis_labels_agree_with_the_short_axis(view):
    heart = fully_covered(draw_heart(8, 1)).replace(slice_shift_mm=0.0)
    short, long = scan(heart), scan_long_axis(heart, view)
    assert long.labels.shape == long.voxels.shape == (*heart.acquisition.matrix, 1, 2)
    for t in range(2):
        labels = long.labels[:, :, 0, t]
        inner = np.zeros(labels.shape, bool)
        for label in range(4):
            inner |= ndimage.binary_erosion(labels == label, iterations=2)
        near = ndimage.binary_dilation(labels > 0, iterations=5)
        pixels = np.argwhere(inner & near)
        points = np.c_[pixels, np.zeros(len(pixels))] @ long.affine[:3, :3].T + long.affine[:3, 3]
        index = (points - short.affine[:3, 3]) @ np.linalg.inv(short.affine[:3, :3]).T
        within = np.abs(index[:, 2] - np.rint(index[:, 2])) < 0.15  # near the middle of a slice, not in a gap
        i, j, k = np.rint(index[within]).astype(int).T
        inside = (k >= 0) & (k < short.labels.shape[2])
        same = short.labels[i[inside], j[inside], k[inside], t] == labels[tuple(pixels[within][inside].T)]
        assert inside.sum() > 100 and same.mean() > 0.93
    assert set(np.unique(long.labels)) >= {0, 1, 2} and (view != "la_4ch" or (long.labels == 3).any())
