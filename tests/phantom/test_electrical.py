"""The simulated ECG: exact identities, the physics in sentences, normal values, and an outside judge."""

import warnings
from functools import cache

import numpy as np
import pytest
from scipy.signal import find_peaks
from scipy.spatial.transform import Rotation

from cohort.ecg import LEADS
from phantom.activation import RAS_TO_XYZ, excitation
from phantom.calibration import NORMAL_BOUNDS, measure
from phantom.electrical import render_ecg
from phantom.heart import NORMS, Draw, Heart, draw_heart
from phantom.lead_field import Place, cell_weights, lead_fields, lead_matrix
from phantom.likeness import energy_beyond_three, median_beat
from phantom.recorder import RESOLUTION_MV

STRIPS = 40
QUIET = {"baseline_mv": 0.0, "motion_uv": 0.0, "mains_uv": 0.0, "muscle_uv": 0.0}
PLAIN = QUIET | {"high_pass_hz": 0.05, "low_pass_hz": 0.0}


@cache
def hearts(condition: str, count: int) -> tuple[Heart, ...]:
    drawn = (draw_heart(7, index) for index in range(5000))
    chosen = (h for h in drawn if h.condition == condition and h.rhythm == "sinus" and not h.ectopic_beats)
    return tuple(next(chosen) for _ in range(count))


def lead(rendered, name: str) -> np.ndarray:
    return rendered.ecg.signal[LEADS.index(name)].astype(float)


def test_shape_unit_and_person():
    heart = draw_heart(7, 0)
    rendered = render_ecg(heart)
    assert rendered.ecg.signal.shape == (12, 5000) and rendered.ecg.signal.dtype == np.float32
    assert rendered.medians.shape == (12, 600) and rendered.medians.dtype == np.float32
    assert rendered.ecg.sampling_rate == 500.0
    assert rendered.ecg.person.row == (heart.sex, heart.age_years, heart.height_cm, heart.weight_kg)
    counts = rendered.ecg.signal.astype(float) / RESOLUTION_MV
    assert np.abs(counts - np.rint(counts)).max() < 1e-3


def test_limb_leads_obey_einthoven_and_goldberger_in_whole_counts():
    counts = np.rint(render_ecg(draw_heart(7, 1)).ecg.signal.astype(float) / RESOLUTION_MV).astype(int)
    one, two, three, avr, avl, avf = counts[:6]
    assert (three == two - one).all()
    assert (np.abs(2 * avr + one + two) <= 1).all()
    assert (np.abs(2 * avl - one + three) <= 1).all()
    assert (np.abs(2 * avf - two - three) <= 1).all()


def test_same_heart_same_bytes_and_noise_seed_moves_only_noise():
    heart = draw_heart(7, 2)
    first, again = render_ecg(heart), render_ecg(heart)
    assert first.ecg.signal.tobytes() == again.ecg.signal.tobytes()
    assert first.medians.tobytes() == again.medians.tobytes()
    other = render_ecg(heart.replace(noise_seed=heart.noise_seed + 1))
    assert other.measurements == first.measurements
    assert other.ecg.signal.tobytes() != first.ecg.signal.tobytes()


def test_rate_from_r_peaks_is_the_drawn_rate():
    for heart in hearts("normal", 10):
        ii = lead(render_ecg(heart.replace(**QUIET)), "II")
        peaks, _ = find_peaks(ii, height=0.6 * ii.max(), distance=150)
        assert 60 / np.diff(peaks / 500).mean() == pytest.approx(heart.heart_rate_bpm, rel=0.05)


def test_amplitude_is_linear_in_gain():
    heart = hearts("normal", 1)[0].replace(**PLAIN)
    single, double = (render_ecg(heart.replace(gain=gain)).ecg.signal for gain in (1.0, 2.0))
    assert np.abs(double - 2 * single).max() <= 3 * RESOLUTION_MV
    assert np.ptp(single) > 0.5


def test_closer_electrodes_see_more():
    heart = hearts("normal", 1)[0]
    slim, stout = (lead_matrix(heart.replace(chest_depth_mm=depth)) for depth in (190.0, 280.0))
    assert np.linalg.norm(slim[3:6]) > 1.2 * np.linalg.norm(stout[3:6])
    np.testing.assert_array_equal(slim[:2], stout[:2])


def test_the_mean_lead_field_over_the_heart_is_dowers_row():
    for heart in hearts("normal", 3):
        tissue = excitation(heart).tissue
        found = lead_fields(heart, tissue, Place()).mean(axis=0)
        np.testing.assert_allclose(found, lead_matrix(heart) @ RAS_TO_XYZ, atol=1e-9)


