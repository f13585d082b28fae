"""The report as one HTML file: verdicts in words on top, every figure with what it means, nothing loaded from outside.

A number that was not measured is shown as an en dash; a section of which nothing was measured says so. Numbers carry
their bootstrap 95 % interval where the report has one (`<key>_ci` beside `<key>`).
"""

import base64
import math
from collections.abc import Callable, Iterable
from html import escape
from pathlib import Path

from cohort.beat import QUARTERS
from cohort.disk import write_text
from cohort.phenotypes import PHENOTYPES, TABLE, UNITS
from sampling.card_numbers import instrument_of

from .arms import CONTROL_WORDS
from .certainty import NOMINAL
from .implausible_hearts import KINDS
from .report_numbers import (
    NO_NUMBER,
    as_any,
    as_count,
    as_ratio,
    as_share,
    as_size,
    as_span,
    content_at,
    fair_r2,
    headline_kept_of,
    information_kept_of,
    interval_at,
    numbers_of,
    rows_at,
    tables_at,
    untold_at,
    value_at,
)
from .verdicts import CELLS, FEW_PEOPLE, HEADLINE, SHUFFLED, judged

# ---- HTML: every text passes through `escape` here ----


def _cell(source: object, key: str, show: Callable[[float], str] = as_ratio) -> str:
    """A number as shown by `show`, its interval in small type; or why there is none."""
    value, ends, untold = value_at(source, key), interval_at(source, key), untold_at(source, key)
    if untold:
        return f"<small>{escape(untold)}</small>"
    small = f" <small>{escape(as_span(ends, show))}</small>" if ends and math.isfinite(value) else ""
    return escape(show(value)) + small


def _table(caption: str, head: Iterable[str], rows: Iterable[tuple[str, list[str]]], kind: str = "") -> str:
    """Texts of the head and of each row's name, cells as HTML; nothing where no cell holds a number."""
    rows = list(rows)
    if all(cell in (NO_NUMBER, "") for _, cells in rows for cell in cells):
        return ""
    first, *others = head
    columns = f'<th scope="col">{escape(first)}</th>' + "".join(f'<th scope="col">{escape(t)}</th>' for t in others)
    body = "".join(
        f'<tr><th scope="row">{escape(name)}</th>{"".join(f"<td>{cell}</td>" for cell in cells)}</tr>\n'
        for name, cells in rows
    )
    return (
        f'<div class="wide"><table class="{kind}"><caption>{escape(caption)}</caption>\n'
        f"<thead><tr>{columns}</tr></thead>\n<tbody>\n{body}</tbody></table></div>\n"
    )


def _phenotype_table(caption: str, columns: dict[str, tuple]) -> str:
    """One row a phenotype. columns: heading -> ({phenotype: figures}, key, how to show it)."""
    rows = [
        (f"{name}, {UNITS[name]}", [_cell(content_at(table, name), key, show) for table, key, show in columns.values()])
        for name in PHENOTYPES
    ]
    return _table(caption, ["", *columns], rows)


def _measures(caption: str, source: object, meanings: dict[str, tuple]) -> str:
    """One row a number. meanings: key -> (name, how to show it, key of its reference or None, what is good)."""
    rows = [
        (name, [_cell(source, key, show), _cell(source, other, show) if other else "", escape(good)])
        for key, (name, show, other, good) in meanings.items()
        if math.isfinite(value_at(source, key))
    ]
    explained = {*meanings, *(other for _, _, other, _ in meanings.values())}
    others = {key: source[key] for key in source if key not in explained} if isinstance(source, dict) else {}
    rows += [(name, [as_any(value), "", ""]) for name, value in numbers_of(others)]
    return _table(caption, ["", "found", "reference", "good is"], rows, "measures")


def _picture(pictures: dict[str, bytes], key: str, caption: str) -> str:
    if key not in pictures:
        return ""
    data = base64.b64encode(pictures[key]).decode("ascii")
    return (
        f'<figure><div class="wide"><img alt="{escape(caption)}" src="data:image/png;base64,{data}"></div>'
        f"<figcaption>{escape(caption)}</figcaption></figure>\n"
    )


