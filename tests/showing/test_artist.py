"""A heart of the page is the heart of sample.py."""

import json
import shutil
import sys
import zipfile

import pytest
import torch
import wfdb

import sample
from benchmarks.dicom_person import write_zip
from cohort.ecg import read_ecg
from cohort.errors import InputError
from models.segmenter import Segmenter
from phantom.cohort_writer import ecg_path, nifti_folder
from sampling.options import SampleOptions
from sampling.outputs import FILM, PAGE
from showing.artist import Artist, Asked, Shown
from showing.examples import CONDITIONS, write_examples
from showing.uploads import Upload
from showing.words import refusal


@pytest.fixture
def folder(beating_pipeline, tmp_path):
    beating_pipeline.save(tmp_path / "pipeline", {"segmenter": Segmenter((8, 16))})
    return tmp_path / "pipeline"


@pytest.fixture
def artist(folder):
    return Artist.of(SampleOptions(ecg=None, samples=2, steps=1, frames=4), folder, torch.device("cpu"))


def upload(path, name=None):
    return Upload(path, name or path.name)


def drawn(artist, asked, folder):
    """What is said in between, the heart, and heart.json."""
    folder.mkdir()
    *said, heart = artist.draw(asked, folder)
    (record,) = (path for path in heart.files if path.name == "heart.json")
    return said, heart, json.loads(record.read_text())


def sampled(monkeypatch, folder, ecg, output, *more):
    command = ["sample.py", "--ecg", str(ecg), "--pipeline", str(folder), "--output", str(output)]
    settings = ["--samples", "2", "--steps", "1", "--frames", "4", *more]
    monkeypatch.setattr(sys, "argv", command + settings)
    sample.main()
    (record,) = output.glob("*/heart.json")
    return json.loads(record.read_text()), (record.parent / PAGE).read_text(encoding="utf-8")


def test_page_and_numbers_are_those_of_sample_py(artist, folder, phantom_data, tmp_path, monkeypatch):
    asked = Asked([upload(ecg_path(phantom_data, 0))], [], "female", 61.0, 165.0, 62.5)
    said, heart, record = drawn(artist, asked, tmp_path / "heart")
    person = ("--sex", "female", "--age", "61", "--height-cm", "165", "--weight-kg", "62.5")
    theirs, page = sampled(monkeypatch, folder, ecg_path(phantom_data, 0), tmp_path / "out", *person)
    assert said == ["Reading the ECG", "Drawing 2 hearts", "Packing the files"] and isinstance(heart, Shown)
    assert record == theirs and heart.page == page
    other = drawn(artist, Asked([upload(ecg_path(phantom_data, 0))], [], "male", 61.0), tmp_path / "other")[2]
    assert other["input_sha256"] != record["input_sha256"]


def test_an_uploaded_file_counts_by_the_name_its_owner_gave_it(artist, folder, phantom_data, tmp_path, monkeypatch):
    shutil.copy(ecg_path(phantom_data, 0), tmp_path / "Jo (1).xml")
    cached = shutil.copy(ecg_path(phantom_data, 0), tmp_path / "cached")
    _, heart, record = drawn(artist, Asked([Upload(cached, "Jo (1).xml")], []), tmp_path / "heart")
    theirs, page = sampled(monkeypatch, folder, tmp_path / "Jo (1).xml", tmp_path / "out")
    assert record == theirs and heart.page == page and record["subject"] == "Jo__1_"


def test_film_volumes_record_and_page_can_be_kept_and_all_the_rest(artist, phantom_data, tmp_path):
    _, heart, _ = drawn(artist, Asked([upload(ecg_path(phantom_data, 0))], []), tmp_path / "heart")
    names = [path.name for path in heart.files]
    assert {PAGE, FILM, "heart.json", "sa.nii.gz", "seg_sa.nii.gz"} < set(names)
    zipped = set(zipfile.ZipFile(heart.files[-1]).namelist())
    subject = ecg_path(phantom_data, 0).stem
    assert {f"{subject}/sample_2/sa.nii.gz", f"{subject}/grid.png", f"{subject}/{PAGE}"} < zipped


