"""One ECG in, a patient's folder out, by one call."""

import json
import re
import shutil
import weakref
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from benchmarks.dicom_person import write_zip
from cohort.ecg import read_ecg
from cohort.errors import InputError
from cohort.leakage import keyed_recordings
from cohort.phenotypes import PHENOTYPES, TABLE
from cohort.pseudonym import Naming
from cohort.quality import heart_rate_bpm
from evaluation.certainty import interval, widened
from evaluation.heart_sampler import DRAWN_ANEW, OTHER_VISIT, TAUGHT, HeartSampler
from evaluation.scale import PLAIN
from evaluation.tally import Tally
from evaluation.told_numbers import told_numbers
from evaluation.true_numbers import OWN_MAPS, true_numbers
from models.segmenter import Segmenter
from phantom.cohort_writer import ecg_path
from sampling.index_page import write_index
from sampling.options import SampleOptions
from sampling.outputs import read_hearts
from sampling.patients import generate
from sampling.pipeline import DrawnHearts, load_part
from sampling.release import RELEASED_SEGMENTER
from sampling.true_heart import NO_TRUE_HEART, _people_with_mri, find_true_heart, no_true_heart


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
    assert drawn.true_heart is None and drawn.phenotypes == {}  # neither a code nor a segmenter tells one


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
    assert "columns nobody knows, kept if they hold numbers only: CRP" in capsys.readouterr().err
    first, second = sampler.read(ecg_path(phantom_data, 0)), sampler.read(repeat)
    assert first.person.tolist() == [0, 20, 178.5, 176]
    said = "; ".join(first.warnings)
    assert "persons.csv says age 20, the ECG file says" in said and "pounds" in said
    assert OTHER_VISIT in second.warnings and second.person[1] > 40 and second.person[3] != 176


def test_an_ecg_that_taught_the_weights_is_told_and_no_other(folder, phantom_data, prepared, tmp_path):
    (folder / "training.json").write_text(json.dumps({"taught": keyed_recordings(prepared)}))
    sampler = opened(folder, tmp_path / "out")
    told = [k for k in range(18) if TAUGHT in sampler.read(ecg_path(phantom_data, k)).warnings]
    assert told == sorted({*prepared.rows("train").tolist(), *prepared.rows("validation").tolist()}) and len(told) < 18


def test_a_table_in_other_units_is_refused_before_any_heart_is_made(folder, tmp_path):
    (tmp_path / "persons.csv").write_text("eid,sex,age,height_cm,weight_kg\n9000001,1,63,1.78,80\n")
    with pytest.raises(InputError, match="row 2, column height_cm is 1.78, perhaps metres; give cm"):
        opened(folder, tmp_path / "out", persons=tmp_path / "persons.csv")


def test_the_length_of_a_beat_is_that_of_the_ecg(folder, phantom_data, tmp_path):
    sampler, path = opened(folder, tmp_path / "out"), ecg_path(phantom_data, 0)
    patient = sampler.read(path)
    assert sampler.beat_length(patient).rr_s == pytest.approx(60 / heart_rate_bpm(read_ecg(path)), rel=0.02)
    silent = replace(patient, signal=0 * patient.signal)
    assert sampler.beat_length(silent).rr_s == 60 / patient.stated_bpm  # what its file says
    assert sampler.beat_length(replace(silent, stated_bpm=None)) is None


def test_the_true_heart_is_the_one_of_the_same_patient(folder, phantom_data, tmp_path, prepared):
    drawn = opened(folder, tmp_path / "out", mri=phantom_data).sample(ecg_path(phantom_data, 1))
    np.testing.assert_allclose(drawn.true_heart, prepared.hearts[1] / 255, atol=1 / 255)


def test_what_is_estimated_of_a_real_heart_without_a_label_map_is_told(folder, phantom_data, tmp_path):
    labelled = opened(folder, tmp_path / "labelled", mri=phantom_data).sample(ecg_path(phantom_data, 1))
    assert not any("estimates" in text for text in labelled.warnings)
    write_zip(tmp_path / "mri.zip", slices=6, frames=8)
    drawn = opened(folder, tmp_path / "out", mri=tmp_path / "mri.zip").sample(ecg_path(phantom_data, 1))
    (told,) = [text for text in drawn.warnings if "--mri" in text]
    assert "its middle from where the film moves" in told and "end-systole from the film (frame" in told
    assert told in json.loads((tmp_path / "out" / drawn.name / "heart.json").read_text())["warnings"]


