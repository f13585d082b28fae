"""A patient's identity in a file reaches no output; with a key, not even the file's name does.

The long form, through every command and failure: tests/torture/privacy_canaries.py.
"""

import importlib
import json
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from cohort.cine import read_nifti
from cohort.ecg import LEADS, read_ecg
from cohort.errors import InputError, exit_code_of
from cohort.prepared import Preparation, prepare_cohort
from cohort.pseudonym import Naming, read_key
from cohort.study_tables import read_persons
from phantom.cohort_writer import FIRST_EID, ecg_path
from tests.torture import canaries, damaged

ROOT = Path(__file__).parents[1]
EIDS = {str(FIRST_EID + k).encode(): str(FIRST_EID + k) for k in range(18)}


@pytest.fixture(scope="module")
def planted(tmp_path_factory, phantom_data):
    """Three of the phantoms, with a name in every field of their files that can hold one."""
    folder = tmp_path_factory.mktemp("planted") / "UKBB"
    (folder / "ecg").mkdir(parents=True)
    for index in range(3):
        shutil.copy(ecg_path(phantom_data, index), folder / "ecg")
        eid = str(FIRST_EID + index)
        shutil.copytree(phantom_data / "NIFTI" / eid, folder / "NIFTI" / eid)
    shutil.copy(phantom_data / "persons.csv", folder)
    canaries.plant_cohort(folder)
    return folder


@pytest.fixture(scope="module")
def planted_ecg(planted):
    return next((planted / "ecg").iterdir())


@pytest.fixture
def sample(monkeypatch, tmp_path, capsys, tiny_pipeline):
    """Run sample.py in an empty folder with the tiny pipeline; returns (exit code, all it printed)."""
    monkeypatch.chdir(tmp_path)
    tiny_pipeline.save(tmp_path / "runs" / "tiny" / "pipeline")
    main = importlib.import_module("sample").main

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["sample.py", *map(str, arguments), "--samples", "2", "--steps", "1"])
        code = exit_code_of(main)
        said = capsys.readouterr()
        return code, said.out + said.err

    return run


@pytest.fixture
def key(tmp_path):
    path = tmp_path / "key"
    path.write_bytes(b"a key that nobody knows")
    path.chmod(0o600)
    return path


def files(folder):
    return [path for path in folder.rglob("*") if path.is_file()]


def test_the_search_finds_what_was_planted_in_every_kind_of_file(tmp_path):
    assert all(canaries.search_works(tmp_path / "kinds").values())
    assert canaries.hits(b"nothing of the kind") == set() and len(canaries.CANARIES) >= 20


def test_planting_changes_names_alone(planted, phantom_data):
    for path in (planted / "ecg").iterdir():
        assert canaries.hits(path.read_bytes()) > {"CardioSoft PID", "CardioSoft family name", "XML comment"}
        np.testing.assert_array_equal(read_ecg(path).signal, read_ecg(phantom_data / "ecg" / path.name).signal)
    for path in planted.rglob("*.nii.gz"):
        assert len(canaries.hits(path.read_bytes())) >= 5
        before = phantom_data / path.relative_to(planted)
        np.testing.assert_array_equal(read_nifti(path).voxels, read_nifti(before).voxels)


def test_nothing_that_names_a_patient_is_read_into_memory(planted, planted_ecg, tmp_path):
    """So that no traceback, log or debugger can show it."""
    ecg = read_ecg(planted_ecg)
    canaries.write_planted_wfdb(tmp_path, "record", ecg.signal, 500, LEADS)
    (tmp_path / "muse.xml").write_bytes(canaries.planted_muse(ecg.signal, 500))
    for found in (ecg, read_ecg(tmp_path / "record.hea"), read_ecg(tmp_path / "muse.xml")):
        assert not canaries.hits(repr(found.__dict__).encode())
    assert not canaries.hits(repr(read_persons(planted / "persons.csv")).encode())
    assert not canaries.hits(repr(read_nifti(next(planted.rglob("*.nii.gz"))).__dict__).encode())


def test_a_damaged_ecg_is_refused_without_quoting_it(planted_ecg, tmp_path):
    good = read_ecg(planted_ecg)
    refused = 0
    for name, content in damaged.damaged_ecgs(planted_ecg.read_bytes(), good.signal, 500):
        (tmp_path / name).write_bytes(content)
        try:
            read_ecg(tmp_path / name, sampling_rate=500)
        except InputError as error:
            refused += 1
            assert not canaries.hits(str(error).encode()), name
    assert refused >= 40


