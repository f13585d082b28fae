"""Every planted fault is named, on its lead or slice alone; a good recording is left in peace."""

import numpy as np
import pytest

from cohort.cine import CineStack, Label, read_nifti
from cohort.ecg import ECG, read_ecg
from cohort.heart_grid import stack_axes
from cohort.quality import (
    Finding,
    arms_swapped,
    ecg_findings,
    heart_rate_bpm,
    mri_findings,
    pacing_spikes,
    quality_flags,
)
from phantom.electrical import render_ecg
from phantom.heart import draw_heart
from tests.corpora.faults import ECG_FAULTS, paced, swapped_arms
from tests.corpora.orientations import acquisition, stored

RATE = 500.0


@pytest.fixture(scope="module")
def phantoms() -> list[ECG]:
    return [render_ecg(draw_heart(6, number)).ecg for number in range(4)]


def codes(findings: list[Finding]) -> list[str]:
    return list(dict.fromkeys(finding.code for finding in findings))


# --- ECG ------------------------------------------------------------------------------------------------------------


def test_good_ecgs_have_no_finding(phantoms):
    assert [ecg_findings(ecg) for ecg in phantoms] == [[]] * len(phantoms)


@pytest.mark.parametrize("code", ECG_FAULTS)
def test_a_planted_fault_is_found_and_nothing_else(phantoms, code):
    """Swapped arms are missed where the heart lies across lead I, and a clipped lead, amplified, may be noisy as well.

    tests/torture/input_quality.py counts.
    """
    planted = [ECG_FAULTS[code](ecg, np.random.default_rng(number)) for number, ecg in enumerate(phantoms)]
    found = [codes(ecg_findings(ecg)) for ecg in planted]
    also = {code, "ecg_lead_noisy"} if code == "ecg_lead_clipped" else {code}
    assert sum(code in said for said in found) >= 3 and set().union(*found) <= also, found


def test_swapping_the_arms_twice_is_no_swap(phantoms):
    assert arms_swapped(swapped_arms(phantoms[0])) and not arms_swapped(swapped_arms(swapped_arms(phantoms[0])))


def test_every_spike_of_a_pacemaker_is_counted_and_none_where_pulses_fall_between_samples(phantoms):
    ecg = paced(phantoms[0], np.random.default_rng(3))
    assert abs(pacing_spikes(ecg) - 10 / 0.9) < 1.2 and pacing_spikes(phantoms[0]) == 0
    assert pacing_spikes(ECG(ecg.signal[:, ::2], RATE / 2)) == 0


def test_the_rate_is_that_of_the_beats():
    beats = np.zeros((12, 5000), np.float32)
    time = np.arange(5000) / RATE
    for moment in np.arange(0.4, 10, 0.75):
        beats += np.exp(-(((time - moment) / 0.015) ** 2)).astype(np.float32)
    assert heart_rate_bpm(ECG(beats, RATE)) == pytest.approx(80, rel=0.01)
    assert np.isnan(heart_rate_bpm(ECG(np.zeros((12, 5000)), RATE)))


def test_flags_are_the_words_of_the_findings(phantoms):
    signal = phantoms[0].signal.copy()
    signal[8] = 0
    ecg = ECG(signal, RATE)
    assert quality_flags(ecg) == ["lead V3 is flat"] == [finding.words for finding in ecg_findings(ecg)]


def test_of_a_long_recording_only_the_part_that_is_used_is_judged(phantoms):
    later, earlier = (np.tile(phantoms[0].signal, 6) for _ in range(2))
    later[8, 20_000:] = 0
    earlier[8, 1_000:4_000] = 0
    assert quality_flags(ECG(later, RATE)) == []
    assert quality_flags(ECG(earlier, RATE)) == ["lead V3 is flat for 6.0 s"]


@pytest.mark.parametrize(("beats", "clipped"), [(1, False), (8, True)])
def test_a_lead_is_clipped_only_where_several_beats_are(beats, clipped):
    time = np.arange(5000) / RATE
    wave = np.exp(-((((time % 1.0) - 0.4) / 0.03) ** 2))
    signal = np.tile(wave, (12, 1)) * np.linspace(1.0, 2.0, 12)[:, None]
    signal[8, : round(beats * RATE)] = np.minimum(3 * wave, 2.0)[: round(beats * RATE)]
    signal[:6] = 0.0  # no limb leads, no rules
    assert ("ecg_lead_clipped" in codes(ecg_findings(ECG(signal, RATE)))) is clipped


