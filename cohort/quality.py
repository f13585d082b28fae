"""What a careful eye would object to in a recording that can be read: findings with a code for counts and filters.

Thresholds are published ones where there are any. The others lie beyond every recording looked at: 16 real ECGs of
five sources and 400 phantoms.

On 26 November 2026 five faults were planted in 300 other phantoms (tests/torture/input_quality.py). Flat and noisy
leads and pacemakers were seen in 100 %, clipped leads in 98 %, swapped arms in 91 %. Without a planted fault, none of
the 300 has a finding. Of the 16 real ECGs, the same faults (flat, clipped, noisy, paced, swapped) were seen in 16, 14,
16, 15 (the last one has 100 Hz) and 13. Without a planted fault, only one of them has findings: its three flat leads.
"""

import itertools

import numpy as np
import scipy  # its parts load when first used: --help need not wait for them

from cohort.cine import CineStack, Label
from cohort.finding import Finding
from cohort.heart_grid import TOWARDS_APEX, Stacks, labelled_phases, stack_axes
from cohort.label_quality import FEWEST_PIXELS, FEWEST_SLICES, MOST_UNEVEN, LabelQuality, unevenness
from cohort.labelled_orientation import ORIENTED, USUAL_RV_DEG
from cohort.leads import ECG, LEADS
from cohort.limb_leads import contradictions, likely_exchange, rule_words
from cohort.phases import PHASES
from cohort.preprocessing import ecg_input

# --- ECG ------------------------------------------------------------------------------------------------------------

# Flat, clipped and noisy leads made ECGs unusable in the PhysioNet/CinC Challenge 2011 (Silva et al., Comput Cardiol
# 38:273; Langley et al., ibid. 38:281).

FLAT_FOR_S = 1.0  # the longest constant run seen is 0.17 s
CLIPPED_FOR_S = 0.02  # the longest run at an extreme seen is 6 ms (10 ms, one sample, at 100 Hz)
CLIPPED_BEYOND_MV = 0.5  # a lower plateau may be a rounded T wave
CLIPPED_BEATS = 3  # of the five and more in 10 s: a single blunt wave is an artefact or an ectopic beat
BEAT_S = 0.25  # two plateaus that begin this close are of one beat
NOISE_MV = 0.05  # robust standard deviation above 35 Hz; the largest seen is 0.036, of phantoms 0.049
# By AAMI EC11 and IEC 60601-2-25 a pacemaker's pulse lasts 0.5 to 2 ms and has 2 mV or more. Half of all pulses are
# smaller (Ricke et al., J Electrocardiol 2012). A recorder of 150 Hz makes 0.25 mV of 2 mV x 0.5 ms.
SPIKE_MV = 0.15  # the fifth largest of an unpaced ECG is 0.084 at most
SPIKE_OVER_NOISE = 8.0
SPIKE_HALF_WIDTH_S = 0.006  # no wave of a heart is narrower than twice this
SPIKE_QUIET_S = 0.04  # before a spike nothing moves by as much as the spike; before an R peak, something does
FEWEST_SPIKES_HZ = 0.5
SLOWEST_PACED_HZ = 400.0  # of sampling; slower, a pulse falls between the samples
# Arms swapped: P and QRS negative in I and opposite to those of V6 (Batchvarov et al., Europace 2007;9:1081).
OPPOSITE = -0.5  # correlation of I and V6 over QRS and T; 99 % of phantoms have at least 0.54
BEAT_HZ = 250
BEFORE_S, AFTER_S = 0.30, 0.45  # of a beat about its R peak
P_WAVE_S, QRS_T_S = (-0.24, -0.08), (-0.06, 0.40)


def quality_flags(ecg: ECG, used_s: float = 10.0) -> list[str]:
    """What is wrong with the signal, one sentence each, lead by lead. Empty when nothing is wrong."""
    return [finding.words for finding in ecg_findings(ecg, used_s)]


