"""The report as one HTML file: verdicts in words on top, every figure with what it means, nothing loaded from outside.

A number that was not measured is shown as an en dash; a section of which nothing was measured says so. Numbers carry
their bootstrap 95 % interval where the report has one (`<key>_ci` beside `<key>`).
"""

import base64
import math
from collections.abc import Callable, Iterable, Iterator
from html import escape
from pathlib import Path

from cohort.phenotypes import PHENOTYPES, UNITS

from .figures import CONTROLS, NOMINAL, value_at

HEADLINE = {"LVM": "LV mass", "LVEDV": "LVEDV"}  # what an ECG tells best, and most often
NAMES = {
    "LVEDV": "left-ventricular (LV) volume at end-diastole",
    "LVESV": "LV volume at end-systole",
    "LVSV": "LV stroke volume",
    "LVEF": "LV ejection fraction",
    "LVM": "mass of the LV's wall",
    "RVEDV": "right-ventricular (RV) volume at end-diastole",
    "RVESV": "RV volume at end-systole",
    "RVEF": "RV ejection fraction",
    "wall_septal": "thickness of the septum",
    "wall_lateral": "thickness of the lateral wall",
}
SHUFFLED = ("controls", "shuffled_ecg")
SAME_R2 = 0.1  # two R2 closer than this are called equal
FOLLOWS_R = 0.3  # r from which values are said to follow the patient, whatever their scale
ALIKE_R2 = -0.3  # of one sample: hearts that differ but not with the patient score about -1, one heart for all about 0
GOOD_SSIM = 0.5
KEPT_WELL, KEPT_PARTLY = 0.8, 0.5  # share of the ceiling
COVERAGE_SLACK = 5.0  # per cent, or two standard errors where that is more
REAL_AUC, MADE_AUC = 0.65, 0.9  # of a classifier between true and generated
CHANCE_COPIES, COPIES_LIMIT = 0.01, 0.05  # share taken for copies where there is none; above it keep the weights
PLANTED_FOUND = 0.95  # share of planted copies that a search must find
SHARP_R2 = 0.9  # of the segmenter on true hearts
NO_NUMBER = "–"

Verdict = tuple[str, str]  # a key of SAYINGS, one clause


# ---- Verdicts ----

SAYINGS = {  # good, bad or note; the sentence, {} for its clauses
    "own": ("good", "Another patient's ECG gives another heart: {}."),
    "perhaps own": ("note", "Too few patients to be sure that the hearts are their own, intervals overlap: {}."),
    "ignored": ("bad", "The ECG is ignored, another patient's does as well: {}."),
    "alike": ("bad", "This generator returns much the same heart for everyone: {}."),
    "nobody's": ("bad", "The hearts differ, but not with the patient: {}."),
    "wrong scale": ("bad", "Hearts follow their patients at the wrong size or scale, so don't read these off: {}."),
    "unreadable": ("bad", "No better than the average patient's value, so don't read these off: {}."),
    "kept": ("good", "The hearts keep most of what ECG and person tell: {}."),
    "kept partly": ("note", "The hearts keep a part of what ECG and person tell: {}."),
    "lost": ("bad", "The hearts lose more than half of what ECG and person tell, they keep {}."),
    "adds": ("good", "The ECG adds to sex, age, height and weight: {}."),
    "perhaps adds": ("note", "The ECG may add to sex, age, height and weight, too few patients to be sure: {}."),
    "adds nothing": ("bad", "The ECG adds nothing to sex, age, height and weight: {}."),
    "copied": ("bad", "Showing the training patient with the most similar ECG does as well: {}."),
    "found": ("good", "A generated heart points to its patient: {}."),
    "not found": ("bad", "A generated heart does not point to its patient: {}."),
    "in territory": ("good", "Infarcts are drawn where the patients have them: {}."),
    "elsewhere": ("note", "Infarcts are not shown to be drawn where the patients have them: {}."),
    "honest": ("good", "The 90 % intervals cover {}: the samples are as sure as they should be."),
    "too sure": ("bad", "The 90 % intervals cover {}: the samples are too sure."),
    "too unsure": ("note", "The 90 % intervals cover {}: the samples differ more than they need to."),
    "calibrated": ("note", "Calibrated on other patients, the 90 % intervals cover {}."),
    "no evidence": ("note", "SSIM is no evidence here: {}."),
    "looks real": ("good", "A small classifier hardly tells generated from true slices: {}."),
    "looks made": ("bad", "A small classifier tells generated from true slices: {}."),
    "few copies": ("good", "{} of the hearts look like copies of training patients, no more than chance makes (1 %)."),
    "some copies": ("note", "{} of the hearts look like copies of training patients; chance makes 1 %."),
    "copies": ("bad", "{} of the hearts look like copies of training patients: don't release these weights."),
    "missed": ("note", "The search for copies misses some: {}."),
    "blunt": ("note", "The segmenter that measures is itself a limit, on true hearts {}."),
}


