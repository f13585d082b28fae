"""Every script shows its help, and answers a user's mistake with one line and exit code 2."""

import csv
import gzip
import importlib
import json
import os
import re
import runpy
import shutil
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest

from cohort.code_version import ROOMS
from cohort.errors import exit_code_of
from cohort.leakage import keyed_recordings
from cohort.lock import try_locked
from phantom.cohort_writer import FIRST_EID, ecg_path
from sampling.inputs import SIMULATED_ONLY

ROOT = Path(__file__).parents[1]
SCRIPTS = [
    "make_phantom",
    "train_autoencoder",
    "train_segmenter",
    "train_diffusion",
    "sample",
    "segment",
    "evaluate_samples",
]
HEAVY = ("torch", "diffusers", "accelerate", "scipy.signal", "matplotlib")
HELP = """
import runpy, sys
sys.path.insert(0, sys.argv[1])
script, sys.argv[1:] = sys.argv[2], ["--help"]
try:
    runpy.run_path(script, run_name="__main__")
except SystemExit:
    print(*sorted(sys.modules), file=sys.stderr)
"""


@pytest.fixture
def run(monkeypatch, tmp_path, capsys):
    """Run a script as `python script.py ...` does, in this process and an empty folder: (code, stdout, stderr)."""
    monkeypatch.chdir(tmp_path)

    def run(script, *arguments):
        monkeypatch.setattr(sys, "argv", [f"{script}.py", *map(str, arguments)])
        capsys.readouterr()
        main = importlib.import_module(script).main
        try:
            code = exit_code_of(main)
        except SystemExit as stopped:  # tyro, for --help and unknown options
            code = stopped.code
        said = capsys.readouterr()
        return code, said.out, said.err

    return run


def refused(result, *words):
    """Assert that the error is one line with these words, without a traceback."""
    code, _, error = result
    assert code == 2
    lines = [line for line in error.splitlines() if line.startswith("error: ")]
    assert len(lines) == 1 and error.count("\n") == 1, error
    assert "Traceback" not in error
    for word in words:
        assert str(word) in lines[0]
    return lines[0]


@pytest.mark.parametrize("script", SCRIPTS)
def test_help_says_what_the_script_is_for_one_command_a_line_and_no_empty_default(run, script):
    code, out, _ = run(script, "--help")
    assert code == 0 and "--output" in out
    assert len(out) > 300 and "(default: )" not in out
    example = re.compile(rf"\b(?:python|launch) {script}\.py")
    assert all(len(example.findall(line)) <= 1 for line in out.splitlines())


@pytest.mark.parametrize(
    "module",
    [
        ".".join(path.relative_to(ROOT).with_suffix("").parts)
        for room in ROOMS
        for path in sorted((ROOT / room).glob("*.py"))
        if re.search(r"tyro\.cli\(|ArgumentParser\(", path.read_text(encoding="utf-8")) and room != "benchmarks"
    ],
)
def test_a_module_that_is_a_command_is_called_as_it_is_typed_and_shows_no_path(module, monkeypatch, capsys):
    """In one process; what is given is the place of the file, as `python -m` gives it."""
    monkeypatch.setattr(sys, "argv", [str(ROOT / module.replace(".", "/")) + ".py", "--help"])
    with warnings.catch_warnings(), pytest.raises(SystemExit) as ended:
        warnings.simplefilter("ignore", RuntimeWarning)  # of a module that was imported before
        runpy.run_module(module, run_name="__main__")
    said = capsys.readouterr().out
    assert ended.value.code == 0 and f"usage: python -m {module} [-h]" in said and str(ROOT) not in said


@pytest.mark.parametrize("script", sorted(path.name for path in ROOT.glob("*.py")))
def test_help_imports_nothing_heavy(script):
    """Without these imports it answers within a second; the time itself is not tested."""
    done = subprocess.run([sys.executable, "-c", HELP, ROOT, ROOT / script], capture_output=True, text=True)
    imported = done.stderr.split()
    assert "tyro" in imported and "usage: " in done.stdout
    assert not set(HEAVY) & set(imported)


