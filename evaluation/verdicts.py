"""What the numbers of a report say, in words."""

import math
from collections.abc import Iterator

from cohort.phenotypes import LABELS, PHENOTYPES, UNITS
from sampling.card_numbers import COPIES_LIMIT

from .agreement import FEW_PEOPLE
from .motion_words import MOTION_WORDS
from .report_numbers import (
    as_ratio,
    as_share,
    as_size,
    as_span,
    content_at,
    fair_r2,
    headline_kept_of,
    interval_at,
    spaced,
    tables_at,
    untold_at,
    value_at,
)

HEADLINE = {"LVM": "LV mass", "LVEDV": "LVEDV"}  # what an ECG tells best, and most often
SHUFFLED = ("controls", "shuffled_ecg")
SAME_R2 = 0.1  # two R2 closer than this are called equal
FOLLOWS_R = 0.3  # with this r or more, values follow the patient, whatever their scale
ALIKE_R2 = -0.3  # of one sample: one heart for all scores about 0, hearts of random other patients about -1
GOOD_SSIM = 0.5
KEPT_WELL, KEPT_PARTLY = 0.8, 0.5  # share of the ceiling
COVERAGE_SLACK = 5.0  # per cent, or two standard errors where that is more
REAL_AUC, MADE_AUC = 0.65, 0.9  # of a classifier between true and generated
CHANCE_COPIES = 0.01  # share taken for copies where there are none
PLANTED_FOUND = 0.95  # share of planted copies that a good search finds
SHARP_R2 = 0.9  # of the segmenter on true hearts
SLOPES = (0.95, 1.05)  # of drawn against told: obedient, times the slope of true hearts
MOST_IMPLAUSIBLE = 0.005  # share of generated hearts
CELLS = (85.0, 95.0)  # % that a single 90 % interval may cover

Verdict = tuple[str, str]  # a key of SAYINGS, one clause


SAYINGS = {  # good, bad or note; the sentence, {} for its clauses
    "few": ("note", "{} are too few to judge hearts by: look at the pictures; the numbers stand in report.json alone."),
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
    "untold": ("note", "What share of ECG and person the hearts keep is not told, for {}."),
    "adds": ("good", "The ECG adds to sex, age, height and weight: {}."),
    "perhaps adds": ("note", "The ECG may add to sex, age, height and weight, too few patients to be sure: {}."),
    "adds nothing": ("bad", "The ECG adds nothing to sex, age, height and weight: {}."),
    "copied": ("bad", "Showing the training patient with the most similar ECG does as well: {}."),
    "not above": ("good", "Another's ECG foretells no more than the person alone, by the mean of many hearts: {}."),
    "above": ("bad", "Another's ECG foretells more than the person alone, by the mean of many hearts: {}."),
    "disobedient": ("bad", "Hearts do not follow the phenotypes that their codes tell: {}."),
    "implausible": ("bad", "Hearts that no living heart is like are more than among true ones: {}."),
    "found": ("good", "A generated heart points to its patient: {}."),
    "not found": ("bad", "A generated heart does not point to its patient: {}."),
    "in territory": ("good", "Infarcts are drawn where the patients have them: {}."),
    "elsewhere": ("note", "Infarcts are not shown to be drawn where the patients have them: {}."),
    "honest": ("good", "The 90 % intervals cover {}: the samples are as sure as they should be."),
    "too sure": ("bad", "The 90 % intervals cover {}: the samples are too sure."),
    "too unsure": ("note", "The 90 % intervals cover {}: the samples differ more than they need to."),
    "cells": ("note", "Of single phenotypes the 90 % interval covers less than 85 % or more than 95 %: {}."),
    "told": ("good", "The 90 % intervals that heart.json tells, by heart codes, cover {}: as they should."),
    "told too surely": ("bad", "The 90 % intervals that heart.json tells, by heart codes, cover {}: too narrow."),
    "told unsurely": ("note", "The 90 % intervals that heart.json tells, by heart codes, cover {}: wider than needed."),
    "no evidence": ("note", "SSIM is no evidence here: {}."),
    "looks real": ("good", "A small classifier hardly tells generated from true slices: {}."),
    "looks made": ("bad", "A small classifier tells generated from true slices: {}."),
    "few copies": ("good", "{} of the hearts look like copies of training patients, no more than chance makes (1 %)."),
    "some copies": ("note", "{} of the hearts look like copies of training patients; chance makes 1 %."),
    "copies": ("bad", "{} of the hearts look like copies of training patients: don't release these weights."),
    "missed": ("note", "The search for copies misses some: {}."),
    "own truth": (
        "note",
        "No label map or table tells every phenotype of {}. One segmenter measured true and generated hearts alike: "
        "its errors stand in both.",
    ),
    "other truth": (
        "note",
        "No label map or table tells every phenotype of {}. The segmenter measured their true hearts: its errors stand "
        "in the truth.",
    ),
    "had part": (
        "note",
        "The segmenter that measures had a part in drawing: hearts were moved to what it should find. Another one is a "
        "sterner judge: {}.",
    ),
    "blunt": ("note", "The segmenter that measures is itself a limit, on true hearts {}."),
}


