"""One ECG in, a patient's folder out, by one call."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch

from cohort.ecg import read_ecg
from cohort.errors import InputError
from cohort.pseudonym import Naming
from cohort.quality import heart_rate_bpm
from evaluation.heart_sampler import OTHER_VISIT, HeartSampler
from phantom.cohort_writer import ecg_path
from sampling.options import SampleOptions
from sampling.outputs import read_hearts


@pytest.fixture
def folder(tiny_pipeline, tmp_path):
    tiny_pipeline.save(tmp_path / "pipeline")
    return tmp_path / "pipeline"


def opened(folder, output, key=None, **options):
    about = SampleOptions(ecg=None, output=output, samples=2, steps=1, **options)
    return HeartSampler.open(about, folder, Naming(key), torch.device("cpu"))


def test_one_call_reads_generates_and_writes(folder, phantom_data, tmp_path):
    drawn = opened(folder, tmp_path / "out").sample(ecg_path(phantom_data, 0))
    assert drawn.name == ecg_path(phantom_data, 0).stem and drawn.hearts.shape[0] == 2
    written = read_hearts(tmp_path / "out" / drawn.name)
    np.testing.assert_allclose(written, drawn.hearts, atol=6e-4)  # stored in thousandths
    assert drawn.true_heart is None and drawn.phenotypes == {}  # without a segmenter nothing is measured


def test_one_call_makes_what_a_folder_of_ecgs_gets(folder, phantom_data, tmp_path):
    sampler = opened(folder, tmp_path / "together")
    together = list(sampler.draw([sampler.read(ecg_path(phantom_data, k)) for k in range(3)]))
    alone = opened(folder, tmp_path / "alone").sample(ecg_path(phantom_data, 2))
    assert alone.name == together[2].name
    np.testing.assert_allclose(alone.hearts, together[2].hearts, atol=1e-5)


def test_the_row_of_this_visit_is_taken_and_what_is_doubtful_is_told(folder, phantom_data, tmp_path, capsys):
    eid, table = ecg_path(phantom_data, 0).stem.partition("_")[0], tmp_path / "persons.csv"
    repeat = shutil.copy(ecg_path(phantom_data, 0), tmp_path / f"{eid}_20205_3_0.xml")
    table.write_text(f"eid;sex;age;height_cm;weight_kg;CRP\n{eid};F;20;178,5;176;2\n")
    sampler = opened(folder, tmp_path / "out", persons=table)
    assert "columns nobody knows: CRP" in capsys.readouterr().err
    first, second = sampler.read(ecg_path(phantom_data, 0)), sampler.read(repeat)
    assert first.person.tolist() == [0, 20, 178.5, 176]
    said = "; ".join(first.warnings)
    assert "persons.csv says age 20, the ECG file says" in said and "pounds" in said
    assert OTHER_VISIT in second.warnings and second.person[1] > 40 and second.person[3] != 176


def test_a_table_in_other_units_is_refused_before_any_heart_is_made(folder, tmp_path):
    (tmp_path / "persons.csv").write_text("eid,sex,age,height_cm,weight_kg\n9000001,1,63,1.78,80\n")
    with pytest.raises(InputError, match="row 2, column height_cm is 1.78, which looks like metres; give cm"):
        opened(folder, tmp_path / "out", persons=tmp_path / "persons.csv")


def test_the_length_of_a_beat_is_that_of_the_ecg(folder, phantom_data, tmp_path):
    sampler, path = opened(folder, tmp_path / "out"), ecg_path(phantom_data, 0)
    patient = sampler.read(path)
    assert sampler.beat_s(patient) == pytest.approx(60 / heart_rate_bpm(read_ecg(path)), rel=0.01)
    assert sampler.beat_s(replace(patient, signal=0 * patient.signal)) is None


def test_the_true_heart_is_the_one_of_the_same_patient(folder, phantom_data, tmp_path, prepared):
    drawn = opened(folder, tmp_path / "out", mri=phantom_data).sample(ecg_path(phantom_data, 1))
    np.testing.assert_allclose(drawn.true_heart, prepared.hearts[1] / 255, atol=1 / 255)


def test_a_bad_mri_is_refused_before_any_heart_is_made(folder, phantom_data, tmp_path):
    (tmp_path / "sa.nii.gz").write_bytes(b"no NIfTI")
    with pytest.raises(InputError, match="sa.nii.gz"):
        opened(folder, tmp_path / "out", mri=tmp_path / "sa.nii.gz").sample(ecg_path(phantom_data, 1))
    assert not (tmp_path / "out").exists()


def test_one_bad_file_of_several_is_told_and_the_others_are_read(folder, phantom_data, tmp_path, capsys):
    (tmp_path / "bad.xml").write_bytes(b"<CardiologyXML>")
    sampler, files = opened(folder, tmp_path / "out"), [tmp_path / "bad.xml", ecg_path(phantom_data, 0)]
    patients, refused = sampler.read_all(files, alone=False)
    assert [patient.name for patient in patients] == [ecg_path(phantom_data, 0).stem] and refused == 1
    assert "error: " in capsys.readouterr().err
    with pytest.raises(InputError, match="bad.xml"):
        sampler.read_all(files[:1], alone=True)


def test_a_finished_patient_is_known_until_an_option_changes(folder, phantom_data, tmp_path):
    sampler = opened(folder, tmp_path / "out")
    patient = sampler.read(ecg_path(phantom_data, 0))
    assert not sampler.is_done(patient)
    list(sampler.draw([patient]))
    assert sampler.is_done(patient) and not opened(folder, tmp_path / "out", seed=1).is_done(patient)


def test_a_pseudonym_stands_wherever_a_name_would(folder, phantom_data, tmp_path):
    drawn = opened(folder, tmp_path / "out", key=b"k" * 16).sample(ecg_path(phantom_data, 0))
    eid = ecg_path(phantom_data, 0).stem.partition("_")[0]
    assert eid not in drawn.name and [path.name for path in (tmp_path / "out").iterdir()] == [drawn.name]
    assert eid not in (tmp_path / "out" / drawn.name / "heart.json").read_text()
    assert json.loads((tmp_path / "out" / drawn.name / "heart.json").read_text())["subject"] == drawn.name