@pytest.mark.parametrize("script", SCRIPTS)
def test_an_unknown_option_is_a_fault_of_usage(run, script):
    code, _, error = run(script, "--no-such-option")
    assert code == 2 and "Traceback" not in error


def test_a_process_ends_with_code_2_and_one_line(tmp_path):
    """Once as a real process."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, str(ROOT / "sample.py"), "--ecg", "missing.xml"]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1 and "missing.xml" in done.stderr and done.stdout == ""


# ---- training ----


@pytest.mark.parametrize("script", ["train_diffusion", "train_autoencoder", "train_segmenter"])
def test_an_empty_folder_is_told_what_to_put_there_and_how_to_make_a_phantom(run, tmp_path, script):
    (tmp_path / "UKBB").mkdir()
    refused(run(script), "UKBB", "make_phantom.py", "<eid>_20205_2_0.xml", "<eid>/sa.nii.gz")
    assert not (tmp_path / "runs" / "diffusion").exists()


def test_ecgs_without_mri_are_no_cohort(run, tmp_path, phantom_data):
    (tmp_path / "UKBB" / "ecg").mkdir(parents=True)
    shutil.copy(ecg_path(phantom_data, 0), tmp_path / "UKBB" / "ecg")
    refused(run("train_diffusion"), "no person has both", "cohort.report", "make_phantom.py")


def test_a_phantom_is_not_written_among_other_files(run, tmp_path):
    (tmp_path / "UKBB").mkdir()
    (tmp_path / "UKBB" / "persons.csv").write_text("eid\n")
    refused(run("make_phantom", "--output", "UKBB", "--subjects", 1), "not of a phantom cohort")
    refused(run("make_phantom", "--output", "other", "--subjects", 0), "--subjects")


# ---- sampling ----


@pytest.fixture
def saved_pipeline(tiny_pipeline, tmp_path):
    tiny_pipeline.save(tmp_path / "runs" / "diffusion" / "pipeline")


def exercise(path):
    """A CardioSoft file of an exercise test, which has another root element."""
    return path.read_text(encoding="latin-1").replace("CardiologyXML", "CardiologyExerciseXML").encode("latin-1")


@pytest.fixture
def released(tmp_path, monkeypatch):
    """The place of the weights that come with the code; nothing is there yet."""
    monkeypatch.setattr("sampling.release.RELEASED", tmp_path / "elsewhere" / "pretrained" / "phantom")
    return tmp_path / "elsewhere" / "pretrained" / "phantom"


def test_without_a_pipeline_it_says_how_to_train_one(run, phantom_data, released):
    refused(run("sample", "--ecg", ecg_path(phantom_data, 0)), "runs", "train_diffusion.py")
    refused(run("sample", "--ecg", ecg_path(phantom_data, 0), "--pipeline", "elsewhere"), "elsewhere", "--pipeline")


def test_released_weights_are_used_and_warn_of_whoever_is_not_simulated(run, tiny_pipeline, phantom_data, released):
    tiny_pipeline.save(released)
    simulated = ecg_path(phantom_data, 0)
    shutil.copy(simulated, "somebody.xml")
    for path, warned in ((simulated, False), ("somebody.xml", True)):
        code, out, error = run("sample", "--ecg", path, "--samples", 1, "--steps", 1)
        assert code == 0 and f"pipeline: {released}" in out
        record = json.loads((Path("out") / Path(path).stem / "heart.json").read_text())
        assert (SIMULATED_ONLY in error) is (SIMULATED_ONLY in record["warnings"]) is warned
        assert record["pipeline"] == "phantom"


def test_a_pipeline_taught_by_real_people_warns_of_none(run, tiny_pipeline, phantom_data):
    tiny_pipeline.register_to_config(trained_on="real")
    tiny_pipeline.save(Path("runs/diffusion/pipeline"))
    shutil.copy(ecg_path(phantom_data, 0), "somebody.xml")
    code, _, error = run("sample", "--ecg", "somebody.xml", "--samples", 1, "--steps", 1)
    assert code == 0 and SIMULATED_ONLY not in error


def test_a_pipeline_that_does_not_say_who_taught_it_warns_and_counts_as_simulated(run, saved_pipeline, phantom_data):
    index = Path("runs/diffusion/pipeline/model_index.json")
    index.write_text(json.dumps({k: v for k, v in json.loads(index.read_text()).items() if k != "trained_on"}))
    shutil.copy(ecg_path(phantom_data, 0), "somebody.xml")
    code, _, error = run("sample", "--ecg", "somebody.xml", "--samples", 1, "--steps", 1)
    assert code == 0 and "does not say who taught it" in error and SIMULATED_ONLY in error


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("truncated.xml", lambda good: good.read_bytes()[: len(good.read_bytes()) // 2]),
        ("empty.xml", lambda good: b""),
        ("exercise.xml", exercise),
        ("notes.xml", lambda good: b"lead I, lead II\n1, 2\n"),
        ("page.xml", lambda good: b"<html><body>not found</body></html>"),
        ("picture.npy", lambda good: b"\x93NUMPY rubbish"),
        ("words.csv", lambda good: b"one,two\nthree,four\n"),
    ],
)
def test_an_ecg_that_is_none_is_refused_by_name(run, saved_pipeline, phantom_data, tmp_path, name, content):
    (tmp_path / name).write_bytes(content(ecg_path(phantom_data, 0)))
    refused(run("sample", "--ecg", name, *(() if name.endswith("xml") else ("--sampling-rate", 500))), name)
    assert not list((tmp_path / "out").glob("*"))


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (("--samples", 0), "--samples"),
        (("--steps", 0), "--steps"),
        (("--batch-size", -1), "--batch-size"),
        (("--scheduler", "NoSuchScheduler"), "NoSuchScheduler"),
        (("--mri", "nowhere"), "nowhere"),
        (("--persons", "nobody.csv"), "nobody.csv"),
        (("--sampling-rate", 123), "500 Hz"),
        (("--sampling-rate", "nan"), "--sampling-rate"),
        (("--guidance-scale", "nan"), "--guidance-scale"),
        (("--guidance-scale", "inf"), "--guidance-scale"),
        (("--guidance-scale", 1e30), "--guidance-scale"),
        (("--steps", 100_000), "--steps"),
    ],
)
def test_an_option_out_of_order_is_refused(run, saved_pipeline, phantom_data, arguments, word):
    command = ("--ecg", ecg_path(phantom_data, 0), "--samples", 1, "--steps", 1, *arguments)
    refused(run("sample", *command), word)


def test_an_mri_with_a_flipped_bit_is_refused(run, saved_pipeline, phantom_data, tmp_path):
    """Its gzip checksum is wrong; nibabel alone would read wrong voxels without a warning."""
    content = bytearray((phantom_data / "NIFTI" / str(FIRST_EID) / "sa_ED.nii.gz").read_bytes())
    content[-6] ^= 1  # a byte of the CRC-32, which is in the last eight
    (tmp_path / "sa.nii.gz").write_bytes(content)
    with pytest.raises(gzip.BadGzipFile):
        gzip.decompress(bytes(content))
    command = ("--ecg", ecg_path(phantom_data, 0), "--samples", 1, "--steps", 1, "--mri", "sa.nii.gz")
    refused(run("sample", *command), "sa.nii.gz")


@pytest.mark.parametrize(("name", "arguments"), [("report.pdf", ()), ("good.xml", ("--mri", "nowhere"))])
def test_what_cannot_be_read_is_refused_before_the_pipeline_is_loaded(
    run, saved_pipeline, phantom_data, tmp_path, monkeypatch, name, arguments
):
    (tmp_path / "report.pdf").write_bytes(b"%PDF-1.4\n%of a print-out\n")
    shutil.copy(ecg_path(phantom_data, 0), tmp_path / "good.xml")
    monkeypatch.setattr("sampling.pipeline.ECGToMRIPipeline.load", lambda *_: pytest.fail("it was loaded"))
    result = run("sample", "--ecg", name, *arguments)
    refused(result, arguments[-1] if arguments else name)
    assert result[1] == ""


def test_rows_of_a_table_that_name_no_ecg_are_told_once(run, saved_pipeline, phantom_data, tmp_path):
    (tmp_path / "ecgs").mkdir()
    for name in ("a.xml", "b.xml"):
        shutil.copy(ecg_path(phantom_data, 0), tmp_path / "ecgs" / name)
    (tmp_path / "p.csv").write_text("file,sex,age,height_cm,weight_kg\na.xml,F,61,,\nA b.xml,M,61,,\nc.xml,M,61,,\n")
    code, _, error = run("sample", "--ecg", "ecgs", "--persons", "p.csv", "--samples", 1, "--steps", 1)
    assert code == 0 and error.count("rows that name no file among the ECGs: 2 (first row 3)") == 1


@pytest.mark.parametrize("alone", [False, True])
def test_weights_that_people_who_withdrew_taught_are_told_in_one_line(
    run, tiny_pipeline, prepared, phantom_data, tmp_path, alone
):
    """Also where only another's ECG is sampled from, and theirs lies beside it."""
    pipeline = tmp_path / "runs" / "diffusion" / "pipeline"
    tiny_pipeline.save(pipeline)
    (pipeline / "training.json").write_text(json.dumps({"taught": keyed_recordings(prepared)}))
    (tmp_path / "ecgs").mkdir()
    rows = [prepared.rows(split)[0] for split in ("train", "test", "test")]
    rows[2] = prepared.rows("test")[1]
    paths = [shutil.copy(ecg_path(phantom_data, int(row)), tmp_path / "ecgs") for row in rows]
    command = ("sample", "--ecg", paths[2] if alone else "ecgs", "--samples", 1, "--steps", 1, "--exclude", "gone.csv")
    for gone, told in ((rows[1:2], 0), (rows[:2], 1)):
        (tmp_path / "gone.csv").write_text("".join(f"{prepared.eid[row]}\n" for row in gone))
        code, _, error = run(*command)
        assert code == 0 and error.count("1 ECGs of people who withdrew taught") == told