def test_a_chest_electrode_sees_the_near_wall_more_than_the_far_one_and_the_limbs_see_both_alike():
    heart = hearts("normal", 1)[0]
    tissue = excitation(heart).tissue
    size = np.linalg.norm(lead_fields(heart, tissue, Place()), axis=2)
    front = tissue.body_mm[:, 1] > np.quantile(tissue.body_mm[:, 1], 0.9)
    back = tissue.body_mm[:, 1] < np.quantile(tissue.body_mm[:, 1], 0.1)
    ratio = size[front].mean(axis=0) / size[back].mean(axis=0)
    assert ratio[3:6].min() > 1.12  # V2 to V4
    assert ratio[:2].max() < 1.08  # I and II


def test_a_uniform_potential_gives_nothing_in_any_lead():
    heart = hearts("normal", 1)[0]
    weights = cell_weights(heart, excitation(heart).tissue, Place())
    assert np.abs(weights.sum(axis=0)).max() < 1e-9 * np.abs(weights).sum(axis=0).min()


def test_a_heart_turned_and_moved_is_seen_otherwise_and_turned_back_as_before():
    heart = hearts("normal", 1)[0]
    tissue = excitation(heart).tissue
    before, turned = (cell_weights(heart, tissue, place) for place in (Place(), Place((0.0, 0.0, 20.0))))
    turn = Rotation.from_euler("z", 20, degrees=True).as_matrix()
    mean = lead_fields(heart, tissue, Place((0.0, 0.0, 20.0))).mean(axis=0)
    np.testing.assert_allclose(mean, lead_matrix(heart) @ RAS_TO_XYZ @ turn, atol=1e-9)
    lower = cell_weights(heart, tissue, Place(shift_mm=(0.0, 0.0, -15.0)))
    for other in (turned, lower):
        assert 0.02 < np.linalg.norm(other - before) / np.linalg.norm(before) < 0.5


def test_the_energy_beyond_three_components_is_that_of_real_ecgs():
    """Real: 0.06 to 0.65 percent of the mean QRS, median 0.12 to 0.13."""
    beats = (median_beat(render_ecg(h).ecg.signal.astype(float)) for h in hearts("normal", 40))
    leads = [0, 1, *range(6, 12)]
    found = [energy_beyond_three(one.beat[leads, one.onset : one.offset + 1]) for one in beats]
    assert 0.06 < np.median(found) < 0.25
    assert np.quantile(found, 0.1) > 0.02 and np.quantile(found, 0.9) < 0.9


def test_scar_off_changes_nothing_but_the_wave_it_silenced():
    """A scar alters the beat; it leaves rhythm, P wave and person alone, and taking it away brings the beat back."""
    heart = hearts("normal", 1)[0].replace(**PLAIN)
    scarred = heart.replace(scar_territory="inferior", scar_extent=1.0)
    healthy, infarct = render_ecg(heart), render_ecg(scarred)
    p_wave = slice(120, 190)  # the recorder's high pass carries a trace of other beats into it
    np.testing.assert_allclose(healthy.medians[:, p_wave], infarct.medians[:, p_wave], atol=0.03)
    assert healthy.measurements["RRInterval"] == infarct.measurements["RRInterval"]
    assert np.abs(healthy.medians - infarct.medians).max() > 0.1
    back = render_ecg(scarred.replace(scar_territory=None, scar_extent=0.0))
    assert back.ecg.signal.tobytes() == healthy.ecg.signal.tobytes()


def test_inferior_scar_shows_q_waves_and_normals_do_not():
    normal = hearts("normal", 100)  # so many, for the share is near its bound and 20 tell it to no better than 0.08
    scarred = [h.replace(scar_territory="inferior", scar_extent=1.0) for h in normal[:40]]
    assert np.mean([measure(render_ecg(h))["inferior Q"] for h in scarred]) >= 0.6
    assert np.mean([measure(render_ecg(h))["inferior Q"] for h in normal]) <= 0.15


@pytest.mark.parametrize("block", ["lv_delay_ms", "rv_delay_ms"])
def test_bundle_branch_block_widens_qrs(block):
    for heart in hearts("normal", 10):
        narrow, wide = (render_ecg(heart.replace(**{block: d})).measurements["QRSDuration"] for d in (0.0, 52.0))
        assert wide >= narrow + 20


def test_left_bundle_branch_block_is_over_120_ms():
    assert np.median([render_ecg(h).measurements["QRSDuration"] for h in hearts("lbbb", 10)]) > 120


def sokolov_lyon(condition: str, count: int) -> np.ndarray:
    """(count,) mV: of people who have this condition, and whose torso is the same in all conditions."""
    people = (draw_heart(7, index, Draw(condition)) for index in range(count))
    return np.array([measure(render_ecg(heart))["Sokolov-Lyon (mV)"] for heart in people])