def verdicts(report: dict) -> list[str]:
    """What the numbers say, in sentences, the most important first; nothing about what was not measured."""
    return [sentence for _, sentence in judged(report)]


def judged(report: dict) -> list[tuple[str, str]]:
    """Pairs of "good", "bad" or "note" and a sentence; clauses of one saying become one sentence."""
    people = value_at(report, "n_subjects")
    if people < FEW_PEOPLE:
        kind, sentence = SAYINGS["few"]
        return [(kind, sentence.replace("{}", f"{people:.0f} patients"))]
    said = ((*SAYINGS[saying], ", ".join(parts)) for saying, parts in clauses_of(report).items())
    return [(kind, sentence.replace("{}", clause)) for kind, sentence, clause in said]


def clauses_of(report: dict) -> dict[str, list[str]]:
    """What every judge says of a report, however few its people: keys of SAYINGS, the most important first."""
    whose = (_own_or_anothers, _no_better_than_the_mean, _information, _beyond_the_person, _retrieved, _territory)
    clauses: dict[str, list[str]] = {}
    for judge in (*whose, _another_and_person, _coverage, _obeys, _implausible, _looks, _copies, _instrument):
        for saying, clause in judge(report):
            clauses.setdefault(saying, []).append(clause)
    return clauses


def own_table(report: dict) -> object:
    """The agreement to compare controls with: by very many hearts, or in an earlier report by as few as theirs."""
    agreement = report.get("agreement")
    if any(fair_r2(agreement, name) == "r2_of_many" for name in HEADLINE):
        return agreement
    return content_at(report, "controls", "own_ecg") or report.get("agreement")


def _own_or_anothers(report: dict) -> Iterator[Verdict]:
    """R2 with the own ECG, and with another patient's."""
    table = own_table(report)
    for name, words in HEADLINE.items():
        key, other_key = fair_r2(table, name), fair_r2(content_at(report, *SHUFFLED), name)
        own, other = value_at(table, name, key), value_at(report, *SHUFFLED, name, other_key)
        follows = own > 0 or value_at(table, name, "r") >= FOLLOWS_R
        if own - other < SAME_R2:
            yield "ignored", f"R2 of {words} is {as_ratio(own)} with the own ECG and {as_ratio(other)} with another's"
        elif own > other and follows:
            ends, other_ends = interval_at(table, name, key), interval_at(report, *SHUFFLED, name, other_key)
            sure = not (ends and other_ends) or ends[0] > other_ends[1]
            yield "own" if sure else "perhaps own", f"R2 of {words} falls from {as_ratio(own)} to {as_ratio(other)}"


def _no_better_than_the_mean(report: dict) -> Iterator[Verdict]:
    """R2 of 0 or less: one heart for everyone, hearts of nobody, or the right order at the wrong size."""
    said = set()
    for name in sorted(PHENOTYPES, key=lambda name: name not in HEADLINE):
        own, r, bias = (value_at(report, "agreement", name, key) for key in ("r2", "r", "bias"))
        one = value_at(report, "agreement_of_one_sample", name, "r2")
        if not own <= 0:
            continue
        if r >= FOLLOWS_R:
            by = f", bias {as_size(bias)} {UNITS[name]}" if math.isfinite(bias) else ""
            yield "wrong scale", f"{LABELS[name]} (r {as_ratio(r)}, R2 {as_ratio(own)}{by})"
        elif name not in HEADLINE:
            yield "unreadable", f"{LABELS[name]} (R2 {as_ratio(own)})"
        else:
            saying = "alike" if (own if math.isnan(one) else one) > ALIKE_R2 else "nobody's"
            said.add(saying)
            yield saying, f"R2 of {HEADLINE[name]} is {as_ratio(own)}, not above 0"
    ssim, of_mean = (value_at(report, "realism", key) for key in ("ssim", "ssim_mean_heart"))
    if ssim >= GOOD_SSIM or ssim >= of_mean:
        yield from ((saying, f"although its SSIM of {as_ratio(ssim)} looks good") for saying in said)


