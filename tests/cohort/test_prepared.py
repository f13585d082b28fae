import csv
import json
import os
import shutil
import signal
import time
from dataclasses import replace

import nibabel
import numpy as np
import pytest

from cohort.check_prepared import main as check_prepared
from cohort.cine import Label
from cohort.discovery import find_subjects
from cohort.ecg import read_ecg, write_cardiosoft
from cohort.errors import InputError
from cohort.person import Person
from cohort.person_number import person_number, write_names
from cohort.phenotypes import PHENOTYPES
from cohort.places import CohortPlaces
from cohort.prepared import ARRAYS, NO_LABELS, Preparation, load_prepared, prepare_cohort, read_example
from cohort.stored_arrays import write_about
from cohort.subjects import split_of
from phantom.cohort_tables import drawn_phenotypes
from phantom.cohort_writer import FIRST_EID, ecg_path
from phantom.heart import draw_heart


@pytest.fixture
def copied(phantom_data, tmp_path):
    """The first six subjects as files that a test may damage."""
    data = tmp_path / "UKBB"
    for index in range(6):
        eid = str(FIRST_EID + index)
        shutil.copytree(phantom_data / "NIFTI" / eid, data / "NIFTI" / eid)
        (data / "ecg").mkdir(exist_ok=True)
        shutil.copy(ecg_path(phantom_data, index), data / "ecg")
    return data


def prepare(data, folder, geometry, **options):
    return prepare_cohort(data, folder, Preparation(geometry), quiet=True, **options)


def test_every_array_has_the_people_in_order(prepared, geometry):
    assert prepared.eid.tolist() == list(range(FIRST_EID, FIRST_EID + 18)) and set(prepared.instance) == {2}
    assert prepared.hearts.shape == prepared.labels.shape == (18, *geometry.shape)
    assert prepared.ecg.shape == (18, 12, 2500) and prepared.ecg.dtype == np.float16
    assert prepared.mask.all() and prepared.lead_mask.all()
    assert prepared.hearts.max() == 255 and prepared.hearts.std() > 20


def test_splits_are_by_person_disjoint_and_whole(prepared):
    rows = {split: prepared.rows(split) for split in ("train", "validation", "test")}
    assert all(len(found) for found in rows.values())
    assert sorted(np.concatenate(list(rows.values()))) == list(range(18))
    for split, found in rows.items():
        assert all(split_of(int(eid)) == split for eid in prepared.eid[found])


def test_a_second_visit_goes_with_the_first(prepared, copied, tmp_path, geometry):
    folder, eid = copied / "NIFTI" / f"{FIRST_EID}_3", FIRST_EID
    shutil.copytree(copied / "NIFTI" / str(eid), folder)
    shutil.copy(ecg_path(copied, 0), copied / "ecg" / f"{eid}_20205_3_0.xml")
    cohort = prepare(copied, tmp_path / "out", geometry)
    visits = np.flatnonzero(cohort.eid == eid)
    assert len(visits) == 2 and cohort.instance[visits].tolist() == [2, 3]
    assert set(visits) <= set(cohort.rows(split_of(eid)))


