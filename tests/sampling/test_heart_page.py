"""A patient's page: whole without a network, small, honest, and it moves."""

import json
import re
import subprocess
from dataclasses import replace
from html import unescape

import numpy as np
import pytest

from cohort.cine import Label
from cohort.heart_grid import GridGeometry
from cohort.person import Person
from cohort.phenotypes import LABELS, PHENOTYPES, TABLE
from cohort.rhythm import StripBeats
from sampling.decision_rows import DOUBTFUL, NO_VERDICTS, OF_SIMULATED
from sampling.heart_page import MOST_BYTES, PatientOnPage, heart_page, person_of, unlike_in_words
from sampling.page_template import sentence
from sampling.phenotype_table import BY_CODES, BY_HEARTS
from sampling.red_line import BESIDE_REAL, RED_LINE
from sampling.shown_heart import ShownHeart
from tests.browser import BROWSER, needs_browser

GEOMETRY = GridGeometry(slices=4, phases=2, height=24, width=24)
BEATS = StripBeats(np.array([100, 300, 500, 700, 800, 1100]), np.array([True, True, True, True, False, True]), False)
PERSON = Person("female", 60.0, 165.0, 65.0)
HOSTILE = '<script>alert("x")</script>&{{ 7 * 7 }}'


def summary(k: int) -> dict:
    ends = {f"interval_{level}": [30.04 + k - width, 30.04 + k + width] for level, width in ((50, 2), (80, 4), (90, 6))}
    drawn = {"mean": 50.04 + k, "values": [50.04 + k] * 4}
    return {"mean": 30.04 + k, "sd": 3.0 + k / 10, "told_by": BY_CODES, "drawn": drawn} | ends


def record(**changes) -> dict:
    curve = [100.0, 60.0, 40.0, 70.0, 90.0, 95.0]
    band = {"which": "90 % interval", "low": [v - 9 for v in curve], "high": [v + 9 for v in curve]}
    about = {
        "subject": "9000001_20205_2_0",
        "samples": 4,
        "pipeline": "phantom",
        "unlike_the_ecgs_that_taught": {
            "surprise": 0.5,
            "share_of_usual_ecgs_more_unlike": 0.31,
            "warned": False,
            "spread_widened_by": 1.0,
            "phenotypes_withheld": False,
        },
        "phenotypes": {name: summary(k) for k, name in enumerate(PHENOTYPES)},
        "measured_by": "a segmenter that learned from simulated hearts only",
        "warnings": [],
        "rr_ms": 800.0,
        "heart_rate_bpm": 75.0,
        "rr_is": "median of sinus beats (4 intervals)",
        "representative": "medoid of 4",
        "motion": {
            "samples": [{"lv_ml": curve, "rv_ml": curve, "measured": {"ES_share": 0.33}, "drawn": {"ES_share": 0.4}}],
            "lv_band_ml": band,
            "rv_band_ml": band,
        },
    }
    return about | changes


def patient(frames: int = 6, geometry: GridGeometry = GEOMETRY, true: bool = False, **changes) -> PatientOnPage:
    noise = np.random.default_rng(0)
    shape = (geometry.slices, frames, geometry.height, geometry.width)
    labels = np.zeros(shape, np.uint8)
    for frame in range(frames):
        labels[:, frame, 6 : 16 - frame % 4, 6:16] = Label.LV_CAVITY
    shown = [ShownHeart("generated, sample 1", noise.random(shape, dtype=np.float32), labels)]
    if true:
        shown.insert(0, ShownHeart("true heart", noise.random(shape, dtype=np.float32)))
    about = {
        "record": record(),
        "hearts": noise.random((4, *geometry.shape), dtype=np.float32),
        "shown": shown,
        "geometry": geometry,
        "signal": noise.normal(0, 0.2, (12, 2500)).astype(np.float32),
        "lead_mask": np.ones(12, bool),
        "rate": 250.0,
        "beats": BEATS,
        "person": PERSON,
        "simulated_only": True,
    }
    return PatientOnPage(**(about | changes))


def film_of(page: str) -> dict:
    return json.loads(re.search(r'id="film">(.*?)</script>', page, re.DOTALL)[1])


def words_of(page: str) -> str:
    """What a reader sees."""
    text = re.sub(r"<(style|script|svg).*?</\1>", " ", page, flags=re.DOTALL)
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", text)).split())