def test_a_real_heart_without_label_maps_is_measured_by_the_released_segmenter(folder, phantom_data, tmp_path):
    write_zip(tmp_path / "mri.zip", slices=6, frames=8)
    sampler = opened(folder, tmp_path / "out", mri=tmp_path / "mri.zip")
    sampler = replace(sampler, segmenter=Segmenter())  # the pipeline's own, untrained
    drawn = sampler.sample(ecg_path(phantom_data, 1))
    told = json.loads((tmp_path / "out" / drawn.name / "heart.json").read_text())["true_heart"]
    heart = find_true_heart(tmp_path / "mri.zip", drawn.name, sampler.pipeline.grid)
    released = true_numbers(heart, None, load_part(Segmenter, RELEASED_SEGMENTER))
    assert released["phenotypes"] == told["phenotypes"] and told["measured_by"] == released["measured_by"] != OWN_MAPS


def test_a_bad_mri_is_refused_before_any_heart_is_made(folder, phantom_data, tmp_path):
    (tmp_path / "sa.nii.gz").write_bytes(b"no NIfTI")
    with pytest.raises(InputError, match="sa.nii.gz"):
        opened(folder, tmp_path / "out", mri=tmp_path / "sa.nii.gz").sample(ecg_path(phantom_data, 1))
    assert not (tmp_path / "out").exists()


def test_one_bad_file_of_several_is_told_and_the_others_are_read(folder, phantom_data, tmp_path, capsys):
    (tmp_path / "bad.xml").write_bytes(b"<CardiologyXML>")
    sampler, files = opened(folder, tmp_path / "out"), [tmp_path / "bad.xml", ecg_path(phantom_data, 0)]
    tally = Tally(tmp_path / "out", Naming())
    patients = list(sampler.read_all(files, tally))
    assert [patient.name for patient in patients] == [ecg_path(phantom_data, 0).stem] and tally.refused == 1
    assert "error: " in capsys.readouterr().err
    with pytest.raises(InputError, match="bad.xml"):
        list(sampler.read_all(files[:1], Tally(tmp_path / "out", Naming(), alone=True)))


def test_a_finished_patient_is_known_until_an_option_changes(folder, phantom_data, tmp_path):
    sampler = opened(folder, tmp_path / "out")
    patient = sampler.read(ecg_path(phantom_data, 0))
    assert not sampler.is_done(patient)
    list(sampler.draw([patient]))
    assert sampler.is_done(patient) and not opened(folder, tmp_path / "out", seed=1).is_done(patient)


def test_hearts_that_another_runs_take_the_place_of_are_told_and_no_others(folder, phantom_data, tmp_path, capsys):
    path = ecg_path(phantom_data, 0)

    def said(**options):
        sampler = opened(folder, tmp_path / "out", **options)
        list(sampler.draw(sampler.waiting([sampler.read(path)], Tally(tmp_path / "out", Naming()))))
        return capsys.readouterr().err

    assert DRAWN_ANEW not in said() + said()
    assert f"{path.stem}: {DRAWN_ANEW}" in said(sex="male", age=70.0)


def test_a_pseudonym_stands_wherever_a_name_would(folder, phantom_data, tmp_path):
    drawn = opened(folder, tmp_path / "out", key=b"k" * 16).sample(ecg_path(phantom_data, 0))
    eid = ecg_path(phantom_data, 0).stem.partition("_")[0]
    assert eid not in drawn.name and [path.name for path in (tmp_path / "out").iterdir()] == [drawn.name]
    assert eid not in (tmp_path / "out" / drawn.name / "heart.json").read_text()
    assert json.loads((tmp_path / "out" / drawn.name / "heart.json").read_text())["subject"] == drawn.name


