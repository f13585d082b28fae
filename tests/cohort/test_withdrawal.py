"""Who withdrew is nowhere: not in arrays, reports, evaluations or samples, and who was taught by them is told."""

import csv
import json
import shutil

import pytest

from cohort.ecg_cohort import prepare_ecgs
from cohort.errors import InputError
from cohort.examination import examine_cohort
from cohort.further import FURTHER
from cohort.leakage import keyed_recordings, withdrawn_who_taught
from cohort.parts import Part, join_parts, prepare_part
from cohort.places import CohortPlaces
from cohort.prepared import Preparation, prepare_cohort
from cohort.withdrawal import read_withdrawn, withdrawn_eids
from evaluation.opening import open_training_people, people_to_measure
from evaluation.study import Study
from phantom.cohort_writer import FIRST_EID, ecg_path
from sampling.inputs import ecg_files, without_withdrawn_files

GONE = FIRST_EID + 1


@pytest.fixture
def data(phantom_data, tmp_path):
    return shutil.copytree(phantom_data, tmp_path / "UKBB")


def listed(folder, *lines, name="w12345_20260101.csv"):
    (folder / name).write_text("\n".join(map(str, lines)) + "\n")
    return folder / name


@pytest.mark.parametrize(
    "text", [f"{GONE}\n{FIRST_EID}", f"eid\r\n{GONE}\r\n\r\n{FIRST_EID}\r\n", f'"{GONE}",\n"{FIRST_EID}",\n']
)
def test_one_eid_a_line(tmp_path, text):
    (tmp_path / "list.csv").write_text(text, newline="")
    assert read_withdrawn(tmp_path / "list.csv") == {FIRST_EID, GONE}


def test_a_line_that_is_no_eid_is_refused_and_not_quoted(tmp_path):
    with pytest.raises(InputError, match="line 2 is no eid") as refusal:
        read_withdrawn(listed(tmp_path, GONE, "Ada", name="list.csv"))
    assert "Ada" not in str(refusal.value)


def test_a_folder_is_no_list_and_it_is_told_what_is_one(tmp_path):
    with pytest.raises(InputError, match="is a folder, not a list of people who withdrew; name a text file"):
        withdrawn_eids(None, tmp_path)


def test_a_list_in_the_data_folder_is_found_by_its_name(tmp_path):
    listed(tmp_path, GONE)
    listed(tmp_path, FIRST_EID, name="withdrawn.csv")
    listed(tmp_path, FIRST_EID + 5, name="persons.csv")
    further = listed(tmp_path, FIRST_EID + 7, name="others.csv")
    assert withdrawn_eids(tmp_path) == {GONE, FIRST_EID}
    assert withdrawn_eids(tmp_path, further) == {GONE, FIRST_EID, FIRST_EID + 7}


@pytest.mark.parametrize("inside", [True, False])
def test_arrays_that_hold_somebody_who_withdrew_are_not_used(data, tmp_path, geometry, capsys, inside):
    prepare = tmp_path / "prepared", Preparation(geometry)
    before = prepare_cohort(data, *prepare, quiet=True)
    path = listed(data if inside else tmp_path, GONE)
    after = prepare_cohort(data, *prepare, quiet=True, exclude=None if inside else path)
    assert "1 person who withdrew" in capsys.readouterr().out
    assert GONE in before.eid and after.folder != before.folder
    assert after.eid.tolist() == [eid for eid in before.eid if eid != GONE]


def test_further_ecgs_and_the_report_leave_them_out(data, tmp_path):
    listed(data, GONE)
    eids = prepare_ecgs(data, tmp_path / "prepared", 250, 10.0, quiet=True).eid
    assert len(eids) and GONE not in eids
    report = examine_cohort(data, depth="names")
    assert len(report.subjects) == len(eids) and GONE not in {one.subject.eid for one in report.subjects}


def test_nobody_draws_their_hearts(data):
    files = ecg_files(data / "ecg")
    assert without_withdrawn_files(files, data / "ecg", None) == files
    listed(data, GONE)
    assert without_withdrawn_files(files, data / "ecg", None) == [path for path in files if path != ecg_path(data, 1)]
    with pytest.raises(InputError, match="this person withdrew"):
        without_withdrawn_files([ecg_path(data, 1)], ecg_path(data, 1), None)


def test_a_list_in_the_data_folder_is_found_from_a_shard_of_ecgs(data):
    shard = data / "Bulk" / "Electrocardiogram" / "Resting" / "90"
    shard.mkdir(parents=True)
    for path in ecg_files(data / "ecg"):
        path.rename(shard / path.name)
    files = ecg_files(shard)
    listed(data, GONE)
    assert len(without_withdrawn_files(files, shard, None)) == len(files) - 1


def test_weights_that_they_taught_are_told(data, prepared, tiny_pipeline, tmp_path, capsys):
    about = {"taught": keyed_recordings(prepared)}
    teacher = int(prepared.eid[prepared.rows("train")[0]])
    tested = int(prepared.eid[prepared.rows("test")[0]])
    assert withdrawn_who_taught(about, data, prepared.preparation) == 0
    gone = listed(data, teacher, tested)
    assert withdrawn_who_taught(about, data, prepared.preparation) == 1
    assert withdrawn_who_taught(about, CohortPlaces(data, data / "ecg"), prepared.preparation) == 1
    assert withdrawn_who_taught({}, data, prepared.preparation) == 0
    shutil.move(gone, tmp_path / "list.csv")
    (tmp_path / "training.json").write_text(json.dumps(about))
    where = (data, tmp_path / "prepared", tiny_pipeline, tmp_path, "all")
    with pytest.raises(InputError, match="among those this pipeline was trained on"):
        people_to_measure(*where, 9, tmp_path / "list.csv")
    told = f"1 person who withdrew taught {tmp_path}: train it anew"
    assert told in capsys.readouterr().out
    study = Study(tiny_pipeline, tmp_path, None, prepared, prepared.rows("test"))
    open_training_people(study, data, tmp_path / "prepared", tmp_path / "list.csv")
    assert told in capsys.readouterr().out


def test_jobs_that_share_a_cohort_leave_them_out_and_keep_further_numbers(data, tmp_path, geometry):
    (data / "participant.csv").write_text(f"eid,p48_i2\n{FIRST_EID},88\n{GONE},90\n{FIRST_EID + 2},89\n")
    path, folder, preparation = listed(tmp_path, GONE), tmp_path / "prepared", Preparation(geometry)
    for number in (1, 2):
        prepare_part(data, folder, preparation, Part(number, 2), quiet=True, exclude=path)
    joined = join_parts(data, folder, preparation, 2, path)
    cohort = prepare_cohort(data, folder, preparation, quiet=True, exclude=path)
    assert cohort.folder == joined and GONE not in cohort.eid
    with (joined / FURTHER).open(newline="") as file:
        further = list(csv.DictReader(file))
    assert [(row["eid"], row["instance"], row["p48"]) for row in further[:2]] == [
        (str(FIRST_EID), "2", "88.0"),
        (str(FIRST_EID + 2), "2", "89.0"),
    ]
    assert len(further) == len(cohort.eid)
