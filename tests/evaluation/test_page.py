import base64
import copy
import json
import re
import subprocess
from html.parser import HTMLParser

import numpy as np
import pytest

from cohort.phenotypes import LABELS, PHENOTYPES
from evaluation.coherence import MEASURES
from evaluation.headline import REAL, SURE, WHOSE, headline
from evaluation.hearts_picture import hearts_picture
from evaluation.page import page, page_of, write_page
from evaluation.page_sections import SECTIONS
from evaluation.report_pictures import drawn_from, pictures_in
from evaluation.verdicts import judged, verdicts
from sampling.measured_phenotypes import SEEN
from sampling.red_line import RED_LINE
from tests.browser import BROWSER, needs_browser

PICTURES = ("hearts", "scatter", "bland_altman", "controls", "coverage", "ranks", "spectrum", "learning_curve")
VOID = {"meta", "img", "br", "hr", "link", "input"}
PNG = b"\x89PNG\r\n\x1a\n stands for a picture"


def scores(r2, r=None, half=0.05, **more):
    one = {"r2": r2, "r2_ci": [r2 - half, r2 + half], "mae": 9.8, "bias": -1.25, "n": 200} | more
    return {name: one | ({} if r is None else {"r": r}) for name in PHENOTYPES}


def good():
    """A generator that keeps what its ECG tells, and knows how sure it is."""
    sure = {"50": 51.0, "80": 79.0, "90": 89.0, "width_90": 61.2, "crps": 9.1, "spread_skill": 0.98, "n": 200}
    return {
        "n_subjects": 200,
        "n_samples": 8,
        "cohort": "phantom",
        "pipeline": "runs/pipeline",
        "guidance_scale": 1.5,
        "steps": 10,
        "seconds": {"sampling": 812.3},
        "agreement": scores(0.7, 0.84),
        "agreement_of_one_sample": scores(0.5, 0.78),
        "measured_on_true_hearts": scores(0.98, 0.99),
        "ceiling": scores(0.8, 0.9),
        "ceiling_curve": [{"people": 1250, "r2": dict.fromkeys(PHENOTYPES, 0.75)}],
        "information_kept": dict.fromkeys(PHENOTYPES, 0.875),
        "information_kept_ci": {name: [0.81, 0.93] for name in PHENOTYPES},
        "controls": {
            "shuffled_ecg": scores(-0.3, 0.02),
            "person_only": scores(0.35, 0.6),
            "retrieval": scores(0.1, 0.5),
            "mean_heart": scores(-0.01),
        },
        "groups": {
            "lvh": {"n": 31, **scores(0.5, 0.7)},
            "infarct": {"n": 48, "territory": {"thinnest_in_territory": 0.75, "chance": 0.33, "n": 48}},
        },
        "retrieval": {"median_percentile": 12.0, "top_1": 6.0, "top_5": 21.0, "n": 200},
        "coverage": {name: dict(sure) for name in PHENOTYPES},
        "coverage_told": {name: {"90": 90.0, "width_90": 63.0} for name in PHENOTYPES},
        "coverage_told_pooled": {"90": 90.5, "90_ci": [88.0, 92.0], "n": 2400},
        "coverage_told_calibrated": True,
        "realism": {"fid": 18.2, "fid_real": 3.1, "ssim": 0.72, "ssim_mean_heart": 0.6, "classifier_auc": 0.8},
        "coherence": {"centre_shift_mm": {"generated": 1.9, "real": 1.4}},
        "memorisation": {"fraction": 0.004, "detector_tpr": 0.99},
        "segmenter": {"lv_cavity": {"dice": 0.96}},
        "curves": [{"guidance_scale": 1.0, "fid": 20.5}],
    }