def verdicts(report: dict) -> list[str]:
    """What the figures say, in sentences, the most important first; nothing about what was not measured."""
    return [sentence for _, sentence in _judged(report)]


def _judged(report: dict) -> list[tuple[str, str]]:
    """(good, bad or note; sentence): clauses of one saying become one sentence."""
    whose = (_own_or_anothers, _no_better_than_the_mean, _information, _beyond_the_person, _retrieved, _territory)
    clauses: dict[str, list[str]] = {}
    for judge in (*whose, _coverage, _looks, _copies, _instrument):
        for saying, clause in judge(report):
            clauses.setdefault(saying, []).append(clause)
    said = ((*SAYINGS[saying], ", ".join(parts)) for saying, parts in clauses.items())
    return [(kind, sentence.replace("{}", clause)) for kind, sentence, clause in said]


def _own_table(report: dict) -> object:
    """The agreement to compare controls with: of as few hearts as they, as the mean of more agrees better by itself."""
    return _at(report, "controls", "own_ecg") or report.get("agreement")


def _own_or_anothers(report: dict) -> Iterator[Verdict]:
    """R2 with the own ECG, and with another patient's."""
    table = _own_table(report)
    for name, words in HEADLINE.items():
        own, other = value_at(table, name, "r2"), value_at(report, *SHUFFLED, name, "r2")
        follows = own > 0 or value_at(table, name, "r") >= FOLLOWS_R
        if own - other < SAME_R2:
            yield "ignored", f"R2 of {words} is {_ratio(own)} with the own ECG and {_ratio(other)} with another's"
        elif own > other and follows:
            ends, other_ends = interval_at(table, name, "r2"), interval_at(report, *SHUFFLED, name, "r2")
            sure = not (ends and other_ends) or ends[0] > other_ends[1]
            yield "own" if sure else "perhaps own", f"R2 of {words} falls from {_ratio(own)} to {_ratio(other)}"


def _no_better_than_the_mean(report: dict) -> Iterator[Verdict]:
    """R2 at or under 0: one heart for everyone, hearts of nobody, or the right order at the wrong size."""
    said = set()
    for name in sorted(PHENOTYPES, key=lambda name: name not in HEADLINE):
        own, r, bias = (value_at(report, "agreement", name, key) for key in ("r2", "r", "bias"))
        one = value_at(report, "agreement_of_one_sample", name, "r2")
        if not own <= 0:
            continue
        if r >= FOLLOWS_R:
            by = f", bias {_size(bias)} {UNITS[name]}" if math.isfinite(bias) else ""
            yield "wrong scale", f"{name} (r {_ratio(r)}, R2 {_ratio(own)}{by})"
        elif name not in HEADLINE:
            yield "unreadable", f"{name} (R2 {_ratio(own)})"
        else:
            saying = "alike" if (own if math.isnan(one) else one) > ALIKE_R2 else "nobody's"
            said.add(saying)
            yield saying, f"R2 of {HEADLINE[name]} is {_ratio(own)}, not above 0"
    ssim, of_mean = (value_at(report, "realism", key) for key in ("ssim", "ssim_mean_heart"))
    if ssim >= GOOD_SSIM or ssim >= of_mean:
        yield from ((saying, f"although its SSIM of {_ratio(ssim)} looks good") for saying in said)


