import re

import numpy as np
import pytest

from cohort.cine import CineStack, write_nifti
from cohort.errors import InputError
from cohort.heart_grid import GridGeometry, canonical_affine
from evaluation.labels import one_convention, quality_faults, read_labels
from tests.cohort.drawn_labels import GEOMETRY, LV, RV, WALL, as_acdc, drawn_heart


def write_map(folder, labels, affine=None, cine=False, stem="seg_sa"):
    folder.mkdir(parents=True, exist_ok=True)
    voxels = labels.transpose(3, 2, 0, 1)
    affine = canonical_affine(GEOMETRY) if affine is None else affine
    if cine:
        write_nifti(folder / f"{stem}.nii.gz", CineStack(voxels, affine))
        return
    for phase, name in enumerate(("ED", "ES")):
        write_nifti(folder / f"{stem}_{name}.nii.gz", CineStack(voxels[..., phase : phase + 1], affine))


# ---- conventions ----


def test_patients_share_a_convention_or_are_refused():
    assert one_convention({"a": "acdc", "b": "acdc"}) == "acdc"
    with pytest.raises(InputError, match="maps: b seems to follow ukbb and c acdc"):
        one_convention({"b": "ukbb", "c": "acdc"}, "maps")
    with pytest.raises(InputError, match="no label map"):
        one_convention({})


# ---- a segmenter's folder ----


@pytest.mark.parametrize("cine", (False, True))
@pytest.mark.parametrize("number", (lambda heart: heart, as_acdc))
def test_what_a_segmenter_writes_is_read_back(tmp_path, cine, number):
    first, second = drawn_heart(), drawn_heart(range(2, 8))
    for patient in ("b", "a"):
        write_map(tmp_path / patient, number(first), cine=cine)
        write_map(tmp_path / patient / "sample_2", number(second), cine=cine)
    found = read_labels(tmp_path)
    assert list(found) == ["a", "b"] and found["a"].dtype == np.uint8
    np.testing.assert_array_equal(found["b"], np.stack([first, second]))


def test_a_stated_convention_is_believed(tmp_path):
    write_map(tmp_path / "a", drawn_heart())
    write_map(tmp_path / "b", as_acdc(drawn_heart()))
    with pytest.raises(InputError, match="a seems to follow ukbb and b acdc"):
        read_labels(tmp_path)
    np.testing.assert_array_equal(read_labels(tmp_path, convention="acdc")["a"][0], as_acdc(drawn_heart()))
    assert set(read_labels(tmp_path, patients=["b"])) == {"b"}


def test_an_unclear_map_is_refused_by_its_patient(tmp_path):
    heart = drawn_heart()
    write_map(tmp_path / "a", np.where(heart == RV, 0, heart))
    with pytest.raises(InputError, match=f"^{re.escape(str(tmp_path / 'a'))}: has no label 3"):
        read_labels(tmp_path)


def test_a_class_lost_in_one_sample_does_not_hide_the_convention(tmp_path):
    heart = as_acdc(drawn_heart())
    write_map(tmp_path / "a", heart)
    write_map(tmp_path / "a" / "sample_2", np.where(heart == 1, 0, heart))
    assert not (read_labels(tmp_path)["a"][1] == RV).any()


def test_the_map_lies_on_the_affine_of_its_heart(tmp_path):
    moved = canonical_affine(GEOMETRY)
    moved[:3, 3] += (4.0, -2.0, 9.0)
    write_map(tmp_path / "hearts" / "a", drawn_heart(), moved, stem="sa")
    write_map(tmp_path / "maps" / "a", drawn_heart(), moved + np.eye(4, k=3) * 5e-4)
    assert read_labels(tmp_path / "maps", hearts=tmp_path / "hearts")["a"].shape == (1, *GEOMETRY.shape)
    with pytest.raises(InputError, match=r"seg_sa_ED\.nii\.gz: has another affine"):
        read_labels(tmp_path / "maps")  # no heart: the canonical affine is expected
    write_map(tmp_path / "maps" / "a", drawn_heart(), stem="sa")  # a heart beside the map, and not where the map is
    with pytest.raises(InputError, match="another affine"):
        read_labels(tmp_path / "maps")
    write_map(tmp_path / "maps" / "a", drawn_heart(), moved + np.eye(4, k=3) * 5e-3)
    with pytest.raises(InputError, match="another affine"):
        read_labels(tmp_path / "maps", hearts=tmp_path / "hearts")


