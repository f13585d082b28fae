"""What a path given to segment.py holds, and what each patient is called."""

import pytest

from cohort.errors import InputError
from cohort.pseudonym import Naming
from segmenting.sources import find_sources


def touch(folder, *names):
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"\0" * 128 + b"DICM\x02\0" if name.endswith(".dcm") else b"")
    return folder


def called(path, **options):
    return [source.name for source in find_sources(path, **options)]


@pytest.mark.parametrize(
    ("files", "given", "names"),
    [
        (["9000001/sa.nii.gz", "9000002_3/sa.nii.gz"], "", ["9000001_2", "9000002_3"]),
        (["NIFTI/9000001/sa.nii.gz", "ecg/9000001_20205_2_0.xml"], "", ["9000001_2"]),
        (["9000001/sa.nii.gz", "9000001/seg_sa.nii.gz"], "9000001", ["9000001_2"]),
        (["9000001/sa.nii.gz"], "9000001/sa.nii.gz", ["9000001_2"]),
        (["9000001_20209_2_0.zip", "9000001_20209_3_0.zip"], "", ["9000001_2", "9000001_3"]),
        (["9000001_20209_3_0.zip"], "9000001_20209_3_0.zip", ["9000001_3"]),
        (["anna/1.dcm", "anna/2.dcm"], "anna", ["anna"]),
        (["anna/sa.nii.gz", "bert/sa_ED.nii.gz", "bert/sa_ES.nii.gz", "carl/sa_ED.nii.gz"], "", ["anna", "bert"]),
        (["one heart.nii.gz", "two.nii", "three.zip", "seg_two.nii", "note.txt"], "", ["one_heart", "three", "two"]),
    ],
)
def test_patients_are_called_by_eid_and_visit_or_by_their_name(tmp_path, files, given, names):
    assert sorted(called(touch(tmp_path, *files) / given)) == names


def test_a_whole_cine_goes_before_ed_and_es_and_label_maps_are_not_looked_at(tmp_path):
    names = ("sa.nii.gz", "sa_ED.nii.gz", "sa_ES.nii.gz", "seg_sa.nii.gz")
    source = find_sources(touch(tmp_path / "9000001", *names))[0]
    assert [path.name for path in source.files] == ["sa.nii.gz"]


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ([], "holds no short-axis MRI"),
        (["seg_sa.nii.gz", "a.txt"], "holds no short-axis MRI"),
        (["a b.nii", "a_b.nii"], "several MRIs would be called a_b"),
    ],
)
def test_a_folder_of_nobody_or_of_two_of_one_name_is_refused(tmp_path, files, words):
    with pytest.raises(InputError, match=words):
        find_sources(touch(tmp_path, *files))


def test_what_is_passed_over_is_told_by_its_kind_and_by_no_name_with_a_key(tmp_path, capsys):
    folder = touch(tmp_path, "one.nii.gz", "la_4ch.nii.gz", "seg_one.nii.gz", "note.txt")
    assert called(folder) == ["one"]
    said = capsys.readouterr().out
    assert "passed over: 2 .nii.gz files of other names such as la_4ch.nii.gz, seg_one.nii.gz; 1 .txt" in said
    called(folder, naming=Naming(b"0" * 32))
    assert capsys.readouterr().out == "note: passed over: 3\n"
    called(touch(tmp_path / "alone", "one.nii.gz"))
    assert capsys.readouterr().out == ""


def test_people_who_withdrew_are_left_out_wherever_the_list_lies(tmp_path):
    mri = touch(tmp_path / "NIFTI", "9000001/sa.nii.gz", "9000002/sa.nii.gz")
    (tmp_path / "withdrawn.csv").write_text("9000001\n")
    assert called(mri) == ["9000002_2"]
    (tmp_path / "more.txt").write_text("9000002\n")
    with pytest.raises(InputError, match="withdrew"):
        find_sources(mri, exclude=tmp_path / "more.txt")