def full():
    """The report of a generator that is too sure and breaks limits, with every table that has words of its own."""
    report = good()
    report["implausible"] = {"any": {"generated": 0.37, "generated_ci": [0.3, 0.44], "real": 0.02}}
    report["coverage_pooled"] = {"90": 84.0, "90_ci": [81.0, 87.0], "n": 2400}
    report["obedience"] = {name: {"slope": 0.7, "slope_ci": [0.65, 0.75], "r2": 0.8, "n": 400} for name in PHENOTYPES}
    report["coverage"]["wall_septal"]["90"] = 70.0
    report["coherence"] = {name: {"generated": 1.9, "real": 1.4} for name in MEASURES}
    report["segmenter"] = {"lv_cavity": {"dice": 0.96}, "quality_failures_real": 1}
    report["groups"]["rv_overload"] = {"n": 31, **scores(0.5, 0.7)}
    report["coverage_groups"] = {"rv_overload": {name: {"90": 88.0} for name in PHENOTYPES}}
    report["motion"] = {"numbers": {"ES_share": {"generated": 0.4, "another_less_person": 0.1, "n": 9}}}
    report["motion"]["numbers"]["ES_share"] |= {"another_less_person_ci": [-0.2, 0.3]}
    report["curves"] = [{"guidance_scale": 1.0, "fid": 20.5, "LVM_r2": 0.5, "LVEF_cover_90": 88.0, "LVEDV_kept": 0.7}]
    return report


def with_r2(report, r2, r=None, one=None, shuffled=None):
    """The report of a generator of other agreement."""
    changed = {"agreement": scores(r2, r), "agreement_of_one_sample": scores(r2 if one is None else one, r)}
    controls = report["controls"] | {"shuffled_ecg": scores(r2 if shuffled is None else shuffled, 0.0)}
    return report | changed | {"controls": controls}


def said(report, words):
    """The one verdict that contains some words."""
    (sentence,) = [sentence for sentence in verdicts(report) if words in sentence]
    return sentence


def unsaid(report, words):
    return not any(words in sentence for sentence in verdicts(report))


class Reader(HTMLParser):
    """Balance of tags, text, and what would be loaded."""

    def __init__(self):
        super().__init__()
        self.open, self.text, self.loads, self.tags = [], [], [], []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.loads += [value for name, value in attrs if name in ("src", "href", "srcset", "data", "action")]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open[-1:] != ["style"]:
            self.text.append(data)


def read(tmp_path, report, pictures=()):
    write_page(tmp_path / "page.html", report, dict.fromkeys(pictures, PNG))
    source = (tmp_path / "page.html").read_text(encoding="utf-8")
    reader = Reader()
    reader.feed(source)
    reader.close()
    assert reader.open == []
    return source, reader


# ---- Verdicts ----


def test_a_good_generator_is_praised_with_its_numbers():
    report = good()
    assert said(report, "another heart") == (
        "Another patient's ECG gives another heart: "
        "R2 of LV mass falls from 0.70 to -0.30, R2 of LVEDV falls from 0.70 to -0.30."
    )
    assert "88 % (81 % to 93 %) for LV mass" in said(report, "keep most")
    assert "0.70 with it, 0.35 without" in said(report, "The ECG adds to")
    assert "12.0 %" in said(report, "points to its patient")
    assert "75 % of 48" in said(report, "Infarcts are drawn where")
    assert "89 % for LV mass" in said(report, "as sure as they should be")
    assert {kind for kind, _ in judged(report)} == {"good"}


def test_a_mean_heart_generator_is_called_out_whatever_its_ssim():
    report = with_r2(good(), -0.02, r=0.03)
    sentence = said(report, "much the same heart for everyone")
    assert "R2 of LVEDV is -0.02, not above 0" in sentence
    assert sentence.endswith("although its SSIM of 0.72 looks good.")
    report["realism"] = {"ssim": 0.2, "ssim_mean_heart": 0.4}
    assert "SSIM" not in said(report, "much the same heart")
    assert unsaid(report, "another heart") and unsaid(report, "adds to")


def test_random_hearts_are_not_called_the_same_heart():
    report = with_r2(good(), -0.25, r=0.01, one=-1.1)  # the mean of a few hearts of nobody in particular
    assert "R2 of LV mass is -0.25" in said(report, "not with the patient")
    assert unsaid(report, "same heart for everyone")