@pytest.mark.parametrize(("taught", "told"), [(1, 1), (2, 0)])
def test_phantoms_of_another_version_than_taught_are_told_in_one_line(
    run, tiny_pipeline, phantom_data, tmp_path, taught, told
):
    pipeline = tmp_path / "runs" / "diffusion" / "pipeline"
    tiny_pipeline.save(pipeline)
    (pipeline / "training.json").write_text(json.dumps({"phantom_version": taught}))
    assert json.loads((phantom_data / "cohort.json").read_text())["version"] == 2
    code, _, error = run("sample", "--ecg", ecg_path(phantom_data, 0), "--samples", 1, "--steps", 1)
    assert code == 0 and error.count("phantom version 2, and version 1 taught") == told


def test_one_bad_ecg_of_a_folder_does_not_cost_the_others(run, saved_pipeline, phantom_data, tmp_path):
    (tmp_path / "ecgs").mkdir()
    for index in (0, 1):
        shutil.copy(ecg_path(phantom_data, index), tmp_path / "ecgs")
    (tmp_path / "ecgs" / "bad.xml").write_bytes(b"<CardiologyXML>")
    code, _, error = run("sample", "--ecg", "ecgs", "--samples", 1, "--steps", 1)
    assert code == 2 and "bad.xml" in error and "1 of 3" in error and "Traceback" not in error
    made = sorted(path.parent.name for path in (tmp_path / "out").glob("*/heart.json"))
    assert made == [ecg_path(phantom_data, index).stem for index in (0, 1)]
    with (tmp_path / "out" / "refused.csv").open(encoding="utf-8", newline="") as file:
        header, *rows = csv.reader(file)
    assert (
        header == ["file", "code", "fault", "remedy"] and [row[0] for row in rows] == ["ecgs/bad.xml"] and all(rows[0])
    )
    (tmp_path / "ecgs" / "bad.xml").unlink()
    code, out, _ = run("sample", "--ecg", "ecgs", "--samples", 1, "--steps", 1)
    assert code == 0 and "2 patients were finished" in out and "pseudo-MRIs" not in out  # nothing was written
    assert not (tmp_path / "out" / "refused.csv").exists()