def _section(title: str, meaning: str, good: str, bad: str, *parts: str) -> str:
    """A heading, what its figures mean, what is good and bad, and the parts that hold anything."""
    return (
        f'<section id="{_anchor(title)}"><h2>{escape(title)}</h2>\n<p class="why">{escape(meaning)}</p>\n'
        f'<p class="why"><b class="good">Good:</b> {escape(good)} <b class="bad">Bad:</b> {escape(bad)}</p>\n'
        f"{''.join(parts) or '<p>Not measured.</p>'}\n</section>\n"
    )


def _anchor(title: str) -> str:
    return "".join(letter if letter.isalnum() else "-" for letter in title.lower()).strip("-")


# ---- Sections ----


def _agreement(report: dict, pictures: dict[str, bytes]) -> tuple[str, ...]:
    own = report.get("agreement")
    sizes = {"MAE": "mae", "bias": "bias", "limits, low": "limit_low", "limits, high": "limit_high"}
    columns = {"r": (own, "r", as_ratio), "R2": (own, "r2", as_ratio), "R2 of many": (own, "r2_of_many", as_ratio)}
    columns |= {heading: (own, key, as_size) for heading, key in sizes.items()} | {"n": (own, "n", as_count)}
    return (
        "Volumes, mass and walls measured on the generated hearts (mean over a patient's samples) against the "
        "patient's own. r tells whether large hearts come out large; R2 also asks for the right size: it is the share "
        "of the differences between patients that the generated value explains. Bias is generated minus true; 95 % of "
        "patients lie between the limits of agreement. Intervals (small) hold 95 % of the bootstrap draws of patients.",
        "R2 well above 0 and close to r squared, bias near 0, limits close together.",
        "R2 of 0 or less is no better than giving everyone the average; a high r with a low R2 is a wrong scale.",
        _phenotype_table("Generated hearts against the truth", columns),
        _picture(pictures, "scatter", "Generated against true, one point a patient; on the line they are equal."),
        _picture(pictures, "bland_altman", "Bland-Altman: difference against mean, bias (line) and limits (dashed)."),
    )


def _kept(report: dict, pictures: dict[str, bytes]) -> tuple[str, ...]:
    steps = rows_at(report, "ceiling_curve")
    return (
        "How much of what ECG and person tell reaches the picture. The ceiling predicts each phenotype straight from "
        "the same ECG and person, without drawing a heart. Information kept is R2 of the generated hearts divided by "
        "R2 of the ceiling. It is that of the mean of many samples; that of the few drawn errs more, by their spread. "
        "The last columns are the segmenter's own error: the same measurement on true hearts.",
        "80 % and more kept; on true hearts R2 above 0.9; a ceiling that no longer rises with more people.",
        "0 % keeps nothing. A ceiling near 0 is too low to tell a share of: this ECG says nothing of the phenotype, "
        "whoever draws it.",
        _phenotype_table(
            "R2, and its share of the ceiling",
            {
                "kept, by the mean of many": (
                    information_kept_of(report, "information_kept_of_many"),
                    "kept",
                    as_share,
                ),
                "kept, by the mean of these": (information_kept_of(report), "kept", as_share),
                "R2 of many": (report.get("agreement"), "r2_of_many", as_ratio),
                "R2 of these": (report.get("agreement"), "r2", as_ratio),
                "one sample": (report.get("agreement_of_one_sample"), "r2", as_ratio),
                "ceiling": (report.get("ceiling"), "r2", as_ratio),
                "true hearts, measured": (report.get("measured_on_true_hearts"), "r2", as_ratio),
                "the same through the autoencoder": (report.get("measured_on_reconstructions"), "r2", as_ratio),
            },
        ),
        _table(
            "R2 of the ceiling by the number of people it learned from",
            ["people", *PHENOTYPES],
            [
                (as_count(value_at(step, "people")), [_cell(content_at(step, "r2"), p) for p in PHENOTYPES])
                for step in steps
            ],
        ),
        _picture(pictures, "learning_curve", "The ceiling against the people it learned from: would more people help?"),
    )


