"""Two reports beside one another: paired and unpaired intervals by hand, refusals, and what is said to differ."""

import json
import sys
from html.parser import HTMLParser

import numpy as np
import pytest
import tyro

from cohort.errors import InputError, exit_code_of
from cohort.page_template import embedded
from cohort.phenotypes import PHENOTYPES
from evaluation.bootstrap import FEWEST
from evaluation.compare import main
from evaluation.compare_page import write_comparison
from evaluation.comparison import PAIRED, UNPAIRED, UNTOLD, differences, interval_of_difference, what_differs
from evaluation.page import write_page
from evaluation.paired_draws import headline_draws, headline_figures
from evaluation.report import agreement_numbers, certainty_numbers, control_numbers, implausible_numbers
from evaluation.report_numbers import value_at
from sampling.red_line import RED_LINE
from tests.evaluation.test_numbers_of_a_report import drawn, found

PLACE = "agreement.LVM.r2_of_many"
WORDS = "R2 of LV mass, mean of many hearts"


def report(r2=0.5, half=0.1, draws=None, key="same", **more):
    one = {"r2_of_many": r2, "r2_of_many_ci": [r2 - half, r2 + half]}
    known = {"cohort": "unseen", "split": "all", "n_subjects": 100, "agreement": {"LVM": one}}
    known |= {} if draws is None else {"draws": {"paired_with": key, "figures": {PLACE: list(draws)}}}
    return known | more


def written(tmp_path, *reports):
    paths = [tmp_path / f"{number}.json" for number in range(len(reports))]
    for path, content in zip(paths, reports, strict=True):
        path.write_text(json.dumps(content))
    return paths


def test_the_paired_interval_is_that_of_the_differences_draw_by_draw():
    """Draws 0, 0.01 ... 1 and the same plus 0.1 in every draw: the difference is 0.1 in each, however wide both are."""
    draws = np.linspace(0, 1, 101)
    ends, how = interval_of_difference(report(0.5, draws=draws), report(0.6, draws=draws + 0.1), PLACE)
    assert how == PAIRED and ends == pytest.approx((0.1, 0.1))
    apart = np.arange(101) / 100  # 0 to 1 in steps of 0.01: 2.5 % and 97.5 % of it are 0.025 and 0.975
    ends, _ = interval_of_difference(report(0.5, draws=draws), report(0.6, draws=draws + apart), PLACE)
    assert ends == pytest.approx((0.025, 0.975))


@pytest.mark.parametrize(
    "other", [report(0.8, draws=np.ones(101), key="others"), report(0.8), report(0.8, draws=[1.0])]
)
def test_without_draws_of_the_same_people_the_two_intervals_decide(other):
    """Half widths of 0.1 each: the difference of 0.3 has 0.1 times the square root of 2 on either side."""
    ends, how = interval_of_difference(report(0.5, draws=np.zeros(101)), other, PLACE)
    assert how == UNPAIRED and ends == pytest.approx((0.3 - 0.02**0.5, 0.3 + 0.02**0.5))


def test_an_uneven_interval_keeps_its_sides():
    one, other = report(0.5), report(0.5)
    one["agreement"]["LVM"]["r2_of_many_ci"] = [0.2, 0.5]  # may be lower, so the difference may be higher
    other["agreement"]["LVM"]["r2_of_many_ci"] = [0.5, 0.9]
    ends, _ = interval_of_difference(one, other, PLACE)
    assert ends == pytest.approx((0.0, 0.5))
    del one["agreement"]["LVM"]["r2_of_many_ci"]
    assert interval_of_difference(one, other, PLACE) == (None, UNTOLD)


def test_a_table_of_intervals_beside_a_table_of_numbers_is_found():
    kept = {"information_kept_of_many": {"LVM": 0.8}, "information_kept_of_many_ci": {"LVM": [0.7, 0.9]}}
    ends, how = interval_of_difference(report(**kept), report(**kept), "information_kept_of_many.LVM")
    assert how == UNPAIRED and ends == pytest.approx((-(0.02**0.5), 0.02**0.5))


def test_each_figure_of_both_is_shown_and_none_of_one_alone():
    rows = differences(report(0.5, realism={"fid": 3.0}), report(0.9))
    (row,) = rows
    assert (row.words, row.one, row.other) == (WORDS, "0.50 (0.40 to 0.60)", "0.90 (0.80 to 1.00)")
    assert row.difference == "0.40" and row.clear and row.how == UNPAIRED
    assert not differences(report(0.5), report(0.55))[0].clear


def test_weights_code_and_options_that_differ_are_named():
    one, other = report(weights_sha256="aa", steps=8, seed=0), report(weights_sha256="bb", steps=10, seed=0, date="x")
    assert what_differs(one, other) == [("weights, SHA-256", "aa", "bb"), ("steps", "8", "10")]
    assert what_differs(one, one) == []


