"""How the simulated people compare with real ones: `python -m phantom.calibration --subjects 300` prints the tables.

The first table says how common each disease is. `--preview sheet.png` writes pictures of some people of each.
"""

import argparse
import sys
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from cohort.errors import InputError, exit_code_of, require_within
from cohort.leads import LEADS
from phantom.electrical import RenderedECG, render_ecg
from phantom.heart import Draw, Heart, draw_heart
from phantom.population import CONDITIONS
from phantom.preview import write_preview
from phantom.recorder import MS_PER_SAMPLE, RESOLUTION_MV

II, III, AVF, V1, V2, V5, V6 = (LEADS.index(lead) for lead in ("II", "III", "aVF", "V1", "V2", "V5", "V6"))
COMPLETE_MS = 40  # of delay, from which a bundle is blocked and not only late
T_UPRIGHT = [LEADS.index(lead) for lead in ("I", "II", "V4", "V5", "V6")]

# What a normal 12-lead ECG of a resting adult keeps within, nearly always. Durations and axis follow Surawicz et al.,
# AHA/ACCF/HRS recommendations, J Am Coll Cardiol 53:976, 2009; the amplitudes in lead II are the phantom's own target.
NORMAL_BOUNDS = {
    "QRS (ms)": (70.0, 110.0),
    "QT (ms)": (350.0, 440.0),
    "frontal axis (deg)": (-30.0, 90.0),
    "R in II (mV)": (0.3, 1.6),
    "T/R in II": (0.1, 0.8),
}


def measure(rendered: RenderedECG) -> dict[str, float]:
    """What a reader takes off the median beat; mV, ms, degrees. Keys are the rows of the calibration table."""
    truth = rendered.measurements
    first = int(truth["QOnset"] / MS_PER_SAMPLE)
    last = int(truth["QOffset"] / MS_PER_SAMPLE)
    t_end = int(truth["TOffset"] / MS_PER_SAMPLE)
    qrs = rendered.medians[:, first : last + 1]
    r, s = qrs.max(axis=1), -qrs.min(axis=1)
    t = _signed_peak(rendered.medians[:, last + 10 : t_end])
    return {
        "QRS (ms)": truth["QRSDuration"],
        "QT (ms)": truth["QTInterval"],
        "frontal axis (deg)": truth["RAxis"],
        "R in II (mV)": r[II],
        "T/R in II": t[II] / max(r[II], RESOLUTION_MV),
        **{f"R in V{k + 1} (mV)": r[V1 + k] for k in range(6)},
        "S in V1 (mV)": s[V1],
        "S in V2 (mV)": s[V2],
        "S in V6 (mV)": s[V6],
        "Sokolov-Lyon (mV)": s[V1] + max(r[V5], r[V6]),
        "T in V6 (mV)": t[V6],
        "T upright in I, II, V4-V6": float((t[T_UPRIGHT] > 0).all()),
        "inferior Q": float(sum(_has_pathological_q(rendered.medians[k], first, last) for k in (II, III, AVF)) >= 2),
    }


def _signed_peak(wave: np.ndarray) -> np.ndarray:
    """(12, T) -> (12,): the value of largest magnitude."""
    return np.take_along_axis(wave, np.abs(wave).argmax(axis=1)[:, None], axis=1)[:, 0]


def _has_pathological_q(lead: np.ndarray, first: int, last: int) -> bool:
    """A first deflection below -0.1 mV for 30 ms or more: the universal definition of infarction, Thygesen 2018."""
    qrs = lead[first : last + 1]
    upward = np.flatnonzero(qrs > 0.05)
    q = qrs[: upward[0] if len(upward) else len(qrs)]
    return bool((q < -0.1).any() and np.count_nonzero(q < -0.02) * MS_PER_SAMPLE >= 30)


def table(hearts: Iterable[Heart]) -> dict[str, np.ndarray]:
    """Rows of `measure`, one value per heart."""
    rows = [measure(render_ecg(heart)) for heart in hearts]
    return {name: np.array([row[name] for row in rows]) for name in rows[0]}