def _information(report: dict) -> Iterator[Verdict]:
    """Share of the ceiling."""
    table = _information_kept(report)
    for name, words in HEADLINE.items():
        kept, ends = value_at(table, name, "kept"), interval_at(table, name, "kept")
        if math.isfinite(kept):
            saying = "kept" if kept >= KEPT_WELL else "kept partly" if kept >= KEPT_PARTLY else "lost"
            yield saying, f"{_share(kept)}{f' ({_span(ends, _share)})' if ends else ''} for {words}"


def _beyond_the_person(report: dict) -> Iterator[Verdict]:
    """R2 with the ECG against R2 without it, and against that of the nearest ECG's training patient."""
    table = _own_table(report)
    for name, words in HEADLINE.items():
        own, ends = value_at(table, name, "r2"), interval_at(table, name, "r2")
        person, copied = (value_at(report, "controls", key, name, "r2") for key in ("person_only", "retrieval"))
        if own > 0 and math.isfinite(person):
            sure = not ends or ends[0] > person
            saying = "adds nothing" if own - person < SAME_R2 / 2 else "adds" if sure else "perhaps adds"
            yield saying, f"R2 of {words} is {_ratio(own)} with it, {_ratio(person)} without"
        if copied >= own:
            yield "copied", f"R2 of {words} is {_ratio(copied)}, generated {_ratio(own)}"


def _retrieved(report: dict) -> Iterator[Verdict]:
    """Median rank of the own heart in %: 0 best, 50 chance, whose standard error over n patients is 50 / sqrt(n)."""
    median, n = (value_at(report, "retrieval", key) for key in ("median_percentile", "n"))
    if n > 0 and math.isfinite(median):
        saying = "found" if median < 50 - 2 * 50 / math.sqrt(n) else "not found"
        yield saying, f"{_size(median)} % of the other hearts are nearer to it than the own (median; by chance 50 %)"


def _territory(report: dict) -> Iterator[Verdict]:
    found = _at(report, "groups", "infarct", "territory")
    share, chance, n = (value_at(found, key) for key in ("thinnest_in_territory", "chance", "n"))
    if n > 0 and math.isfinite(share - chance):
        saying = "in territory" if share > chance + 2 * math.sqrt(chance * (1 - chance) / n) else "elsewhere"
        yield (
            saying,
            (
                f"in {_share(share)} of {n:.0f} patients the thinnest wall lies in the infarct's territory "
                f"(by chance {_share(chance)})"
            ),
        )


def _coverage(report: dict) -> Iterator[Verdict]:
    """The 90 % intervals of the samples, and of the calibrated ones."""
    for name, words in HEADLINE.items():
        reached, n = (value_at(report, "coverage", name, key) for key in ("90", "n"))
        if math.isfinite(reached):
            slack = max(COVERAGE_SLACK, 200 * math.sqrt(0.9 * 0.1 / n)) if n > 0 else COVERAGE_SLACK
            saying = "too sure" if reached < 90 - slack else "too unsure" if reached > 90 + slack else "honest"
            yield saying, f"{reached:.0f} % for {words}"
        reached, width = (value_at(report, "coverage_calibrated", name, key) for key in ("90", "width_90"))
        if math.isfinite(reached):
            wide = f" ({_size(width)} {UNITS[name]} wide)" if math.isfinite(width) else ""
            yield "calibrated", f"{reached:.0f} % for {words}{wide}"


def _looks(report: dict) -> Iterator[Verdict]:
    """Pictures: none of it is evidence about the patient."""
    ssim, of_mean, auc = (value_at(report, "realism", key) for key in ("ssim", "ssim_mean_heart", "classifier_auc"))
    if ssim <= of_mean:
        yield (
            "no evidence",
            f"one mean heart for everyone scores {_ratio(of_mean)}, the generated hearts {_ratio(ssim)}",
        )
    if auc >= MADE_AUC or auc <= REAL_AUC:
        yield "looks made" if auc >= MADE_AUC else "looks real", f"AUC {_ratio(auc)}, a coin has 0.5"


def _copies(report: dict) -> Iterator[Verdict]:
    fraction, planted, n = (value_at(report, "memorisation", key) for key in ("fraction", "detector_tpr", "n"))
    if math.isfinite(fraction):
        slack = 2 * math.sqrt(CHANCE_COPIES * (1 - CHANCE_COPIES) / n) if n > 0 else 0
        few = fraction <= CHANCE_COPIES + slack
        saying = "copies" if fraction > COPIES_LIMIT else "few copies" if few else "some copies"
        yield saying, _share(fraction)
    if planted < PLANTED_FOUND:
        yield "missed", f"it found {_share(planted)} of those planted"


