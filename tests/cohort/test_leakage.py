"""One recording filed under two people is found before it can be taught by and judged by."""

import csv
import importlib
import sys
from dataclasses import replace

import numpy as np
import pytest

import cohort.leakage
from cohort.ecg_cohort import ECGCohort
from cohort.errors import InputError, exit_code_of
from cohort.leakage import (
    COLUMNS,
    HASHES,
    LEAKS,
    is_cohort_of,
    keyed_recordings,
    recordings_sha256,
    require_separate_splits,
    row_hashes,
    who_taught,
)
from cohort.subjects import split_of


@pytest.fixture
def people(prepared, tmp_path):
    """The prepared cohort with writable copies of its arrays, in a folder of its own."""
    arrays = {name: np.array(getattr(prepared, name)) for name in ("ecg", "lead_mask", "hearts", "mask", "eid")}
    return replace(prepared, folder=tmp_path, **arrays)


def row_of(people, split, place=0):
    return np.flatnonzero(people.split == split)[place]


def listed(folder):
    with (folder / LEAKS).open(newline="") as file:
        return list(csv.DictReader(file))


def extra_ecgs(people, rows, split="train"):
    """An ECGCohort of the same strips under other eids, all of them of one split."""
    eids = [eid for eid in range(9_100_000, 9_101_000) if split_of(eid) == split][: len(rows)]
    arrays = {name: np.array(getattr(people, name)[rows]) for name in ("ecg", "lead_mask", "person", "phenotypes")}
    return ECGCohort(people.folder, **arrays, eid=np.array(eids), instance=np.full(len(eids), 2))


def test_a_cohort_of_different_people_passes_and_writes_no_list(people):
    require_separate_splits(people)
    require_separate_splits(people, extra_ecgs(people, [row_of(people, "train")]))
    assert not (people.folder / LEAKS).exists()


@pytest.mark.parametrize("split", ["validation", "test"])
def test_an_ecg_filed_under_two_people_is_refused_and_listed(people, split):
    taught, judged = row_of(people, "train"), row_of(people, split)
    people.ecg[judged], people.lead_mask[judged] = people.ecg[taught], people.lead_mask[taught]
    with pytest.raises(InputError) as refusal:
        require_separate_splits(people)
    assert "1 ECG of it stands in two splits" in str(refusal.value) and LEAKS in str(refusal.value)
    rows = listed(people.folder)
    assert tuple(rows[0]) == COLUMNS and {row["kind"] for row in rows} == {"ECG"}
    assert {int(row["eid"]) for row in rows} == set(people.eid[[taught, judged]].tolist())
    assert {row["split"] for row in rows} == {"train", split}


@pytest.mark.parametrize("script", ["train_autoencoder", "train_segmenter", "train_diffusion", "train_ceiling"])
def test_every_training_looks_before_it_learns(people, script, tiny_pipeline, tmp_path, monkeypatch, capsys):
    """distil.py too: tests/training/test_distillation.py."""
    one, other = row_of(people, "train"), row_of(people, "test")
    people.hearts[one], people.mask[one] = people.hearts[other], people.mask[other]
    monkeypatch.setattr("training.cohort_arrays.prepare_cohort", lambda *_, **__: people)
    monkeypatch.chdir(tmp_path)
    tiny_pipeline.save(tmp_path / "runs" / "tiny" / "pipeline")
    (tmp_path / "runs" / "tiny" / "pipeline" / "ceiling").mkdir()
    monkeypatch.setattr(sys, "argv", [f"{script}.py"])
    assert exit_code_of(importlib.import_module(script).main) == 2
    assert "1 image of it stands in two splits" in capsys.readouterr().err
    assert [path.name for path in (tmp_path / "runs").iterdir()] == ["tiny"]  # nothing was begun


def test_an_image_filed_under_three_people_is_one_image(people):
    rows = [row_of(people, "train"), row_of(people, "validation"), row_of(people, "test")]
    people.hearts[rows], people.mask[rows] = people.hearts[rows[0]], people.mask[rows[0]]
    with pytest.raises(InputError, match="1 image of it stands"):
        require_separate_splits(people)
    assert len(listed(people.folder)) == 3


def test_a_copy_within_one_split_is_no_leak(people):
    one, other = row_of(people, "train", 0), row_of(people, "train", 1)
    people.ecg[one], people.hearts[one] = people.ecg[other], people.hearts[other]
    require_separate_splits(people)


def test_a_person_in_two_splits_is_refused(people):
    """Which the split by eid cannot do: the check does not trust it."""
    one, other = row_of(people, "train"), row_of(people, "test")  # the splits are settled now, as if read from a list
    people.eid[one] = people.eid[other]
    with pytest.raises(InputError, match="1 person of it stands"):
        require_separate_splits(people)