def test_the_right_order_at_the_wrong_size_is_told_from_no_order():
    report = with_r2(good(), -0.4, r=0.8, shuffled=-2.0)
    assert "LVM (r 0.80, R2 -0.40, bias -1.2 g)" in said(report, "wrong size or scale")
    assert "falls from -0.40 to -2.00" in said(report, "another heart")
    assert unsaid(report, "same heart for everyone")


def test_a_generator_that_ignores_its_ecg_is_called_out():
    report = with_r2(good(), 0.35, r=0.6, shuffled=0.34)
    assert "R2 of LV mass is 0.35 with the own ECG and 0.34 with another's" in said(report, "The ECG is ignored")
    assert "0.35 with it, 0.35 without" in said(report, "adds nothing")
    assert unsaid(report, "another heart")
    assert said(with_r2(good(), 0.3, r=0.6, shuffled=0.5), "The ECG is ignored")


def test_controls_are_compared_with_as_few_hearts_of_the_own_ecg():
    """The mean of 8 hearts agrees better than that of 2, by itself: no proof that the ECG is heard."""
    report = with_r2(good(), 0.35, r=0.6, shuffled=0.1)
    assert said(report, "another heart")
    report["controls"] |= {"own_ecg": scores(0.12, 0.5), "person_only": scores(0.11, 0.5)}
    assert "0.12 with the own ECG and 0.10" in said(report, "The ECG is ignored")
    assert "0.12 with it, 0.11 without" in said(report, "adds nothing") and unsaid(report, "another heart")


def test_arms_are_compared_by_many_hearts_where_a_report_tells_them():
    report = with_r2(good(), 0.5, r=0.7, shuffled=-0.9)
    for table, many in ((report["agreement"], 0.6), (report["controls"]["shuffled_ecg"], -0.2)):
        for name in PHENOTYPES:
            table[name] |= {"r2_of_many": many, "r2_of_many_ci": [many - 0.1, many + 0.1]}
    assert "R2 of LV mass falls from 0.60 to -0.20" in said(report, "another heart")


@pytest.mark.parametrize(("ends", "words"), [([-0.3, 0.02], "no more than"), ([0.01, 0.2], "more than the person")])
def test_anothers_ecg_against_the_person_alone_is_judged_by_the_paired_interval(ends, words):
    one = {"difference": sum(ends) / 2, "difference_ci": ends}
    report = good() | {"another_less_person": dict.fromkeys(PHENOTYPES, one)}
    report["motion"] = {"numbers": {"ES_share": {"another_less_person": -0.1, "another_less_person_ci": [-0.2, 0.0]}}}
    assert "LVEDV" in said(report, f"foretells {words}")
    assert "end-systole, share of the cycle -0.10 (-0.20 to 0.00)" in said(report, "foretells no more")


def test_what_drawn_hearts_break_is_said_and_shown(tmp_path):
    report = good()
    slope = {"slope": 0.7, "slope_ci": [0.65, 0.75], "r2": 0.8, "rms": 12.0, "n": 400}
    report["obedience"] = {"LVM": slope, "LVEDV": slope | {"slope": 1.0, "slope_ci": [0.97, 1.03]}}
    report["implausible"] = {"any": {"generated": 0.37, "generated_ci": [0.3, 0.44], "real": 0.02}}
    report["coverage_pooled"] = {"90": 84.0, "90_ci": [81.0, 87.0], "n": 2400}
    report["coverage"]["LVSV"]["90"] = 79.0
    assert "LVM slope 0.70 (0.65 to 0.75)" in said(report, "do not follow")
    assert "LVEDV" not in said(report, "do not follow")
    report["segmented_slopes"] = {"LVM": {"slope": 0.72}, "LVEDV": {"slope": 0.9}}
    assert "LVM" not in said(report, "do not follow"), "true hearts are seen with no larger slope"
    assert "LVEDV slope 1.00 (0.97 to 1.03, true hearts 0.90)" in said(report, "do not follow")
    assert "37 % (30 % to 44 %), of true hearts 2.0 %" in said(report, "no living heart")
    assert "84.0 % (81.0 to 87.0) over all phenotypes" in said(report, "too sure")
    assert said(report, "less than 85 %").endswith(": LVSV 79.0 %.")
    text = " ".join(read(tmp_path, report)[1].text)
    assert "Outside 85 to 95 % at 90 %: LVSV" in text and "any of these" in text and "Drawn against told" in text