def _controls(report: dict, pictures: dict[str, bytes]) -> tuple[str, ...]:
    controls = tables_at(report, "controls")
    columns = {"generated": report.get("agreement")}
    names = [name for name in (*CONTROL_WORDS, *controls) if name in controls]
    columns |= {CONTROL_WORDS.get(name, name): controls[name] for name in names}
    found = {"own ECG": report.get("retrieval"), "another patient's ECG": report.get("retrieval_shuffled")}
    ranks = {"median rank, %": "median_percentile", "in the nearest 1 %, %": "top_1", "in the nearest 5 %, %": "top_5"}
    measures = {"r2_of_many": "R2 of the mean of many hearts", "r2": "R2 of the mean of the hearts drawn", "r": "r"}
    tables = [
        _phenotype_table(f"{words}, against the truth", {title: (t, key, as_ratio) for title, t in columns.items()})
        for key, words in measures.items()
    ]
    less = {"difference": (report.get("another_less_person"), "difference", as_ratio)}
    return (
        "The same figures with the patient's information taken away. Another's ECG: the ECG of a different patient "
        "with the own sex, age, height and weight. Person only, ECG only, neither: the generator without the rest. "
        "These are means of fewer hearts, which alone lowers R2. The first table corrects every arm to many hearts, "
        "by the spread of a person's own. Mean heart: one heart for everyone. "
        "Nearest ECG's heart: the training patient with the most similar ECG. Below, the share of other true hearts "
        "that are nearer to the generated one than the patient's own: 0 is best, 50 is chance.",
        "far above every control; with another's ECG as low as person only, or lower; median rank well under 50.",
        "another's ECG does as well (the ECG is ignored), or the mean heart does (everyone gets the same).",
        *(tables if controls else []),
        _phenotype_table("R2 of many with another's ECG, less that of the person alone (paired)", less),
        _picture(pictures, "controls", "R2 with each source of information. A triangle: the bar goes on beyond -1."),
        _table(
            "Finding the patient by the heart",
            ["", *ranks, "n"],
            [
                (name, [*(_cell(table, key, as_size) for key in ranks.values()), _cell(table, "n", as_count)])
                for name, table in found.items()
            ],
        ),
    )


def _groups(report: dict, _: dict[str, bytes]) -> tuple[str, ...]:
    groups = tables_at(report, "groups")
    everybody = {"all comers": tables_at(report, "agreement") | {"ceiling": report.get("ceiling")}}
    told = {name: table for name, table in groups.items() if "untold" not in table}
    few = "".join(
        f"<p>{escape(name)}: {escape(str(table['untold']))}.</p>\n"
        for name, table in groups.items()
        if name not in told
    )
    beside = everybody | told
    tables = [
        _phenotype_table(caption, {name: (within(table), key, show) for name, table in beside.items()})
        for caption, within, key, show in (
            ("R2 of many: all comers, and within each group", lambda t: t, "r2_of_many", as_ratio),
            ("R2 of the ceiling: all comers, and within each group", lambda t: t.get("ceiling"), "r2", as_ratio),
            ("r: all comers, and within each group", lambda t: t, "r", as_ratio),
            ("Bias, generated minus true", lambda t: t, "bias", as_size),
        )
    ]
    counts = _table("People", ["", "n"], [(name, [_cell(table, "n", as_count)]) for name, table in groups.items()])
    places = {"in the infarct's territory": "thinnest_in_territory", "of true hearts": "thinnest_in_territory_real"}
    places |= {"by chance": "chance"}
    territory = {group: table["territory"] for group, table in groups.items() if "territory" in table}
    return (
        "The same agreement over all comers and inside each group, side by side. Groups are conditions where the "
        "cohort's truth tells them, and else women and men. Within a group R2 is lower: its patients are more alike. A "
        "phenotype with R2 over all comers only is told by the disease, not by the heart. Bias shows whether the "
        "disease itself is drawn.",
        "bias near 0 in every group: the generated hearts of the sick look sick.",
        "thick walls come out too thin, or large hearts too small (a bias against the disease): the generator "
        "draws the average heart where it is least wanted.",
        *((counts, *tables, few) if groups else []),
        _table(
            "Where the wall is thinnest, of patients with an infarct",
            ["", *places, "n"],
            [
                (g, [*(_cell(t, key, as_share) for key in places.values()), _cell(t, "n", as_count)])
                for g, t in territory.items()
            ],
        ),
    )