@pytest.mark.parametrize(
    ("rows", "sign", "words"),
    [
        ((0, 1, 2, 3, 5, 4), (1, 1, 1, 1, 1, 1), "aVL and aVF look exchanged"),
        ((0, 1, 2, 3, 4, 5), (1, 1, 1, -1, 1, 1), "aVR looks negated"),
        ((1, 0, 2, 3, 4, 5), (1, 1, 1, 1, 1, 1), "I and II look exchanged"),
        ((4, 0, 3, 1, 5, 2), (1, 1, -1, 1, 1, 1), "they look like Cabrera's order aVL, I, -aVR, II, aVF, III"),
    ],
)
def test_limb_leads_that_contradict_one_another_are_told_with_what_mends_them(phantoms, rows, sign, words):
    for ecg in phantoms:
        signal = ecg.signal.copy()
        signal[:6] = signal[list(rows)] * np.array(sign)[:, None]
        (finding,) = [one for one in ecg_findings(ECG(signal, RATE)) if one.code == "ecg_limb_leads"]
        assert finding.words.endswith(words) and finding.words.startswith("lead ")


def test_what_the_reader_took_for_granted_is_a_finding(phantoms):
    note = Finding("ecg_unit", "the file names no unit")
    ecg = ECG(phantoms[0].signal, RATE, notes=(note,))
    assert ecg_findings(ecg) == [note] and quality_flags(ecg) == ["the file names no unit"]


@pytest.mark.real
def test_of_real_ecgs_only_the_flat_leads_are_objected_to(real_files):
    paths = [*real_files.glob("ecg_*/*.xml"), *(real_files / "ecg_wfdb").glob("*.hea")]
    flags = {path.stem: quality_flags(read_ecg(path)) for path in paths if path.stem != "a103l"}
    assert len(flags) >= 15
    assert {stem: found for stem, found in flags.items() if found} == {
        "JS20004": [f"lead {lead} is flat" for lead in ("V2", "V4", "V6")]
    }


# --- MRI ------------------------------------------------------------------------------------------------------------


def heart() -> tuple[tuple[CineStack], tuple[CineStack]]:
    """A beating ellipsoid with all three classes on 7 slices of 10 mm, none of them at an end of the stack."""
    cine, labels = acquisition(0)
    pad = [(0, 0), (0, 0), (2, 2), (0, 0)]
    affine = cine.affine.copy()
    affine[:3, 3] -= 2 * affine[:3, 2]
    voxels = np.pad(labels.voxels, pad)
    voxels[18:22, 16:20, [2, 8]] = Label.LV_CAVITY  # the first and the last slice would show wall alone
    images = np.pad(cine.voxels, pad, mode="edge")
    images = images + 8 * np.arange(images.shape[2], dtype=np.int16)[:, None]  # neighbours are the most alike
    right = towards_the_right(cine)
    voxels[..., 3:8, :][right] = Label.RV_CAVITY
    images[..., 3:8, :][right] = 400
    return (CineStack(images, affine, 0.03),), (CineStack(voxels, affine, 0.03),)


def towards_the_right(stack: CineStack) -> np.ndarray:
    """(x, y) bool: a disc 33 mm from the middle, towards the patient's right."""
    x, y = np.ogrid[: stack.voxels.shape[0], : stack.voxels.shape[1]]
    step = -stack_axes(stack)[0][:, 0] @ (stack.affine[:3, :2] / stack.spacing_mm[:2])
    middle = (np.array(stack.voxels.shape[:2]) - 1) / 2 + 33 * step / stack.spacing_mm[:2]
    return ((x - middle[0]) * stack.spacing_mm[0]) ** 2 + ((y - middle[1]) * stack.spacing_mm[1]) ** 2 < 7**2


def changed(images, maps, voxels=lambda v: v, labels=lambda v: v, affine=lambda a: a):
    (image,), (label,) = images, maps
    place = affine(image.affine.copy())
    return (CineStack(voxels(image.voxels.copy()), place, image.frame_interval_s),), (
        CineStack(labels(label.voxels.copy()), place, label.frame_interval_s),
    )


def stepped(voxels: np.ndarray) -> np.ndarray:
    """Every second slice moved by 8 pixels."""
    return np.concatenate([np.roll(voxels[:, :, [z]], 4 * (-1) ** z, axis=0) for z in range(voxels.shape[2])], axis=2)


def emptied(voxels: np.ndarray, number: int) -> np.ndarray:
    voxels[:, :, number] = 0
    return voxels