def _instrument(report: dict) -> Iterator[Verdict]:
    for name, words in HEADLINE.items():
        r2 = value_at(report, "measured_on_true_hearts", name, "r2")
        if r2 < SHARP_R2:
            yield "blunt", f"R2 of {words} is {_ratio(r2)}"


# ---- Numbers ----


def interval_at(report: object, *keys: str) -> tuple[float, float] | None:
    """The 95 % interval beside the number under nested keys; None where there is none of two finite ends."""
    interval = _at(report, *keys[:-1], f"{keys[-1]}_ci")
    if not isinstance(interval, list | tuple) or len(interval) != 2:
        return None
    low, high = (value_at({"end": end}, "end") for end in interval)
    return (low, high) if math.isfinite(low - high) else None


def _information_kept(report: dict) -> dict[str, dict]:
    """{phenotype: {kept, kept_ci}}, as every other table has its intervals."""
    values, intervals = report.get("information_kept"), report.get("information_kept_ci")
    return {name: {"kept": value_at(values, name), "kept_ci": _at(intervals, name)} for name in PHENOTYPES}


def _at(report: object, *keys: str) -> object:
    """What lies under nested keys; None where there is nothing."""
    for key in keys:
        report = report.get(key) if isinstance(report, dict) else None
    return report


def _tables_at(report: object, *keys: str) -> dict[str, dict]:
    """The tables under nested keys by name; numbers and lists among them are left out."""
    found = _at(report, *keys)
    return {key: table for key, table in found.items() if isinstance(table, dict)} if isinstance(found, dict) else {}


def _rows_at(report: dict, key: str) -> list[dict]:
    """The tables of a list."""
    found = report.get(key)
    return [row for row in found if isinstance(row, dict)] if isinstance(found, list) else []


def _numbers(source: object, path: str = "") -> Iterator[tuple[str, float]]:
    """Every number in nested tables by the words of its path; intervals are left out."""
    for key, value in source.items() if isinstance(source, dict) else ():
        words = f"{path} {key}".replace("_", " ").strip()
        if isinstance(value, dict):
            yield from _numbers(value, words)
        elif math.isfinite(value_at(source, key)):
            yield words, value_at(source, key)


def _decimals(value: float, decimals: int) -> str:
    """A dash for what is no number; never a negative zero."""
    return f"{round(value, decimals) + 0.0:,.{decimals}f}" if math.isfinite(value) else NO_NUMBER


def _ratio(value: float) -> str:
    return _decimals(value, 2)


def _count(value: float) -> str:
    return _decimals(value, 0)


def _size(value: float) -> str:
    """mL, g, mm or %: a decimal below a hundred."""
    return _decimals(value, 0 if abs(value) >= 100 else 1)


def _share(value: float) -> str:
    """A share of 1 as %: a decimal below ten."""
    return f"{_decimals(100 * value, 0 if abs(value) >= 0.1 else 1)} %" if math.isfinite(value) else NO_NUMBER


def _any(value: float) -> str:
    """A number of which nothing is known: three digits, or all before the point."""
    if not math.isfinite(value):
        return NO_NUMBER
    return f"{value:,.0f}" if value == round(value) or abs(value) >= 1000 else f"{value:.3g}"


def _span(ends: tuple[float, float], show: Callable[[float], str]) -> str:
    return f"{show(ends[0])} to {show(ends[1])}"


# ---- HTML: every text passes through `escape` here ----