def test_no_more_patients_are_kept_than_a_batch_holds_however_many_ecgs_there_are(folder, phantom_data, tmp_path):
    """Counted by weak references: hundreds are read, and only those of one batch are alive."""
    sampler = opened(folder, tmp_path / "out", batch_size=4)
    one, alive, most = sampler.read(ecg_path(phantom_data, 0)), weakref.WeakSet(), 0

    def patients():
        nonlocal most
        for k in range(300):
            patient = replace(one, name=f"patient {k}")
            alive.add(patient)
            most = max(most, len(alive))
            yield patient
            del patient

    empty = DrawnHearts(torch.zeros(4, *sampler.pipeline.grid.shape), torch.zeros(4, 1))
    pipeline = SimpleNamespace(draw=lambda *_: empty, decode=lambda latents: latents)
    assert sum(len(hearts) for _, hearts in generate(pipeline, patients(), 2, 0, 4)) == 600
    assert most <= 4


def test_ecgs_are_read_when_their_hearts_are_drawn_and_not_before(folder, phantom_data, tmp_path, monkeypatch):
    sampler, read = opened(folder, tmp_path / "out", batch_size=2), []
    monkeypatch.setattr(
        HeartSampler, "read", lambda self, path, own=HeartSampler.read: read.append(path) or own(self, path)
    )
    tally, paths = Tally(tmp_path / "out", Naming()), [ecg_path(phantom_data, k) for k in range(6)]
    drawn = sampler.draw(sampler.waiting(sampler.read_all(paths, tally), tally), tally)
    with tally.progress(6, "ECGs", hidden=False) as bar:
        for count in (1, 2, 3):
            next(drawn)
            assert count <= len(read) <= count + 1 and bar.n == count
        assert len(list(drawn)) == 3 and tally.counts == (0, 0, 6) and bar.n == 6


@pytest.mark.parametrize("mri", ["another cohort", "another's cine", "an empty folder"])
def test_an_mri_without_this_patient_is_told_and_not_recorded_as_drawn(folder, phantom_data, tmp_path, mri):
    cine = phantom_data / "NIFTI" / ecg_path(phantom_data, 1).stem.partition("_")[0]
    (tmp_path / "UKBB" / "NIFTI").mkdir(parents=True)
    if mri == "another cohort":
        shutil.copytree(cine, tmp_path / "UKBB" / "NIFTI" / cine.name)
    place = tmp_path / "UKBB"
    if mri == "another's cine":
        place = shutil.copy(cine / "sa_ED.nii.gz", tmp_path / f"{cine.name}_20209_2_0.nii.gz")
    sampler = opened(folder, tmp_path / "out", mri=Path(place))
    drawn = sampler.sample(ecg_path(phantom_data, 0))
    record = json.loads((tmp_path / "out" / drawn.name / "heart.json").read_text())
    assert drawn.true_heart is None and record["beside_true_heart"] is False
    told = no_true_heart(Path(place))
    assert NO_TRUE_HEART in told and told in drawn.warnings and told in record["warnings"]


def test_an_mri_found_is_recorded_as_drawn_and_one_that_comes_later_is_drawn_later(folder, phantom_data, tmp_path):
    shutil.copytree(phantom_data / "NIFTI", tmp_path / "UKBB" / "NIFTI")
    own = tmp_path / "UKBB" / "NIFTI" / ecg_path(phantom_data, 0).stem.partition("_")[0]
    own.rename(tmp_path / "elsewhere")
    before = opened(folder, tmp_path / "out", mri=tmp_path / "UKBB")
    before.sample(ecg_path(phantom_data, 0))
    assert before.is_done(before.read(ecg_path(phantom_data, 0)))
    (tmp_path / "elsewhere").rename(own)
    _people_with_mri.cache_clear()
    for mri in (tmp_path / "UKBB", tmp_path / "UKBB" / "NIFTI", own):
        after = opened(folder, tmp_path / "out", mri=mri)
        patient = after.read(ecg_path(phantom_data, 0))
        assert patient.has_true_heart and NO_TRUE_HEART not in "; ".join(patient.warnings)
    assert not after.is_done(patient)
    assert next(after.draw([patient])).true_heart is not None and after.is_done(patient)