def test_hypertrophy_raises_sokolov_lyon():
    assert 1.15 < np.median(sokolov_lyon("lvh", 30) / sokolov_lyon("normal", 30)) < 1.6


def test_a_heavier_wall_has_less_voltage_for_its_mass():
    """Bacharova 2007; the person's own part of it averages out over many."""
    people = [draw_heart(7, index) for index in range(600)]
    norms = [NORMS[heart.sex] for heart in people]
    heavier = np.log([h.lv_mass_g / (n.lv_mass_index * h.bsa_m2) for h, n in zip(people, norms, strict=True)])
    slope = np.polyfit(heavier, np.log([heart.voltage_per_mass for heart in people]), 1)[0]
    assert -0.65 < slope < -0.35
    heart = people[0].replace(**PLAIN)
    half = heart.replace(voltage_per_mass=heart.voltage_per_mass / 2)
    full, less = (render_ecg(one).medians for one in (heart, half))
    assert np.ptp(less[:, 190:300]) == pytest.approx(0.5 * np.ptp(full[:, 190:300]), rel=0.05)
    np.testing.assert_array_equal(lead_matrix(heart), lead_matrix(half))  # the atria are seen as before


def test_atrial_fibrillation_has_no_p_and_an_irregular_rhythm():
    rendered = render_ecg(draw_heart(7, 3).replace(rhythm="af", rr_variability=0.2))
    assert rendered.measurements["POnset"] is None and rendered.measurements["PQInterval"] is None


def test_normals_are_normal():
    rows = [measure(render_ecg(h)) for h in hearts("normal", 60)]
    for name, (low, high) in NORMAL_BOUNDS.items():
        values = np.array([row[name] for row in rows])
        assert low <= np.median(values) <= high, name
        assert np.mean((values >= low) & (values <= high)) >= 0.7, name
    median = {name: np.median([row[name] for row in rows]) for name in rows[0]}
    r = [median[f"R in V{k} (mV)"] for k in range(1, 7)]
    assert r == sorted(r[:5]) + r[5:] and r[4] > 3 * r[0]
    assert median["S in V1 (mV)"] > 2 * r[0] and median["S in V2 (mV)"] > 2 * r[1]
    assert np.mean([row["T upright in I, II, V4-V6"] for row in rows]) >= 0.8


def neurokit_agrees(heart: Heart) -> bool:
    """R peaks within 1 of the truth, median rate within 5 % (not in AF), QRS onset and T in most beats (lead II)."""
    neurokit2 = pytest.importorskip("neurokit2")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        _, info = neurokit2.ecg_process(lead(render_ecg(heart), "II"), sampling_rate=500)
    peaks = np.asarray(info["ECG_R_Peaks"])
    rate = 60 / np.median(np.diff(peaks / 500))
    count_agrees = abs(len(peaks) - 10 * heart.heart_rate_bpm / 60) <= 1.5  # the truth is not a whole number
    rate_agrees = heart.rhythm == "af" or abs(rate / heart.heart_rate_bpm - 1) <= 0.05
    found = [np.isfinite(np.asarray(info[wave], float)).mean() for wave in ("ECG_R_Onsets", "ECG_T_Peaks")]
    return bool(count_agrees and rate_agrees and min(found) >= 0.7)


def test_neurokit_finds_the_beats():
    assert np.mean([neurokit_agrees(draw_heart(15, index)) for index in range(STRIPS)]) >= 0.95


# ---- Two recordings of one heart, and the recorder ----


def amplitudes(rendered) -> np.ndarray:
    """(16,) mV: R and S of the eight independent leads, median beat."""
    qrs = rendered.medians[[0, 1, *range(6, 12)], 190:280]
    return np.concatenate([qrs.max(axis=1), -qrs.min(axis=1)])


def test_two_visits_of_one_heart_differ_as_published_repeats_do():
    """Amplitudes differ by 10-20 % within a person and durations by 3-5 ms (Schijvenaars, J Electrocardiol 2008)."""
    visits = [[draw_heart(8, index, Draw("normal", visit=visit)) for index in range(40)] for visit in (1, 2)]
    first, second = ([render_ecg(heart) for heart in group] for group in visits)
    assert all(a.lv_mass_g == b.lv_mass_g and a.recording != b.recording for a, b in zip(*visits, strict=True))
    sizes = np.array([[amplitudes(r) for r in group] for group in (first, second)])
    large = sizes.mean(axis=0) > 0.3
    within = np.abs(sizes[0] - sizes[1])[large] / np.sqrt(2) / sizes.mean(axis=0)[large]
    assert 0.05 < np.sqrt((within**2).mean()) < 0.20
    widths = np.array([[r.measurements["QRSDuration"] for r in group] for group in (first, second)])
    assert np.sqrt(((widths[0] - widths[1]) ** 2).mean() / 2) < 5
    between = sizes.mean(axis=0).std(axis=0) / sizes.mean(axis=(0, 1))
    assert np.sqrt((within**2).mean()) < 0.5 * between.mean()