def test_a_group_of_few_is_a_sentence_beside_all_comers(tmp_path):
    report = good()
    report["groups"]["lbbb"] = {"n": 7, "untold": "7 people, too few to tell: 20 at least"}
    text = " ".join(read(tmp_path, report)[1].text)
    assert "left bundle branch block: 7 people, too few to tell" in text and "all comers" in text


def test_a_fall_within_the_intervals_is_not_a_proof():
    report = with_r2(good(), 0.4, r=0.6, shuffled=0.2)
    report["agreement"] = scores(0.4, 0.6, half=0.3)
    report["controls"]["shuffled_ecg"] = scores(0.2, 0.1, half=0.3)
    assert "falls from 0.40 to 0.20" in said(report, "Too few patients")
    assert said(report, "may add to") and unsaid(report, "another heart")


def test_phenotypes_not_to_be_read_off_are_named():
    report = good()
    report["agreement"] = report["agreement"] | {"LVEF": {"r2": -1.54, "r": 0.26}, "RVEF": {"r2": -0.2, "r": 0.5}}
    assert said(report, "don't read these off: LVEF (R2 -1.54).")
    assert "RVEF (r 0.50" in said(report, "wrong size or scale")


@pytest.mark.parametrize(
    ("reached", "words"),
    [(74.0, "too sure"), (86.0, "as sure as"), (90.0, "as sure as"), (99.0, "more than they need")],
)
def test_coverage_says_too_sure_or_not(reached, words):
    report = good()
    for table in report["coverage"].values():
        table["90"] = reached
    assert f"The 90 % intervals cover {reached:.0f} % for LV mass" in said(report, words)


@pytest.mark.parametrize(
    ("ends", "words"), [([88.0, 92.0], "as they should"), ([82.0, 89.0], "too narrow"), ([91.0, 95.0], "wider than")]
)
def test_the_intervals_told_are_judged_apart_from_the_samples(ends, words, tmp_path):
    report = good()
    report["coverage_told_pooled"]["90_ci"] = ends
    assert words in said(report, "heart.json tells, by heart codes, cover 90.5 %")
    text = " ".join(read(tmp_path, report)[1].text)
    assert "Intervals told, by heart codes (scaled by calibration.json)" in text and "of the drawn samples" not in text
    report["coverage_pooled"], report["coverage_told_calibrated"] = {"90": 84.0}, False
    text = " ".join(read(tmp_path, report)[1].text)
    assert "(without a calibration)" in text and "of the drawn samples" in text
    for key in ("coverage_told", "coverage_told_pooled"):
        del report[key]
    assert unsaid(report, "heart.json tells") and "Intervals told" not in " ".join(read(tmp_path, report)[1].text)


def test_coverage_of_few_patients_may_miss_by_more():
    report = {"coverage": {"LVM": {"90": 80.0, "n": 25}}}  # two standard errors: 12 %
    assert "as sure as they should be" in verdicts(report)[0]
    report["coverage"]["LVM"]["n"] = 400
    assert "too sure" in verdicts(report)[0]


@pytest.mark.parametrize(
    ("median", "n", "words"), [(12, 200, "points to"), (45, 200, "does not"), (38, 10, "does not")]
)
def test_a_median_rank_within_chance_points_to_nobody(median, n, words):
    assert words in verdicts({"retrieval": {"median_percentile": median, "n": n}})[0]


@pytest.mark.parametrize(("kept", "words"), [(0.81, "most"), (0.6, "a part"), (0.2, "lose more"), (-3.0, "lose more")])
def test_information_kept_is_graded(kept, words):
    (sentence,) = verdicts({"information_kept": {"LVM": kept}})
    assert words in sentence and f"{100 * kept:.0f} % for LV mass" in sentence