def test_a_wfdb_record_is_dropped_as_two_files(artist, phantom_data, tmp_path):
    ecg = read_ecg(ecg_path(phantom_data, 0))
    names = ["I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6"]
    about = {"fs": ecg.sampling_rate, "units": ["mV"] * 12, "sig_name": names, "fmt": ["16"] * 12}
    wfdb.wrsamp("jo", p_signal=ecg.signal.T.astype(float), write_dir=str(tmp_path), **about)
    both = [upload(tmp_path / "jo.dat"), upload(tmp_path / "jo.hea")]
    assert drawn(artist, Asked(both, []), tmp_path / "heart")[2]["subject"] == "jo"
    (tmp_path / "alone").mkdir()
    with pytest.raises(InputError) as told:
        list(artist.draw(Asked(both[1:], []), tmp_path / "alone"))
    assert refusal(told.value, tmp_path / "alone").startswith("jo.dat: ")


def test_the_true_mri_is_drawn_and_no_folder_of_ours_is_told(artist, phantom_data, tmp_path):
    nifti = [upload(path) for path in sorted(nifti_folder(phantom_data, 1).iterdir())]
    assert len(nifti) == 4
    said, heart, record = drawn(artist, Asked([upload(ecg_path(phantom_data, 1))], nifti), tmp_path / "heart")
    assert said[0] == "Reading the ECG and the true MRI" and record["beside_true_heart"]
    assert "true heart" in heart.page and str(tmp_path) not in heart.page + json.dumps(record)
    write_zip(tmp_path / "scan.zip", slices=6, frames=8)
    scan, asked = upload(tmp_path / "scan.zip"), upload(ecg_path(phantom_data, 1), "jo.xml")
    _, heart, record = drawn(artist, Asked([asked], [scan]), tmp_path / "jo")
    assert record["beside_true_heart"] and str(tmp_path) not in heart.page + json.dumps(record)


@pytest.mark.parametrize(
    ("name", "content", "about", "words"),
    [
        ("notes.xml", b"<html><body>no</body></html>", {}, "notes.xml: it is HTML"),
        ("empty.xml", b"", {}, "empty.xml: "),
        ("numbers.npy", b"\x93NUMPY rubbish", {"sampling_rate": 500.0}, "numbers.npy: "),
        (None, None, {"age": 900.0}, "Age: 900 is not possible"),
        (None, None, {"height_cm": 1.78}, "Height: 1.78 is not possible"),
        (None, None, {"sampling_rate": -1.0}, "Sampling rate: is no number of Hz"),
    ],
)
def test_a_refusal_tells_the_file_by_its_own_name_or_the_field(
    artist, phantom_data, tmp_path, name, content, about, words
):
    path = ecg_path(phantom_data, 0)
    if name:
        path = tmp_path / "cached"
        path.write_bytes(content)
    (tmp_path / "heart").mkdir()
    with pytest.raises(InputError) as told:
        list(artist.draw(Asked([Upload(path, name or path.name)], [], **about), tmp_path / "heart"))
    said = refusal(told.value, tmp_path / "heart")
    assert said.startswith(words) and str(tmp_path) not in said and "--" not in said
    assert not (tmp_path / "heart" / "out").exists()


def test_who_withdrew_gets_no_heart(folder, phantom_data, tmp_path):
    ecg = ecg_path(phantom_data, 0)
    (tmp_path / "gone.csv").write_text(f"{ecg.name.partition('_')[0]}\n")
    options = SampleOptions(ecg=None, samples=1, steps=1, exclude=tmp_path / "gone.csv")
    artist = Artist.of(options, folder, torch.device("cpu"))
    (tmp_path / "heart").mkdir()
    with pytest.raises(InputError, match="withdr"):
        list(artist.draw(Asked([upload(ecg)], []), tmp_path / "heart"))


def test_examples_are_one_patient_of_each_condition_and_all_can_be_read(tmp_path):
    examples = write_examples(tmp_path)
    assert len({example.ecg.name for example in examples}) == len({e.words for e in examples}) == len(CONDITIONS)
    for example in examples:
        assert read_ecg(example.ecg).signal.shape[0] == 12 and None not in example.person.row
        assert str(round(example.person.age_years)) in example.words