def _cell(source: object, key: str, show: Callable[[float], str] = _ratio) -> str:
    """A number as shown by `show`, its interval in small type."""
    value, ends = value_at(source, key), interval_at(source, key)
    small = f" <small>{escape(_span(ends, show))}</small>" if ends and math.isfinite(value) else ""
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
        (f"{name}, {UNITS[name]}", [_cell(_at(table, name), key, show) for table, key, show in columns.values()])
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
    rows += [(name, [_any(value), "", ""]) for name, value in _numbers(others)]
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
    columns = {"r": (own, "r", _ratio), "R2": (own, "r2", _ratio)}
    columns |= {heading: (own, key, _size) for heading, key in sizes.items()} | {"n": (own, "n", _count)}
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
    steps = _rows_at(report, "ceiling_curve")
    return (
        "How much of what ECG and person tell reaches the picture. The ceiling predicts each phenotype straight from "
        "the same ECG and person, without drawing a heart. Information kept is R2 of the generated hearts divided by "
        "R2 of the ceiling. The last column is the segmenter's own error: the same measurement on true hearts.",
        "80 % and more kept; on true hearts R2 above 0.9; a ceiling that no longer rises with more people.",
        "0 % keeps nothing; a ceiling near 0 means that this ECG says nothing of the phenotype, whoever draws it.",
        _phenotype_table(
            "R2, and its share of the ceiling",
            {
                "kept": (_information_kept(report), "kept", _share),
                "generated": (report.get("agreement"), "r2", _ratio),
                "one sample": (report.get("agreement_of_one_sample"), "r2", _ratio),
                "ceiling": (report.get("ceiling"), "r2", _ratio),
                "true hearts, measured": (report.get("measured_on_true_hearts"), "r2", _ratio),
            },
        ),
        _table(
            "R2 of the ceiling by the number of people it learned from",
            ["people", *PHENOTYPES],
            [(_count(value_at(step, "people")), [_cell(_at(step, "r2"), p) for p in PHENOTYPES]) for step in steps],
        ),
        _picture(pictures, "learning_curve", "The ceiling against the people it learned from: would more people help?"),
    )


def _controls(report: dict, pictures: dict[str, bytes]) -> tuple[str, ...]:
    controls = _tables_at(report, "controls")
    columns = {"generated": report.get("agreement")}
    columns |= {CONTROLS.get(name, name): controls[name] for name in [*CONTROLS, *controls] if name in controls}
    found = {"own ECG": report.get("retrieval"), "another patient's ECG": report.get("retrieval_shuffled")}
    ranks = {"median rank, %": "median_percentile", "in the nearest 1 %, %": "top_1", "in the nearest 5 %, %": "top_5"}
    tables = [
        _phenotype_table(f"{words} against the truth", {title: (t, key, _ratio) for title, t in columns.items()})
        for key, words in (("r2", "R2"), ("r", "r"))
    ]
    return (
        "The same figures with the patient's information taken away. Another's ECG: the ECG of a different patient "
        "with the own sex, age, height and weight. Person only, ECG only, neither: the generator without the rest. "
        "These are means of fewer hearts, which alone lowers R2: compare them with the own ECG of as few, where that "
        "is given. Mean heart: one heart for everyone. "
        "Nearest ECG's heart: the training patient with the most similar ECG. Below, the share of other true hearts "
        "that are nearer to the generated one than the patient's own: 0 is best, 50 is chance.",
        "far above every control; with another's ECG as low as person only, or lower; median rank well under 50.",
        "another's ECG does as well (the ECG is ignored), or the mean heart does (everyone gets the same).",
        *(tables if controls else []),
        _picture(pictures, "controls", "R2 with each source of information. A triangle: the bar goes on beyond -1."),
        _table(
            "Finding the patient by the heart",
            ["", *ranks, "n"],
            [
                (name, [*(_cell(table, key, _size) for key in ranks.values()), _cell(table, "n", _count)])
                for name, table in found.items()
            ],
        ),
    )


def _groups(report: dict, _: dict[str, bytes]) -> tuple[str, ...]:
    groups = _tables_at(report, "groups")
    tables = [
        _table(
            caption,
            ["", "n", *PHENOTYPES],
            [
                (g, [_cell(t, "n", _count), *(_cell(t.get(p), key, show) for p in PHENOTYPES)])
                for g, t in groups.items()
            ],
        )
        for caption, key, show in (("r within the group", "r", _ratio), ("Bias, generated minus true", "bias", _size))
    ]
    places = {"in the infarct's territory": "thinnest_in_territory", "of true hearts": "thinnest_in_territory_real"}
    places |= {"by chance": "chance"}
    territory = {group: table["territory"] for group, table in groups.items() if "territory" in table}
    return (
        "The same agreement inside each group. r within a group is lower than over everyone, as its patients are more "
        "alike; bias shows whether the disease itself is drawn.",
        "bias near 0 in every group: the generated hearts of the sick look sick.",
        "thick walls come out too thin, or large hearts too small (a bias against the disease): the generator "
        "draws the average heart where it is least wanted.",
        *(tables if groups else []),
        _table(
            "Where the wall is thinnest, of patients with an infarct",
            ["", *places, "n"],
            [
                (g, [*(_cell(t, key, _share) for key in places.values()), _cell(t, "n", _count)])
                for g, t in territory.items()
            ],
        ),
    )