def test_where_no_share_is_told_page_and_verdict_say_why(tmp_path):
    why = {"LVM": "ceiling too low to tell: R2 0.01, and 0.05 is the floor"}
    report = good() | {"information_kept_untold": why}
    report["information_kept"] = report["information_kept"] | {"LVM": None}
    report["information_kept_ci"] = report["information_kept_ci"] | {"LVM": [None, None]}
    assert said(report, "is not told").endswith(f"for LV mass ({why['LVM']}).")
    source, _ = read(tmp_path, report)
    assert source.count(f"<small>{why['LVM']}</small>") == 2  # in the tile and in the table
    assert unsaid(good(), "is not told") and "too low to tell:" not in read(tmp_path, good())[0]


def test_copies_of_training_patients_keep_the_weights_at_home():
    def of(fraction, n):
        return verdicts({"memorisation": {"fraction": fraction, "n": n}})[0]

    assert "0.4 % of the hearts" in said(good(), "no more than chance")
    assert "don't release" in of(0.07, 10) and "don't release" in of(0.07, 1000)
    assert "no more than chance" in of(0.018, 400) and "no more than" not in of(0.018, 1600)
    assert "it found 60 %" in verdicts({"memorisation": {"detector_tpr": 0.6}})[0]


def test_other_doubts_are_told():
    report = good()
    report["realism"] |= {"ssim_mean_heart": 0.75, "classifier_auc": 0.97}
    report["controls"]["retrieval"] = scores(0.72)
    report["measured_on_true_hearts"] = scores(0.6)
    report["groups"]["infarct"]["territory"]["thinnest_in_territory"] = 0.4
    assert "scores 0.75, the generated hearts 0.72" in said(report, "SSIM is no evidence")
    assert "AUC 0.97" in said(report, "tells generated from true")
    assert "R2 of LVEDV is 0.72, generated 0.70" in said(report, "most similar ECG")
    assert "R2 of LV mass is 0.60" in said(report, "itself a limit")
    assert said(report, "not shown to be drawn")


def test_a_truth_that_the_segmenter_measured_is_told_however_few_the_people(tmp_path):
    for people in (200, 4):
        report = good() | {"n_subjects": people, "measured_by": SEEN["simulated"], "true_hearts_measured": people - 1}
        _, page = read(tmp_path, report)
        text = " ".join("".join(page.text).split())
        assert f"measured by {SEEN['simulated']}, and so were the true hearts of {people - 1} people" in text
    assert f"tells every phenotype of {200 - 1} of 200 people" in said(
        report | {"n_subjects": 200, "true_hearts_measured": 199}, "its errors"
    )
    report["true_hearts_measured"] = 0
    assert "and so were" not in "".join(read(tmp_path, report)[1].text)
    assert not any("errors stand in both" in sentence for sentence in verdicts(report | {"n_subjects": 200}))


def test_hearts_measured_by_given_label_maps_are_not_said_to_be_the_segmenters(tmp_path):
    report = good() | {"n_subjects": 200, "labels": "maps", "measured_by": SEEN["simulated"], "true_hearts_measured": 9}
    text = " ".join("".join(read(tmp_path, report)[1].text).split())
    whose = "the true hearts of 9 people"
    assert f"measured by label maps that were given; {SEEN['simulated']} measured {whose}" in text
    assert said(report, "its errors stand in the truth") and not any("stand in both" in s for s in verdicts(report))


def removals(tree, path=()):
    for key, value in tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ():
        yield (*path, key)
        yield from removals(value, (*path, key))


def changed(report, path, value):
    report = copy.deepcopy(report)
    place = report
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    return report


def test_nothing_measured_nothing_said():
    assert verdicts({}) == []
    assert verdicts(json.loads(json.dumps(good()), parse_float=lambda _: float("nan"), parse_int=lambda _: None)) == []


def test_a_missing_key_never_crashes_and_never_invents():
    """Whatever one removes or makes NaN, each saying is one of the full report's, or is not there."""
    report = good()
    kinds = {sentence.split(":")[0].split(" % ")[0] for sentence in verdicts(report)}
    short = {
        key: {"LVM": table["LVM"]} if isinstance(table, dict) and "LVM" in table else table
        for key, table in report.items()
    }
    for path in removals(short):
        for value in (None, float("nan"), "text", [], {}):
            for sentence in verdicts(changed(short, path, value)):
                assert "nan" not in sentence and "–" not in sentence, (path, value)
                assert sentence.split(":")[0].split(" % ")[0] in kinds, (path, value, sentence)


