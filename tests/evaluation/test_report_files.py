import json
import subprocess
import sys
from pathlib import Path
from threading import Thread

import pytest

from cohort.lock import try_locked
from cohort.phenotypes import LABELS, PHENOTYPES
from evaluation.report_files import write_report
from evaluation.screen_table import NAMES_WIDTH, table_of
from sampling.measured_phenotypes import SEEN
from sampling.pipeline import weights_sha256

NAN = float("nan")
MEASURES_A_SAMPLE = (
    "evaluation.calibration",
    "evaluation.certainty",
    "evaluation.measuring",
    "sampling.segmentation",
)  # what sample.py imports
HEAVY = {"matplotlib", "torchmetrics", "scipy.stats", "scipy.spatial", "diffusers", "accelerate"}


def report(people):
    scores = {name: {"r2": 0.5} for name in PHENOTYPES}
    return {
        "n_subjects": people,
        "n_samples": 4,
        "agreement": scores,
        "agreement_of_one_sample": scores | {"LVM": {"r2": NAN}},
        "controls": {"person_only": {name: {"r2": -12.25} for name in PHENOTYPES}},
        "measured_on_true_hearts": scores,
        "coverage": {name: {"90": 88.0} for name in PHENOTYPES},
    }


@pytest.mark.parametrize("people", [6, 60])
def test_what_json_cannot_say_is_null_and_few_people_get_no_table(people, tmp_path, capsys):
    write_report(tmp_path, tmp_path, report(people), {})
    stored = json.loads((tmp_path / "report.json").read_text(), parse_constant=pytest.fail)
    assert stored["agreement_of_one_sample"]["LVM"]["r2"] is None
    assert stored["agreement"] == report(people)["agreement"]
    assert (tmp_path / "report.html").stat().st_size > 1000
    assert ("person_only" in capsys.readouterr().out) is (people == 60)
    assert {path.name for path in tmp_path.iterdir()} == {"report.html", "report.json", ".lock-report"}


def test_the_report_of_another_study_is_kept_and_that_of_the_same_replaced(tmp_path, capsys):
    studies = [report(6) | {"cohort": cohort, "measurements": "0"} for cohort in ("one", "one", "other", "third")]
    for study in studies:
        write_report(tmp_path, tmp_path, study, {})
    assert {json.loads(path.read_text())["cohort"] for path in tmp_path.glob("*.json")} == {"one", "other", "third"}
    assert len(list(tmp_path.glob("*.json"))) == len(list(tmp_path.glob("*.html"))) == 3
    assert json.loads((tmp_path / "report.json").read_text())["cohort"] == "third"
    assert capsys.readouterr().out.count("was of another study") == 2


def test_the_same_report_is_left_with_its_time_whatever_it_took(tmp_path, capsys):
    def write(**changed):
        write_report(tmp_path, tmp_path, report(6) | {"cohort": "one"} | changed, {})
        return [path.stat().st_mtime_ns for path in sorted(tmp_path.glob("report*"))]

    before = write(seconds={"all": 1.0})
    assert write(seconds={"all": 2.0}) == before and "finished: " in capsys.readouterr().out
    assert write(seconds={"all": 2.0}, date="2026-11-27", command="python again") == before
    assert write(n_samples=5) != before
    (tmp_path / "report.html").unlink()
    assert len(write(n_samples=5)) == 2


@pytest.mark.parametrize("text", ["", "[]", "{"])
def test_what_is_no_report_is_kept_too(tmp_path, text):
    (tmp_path / "report.json").write_text(text)
    write_report(tmp_path, tmp_path, report(6) | {"cohort": "one"}, {})
    assert len(list(tmp_path.glob("report*.json"))) == 2


def test_the_table_has_a_row_a_phenotype_and_its_columns_in_line():
    head, columns, *rows = table_of(report(60)).splitlines()
    assert head == "R2, 60 people, 4 hearts each"
    said = table_of(report(60) | {"measured_by": SEEN["simulated"], "true_hearts_measured": 0}).splitlines()[0]
    assert said == f"{head}, measured by a segmenter that learned from simulated hearts only"
    assert columns.split() == ["generated", "one", "person_only", "true", "heart", "kept", "many", "90", "%"]
    assert [row[:NAMES_WIDTH].strip() for row in rows] == list(LABELS.values())
    assert {len(row) for row in rows} == {len(columns)}
    assert rows[0].split()[1:] == ["0.50", "0.50", "-12.25", "0.50", "nan", "nan", "88"]


def test_the_table_says_below_why_a_share_is_not_told():
    why = {"RVEF": "too few people to tell: 12, of 20 at least"}
    lines = table_of(report(60) | {"information_kept_untold": why, "information_kept_of_many_untold": why})
    assert lines.splitlines()[-1] == f"kept, RVEF: {why['RVEF']}"
    assert lines.count("too few people") == 1 and "kept, " not in table_of(report(60))


def test_measuring_a_sample_waits_for_no_plots_and_no_statistics():
    """sample.py answers sooner without them."""
    words = "import sys, " + ", ".join(MEASURES_A_SAMPLE) + "; print(*sys.modules)"
    root = Path(__file__).parents[2]
    done = subprocess.run([sys.executable, "-c", words], cwd=root, capture_output=True, text=True, check=True)
    assert not HEAVY & set(done.stdout.split())


@pytest.mark.parametrize("place", ["output/report", "pipeline"])
def test_a_second_evaluation_waits_for_the_first_one_to_write(tmp_path, place, monkeypatch):
    monkeypatch.setattr("evaluation.report_files.says_less", lambda *_: True)
    output, pipeline = tmp_path / "output", tmp_path / "pipeline"
    pipeline.mkdir()
    measured = report(6) | {"weights_sha256": weights_sha256(pipeline)}
    monkeypatch.setattr("evaluation.report_files.add_figures", lambda *_: None)
    held = try_locked(tmp_path / place)
    second = Thread(target=write_report, args=(output, pipeline, measured, {}))
    second.start()
    second.join(timeout=0.5)
    waits, written = second.is_alive(), (output / "report.json").exists()
    held.release()
    second.join(timeout=60)
    assert waits and written is (place == "pipeline") and (output / "report.json").exists()