def _information(report: dict) -> Iterator[Verdict]:
    """Share of the ceiling."""
    table = headline_kept_of(report)
    for name, words in HEADLINE.items():
        kept, ends = value_at(table, name, "kept"), interval_at(table, name, "kept")
        if math.isfinite(kept):
            saying = "kept" if kept >= KEPT_WELL else "kept partly" if kept >= KEPT_PARTLY else "lost"
            yield saying, f"{as_share(kept)}{f' ({as_span(ends, as_share)})' if ends else ''} for {words}"
        elif why := untold_at(table, name, "kept"):
            yield "untold", f"{words} ({why})"


def _beyond_the_person(report: dict) -> Iterator[Verdict]:
    """R2 with the ECG against R2 without it, and against R2 of the training patient with the nearest ECG."""
    table = own_table(report)
    for name, words in HEADLINE.items():
        own, ends = (at(table, name, fair_r2(table, name)) for at in (value_at, interval_at))
        controls = [content_at(report, "controls", key) for key in ("person_only", "retrieval")]
        person, copied = (value_at(control, name, fair_r2(control, name)) for control in controls)
        if own > 0 and math.isfinite(person):
            sure = not ends or ends[0] > person
            saying = "adds nothing" if own - person < SAME_R2 / 2 else "adds" if sure else "perhaps adds"
            yield saying, f"R2 of {words} is {as_ratio(own)} with it, {as_ratio(person)} without"
        if copied >= own:
            yield "copied", f"R2 of {words} is {as_ratio(copied)}, generated {as_ratio(own)}"


def _another_and_person(report: dict) -> Iterator[Verdict]:
    """R2 of another's ECG less that of the person alone, paired; above 0 only where the whole interval is."""
    found = {words: content_at(report, "another_less_person", name) for name, words in HEADLINE.items()}
    tables = {name: (table, "another_less_person") for name, table in tables_at(report, "motion", "numbers").items()}
    everything = {words: (table, "difference") for words, table in found.items()} | tables
    for name, (table, key) in everything.items():
        difference, ends = value_at(table, key), interval_at(table, key)
        if ends:
            above = ends[0] > 0
            clause = f"{MOTION_WORDS.get(name, spaced(name))} {as_ratio(difference)} ({as_span(ends, as_ratio)})"
            yield "above" if above else "not above", clause


def _obeys(report: dict) -> Iterator[Verdict]:
    """The slope of drawn against told, beside the slope with which the same segmenter sees true hearts."""
    for name in PHENOTYPES:
        slope, ends = (at(report, "obedience", name, "slope") for at in (value_at, interval_at))
        seen = value_at(report, "segmented_slopes", name, "slope")
        most = seen if math.isfinite(seen) else 1.0  # that a heart which obeyed perfectly would get
        if ends and (ends[1] < SLOPES[0] * most or ends[0] > SLOPES[1] * most):
            beside = f", true hearts {as_ratio(seen)}" if math.isfinite(seen) else ""
            yield "disobedient", f"{LABELS[name]} slope {as_ratio(slope)} ({as_span(ends, as_ratio)}{beside})"


def _implausible(report: dict) -> Iterator[Verdict]:
    """The share of generated hearts that break a limit, where it is above the true hearts' beyond chance."""
    table = content_at(report, "implausible", "any")
    made, ends, real = value_at(table, "generated"), interval_at(table, "generated"), value_at(table, "real")
    if ends and ends[0] > max(real, MOST_IMPLAUSIBLE):
        yield "implausible", f"{as_share(made)} ({as_span(ends, as_share)}), of true hearts {as_share(real)}"


def _retrieved(report: dict) -> Iterator[Verdict]:
    """Median rank of the own heart in %: 0 is best and 50 chance, with a standard error of 50 / sqrt(n)."""
    median, n = (value_at(report, "retrieval", key) for key in ("median_percentile", "n"))
    if n > 0 and math.isfinite(median):
        saying = "found" if median < 50 - 2 * 50 / math.sqrt(n) else "not found"
        yield saying, f"{as_size(median)} % of the other hearts are nearer to it than the own (median; by chance 50 %)"