# ---- The page ----


def test_the_page_is_balanced_loads_nothing_and_holds_every_picture(tmp_path):
    source, reader = read(tmp_path, good(), PICTURES)
    assert len(reader.loads) > len(PICTURES) and reader.tags.count("img") == len(PICTURES)
    assert all(load.startswith(("data:image/png;base64,", "#")) for load in reader.loads)
    assert not {"script", "link", "iframe", "object", "embed"} & set(reader.tags)
    assert "://" not in source and "@import" not in source and "url(" not in source
    assert "default-src 'none'" in source
    anchors = set(re.findall(r'id="([^"]+)"', source))
    assert {load[1:] for load in reader.loads if load.startswith("#")} <= anchors


def test_every_phenotype_verdict_and_headline_is_on_the_page(tmp_path):
    _, reader = read(tmp_path, good())
    text = " ".join(reader.text)
    assert all(text.count(name) > 5 for name in LABELS.values())
    assert all(sentence in text for sentence in verdicts(good()))
    assert text.count("88 %") >= 2 and text.count("81 % to 93 %") >= 2
    assert text.index("information kept") < text.index(verdicts(good())[0]) < text.index("Not for diagnosis")


def test_numbers_are_rounded_and_carry_their_intervals(tmp_path):
    source, _ = read(tmp_path, good())
    assert "<td>0.70 <small>0.65 to 0.75</small></td>" in source  # R2
    assert "<td>9.8</td>" in source and "<td>-1.2</td>" in source and "<td>61.2</td>" in source


def test_sections_of_which_nothing_was_measured_are_named_in_one_line_at_the_end(tmp_path):
    for report in ({}, {"n_subjects": 30, "agreement": {"LVM": {"r2": float("nan")}}, "controls": None, "curves": []}):
        _, reader = read(tmp_path, report, PICTURES)  # plots may be drawn of nothing
        text = " ".join(reader.text)
        assert "Too little was measured for a verdict." in text
        assert reader.tags.count("h2") == 1 and all(name in text for name in LABELS.values())  # the names alone
        (line,) = [words for words in reader.text if words.startswith("This evaluation did not look at")]
        assert all(title in line for title in SECTIONS) and text.count(line) == 1
    report = good()
    del report["retrieval"], report["controls"]
    _, reader = read(tmp_path, report)
    (line,) = [words for words in reader.text if words.startswith("This evaluation did not look at")]
    assert "Is it this patient?" in line and "Agreement" not in line


def test_no_page_says_not_measured_and_none_shows_a_key(tmp_path):
    report = full()
    for shown in (report, good(), report | {"n_subjects": 6}, {}):
        text = " ".join(read(tmp_path, shown, PICTURES)[1].text)
        assert not re.search("not measured", text, re.IGNORECASE)
        assert re.findall(r"\b[A-Za-z]+_[A-Za-z_]+\b", text.replace("evaluate_samples.py", "")) == []


