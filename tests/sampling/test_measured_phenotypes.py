from dataclasses import replace

import numpy as np
import pytest

from cohort.errors import InputError
from cohort.intensity import as_unit
from cohort.phenotypes import PHENOTYPES, phenotypes_of
from cohort.prepared import NO_LABELS
from cohort.step_code import modules_of
from models.segmenter import Segmenter
from sampling.measured_phenotypes import MEASURING, lacking, said_of, segmenter_sha256, with_measured
from sampling.pipeline import load_part
from sampling.release import RELEASED_SEGMENTER

LVEDV, LVM = PHENOTYPES.index("LVEDV"), PHENOTYPES.index("LVM")


@pytest.fixture
def segmenter():
    return load_part(Segmenter, RELEASED_SEGMENTER)


@pytest.fixture(autouse=True)
def maps(prepared, monkeypatch):
    """The label maps are what a segmenter draws, one of other weights less one slice: the hearts here are tiny."""

    def drawn(segmenter, heart):
        (row,) = (k for k, known in enumerate(prepared.hearts) if np.array_equal(as_unit(known), heart))
        labels = np.array(prepared.labels[row])
        labels[0] *= len(segmenter.config.widths) > 2
        return labels, None

    monkeypatch.setattr("sampling.measured_phenotypes.segment", drawn)


@pytest.fixture
def unlabelled(prepared, tmp_path):
    """The phantom cohort without label maps and tables, but for one person's LVEDV."""
    phenotypes = np.full_like(prepared.phenotypes, np.nan)
    phenotypes[0, LVEDV] = 123
    return replace(prepared, folder=tmp_path, labels=np.full_like(prepared.labels, NO_LABELS), phenotypes=phenotypes)


def test_who_has_a_label_map_or_a_whole_row_of_a_table_lacks_nothing(prepared, unlabelled):
    assert not lacking(prepared).any() and lacking(unlabelled).all()
    told = np.array(unlabelled.phenotypes)
    told[2] = 1.0
    assert lacking(replace(unlabelled, phenotypes=told)).tolist() == [True, True, False, *[True] * 15]


def test_a_cohort_with_label_maps_is_left_as_it_is(prepared, segmenter):
    assert with_measured(prepared, segmenter) is prepared


def test_what_a_table_tells_stays_and_the_rest_is_measured(prepared, unlabelled, segmenter):
    known = with_measured(unlabelled, segmenter)
    step_mm = np.linalg.norm(unlabelled.affine[0][:3, 2])
    expected = phenotypes_of(prepared.labels[0], unlabelled.preparation.geometry.pixel_mm, step_mm, absent_ml=np.nan)
    assert known.phenotypes[0, LVEDV] == 123 != round(expected["LVEDV"])
    assert known.phenotypes[0, LVM] == np.float32(expected["LVM"])
    assert known.measured[1:].all() and known.measured[0].sum() == len(PHENOTYPES) - 1
    assert np.isnan(unlabelled.phenotypes[1:]).all(), "the arrays on disk are not changed"


def test_measured_once_it_is_read_again(unlabelled, segmenter, monkeypatch):
    first = with_measured(unlabelled, segmenter)
    monkeypatch.setattr("sampling.measured_phenotypes.segment", lambda *_: pytest.fail("measured again"))
    again = with_measured(unlabelled, segmenter)
    np.testing.assert_array_equal(first.phenotypes, again.phenotypes)


def test_another_segmenter_measures_anew(unlabelled, segmenter):
    known = with_measured(unlabelled, segmenter)
    other = Segmenter((8, 16))
    assert not np.array_equal(known.phenotypes, with_measured(unlabelled, other).phenotypes)


def test_a_segmenter_copied_into_a_pipeline_is_the_same_one_and_other_weights_or_another_teacher_are_not(
    segmenter, tmp_path
):
    segmenter.save_pretrained(tmp_path)  # in full precision, and the released one is in half
    copied = load_part(Segmenter, tmp_path)
    assert segmenter_sha256(copied) == segmenter_sha256(segmenter)
    copied.register_to_config(trained_on="real")
    assert segmenter_sha256(copied) != segmenter_sha256(segmenter)
    other = load_part(Segmenter, tmp_path)
    next(iter(other.parameters())).data += 1e-3
    assert segmenter_sha256(other) != segmenter_sha256(segmenter)


def test_the_code_of_the_network_is_in_the_key_of_what_it_measures():
    assert "models.segmenter" in set().union(*map(modules_of, MEASURING))


def test_a_changed_file_of_numbers_is_measured_again(unlabelled, segmenter, tmp_path):
    known = with_measured(unlabelled, segmenter)
    (path,) = tmp_path.glob("measured-phenotypes-*.npy")
    content = bytearray(path.read_bytes())
    content[200] ^= 1
    path.write_bytes(content)
    np.testing.assert_array_equal(with_measured(unlabelled, segmenter).phenotypes, known.phenotypes)


def test_slices_outside_the_acquisition_add_nothing(unlabelled, segmenter):
    mask = np.zeros_like(unlabelled.mask)
    known = with_measured(replace(unlabelled, mask=mask), segmenter)
    assert np.isnan(known.phenotypes[1:, LVEDV]).all()


def test_volumes_are_counted_with_the_acquisitions_own_slice_step(unlabelled, segmenter):
    known = with_measured(unlabelled, segmenter).phenotypes[1:, LVEDV]
    affine = np.array(unlabelled.affine)
    affine[:, :3, 2] *= 1.02
    (unlabelled.folder / "wider").mkdir()
    wider = replace(unlabelled, folder=unlabelled.folder / "wider", affine=affine)
    measured = with_measured(wider, segmenter).phenotypes[1:, LVEDV]
    np.testing.assert_allclose(measured, 1.02 * known, rtol=1e-4)


@pytest.mark.parametrize(
    ("whose", "words"), [("simulated", "simulated hearts only"), ("real", "real"), (None, "not say")]
)
def test_a_segmenter_says_whose_hearts_taught_it(whose, words):
    assert words in said_of(Segmenter((8, 16), trained_on=whose))


def test_a_segmenter_taught_by_nobody_known_is_refused(tmp_path):
    Segmenter((8, 16), trained_on="dogs").save_pretrained(tmp_path)
    with pytest.raises(InputError, match="trained_on is none of simulated, real"):
        load_part(Segmenter, tmp_path)


def test_the_released_segmenter_says_that_it_knows_simulated_hearts_only(segmenter):
    assert "simulated hearts only" in said_of(segmenter)