def walled(voxels: np.ndarray, *numbers: int) -> np.ndarray:
    """The cavity of some slices filled with wall."""
    part = voxels[:, :, list(numbers)]
    voxels[:, :, list(numbers)] = np.where(part == Label.LV_CAVITY, Label.LV_MYOCARDIUM, part)
    return voxels


def without(voxels: np.ndarray, label: Label) -> np.ndarray:
    return np.where(voxels == label, 0, voxels).astype(np.uint8)


def identity(affine: np.ndarray) -> np.ndarray:
    return np.diag([*np.linalg.norm(affine[:3, :3], axis=0), 1.0])


def itk_identity(affine: np.ndarray) -> np.ndarray:
    return np.diag([-1.0, -1.0, 1.0, 1.0]) @ identity(affine) + 9 * np.eye(4, k=3)


def turned(affine: np.ndarray) -> np.ndarray:
    return np.diag([*np.linalg.norm(affine[:3, :3], axis=0), 1.0])[[2, 0, 1, 3]] + np.eye(4, k=3)


FAULTS = {
    "mri_coverage": [{"voxels": lambda v: v[:, :, 4:], "labels": lambda v: v[:, :, 4:]}],
    "mri_empty_slice": [{"voxels": lambda v: emptied(v, 3)}],
    "mri_label_gap": [{"labels": lambda v: emptied(v, 5)}],
    "mri_labels": [{"labels": lambda v: without(v, Label.RV_CAVITY)}],
    "mri_slice_shift": [{"voxels": stepped, "labels": stepped}],
    "mri_phases": [{"labels": lambda v: np.repeat(v[..., :1], 2, axis=3)}],
    "mri_still": [{"voxels": lambda v: np.repeat(v[..., :1], 2, axis=3)}],
    "mri_orientation": [{"affine": identity}, {"affine": itk_identity}, {"affine": turned}],
    "mri_spacing": [
        {"affine": lambda a: a @ np.diag([1, 1, 1.4, 1])},
        {"affine": lambda a: a @ np.diag([1.3, 1.3, 1, 1])},
    ],
    "mri_few_slices": [{"voxels": lambda v: v[:, :, 2:7], "labels": lambda v: v[:, :, 2:7]}],
}


def tapered() -> tuple[tuple[CineStack], tuple[CineStack]]:
    """A heart whose LV narrows towards the apex, as labels and image show."""
    (cine,), (labels,) = heart()
    x, y = np.ogrid[: cine.voxels.shape[0], : cine.voxels.shape[1]]
    radius = np.hypot(2.0 * (x - 19.5), 2.2 * (y - 17.5))
    towards_apex = float(cine.affine[:3, 2] @ stack_axes(cine)[0][:, 2]) > 0
    for place, number in enumerate(range(2, 9) if towards_apex else range(8, 1, -1)):
        for phase in (0, 1):
            size = 22 - 2 * place - 3 * phase
            drawn = np.select([radius < size, radius < size + 6], [Label.LV_CAVITY, Label.LV_MYOCARDIUM])
            kept = labels.voxels[:, :, number, phase]
            kept[...] = np.where(kept == Label.RV_CAVITY, kept, drawn)
            blood = np.isin(kept, (Label.LV_CAVITY, Label.RV_CAVITY))
            cine.voxels[:, :, number, phase] = np.where(blood, 400, 80) + 8 * number
    return (cine,), (labels,)


def in_order(order: list[int]) -> dict:
    """The slices of a stack of 11 in another order."""
    return {"voxels": lambda v: v[:, :, order], "labels": lambda v: v[:, :, order]}


def half_turned(voxels: np.ndarray) -> np.ndarray:
    return voxels[::-1, ::-1]  # half a turn in the slice: the RV changes sides


EVEN_FIRST, ODD_FIRST = [*range(0, 11, 2), *range(1, 11, 2)], [*range(1, 11, 2), *range(0, 11, 2)]
CONTRADICTIONS = {
    "apex first": ("mri_slice_order", in_order([*range(10, -1, -1)])),
    "even slices first": ("mri_slice_order", in_order(EVEN_FIRST)),
    "odd slices first": ("mri_slice_order", in_order(ODD_FIRST)),
    "halves interleaved": ("mri_slice_order", in_order(np.argsort(EVEN_FIRST).tolist())),
    "turned": ("mri_orientation", {"voxels": half_turned, "labels": half_turned}),
    "labels alone, upside down": ("mri_label_fit", {"labels": lambda v: v[:, :, ::-1]}),
    "labels alone, turned": ("mri_orientation", {"labels": half_turned}),
    "labels of another image": ("mri_label_fit", {"voxels": lambda v: np.roll(v, 17, axis=0)}),
}