def test_a_damaged_mri_is_refused_without_quoting_it(planted, tmp_path):
    refused = []
    for what, content in damaged.damaged_niftis(next(planted.rglob("sa_ED.nii.gz")).read_bytes()):
        path = tmp_path / f"{what}.nii.gz"
        path.write_bytes(content)
        with pytest.raises(InputError) as refusal:
            read_nifti(path)
        refused.append(what)
        assert not canaries.hits(str(refusal.value).encode()), what
    assert len(refused) >= 15


def test_a_damaged_table_is_refused_without_quoting_it(planted, tmp_path):
    for what, content in damaged.damaged_persons((planted / "persons.csv").read_text(encoding="utf-8")):
        (tmp_path / what).write_bytes(content)
        with pytest.raises(InputError) as refusal:
            read_persons(tmp_path / what)
        assert not canaries.hits(str(refusal.value).encode()), what
        assert not canaries.hits(str(refusal.value).encode(), EIDS), what


def test_a_prepared_cohort_holds_no_name(planted, geometry, tmp_path, capfd):
    prepare_cohort(planted, tmp_path / "prepared", Preparation(geometry))
    said = capfd.readouterr()
    assert not canaries.hits((said.out + said.err).encode())
    assert files(tmp_path / "prepared") and not canaries.found_in(files(tmp_path / "prepared"), tmp_path)


def test_a_pseudo_mri_names_nobody_but_by_its_folder(sample, planted, tmp_path):
    code, said = sample("--ecg", planted / "ecg", "--mri", planted, "--persons", planted / "persons.csv")
    assert code == 0 and len(files(tmp_path / "out")) > 20
    assert not canaries.hits(said.encode())
    assert not canaries.found_in(files(tmp_path / "out"), tmp_path)


# ---- Pseudonyms ----


def test_with_a_key_the_name_of_the_file_goes_nowhere_either(sample, planted, key, tmp_path, monkeypatch):
    captions = []
    monkeypatch.setattr(
        "sampling.grid.write_grid", lambda path, rows, *_, **__: captions.extend(name for name, _ in rows)
    )
    (tmp_path / "ecgs").mkdir()
    for path in (planted / "ecg").iterdir():
        shutil.copy(path, tmp_path / "ecgs")
    bad = tmp_path / "ecgs" / f"{FIRST_EID + 9}_20205_2_0.xml"
    bad.write_bytes(next((tmp_path / "ecgs").iterdir()).read_bytes()[:999])
    code, said = sample("--ecg", "ecgs", "--pseudonymise", key, "--mri", planted)
    assert code == 2 and "1 of 4" in said and "Traceback" not in said
    naming = Naming(read_key(key))
    names = {naming(f"{FIRST_EID + k}_20205_2_0") for k in range(3)}
    assert {path.name for path in (tmp_path / "out").iterdir() if path.is_dir()} == names
    for path in (tmp_path / "out").glob("*/heart.json"):
        assert json.loads(path.read_text())["subject"] == path.parent.name
    assert naming(bad.stem) in said
    assert {caption.split(":")[0] for caption in captions if ":" in caption} == names
    assert not canaries.hits(said.encode(), EIDS) and not canaries.hits(" ".join(captions).encode(), EIDS)
    assert not canaries.found_in(files(tmp_path / "out"), tmp_path, EIDS)


def test_with_a_key_no_refusal_names_an_eid(sample, planted, key, tmp_path):
    """Two files of one name, a file that is not there, folders and MRIs whose paths hold an eid."""
    good = next(iter(sorted((planted / "ecg").iterdir())))
    twice, alone = tmp_path / good.stem / "twice", tmp_path / good.stem / "alone"
    for folder in (twice, alone):
        folder.mkdir(parents=True)
        shutil.copy(good, folder)
    (twice / f"{good.stem}.csv").write_text("1,2\n")
    (alone / f"{FIRST_EID + 9}_20205_2_0.xml").write_text("no ECG")
    mri = tmp_path / f"{FIRST_EID}_20209_2_0.nii.gz"
    mri.write_bytes(b"no NIfTI")
    for options, words in (
        (("--ecg", twice), "several files"),
        (("--ecg", tmp_path / f"{FIRST_EID}_20205_2_0.xml"), "does not exist"),
        (("--ecg", alone), "1 of 2"),
        (("--ecg", good, "--mri", mri), ""),
        (("--ecg", good, "--mri", tmp_path / str(FIRST_EID)), "does not exist"),
        (("--ecg", good, "--pipeline", tmp_path / str(FIRST_EID)), "not a trained pipeline"),
        (("--ecg", good, "--output", tmp_path / str(FIRST_EID)), ""),
    ):
        _, said = sample(*options, "--pseudonymise", key)
        assert words in said and said and not canaries.hits(said.encode(), EIDS), said