def _territory(report: dict) -> Iterator[Verdict]:
    territory = content_at(report, "groups", "infarct", "territory")
    share, chance, n = (value_at(territory, key) for key in ("thinnest_in_territory", "chance", "n"))
    if n > 0 and math.isfinite(share - chance):
        saying = "in territory" if share > chance + 2 * math.sqrt(chance * (1 - chance) / n) else "elsewhere"
        yield (
            saying,
            (
                f"in {as_share(share)} of {n:.0f} patients the thinnest wall lies in the infarct's territory "
                f"(by chance {as_share(chance)})"
            ),
        )


def _coverage(report: dict) -> Iterator[Verdict]:
    """The 90 % intervals that are told, all phenotypes together, and those of the samples, also of each."""
    told, ends = (at(report, "coverage_told_pooled", "90") for at in (value_at, interval_at))
    if ends and math.isfinite(told):
        saying = "told too surely" if ends[1] < 90 else "told unsurely" if ends[0] > 90 else "told"
        yield saying, f"{as_size(told)} % ({as_span(ends, as_size)}) over all phenotypes"
    pooled, ends = (at(report, "coverage_pooled", "90") for at in (value_at, interval_at))
    if ends:
        saying = "too sure" if ends[1] < 90 else "too unsure" if ends[0] > 90 else "honest"
        yield saying, f"{as_size(pooled)} % ({as_span(ends, as_size)}) over all phenotypes"
    for name in PHENOTYPES:
        reached = value_at(report, "coverage", name, "90")
        if ends and not CELLS[0] <= reached <= CELLS[1] and math.isfinite(reached):
            yield "cells", f"{LABELS[name]} {as_size(reached)} %"
    for name, words in HEADLINE.items():
        reached, n = (value_at(report, "coverage", name, key) for key in ("90", "n"))
        if math.isfinite(reached):
            slack = max(COVERAGE_SLACK, 200 * math.sqrt(0.9 * 0.1 / n)) if n > 0 else COVERAGE_SLACK
            saying = "too sure" if reached < 90 - slack else "too unsure" if reached > 90 + slack else "honest"
            yield saying, f"{reached:.0f} % for {words}"


def _looks(report: dict) -> Iterator[Verdict]:
    """Likeness of pictures: no evidence about the patient."""
    ssim, of_mean, auc = (value_at(report, "realism", key) for key in ("ssim", "ssim_mean_heart", "classifier_auc"))
    if ssim <= of_mean:
        yield (
            "no evidence",
            f"one mean heart for everyone scores {as_ratio(of_mean)}, the generated hearts {as_ratio(ssim)}",
        )
    if auc >= MADE_AUC or auc <= REAL_AUC:
        floor = value_at(report, "realism", "classifier_auc_reconstruction")
        beside = f", true hearts through the autoencoder {as_ratio(floor)}" if math.isfinite(floor) else ""
        yield "looks made" if auc >= MADE_AUC else "looks real", f"AUC {as_ratio(auc)}{beside}, a coin has 0.5"


def _copies(report: dict) -> Iterator[Verdict]:
    fraction, planted, n = (value_at(report, "memorisation", key) for key in ("fraction", "detector_tpr", "n"))
    if math.isfinite(fraction):
        slack = 2 * math.sqrt(CHANCE_COPIES * (1 - CHANCE_COPIES) / n) if n > 0 else 0
        few = fraction <= CHANCE_COPIES + slack
        saying = "copies" if fraction > COPIES_LIMIT else "few copies" if few else "some copies"
        yield saying, as_share(fraction)
    if planted < PLANTED_FOUND:
        yield "missed", f"it found {as_share(planted)} of those planted"


def _instrument(report: dict) -> Iterator[Verdict]:
    if report.get("judge_had_part") is True:
        yield "had part", "evaluate_samples.py --segmenter DIR, as pretrained/segmenter"
    count = value_at(report, "true_hearts_measured")
    if count > 0:
        saying = "other truth" if report.get("labels") else "own truth"
        yield saying, f"{count:.0f} of {value_at(report, 'n_subjects'):.0f} people"
    for name, words in HEADLINE.items():
        r2 = value_at(report, "measured_on_true_hearts", name, "r2")
        if r2 < SHARP_R2:
            yield "blunt", f"R2 of {words} is {as_ratio(r2)}"
