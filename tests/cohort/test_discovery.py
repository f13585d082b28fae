"""Files are found wherever they lie, by their names; what is passed over is counted by kind."""

import os
from pathlib import Path

import pytest

from cohort.discovery import find_subjects, scan
from cohort.errors import InputError
from cohort.person_number import FIRST_NUMBER, person_number, require_own_numbers
from cohort.places import CohortPlaces
from cohort.subjects import complete
from tests.cohort.test_subjects import FIRST, touch


def below(root, subject):
    """The files of a subject as text below a folder: ECG, then images."""
    files = [subject.ecg, *subject.images.files]
    return [os.path.relpath(path, root) for path in files if path]


ECG, ZIP = f"{FIRST}_20205_2_0.xml", f"{FIRST}_20209_2_0.zip"
PLATFORM = (f"Bulk/Electrocardiogram/Resting/90/{ECG}", f"Bulk/Heart MRI/Short axis/90/{ZIP}")


@pytest.mark.parametrize(
    "layout",
    [
        (f"ecg/{ECG}", f"NIFTI/{ZIP}"),
        (f"ecg/90/{ECG}", f"NIFTI/90/{ZIP}"),
        (f"ecg/a/b/{ECG}", f"NIFTI/a/b/{FIRST}/sa.nii.gz"),
        PLATFORM,
        (ECG, ZIP),
        (f"some/where/{ECG}", f"else/where/{ZIP}"),
        (f"ecg/{ECG}", f"images/90/{ZIP}"),
        (f"people/{FIRST}/{ECG}", f"people/{FIRST}/{ZIP}"),
    ],
)
def test_a_pair_is_found_wherever_its_files_lie(tmp_path, layout):
    found = scan(touch(tmp_path, *layout, "persons.csv", "phenotypes.csv"))
    assert [below(tmp_path, subject) for subject in found.subjects] == [list(layout)]
    assert (found.subjects[0].eid, found.subjects[0].instance, found.strays) == (FIRST, 2, 0)


def test_deeper_than_that_is_told(tmp_path):
    touch(tmp_path, f"ecg/{ECG}", f"ecg/a/b/c/d/{FIRST + 1}_20205_2_0.xml")
    found = scan(tmp_path)
    assert [subject.eid for subject in found.subjects] == [FIRST]
    assert found.passed.lines == ("1 folders that lie too deep such as a/b/c/d",)


def test_ecgs_and_mris_may_lie_elsewhere_and_only_there(tmp_path):
    touch(
        tmp_path, f"one/{ECG}", f"one/{FIRST + 1}_20209_2_0.zip", f"two/90/{ZIP}", f"UKBB/ecg/{FIRST + 2}_20205_2_0.xml"
    )
    found = scan(CohortPlaces(tmp_path / "UKBB", tmp_path / "one", tmp_path / "two"))
    assert [below(tmp_path, subject) for subject in found.subjects] == [[f"one/{ECG}", f"two/90/{ZIP}"]]
    assert found.passed.counts == {"heart MRIs outside the folder of MRIs": 1}
    with pytest.raises(InputError, match=r"--mri-dir: .*/three is not a folder"):
        scan(CohortPlaces(tmp_path / "UKBB", None, tmp_path / "three"))


def test_links_are_followed_even_out_of_the_folder(tmp_path):
    touch(tmp_path / "store", ECG, "shard/" + ZIP, "cines/sa.nii.gz")
    data = touch(tmp_path / "UKBB", "ecg/.keep", "NIFTI/.keep")
    (data / "ecg" / ECG).symlink_to(tmp_path / "store" / ECG)
    (data / "NIFTI" / "90").symlink_to(tmp_path / "store" / "shard")
    (data / "NIFTI" / f"{FIRST + 1}").symlink_to(tmp_path / "store" / "cines")
    found = scan(data)
    assert [below(data, s) for s in found.subjects] == [
        [f"ecg/{ECG}", f"NIFTI/90/{ZIP}"],
        [f"NIFTI/{FIRST + 1}/sa.nii.gz"],
    ]
    assert found.strays == 0


