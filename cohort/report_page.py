"""The data doctor's page: one HTML file, nothing loaded from outside, findings first."""

import contextlib
import io
import math
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw
from tqdm import tqdm

from cohort.disk import write_text
from cohort.doubtful_pairs import read_pairs
from cohort.ecg import LEADS, read_ecg
from cohort.errors import InputError
from cohort.examination import POOR_MEANS, CohortReport, Examined
from cohort.exclusion import OTHER, REASONS
from cohort.heart_grid import read_heart
from cohort.intensity import as_grey_levels
from cohort.page_template import embedded, filled
from cohort.prepared import in_processes
from cohort.preprocessing import ecg_input
from cohort.subjects import Subject

STRIP_LEADS = ("I", "II", "V2")
STRIP_S, PIXELS_PER_S, PIXELS_PER_MV, STRIP_HEIGHT = 5, 75, 18, 44
MOST_MV, ABOVE, BELOW = 6.0, 10, 4  # drawn; pixels kept free over a lead, for its name, and under it
MEANINGS = {
    "visit_no_ecg": "No ECG of this visit: the MRI cannot be used.",
    "visit_no_mri": "No short-axis MRI of this visit. Where phenotypes are known, the ECG alone can train the ceiling.",
    "visit_half_mri": "Only one of ED and ES is there.",
    "ecg_lead_absent": "A lead was not recorded.",
    "ecg_lead_flat": "A lead is flat, throughout (it is masked then) or for more than a second: an electrode was off.",
    "ecg_lead_clipped": "A lead stays at its extreme: the amplifier was saturated, amplitudes are lost.",
    "ecg_lead_noisy": "More than 0.05 mV above 35 Hz: muscle, mains or a poor contact.",
    "ecg_limb_leads": "III, aVR, aVL or aVF does not follow from I and II: exchanged, negated, or of another moment.",
    "ecg_arms_swapped": "P and QRS of lead I point away from those of V6: arm electrodes swapped, or dextrocardia.",
    "ecg_paced": "Spikes like a pacemaker's: the QRS says how the heart is paced, not how it is built.",
    "ecg_short": "Less than ten seconds: the rest is zeros to the network.",
    "ecg_long": "More than ten seconds: only the first ten are used.",
    "ecg_rate": "The file names no sampling rate, and the format's own was taken: times may be wrong.",
    "ecg_gain": "The file names no gain, and the format's own was taken: amplitudes may be wrong.",
    "ecg_unit": "The file names no unit: amplitudes may be wrong.",
    "ecg_departure": "The file departs from its format's rules, and was read all the same.",
    "ecg_calibration": "A calibration pulse stood in the recording, and was cut off.",
    "ecg_age": "The file tells an age that is not used.",
    "ecg_copy": "The same recording under two people's names.",
    "mri_few_slices": "Fewer than 6 slices.",
    "mri_coverage": "Base or apex may lie outside the stack: volumes come out too small.",
    "mri_spacing": "Slices or pixels wider than usual: thin walls are lost.",
    "mri_frames": "Frames too far apart in time to catch end-systole.",
    "mri_orientation": "No orientation, or not that of a short axis: the heart may be turned.",
    "mri_empty_slice": "A slice holds nothing.",
    "mri_still": "ED and ES are the same image.",
    "mri_labels": "The label map lacks a class.",
    "mri_label_gap": "A slice within the ventricle is not labelled.",
    "mri_slice_order": "Slices seem to lie in another order than the file says.",
    "mri_label_fit": "The label map may be turned over against the image.",
    "mri_slice_shift": "Slices were taken at different breath-holds: the heart is broken into steps.",
    "mri_phases": "The ventricle does not get smaller: ED and ES may be swapped.",
    "mri_long_axis": "The long-axis MRI cannot be read, or a view has no certain name. Training leaves it out.",
    "table_sex": "persons.csv and the ECG file tell another sex: whose row is it?",
    "table_age": "persons.csv and the ECG file tell another age.",
    "table_height": "persons.csv and the ECG file tell another height.",
    "table_weight": "Another weight in persons.csv than in the ECG file, or one that does not go with the height.",
    "table_implausible": "A phenotype that no heart has. It is left out.",
    "table_contradiction": "Phenotypes of one row of which one must be wrong.",
    "mri_manifest": "Files that the download's own list names are not there: it may be incomplete.",
    "mri_copy": "The same images under two people's names.",
}
FACTS_IN_WORDS = {
    "ecg_hz": "ECG of {} Hz",
    "ecg_s": "{} s long",
    "heart_rate_bpm": "{} beats a minute",
    "ecg_noise_uv": "noise {} µV",
    "slices": "slices: {}",
    "frames": "frames: {}",
    "pixel_mm": "pixels of {} mm",
    "slice_step_mm": "slices {} mm apart",
    "frame_ms": "frames {} ms apart",
    "acdc_numbers": "label map numbered as ACDC's: {}",
}
YES_OR_NO = ("acdc_numbers",)
PARTS = {"ecg": "ECG", "mri": "MRI"}
TEMPLATE = Path(__file__).with_name("report_page.html")