@pytest.mark.parametrize("damage", ["empty", "list", "neighbour"])
def test_a_patient_whose_files_are_damaged_is_not_finished_and_is_made_again(folder, phantom_data, tmp_path, damage):
    sampler = opened(folder, tmp_path / "out")
    drawn, patient = sampler.sample(ecg_path(phantom_data, 0)), sampler.read(ecg_path(phantom_data, 0))
    place = tmp_path / "out" / drawn.name
    if damage == "neighbour":
        (place / "sa_ED.nii.gz").unlink()
    else:
        (place / "heart.json").write_text("" if damage == "empty" else "[]")
    assert not sampler.is_done(patient)
    list(sampler.draw([patient]))
    assert sampler.is_done(patient)


def test_a_heart_that_is_not_finite_is_refused_and_the_others_are_drawn(folder, phantom_data, tmp_path, monkeypatch):
    def spoilt(pipeline, patients, *settings):
        for k, patient in enumerate(patients):
            yield patient, np.full((2, *pipeline.grid.shape), np.nan if k == 1 else 0.5, np.float32)

    monkeypatch.setattr("evaluation.heart_sampler.generate", spoilt)
    sampler, tally = opened(folder, tmp_path / "out"), Tally(tmp_path / "out", Naming())
    patients = [sampler.read(ecg_path(phantom_data, k)) for k in range(3)]
    drawn = list(sampler.draw(patients, tally))
    assert [d.name for d in drawn] == [patients[0].name, patients[2].name] and tally.counts == (1, 0, 2)
    assert not (tmp_path / "out" / patients[1].name).exists()
    with pytest.raises(InputError, match="not finite"):
        list(sampler.draw(patients))


def test_intervals_of_a_patient_stay_where_figures_can_be(prepared):
    """With a factor of 100, intervals of volumes would reach below 0, and those of ejection fractions over 100 %."""
    values = np.asarray(prepared.phenotypes[:8], float)
    found = told_numbers(values, None, np.full(len(PHENOTYPES), 100.0))
    ends = {name: np.array([v for k, v in about.items() if k.startswith("interval")]) for name, about in found.items()}
    for k, (name, about) in enumerate(TABLE.items()):
        low, high = interval(widened(values[None, :, k], 100.0, PLAIN), 0.9)
        assert low < 0 and (high > 100 or about.unit != "%")
        assert (ends[name] >= 0).all() and (ends[name] <= (100 if about.unit == "%" else np.inf)).all()
        assert (np.diff(ends[name]) > 0).all() and np.isfinite(ends[name]).all()
    assert ends["LVESV"].min() < 0.01 and ends["LVEF"].max() > 99.9


def test_the_options_come_first_then_the_table_then_the_file(folder, phantom_data, tmp_path, capsys):
    path = shutil.copy(ecg_path(phantom_data, 0), tmp_path / "other.xml")
    table = tmp_path / "persons.csv"
    table.write_text("file,sex,age,height_cm,weight_kg\nother.xml,F,20,178.5,\nelse,M,30,,\n")
    stated = opened(folder, tmp_path / "out", persons=table, age=70.0).read(Path(path))
    assert stated.person.tolist()[:3] == [0, 70, 178.5] and np.isfinite(stated.person[3])
    assert any("the option says age 70, the ECG file says" in text for text in stated.warnings)
    tabled = opened(folder, tmp_path / "out", persons=table).read(Path(path))
    assert tabled.person.tolist()[:3] == [0, 20, 178.5]
    other = Path(shutil.copy(path, tmp_path / "nobody.xml"))
    assert opened(folder, tmp_path / "out", persons=table).read(other).person[1] != 20


def test_a_table_by_eid_serves_a_file_named_by_the_eid_alone(folder, phantom_data, tmp_path):
    eid, table = ecg_path(phantom_data, 0).stem.partition("_")[0], tmp_path / "persons.csv"
    table.write_text(f"eid,instance,sex,age,height_cm,weight_kg\n{eid},2,F,20,,\n{eid},3,F,24,,\n")
    sampler = opened(folder, tmp_path / "out", persons=table)
    for name, age in ((f"{eid}.xml", 20), (f"{eid}_3.xml", 24)):
        assert sampler.read(Path(shutil.copy(ecg_path(phantom_data, 0), tmp_path / name))).person[1] == age