def test_links_that_lead_nowhere_or_in_a_circle_and_specials_are_counted(tmp_path):
    ecgs = touch(tmp_path, f"ecg/{ECG}") / "ecg"
    (ecgs / f"{FIRST + 1}_20205_2_0.xml").symlink_to("gone.xml")
    (ecgs / f"{FIRST + 2}_20205_2_0.xml").symlink_to(f"{FIRST + 2}_20205_2_0.xml")
    (ecgs / "up").symlink_to(tmp_path)
    (ecgs / "self").symlink_to(ecgs)
    os.mkfifo(ecgs / f"{FIRST + 3}_20205_2_0.xml")
    (ecgs / f"{FIRST + 4}_20205_2_0.xml").symlink_to(ecgs / f"{FIRST + 3}_20205_2_0.xml")
    found = scan(tmp_path)
    assert [subject.eid for subject in found.subjects] == [FIRST]
    assert found.passed.counts == {
        "links that lead nowhere": 1,
        "links that lead in a circle": 3,  # to itself, to this folder, and to this folder by way of the one above
        "pipes, sockets or devices": 2,
    }


def test_what_is_passed_over_is_counted_by_kind_with_three_examples(tmp_path):
    touch(
        tmp_path, f"ecg/{ECG}", *(f"ecg/{name}.dcm.bak" for name in "dbca"), "ecg/odd.xml", "ecg/-rf", "ecg/.DS_Store"
    )
    touch(tmp_path, f"ecg/{FIRST}_20205_2.xml", f"ecg/0{FIRST}_20205_2_0.xml", "ecg/\x1b[2J.exe")
    touch(
        tmp_path, f"NIFTI/{FIRST}_20208_2_0.nii.gz", f"NIFTI/{FIRST}_20210_2_0.zip", f"NIFTI/{FIRST}_20204_2_0/la.nii"
    )
    found = scan(tmp_path)
    assert found.passed.lines == (
        "4 .bak files such as a.dcm.bak, b.dcm.bak, c.dcm.bak",
        f"3 .xml files of other names such as 0{FIRST}_20205_2_0.xml, {FIRST}_20205_2.xml, odd.xml",
        "1 .exe files such as ?[2J.exe",
        "1 files without an ending such as -rf",
    )
    assert found.strays == 9


def test_where_nothing_is_found_what_is_there_is_told(tmp_path):
    touch(tmp_path, *(f"ecg/scan{i}.scp2" for i in range(12)), "NIFTI/brain.nii.gz")
    with pytest.raises(InputError) as refusal:
        find_subjects(tmp_path)
    text = str(refusal.value)
    assert "holds no ECG and no MRI; passed over: 12 .scp2 files such as scan0.scp2, scan1.scp2, scan10.scp2;" in text
    assert "; 1 .nii.gz files of other names such as brain.nii.gz; put ECGs in" in text


def test_what_lies_in_a_persons_folder_without_an_mri_is_told_and_beside_one_it_is_not(tmp_path):
    touch(
        tmp_path, f"ecg/{ECG}", f"NIFTI/{FIRST}/sa.nii.gz", f"NIFTI/{FIRST}/notes.xyz", f"NIFTI/{FIRST + 1}/odd.nii.gz"
    )
    found = scan(tmp_path)
    assert found.passed.lines == (f"1 .nii.gz files of other names such as {FIRST + 1}/odd.nii.gz",)


def test_folders_of_dicom_files_are_found_by_name_or_as_a_person_and_the_long_axis_is_kept(tmp_path):
    preamble = bytes(128) + b"DICM" + bytes(8)
    touch(tmp_path, f"NIFTI/{FIRST}_20209_2_0/one.dcm", f"NIFTI/{FIRST + 1}/Se1/two.IMA", "NIFTI/patient 7/Se1/a.dcm")
    touch(tmp_path, f"NIFTI/{FIRST + 2}/1.2.840.17", f"NIFTI/{FIRST + 3}/1.2.840.18", "NIFTI/90/x/three.dcm")
    (tmp_path / f"NIFTI/{FIRST + 2}/1.2.840.17").write_bytes(preamble)
    touch(tmp_path, f"ecg/{ECG}", f"NIFTI/{FIRST}_20208_2_0.zip", f"NIFTI/{FIRST + 1}_20208_2_0/a.dcm")
    found = scan(tmp_path)
    dicom = {subject.called: os.path.relpath(subject.images.dicom, tmp_path / "NIFTI") for subject in found.subjects}
    assert dicom == {
        f"{FIRST}_2": f"{FIRST}_20209_2_0",
        f"{FIRST + 1}_2": f"{FIRST + 1}",
        f"{FIRST + 2}_2": f"{FIRST + 2}",
        "patient 7_2": "patient 7",
    }
    assert [s.long_axis and Path(s.long_axis).name for s in found.subjects] == [
        f"{FIRST}_20208_2_0.zip",
        f"{FIRST + 1}_20208_2_0",
        None,
        None,
    ]
    assert found.passed.counts == {".18 files": 1, ".dcm files of other names": 1}