# --- what a page is ------------------------------------------------------------------------------------------------


def test_nothing_comes_from_outside():
    page = heart_page(patient(true=True))
    links = re.findall(r'(?:src|href)\s*=\s*"([^"]*)"', page)
    beside = [link for link in links if link.partition(":")[0] != "data" and not link.startswith("https://doi.org/")]
    assert beside == ["heart.json"]
    assert [link for link in links if link.startswith("http")] == ["https://doi.org/10.1186/s12968-017-0327-9"]
    assert "default-src 'none'" in unescape(page) and not re.search(r"@import|url\(\s*['\"]?http|fetch\(|XMLHttp", page)


def test_ten_slices_of_25_frames_beside_a_true_heart_are_below_3_mb_even_of_noise():
    page = heart_page(
        patient(25, GridGeometry(), true=True, hearts=np.random.default_rng(1).random((4, 10, 2, 96, 96)))
    )
    assert 500_000 < len(page.encode()) <= MOST_BYTES == 3_000_000
    film = film_of(page)
    assert len(film["frames"]) >= 9 and len(film["hearts"]) == 2
    assert ("so that the page stays small" in words_of(page)) == (len(film["frames"]) < 25)


def test_the_red_line_stands_first_and_last():
    words = words_of(heart_page(patient())).removeprefix("9000001_20205_2_0: a generated heart ")
    assert RED_LINE == "Simulated, not this patient, not for diagnosis"
    assert words.startswith(RED_LINE) and words.endswith(RED_LINE)
    assert "simulated patients only" in words
    assert "simulated patients only" not in words_of(heart_page(patient(simulated_only=False)))


def test_every_phenotype_stands_there_with_the_number_of_heart_json():
    words = words_of(heart_page(patient()))
    for k, (name, about) in enumerate(TABLE.items()):
        told = summary(k)
        assert f"{LABELS[name]} {about.words} {told['mean']:.{about.digits}f} {about.unit} SD" in words
        for level in (50, 80, 90):
            low, high = told[f"interval_{level}"]
            assert f"{low:.{about.digits}f} to {high:.{about.digits}f} {about.unit}" in words
        assert f"{about.unit} drawn {told['drawn']['mean']:.{about.digits}f} {about.unit}" in words


def test_no_word_of_a_programmer_is_seen():
    for shown in (patient(), patient(true=True), patient(beats=None, record=record(rr_ms=None, heart_rate_bpm=None))):
        assert not re.search(r"undefined|\bnan\b|None(?!\.)|null|\{\{|\{%", words_of(heart_page(shown)))


# --- what it says ---------------------------------------------------------------------------------------------------


def test_hostile_names_and_warnings_are_shown_and_not_obeyed():
    shown = record(subject=HOSTILE, warnings=[HOSTILE, "second"], pipeline=HOSTILE)
    page = heart_page(patient(record=shown))
    assert HOSTILE not in page and page.count("<script") == 2
    assert words_of(page).count(HOSTILE) >= 3 and "49" not in words_of(page).split(HOSTILE)[1][:3]
    film = heart_page(patient(shown=[replace(patient().shown[0], name="</script><b>")]))
    assert "</script><b>" not in film and film_of(film)["hearts"][0]["name"] == "</script><b>"


def test_what_is_not_known_of_a_person_is_said():
    words = words_of(heart_page(patient(person=Person())))
    assert "Not judged: sex and age unknown." in words and "height and weight unknown" in words
    assert "Body surface unknown." in words and "Judged as" not in words
    aged = words_of(heart_page(patient(person=Person("female", 80.0, 165.0, 65.0))))
    assert "Body surface 1.72 m². Not judged: the reference people were 45 to 74 years old." in aged
    known = words_of(heart_page(patient()))
    assert "unknown" not in known and "Judged as a woman of 45 to 74 years, body surface 1.72 m²" in known


def test_a_page_tells_neither_age_nor_height_nor_weight():
    words = words_of(heart_page(patient(person=Person("male", 61.25, 187.25, 93.25))))
    assert not any(number in words for number in ("61.25", "187.25", "93.25", "187", "93.2"))