def test_a_pseudonym_changes_the_name_and_not_the_heart(sample, planted_ecg, key, tmp_path):
    assert sample("--ecg", planted_ecg)[0] == 0
    assert sample("--ecg", planted_ecg, "--pseudonymise", key, "--output", "hidden")[0] == 0
    named, hidden = tmp_path / "out" / planted_ecg.stem, tmp_path / "hidden" / Naming(read_key(key))(planted_ecg.stem)
    for name in ("sa_ED.nii.gz", "sa_ES.nii.gz", "grid.png", "sample_2/sa_ED.nii.gz"):
        assert (named / name).read_bytes() == (hidden / name).read_bytes()
    told, hushed = (json.loads((folder / "heart.json").read_text()) for folder in (named, hidden))
    pages = {"heart.html"}  # they show the name
    assert {name for name in told["files"] if told["files"][name] != hushed["files"][name]} == pages
    assert {key for key in told if told[key] != hushed[key]} == {"subject", "input_sha256", "files"}
    assert planted_ecg.stem in (named / "heart.html").read_text()
    assert not canaries.hits((hidden / "heart.html").read_bytes(), EIDS)
    # The hash of the ECG itself would tell who it is.
    assert hushed["input_sha256"] == Naming(read_key(key))(told["input_sha256"])


def test_a_finished_patient_is_known_again_by_the_pseudonym(sample, planted_ecg, key, tmp_path):
    command = ("--ecg", planted_ecg, "--pseudonymise", key)
    sample(*command)
    before = {path: path.stat().st_mtime_ns for path in files(tmp_path / "out")}
    assert "left as they are" in sample(*command)[1]
    assert before == {path: path.stat().st_mtime_ns for path in files(tmp_path / "out")}


@pytest.mark.parametrize("fault", ["readable", "short", "absent"])
def test_an_unfit_key_is_refused_before_anything_is_written(sample, planted_ecg, key, tmp_path, fault):
    if fault == "readable":
        key.chmod(0o644)
    elif fault == "short":
        key.write_bytes(b"short")
    else:
        key.unlink()
    code, said = sample("--ecg", planted_ecg, "--pseudonymise", key)
    assert code == 2 and said.startswith("error: ") and said.count("\n") == 1 and str(key) in said
    assert not (tmp_path / "out").exists()


# ---- One person in two splits ----


def test_leaks_between_splits_are_named_by_a_table_and_not_on_screen(prepared, tmp_path):
    from cohort.leakage import LEAKS, require_separate_splits

    hearts = np.array(prepared.hearts)
    one, other = (np.flatnonzero(prepared.split == split)[0] for split in ("train", "test"))
    hearts[one] = hearts[other]
    leaky = replace(prepared, folder=tmp_path, hearts=hearts, mask=np.ones_like(prepared.mask))
    with pytest.raises(InputError, match="1 image") as refusal:
        require_separate_splits(leaky)
    assert not canaries.hits(str(refusal.value).encode(), EIDS)
    assert str(prepared.eid[one]) in (tmp_path / LEAKS).read_text()


@pytest.mark.parametrize("name", ["key", "key.txt", "ukb.key", "pseudonym-key", "ukb_key.hex", "somewhere/key"])
def test_a_key_made_in_the_checkout_is_not_added_to_git(name):
    if shutil.which("git") is None or not (ROOT / ".git").exists():
        pytest.skip("git is not installed, or this copy has no git history")
    assert subprocess.run(["git", "check-ignore", "--quiet", name], cwd=ROOT).returncode == 0


@pytest.mark.parametrize("folder", ["UKBB/x", "runs", "out", "report", "demo", "converted", "prepared"])
def test_what_commands_write_by_default_is_not_added_to_git(folder):
    if shutil.which("git") is None or not (ROOT / ".git").exists():
        pytest.skip("git is not installed, or this copy has no git history")
    found = subprocess.run(["git", "check-ignore", "--quiet", f"{folder}/9000001_2/sa.nii.gz"], cwd=ROOT)
    assert found.returncode == 0


def test_no_tracked_file_is_ignored():
    if shutil.which("git") is None or not (ROOT / ".git").exists():
        pytest.skip("git is not installed, or this copy has no git history")
    listed = ["git", "ls-files", "--cached", "--ignored", "--exclude-standard"]
    assert subprocess.run(listed, cwd=ROOT, capture_output=True, check=True).stdout == b""