def test_every_sampled_heart_needs_its_map(tmp_path):
    for sample in (".", "sample_2"):
        write_map(tmp_path / "hearts" / "a" / sample, drawn_heart(), stem="sa")
    write_map(tmp_path / "maps" / "a", drawn_heart())
    with pytest.raises(InputError, match=r"sample_2: has no seg_sa_ED\.nii\.gz and no seg_sa_ES\.nii\.gz"):
        read_labels(tmp_path / "maps", hearts=tmp_path / "hearts")
    with pytest.raises(InputError, match="b: has no"):
        read_labels(tmp_path / "maps", patients=["b"])
    with pytest.raises(InputError, match="holds no heart"):
        read_labels(tmp_path / "maps", hearts=tmp_path)


def test_another_grid_is_refused(tmp_path):
    write_map(tmp_path / "a", drawn_heart()[:9])
    with pytest.raises(InputError, match=r"seg_sa_ED.*\(96, 96, 9, 1\), not \(96, 96, 10, 1\)"):
        read_labels(tmp_path)
    write_map(tmp_path / "b", drawn_heart()[:, :1], cine=True)
    with pytest.raises(InputError, match=r"seg_sa\.nii\.gz.*\(96, 96, 10, 1\), not \(96, 96, 10, 2\)"):
        read_labels(tmp_path, patients=["b"])
    with pytest.raises(InputError, match=r"has no seg_sa\.nii\.gz"):  # ED and ES are no cycle of three phases
        read_labels(tmp_path, GridGeometry(phases=3), patients=["a"])


def test_no_folder_and_an_empty_folder_are_refused(tmp_path):
    with pytest.raises(InputError, match="is not a folder"):
        read_labels(tmp_path / "none")
    with pytest.raises(InputError, match="holds no label map"):
        read_labels(tmp_path)


# ---- quality ----


def test_a_whole_heart_has_no_fault_and_six_slices_suffice():
    assert quality_faults(drawn_heart()) == []
    assert quality_faults(drawn_heart(range(2, 8))) == []


def test_fewer_than_six_slices_are_a_fault():
    assert quality_faults(drawn_heart(range(2, 7))) == [
        "LV cavity and myocardium are on 5 of 10 slices at ED, fewer than 6"
    ]


@pytest.mark.parametrize("part", (LV, WALL))
def test_a_slice_without_cavity_or_wall_is_a_gap(part):
    heart = drawn_heart()
    middle = heart[4, 0]
    middle[middle == part] = 0
    middle[0, :9] = part  # nine pixels are not a slice's worth
    assert quality_faults(heart) == ["LV cavity and myocardium are interrupted at slice 5 of 10 at ED"]
    middle[0, 9] = part
    assert quality_faults(heart) == []


@pytest.mark.parametrize(("part", "name"), [(LV, "LV cavity"), (WALL, "LV myocardium"), (RV, "RV cavity")])
def test_every_class_has_ten_pixels_of_the_heart(part, name):
    heart = drawn_heart()
    heart[heart == part] = 0
    heart[0:9, 0, 0, 0] = part
    assert f"{name} has 9 pixels at ED, fewer than 10" in quality_faults(heart)
    heart[9, 0, 0, 0] = part
    assert not any(name in fault for fault in quality_faults(heart) if "pixels" in fault)


def test_an_empty_map_has_every_fault_but_a_gap():
    assert len(quality_faults(np.zeros(GEOMETRY.shape, np.uint8))) == 4


def test_only_end_diastole_is_judged():
    heart = drawn_heart()
    heart[:, 1] = 0
    assert quality_faults(heart) == []


def test_labels_outside_the_acquisition_do_not_count():
    mask = np.ones(GEOMETRY.shape[:2], bool)
    assert quality_faults(drawn_heart(), mask) == []
    mask[6:] = False
    assert quality_faults(drawn_heart(), mask) == ["LV cavity and myocardium are on 5 of 6 slices at ED, fewer than 6"]