def test_draws_are_of_the_figures_that_the_report_holds_and_of_the_same_people(monkeypatch):
    """Of everybody each figure is the report's own; each draw picks the same people in both studies."""
    monkeypatch.setattr("evaluation.paired_draws.DRAWS", 50)
    truth, rng = drawn(n=30), np.random.default_rng(1)
    broken = (rng.random((30, 4, 4)) < 0.2).astype(float)
    made = found(truth[:, None] + rng.normal(0, 9, (30, 4, len(PHENOTYPES))), implausible=broken)
    another = found(truth[::-1, None] + rng.normal(0, 9, (30, 2, len(PHENOTYPES))))
    numbers = agreement_numbers(made, found(truth[:, None]), truth, truth) | certainty_numbers(made, truth, {})
    numbers |= {"controls": control_numbers({"shuffled_ecg": another.phenotypes}, truth)}
    numbers |= {"implausible": implausible_numbers({"generated": made})}
    figures = headline_figures(made, another, None, truth)
    assert len(figures) == 8
    for place, figure in figures.items():
        assert figure(np.arange(30)) == pytest.approx(value_at(numbers, *place.split("."))), place
    draws = headline_draws("people", made, another, None, truth)
    assert draws == headline_draws("people", made, another, None, truth)
    assert {len(values) for values in draws["figures"].values()} == {50}
    assert draws["paired_with"] != headline_draws("others", made, another, None, truth)["paired_with"]
    better = found((made.phenotypes + truth[:, None]) / 2, implausible=broken)
    apart = np.subtract(
        *(headline_draws("p", m, None, None, truth)["figures"]["agreement.LVM.r2"] for m in (better, made))
    )
    assert (apart > 0).all()  # halving everybody's error helps in every draw: the draws are of the same people
    with_ceiling = headline_draws("p", made, None, truth, truth)["figures"]
    np.testing.assert_allclose(with_ceiling["information_kept_of_many.LVM"], with_ceiling[PLACE], atol=2e-4)
    few = FEWEST - 1
    assert headline_draws("p", made.first(few), None, None, truth[:few]) == {}


def test_nothing_of_a_single_person_is_in_the_draws():
    """A report may be passed on; of people it holds a hash of who they are, and means of many."""
    truth = drawn(n=30)
    draws = headline_draws("people", found(truth[:, None]), None, None, truth)
    assert draws.keys() == {"paired_with", "figures"} and len(draws["paired_with"]) == 12


class Reader(HTMLParser):
    def __init__(self):
        super().__init__()
        self.text, self.tags, self.loads = "", [], []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.loads += [value for name, value in attrs if name in ("src", "href")]

    def handle_data(self, data):
        self.text += data


def test_the_page_says_what_differs_and_which_interval_it_took(tmp_path, capsys):
    nasty = "<script>alert(1)</script>"
    draws = np.linspace(0, 1, 101)
    one, other = report(0.5, draws=draws, pipeline=nasty), report(0.6, draws=draws + 0.1, pipeline="b\x1b[31m")
    write_comparison(tmp_path / "page.html", *written(tmp_path, one, other))
    source = (tmp_path / "page.html").read_text()
    reader = Reader()
    reader.feed(source)
    assert "script" not in reader.tags and nasty in reader.text and reader.loads == [] and "://" not in source
    assert "0.10 to 0.10" in reader.text and PAIRED in reader.text and "0.10 *" in reader.text
    said = capsys.readouterr().out
    assert f"{WORDS}: 0.50 (0.40 to 0.60), then 0.60 (0.50 to 0.70); difference 0.10, 0.10 to 0.10 (paired)" in said
    assert "\x1b" not in said
    write_comparison(tmp_path / "page.html", *written(tmp_path, report(0.5), report(0.6)))
    assert UNPAIRED in (tmp_path / "page.html").read_text()


def test_of_few_people_the_page_shows_a_sentence_and_both_pictures_and_no_figure(tmp_path, capsys):
    few = [report(0.5, n_subjects=4), report(0.6, n_subjects=40, seed=1)]
    paths = written(tmp_path, *few)
    for path, content in zip(paths, few, strict=True):
        write_page(path.with_suffix(".html"), content, {"hearts": path.name.encode()})
    write_comparison(tmp_path / "page.html", *paths)
    reader = Reader()
    reader.feed((tmp_path / "page.html").read_text())
    said = capsys.readouterr().out
    assert "4 people are too few to compare figures by" in reader.text and "4 people are too few" in said
    assert WORDS not in reader.text + said and "0.60" not in reader.text and RED_LINE in reader.text
    assert reader.loads == [embedded(path.name.encode()) for path in paths] and "seed" in reader.text
    paths[0].with_suffix(".html").unlink()
    paths[1].with_suffix(".html").unlink()
    write_comparison(tmp_path / "page.html", *paths)
    assert "<img" not in (tmp_path / "page.html").read_text()


@pytest.mark.parametrize(
    ("second", "fault"),
    [
        (json.dumps(report(cohort="another")), "another cohort"),
        (json.dumps(report(split="test")), "another split"),
        (json.dumps(report() | {"cohort": None}), "another cohort"),
        ("{", "damaged"),
        ("[]", "no agreement"),
        (json.dumps({"cohort": "unseen", "split": "all"}), "no agreement"),
    ],
)
def test_reports_of_others_and_broken_files_are_refused(tmp_path, second, fault):
    first, other = tmp_path / "one.json", tmp_path / "other.json"
    first.write_text(json.dumps(report()))
    other.write_text(second)
    with pytest.raises(InputError, match=fault):
        write_comparison(tmp_path / "page.html", first, other)
    with pytest.raises(InputError, match="cannot be read"):
        write_comparison(tmp_path / "page.html", first, tmp_path / "absent.json")
    assert not (tmp_path / "page.html").exists()


def test_the_command_writes_the_page_or_ends_with_2_and_one_line(tmp_path, monkeypatch, capsys):
    paths = written(tmp_path, report(0.5), report(0.6), report(cohort="another"))

    def run(*options):
        monkeypatch.setattr(sys, "argv", ["evaluation.compare", *map(str, options)])
        code = exit_code_of(lambda: tyro.cli(main))
        return code, capsys.readouterr().err

    assert run(*paths[:2], "--output", tmp_path / "page.html") == (0, "") and (tmp_path / "page.html").exists()
    code, said = run(paths[0], paths[2], "--output", tmp_path / "other.html")
    assert code == 2 and said.startswith("error: ") and said.count("\n") == 1
    assert not (tmp_path / "other.html").exists()