def test_a_figure_no_heart_has_is_told_on_screen_and_in_the_record(folder, phantom_data, tmp_path, monkeypatch):
    sampler = replace(opened(folder, tmp_path / "out"), segmenter=object())
    whole = np.ones(sampler.pipeline.grid.shape, np.uint8)  # LV cavity all over
    monkeypatch.setattr("evaluation.heart_sampler.segment", lambda segmenter, heart: (whole, None))
    drawn = sampler.sample(ecg_path(phantom_data, 0))
    assert any(words.startswith("LVEDV of") for words in drawn.warnings)
    record = json.loads((tmp_path / "out" / drawn.name / "heart.json").read_text())
    assert any(words.startswith("LVEDV of") for words in record["warnings"])


# --- pages ----------------------------------------------------------------------------------------------------------


def test_a_page_is_written_unless_none_is_wanted(folder, phantom_data, tmp_path):
    for page in (True, False):
        sampler = opened(folder, tmp_path / str(page), page=page)
        drawn = sampler.sample(ecg_path(phantom_data, 0))
        place = tmp_path / str(page) / drawn.name
        assert (place / "heart.html").exists() == page == ("heart.html" in sampler.written_names)
        assert ("heart.html" in json.loads((place / "heart.json").read_text())["files"]) == page
    assert drawn.name in (tmp_path / "True" / drawn.name / "heart.html").read_text()


def test_a_finished_patient_of_an_earlier_version_has_no_page_and_is_left(folder, phantom_data, tmp_path):
    sampler = opened(folder, tmp_path / "out", page=False)
    patient = sampler.read(ecg_path(phantom_data, 0))
    list(sampler.draw([patient]))
    wanted = opened(folder, tmp_path / "out")
    assert sampler.is_done(patient) and not wanted.is_done(patient)  # it was asked for without a page
    record = tmp_path / "out" / patient.name / "heart.json"
    record.write_text(
        json.dumps({key: value for key, value in json.loads(record.read_text()).items() if key != "page"})
    )
    assert wanted.is_done(patient)
    list(wanted.draw([patient]))
    assert wanted.is_done(patient) and sampler.is_done(patient)  # a page more does no harm


def test_a_page_shows_the_true_heart_and_hides_the_files_name_behind_a_pseudonym(folder, phantom_data, tmp_path):
    drawn = opened(folder, tmp_path / "out", key=b"k" * 16, mri=phantom_data).sample(ecg_path(phantom_data, 1))
    page = (tmp_path / "out" / drawn.name / "heart.html").read_text()
    stem = ecg_path(phantom_data, 1).stem
    assert stem not in page and stem.partition("_")[0] not in page and drawn.name in page
    assert str(phantom_data) not in page and '"MRI, true heart"' in page


def test_a_page_leads_back_to_the_index_where_there_is_one_and_nowhere_else(folder, phantom_data, tmp_path):
    places = []
    for name in ("alone", "of many"):
        if name == "of many":
            (tmp_path / name).mkdir()
            write_index(tmp_path / name, Naming(None))
        drawn = opened(folder, tmp_path / name).sample(ecg_path(phantom_data, 0))
        places.append(tmp_path / name / drawn.name / "heart.html")
    alone, of_many = (re.findall(r'href="([^"h][^"]*)"', place.read_text()) for place in places)
    assert alone == [] and of_many == ["../index.html"] and (places[1].parent / of_many[0]).exists()


def test_heart_json_tells_what_the_true_heart_measures_and_what_was_known_of_the_person(folder, phantom_data, tmp_path):
    beside = opened(folder, tmp_path / "out", mri=phantom_data).sample(ecg_path(phantom_data, 1))
    record = json.loads((tmp_path / "out" / beside.name / "heart.json").read_text())
    assert record["true_heart"]["measured_by"] == OWN_MAPS and record["true_heart"]["phenotypes"]["LVEDV"] > 30
    alone = opened(folder, tmp_path / "alone", sex="F").sample(ecg_path(phantom_data, 1))
    record = json.loads((tmp_path / "alone" / alone.name / "heart.json").read_text())
    assert "true_heart" not in record
    assert set(record["person_known"]) == {"sex", "age_years", "height_cm", "weight_kg"}
    assert all(isinstance(known, bool) for known in record["person_known"].values()) and record["person_known"]["sex"]