def _certainty(report: dict, pictures: dict[str, bytes]) -> tuple[str, ...]:
    drawn, calibrated = report.get("coverage"), report.get("coverage_calibrated")
    columns = {f"{level} % interval covers, %": (drawn, str(level), as_size) for level in NOMINAL}
    columns |= {"width of 90 %": (drawn, "width_90", as_size), "CRPS": (drawn, "crps", as_size)}
    columns |= {"spread / skill": (drawn, "spread_skill", as_ratio), "n": (drawn, "n", as_count)}
    columns |= {"calibrated 90 % covers, %": (calibrated, "90", as_size)}
    columns |= {"calibrated width": (calibrated, "width_90", as_size)}
    groups = tables_at(report, "coverage_groups")
    pooled = report.get("coverage_pooled")
    cells = [name for name in PHENOTYPES if not CELLS[0] <= value_at(drawn, name, "90") <= CELLS[1]]
    flagged = ", ".join(name for name in cells if math.isfinite(value_at(drawn, name, "90")))
    return (
        "One ECG gives several hearts; where the ECG is silent they should differ, by as much as the truth may. An "
        "interval made from a patient's samples should hold the truth as often as it says. CRPS is the error of the "
        "whole set of samples, in the phenotype's units. Spread over skill is the samples' spread over the error made. "
        "Calibrated: spread widened or narrowed by what other patients showed.",
        "90 % intervals that cover 90 % and are narrow; spread / skill of 1; flat rank histograms; a low CRPS.",
        "coverage below: too sure, the U-shaped histogram; coverage above: too unsure, the hill; a slope is a bias.",
        _table(
            "All phenotypes together",
            ["", *(f"{level} %" for level in NOMINAL), "cells"],
            [("covers, %", [*(_cell(pooled, str(level), as_size) for level in NOMINAL), _cell(pooled, "n", as_count)])],
        ),
        _phenotype_table("Intervals of the samples", columns),
        f"<p>Outside 85 to 95 % at 90 %: {escape(flagged)}.</p>\n" if flagged and pooled else "",
        _picture(pictures, "coverage", "Nominal against reached coverage; below the line the samples are too sure."),
        _picture(pictures, "ranks", "Rank of the truth among the samples; the band is what chance allows a flat one."),
        _table(
            "Coverage of the 90 % interval in each group, %",
            ["", *PHENOTYPES],
            [(g, [_cell(table.get(p), "90", as_size) for p in PHENOTYPES]) for g, table in groups.items()],
        ),
    )


REALISM = {
    "fid": ("FID", as_any, "fid_real", "as low as that of other real hearts; equal n on both sides"),
    "fid_blurred": (
        "FID of true hearts blurred by a pixel",
        as_any,
        "fid_real",
        "far above true hearts', or FID is blind",
    ),
    "fid_noised": (
        "FID of true hearts with noise of 3 %",
        as_any,
        "fid_real",
        "far above true hearts', or FID is blind",
    ),
    "fid_reconstruction": (
        "FID of true hearts through the autoencoder",
        as_any,
        "fid_real",
        "the floor of a generator",
    ),
    "precision": ("precision", as_ratio, "precision_real", "as real: generated hearts look like some real one"),
    "recall": ("recall", as_ratio, "recall_real", "as real: every real heart has a generated one like it"),
    "density": ("density", as_ratio, "density_real", "as real"),
    "coverage": ("coverage", as_ratio, "coverage_real", "as real: no kind of heart is missing"),
    "ssim": ("SSIM with the own heart", as_ratio, "ssim_mean_heart", "above the mean heart's"),
    "ms_ssim": ("multi-scale SSIM", as_ratio, "ms_ssim_mean_heart", "above the mean heart's"),
    "psnr": ("PSNR, dB", as_size, "psnr_mean_heart", "above the mean heart's"),
    "classifier_auc": (
        "classifier's AUC",
        as_ratio,
        "classifier_auc_reconstruction",
        "0.5: generated and true cannot be told apart; the reference is true hearts through the autoencoder alone",
    ),
    "classifier_auc_shape": (
        "its AUC on slices shrunk four times",
        as_ratio,
        "classifier_auc_shape_reconstruction",
        "0.5: the shapes are as real",
    ),
    "spectrum_gap": ("gap in fine detail, log10", as_ratio, None, "0: neither blurred nor noisy"),
}
COPIES = {
    "fraction": (
        "hearts that look like copies",
        as_share,
        None,
        "1 % or less, which chance makes; above 5 % keep the weights",
    ),
    "auc": ("nearer to training than to unseen hearts, AUC", as_ratio, None, "0.5"),
    "auc_of_copies": (
        "the same, were all hearts copies",
        as_ratio,
        None,
        "well above 0.5, or the line above proves nothing",
    ),
    "threshold": ("score below which a heart counts as a copy", as_ratio, None, ""),
    "threshold_fpr": ("false alarms of the search", as_share, None, "at most 1 %"),
    "detector_tpr": ("planted copies found", as_share, None, "at least 95 %, or the search proves nothing"),
    "membership_auc": ("telling who was trained on, AUC", as_ratio, None, "0.5: nobody can"),
    "n": ("hearts searched", as_count, None, ""),
}


