"""A sheet to look at: simulated people one below the other, their heart at ED and ES and their median beat."""

from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from cohort.disk import whole_file
from cohort.leads import LEADS
from phantom.beating import geometry_at
from phantom.electrical import render_ecg
from phantom.heart import Heart
from phantom.scanner import Scan, scan

SIDE = 110  # pixels of a picture: 198 mm
PICTURES = 5  # of each phase, from base to apex
BEAT_WIDTH, MV_HEIGHT = 560, 18  # of the twelve leads, in COLUMNS columns
COLUMNS = 4  # as on paper: limb leads, augmented leads, V1-V3, V4-V6
MARGIN, GAP = 16, 12
BRIGHTEST = 99.5  # percent of the pixels that are darker than white


def write_preview(path: Path, hearts: list[Heart]) -> None:
    """Write a PNG with a row for each heart: short-axis slices at ED and at ES, and the median beat in all leads."""
    rows = [_row(heart) for heart in hearts]
    sheet = Image.fromarray(np.concatenate(rows))
    draw = ImageDraw.Draw(sheet)
    for k, heart in enumerate(hearts):
        draw.text((4, k * (SIDE + MARGIN) + 2), _caption(heart), fill=255)
    with whole_file(path) as unfinished:
        sheet.save(unfinished, "PNG")


def _caption(heart: Heart) -> str:
    person = f"{heart.sex}, {heart.age_years:.0f} years, {heart.heart_rate_bpm:.0f} beats a minute"
    volumes = f"LVEDV {heart.lvedv_ml:.0f} mL, EF {heart.lvef_percent:.0f} %, LV mass {heart.lv_mass_g:.0f} g"
    return f"{heart.condition}; {person}; {volumes}; ED left, ES right"


def _row(heart: Heart) -> np.ndarray:
    """(SIDE + MARGIN, width) uint8."""
    image = scan(heart)
    window = _window(heart, image)
    shown = np.linspace(0, image.voxels.shape[2] - 1, PICTURES).round().astype(int)
    white = np.percentile(image.voxels, BRIGHTEST)
    slices = [image.voxels[*window, k, t].T for t in (0, 1) for k in shown]
    pictures = np.concatenate([np.pad(s, [(0, SIDE - s.shape[0]), (0, SIDE - s.shape[1])]) for s in slices], axis=1)
    grey = np.clip(pictures * (255 / white), 0, 255).astype(np.uint8)
    caption = np.zeros((MARGIN, grey.shape[1] + BEAT_WIDTH), np.uint8)
    return np.concatenate([caption, np.concatenate([grey, _beat(heart)], axis=1)])


def _window(heart: Heart, image: Scan) -> tuple[slice, slice]:
    """The pixels about the middle of the left ventricle."""
    index = np.linalg.inv(image.affine) @ [*geometry_at(heart).centre, 1]
    corners = [int(np.clip(round(x) - SIDE // 2, 0, None)) for x in index[:2]]
    return tuple(slice(corner, corner + SIDE) for corner in corners)


def _beat(heart: Heart) -> np.ndarray:
    """(SIDE, BEAT_WIDTH) uint8: the median beat, laid out as on paper, three leads a column."""
    medians = render_ecg(heart).medians
    picture = Image.new("L", (BEAT_WIDTH, SIDE))
    draw = ImageDraw.Draw(picture)
    rows, width = len(LEADS) // COLUMNS, BEAT_WIDTH // COLUMNS
    for k, lead in enumerate(medians):
        left, middle = (k // rows) * width + GAP, (k % rows + 0.5) * SIDE / rows
        x = left + np.linspace(0, width - GAP, len(lead))
        draw.line(list(zip(x, middle - MV_HEIGHT * lead, strict=True)), fill=220)
        draw.text((left, middle - 16), LEADS[k], fill=150)
    return np.asarray(picture)