def test_a_second_visit_takes_its_own_row_and_no_other_visits_age_weight_or_heart(copied, tmp_path, geometry, capsys):
    for visit in (3, 4):
        shutil.copytree(copied / "NIFTI" / str(FIRST_EID), copied / "NIFTI" / f"{FIRST_EID}_{visit}")
        (copied / "NIFTI" / f"{FIRST_EID}_{visit}" / "seg_sa_ED.nii.gz").unlink()
        (copied / "NIFTI" / f"{FIRST_EID}_{visit}" / "seg_sa_ES.nii.gz").unlink()
        bare = replace(read_ecg(ecg_path(copied, 0)), person=Person())
        write_cardiosoft(copied / "ecg" / f"{FIRST_EID}_20205_{visit}_0.xml", bare)
    rows = f"{FIRST_EID},2,F,61,164,70\n{FIRST_EID},3,F,66,163,75\n"
    (copied / "persons.csv").write_text(f"eid,instance,sex,age,height_cm,weight_kg\n{rows}")
    (copied / "phenotypes.csv").write_text(f"eid,lvedv,CRP\n{FIRST_EID},150,3\n")
    cohort = prepare(copied, tmp_path / "out", geometry)
    known = dict(zip(cohort.instance[:3].tolist(), cohort.person[:3], strict=True))
    assert known[2].tolist() == [0, 61, 164, 70] and known[3].tolist() == [0, 66, 163, 75]
    np.testing.assert_array_equal(known[4], np.float32([0, np.nan, 163, np.nan]))
    assert cohort.phenotypes[0, 0] == 150 and np.isnan(cohort.phenotypes[1:3]).all()
    told = capsys.readouterr().out
    assert "nobody knows: CRP" in told and "age and weight are not taken: 1" in told


def test_what_the_study_knows_comes_before_what_is_counted(prepared):
    for row in (0, 7):
        heart = draw_heart(3, row)
        drawn = drawn_phenotypes(heart)
        np.testing.assert_allclose(prepared.phenotypes[row], [drawn[name] for name in PHENOTYPES], rtol=1e-4)
        person = [float(heart.sex == "male"), heart.age_years, heart.height_cm, heart.weight_kg]
        assert prepared.person[row].tolist() == pytest.approx(person, rel=1e-4)


def test_without_a_table_phenotypes_are_counted_on_the_label_maps(copied, tmp_path):
    """On the default grid, within partial volume of the drawn heart; a stack that misses its base counts less."""
    cohort = prepare_cohort(copied, tmp_path / "out", Preparation(), quiet=True)
    whole = 0
    for row in range(6):
        heart = draw_heart(3, row)
        basal, apical = heart.acquisition.end_slices
        drawn = drawn_phenotypes(heart)
        found = dict(zip(PHENOTYPES, cohort.phenotypes[row], strict=True))
        if basal < 0:
            assert found["LVEDV"] < 0.95 * drawn["LVEDV"] and found["LVM"] < drawn["LVM"]
        elif apical >= 0:
            assert found["LVEDV"] == pytest.approx(drawn["LVEDV"], rel=0.12)
            assert found["LVM"] == pytest.approx(drawn["LVM"], rel=0.15)
            whole += 1
    assert whole == 3