def _realism(report: dict, pictures: dict[str, bytes]) -> tuple[str, ...]:
    return (
        "Likeness of pictures, with its reference: for FID to coverage other real hearts in place of generated ones; "
        "for SSIM and PSNR one mean heart for everyone. The first five know no patient: pictures can be "
        "fine and of the wrong heart, so read this after the sections above. FIDs of other papers use other features.",
        "each figure near its reference, or better than the mean heart's.",
        "a high SSIM that the mean heart also reaches says nothing; a spectrum that falls off is blur.",
        _measures("Pictures", report.get("realism"), REALISM),
        _picture(
            pictures, "spectrum", "Power by size of detail: under the truth on the right is blur, above it noise."
        ),
    )


def _broken(report: dict) -> str:
    """Shares of hearts that break each limit, generated beside true."""
    found, arms = tables_at(report, "implausible"), {"generated": "generated", "real": "true"}
    arms |= {"reconstructed": "true, through the autoencoder"}
    return _table(
        "Hearts that no living heart is like",
        ["", *arms.values()],
        [
            (KINDS.get(name, "any of these"), [_cell(table, arm, as_share) for arm in arms])
            for name, table in found.items()
        ],
    )


def _obedience(report: dict, _: dict[str, bytes]) -> tuple[str, ...]:
    table = report.get("obedience")
    return (
        "A code tells the denoiser volumes, mass and walls before it draws. These are measured on the drawn heart, and "
        "set against what was told. The slope is that of drawn against told, R2 the share of the drawn differences "
        "that the line explains, and RMS the difference from what was told.",
        "slope of 0.95 to 1.05, R2 near 1.",
        "a slope below 1 draws every heart nearer to the average; a low R2 draws by chance.",
        _phenotype_table(
            "Drawn against told",
            {
                "slope": (table, "slope", as_ratio),
                "R2": (table, "r2", as_ratio),
                "RMS": (table, "rms", as_size),
                "hearts": (table, "n", as_count),
            },
        ),
    )


def _coherence(report: dict, _: dict[str, bytes]) -> tuple[str, ...]:
    measures = tables_at(report, "coherence")
    shown = {"generated": as_any, "real": as_any, "n_generated": as_count, "n_real": as_count}
    return (
        "How much the heart jumps from slice to slice and from end-diastole to end-systole; medians over hearts. Real "
        "hearts move too, so they are the reference.",
        "as in real hearts.",
        "far more: each slice looks right but belongs to another heart. Far less: hearts too smooth to be real.",
        _broken(report),
        _table(
            "Coherence",
            ["", *(key.replace("_", " ") for key in shown)],
            [(n.replace("_", " "), [_cell(t, k, show) for k, show in shown.items()]) for n, t in measures.items()],
        ),
    )