def test_withheld_phenotypes_are_told_with_the_reason_and_no_number():
    why = "phenotypes are withheld: this ECG is unlike those the model knows"
    unlike = record()["unlike_the_ecgs_that_taught"] | {"warned": True, "phenotypes_withheld": True}
    shown = record(phenotypes=None, phenotypes_withheld=why, warnings=[why], unlike_the_ecgs_that_taught=unlike)
    words = words_of(heart_page(patient(record=shown)))
    assert f"Phenotypes {sentence(why)} The ECG" in words and "Withheld." not in words and "LVEDV" not in words
    assert "times as wide" not in words and "every number" not in words
    assert "heart.json beside this page holds every number" in words_of(heart_page(patient()))


def test_absent_leads_and_strips_without_beats_are_told():
    there = np.ones(12, bool)
    there[[6, 11]] = False
    words = words_of(heart_page(patient(lead_mask=there)))
    assert "Absent or flat, and not used: V1, V6." in words and "× one that was not" in words
    page = heart_page(patient(beats=None))
    assert "No beats were found." in words_of(page) and film_of(page)["ecg_x"] == []


def test_how_unlike_an_ecg_is_stands_in_plain_words():
    usual = record()["unlike_the_ecgs_that_taught"]
    assert unlike_in_words(usual, False).startswith("31 of 100 usual ECGs are odder than this one.")
    assert unlike_in_words(usual, False).endswith("So it looks like those that the model learned from.")
    assert unlike_in_words(usual, True).startswith("31 of 100 simulated ECGs are odder than this one.")
    assert unlike_in_words(usual, True).endswith("So it looks like the simulated ones that the model learned from.")
    assert "4 of 1,000 usual" in unlike_in_words(usual | {"share_of_usual_ecgs_more_unlike": 0.0041}, False)
    rare = usual | {"share_of_usual_ecgs_more_unlike": 1e-9, "warned": True, "spread_widened_by": 1.53}
    assert "Fewer than 1 of 1,000 simulated ECGs is odder" in unlike_in_words(rare, True)
    assert "1.5 times as wide" in unlike_in_words(rare, True)
    assert "too few leads" in unlike_in_words({"surprise": None, "reason": "too few leads"}, True)


def test_warnings_have_the_last_word_after_how_alike_an_ecg_is():
    words = words_of(heart_page(patient(record=record(warnings=["it says nothing about a real heart"]))))
    assert "learned from. It says nothing about a real heart. The beating heart" in words
    assert "learned from. There is no warning. The beating heart" in words_of(heart_page(patient()))


def test_the_slider_is_tied_to_the_ecg_and_to_the_curve():
    film = film_of(heart_page(patient()))
    assert film["length_ms"] == 800 and len(film["ecg_x"]) == len(film["volume_x"]) == 6
    steps = np.diff(np.array(film["ecg_x"]), axis=0)
    np.testing.assert_allclose(steps, 25 * 0.8 / 6, atol=0.02)  # 25 mm/s, over a beat of 0.8 s
    assert film["ecg_x"][0][0] == pytest.approx(15 + 25 * 0.4) and film["frames"][3] == "frame 4 of 6, 400 ms"
    assert np.ptp(film["volume_x"]) == pytest.approx(5 / 6 * (640 - 56 - 20), abs=0.2)


def test_hearts_that_stand_still_are_two_frames():
    shown = {key: value for key, value in record().items() if key not in ("motion", "rr_ms", "rr_is", "representative")}
    page = heart_page(patient(2, record=shown))
    film = film_of(page)
    assert film["frames"] == ["ED", "ES"] and film["ecg_x"] == film["volume_x"] == []
    assert "The heart at ED and ES" in words_of(page) and "Volumes over the beat" not in words_of(page)


def test_the_scale_of_the_spread_is_told_and_one_sample_has_none():
    shown = patient()
    top = 100 * shown.hearts.std(axis=0).max()
    assert f"The scale ends at {top:.1f} %" in words_of(heart_page(shown))
    assert "One sample was drawn" in words_of(heart_page(replace(shown, hearts=shown.hearts[:1])))


def test_a_person_is_read_from_what_the_network_is_given():
    assert person_of(np.array([1, 61, 180, np.nan, 7.0])) == Person("male", 61.0, 180.0)
    assert person_of(np.full(4, np.nan)) == Person() and person_of(np.array([0, 50, 160, 60])).sex == "female"


def test_every_control_has_its_label():
    page = heart_page(patient())
    for control in re.findall(r'<(?:input|select)[^>]* id="(\w+)"', page):
        assert f'<label for="{control}">' in page
    assert "prefers-reduced-motion" in page and "@media print" in page and ":focus-visible" in page