def test_each_figure_of_the_answers_is_the_reports(tmp_path):
    """Other numbers in the report are other numbers on top of the page; nothing else stands there."""
    report = full()
    answers = {answer.question: answer for answer in headline(report)}
    assert (answers[WHOSE].word, answers[SURE].word, answers[REAL].word) == ("Yes", "Too sure", "Not always")
    assert answers[WHOSE].sentence == (
        "LV mass: R2 0.70 (0.65 to 0.75) with the own ECG, -0.30 (-0.35 to -0.25) with another patient's; "
        "LVEDV: R2 0.70 (0.65 to 0.75) with the own ECG, -0.30 (-0.35 to -0.25) with another patient's."
    )
    assert answers[SURE].sentence == (
        "The 90 % intervals of the samples hold the truth of 84.0 % (81.0 % to 87.0 %) of all values. "
        "In the median they are 61.2 g wide for LV mass and 61.2 mL wide for LVEDV. "
        "Those that heart.json tells, by heart codes, hold 90.5 % (88.0 % to 92.0 %)."
    )
    assert answers[REAL].sentence == (
        "37 % (30 % to 44 %) of the generated hearts break a limit of living hearts, of true ones 2.0 %; "
        "a classifier that tells slices apart has AUC 0.80, a coin 0.50."
    )
    text = " ".join(read(tmp_path, report)[1].text)
    assert all(text.index(answer.sentence) < text.index(verdicts(report)[0]) for answer in answers.values())
    other = full()
    other["coverage_pooled"] = {"90": 91.0, "90_ci": [88.0, 94.0]}
    assert "91.0 % (88.0 % to 94.0 %)" in {a.question: a.sentence for a in headline(other)}[SURE]


@pytest.mark.parametrize(("shuffled", "word"), [(0.69, "No"), (-0.3, "Yes")])
def test_the_first_answer_follows_the_other_patients_ecg(shuffled, word):
    assert headline(with_r2(good(), 0.7, 0.84, shuffled=shuffled))[0].word == word


def test_nothing_measured_no_answer():
    assert headline({}) == []
    assert [answer.question for answer in headline({"coverage_pooled": {"90": 88.0}})] == [SURE]


def test_of_few_people_the_page_shows_pictures_and_one_sentence(tmp_path):
    report = full() | {"n_subjects": 6, "information_kept": dict.fromkeys(PHENOTYPES, -27.37)}
    _, reader = read(tmp_path, report, PICTURES)
    text = " ".join(reader.text)
    assert reader.tags.count("img") == 2 and "table" not in reader.tags and reader.tags.count("li") == 1
    assert "too few to judge hearts by" in text and "information kept" not in text
    assert re.findall(r"\d\s?%", text) == [] and "2,737" not in text
    many = " ".join(read(tmp_path, report | {"n_subjects": 20})[1].text)
    assert "-2,737 %" in many


def test_the_red_line_stands_where_hearts_are_shown(tmp_path):
    report = full() | {"n_subjects": 6}
    assert RED_LINE in " ".join(read(tmp_path, report, PICTURES)[1].text)
    assert RED_LINE in " ".join(read(tmp_path, full(), PICTURES)[1].text)
    assert RED_LINE not in " ".join(read(tmp_path, full(), ("scatter",))[1].text)


def test_what_made_the_page_stands_at_its_end_and_how_long_it_took_does_not(tmp_path):
    report = good() | {"weights_sha256": "f4ad" * 16, "code_version": "2146dcedd", "date": "2026-11-27"}
    report |= {"command": "python evaluate_samples.py --data <b>", "seed": 0}
    text = " ".join(read(tmp_path, report)[1].text)
    end = text[text.index("How this page was made") :]
    assert all(told in end for told in ("f4ad" * 16, "2146dcedd", "2026-11-27", "evaluate_samples.py --data <b>"))
    assert "812" not in text and "seconds" not in text


def test_a_page_is_written_again_from_its_report_with_the_pictures_it_had(tmp_path):
    write_page(tmp_path / "report.html", full(), dict.fromkeys(("hearts", "scatter"), PNG))
    assert pictures_in(tmp_path / "report.html") == dict.fromkeys(("hearts", "scatter"), PNG)
    again = page_of(full(), tmp_path)
    assert again.count(base64.b64encode(PNG).decode()) == 2 and again.count("<img") == 5  # and three anew
    assert "<img" not in page_of({}, tmp_path / "absent")


def test_of_a_handful_of_patients_nothing_is_claimed(tmp_path):
    """Neither praise nor blame: six patients tell little, whatever the figures."""
    assert judged(good() | {"n_subjects": 6}) == [
        (
            "note",
            "6 patients are too few to judge hearts by: look at the pictures; the numbers stand in report.json alone.",
        )
    ]
    assert len(judged(good() | {"n_subjects": 20})) > 5