def ecg_findings(ecg: ECG, used_s: float = 10.0) -> list[Finding]:
    """Leads that are absent, flat, clipped or noisy, then what is wrong with the whole ECG, then the file's notes.

    Only the first `used_s` seconds are looked at, as only they are used.
    """
    ecg = ecg.first(used_s)
    findings = []
    noise = noise_mv(ecg)
    for lead, values, absent, flat, lead_noise in zip(LEADS, ecg.signal, ecg.absent, ecg.flat, noise, strict=True):
        if absent:
            findings.append(Finding("ecg_lead_absent", f"lead {lead} is absent"))
        elif flat:
            findings.append(Finding("ecg_lead_flat", f"lead {lead} is flat"))
        else:
            if (flat_s := _longest_run(np.diff(values) == 0) / ecg.sampling_rate) > FLAT_FOR_S:
                findings.append(Finding("ecg_lead_flat", f"lead {lead} is flat for {flat_s:.1f} s"))
            if _is_clipped(values, ecg.sampling_rate):
                findings.append(Finding("ecg_lead_clipped", f"lead {lead} is clipped"))
            if lead_noise > NOISE_MV:
                findings.append(Finding("ecg_lead_noisy", f"lead {lead} is noisy"))
    if (wrong := contradictions(limb := ecg.signal[:6])) and not ecg.flat[:2].any():
        exchange = likely_exchange(limb)
        findings.append(Finding("ecg_limb_leads", f"{rule_words(wrong)}{exchange and f': {exchange}'}"))
    if arms_swapped(ecg):
        findings.append(Finding("ecg_arms_swapped", "lead I is upside down: the arm electrodes may be swapped"))
    if (spikes := pacing_spikes(ecg)) >= FEWEST_SPIKES_HZ * duration_s(ecg):
        findings.append(Finding("ecg_paced", f"{spikes} spikes like a pacemaker's"))
    return [*findings, *ecg.notes]


def duration_s(ecg: ECG) -> float:
    """Seconds of an ECG."""
    return ecg.signal.shape[1] / ecg.sampling_rate


def noise_mv(ecg: ECG) -> np.ndarray:
    """(12,) mV: 1.4826 x the median magnitude above 35 Hz, which QRS complexes are too brief to sway."""
    highpass = scipy.signal.butter(4, 35, "highpass", fs=ecg.sampling_rate, output="sos")
    return 1.4826 * np.median(np.abs(scipy.signal.sosfiltfilt(highpass, np.nan_to_num(ecg.signal), axis=1)), axis=1)


def heart_rate_bpm(ecg: ECG) -> float:
    """Beats per minute from the median interval of R peaks; NaN with fewer than three R peaks."""
    signal, lead_mask = ecg_input(ecg, BEAT_HZ)
    peaks = r_peaks(signal, lead_mask)
    return 60 * BEAT_HZ / float(np.median(np.diff(peaks))) if len(peaks) > 2 else float("nan")


def arms_swapped(ecg: ECG) -> bool:
    """Whether lead I shows the heart from the right, as it does when the arm electrodes are swapped.

    Then, on the median beat, its P wave points down and its QRS-T runs opposite to that of V6, which no arm electrode
    turns over. In atrial fibrillation there is no P wave, and half of the swaps are missed. Dextrocardia looks the
    same.
    """
    signal, lead_mask = ecg_input(ecg, BEAT_HZ)
    one, v6 = LEADS.index("I"), LEADS.index("V6")
    before, after = round(BEFORE_S * BEAT_HZ), round(AFTER_S * BEAT_HZ)
    peaks = [peak for peak in r_peaks(signal, lead_mask) if before <= peak <= signal.shape[1] - after]
    if len(peaks) < 3 or not lead_mask[[one, v6]].all():
        return False
    beat = np.median([signal[:, peak - before : peak + after] for peak in peaks], axis=0)

    def part(lead: int, span_s: tuple[float, float]) -> np.ndarray:
        first, last = (before + round(end * BEAT_HZ) for end in span_s)
        return beat[lead, first:last]

    rest = np.median(beat[one, : before + round(P_WAVE_S[1] * BEAT_HZ)])
    p_wave = part(one, P_WAVE_S) - rest
    return bool(p_wave.max() + p_wave.min() < 0 and np.corrcoef(part(one, QRS_T_S), part(v6, QRS_T_S))[0, 1] < OPPOSITE)