def test_contours_that_do_not_fit_are_left_out_and_the_page_says_so():
    size = GridGeometry()
    frames = np.random.default_rng(0).random((size.slices, 4, size.height, size.width), dtype=np.float32)
    speckles = np.random.default_rng(1).integers(0, 4, frames.shape).astype(np.uint8)
    whole = heart_page(patient(geometry=size, shown=[ShownHeart("generated, sample 1", frames, 0 * speckles)]))
    page = heart_page(patient(geometry=size, shown=[ShownHeart("generated, sample 1", frames, speckles)]))
    assert film_of(page)["hearts"][0]["contours"] is None and len(page.encode()) <= MOST_BYTES
    assert "too many pieces" in page and "too many pieces" not in whole


def test_a_page_says_who_tells_its_intervals_and_whether_they_are_calibrated():
    plain, scaled = (words_of(heart_page(patient(record=record(calibrated=told)))) for told in (False, True))
    for words in (plain, scaled):
        assert "told by many heart codes" in words and "More samples do not narrow them" in words
        assert "what the 4 hearts drawn here measure on average, by a segmenter" in words
        assert "the fewer, the wider" not in words
    assert "calibration.json" in scaled and "calibration.json" not in plain


def test_a_sentence_begins_with_a_capital_and_ends_with_a_stop_and_a_files_name_stays():
    assert sentence("this ECG is odd") == "This ECG is odd." and sentence("Is it?") == "Is it?"
    assert sentence("persons.csv says female") == "persons.csv says female." and sentence("odd") == "Odd."
    assert sentence("unknown: sex") == "Unknown: sex."


def test_a_real_ecg_is_not_judged_beside_healthy_people_by_simulated_weights_unless_asked():
    words, page = (of(heart_page(patient(record=record(**NOT_PROVEN)))) for of in (words_of, str))
    assert (
        words.count(NO_VERDICTS) == 1
        and "Judged as" not in words
        and "healthy people" not in words[9:].replace(NO_VERDICTS, "")
    )
    assert not re.search(r'class="(below|above|within)"|verdict</th>', page)
    assert "28 to 32 mL" in words and "17.5 mL/m²" in words  # intervals and values stay
    unproven = {"decision_support": {"unproven": "U", "told_by": "codes", "probabilities": {}, "z_scores": {}}}
    for judged in ({}, unproven):
        words, page = (of(heart_page(patient(record=record(**judged)))) for of in (words_of, str))
        assert NO_VERDICTS not in words and "Judged as a woman" in words and 'class="below"' in page


def pair(chance: float | None, verdict: str) -> dict:
    beside = {"verdict": verdict, "probability_of_one_person": chance, "share_of_exchanged_pairs_supposed": 0.02}
    support = {"told_by": "codes", "probabilities": {}, "z_scores": {}, "beside_mri": beside | {"z_scores": {}}}
    return record(decision_support=support)


def test_what_a_pair_was_supposed_to_be_stands_beside_what_was_found_and_only_doubt_is_bold():
    likely = heart_page(patient(true=True, record=pair(0.99, "probably one person")))
    assert "supposed to be 98 in 100 before looking, and is 99 in 100 after." in words_of(likely)
    assert "<strong>ECG and MRI" not in likely
    assert "<strong>ECG and MRI" in heart_page(patient(true=True, record=pair(0.3, DOUBTFUL)))


def test_beside_an_mri_the_red_line_is_of_the_generated_hearts():
    words = words_of(heart_page(patient(true=True)))
    assert words.endswith(BESIDE_REAL) and RED_LINE not in words and BESIDE_REAL.startswith("Generated hearts")


NOT_PROVEN = {"decision_support": None, "decision_support_withheld": "withheld: not proven"}


def test_a_page_says_where_the_film_is_one_of_many_which_numbers_to_take():
    words = words_of(heart_page(patient()))
    assert "Sample 1, the medoid of 4, is shown. It is one possible heart. Take volumes and ejection from" in words
    assert "in brackets the least and the most" in words
    assert "in brackets" not in words_of(heart_page(patient(record=record(samples=1))))
    for changed in ({"phenotypes": None, "phenotypes_withheld": "unlike"}, NOT_PROVEN):
        words = words_of(heart_page(patient(record=record(**changed))))
        assert "It is one possible heart." in words and "Take volumes" not in words


