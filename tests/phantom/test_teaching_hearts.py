import numpy as np
import pytest

from cohort.cine import Label
from cohort.errors import InputError
from cohort.labelled_hearts import HEARTS_PER_PART, LabelledHearts, part_folder
from phantom import teaching_hearts
from phantom.contrast import signals
from phantom.heart import draw_heart
from phantom.random_contrast import random_signals
from phantom.scanner import scan
from phantom.teaching_hearts import TEACHING, UNSEEN, Kind, labelled_heart, write_hearts


def test_a_random_contrast_changes_the_picture_and_not_the_labels():
    heart = draw_heart(3, 0)
    usual = scan(heart, [0.0])
    signal = random_signals(np.random.default_rng(0), signals(heart.acquisition))
    other = scan(heart, [0.0], signal)
    assert np.array_equal(usual.labels, other.labels) and not np.array_equal(usual.voxels, other.voxels)
    blood, wall = (np.median(other.voxels[other.labels == label]) for label in (Label.LV_CAVITY, Label.LV_MYOCARDIUM))
    assert wall / blood == pytest.approx(signal["myocardium"] / signal["blood"], rel=0.25)


def test_the_kinds_to_choose_by_share_no_people_and_scanner_with_those_to_learn_from():
    for kind in (kind for kind in UNSEEN if isinstance(kind, Kind)):
        assert kind.population not in {k.population for k in TEACHING}
        assert kind.scanner not in {k.scanner for k in TEACHING}
    assert all(isinstance(kind, Kind) for kind in TEACHING), "nothing is learned from plain hearts"
    assert not {kind.name for kind in TEACHING} & {kind.name for kind in UNSEEN}


def test_a_heart_depends_on_seed_and_number_alone():
    one, again, other = (labelled_heart(TEACHING, seed, 1) for seed in (4, 4, 5))
    assert np.array_equal(one.images, again.images) and np.array_equal(one.labels, again.labels)
    assert not np.array_equal(one.images, other.images)
    assert one.images.shape == one.labels.shape and set(np.unique(one.labels)) == set(Label)
    assert len(one.acquired) == len(one.images) and one.acquired.any()


def test_drawing_goes_on_where_it_was_stopped(tmp_path, monkeypatch):
    """The second part is drawn anew, the first is not; another seed is refused."""
    drawn = []
    shape = np.zeros((1, 2, 4, 4), np.uint8)
    heart = teaching_hearts.LabelledHeart(shape, shape, np.ones(1, bool))
    monkeypatch.setattr(teaching_hearts, "labelled_heart", lambda _kinds, _seed, index: drawn.append(index) or heart)
    count = HEARTS_PER_PART + 2
    write_hearts(tmp_path / "hearts", UNSEEN, count, 1, processes=1)
    assert drawn == list(range(count)) and len(LabelledHearts(tmp_path / "hearts")) == count
    for file in part_folder(tmp_path / "hearts", 1).iterdir():
        file.unlink()
    part_folder(tmp_path / "hearts", 1).rmdir()
    with pytest.raises(InputError, match="lacks a part"):
        LabelledHearts(tmp_path / "hearts")
    write_hearts(tmp_path / "hearts", UNSEEN, count, 1, processes=1)
    assert drawn[count:] == [HEARTS_PER_PART, HEARTS_PER_PART + 1]
    with pytest.raises(InputError, match="drawn otherwise"):
        write_hearts(tmp_path / "hearts", UNSEEN, count, 2, processes=1)