def test_of_dicom_and_nifti_the_nifti_is_taken(tmp_path):
    touch(tmp_path, f"ecg/{ECG}", f"NIFTI/{ZIP}", f"NIFTI/{FIRST}/sa.nii.gz")
    (subject,) = find_subjects(tmp_path)
    assert below(tmp_path / "NIFTI", subject)[1:] == [f"{FIRST}/sa.nii.gz"]


def test_a_label_map_alone_does_not_take_the_place_of_the_images(tmp_path):
    touch(tmp_path, f"ecg/{ECG}", f"NIFTI/{ZIP}", f"NIFTI/{FIRST}/seg_sa.nii.gz")
    (subject,) = find_subjects(tmp_path)
    assert below(tmp_path / "NIFTI", subject)[1:] == [ZIP]


def test_two_folders_of_one_name_are_not_taken_for_one_person(tmp_path):
    touch(tmp_path, "ecg/first.xml", "NIFTI/anna/first/sa.nii.gz", "NIFTI/berta/first/sa.nii.gz")
    with pytest.raises(InputError, match="first and .*first would be one person; .*pairs.csv") as refusal:
        scan(tmp_path)
    assert "anna/first" in str(refusal.value) and "berta/first" in str(refusal.value)


def test_people_without_an_eid_are_called_by_their_folder(tmp_path):
    acdc = "training/patient001/patient001"
    touch(
        tmp_path, *(f"NIFTI/{acdc}_{name}.nii.gz" for name in ("4d", "frame01", "frame01_gt", "frame12", "frame12_gt"))
    )
    (tmp_path / "NIFTI/training/patient001/Info.cfg").write_text("ED: 12\nES: 1\nGroup: DCM\nHeight: 184.0\n")
    touch(
        tmp_path, "NIFTI/A0S9V9/A0S9V9_sa.nii.gz", "NIFTI/A0S9V9/A0S9V9_sa_gt.nii.gz", "ecg/A0S9V9.xml", "ecg/odd.xml"
    )
    touch(tmp_path, *(f"NIFTI/001/001_SA_{name}.nii.gz" for name in ("ED", "ED_gt", "ES", "ES_gt", "CINE")))
    found = scan(tmp_path)
    people = {subject.name: subject for subject in found.subjects}
    assert people.keys() == {"patient001", "A0S9V9", "001"}
    assert all(s.eid == person_number(name) >= FIRST_NUMBER and s.instance == 2 for name, s in people.items())
    images = people["patient001"].images
    names = [images.cine, images.ed, images.es, images.labels_ed, images.labels_es]
    assert [Path(name).name.removesuffix(".nii.gz")[11:] for name in names] == [
        *("4d", "frame12", "frame01", "frame12_gt", "frame01_gt"),
    ]
    images = people["A0S9V9"].images
    assert [Path(name).name for name in (images.cine, images.labels_cine)] == [
        "A0S9V9_sa.nii.gz",
        "A0S9V9_sa_gt.nii.gz",
    ]
    assert complete(people["A0S9V9"]) and Path(people["A0S9V9"].ecg).name == "A0S9V9.xml"
    images = people["001"].images
    assert images.cine and images.ed and images.es and images.labels_ed and images.labels_es
    assert found.passed.lines == ("1 .xml files of other names such as odd.xml",)


def test_acdcs_frames_say_nothing_without_its_note(tmp_path):
    touch(tmp_path, "NIFTI/p1/p1_frame01.nii.gz", "NIFTI/p1/p1_frame12.nii.gz", f"ecg/{ECG}")
    assert scan(tmp_path).passed.counts == {".nii.gz files of other names": 2}


def test_files_of_one_slice_each_are_found(tmp_path):
    touch(tmp_path, f"ecg/{ECG}", *(f"NIFTI/{FIRST}/sa_{i}.nii.gz" for i in (1, 2, 10)), f"NIFTI/{FIRST}/la_4ch.nii.gz")
    name = "9_CINE_segmented_SAX_b{}_20200101_4.nii.gz"
    touch(tmp_path, *(f"NIFTI/{FIRST + 1}/{name.format(i)}" for i in range(5)), f"NIFTI/{FIRST + 2}/sa_1.nii.gz")
    found = scan(tmp_path)
    assert [len(subject.images.slices) for subject in found.subjects] == [3, 5]
    assert found.passed.lines == (f"1 .nii.gz files of other names such as {FIRST + 2}/sa_1.nii.gz",)


