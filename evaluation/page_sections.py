"""The sections of a report's page: what each figure means, what is good and bad, its tables and its pictures."""

import math

from cohort.phenotypes import LABELS, PHENOTYPES

from .arms import CONTROL_WORDS
from .certainty import NOMINAL
from .implausible_hearts import KINDS
from .motion_words import MOTION_WORDS
from .page_parts import Cell, Filled, Note, Part, cell, measures, phenotype_table, picture, table
from .report_numbers import (
    as_any,
    as_count,
    as_ratio,
    as_share,
    as_size,
    content_at,
    information_kept_of,
    numbers_of,
    rows_at,
    spaced,
    tables_at,
    value_at,
)
from .verdicts import CELLS


def _agreement(report: dict, pictures: dict[str, bytes]) -> Filled:
    own = report.get("agreement")
    sizes = {"MAE": "mae", "bias": "bias", "limits, low": "limit_low", "limits, high": "limit_high"}
    columns = {"r": (own, "r", as_ratio), "R2": (own, "r2", as_ratio), "R2 of many": (own, "r2_of_many", as_ratio)}
    columns |= {heading: (own, key, as_size) for heading, key in sizes.items()} | {"n": (own, "n", as_count)}
    return (
        "Volumes, mass and walls measured on the generated hearts (mean over a patient's samples) against the "
        "patient's own. r tells whether large hearts come out large; R2 also asks for the right size. It is the share "
        "of the differences between patients that the generated value explains. Bias is generated minus true; 95 % of "
        "patients lie between the limits of agreement. Intervals (small) hold 95 % of the bootstrap draws of patients.",
        "R2 well above 0 and close to r squared, bias near 0, limits close together.",
        "R2 of 0 or less is no better than giving everyone the average; a high r with a low R2 is a wrong scale.",
        phenotype_table("Generated hearts against the truth", columns),
        picture(pictures, "scatter", "Generated against true, one point a patient; on the line they are equal."),
        picture(pictures, "bland_altman", "Bland-Altman: difference against mean, bias (line) and limits (dashed)."),
    )