MOTION_WORDS = {
    "ES_share": "end-systole, share of the cycle",
    "peak_ejection": "peak ejection, SV a cycle",
    "peak_filling": "peak filling, SV a cycle",
    "atrial_share": "atrial share of filling",
    "dyssynchrony": "dyssynchrony, share of the cycle",
    **{f"thickening_{quarter}": f"thickening, {quarter}" for quarter in QUARTERS},
}
MOTION_ARMS = {
    **{"generated": "generated", "of_many": "by the mean of many", "ceiling": "ceiling"},
    **{"kept": "many / ceiling", "heart_rate": "heart rate alone", "segmented": "true cines, measured"},
} | CONTROL_WORDS
MOTION_OF_MANY = {f"{name}_of_many": f"{words}, of many" for name, words in CONTROL_WORDS.items()} | {
    "another_less_person": "another's ECG less person only, of many"
}


def _motion(report: dict, pictures: dict[str, bytes]) -> tuple[str, ...]:
    motion = report.get("motion")
    numbers, rms, closure = (
        tables_at(motion, "numbers"),
        *(content_at(motion, key) for key in ("curve_rms", "closure")),
    )
    curve_words = MOTION_ARMS | {"one_curve": "one curve for everybody"}
    shown = MOTION_ARMS | MOTION_OF_MANY
    told = [name for name in shown if any(name in table for table in numbers.values())]
    return (
        "How the drawn hearts beat, measured in every frame against the patients' own cines. The curve is the "
        "share of the stroke volume still inside, over the cycle. Numbers are shares of the cycle and of the "
        "stroke volume. They follow the heart rate, for a fast heart shortens its diastole. Heart rate alone is a "
        "polynomial in RR, fitted on the other patients. The ceiling regresses the numbers from the same ECG and "
        "person. Closure is the step from the last frame to the first over the steps between neighbours, as a "
        "multiple of the true cines'.",
        "a curve nearer than one curve for everybody; R2 close to the ceiling's; closure of at most 1.5.",
        "another's ECG does as well (the ECG does not move the heart), the heart rate alone does (the waves tell "
        "nothing more), or the cycle jumps where it starts again.",
        _table(
            "Difference from the true curve, RMS in % of the stroke volume",
            ["", "RMS"],
            [(words, [_cell(rms, name, as_size)]) for name, words in curve_words.items() if value_at(rms, name) >= 0],
        ),
        _table(
            "R2 of motion",
            ["", *(shown[name] for name in told), "n"],
            [
                (
                    MOTION_WORDS.get(name, name),
                    [*(_cell(table, arm) for arm in told), _cell(table, "n", as_count)],
                )
                for name, table in numbers.items()
            ],
        ),
        _table(
            "Closure, over that of true cines",
            ["", "ratio"],
            [(words, [_cell(closure, name)]) for name, words in MOTION_ARMS.items() if value_at(closure, name) >= 0],
        ),
        _picture(pictures, "motion", "Share of the stroke volume inside: true (black), the samples, and their mean."),
    )


def _memorisation(report: dict, _: dict[str, bytes]) -> tuple[str, ...]:
    return (
        "A generator can memorise and hand out its training patients. Generated hearts are compared with all training "
        "hearts and with hearts never trained on; planted copies tell whether the search works.",
        "no more alike to training hearts than to unseen ones.",
        "copies found, or a membership AUC well above 0.5: releasing the weights would release patients.",
        _measures("Copies", report.get("memorisation"), COPIES),
    )


def _segmenter(report: dict, _: dict[str, bytes]) -> tuple[str, ...]:
    return (
        "All hearts, true and generated, are measured by one segmenter. Dice is its overlap with the true contours: "
        "1 is equal. Quality failures are hearts whose label map is not whole.",
        "Dice of 0.9 and more; few failures, and no more on generated than on true hearts.",
        "a poor segmenter limits every figure of this page.",
        _table("Segmenter", ["", "found"], [(n, [as_any(value)]) for n, value in numbers_of(report.get("segmenter"))]),
    )