def test_hearts_that_sample_py_has_drawn_are_nobodys_mri(tmp_path):
    touch(tmp_path, ECG, "out/x/sa_ED.nii.gz", "out/x/sa_ES.nii.gz", "out/x/heart.json")
    found = scan(tmp_path)
    assert [subject.eid for subject in found.subjects] == [FIRST]
    assert found.passed.lines == ("1 hearts that sample.py has drawn such as out/x",)


def test_two_names_of_one_number_are_refused(monkeypatch):
    assert len(require_own_numbers([f"patient{i}" for i in range(1000)], "NIFTI")) == 1000
    monkeypatch.setattr("cohort.person_number.person_number", lambda name: FIRST_NUMBER)
    with pytest.raises(InputError, match="a and b would have one number"):
        require_own_numbers(["a", "b"], "NIFTI")


def pairs_csv(data: Path, *rows: str) -> Path:
    (data / "pairs.csv").write_text("\n".join(["ecg,mri,person,instance", *rows]) + "\n")
    return data


def test_pairs_csv_pairs_what_names_cannot(tmp_path):
    touch(tmp_path, "ecg/first.xml", "scans/7/a.dcm", "scans/8.nii.gz", f"ecg/{ECG}", "ecg/second.xml", "ecg/third.xml")
    pairs_csv(
        tmp_path, "ecg/first.xml,scans/7,anna,", f"ecg/second.xml,scans/8.nii.gz,{FIRST},3", ",scans/8.nii.gz,9000001,2"
    )
    found = scan(tmp_path)
    assert [(s.called, below(tmp_path, s)) for s in found.subjects] == [
        (f"{FIRST}_2", [f"ecg/{ECG}", "scans/8.nii.gz"]),
        (f"{FIRST}_3", ["ecg/second.xml", "scans/8.nii.gz"]),
        ("anna_2", ["ecg/first.xml", "scans/7"]),
    ]
    assert found.passed.lines == ("1 .xml files of other names such as third.xml",)


def test_empty_cells_at_the_end_of_rows_do_not_count(tmp_path):
    pairs_csv(
        touch(tmp_path, "ecg/a.xml", "m.zip", "n.zip"), "ecg/a.xml,m.zip,p,2,,", ",n.zip,q,3,,,", "ecg/a.xml,,p,3"
    )
    assert [s.called for s in scan(tmp_path).subjects] == ["p_2", "p_3", "q_3"]


@pytest.mark.parametrize(
    ("rows", "fault"),
    [
        (("ecg/a.xml,m.zip,p,2,,x",), "row 2 has 6 cells, the header 4"),
        (("ecg/a.xml,m.zip,p",), "row 2 has 3 cells, the header 4"),
        (("ecg/a.xml,gone.zip,p,2",), "row 2, column mri is a path at which there is nothing"),
        (("ecg/a.xml,m.zip,,2",), "row 2, column person is empty"),
        (("ecg/a.xml,m.zip,p,x",), "row 2, column instance is not 0 to 9"),
        (("ecg/a.xml,,p,2", ",m.zip,p,2"), "row 3, column person is a repetition of row 2"),
        (("ecg/a.xml,,7,2", ",m.zip,007,"), "row 3, column person is a repetition of row 2"),
        (("ecg/a.xml,m.zip,../p,2",), "row 2, column person is no name for a folder"),
        (("ecg/a.xml,m.zip,..,2",), "row 2, column person is no name for a folder"),
        (("ecg/a.xml,m.zip,p,2", "ecg/b.xml,m.zip,q,2"), "row 3, column mri is another person's too, in row 2"),
        ((",,p,2",), "row 2, column ecg is empty, and so is mri"),
        (("ecg/a.xml,ecg,p,2",), "row 2, column mri names a folder without a short-axis MRI"),
    ],
)
def test_a_fault_of_pairs_csv_is_named_by_row(tmp_path, rows, fault):
    pairs_csv(touch(tmp_path, "ecg/a.xml", "ecg/b.xml", "m.zip"), *rows)
    with pytest.raises(InputError, match=fault):
        scan(tmp_path)