def test_the_last_line_names_what_was_written(run, saved_pipeline, phantom_data, tmp_path):
    code, out, _ = run("sample", "--ecg", ecg_path(phantom_data, 0), "--samples", 2, "--steps", 1)
    named = out.splitlines()[-1].partition("(")[2].rstrip(")").split(", ")
    there = {path.name for path in (tmp_path / "out" / ecg_path(phantom_data, 0).stem).iterdir()}
    assert code == 0 and set(named) == there


def test_another_command_in_the_same_output_folder_is_refused(run, saved_pipeline, phantom_data, tmp_path):
    held = try_locked(tmp_path / "out" / "sample")
    command = ("sample", "--ecg", ecg_path(phantom_data, 0), "--samples", 1, "--steps", 1)
    refused(run(*command), "another sample.py", "--output")
    assert not list((tmp_path / "out").glob("*/heart.json"))
    held.release()
    assert run(*command)[0] == 0


def test_an_empty_record_of_an_earlier_run_is_no_finished_patient(run, saved_pipeline, phantom_data, tmp_path):
    record = tmp_path / "out" / ecg_path(phantom_data, 0).stem / "heart.json"
    record.parent.mkdir(parents=True)
    record.touch()
    code, out, _ = run("sample", "--ecg", ecg_path(phantom_data, 0), "--samples", 1, "--steps", 1)
    assert code == 0 and "finished by an earlier run" not in out and json.loads(record.read_text())["samples"] == 1