def test_numbers_of_simulated_patients_are_nowhere_called_this_patients():
    own, theirs = "where the value of this patient may lie", "where the value of a simulated patient with such an ECG"
    told, real = (words_of(heart_page(patient(record=record(calibrated=True, **c)))) for c in ({}, NOT_PROVEN))
    assert own in told and OF_SIMULATED not in told and theirs not in told
    assert OF_SIMULATED in real and theirs in real and own not in real
    assert "what other simulated patients showed" in told and "what other simulated patients showed" in real
    taught = words_of(heart_page(patient(simulated_only=False, record=record(calibrated=True))))
    assert "what other patients showed" in taught and own in taught


def test_a_phenotype_that_no_code_tells_is_said_to_be_the_few_hearts():
    told = {name: summary(k) for k, name in enumerate(PHENOTYPES)}
    told["LVM"] |= {"told_by": BY_HEARTS}
    words = words_of(heart_page(patient(record=record(phenotypes=told))))
    assert words.count("SD 3 g by the drawn hearts") == 1 and "of 4 samples: the fewer, the wider" in words
    alone = {"LVM": {"mean": 100.0, "told_by": BY_HEARTS, "drawn": {"mean": 100.0, "values": [100.0]}}}
    alone = words_of(heart_page(patient(record=record(phenotypes=alone, samples=1))))
    assert "told by many heart codes" not in alone and "what the one heart drawn here measures, by" in alone


def test_a_page_without_a_segmenter_tells_nothing_that_drawn_hearts_measure():
    told = {"LVM": {key: value for key, value in summary(0).items() if key != "drawn"}}
    words = words_of(heart_page(patient(record=record(phenotypes=told, measured_by=None))))
    assert "lead one to expect" in words and "drawn 50" not in words and "drawn here" not in words


def test_the_true_hearts_numbers_stand_beside_the_mean_with_who_measured_them():
    measures = {"measured_by": "its own label maps", "phenotypes": {"LVEDV": 201.26, "LVM": None}}
    curve = {"volumes_measured_by": "another", "lv_ml": [9.0, 5.0], "rv_ml": [8.0, 6.0]}
    words = words_of(heart_page(patient(true=True, record=record(true_heart=measures | curve))))
    assert "mean true 50 % interval" in words and "on the same slices by its own label maps" in words
    assert (
        "30 mL SD 3 mL drawn 50 mL the film shows 50 mL, outside the 90 % interval "
        "201 mL outside the 90 % interval 28 to 32 mL" in words
    )
    assert (
        "54 g, outside the 90 % interval – 32 to" in words
        and "LV, real, measured by a network" in words
        and "heart are measured by another" in words
    )
    unlabelled = record(true_heart=measures | curve | {"measured_by": "a segmenter"})
    words = words_of(heart_page(patient(true=True, record=unlabelled)))
    assert "mean real, measured by a network 50 % interval" in words
    labelled = curve | {"volumes_measured_by": "its own label maps"}
    assert "LV, true heart" in words_of(heart_page(patient(true=True, record=record(true_heart=measures | labelled))))
    for without in (record(), record(true_heart=None)):
        assert "true" not in words_of(heart_page(patient(record=without)))


def test_the_true_heart_lies_above_the_generated_one():
    assert [heart["name"] for heart in film_of(heart_page(patient(true=True)))["hearts"]] == [
        "true heart",
        "generated, sample 1",
    ]


# --- in a browser ---------------------------------------------------------------------------------------------------