def _curves(report: dict, _: dict[str, bytes]) -> tuple[str, ...]:
    settings = [dict(numbers_of(setting)) for setting in rows_at(report, "curves")]
    columns = list(dict.fromkeys(name for setting in settings for name in setting))
    return (
        "The same patients at other guidance scales, steps or numbers of samples. Guidance makes hearts follow the ECG "
        "more strongly and differ less from one another.",
        "a setting that keeps more information at honest coverage.",
        "a better FID bought with coverage: prettier hearts that are too sure.",
        _table(
            "Settings",
            ["", *columns],
            [(str(i), [as_any(value_at(s, c)) for c in columns]) for i, s in enumerate(settings, start=1)],
        ),
    )


def _time(report: dict) -> str:
    rows = [(name, [as_size(seconds)]) for name, seconds in numbers_of(report.get("seconds"))]
    return _table("Where the time went", ["", "seconds"], rows)


SECTIONS = {
    "Is it this patient?": _controls,
    "Agreement with the patient": _agreement,
    "Information kept": _kept,
    "Patients with a disease": _groups,
    "How far to believe one heart": _certainty,
    "Do they look like hearts?": _realism,
    "Do the slices make one heart?": _coherence,
    "Does the heart obey its code?": _obedience,
    "Does it beat like the patient's?": _motion,
    "Are training patients copied?": _memorisation,
    "The instrument": _segmenter,
    "Other settings": _curves,
}


# ---- The page ----

TITLE = "Do the generated hearts belong to their patients?"
MARKS = {"good": "✓", "bad": "✗", "note": "•"}
STYLE = """
:root { color-scheme: light dark; --ink: #1d2329; --paper: #fff; --soft: #5f6b76; --line: #d9dee3; --tint: #f3f6f8;
  --good: #00684a; --bad: #b3400a; --link: #0a5c99; }
@media (prefers-color-scheme: dark) { :root { --ink: #e4e8ec; --paper: #14181c; --soft: #9aa6b1; --line: #343c44;
  --tint: #1d2329; --good: #5fc9a3; --bad: #ff9a66; --link: #7cbcf0; } }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 1rem; max-width: 72rem; color: var(--ink); background: var(--paper);
  font: 1rem/1.5 system-ui, sans-serif; }
h1 { font-size: 1.6rem; line-height: 1.2; margin: .5rem 0; } h2 { font-size: 1.25rem; margin: 2.5rem 0 .5rem; }
a { color: var(--link); } p, ul { max-width: 46rem; } small, .soft { color: var(--soft); }
small { font-size: .75em; white-space: nowrap; } 
nav { margin: 1.5rem 0; } nav a { display: inline-block; margin-right: 1.2rem; }
.why { color: var(--soft); font-size: .92rem; margin: .4rem 0; }
.good { color: var(--good); } .bad { color: var(--bad); }
.tiles { display: flex; flex-wrap: wrap; gap: 1rem; margin: 1rem 0; }
.tile { flex: 1 1 16rem; padding: .8rem 1rem; background: var(--tint);
  border: 1px solid var(--line); border-radius: .5rem; }
.tile b { display: block; font-size: 2.2rem; line-height: 1.2; }
.verdicts { list-style: none; padding: 0; font-size: 1.08rem; }
.verdicts li { padding-left: 1.6rem; text-indent: -1.6rem; margin: .45rem 0; }
.verdicts b { display: inline-block; width: 1.6rem; text-indent: 0; }
.wide { overflow-x: auto; } table { border-collapse: collapse; margin: 1rem 0; font-size: .9rem; }
caption { text-align: left; font-weight: 600; padding-bottom: .3rem; }
th, td { padding: .25rem .6rem; border-bottom: 1px solid var(--line); text-align: right; vertical-align: top;
  font-variant-numeric: tabular-nums; }
th:first-child { text-align: left; white-space: nowrap; } thead th { background: var(--tint); }
td small { display: block; } .measures td:last-child, .measures th:last-child { text-align: left; }
figure { margin: 1rem 0; } figcaption { color: var(--soft); font-size: .88rem; max-width: 46rem; }
img { display: block; max-width: 100%; min-width: 44rem; background: #fff; border-radius: .3rem; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .1rem 1rem; font-size: .92rem; } dd { margin: 0; }
@media print { :root { font-size: 12px; --ink: #000; --paper: #fff; --soft: #444; --line: #bbb; --tint: #f3f3f3;
  --good: #000; --bad: #000; --link: #000; } body { max-width: none; padding: 0; } nav { display: none; }
  .wide { overflow: visible; } img { min-width: 0; max-height: 240mm; }
  table { font-size: 7pt; } th, td { padding: .1rem .25rem; }
  tr, figure, .tile { break-inside: avoid; } h2, caption, .why { break-after: avoid; } @page { margin: 12mm; } }
"""


