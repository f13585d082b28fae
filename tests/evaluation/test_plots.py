import io
import math

import numpy as np
import pytest
from PIL import Image

from cohort.phenotypes import LABELS, PHENOTYPES, UNITS
from evaluation import plots
from evaluation.report_numbers import value_at

PLOTS_OF_A_REPORT = (
    plots.controls_bars,
    plots.coverage_curve,
    plots.rank_histograms,
    plots.learning_curve,
)


def per_phenotype(**values):
    return {name: dict(values) for name in PHENOTYPES}


UNKNOWN = per_phenotype(r2=float("nan"))


def full_report():
    return {
        "agreement": per_phenotype(r2=0.5),
        "agreement_of_one_sample": per_phenotype(r2=0.2),
        "ceiling": per_phenotype(r2=0.7),
        "controls": {
            "shuffled_ecg": per_phenotype(r2=-4.0),
            "of another kind": UNKNOWN | {"LVM": {"r2": 0.1}},
            "empty": UNKNOWN,
        },
        "coverage": per_phenotype(**{"50": 40.0, "80": 70.0, "90": 74.0}),
        "coverage_told": per_phenotype(**{"50": 50.0, "80": 80.0, "90": None}),
        "rank_histogram": {name: [9, 3, 2, 3, 9] for name in PHENOTYPES},
        "ceiling_curve": [{"people": people, "r2": dict.fromkeys(PHENOTYPES, 0.3)} for people in (100, 1000)],
    }


def pixels(png):
    with Image.open(io.BytesIO(png)) as image:
        assert image.format == "PNG"
        return np.asarray(image.convert("RGB"))


def drawn(monkeypatch, plot, *arguments):
    """The matplotlib figure itself, caught before it becomes bytes."""
    caught = []
    monkeypatch.setattr(plots, "_png", lambda made: caught.append(made) or b"")
    plot(*arguments)
    return caught[0]


def patients(n=12, seed=0):
    rng = np.random.default_rng(seed)
    truth = rng.normal(100, 20, (n, len(PHENOTYPES)))
    return truth + rng.normal(0, 5, truth.shape), truth


def test_a_number_is_found_and_whatever_is_none_is_nan():
    report = {"a": {"b": 2, "text": "2", "yes": True, "none": None, "inf": math.inf, "numpy": np.int64(3)}}
    assert value_at(report, "a", "b") == 2 and value_at(report, "a", "numpy") == 3
    for keys in (
        ("a",),
        ("a", "c"),
        ("b", "b"),
        ("a", "b", "c"),
        *(("a", key) for key in ("text", "yes", "none", "inf")),
    ):
        assert math.isnan(value_at(report, *keys)), keys
    assert math.isnan(value_at(None, "a"))


def test_a_panel_for_every_phenotype_and_the_identity_from_corner_to_corner(monkeypatch):
    found, truth = patients()
    figure = drawn(monkeypatch, plots.scatter, found, truth)
    assert [axes.get_title().split("\n")[0] for axes in figure.axes] == list(LABELS.values())
    named = [(axes.get_xlabel(), axes.get_ylabel()) for axes in figure.axes]
    assert named == [(f"true, {unit}", f"generated, {unit}") for unit in UNITS.values()]
    for axes in figure.axes:
        assert axes.get_xlim() == axes.get_ylim() and len(axes.get_xticks()) > 2
        np.testing.assert_array_equal(axes.get_xticks(), axes.get_yticks())
        assert not axes.texts, "words in a panel may hide a dot"
        (line,) = axes.get_lines()
        np.testing.assert_array_equal(line.get_xdata(), line.get_ydata())


def test_scatter_shows_the_patients_known_on_both_sides_and_says_how_many(monkeypatch):
    found, truth = patients(n=9)
    found[0, 3], truth[1, 3], truth[:, 5] = np.nan, np.inf, np.nan
    figure = drawn(monkeypatch, plots.scatter, found, truth)
    shown = [len(axes.collections[0].get_offsets()) for axes in figure.axes]
    assert shown == [{3: 7, 5: 0}.get(k, 9) for k in range(len(PHENOTYPES))]
    assert figure.axes[3].get_title().endswith("n 7")
    np.testing.assert_allclose(figure.axes[3].collections[0].get_offsets(), np.c_[truth[2:, 3], found[2:, 3]])


def test_found_and_truth_of_other_shapes_are_refused():
    found, truth = patients()
    for bad in (truth[:, :8], truth[:5], truth[0]):
        for plot in (plots.scatter, plots.bland_altman):
            with pytest.raises(ValueError, match="not both"):
                plot(found, bad)


def test_bland_altman_draws_bias_and_limits_of_known_differences(monkeypatch):
    truth = np.tile(np.linspace(50, 60, 5)[:, None], len(PHENOTYPES))
    difference = np.array([3.0, 5.0, 5.0, 5.0, 7.0])  # mean 5, SD sqrt 2
    figure = drawn(monkeypatch, plots.bland_altman, truth + difference[:, None], truth)
    heights = [line.get_ydata()[0] for line in figure.axes[0].get_lines()]
    np.testing.assert_allclose(sorted(heights), [0, 5 - 1.96 * 2**0.5, 5, 5 + 1.96 * 2**0.5])
    np.testing.assert_allclose(figure.axes[0].collections[0].get_offsets()[:, 1], difference)