PROBE = """<script>
const seen = {}, root = document.documentElement, canvas = document.getElementById("heart");
const sum = () => canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data
  .reduce((total, value, k) => (total + value * (k % 251 + 1)) % 65521, 0);
const slider = document.getElementById("frame"), contours = document.getElementById("contours");
const play = document.getElementById("play");
const to = (frame) => { slider.value = frame; slider.dispatchEvent(new Event("input")); };
const marker = () => document.getElementById("strip-marker").getAttribute("x1");
const press = () => {
  for (let k = 0; k < 8; k++) { to(0); sum(); }  // a browser's edges differ by a shade until it draws without the GPU
  root.dataset.first = sum();
  root.dataset.begin = marker();
  to(2);
  root.dataset.third = sum();
  root.dataset.end = marker();
  root.dataset.paused = play.textContent;
  contours.click();
  root.dataset.bare = sum();
  to(0);
  contours.click();
  root.dataset.again = sum();
  root.dataset.hint = document.getElementById("ecg-hint").checkVisibility();
  const table = document.querySelector("#h-phenotypes ~ .wide");
  root.dataset.table = table.scrollWidth - table.clientWidth;
  root.dataset.wide = root.scrollWidth - root.clientWidth;
  top.postMessage(root.dataset.wide, "*");
};
const waiting = setInterval(() => {
  if (play.textContent !== "Pause") return;  // the pictures are not there yet
  clearInterval(waiting);
  root.dataset.early = sum();
  let looks = 0;  // how soon a headless browser draws again is its own affair
  const looking = setInterval(() => {
    root.dataset.late = sum();
    if (root.dataset.late === root.dataset.early && ++looks < 100) return;
    clearInterval(looking);
    press();
  }, 70);
}, 50);
</script></body>"""


def in_browser(path, width: int = 1000) -> dict[str, str]:
    """What the probe found: data attributes of the page's root."""
    command = [BROWSER, "--headless", "--no-sandbox", "--disable-gpu", f"--window-size={width},1200"]
    command += [
        "--virtual-time-budget=20000",
        f"--user-data-dir={path.parent / 'profile'}",
        "--dump-dom",
        path.as_uri(),
    ]
    dom = subprocess.run(command, capture_output=True, text=True, timeout=120).stdout
    return dict(re.findall(r'data-(\w+)="([^"]*)"', re.search(r"<html[^>]*>", dom)[0]))


@needs_browser
def test_in_a_browser_the_heart_moves_and_obeys_its_controls(tmp_path):
    path = tmp_path / "heart.html"
    path.write_text(heart_page(patient(true=True)).replace("</body>", PROBE), encoding="utf-8")
    found = in_browser(path)
    assert found["paused"] == "Play" and found["early"] != found["late"]
    assert len({found["first"], found["third"], found["bare"]}) == 3 and found["again"] == found["first"]
    assert float(found["end"]) - float(found["begin"]) == pytest.approx(2 * 25 * 0.8 / 6, abs=0.03)
    assert found["wide"] == "0" and found["hint"] == "true"  # the paper of 10 s is wider than 1000 pixels


@pytest.mark.skipif(BROWSER is None, reason="neither chromium nor google-chrome is installed")
def test_where_all_of_the_paper_is_seen_nothing_is_said_of_scrolling(tmp_path):
    path = tmp_path / "heart.html"
    path.write_text(heart_page(patient()).replace("</body>", PROBE), encoding="utf-8")
    assert in_browser(path, width=1600)["hint"] == "false"


@needs_browser
def test_at_1280_pixels_the_whole_table_is_seen_beside_true_numbers_and_ranges(tmp_path):
    told, own = {}, {}
    for name, about in TABLE.items():
        size = 0.04 if about.unit == "mm" else 1.0
        ends = {f"interval_{level}": [126.6 * size, 225.4 * size] for level in (50, 80, 90)}
        drawn = {"mean": 150.0 * size, "values": [120.6 * size, 196.7 * size]}
        told[name] = {"mean": 172.0 * size, "sd": 30.0 * size, "told_by": BY_CODES, "drawn": drawn} | ends
        own[name] = 201.0 * size
    true = {"measured_by": "its own label maps", "phenotypes": own}
    page = heart_page(patient(true=True, record=record(phenotypes=told, true_heart=true)))
    (tmp_path / "heart.html").write_text(page.replace("</body>", PROBE), encoding="utf-8")
    assert in_browser(tmp_path / "heart.html", width=1280)["table"] == "0"


@needs_browser
def test_on_a_phone_the_page_does_not_scroll_sideways(tmp_path):
    long = record(warnings=["a_name_without_any_space_" * 20])
    page = heart_page(patient(true=True, record=long)).replace("</body>", PROBE)
    (tmp_path / "heart.html").write_text(page, encoding="utf-8")
    around = """<html><iframe src="heart.html" width="360" height="700" style="border:0"></iframe><script>
    addEventListener("message", (told) => { document.documentElement.dataset.wide = told.data; });</script></html>"""
    (tmp_path / "phone.html").write_text(around, encoding="utf-8")
    assert in_browser(tmp_path / "phone.html")["wide"] == "0"