def _certainty(report: dict, pictures: dict[str, bytes]) -> tuple[str, ...]:
    drawn, calibrated = report.get("coverage"), report.get("coverage_calibrated")
    columns = {f"{level} % interval covers, %": (drawn, str(level), _size) for level in NOMINAL}
    columns |= {"width of 90 %": (drawn, "width_90", _size), "CRPS": (drawn, "crps", _size)}
    columns |= {"spread / skill": (drawn, "spread_skill", _ratio), "n": (drawn, "n", _count)}
    columns |= {"calibrated 90 % covers, %": (calibrated, "90", _size)}
    columns |= {"calibrated width": (calibrated, "width_90", _size)}
    groups = _tables_at(report, "coverage_groups")
    return (
        "One ECG gives several hearts; where the ECG is silent they should differ, by as much as the truth may. An "
        "interval made from a patient's samples should hold the truth as often as it says. CRPS is the error of the "
        "whole set of samples, in the phenotype's units. Spread over skill is the samples' spread over the error made. "
        "Calibrated: spread widened or narrowed by what other patients showed.",
        "90 % intervals that cover 90 % and are narrow; spread / skill of 1; flat rank histograms; a low CRPS.",
        "coverage below: too sure, the U-shaped histogram; coverage above: too unsure, the hill; a slope is a bias.",
        _phenotype_table("Intervals of the samples", columns),
        _picture(pictures, "coverage", "Nominal against reached coverage; below the line the samples are too sure."),
        _picture(pictures, "ranks", "Rank of the truth among the samples; the band is what chance allows a flat one."),
        _table(
            "Coverage of the 90 % interval in each group, %",
            ["", *PHENOTYPES],
            [(g, [_cell(table.get(p), "90", _size) for p in PHENOTYPES]) for g, table in groups.items()],
        ),
    )