def write_page(path: Path, report: dict, pictures: dict[str, bytes]) -> None:
    """Write the report as one HTML file that loads nothing, whole or not at all.

    Args:
        report: the content of report.json; whatever is missing is shown as not measured.
        pictures: PNG bytes by name: hearts, scatter, bland_altman, controls, coverage, ranks, spectrum, learning_curve.
    """
    write_text(path, _page(report, pictures))


def _page(report: dict, pictures: dict[str, bytes]) -> str:
    links = " ".join(f'<a href="#{_anchor(title)}">{escape(title)}</a>' for title in SECTIONS)
    words = "".join(f"<dt>{escape(name)}</dt><dd>{escape(p.words)}, {p.unit}</dd>\n" for name, p in TABLE.items())
    sections = "".join(_section(title, *filled(report, pictures)) for title, filled in SECTIONS.items())
    hearts = "True hearts, hearts generated from the same patients' ECGs, and where a patient's samples differ (SD)."
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(TITLE)}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n"
        f"<header><h1>{escape(TITLE)}</h1>\n{_facts(report)}</header>\n<main>\n"
        f"{_headline(report)}<nav>{links}</nav>\n{_picture(pictures, 'hearts', hearts)}"
        f"{sections}"
        f"<section><h2>Words</h2>\n<dl>{words}</dl>\n{_time(report)}</section>\n</main>\n"
        '<footer><p class="soft">For research. Not for diagnosis.</p></footer>\n</body>\n</html>\n'
    )


def _facts(report: dict) -> str:
    """One line: whom, by what, how."""
    counts = {"n_subjects": "people", "n_samples": "hearts each"}
    settings = {"guidance_scale": "guidance", "steps": "steps"}
    known = {key: value_at(report, key) for key in (*counts, *settings) if math.isfinite(value_at(report, key))}
    facts = [f"{as_count(known[key])} {words}" for key, words in counts.items() if key in known]
    facts += [f"{key} {report[key]}" for key in ("cohort", "split", "pipeline") if isinstance(report.get(key), str)]
    facts += [f"{words} {as_any(known[key])}" for key, words in settings.items() if key in known]
    facts += [f"measured{by}" for by in [instrument_of(report)] if by]
    return f'<p class="soft">{escape(", ".join(facts))}</p>\n'


def _headline(report: dict) -> str:
    """Information kept of LV mass and LVEDV, and the verdicts; of few people nothing in large letters."""
    said = "".join(
        f'<li><b class="{kind}">{MARKS[kind]}</b>{escape(sentence)}</li>\n' for kind, sentence in judged(report)
    )
    said = f'<ul class="verdicts">\n{said}</ul>\n' if said else "<p>Too little was measured for a verdict.</p>\n"
    if value_at(report, "n_subjects") < FEW_PEOPLE:
        return said
    tiles, table = "", headline_kept_of(report)
    known = {"generated": ("agreement",), "ceiling": ("ceiling",), "another's ECG": SHUFFLED}
    for name, words in HEADLINE.items():
        ends = interval_at(table, name, "kept")
        small = f"95 % interval: {as_span(ends, as_share)}" if ends else untold_at(table, name, "kept")
        keys = {title: (*at, name, fair_r2(content_at(report, *at), name)) for title, at in known.items()}
        scores = ", ".join(f"{title} {as_ratio(value_at(report, *at))}" for title, at in keys.items())
        tiles += (
            f'<div class="tile">{escape(words)}: information kept<b>{as_share(value_at(table, name, "kept"))}</b>'
            f"<small>{escape(small)}</small>"
            f'<div class="soft">R2: {escape(scores)}</div></div>\n'
        )
    return f'<div class="tiles">{tiles}</div>\n{said}'