def test_a_hostile_name_reaches_the_terminal_as_printable_lines(run, saved_pipeline, phantom_data, tmp_path):
    (tmp_path / "ecgs").mkdir()
    for index, name in enumerate(("a\x1b[2J\nerror: all is well.xml", "b\u202e.xml")):
        shutil.copy(ecg_path(phantom_data, index), tmp_path / "ecgs" / name)
    (tmp_path / "ecgs" / "c\x1b[31m.xml").write_text("no ECG")
    code, out, error = run("sample", "--ecg", "ecgs", "--samples", 1, "--steps", 1)
    lines = [line for line in (out + error).splitlines() if "ECGs:" not in line]  # but for the progress bar
    assert code == 2 and all(line.isprintable() for line in lines)
    assert sum(line.startswith("error: ") for line in lines) == 2  # the refusal, and how many there were


def test_an_ecg_with_a_hostile_name_stays_inside_the_output(run, saved_pipeline, tmp_path):
    time = np.arange(5000) / 500
    ecg = np.linspace(0.5, 1.5, 12)[:, None] * np.exp(-((time % 1 - 0.3) ** 2) / 2e-4)
    ecg[2:6] = ecg[1] - ecg[0], -(ecg[0] + ecg[1]) / 2, ecg[0] - ecg[1] / 2, ecg[1] - ecg[0] / 2
    np.save(tmp_path / "..%2f..%2f-rf ;x.npy", ecg)
    code, _, _ = run("sample", "--ecg", "..%2f..%2f-rf ;x.npy", "--sampling-rate", 500, "--samples", 1, "--steps", 1)
    assert code == 0
    assert {path.name for path in tmp_path.iterdir()} == {"..%2f..%2f-rf ;x.npy", "runs", "out"}
    assert len(list((tmp_path / "out").glob("*/heart.json"))) == 1


# ---- evaluation ----


def test_evaluation_asks_for_what_it_lacks(run, tiny_pipeline, phantom_data, tmp_path, released):
    refused(run("evaluate_samples", "--data", phantom_data), "train_diffusion.py")
    tiny_pipeline.save(tmp_path / "runs" / "diffusion" / "pipeline")
    refused(run("evaluate_samples", "--data", phantom_data, "--segmenter", tmp_path / "none"), "train_segmenter.py")


def test_evaluation_has_the_option_that_its_refusal_of_a_bad_cohort_names(run, saved_pipeline, phantom_data, tmp_path):
    data = shutil.copytree(phantom_data, tmp_path / "damaged")
    ecgs = sorted((data / "ecg").iterdir())
    for path in ecgs[: len(ecgs) // 3]:
        path.write_bytes(b"")
    command = ("evaluate_samples", "--data", data, "--pipeline", saved_pipeline, "--subjects", 2)
    code, _, error = run(*command)
    assert code == 2 and "6 of 18 subjects cannot be read" in error and "allow more with --max-bad-fraction" in error
    code, _, error = run(*command, "--max-bad-fraction", 0.5)
    assert code == 2 and "give at least three" in error
