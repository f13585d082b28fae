"""Names say who is who; nothing else does."""

from pathlib import Path

import numpy as np
import pytest

from cohort.discovery import find_subjects, scan
from cohort.errors import InputError
from cohort.finding import Finding
from cohort.subjects import complete, pairs, split_of

FIRST = 9_000_001


def touch(root: Path, *names: str) -> Path:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return root


def test_both_layouts_and_every_folder_name_make_a_pair(tmp_path):
    ecgs = [f"ecg/{FIRST + i}_20205_2_0.{suffix}" for i, suffix in enumerate(("xml", "hea", "hea", "XML", "xml"))]
    images = [
        f"NIFTI/{FIRST}/sa.nii.gz",
        f"NIFTI/{FIRST + 1}_2/sa.nii",
        f"NIFTI/{FIRST + 2}_20209_2_0/sa.nii.gz",
        f"NIFTI/{FIRST + 3}_20209_2_0.nii.gz",
        f"NIFTI/{FIRST + 4}/sa_ED.nii.gz",
        f"NIFTI/{FIRST + 4}/sa_ES.nii.gz",
        f"NIFTI/{FIRST + 4}/seg_sa_ED.nii.gz",
        f"NIFTI/{FIRST + 4}/la_4ch.nii.gz",
    ]
    found = scan(touch(tmp_path, *ecgs, *images, f"ecg/{FIRST + 1}_20205_2_0.dat"))
    assert [subject.eid for subject in found.subjects] == [FIRST + i for i in range(5)]
    assert all(map(complete, found.subjects)) and found.strays == 0
    last = found.subjects[-1].images
    names = [Path(path).name for path in (last.ed, last.es, last.labels_ed)]
    assert names == ["sa_ED.nii.gz", "sa_ES.nii.gz", "seg_sa_ED.nii.gz"]
    assert last.cine is None and last.labels_es is None


def test_half_a_subject_is_reported_in_words(tmp_path):
    touch(
        tmp_path,
        f"NIFTI/{FIRST}_2/sa.nii.gz",
        f"ecg/{FIRST}_20205_3_0.xml",
        f"ecg/{FIRST + 1}_20205_2_0.xml",
        f"ecg/{FIRST + 2}_20205_2_0.xml",
        f"NIFTI/{FIRST + 2}/sa_ED.nii.gz",
    )
    missing = [(subject.instance, *subject.missing) for subject in find_subjects(tmp_path)]
    assert missing == [
        (2, Finding("visit_no_ecg", "no ECG at instance 2 (one at instance 3)")),
        (3, Finding("visit_no_mri", "no short-axis MRI at instance 3 (one at instance 2)")),
        (2, Finding("visit_no_mri", "no short-axis MRI")),
        (2, Finding("visit_half_mri", "short-axis MRI has ED but no ES")),
    ]
    assert pairs(find_subjects(tmp_path)) == []


def test_shuffling_the_directory_changes_nothing(tmp_path):
    names = [f"{FIRST + i}_20205_{visit}_0.xml" for i in range(40) for visit in (2, 3)]
    names = [f"ecg/{name}" for name in names] + [f"NIFTI/{FIRST + i}/sa.nii.gz" for i in range(0, 40, 3)]
    listed = []
    for seed in range(3):
        root = tmp_path / str(seed)
        touch(root, *np.random.default_rng(seed).permutation(names))
        listed.append([(s.eid, s.instance, s.missing) for s in find_subjects(root)])
    assert listed[0] == listed[1] == listed[2] == sorted(listed[0], key=lambda row: row[:2])


def test_of_several_files_the_choice_does_not_depend_on_order(tmp_path):
    touch(tmp_path, *(f"ecg/{FIRST}_20205_2_{name}" for name in ("1.xml", "0.xml", "0.hea")))
    touch(tmp_path, f"NIFTI/{FIRST}_20209_2_0.nii.gz", f"NIFTI/{FIRST}/sa.nii.gz", f"NIFTI/{FIRST}/seg_sa.nii.gz")
    (subject,) = find_subjects(tmp_path)
    assert Path(subject.ecg).name == f"{FIRST}_20205_2_0.xml"
    assert Path(subject.images.cine).parent.name == str(FIRST) and subject.images.labels_cine is not None


def test_of_two_mris_the_fuller_one_is_taken_and_of_equals_the_first_name(tmp_path):
    touch(tmp_path, f"NIFTI/{FIRST}_20209_2_0/sa.nii.gz", f"NIFTI/{FIRST}_20209_2_0.nii.gz", f"NIFTI/{FIRST + 1}/a.png")
    touch(tmp_path, f"NIFTI/{FIRST + 2}/sa.nii.gz", f"NIFTI/{FIRST + 2}_2/sa.nii.gz", f"NIFTI/{FIRST + 2}_2/seg_sa.nii")
    chosen = {
        subject.eid: Path(subject.images.cine).relative_to(tmp_path / "NIFTI") for subject in scan(tmp_path).subjects
    }
    assert chosen == {FIRST: Path(f"{FIRST}_20209_2_0/sa.nii.gz"), FIRST + 2: Path(f"{FIRST + 2}_2/sa.nii.gz")}


@pytest.mark.parametrize("content", [None, (), ("ecg/readme.txt",)])
def test_an_empty_or_missing_folder_says_what_to_put_where(tmp_path, content):
    root = tmp_path / "UKBB"
    if content is not None:
        root.mkdir()
        touch(root, *content)
    with pytest.raises(InputError, match=r"_20205_2_0.xml.*sa.nii.gz.*python make_phantom.py --output UKBB"):
        find_subjects(root)


def test_splits_are_by_person_of_the_stated_size_and_fixed_for_good():
    splits = [split_of(FIRST + i) for i in range(20_000)]
    shares = {split: splits.count(split) / len(splits) for split in set(splits)}
    assert shares == pytest.approx({"train": 0.8, "validation": 0.1, "test": 0.1}, abs=0.01)
    assert splits[:8] == [split_of(FIRST + i) for i in range(8)]  # a function of the eid alone: nobody moves
    assert splits[:8] == FIXED


FIXED = ["test", "train", "train", "train", "train", "train", "train", "train"]


def test_both_visits_of_a_person_share_a_split_and_newcomers_move_nobody(tmp_path):
    def placed(count):
        for i in range(count):
            touch(tmp_path, *(f"ecg/{FIRST + i}_20205_{visit}_0.xml" for visit in (2, 3)))
        return {(subject.eid, subject.instance): split_of(subject.eid) for subject in find_subjects(tmp_path)}

    before, after = placed(20), placed(60)
    assert all(after[key] == split for key, split in before.items())
    assert all(after[eid, 2] == after[eid, 3] for eid, _ in after)