REALISM = {
    "fid": ("FID", _any, "fid_real", "as low as that of other real hearts"),
    "precision": ("precision", _ratio, "precision_real", "as real: generated hearts look like some real one"),
    "recall": ("recall", _ratio, "recall_real", "as real: every real heart has a generated one like it"),
    "density": ("density", _ratio, "density_real", "as real"),
    "coverage": ("coverage", _ratio, "coverage_real", "as real: no kind of heart is missing"),
    "ssim": ("SSIM with the own heart", _ratio, "ssim_mean_heart", "above the mean heart's"),
    "ms_ssim": ("multi-scale SSIM", _ratio, "ms_ssim_mean_heart", "above the mean heart's"),
    "psnr": ("PSNR, dB", _size, "psnr_mean_heart", "above the mean heart's"),
    "classifier_auc": ("classifier's AUC", _ratio, None, "0.5: generated and true cannot be told apart; 1 is bad"),
    "spectrum_gap": ("gap in fine detail, log10", _ratio, None, "0: neither blurred nor noisy"),
}
COPIES = {
    "fraction": (
        "hearts that look like copies",
        _share,
        None,
        "1 % or less, which chance makes; above 5 % keep the weights",
    ),
    "auc": ("nearer to training than to unseen hearts, AUC", _ratio, None, "0.5"),
    "auc_of_copies": (
        "the same, were all hearts copies",
        _ratio,
        None,
        "well above 0.5, or the line above proves nothing",
    ),
    "threshold": ("score below which a heart counts as a copy", _ratio, None, ""),
    "threshold_fpr": ("false alarms of the search", _share, None, "at most 1 %"),
    "detector_tpr": ("planted copies found", _share, None, "at least 95 %, or the search proves nothing"),
    "membership_auc": ("telling who was trained on, AUC", _ratio, None, "0.5: nobody can"),
    "n": ("hearts searched", _count, None, ""),
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


def _coherence(report: dict, _: dict[str, bytes]) -> tuple[str, ...]:
    measures = _tables_at(report, "coherence")
    shown = {"generated": _any, "real": _any, "n_generated": _count, "n_real": _count}
    return (
        "How much the heart jumps from slice to slice and from end-diastole to end-systole; medians over hearts. Real "
        "hearts move too, so they are the reference.",
        "as in real hearts.",
        "far more: each slice looks right but belongs to another heart. Far less: hearts too smooth to be real.",
        _table(
            "Coherence",
            ["", *(key.replace("_", " ") for key in shown)],
            [(n.replace("_", " "), [_cell(t, k, show) for k, show in shown.items()]) for n, t in measures.items()],
        ),
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
        _table("Segmenter", ["", "found"], [(n, [_any(value)]) for n, value in _numbers(report.get("segmenter"))]),
    )


def _curves(report: dict, _: dict[str, bytes]) -> tuple[str, ...]:
    settings = [dict(_numbers(setting)) for setting in _rows_at(report, "curves")]
    columns = list(dict.fromkeys(name for setting in settings for name in setting))
    return (
        "The same patients at other guidance scales, steps or numbers of samples. Guidance makes hearts follow the ECG "
        "more strongly and differ less from one another.",
        "a setting that keeps more information at honest coverage.",
        "a better FID bought with coverage: prettier hearts that are too sure.",
        _table(
            "Settings",
            ["", *columns],
            [(str(i), [_any(value_at(s, c)) for c in columns]) for i, s in enumerate(settings, start=1)],
        ),
    )


def _time(report: dict) -> str:
    rows = [(name, [_size(seconds)]) for name, seconds in _numbers(report.get("seconds"))]
    return _table("Where the time went", ["", "seconds"], rows)


SECTIONS = {
    "Is it this patient?": _controls,
    "Agreement with the patient": _agreement,
    "Information kept": _kept,
    "Patients with a disease": _groups,
    "How far to believe one heart": _certainty,
    "Do they look like hearts?": _realism,
    "Do the slices make one heart?": _coherence,
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
    partial = path.with_name(f".{path.name}.partial")
    partial.write_text(_page(report, pictures), encoding="utf-8")
    partial.replace(path)


def _page(report: dict, pictures: dict[str, bytes]) -> str:
    links = " ".join(f'<a href="#{_anchor(title)}">{escape(title)}</a>' for title in SECTIONS)
    words = "".join(f"<dt>{escape(name)}</dt><dd>{escape(text)}, {UNITS[name]}</dd>\n" for name, text in NAMES.items())
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
    facts = [f"{_count(known[key])} {words}" for key, words in counts.items() if key in known]
    facts += [f"{key} {report[key]}" for key in ("cohort", "split", "pipeline") if isinstance(report.get(key), str)]
    facts += [f"{words} {_any(known[key])}" for key, words in settings.items() if key in known]
    return f'<p class="soft">{escape(", ".join(facts))}</p>\n'


def _headline(report: dict) -> str:
    """Information kept of LV mass and LVEDV, and the verdicts."""
    tiles, table = "", _information_kept(report)
    known = {"generated": ("agreement",), "ceiling": ("ceiling",), "another's ECG": SHUFFLED}
    for name, words in HEADLINE.items():
        ends = interval_at(table, name, "kept")
        scores = ", ".join(f"{title} {_ratio(value_at(report, *at, name, 'r2'))}" for title, at in known.items())
        tiles += (
            f'<div class="tile">{escape(words)}: information kept<b>{_share(value_at(table, name, "kept"))}</b>'
            f"<small>{f'95 % interval: {_span(ends, _share)}' if ends else ''}</small>"
            f'<div class="soft">R2: {escape(scores)}</div></div>\n'
        )
    said = "".join(
        f'<li><b class="{kind}">{MARKS[kind]}</b>{escape(sentence)}</li>\n' for kind, sentence in _judged(report)
    )
    said = f'<ul class="verdicts">\n{said}</ul>\n' if said else "<p>Too little was measured for a verdict.</p>\n"
    return f'<div class="tiles">{tiles}</div>\n{said}'