def test_labels_that_agree_with_the_affine_and_the_image_are_left_in_peace():
    assert mri_findings(*tapered()) == []


@pytest.mark.parametrize("name", CONTRADICTIONS)
def test_labels_affine_and_image_that_contradict_one_another_are_found(name):
    code, change = CONTRADICTIONS[name]
    assert code in codes(mri_findings(*changed(*tapered(), **change)))


def test_interleaved_slices_are_told_by_labels_and_by_the_image():
    words = [finding.words for finding in mri_findings(*changed(*tapered(), **in_order(EVEN_FIRST)))]
    assert any("grows and shrinks" in said for said in words) and any("are interleaved" in said for said in words)


def test_labels_that_show_no_contrast_do_not_fit():
    noise = np.random.default_rng(0).integers(0, 400, (40, 36, 11, 2))
    grey = changed(*tapered(), voxels=lambda _: noise)
    assert codes(mri_findings(*grey)) == ["mri_label_fit"]


@pytest.mark.parametrize("order", [EVEN_FIRST, ODD_FIRST, np.argsort(EVEN_FIRST).tolist()])
def test_interleaved_slices_are_found_without_labels(order):
    images, _ = changed(*tapered(), **in_order(order))
    assert codes(mri_findings(images, (None,))) == ["mri_slice_order"]


def test_no_heart_is_as_long_as_a_time_axis():
    (cine,), _ = heart()
    long = CineStack(np.repeat(cine.voxels, 2, axis=2), cine.affine, 0.03)
    assert "mri_coverage" in codes(mri_findings((long,), (None,)))


def test_a_good_stack_has_no_finding():
    assert mri_findings(*heart()) == []


@pytest.mark.parametrize("code", FAULTS)
def test_a_fault_of_a_stack_is_found_however_its_axes_are_stored(code):
    for change in FAULTS[code]:
        images, maps = changed(*heart(), **change)
        assert code in codes(mri_findings(images, maps))
        if "affine" not in change:  # without an orientation, another order of the axes is another stack
            order = ((2, 0, 1), (1, -1, 1))
            again = mri_findings((stored(images[0], *order),), (stored(maps[0], *order),))
            assert codes(again) == codes(mri_findings(images, maps))


def test_ed_and_es_in_files_of_their_own_are_seen_as_in_a_cine():
    (cine,), (labels,) = heart()
    split = [tuple(CineStack(s.voxels[..., [t]], s.affine) for t in (0, 1)) for s in (cine, labels)]
    assert mri_findings(*split) == []
    assert codes(mri_findings((split[0][0],) * 2, tuple(split[1]))) == ["mri_still"]
    assert codes(mri_findings(tuple(split[0][::-1]), tuple(split[1][::-1]))) == ["mri_phases"]


def test_a_slice_of_wall_alone_does_not_count_for_coverage():
    """As ukbb_cardiac counts: a slice shows the left ventricle when it shows both its cavity and its wall."""
    wall_alone = changed(*heart(), labels=lambda v: walled(v, 2, 8))
    assert [finding.words for finding in mri_findings(*wall_alone)] == ["the left ventricle is on 5 slices"]


def test_without_labels_the_length_of_the_stack_is_judged():
    (cine,), _ = heart()
    short = CineStack(cine.voxels[:, :, :6], cine.affine, 0.03)
    assert mri_findings((cine,), (None,)) == [] and codes(mri_findings((short,), (None,))) == ["mri_coverage"]


@pytest.mark.parametrize(("frames", "interval_s", "fine"), [(25, 0.033, True), (25, 0.06, False), (9, None, False)])
def test_frames_must_follow_one_another_closely(frames, interval_s, fine):
    (cine,), _ = heart()
    many = CineStack(np.concatenate([cine.voxels] * frames, axis=3)[..., :frames], cine.affine, interval_s)
    assert ("mri_frames" in codes(mri_findings((many,), (None,)))) is not fine


@pytest.mark.real
def test_the_real_cine_is_told_its_wide_slices_and_that_its_labels_reach_the_ends(real_files):
    cine, labels = (read_nifti(real_files / "mri" / f"{name}.nii.gz", name == "seg_sa") for name in ("sa", "seg_sa"))
    found = mri_findings((cine,), (labels,))
    assert [finding.words for finding in found] == [
        "slices 17.7 mm apart",
        "the left ventricle reaches the end of the stack",
    ]