@pytest.mark.parametrize("mains_hz", [0.0, 50.0, 60.0])
def test_mains_hum_has_its_frequency_or_is_not_there(mains_hz):
    heart = hearts("normal", 1)[0].replace(mains_hz=mains_hz, mains_uv=20.0, muscle_uv=2.0, low_pass_hz=0.0)
    power = np.abs(np.fft.rfft(lead(render_ecg(heart), "V1"))) ** 2
    lines = {hz: power[round(hz * 10)] / np.median(power[round(hz * 10) - 40 : round(hz * 10) + 40]) for hz in (50, 60)}
    assert {hz for hz, ratio in lines.items() if ratio > 50} == ({int(mains_hz)} if mains_hz else set())


def test_a_low_pass_falls_with_a_slope_and_a_high_pass_takes_the_wander():
    heart = hearts("normal", 1)[0].replace(muscle_uv=60.0, mains_uv=0.0, low_pass_hz=0.0, high_pass_hz=0.05)

    def power(**changes):
        spectrum = np.abs(np.fft.rfft(lead(render_ecg(heart.replace(**changes)), "V1"))) ** 2
        return lambda low, high: spectrum[low * 10 : high * 10].mean()

    whole, narrow = power(), power(low_pass_hz=40.0)
    kept = [narrow(hz, hz + 10) / whole(hz, hz + 10) for hz in (20, 35, 50, 70)]
    assert kept[0] > 0.85 and 0.35 < kept[1] < 0.65 and kept[0] > kept[1] > kept[2] > kept[3] > 1e-4
    wander = {hz: np.ptp(lead(render_ecg(heart.replace(baseline_mv=0.5, high_pass_hz=hz)), "V1")) for hz in (0.05, 0.5)}
    assert wander[0.5] < 0.8 * wander[0.05]


def test_breathing_makes_beats_differ():
    """Real: R amplitude varies by 2 to 6 percent from beat to beat; none of it is left without breath and noise."""
    heart = next(h for h in hearts("normal", 10) if h.heart_rate_bpm > 60).replace(**PLAIN)
    still = {"breath_turn_deg": (0.0, 0.0, 0.0), "breath_shift_mm": 0.0, "breath_gain": 0.0, "beat_gain_sd": 0.0}

    def variation(changes):
        signal = render_ecg(heart.replace(**changes)).ecg.signal.astype(float)
        beats = median_beat(signal).beats[:, LEADS.index("V4")]
        peaks = beats.max(axis=1) - beats.min(axis=1)
        return peaks.std() / peaks.mean()

    assert variation(still) < 0.01
    assert variation({"breath_shift_mm": 8.0}) > 2 * variation(still)
    assert variation({**still, "beat_gain_sd": 0.05}) > 0.02


def test_plateaus_of_unlike_height_shift_the_st_segment_and_not_the_measured_intervals():
    heart = hearts("normal", 1)[0].replace(**PLAIN, notch=0.0, plateau_gradient=(0.0, 0.0, 0.0))
    flat, shifted = (render_ecg(h) for h in (heart, heart.replace(plateau_gradient=(0.0, 0.0, 0.05))))
    st = slice(255, 265)
    assert np.abs(shifted.medians[6:, st] - flat.medians[6:, st]).max() > 0.03
    assert shifted.measurements == flat.measurements
    notched = render_ecg(heart.replace(notch=0.15))
    early, late = slice(245, 255), slice(300, 310)
    apart = np.abs(notched.medians - flat.medians)
    assert apart[6:, early].max() > 0.05 > apart[6:, late].max()


def test_the_baseline_between_beats_has_no_step():
    """Plateaus of unlike height leave a voltage, which goes as cells recover and not within one sample."""
    still = {"breath_turn_deg": (0.0, 0.0, 0.0), "breath_shift_mm": 0.0, "breath_gain": 0.0, "beat_gain_sd": 0.0}
    heart = hearts("normal", 1)[0].replace(**PLAIN, **still, heart_rate_bpm=50.0, plateau_gradient=(0.0, 0.0, 0.0))
    flat, shifted = (render_ecg(h) for h in (heart, heart.replace(plateau_gradient=(0.0, 0.0, 0.05))))
    apart = (shifted.ecg.signal - flat.ecg.signal).astype(float)
    assert np.abs(apart).max() > 0.05
    assert np.abs(np.diff(apart, axis=1)).max() < 0.2 * np.abs(apart).max()