def test_further_people_must_not_bring_the_ecg_of_a_person_held_out(people):
    held_out = row_of(people, "validation")
    with pytest.raises(InputError, match="1 ECG"):
        require_separate_splits(people, extra_ecgs(people, [held_out]))
    assert {row["folder"] for row in listed(people.folder)} == {people.folder.name, "further people"}
    require_separate_splits(people, extra_ecgs(people, [held_out], "test"))  # nobody learns from those
    assert not (people.folder / LEAKS).exists()  # of a check that passed, no list is left


def test_what_holds_nothing_is_nobodys_copy(people):
    rows = [row_of(people, "train"), row_of(people, "test")]
    people.ecg[rows], people.lead_mask[rows] = 0, False
    people.hearts[rows], people.mask[rows] = 0, False
    require_separate_splits(people)


def test_one_bit_makes_another_row(people):
    before = row_hashes(people.ecg, people.lead_mask)
    assert len(np.unique(before)) == len(people.eid)
    people.ecg[3, 11, -1] = np.nextafter(people.ecg[3, 11, -1], np.float16(9))
    people.lead_mask[5, 2] ^= True
    assert np.flatnonzero(row_hashes(people.ecg, people.lead_mask) != before).tolist() == [3, 5]


def test_hashes_are_computed_once(people, monkeypatch):
    require_separate_splits(people)
    monkeypatch.setattr(cohort.leakage, "row_hashes", lambda *_: pytest.fail("hashed again"))
    require_separate_splits(people)


@pytest.mark.parametrize("damage", ["flipped", "of others", "shorter", "of an earlier layout"])
def test_damaged_hashes_are_computed_anew(people, damage):
    right = recordings_sha256(people)
    path = people.folder / HASHES
    content = path.read_bytes()
    if damage == "of an earlier layout":
        np.save(path, np.load(path))
    elif damage == "of others":
        np.save(path, np.load(path)[1:])
    else:
        path.write_bytes(content[:-9] if damage == "shorter" else content[:200] + b"\0" + content[201:])
    assert recordings_sha256(people) == right and path.read_bytes() == content


def test_of_a_cohort_too_small_to_split_nothing_is_asked(people):
    few = row_of(people, "train", 0), row_of(people, "train", 1)
    small = replace(
        people, **{name: getattr(people, name)[list(few)] for name in ("ecg", "lead_mask", "hearts", "eid")}
    )
    assert small.too_few_to_split
    small.ecg[1] = small.ecg[0]
    require_separate_splits(small)


def test_a_copied_cohort_is_known_by_its_recordings(people, tmp_path):
    """Neither its folder, nor the order of its people, nor other phenotypes make it another; other ECGs do."""
    about = {"cohort": "UKBB-0123456789ab", "recordings_sha256": recordings_sha256(people)}
    backwards = np.arange(len(people.eid))[::-1]

    def copied(name, **changed):
        (tmp_path / name).mkdir()
        return replace(people, folder=tmp_path / name, **changed)

    names = ("eid", "ecg", "lead_mask", "hearts", "mask")
    assert is_cohort_of(about, copied("backwards", **{n: getattr(people, n)[backwards] for n in names}))
    assert is_cohort_of(about, copied("renamed", eid=people.eid + 7))
    assert not is_cohort_of(about, copied("louder", ecg=people.ecg + 1))
    assert not is_cohort_of({"cohort": "another"}, people)
    assert is_cohort_of({"cohort": people.folder.name}, people)  # of a pipeline from before there was a hash


def test_another_visit_of_somebody_who_taught_taught_as_well(people, tmp_path):
    """The visit's ECG and image are new. In a cohort of other people the same eid says nothing."""
    about = {"taught": keyed_recordings(people)}
    taught = np.flatnonzero(who_taught(about, people))
    new = {"ecg": people.ecg[::-1] + 1, "hearts": people.hearts[::-1] // 2}  # nobody's recordings
    names = ("eid", "ecg", "lead_mask", "hearts", "mask")
    visits = {name: np.concatenate([getattr(people, name), new.get(name, getattr(people, name))]) for name in names}
    (tmp_path / "twice").mkdir(), (tmp_path / "strangers").mkdir()
    both = who_taught(about, replace(people, folder=tmp_path / "twice", **visits))
    assert set(taught) < set(range(len(people.eid)))
    assert np.flatnonzero(both).tolist() == [*taught, *(taught + len(people.eid))]
    assert not who_taught(about, replace(people, folder=tmp_path / "strangers", **new)).any()