def test_a_subject_that_cannot_be_read_is_left_out_with_its_reason(copied, tmp_path, geometry):
    path = ecg_path(copied, 2)
    path.write_bytes(path.read_bytes()[:2000])
    cohort = prepare(copied, tmp_path / "out", geometry)
    assert cohort.eid.tolist() == [FIRST_EID + k for k in (0, 1, 3, 4, 5)]
    assert all(len(getattr(cohort, name)) == 5 for name in ("hearts", "ecg", "person", "labels", "affine"))
    with (cohort.folder / "excluded.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [int(row["eid"]) for row in rows] == [FIRST_EID + 2] and path.name in rows[0]["remark"]
    assert rows[0]["code"] == "ecg_truncated" and rows[0]["instance"] == "2"
    straight = prepare(copied, tmp_path / "again", geometry)
    np.testing.assert_array_equal(straight.hearts, cohort.hearts)


def test_what_was_estimated_of_an_ecg_stands_in_the_notes_and_is_told_with_its_numbers(
    copied, tmp_path, geometry, capsys
):
    path = ecg_path(copied, 2)
    write_cardiosoft(path, read_ecg(path).first(8))
    cohort = prepare(copied, tmp_path / "out", geometry)
    with (cohort.folder / "notes.csv").open(newline="") as file:
        notes = [(int(row["eid"]), row["remark"]) for row in csv.DictReader(file) if row["remark"].startswith("ECG")]
    assert notes == [(FIRST_EID + 2, "ECG: it lasts 8.0 s, not 10 s")]
    said = capsys.readouterr().out
    assert "note: 1 of 6 visits: ECG: it lasts 8.0 s, not 10 s" in said and "too few to split" not in said


def test_too_many_bad_subjects_are_refused(copied, tmp_path, geometry):
    for index in (1, 3):
        ecg_path(copied, index).write_bytes(b"")
    with pytest.raises(InputError, match=r"2 of 6 subjects cannot be read \(2 ecg_empty\)"):
        prepare(copied, tmp_path / "out", geometry)
    assert len(prepare(copied, tmp_path / "out", geometry, max_bad_fraction=2 / 6).eid) == 4
    with pytest.raises(InputError, match="excluded.csv says why"):  # though prepared by now
        prepare(copied, tmp_path / "out", geometry, max_bad_fraction=0.3)


def test_a_cohort_of_nobody_is_refused_whatever_is_allowed(copied, tmp_path, geometry):
    for index in range(6):
        ecg_path(copied, index).write_bytes(b"")
    with pytest.raises(InputError, match="none of 6 subjects can be read"):
        prepare(copied, tmp_path / "out", geometry, max_bad_fraction=1.0)


def test_half_a_subject_is_no_pair(copied, tmp_path, geometry):
    ecg_path(copied, 1).unlink()
    shutil.rmtree(copied / "NIFTI" / str(FIRST_EID + 4))
    assert prepare(copied, tmp_path / "out", geometry).eid.tolist() == [FIRST_EID + k for k in (0, 2, 3, 5)]


def test_missing_label_maps_are_said_and_not_invented(copied, tmp_path, geometry):
    for path in (copied / "NIFTI" / str(FIRST_EID + 1)).glob("seg_*"):
        path.unlink()
    cohort = prepare(copied, tmp_path / "out", geometry)
    assert (cohort.labels[1] == NO_LABELS).all() and (cohort.labels[0] <= max(Label)).all()
    assert np.isnan(cohort.phenotypes[1]).all() and np.isfinite(cohort.phenotypes[0]).all()
    assert np.isnan(cohort.person[1][0]) or cohort.person[1][0] in (0, 1)


def test_a_cohort_is_read_once_and_anew_when_it_changes(copied, tmp_path, geometry):
    first = prepare(copied, tmp_path / "out", geometry)
    stamp = (first.folder / "hearts.npy").stat().st_mtime_ns
    assert prepare(copied, tmp_path / "out", geometry).folder == first.folder
    assert (first.folder / "hearts.npy").stat().st_mtime_ns == stamp
    ecg_path(copied, 3).unlink()
    second = prepare(copied, tmp_path / "out", geometry)
    assert second.folder != first.folder and len(second.eid) == 5


def test_an_interrupted_preparation_continues(prepared, copied, tmp_path, geometry):
    whole = prepare(copied, tmp_path / "a", geometry)
    draft = tmp_path / "b" / f".partial-{whole.folder.name}"
    shutil.copytree(whole.folder, draft)
    (draft / "prepared.json").unlink()
    state = np.load(whole.folder / "state.npy")
    state[3:] = 0
    np.save(draft / "state.npy", state)
    hearts = np.load(draft / "hearts.npy")
    hearts[3:] = 0  # what comes after the interruption is written again,
    hearts[0] = 7  # what came before is not
    np.save(draft / "hearts.npy", hearts)
    (draft / ".partial-0a1b2c3d-ecg.npy").write_bytes(b"half")
    continued = prepare(copied, tmp_path / "b", geometry)
    np.testing.assert_array_equal(continued.hearts[1:], whole.hearts[1:])
    assert (continued.hearts[0] == 7).all()
    assert not list(continued.folder.glob(".*"))


def test_killed_while_bad_rows_were_taken_out_it_continues(copied, tmp_path, geometry):
    ecg_path(copied, 1).write_bytes(b"")
    whole = prepare(copied, tmp_path / "a", geometry)
    draft = tmp_path / "b" / f".partial-{whole.folder.name}"
    shutil.copytree(whole.folder, draft)
    (draft / "prepared.json").unlink()
    for name in ("ecg", "eid"):  # of these, the bad row is still there
        array = np.load(draft / f"{name}.npy")
        np.save(draft / f"{name}.npy", np.insert(array, 1, np.zeros_like(array[0]), axis=0))
    with (draft / "remarks.jsonl").open("a") as file:
        file.write('\n[4, "ecg_em')  # torn
    continued = prepare(copied, tmp_path / "b", geometry)
    for name in ARRAYS:
        np.testing.assert_array_equal(getattr(continued, name), getattr(whole, name))
    assert (continued.folder / "excluded.csv").read_text() == (whole.folder / "excluded.csv").read_text()


def test_of_three_processes_at_once_one_killed_the_others_leave_a_whole_cohort(copied, tmp_path, geometry):
    def writer():
        pid = os.fork()
        if pid == 0:
            code = 1
            try:
                code = 0 if len(prepare(copied, tmp_path / "out", geometry).eid) == 6 else 2
            finally:
                os._exit(code)
        return pid

    killed, *others = (writer() for _ in range(3))
    while not list((tmp_path / "out").glob("*/state.npy")):
        time.sleep(0.001)
    os.kill(killed, signal.SIGKILL)
    os.waitpid(killed, 0)
    assert [os.waitpid(pid, 0)[1] for pid in others] == [0, 0]
    (found,) = [load_prepared(path.parent) for path in (tmp_path / "out").glob("*/prepared.json")]
    straight = prepare(copied, tmp_path / "again", geometry)
    for name in ARRAYS:
        np.testing.assert_array_equal(getattr(found, name), getattr(straight, name))
    assert not list((tmp_path / "out").glob(".partial-*"))


def test_by_several_processes_the_arrays_are_the_same(copied, tmp_path, geometry, monkeypatch):
    alone = prepare(copied, tmp_path / "alone", geometry)
    monkeypatch.setattr("cohort.prepared.FEW", 0)
    shared = prepare(copied, tmp_path / "shared", geometry)
    for name in ARRAYS:
        np.testing.assert_array_equal(getattr(shared, name), getattr(alone, name))


def test_an_opened_folder_is_the_prepared_cohort(prepared):
    opened = load_prepared(prepared.folder)
    assert opened.preparation == prepared.preparation
    np.testing.assert_array_equal(opened.ecg, prepared.ecg)


def test_an_empty_folder_says_what_belongs_there(tmp_path, geometry):
    with pytest.raises(InputError, match=r"make_phantom\.py"):
        prepare(tmp_path, tmp_path / "out", geometry)


# ---- What decides the arrays is in their key, and they are opened only as they were written ----


def test_two_exchanged_images_of_one_size_and_time_are_read_anew(copied, tmp_path, geometry):
    one, other = (copied / "NIFTI" / str(FIRST_EID + k) for k in (0, 1))
    for path in one.iterdir():
        longest = max(path.stat().st_size, (other / path.name).stat().st_size)
        for file in (path, other / path.name):
            file.write_bytes(file.read_bytes().ljust(longest, b"\0"))
            os.utime(file, (1, 1))
    first = prepare(copied, tmp_path / "out", geometry)
    one.rename(tmp_path / "kept")
    other.rename(one)
    (tmp_path / "kept").rename(other)
    second = prepare(copied, tmp_path / "out", geometry)
    assert second.folder != first.folder
    np.testing.assert_array_equal(second.hearts[[0, 1]], first.hearts[[1, 0]])


def test_another_code_reads_anew(copied, tmp_path, geometry, monkeypatch):
    first = prepare(copied, tmp_path / "out", geometry)
    monkeypatch.setattr("cohort.prepared.code_sha256", lambda _: "another")
    assert prepare(copied, tmp_path / "out", geometry).folder != first.folder


def test_a_copy_of_the_files_has_the_key_of_the_files(copied, tmp_path, geometry):
    first = prepare(copied, tmp_path / "out", geometry)
    shutil.copytree(copied, tmp_path / "elsewhere" / "UKBB", copy_function=shutil.copyfile)
    assert prepare(tmp_path / "elsewhere" / "UKBB", tmp_path / "out", geometry).folder == first.folder


def zeroed(path):
    array = np.load(path)
    np.save(path, np.zeros_like(array))


def one_bit(path):
    content = bytearray(path.read_bytes())
    content[-len(content) // 3] ^= 1
    path.write_bytes(content)


def shortened(path):
    path.write_bytes(path.read_bytes()[:-1])


@pytest.mark.parametrize("name", ARRAYS)
@pytest.mark.parametrize("damage", [zeroed, one_bit, shortened, os.remove])
def test_arrays_that_hold_something_else_are_refused(prepared, tmp_path, name, damage):
    folder = shutil.copytree(prepared.folder, tmp_path / "copy")
    load_prepared(folder)
    damage(folder / f"{name}.npy")
    if name == "instance" and damage is zeroed:
        np.save(folder / "instance.npy", prepared.instance + 1)
    with pytest.raises(InputError, match=rf"{name}\.npy: .*delete the folder"):
        load_prepared(folder)


@pytest.mark.parametrize("text", ["", "[]", '{"people": '])
def test_a_damaged_record_of_arrays_is_refused(prepared, tmp_path, text):
    folder = shutil.copytree(prepared.folder, tmp_path / "copy")
    (folder / "prepared.json").write_text(text)
    with pytest.raises(InputError, match=r"prepared\.json"):
        load_prepared(folder)


def test_all_arrays_can_be_read_again_on_request(prepared, tmp_path, capsys, monkeypatch):
    folder = shutil.copytree(prepared.folder, tmp_path / "copy" / "UKBB-0")
    check_prepared(tmp_path / "copy")
    assert "as it was written" in capsys.readouterr().out
    monkeypatch.setattr("cohort.content._stamp", lambda _: 7)  # a disk that lies
    monkeypatch.setattr("cohort.content.SETTLED_S", -1e9)
    one_bit(folder / "hearts.npy")
    with pytest.raises(InputError, match=r"hearts\.npy"):
        check_prepared(tmp_path / "copy")
    with pytest.raises(InputError, match="no prepared cohort"):
        check_prepared(tmp_path / "copy" / "nowhere")


def test_arrays_with_ids_are_for_their_owner_alone(copied, tmp_path, geometry):
    folder = prepare(copied, tmp_path / "out", geometry).folder
    prepare(copied, tmp_path / "out", geometry)
    assert folder.stat().st_mode & 0o077 == 0 and (tmp_path / "out").stat().st_mode & 0o777 == 0o755
    files = [path for path in (tmp_path / "out").rglob("*") if path.is_file() and not path.name.startswith(".lock")]
    assert len(files) > len(ARRAYS) and not [path for path in files if path.stat().st_mode & 0o077]


def test_volumes_are_counted_with_the_slice_step_of_the_heart_itself(copied):
    def counted(stretch: float) -> np.ndarray:
        for path in (copied / "NIFTI" / str(FIRST_EID)).glob("*.nii.gz"):
            image = nibabel.load(path)
            affine = image.affine.copy()
            affine[:3, 2] *= stretch
            nibabel.Nifti1Image(np.asarray(image.dataobj), affine).to_filename(path)
        example = read_example(Preparation(), (find_subjects(copied)[0], Person(), {}))
        return np.array(example.arrays["phenotypes"])

    once, longer = counted(1.0), counted(1.015)
    volumes = [PHENOTYPES.index(name) for name in ("LVEDV", "LVESV", "LVSV")]
    np.testing.assert_allclose(longer[volumes], 1.015 * once[volumes], rtol=1e-5)


def test_a_class_that_a_label_map_lacks_leaves_its_phenotypes_unknown(copied, tmp_path, geometry):
    for path in (copied / "NIFTI" / str(FIRST_EID)).glob("seg_sa_*.nii.gz"):
        image = nibabel.load(path)
        labels = np.asarray(image.dataobj)
        kept = np.where(labels == Label.RV_CAVITY, 0, labels).astype(np.uint8)
        nibabel.Nifti1Image(kept, image.affine).to_filename(path)
    found = dict(zip(PHENOTYPES, prepare(copied, tmp_path / "out", geometry).phenotypes[0], strict=True))
    assert np.isnan([found[name] for name in ("RVEDV", "RVESV", "RVEF")]).all()
    assert np.isfinite([found[name] for name in ("LVEDV", "LVESV", "LVM")]).all()


def test_a_table_that_became_a_broken_link_is_not_the_absence_of_a_table(copied, tmp_path, geometry):
    prepare(copied, tmp_path / "out", geometry)
    (copied / "phenotypes.csv").symlink_to(tmp_path / "gone.csv")
    with pytest.raises(InputError, match=r"phenotypes\.csv"):
        prepare(copied, tmp_path / "out", geometry)


# ---- A data folder that holds arrays ----


@pytest.fixture
def arrays(prepared, tmp_path):
    """A folder of prepared arrays that lies where a cohort's files would."""
    return shutil.copytree(prepared.folder, tmp_path / "arrays")


def test_a_data_folder_of_prepared_arrays_is_opened_as_it_is(prepared, arrays, geometry, tmp_path):
    cohort = prepare(arrays, tmp_path / "elsewhere", geometry)
    assert cohort.folder == arrays and not (tmp_path / "elsewhere").exists()
    for name in ARRAYS:
        np.testing.assert_array_equal(getattr(cohort, name), getattr(prepared, name), err_msg=name)


def test_arrays_that_were_prepared_otherwise_are_refused_by_their_options(arrays, geometry, tmp_path):
    with pytest.raises(InputError, match=r"geometry.slices 3, not 10, geometry.height 32, not 96"):
        prepare_cohort(arrays, tmp_path, Preparation())
    with pytest.raises(InputError, match="sampling_rate 250, not 500"):
        prepare_cohort(arrays, tmp_path, Preparation(geometry, sampling_rate=500))
    with pytest.raises(InputError, match="holds prepared arrays"):
        prepare_cohort(CohortPlaces(arrays, ecg_dir=tmp_path), tmp_path, Preparation(geometry))


def test_arrays_of_people_who_withdrew_are_refused(arrays, geometry, tmp_path):
    (tmp_path / "gone.csv").write_text(f"{FIRST_EID + 2}\n")
    with pytest.raises(InputError, match="holds 1 person who withdrew"):
        prepare(arrays, tmp_path, geometry, exclude=tmp_path / "gone.csv")
    write_names(arrays, {FIRST_EID + 3: "Anna"})
    (arrays / "withdrawn.csv").write_text("nobody of them\n")
    assert len(prepare(arrays, tmp_path, geometry).eid) == 18
    np.save(arrays / "eid.npy", np.array([person_number("Anna"), *prepare(arrays, tmp_path, geometry).eid[1:]]))
    about = json.loads((arrays / "prepared.json").read_text())
    write_about(arrays, about.pop("arrays"), about)
    (arrays / "withdrawn.csv").write_text("Anna\n")
    with pytest.raises(InputError, match="holds 1 person who withdrew"):
        prepare(arrays, tmp_path, geometry)


def test_a_changed_array_of_a_data_folder_is_refused(arrays, geometry, tmp_path):
    content = bytearray((arrays / "ecg.npy").read_bytes())
    content[-1] ^= 1
    (arrays / "ecg.npy").write_bytes(content)
    with pytest.raises(InputError, match="holds something else than was prepared"):
        prepare(arrays, tmp_path, geometry)