def test_what_is_not_a_number_is_a_dash(tmp_path):
    report = good()
    report["agreement"] = scores(float("nan"), float("inf"))
    report["agreement"]["LVM"] = {"r2": 0.5, "r2_ci": [float("nan"), 0.6], "mae": None}
    source, reader = read(tmp_path, report)
    assert not re.search(r"\b(nan|NaN|inf|None|null)\b", " ".join(reader.text))
    assert "<td>0.50</td>" in source and "<td>–</td>" in source


def test_whatever_one_key_holds_the_page_is_written(tmp_path):
    report = good()
    for path in removals(report):
        for value in (None, 3.0, "text", [1.0], {"key": 1.0}) if len(path) == 1 else ():
            write_page(tmp_path / "page.html", changed(report, path, value), {})
            assert (tmp_path / "page.html").read_text(encoding="utf-8").endswith("</html>\n"), (path, value)
            (tmp_path / "page.html").unlink()


def test_text_of_the_report_is_text_on_the_page(tmp_path):
    nasty = "<script>alert('x')</script> & \"more\""
    report = good() | {"cohort": nasty, "pipeline": nasty, "seconds": {nasty: 1.0}}
    report["groups"] = {nasty: {"n": 3, **scores(0.5, 0.7), "territory": {"thinnest_in_territory": 0.5}}}
    for key in ("controls", "coherence", "coverage_groups", "segmenter", "memorisation", "realism"):
        report[key] = {nasty: scores(0.5, 0.7) | {"generated": 1.0}}
    report["curves"] = [{nasty: 2.0}]
    _, reader = read(tmp_path, report)
    assert "script" not in reader.tags
    assert sum(nasty in text for text in reader.text) > 8


def test_the_page_is_written_whole_or_not_at_all(tmp_path, monkeypatch):
    write_page(tmp_path / "page.html", good(), {})
    before = (tmp_path / "page.html").read_bytes()
    with pytest.raises(TypeError):
        write_page(tmp_path / "page.html", good(), {"scatter": "not bytes"})
    assert (tmp_path / "page.html").read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["page.html"]


def test_a_judge_that_had_a_part_in_drawing_says_so():
    sentence = "had a part in drawing"
    assert any(sentence in said for said in verdicts(good() | {"n_subjects": 200, "judge_had_part": True}))
    for other in ({"judge_had_part": False}, {}):
        assert not any(sentence in said for said in verdicts(good() | {"n_subjects": 200} | other))


def test_one_person_is_a_person(tmp_path):
    alone, many = (page_of({"n_subjects": n, "n_samples": n}, tmp_path) for n in (1, 4))
    assert "1 person, 1 heart each" in alone and "4 people, 4 hearts each" in many


PROBE = """<script>const widths = [...document.images].map((image) => image.getBoundingClientRect().right);
top.postMessage([Math.max(...widths), innerWidth], "*");</script></body>"""


@needs_browser
def test_on_a_phone_every_picture_is_seen_whole(tmp_path):
    pictures = {"hearts": hearts_picture([(np.zeros((9, 2, 96, 96)),) * 3], [""]), **drawn_from(good())}
    shown = page(good(), pictures).replace("</body>", PROBE)
    shown = re.sub(r'<meta http-equiv="Content-Security-Policy"[^>]*>', "", shown)
    (tmp_path / "report.html").write_text(shown, encoding="utf-8")
    around = """<html><iframe src="report.html" width="390" height="700" style="border:0"></iframe><script>
    addEventListener("message", (told) => { document.documentElement.dataset.seen = told.data; });</script></html>"""
    (tmp_path / "phone.html").write_text(around, encoding="utf-8")
    command = [BROWSER, "--headless", "--no-sandbox", "--disable-gpu", "--virtual-time-budget=5000", "--dump-dom"]
    command += [f"--user-data-dir={tmp_path / 'profile'}", (tmp_path / "phone.html").as_uri()]
    dom = subprocess.run(command, capture_output=True, text=True, timeout=120).stdout
    right, width = (float(number) for number in re.search(r'data-seen="([\d.]+),(\d+)"', dom).groups())
    assert width == 390 and 200 < right <= width