def test_bars_are_clipped_at_minus_1_with_a_mark_and_their_number_is_not(monkeypatch):
    figure = drawn(monkeypatch, plots.controls_bars, full_report())
    axes = figure.axes[0]
    labels = [label.get_text() for label in axes.get_yticklabels()]
    assert labels == ["ceiling", "generated", "one sample", "another's ECG", "of another kind"]  # "empty" has no place
    bars = {labels[round(bar.get_y() + bar.get_height() / 2)]: bar.get_width() for bar in axes.patches}
    assert bars == {"ceiling": 0.7, "generated": 0.5, "one sample": 0.2, "another's ECG": -1.0}
    assert [text.get_text() for text in axes.texts] == ["0.70", "0.50", "0.20", "-4.00"]
    assert [line.get_marker() for line in axes.get_lines()].count("<") == 1


def test_every_bar_has_its_number_at_its_own_end(monkeypatch):
    axes = drawn(monkeypatch, plots.controls_bars, full_report()).axes[0]
    for bar, text in zip(axes.patches, axes.texts, strict=True):
        x, y = text.get_position()
        assert y == round(bar.get_y() + bar.get_height() / 2)  # its own row
        end = bar.get_width()  # below 0 the bar goes to the left
        assert (0 < x - end < 0.1, text.get_ha()) == (True, "left") if end >= 0 else -0.2 < x - end < 0
    ranks = drawn(monkeypatch, plots.rank_histograms, full_report()).axes[0]
    assert [text.get_text() for text in ranks.texts] == ["9", "3", "2", "3", "9"]


@pytest.mark.parametrize("plot", PLOTS_OF_A_REPORT)
def test_letters_are_large_enough_and_each_panel_names_its_axes(monkeypatch, plot):
    """A page shows a plot at 96 pixels an inch; of no text are the letters smaller than 10 of them."""
    figure = drawn(monkeypatch, plot, full_report())
    for axes in figure.axes:
        texts = [axes.title, axes.xaxis.label, *axes.texts, *axes.get_xticklabels(), *axes.get_yticklabels()]
        assert min(text.get_fontsize() for text in texts) * 96 / 72 >= 10
        assert axes.get_xlabel() and (axes.get_ylabel() or axes.get_yticklabels())
        assert all(
            axis.get_tick_params()["labelleft" if axis is axes.yaxis else "labelbottom"]
            for axis in (axes.xaxis, axes.yaxis)
        )


def test_of_few_people_a_scatter_tells_no_r2(monkeypatch):
    figure = drawn(monkeypatch, plots.scatter, *patients(n=6))
    assert figure.axes[0].get_title().split("\n")[1] == "n 6"
    assert "R2" in drawn(monkeypatch, plots.scatter, *patients(n=20)).axes[0].get_title()


def test_coverage_is_drawn_as_reached_and_nothing_where_nothing_was(monkeypatch):
    report = full_report()
    report["coverage"]["LVM"] = {"90": float("nan")}
    figure = drawn(monkeypatch, plots.coverage_curve, report)
    lines = {line.get_label(): line for line in figure.axes[0].get_lines()}
    np.testing.assert_array_equal(lines["samples"].get_xydata(), [[50, 40], [80, 70], [90, 74]])
    np.testing.assert_array_equal(lines["told, by codes"].get_xydata()[:2], [[50, 50], [80, 80]])
    np.testing.assert_array_equal(lines["ideal"].get_xdata(), lines["ideal"].get_ydata())
    assert "samples" not in {line.get_label() for line in figure.axes[PHENOTYPES.index("LVM")].get_lines()}


def test_the_rank_band_holds_what_chance_does_to_a_flat_histogram(monkeypatch):
    report = {"rank_histogram": {name: [25] * 4 for name in PHENOTYPES}}
    axes = drawn(monkeypatch, plots.rank_histograms, report).axes[0]
    band, *bars = axes.patches
    reach = 1.96 * math.sqrt(100 * 0.25 * 0.75)
    np.testing.assert_allclose([band.get_y(), band.get_y() + band.get_height()], [25 - reach, 25 + reach])
    assert [bar.get_height() for bar in bars] == [25] * 4


def test_a_spectrum_ten_times_the_truth_has_the_ratio_ten(monkeypatch):
    real = np.linspace(5, 1, 48)
    powers, ratios = drawn(monkeypatch, plots.spectrum, real, real + 1).axes
    np.testing.assert_allclose(ratios.get_lines()[0].get_ydata(), 10)
    np.testing.assert_array_equal(powers.get_lines()[0].get_ydata(), real)


def test_the_learning_curve_says_what_lies_below_its_axis(monkeypatch):
    report = full_report()
    report["agreement"]["LVEF"]["r2"] = -8.6
    figure = drawn(monkeypatch, plots.learning_curve, report)
    by_name = dict(zip(PHENOTYPES, figure.axes, strict=True))
    np.testing.assert_array_equal(by_name["LVM"].get_lines()[0].get_xydata(), [[100, 0.3], [1000, 0.3]])
    assert by_name["LVM"].get_lines()[1].get_ydata()[0] == 0.5 and not by_name["LVM"].texts
    assert len(by_name["LVEF"].get_lines()) == 1 and "-8.60" in by_name["LVEF"].texts[0].get_text()


@pytest.mark.parametrize("plot", PLOTS_OF_A_REPORT)
def test_a_plot_of_an_empty_report_is_a_picture(plot):
    empty = pixels(plot({}))
    assert empty.shape[1] == plots.WIDTH * plots.DPI and empty.min() < 200


@pytest.mark.parametrize("plot", [plots.scatter, plots.bland_altman])
def test_no_patient_known_is_still_a_picture(plot):
    nobody = np.full((4, len(PHENOTYPES)), np.nan)
    assert pixels(plot(nobody, nobody)).min() < 200


def test_the_same_spectra_are_the_same_picture():
    real = np.linspace(5, 1, 48)
    assert plots.spectrum(real, real - 0.1) == plots.spectrum(real, real - 0.1) != plots.spectrum(real, real)