def write_page(path: Path, found: CohortReport, pictures: int, quiet: bool = True) -> None:
    """Write the page, whole or not at all.

    Args:
        pictures: subjects shown with pictures: those left out first, then the poor, then the others, as far as it goes.
    """
    pairs = read_pairs(path.parent)
    order = sorted(found.subjects, key=lambda examined: (not examined.findings, examined.usable))  # stable: by eid
    shown = order[:pictures]
    drawn = in_processes(draw, [examined.subject for examined in shown])
    bar = tqdm(drawn, total=len(shown), desc="drawing", unit="subject", disable=quiet or not shown)
    content = {
        "found": found,
        "rows": _findings(found),
        "articles": [_article(examined, *images) for examined, images in zip(shown, bar, strict=True)],
        "pairs": pairs,
        "rest": [
            (examined.name, "; ".join(finding.words for finding in examined.findings))
            for examined in order[pictures:]
            if examined.findings
        ],
    }
    write_text(path, filled(TEMPLATE, **content))


def _findings(found: CohortReport) -> list[tuple[object, str, str]]:
    """How many subjects, which finding, what it means."""
    rows = [(len(who), called(code), meaning_of(code)) for code, who in found.by_code.items()]
    rows += [("", "passed over", line) for line in found.passed]
    rows += [(1, "table", fault) for fault in found.faults]
    return rows + [(1, "note", note) for note in found.notes]


def called(code: str) -> str:
    """A finding's code as a person writes it: "ECG: lead flat" of ecg_lead_flat."""
    part, _, rest = code.partition("_")
    return f"{PARTS.get(part, part)}: {rest.replace('_', ' ').replace('ecg', 'ECG').replace('mri', 'MRI')}"


def meaning_of(code: str) -> str:
    """What a finding of that code means, in a sentence."""
    part, _, reason = code.partition("_")
    return MEANINGS.get(code) or f"The {PARTS.get(part, part)} is left out. {REASONS.get(reason, OTHER)}"


def _fact(name: str, value: float) -> str:
    return FACTS_IN_WORDS[name].format(("no", "yes")[bool(value)] if name in YES_OR_NO else f"{value:g}")


def _article(examined: Examined, strip: bytes, heart: bytes) -> dict:
    """One subject for the template; strip and heart are PNG, empty where there is none."""
    named = ((f"leads {', '.join(STRIP_LEADS)}", strip), ("middle slice, ED and ES", heart))
    words = [finding.words for finding in examined.findings]
    kind, state = ("bad", "left out") if not examined.usable else ("poor", f"poor: {POOR_MEANS}") if words else ("", "")
    return {
        "name": examined.name,
        "kind": kind,
        "state": state,
        "pictures": [(alt, embedded(png)) for alt, png in named if png],
        "words": words,
        "facts": ", ".join(_fact(*fact) for fact in examined.facts.items()),
    }


def draw(subject: Subject) -> tuple[bytes, bytes]:
    """PNG of the ECG strip and of the middle slice; empty bytes for what is not there or cannot be read."""
    strip = heart = b""
    with contextlib.suppress(InputError):  # the findings say why
        strip = draw_strip(read_ecg(subject.ecg)) if subject.ecg else b""
    with contextlib.suppress(InputError):
        heart = draw_heart(read_heart(subject)) if subject.has_mri else b""
    return strip, heart


def draw_strip(ecg) -> bytes:
    """PNG of STRIP_S seconds of STRIP_LEADS under one another, without baseline wander, a line a second.

    A lead has room for all of its waves, up to MOST_MV.
    """
    signal, _ = ecg_input(ecg, 4 * PIXELS_PER_S, STRIP_S)
    width, middle = STRIP_S * PIXELS_PER_S, 0.6 * STRIP_HEIGHT
    rows, top = [], 0.0
    for lead in STRIP_LEADS:
        heights = PIXELS_PER_MV * signal[LEADS.index(lead)].astype(float).clip(-MOST_MV, MOST_MV)
        zero = max(middle, heights.max() + ABOVE)
        rows.append((lead, top, top + zero - heights))
        top += zero + max(STRIP_HEIGHT - middle, BELOW - heights.min())
    image = Image.new("L", (width, math.ceil(top)), 255)
    draw = ImageDraw.Draw(image)
    for second in range(STRIP_S):
        draw.line([(second * PIXELS_PER_S, 0), (second * PIXELS_PER_S, image.height)], fill=215)
    for lead, begins, heights in rows:
        draw.line([(x / 4, y) for x, y in enumerate(heights)], fill=0)
        draw.text((2, begins), lead, fill=110)
    return _png(image)


def draw_heart(grid) -> bytes:
    """PNG of ED and ES side by side: the slice of the largest left ventricle, else the middle one acquired."""
    if grid.labels is not None:
        chosen = int(np.argmax((grid.labels[:, 0] > 0).sum(axis=(1, 2))))
    else:
        chosen = int(np.median(np.flatnonzero(grid.mask[:, 0]))) if grid.mask[:, 0].any() else 0
    pixels = np.concatenate(list(grid.voxels[chosen]), axis=1)
    return _png(Image.fromarray(as_grey_levels(pixels)))


def _png(image) -> bytes:
    content = io.BytesIO()
    image.save(content, format="PNG", optimize=True)
    return content.getvalue()