def pacing_spikes(ecg: ECG) -> int:
    """How many times two leads at once hold a spike narrower than any wave of a heart; 0 below SLOWEST_PACED_HZ."""
    if ecg.sampling_rate < SLOWEST_PACED_HZ:
        return 0
    signal = np.nan_to_num(ecg.signal)
    smooth = scipy.ndimage.median_filter(
        signal, size=(1, 2 * round(SPIKE_HALF_WIDTH_S * ecg.sampling_rate) + 1), mode="nearest"
    )
    window = round(SPIKE_QUIET_S * ecg.sampling_rate) | 1
    past = {"size": window, "axis": 1, "origin": window // 2}  # a window that ends at its sample
    moved = scipy.ndimage.maximum_filter1d(smooth, **past) + scipy.ndimage.maximum_filter1d(-smooth, **past)
    height = np.abs(signal - smooth)
    height[height < np.maximum(moved, SPIKE_OVER_NOISE * noise_mv(ecg)[:, None])] = 0
    second = np.sort(height, axis=0)[-2]
    return len(scipy.signal.find_peaks(second, height=SPIKE_MV, distance=max(1, round(0.1 * ecg.sampling_rate)))[0])


def _is_clipped(values: np.ndarray, sampling_rate: float) -> bool:
    """Whether several beats, and not just one, are cut off at one and the same value."""
    shortest = max(4, CLIPPED_FOR_S * sampling_rate)
    middle = np.median(values)
    return any(
        abs(extreme - middle) > CLIPPED_BEYOND_MV
        and _beats_with_run(values == extreme, shortest, BEAT_S * sampling_rate) >= CLIPPED_BEATS
        for extreme in (values.min(), values.max())
    )


def _beats_with_run(truth: np.ndarray, shortest: float, apart: float) -> int:
    """How many runs of True are that long and begin that far from one another, in samples."""
    first, lengths = _runs(truth)
    first = first[lengths >= shortest]
    return len(first) and 1 + int((np.diff(first) >= apart).sum())


def _longest_run(truth: np.ndarray) -> int:
    """The length of the longest run of True in a (T,) bool array."""
    return int(_runs(truth)[1].max(initial=0))


def _runs(truth: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Where each run of True begins, and how long it is."""
    edges = np.flatnonzero(np.diff(np.concatenate(([False], truth, [False]))))
    return edges[::2], edges[1::2] - edges[::2]


def r_peaks(signal: np.ndarray, lead_mask: np.ndarray) -> np.ndarray:
    """Samples of the R peaks of (12, T) mV at BEAT_HZ: peaks of the energy of 8 to 25 Hz over all leads."""
    if not lead_mask.any():
        return np.empty(0, int)
    bandpass = scipy.signal.butter(3, [8, 25], "bandpass", fs=BEAT_HZ, output="sos")
    energy = np.sqrt(np.square(scipy.signal.sosfiltfilt(bandpass, signal[lead_mask], axis=1)).sum(axis=0))
    energy = np.convolve(energy, np.full(15, 1 / 15), "same")  # 60 ms: one peak a QRS
    return scipy.signal.find_peaks(energy, height=0.35 * np.percentile(energy, 98), distance=round(0.3 * BEAT_HZ))[0]


# --- MRI ------------------------------------------------------------------------------------------------------------

# Protocols ask for slices of 6 to 8 mm every 10 mm and for frames of 45 ms or less (Kramer et al., J Cardiovasc Magn
# Reson 2020;22:17). Of UK Biobank's stacks, 14 % lack coverage and 16 % have shifted
# slices (Tarroni et al., Sci Rep 2020;10:2408). Labels: cohort.label_quality.

WIDEST_STEP_MM = 12.0
WIDEST_PIXEL_MM = 2.5
LONGEST_FRAME_S = 0.050
FEWEST_FRAMES = 15  # of a cine whose frame interval is unknown: 45 ms at 90 bpm
SHORTEST_STACK_MM = 70.0  # an adult's left ventricle is 80 to 100 mm long
LONGEST_STACK_MM = 180.0
FARTHEST_SHIFT_MM = 3.4  # mean distance of the slices' LV centres from a straight line
FARTHEST_TURN_DEG = 45.0  # of the slices' normal from the usual long axis; phantoms go to 36, the real one is at 7
# Seen in 64 phantoms and a real heart, each as it is and spoiled:
APEX_WIDER = 1.25  # LV area of the last third of the slices over the first third: 0.6 at most
FARTHEST_RV_DEG = 70.0  # of the RV from USUAL_RV_DEG: 35 at most
LOOKED_AT = 5  # every fifth pixel tells as much
BETTER_ORDER = 0.9  # way from slice to slice in another order over that in the file's: 1.25 or more
WORST_CONTRAST = 0.5  # of labelled blood and wall, in SDs: 1.6 or more
BETTER_FIT = 1.3  # the same of a turned over label map, over that of the map: 0.84 at most


def mri_findings(images: Stacks, maps: tuple[CineStack | None, ...]) -> list[Finding]:
    """What is wrong with a stack as stored.

    Args:
        images: (ED, ES) or (cine,).
        maps: the label map of each, or None.
    """
    findings = [*_geometry_findings(images[0]), *_image_findings(images), *_unlabelled_findings(images[0], maps)]
    if any(labels is None for labels in maps):
        return findings
    (ed, es), images_ed = _phases(maps), _image_at_ed(images, maps)
    through = maps[0].slice_axis
    ed, es, image = (np.moveaxis(volume, through, 0) for volume in (ed, es, images_ed))
    return [*findings, *_label_findings(maps[0], ed, es), *_place_findings(maps[0], ed, image)]


def header_findings(images: Stacks, maps: tuple[CineStack | None, ...]) -> list[Finding]:
    """Those of `mri_findings` that headers show. Arguments as there; the voxels do not count."""
    return [*_geometry_findings(images[0]), *_unlabelled_findings(images[0], maps)]


def _unlabelled_findings(stack: CineStack, maps: tuple[CineStack | None, ...]) -> list[Finding]:
    """What an affine leaves open, and whether a stack without label maps is long enough."""
    findings = []
    if not stack.states_orientation:
        findings.append(Finding("mri_orientation", ORIENTED if maps[0] else "the file states no orientation"))
    extent = slice_count(stack) * stack.slice_step_mm
    if any(labels is None for labels in maps) and extent < SHORTEST_STACK_MM:
        findings.append(Finding("mri_coverage", f"the stack is {extent:.0f} mm long: base or apex is outside"))
    return findings


def slice_count(stack: CineStack) -> int:
    """The number of slices of a stack, whichever its axes."""
    return stack.voxels.shape[stack.slice_axis]


def _geometry_findings(stack: CineStack) -> list[Finding]:
    findings = []
    if slice_count(stack) < FEWEST_SLICES:
        findings.append(Finding("mri_few_slices", f"{slice_count(stack)} slices"))
    if stack.slice_step_mm > WIDEST_STEP_MM:
        findings.append(Finding("mri_spacing", f"slices {stack.slice_step_mm:.1f} mm apart"))
    if stack.pixel_mm > WIDEST_PIXEL_MM:
        findings.append(Finding("mri_spacing", f"pixels of {stack.pixel_mm:.1f} mm"))
    frames, interval = stack.voxels.shape[3], stack.frame_interval_s
    if frames > 2 and interval is not None and interval > LONGEST_FRAME_S:
        findings.append(Finding("mri_frames", f"frames {1000 * interval:.0f} ms apart"))
    elif frames > 2 and interval is None and frames < FEWEST_FRAMES:
        findings.append(Finding("mri_frames", f"{frames} frames"))
    extent = slice_count(stack) * stack.slice_step_mm
    if extent > LONGEST_STACK_MM:
        findings.append(Finding("mri_coverage", f"the stack is {extent:.0f} mm long, as no heart is"))
    if not stack.states_orientation:
        return findings
    first, second = (stack.affine[:3, axis] for axis in stack.in_plane_axes)
    normal = np.cross(first, second)
    towards_apex = abs(normal @ TOWARDS_APEX) / np.linalg.norm(normal) / np.linalg.norm(TOWARDS_APEX)
    turned = np.degrees(np.arccos(min(1.0, towards_apex)))
    if turned > FARTHEST_TURN_DEG:
        findings.append(Finding("mri_orientation", f"slices turned by {turned:.0f} degrees from the usual short axis"))
    return findings


def _image_findings(images: Stacks) -> list[Finding]:
    findings = []
    for name, stack in zip(PHASES if len(images) == 2 else ("cine",), images, strict=True):
        empty = np.argwhere(np.ptp(stack.voxels, axis=images[0].in_plane_axes) == 0)  # slice, frame
        if len(empty):
            findings.append(
                Finding("mri_empty_slice", f"{len(empty)} empty slices, the first slice {empty[0][0] + 1} of {name}")
            )
    first, last = images[0].voxels[..., 0], images[-1].voxels[..., images[-1].voxels.shape[3] // 2]
    if len(images) == 2:
        last = images[1].voxels[..., 0]
    if _is_out_of_order(np.moveaxis(first, images[0].slice_axis, 0)):
        findings.append(
            Finding("mri_slice_order", "slices that are not neighbours are more alike: they are interleaved")
        )
    if (len(images) == 2 or images[0].voxels.shape[3] > 1) and np.array_equal(first, last):
        findings.append(Finding("mri_still", "ED and ES are one and the same image"))
    return findings


def _is_out_of_order(slices: np.ndarray) -> bool:
    """Whether undoing an interleaving of (slices, ., .) makes the way from slice to slice clearly shorter."""
    count = len(slices)
    if count < FEWEST_SLICES:
        return False
    pixels = slices.reshape(count, -1)[:, ::LOOKED_AT].astype(np.float32)
    apart = np.abs(pixels[:, None] - pixels).mean(axis=2)

    def way(order: np.ndarray) -> float:
        return float(apart[order[:-1], order[1:]].sum())

    every_second = np.r_[0:count:2, 1:count:2]
    others = (every_second, np.argsort(every_second), np.argsort(np.r_[1:count:2, 0:count:2]))
    return min(map(way, others)) < BETTER_ORDER * way(np.arange(count))


def _phases(maps: tuple[CineStack, ...]) -> tuple[np.ndarray, np.ndarray]:
    """(x, y, z) labels at ED and at ES."""
    if len(maps) == 2:
        return maps[0].voxels[..., 0], maps[1].voxels[..., 0]
    ed, es = labelled_phases(maps[0].voxels)
    return maps[0].voxels[..., ed], maps[0].voxels[..., es]


def _image_at_ed(images: Stacks, maps: tuple[CineStack, ...]) -> np.ndarray:
    """(x, y, z) intensity at ED."""
    return images[0].voxels[..., 0 if len(maps) == 2 else labelled_phases(maps[0].voxels)[0]]


def _label_findings(stack: CineStack, ed: np.ndarray, es: np.ndarray) -> list[Finding]:
    """What is wrong with label maps (slice, ., .) at ED and ES, which come from `stack`."""
    quality = LabelQuality(ed)
    if quality.small:
        absent = ", no ".join(label.name for label in quality.small)
        return [Finding("mri_labels", f"the label map at ED has no {absent}".replace("_", " ").lower())]
    findings = []
    ventricle = np.isin(ed, (Label.LV_CAVITY, Label.LV_MYOCARDIUM))
    held = np.flatnonzero(ventricle.sum(axis=(1, 2)) >= FEWEST_PIXELS)
    if quality.shown.sum() < FEWEST_SLICES:
        findings.append(Finding("mri_coverage", f"the left ventricle is on {quality.shown.sum()} slices"))
    elif held[0] == 0 or held[-1] == len(ed) - 1:
        findings.append(Finding("mri_coverage", "the left ventricle reaches the end of the stack"))
    if quality.gaps:
        findings.append(Finding("mri_label_gap", "a slice between labelled slices lacks the LV's cavity or its wall"))
    if (shift := _mean_shift_mm(stack, ventricle, held)) > FARTHEST_SHIFT_MM:
        findings.append(Finding("mri_slice_shift", f"slices are shifted against one another by {shift:.1f} mm"))
    if (es == Label.LV_CAVITY).sum() >= (ed == Label.LV_CAVITY).sum():
        findings.append(Finding("mri_phases", "the left ventricle is no smaller at ES than at ED"))
    return findings


def _place_findings(stack: CineStack, ed: np.ndarray, image: np.ndarray) -> list[Finding]:
    """Where labels (slice, ., .) at ED contradict the affine, the order of the slices, or the image (slice, ., .)."""
    findings = []
    ventricle = np.isin(ed, (Label.LV_CAVITY, Label.LV_MYOCARDIUM)).sum(axis=(1, 2))
    if not ventricle.any():
        return findings
    if unevenness(ventricle) > MOST_UNEVEN:
        findings.append(Finding("mri_slice_order", "the left ventricle grows and shrinks from slice to slice"))
    elif stack.states_orientation:
        findings += _contradictions(stack, ed, ventricle)
    fit = _blood_and_wall(image, ed)
    others = (ed[::z, ::y, ::x] for z, y, x in itertools.product((1, -1), repeat=3) if (z, y, x) != (1, 1, 1))
    if fit < WORST_CONTRAST or max(_blood_and_wall(image, other) for other in others) > BETTER_FIT * fit:
        findings.append(Finding("mri_label_fit", "the label map does not fit the image: it may be turned over"))
    return findings


def _contradictions(stack: CineStack, ed: np.ndarray, ventricle: np.ndarray) -> list[Finding]:
    """Base, apex and the RV's side by the labels, where the affine says otherwise."""
    findings = []
    axes, guesses = stack_axes(stack)
    areas = ventricle[ventricle > 0]
    third = max(1, len(areas) // 3)
    first, last = areas[:third].mean(), areas[-third:].mean()
    towards_apex = float(stack.affine[:3, stack.slice_axis] @ axes[:, 2])
    apex_over_base = last / first if towards_apex > 0 else first / last
    if not guesses and apex_over_base > APEX_WIDER:
        findings.append(Finding("mri_slice_order", "by the labels, the apex is where the affine has the base"))
    to_rv = _centre_mm(stack, ed == Label.RV_CAVITY) - _centre_mm(stack, ed == Label.LV_CAVITY)
    leftwards, backwards = to_rv @ axes[:, 0], to_rv @ axes[:, 1]
    turned = (np.degrees(np.arctan2(-backwards, -leftwards)) - USUAL_RV_DEG + 180) % 360 - 180
    if abs(turned) > FARTHEST_RV_DEG:  # False for NaN
        words = f"by the labels, the right ventricle lies {abs(turned):.0f} degrees from its usual side of the left one"
        findings.append(Finding("mri_orientation", words))
    return findings


def _centre_mm(stack: CineStack, region: np.ndarray) -> np.ndarray:
    """(3,) centre in RAS mm of a region (slice, ., .) of a stack; NaN where it is empty."""
    if not region.any():
        return np.full(3, np.nan)
    index = np.argwhere(np.moveaxis(region, 0, stack.slice_axis)).mean(axis=0)
    return stack.affine[:3, :3] @ index + stack.affine[:3, 3]


def _blood_and_wall(image: np.ndarray, labels: np.ndarray) -> float:
    """By how many SDs labelled blood and wall differ in an image (slice, ., .): the median over the slices."""
    differences = []
    for pixels, classes in zip(image, labels, strict=True):
        wall, blood = classes == Label.LV_MYOCARDIUM, (classes == Label.LV_CAVITY) | (classes == Label.RV_CAVITY)
        if min(wall.sum(), blood.sum()) >= FEWEST_PIXELS:
            spread = pixels[wall | blood].std()
            differences.append((pixels[blood].mean() - pixels[wall].mean()) / spread if spread else 0)
    return abs(float(np.median(differences))) if differences else 0.0


def _mean_shift_mm(stack: CineStack, ventricle: np.ndarray, held: np.ndarray) -> float:
    """Mean distance, within the slice, of each slice's LV centre from the straight line through them all."""
    if len(held) < 3:
        return 0.0
    pixel_mm = stack.spacing_mm[list(stack.in_plane_axes)]
    centres = np.array([np.argwhere(ventricle[number]).mean(axis=0) for number in held]) * pixel_mm
    line = np.stack([np.polyval(np.polyfit(held, along, 1), held) for along in centres.T], axis=1)
    return float(np.linalg.norm(centres - line, axis=1).mean())