def _kept(report: dict, pictures: dict[str, bytes]) -> Filled:
    steps = rows_at(report, "ceiling_curve")
    return (
        "How much of what ECG and person tell reaches the picture. The ceiling predicts each phenotype straight from "
        "the same ECG and person, without drawing a heart. Information kept is R2 of the generated hearts divided by "
        "R2 of the ceiling. It is that of the mean of many samples; that of the few drawn errs more, by their spread. "
        "The last columns are the segmenter's own error: the same measurement on true hearts.",
        "80 % and more kept; on true hearts R2 above 0.9; a ceiling that no longer rises with more people.",
        "0 % keeps nothing. A ceiling near 0 is too low to tell a share of: this ECG says nothing of the phenotype, "
        "whoever draws it.",
        phenotype_table(
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
        table(
            "R2 of the ceiling by the number of people it learned from",
            ["people", *LABELS.values()],
            [
                (as_count(value_at(step, "people")), [cell(content_at(step, "r2"), p) for p in PHENOTYPES])
                for step in steps
            ],
        ),
        picture(pictures, "learning_curve", "The ceiling against the people it learned from: would more people help?"),
    )


def _controls(report: dict, pictures: dict[str, bytes]) -> Filled:
    controls = tables_at(report, "controls")
    columns = {"generated": report.get("agreement")}
    names = [name for name in (*CONTROL_WORDS, *controls) if name in controls]
    columns |= {CONTROL_WORDS.get(name, spaced(name)): controls[name] for name in names}
    found = {"own ECG": report.get("retrieval"), "another patient's ECG": report.get("retrieval_shuffled")}
    ranks = {"median rank, %": "median_percentile", "in the nearest 1 %, %": "top_1", "in the nearest 5 %, %": "top_5"}
    scores = {"r2_of_many": "R2 of the mean of many hearts", "r2": "R2 of the mean of the hearts drawn", "r": "r"}
    tables = [
        phenotype_table(f"{words}, against the truth", {title: (t, key, as_ratio) for title, t in columns.items()})
        for key, words in scores.items()
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
        phenotype_table("R2 of many with another's ECG, less that of the person alone (paired)", less),
        picture(pictures, "controls", "R2 with each source of information. A triangle: the bar goes on beyond -1."),
        table(
            "Finding the patient by the heart",
            ["", *ranks, "n"],
            [
                (name, [*(cell(place, key, as_size) for key in ranks.values()), cell(place, "n", as_count)])
                for name, place in found.items()
            ],
        ),
    )


GROUPS = {  # conditions of simulated patients in words; the names of other groups are shown as they are
    "lvh": "LV hypertrophy",
    "dcm": "dilated cardiomyopathy",
    "hcm": "hypertrophic cardiomyopathy",
    "rv_overload": "RV overload",
    "lbbb": "left bundle branch block",
    "rbbb": "right bundle branch block",
}


def _group(name: str) -> str:
    return GROUPS.get(name, spaced(name))


def _groups(report: dict, _: dict[str, bytes]) -> Filled:
    groups = tables_at(report, "groups")
    everybody = {"all comers": tables_at(report, "agreement") | {"ceiling": report.get("ceiling")}}
    told = {name: found for name, found in groups.items() if "untold" not in found}
    few = [Note(f"{_group(name)}: {found['untold']}.") for name, found in groups.items() if name not in told]
    beside = everybody | told
    tables = [
        phenotype_table(caption, {_group(name): (within(found), key, show) for name, found in beside.items()})
        for caption, within, key, show in (
            ("R2 of many: all comers, and within each group", lambda t: t, "r2_of_many", as_ratio),
            ("R2 of the ceiling: all comers, and within each group", lambda t: t.get("ceiling"), "r2", as_ratio),
            ("r: all comers, and within each group", lambda t: t, "r", as_ratio),
            ("Bias, generated minus true", lambda t: t, "bias", as_size),
        )
    ]
    counts = table("People", ["", "n"], [(_group(name), [cell(t, "n", as_count)]) for name, t in groups.items()])
    places = {"in the infarct's territory": "thinnest_in_territory", "of true hearts": "thinnest_in_territory_real"}
    places |= {"by chance": "chance"}
    territory = {group: found["territory"] for group, found in groups.items() if "territory" in found}
    return (
        "The same agreement over all comers and inside each group, side by side. Groups are conditions where the "
        "cohort's truth tells them, and else women and men. Within a group R2 is lower: its patients are more alike. A "
        "phenotype with R2 over all comers only is told by the disease, not by the heart. Bias shows whether the "
        "disease itself is drawn.",
        "bias near 0 in every group: the generated hearts of the sick look sick.",
        "thick walls come out too thin, or large hearts too small (a bias against the disease). The generator then "
        "draws the average heart where it is least wanted.",
        *((counts, *tables, *few) if groups else []),
        table(
            "Where the wall is thinnest, of patients with an infarct",
            ["", *places, "n"],
            [
                (_group(g), [*(cell(t, key, as_share) for key in places.values()), cell(t, "n", as_count)])
                for g, t in territory.items()
            ],
        ),
    )


TELLERS = {
    "probability": "probability told",
    "generated": "generated hearts, measured",
    "ceiling": "ceiling",
    "trees": "boosted trees on ECG measures",
    "sokolow_lyon": "Sokolow-Lyon",
    "cornell": "Cornell",
}


def _conditions(report: dict, pictures: dict[str, bytes]) -> Filled:
    tables = tables_at(report, "decision", "conditions")
    told = {found.get("words", name): found for name, found in tables.items() if "untold" not in found}
    few = [
        Note(f"{found.get('words', name)}: {found['untold']}.") for name, found in tables.items() if "untold" in found
    ]
    learned = content_at(report, "decision", "trees_learned_from")
    counts = {"have it": "cases", "people": "n"}
    return (
        "How well the ill are told from the well, by the limits of decision support. AUC is the chance that somebody "
        "who has it scores above somebody who has not: 1 is always, 0.5 a coin. The probability told is heart.json's, "
        "by heart codes. Generated hearts and the ceiling score by how far their phenotype lies beyond the limit. "
        "Boosted trees know sex, age, height and weight and what a reader measures on the ECG, and no sample of it. "
        "Sokolow-Lyon is S in V1 and the larger R of V5 and V6; Cornell is R in aVL and S in V3. Brier is the "
        "probability's mean squared error.",
        "AUC close to the ceiling's and above trees and criteria; a Brier below that of the share; dots on the line.",
        "trees or a criterion do as well: the network is not needed. Dots below the line: too much illness is told.",
        table(
            "Area under the ROC curve (AUC)",
            ["", *TELLERS.values(), *counts],
            [
                (
                    words,
                    [
                        *(cell(found.get("auc"), key) for key in TELLERS),
                        *(cell(found, key, as_count) for key in counts.values()),
                    ],
                )
                for words, found in told.items()
            ],
        ),
        table(
            "Are the probabilities honest?",
            ["", "Brier", "Brier of telling everybody the share"],
            [(words, [cell(found, "brier"), cell(found, "brier_of_share")]) for words, found in told.items()],
        ),
        picture(
            pictures,
            "chances",
            "Share of people who have it against the probability told, with 95 % intervals and numbers of people. On "
            "the line both are equal.",
        ),
        Note(f"Boosted trees learned from {learned}.") if learned else None,
        *few,
    )


def _certainty(report: dict, pictures: dict[str, bytes]) -> Filled:
    told, drawn = report.get("coverage_told"), report.get("coverage")
    groups = tables_at(report, "coverage_groups")
    pooled = report.get("coverage_pooled")
    together = {"intervals told": report.get("coverage_told_pooled"), "of the drawn samples": pooled}
    scaled = "scaled by calibration.json" if report.get("coverage_told_calibrated") else "without a calibration"
    cells = [name for name in PHENOTYPES if not CELLS[0] <= value_at(drawn, name, "90") <= CELLS[1]]
    flagged = ", ".join(LABELS[name] for name in cells if math.isfinite(value_at(drawn, name, "90")))
    return (
        "The intervals told are those of heart.json: heart codes of ECG and person make them, and no heart is drawn. "
        "They should hold the truth as often as they say. Here they are told of everybody, also where heart.json "
        "would withhold them from an unlike ECG. The samples are judged apart, as drawn. Where the ECG is silent they "
        "should differ, by as much as the truth may. CRPS is the error of a whole set, in the phenotype's units. "
        "Spread over skill is the spread over the error made.",
        "90 % intervals that cover 90 % and are narrow; spread / skill of 1; flat rank histograms; a low CRPS.",
        "coverage below: too sure, the U-shaped histogram; coverage above: too unsure, the hill; a slope is a bias.",
        table(
            "All phenotypes together",
            ["covers, %", *(f"{level} %" for level in NOMINAL), "pairs of person and phenotype"],
            [
                (words, [*(cell(found, str(level), as_size) for level in NOMINAL), cell(found, "n", as_count)])
                for words, found in together.items()
                if found
            ],
        ),
        phenotype_table(f"Intervals told, by heart codes ({scaled})", _columns_of_coverage(told)) if told else None,
        phenotype_table("Intervals of the samples, as drawn", _columns_of_coverage(drawn)),
        Note(f"Outside 85 to 95 % at 90 %: {flagged}.") if flagged and pooled else None,
        picture(pictures, "coverage", "Nominal against reached coverage; below the line the samples are too sure."),
        picture(pictures, "ranks", "Rank of the truth among the samples; the band is what chance allows a flat one."),
        table(
            "Coverage of the 90 % interval in each group, %",
            ["", *LABELS.values()],
            [(_group(g), [cell(found.get(p), "90", as_size) for p in PHENOTYPES]) for g, found in groups.items()],
        ),
    )


def _columns_of_coverage(found: object) -> dict:
    columns = {f"{level} % interval covers, %": (found, str(level), as_size) for level in NOMINAL}
    columns |= {"median width of 90 %": (found, "width_90", as_size), "CRPS": (found, "crps", as_size)}
    return columns | {"spread / skill": (found, "spread_skill", as_ratio), "n": (found, "n", as_count)}


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


def _realism(report: dict, pictures: dict[str, bytes]) -> Filled:
    return (
        "Likeness of pictures, with its reference: for FID to coverage other real hearts in place of generated ones; "
        "for SSIM and PSNR one mean heart. The first five know no patient: pictures can be "
        "fine and of the wrong heart, so read this after the sections above. FIDs of other papers use other features.",
        "each figure near its reference, or better than the mean heart's.",
        "a high SSIM that the mean heart also reaches says nothing; a spectrum that falls off is blur.",
        measures("Pictures", report.get("realism"), REALISM),
        picture(pictures, "spectrum", "Power by size of detail: under the truth on the right is blur, above it noise."),
    )


def _broken(report: dict) -> Part:
    """Shares of hearts that break each limit, generated beside true."""
    found, arms = tables_at(report, "implausible"), {"generated": "generated", "real": "true"}
    arms |= {"reconstructed": "true, through the autoencoder"}
    return table(
        "Hearts that no living heart is like",
        ["", *arms.values()],
        [
            (KINDS.get(name, "any of these"), [cell(shares, arm, as_share) for arm in arms])
            for name, shares in found.items()
        ],
    )


def _obedience(report: dict, _: dict[str, bytes]) -> Filled:
    obeyed, segmented = report.get("obedience"), report.get("segmented_slopes")
    return (
        "A code tells the denoiser volumes, mass and walls before it draws. These are measured on the drawn heart, and "
        "set against what was told. The slope is that of drawn against told, and R2 the share of the drawn "
        "differences that the line explains. RMS is the difference from what was told. The same segmenter sees true "
        "hearts with a slope and an R2 too: a heart that obeyed perfectly would get no more.",
        "slope and R2 as of true hearts.",
        "a slope below that of true hearts draws every heart nearer to the average; a lower R2 draws by chance.",
        phenotype_table(
            "Drawn against told",
            {
                "slope": (obeyed, "slope", as_ratio),
                "R2": (obeyed, "r2", as_ratio),
                "slope of true hearts": (segmented, "slope", as_ratio),
                "R2 of true hearts": (segmented, "r2", as_ratio),
                "RMS": (obeyed, "rms", as_size),
                "hearts": (obeyed, "n", as_count),
            },
        ),
    )


COHERENCE = {
    "centre_shift_mm": "LV centre, slice to slice, mm",
    "area_second_difference_mm2": "LV area, bend over three slices, mm²",
    "rv_angle_shift_deg": "direction to the RV, slice to slice, degrees",
    "phase_centre_shift_mm": "LV centre, ED to ES, mm",
    "myocardial_volume_change_percent": "volume of the wall, ED to ES, %",
}
COHERENCE_COLUMNS = {
    "generated": "generated",
    "real": "true",
    "n_generated": "generated hearts",
    "n_real": "true hearts",
}


def _coherence(report: dict, _: dict[str, bytes]) -> Filled:
    jumps = tables_at(report, "coherence")
    shown = {key: as_count if key.startswith("n_") else as_size for key in COHERENCE_COLUMNS}
    return (
        "How much the heart jumps from slice to slice and from end-diastole to end-systole; medians over hearts. Real "
        "hearts move too, so they are the reference.",
        "as in real hearts.",
        "far more: each slice looks right but belongs to another heart. Far less: hearts too smooth to be real.",
        _broken(report),
        table(
            "Coherence",
            ["", *COHERENCE_COLUMNS.values()],
            [
                (COHERENCE.get(name, spaced(name)), [cell(found, key, show) for key, show in shown.items()])
                for name, found in jumps.items()
            ],
        ),
    )


MOTION_ARMS = {
    **{"generated": "generated", "of_many": "by the mean of many", "ceiling": "ceiling"},
    **{"kept": "many / ceiling", "heart_rate": "heart rate alone", "segmented": "true cines, measured"},
} | CONTROL_WORDS
MOTION_OF_MANY = {f"{name}_of_many": f"{words}, of many" for name, words in CONTROL_WORDS.items()} | {
    "another_less_person": "another's ECG less person only, of many"
}


def _motion(report: dict, pictures: dict[str, bytes]) -> Filled:
    motion = report.get("motion")
    numbers, rms, closure = (
        tables_at(motion, "numbers"),
        *(content_at(motion, key) for key in ("curve_rms", "closure")),
    )
    curve_words = MOTION_ARMS | {"one_curve": "one curve for everybody"}
    shown = MOTION_ARMS | MOTION_OF_MANY
    told = [name for name in shown if any(name in found for found in numbers.values())]
    return (
        "How the drawn hearts beat, measured in every frame against the patients' own cines. The curve is the "
        "share of the stroke volume still inside, over the cycle. Numbers are shares of the cycle and of the "
        "stroke volume. They follow the heart rate, for a fast heart shortens its diastole. Heart rate alone is a "
        "polynomial in RR, fitted on the other patients. The ceiling regresses the numbers from the same ECG and "
        "person. Closure is the step from the last frame to the first over the steps between neighbours, as a "
        "multiple of the true cines'.",
        "a curve nearer than one curve for everybody; R2 close to the ceiling's; closure of at most 1.5.",
        "another's ECG does as well: the ECG does not move the heart. Or the heart rate alone does: the waves tell "
        "nothing more. Or the cycle jumps where it starts again.",
        table(
            "Difference from the true curve, RMS in % of the stroke volume",
            ["", "RMS"],
            [(words, [cell(rms, name, as_size)]) for name, words in curve_words.items() if value_at(rms, name) >= 0],
        ),
        table(
            "R2 of motion",
            ["", *(shown[name] for name in told), "n"],
            [
                (
                    MOTION_WORDS.get(name, spaced(name)),
                    [*(cell(found, arm) for arm in told), cell(found, "n", as_count)],
                )
                for name, found in numbers.items()
            ],
        ),
        table(
            "Closure, over that of true cines",
            ["", "ratio"],
            [(words, [cell(closure, name)]) for name, words in MOTION_ARMS.items() if value_at(closure, name) >= 0],
        ),
        picture(pictures, "motion", "Share of the stroke volume inside: true (black), the samples, and their mean."),
    )


def _memorisation(report: dict, _: dict[str, bytes]) -> Filled:
    return (
        "A generator can memorise and hand out its training patients. Generated hearts are compared with all training "
        "hearts and with hearts never trained on; planted copies tell whether the search works.",
        "no more alike to training hearts than to unseen ones.",
        "copies found, or a membership AUC well above 0.5: releasing the weights would release patients.",
        measures("Copies", report.get("memorisation"), COPIES),
    )


STRUCTURES = {"lv_cavity": "LV cavity", "lv_myocardium": "LV wall", "rv_cavity": "RV cavity"}
JUDGED = {
    "quality_failures": "generated hearts that fail the quality rule",
    "quality_failures_real": "true hearts that fail it",
    "hearts_judged": "generated hearts judged",
}


def _segmenter(report: dict, _: dict[str, bytes]) -> Filled:
    found = report.get("segmenter")
    overlaps = [
        (words, [cell(content_at(found, name), "dice"), cell(content_at(found, name), "n", as_count)])
        for name, words in STRUCTURES.items()
    ]
    others = {name: found[name] for name in found if name not in STRUCTURES} if isinstance(found, dict) else {}
    named = {spaced(key): words for key, words in JUDGED.items()}
    counts = [(named.get(name, name), [Cell(as_any(value))]) for name, value in numbers_of(others)]
    return (
        "All hearts, true and generated, are measured by one segmenter. Dice is its overlap with the true contours: "
        "1 is equal. Quality failures are hearts whose label map is not whole.",
        "Dice of 0.9 and more; few failures, and no more on generated than on true hearts.",
        "a poor segmenter limits every figure of this page.",
        table("Overlap with the true contours", ["", "Dice", "hearts"], overlaps),
        table("Quality, and what else was counted", ["", "found"], counts),
    )


SETTINGS = {"guidance scale": "guidance", "fid": "FID"}
ENDINGS = {" r2": " R2", " kept": ", share of the ceiling kept", " cover 90": ", 90 % interval covers, %"}


def setting_words(column: str) -> str:
    """The head of a column of settings or of what they led to, in words."""
    for ending, words in ENDINGS.items():
        if column.endswith(ending):
            return column.removesuffix(ending) + words
    return SETTINGS.get(column, column)


def _curves(report: dict, _: dict[str, bytes]) -> Filled:
    settings = [dict(numbers_of(setting)) for setting in rows_at(report, "curves")]
    columns = list(dict.fromkeys(name for setting in settings for name in setting))
    return (
        "The same patients at other guidance scales, steps or numbers of samples. Guidance makes hearts follow the ECG "
        "more strongly and differ less from one another.",
        "a setting that keeps more information at honest coverage.",
        "a better FID bought with coverage: prettier hearts that are too sure.",
        table(
            "Settings",
            ["", *map(setting_words, columns)],
            [(str(i), [Cell(as_any(value_at(s, c))) for c in columns]) for i, s in enumerate(settings, start=1)],
        ),
    )


SECTIONS = {
    "Is it this patient?": _controls,
    "Agreement with the patient": _agreement,
    "Information kept": _kept,
    "Patients with a disease": _groups,
    "Are the ill told from the well?": _conditions,
    "How far to believe one heart": _certainty,
    "Do they look like hearts?": _realism,
    "Do the slices make one heart?": _coherence,
    "Does the heart obey its code?": _obedience,
    "Does it beat like the patient's?": _motion,
    "Are training patients copied?": _memorisation,
    "The instrument": _segmenter,
    "Other settings": _curves,
}