def _draw(condition: str, subjects: int, seed: int) -> list[Heart]:
    """The first so many patients of a condition in sinus rhythm."""
    hearts: list[Heart] = []
    index = 0
    while len(hearts) < subjects:
        heart = draw_heart(seed, index)
        index += 1
        if heart.condition == condition and heart.rhythm == "sinus":
            hearts.append(heart)
    return hearts


def normals_table(measured: dict[str, np.ndarray]) -> str:
    """Markdown: percentiles of the normals, the bounds, and the share of the normals inside them."""
    lines = ["| normals | 5 % | median | 95 % | bounds | inside |", "|---|---|---|---|---|---|"]
    for name, values in measured.items():
        low, mid, high = np.percentile(values, [5, 50, 95])
        bounds = NORMAL_BOUNDS.get(name)
        inside = (
            f"{bounds[0]:g} to {bounds[1]:g} | {np.mean((values >= bounds[0]) & (values <= bounds[1])):.0%}"
            if bounds
            else " | "
        )
        cells = (
            f"mean {values.mean():.0%} | | "
            if set(np.unique(values)) <= {0.0, 1.0}
            else f"{low:.3g} | {mid:.3g} | {high:.3g}"
        )
        lines.append(f"| {name} | {cells} | {inside} |")
    return "\n".join(lines)


def conditions_table(by_condition: dict[str, dict[str, np.ndarray]]) -> str:
    """Markdown: the mean of every measure, one column per condition."""
    names = list(by_condition)
    lines = [f"| mean | {' | '.join(names)} |", "|---|" + "---|" * len(names)]
    for row in by_condition[names[0]]:
        means = [by_condition[name][row].mean() for name in names]
        lines.append(f"| {row} | {' | '.join(f'{mean:.3g}' for mean in means)} |")
    return "\n".join(lines)


def prevalence_table(hearts: list[Heart]) -> str:
    """Markdown: the share of each condition and of what follows from it, in percent of the drawn people."""
    signs = {
        "left ventricular EF below 50 %": [heart.lvef_percent < 50 for heart in hearts],
        "a scar": [heart.scar_territory is not None for heart in hearts],
        "a complete bundle branch block": [max(h.lv_delay_ms, h.rv_delay_ms) > COMPLETE_MS for h in hearts],
        "atrial fibrillation": [heart.rhythm == "af" for heart in hearts],
        "systolic pressure of 140 mmHg or more": [heart.systolic_bp_mmhg >= 140 for heart in hearts],
    }
    rows = {name: [heart.condition == name for heart in hearts] for name in CONDITIONS} | signs
    lines = [f"| of {len(hearts):,} people | share |", "|---|---|"]
    return "\n".join(lines + [f"| {name} | {np.mean(row):.1%} |" for name, row in rows.items()])


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m phantom.calibration", description=__doc__)
    parser.add_argument("--preview", type=Path, help="write a PNG of two people of each condition there")
    parser.add_argument("--subjects", type=int, default=300, help="normals; a tenth as many of each other condition")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    require_within("--subjects", options.subjects, 2, 100_000)
    if options.preview and options.preview.suffix.lower() != ".png":
        raise InputError(options.preview, "is no name of a PNG", "end it in .png")
    if options.preview and not options.preview.parent.is_dir():
        raise InputError(options.preview, "its folder does not exist", "make it, or name another")
    if options.preview:
        pairs = [draw_heart(options.seed, index, Draw(c)) for index, c in enumerate(2 * tuple(CONDITIONS))]
        write_preview(options.preview, sorted(pairs, key=lambda heart: heart.condition))
    print(prevalence_table([draw_heart(options.seed, index) for index in range(10 * options.subjects)]))
    print()
    normals = table(_draw("normal", options.subjects, options.seed))
    others = {c: table(_draw(c, max(options.subjects // 10, 2), options.seed)) for c in CONDITIONS if c != "normal"}
    print(normals_table(normals))
    print()
    print(conditions_table({"normal": normals, **others}))


if __name__ == "__main__":
    sys.exit(exit_code_of(main))
