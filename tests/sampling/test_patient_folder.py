"""What a patient's folder holds, read back as another program would."""

import json

import nibabel
import numpy as np
import pytest
from PIL import Image

from cohort.cine import Label, read_nifti
from cohort.errors import InputError
from cohort.heart_grid import GridGeometry, canonical_affine
from sampling.contours import OUTLINES
from sampling.grid import ZOOM, draw_grid, heart_rows, room_for_words, write_grid, write_overview
from sampling.outputs import INTENSITY_MAX, read_hearts, read_record, write_patient, written_names
from sampling.red_line import head_and_foot

GEOMETRY = GridGeometry(slices=4, phases=2, height=20, width=24)


def hearts(samples=2, geometry=GEOMETRY):
    return np.random.default_rng(0).random((samples, *geometry.shape), dtype=np.float32)


@pytest.fixture
def folder(tmp_path):
    write_patient(tmp_path / "patient", hearts(), GEOMETRY, {"seed": 7, "warnings": []})
    return tmp_path / "patient"


def test_the_nifti_is_in_real_millimetres(folder):
    image = nibabel.load(folder / "sa_ED.nii.gz")
    np.testing.assert_allclose(image.header.get_zooms()[:3], (1.8, 1.8, 10.0), atol=1e-4)
    np.testing.assert_allclose(image.affine, canonical_affine(GEOMETRY), atol=1e-4)
    assert image.header.get_xyzt_units()[0] == "mm"
    assert image.header["sform_code"] == 1 and image.header["qform_code"] == 1


@pytest.mark.parametrize(("name", "phase"), [("sa_ED", 0), ("sa_ES", 1)])
def test_every_voxel_is_where_and_what_it_was(folder, name, phase):
    for sample, place in ((0, folder), (1, folder / "sample_2")):
        voxels = read_nifti(place / f"{name}.nii.gz").voxels[..., 0]  # (x, y, z)
        expected = INTENSITY_MAX * hearts()[sample, :, phase].transpose(2, 1, 0)
        np.testing.assert_allclose(voxels, expected, atol=0.51)


def test_another_number_of_phases_is_a_cine(tmp_path):
    geometry = GridGeometry(slices=4, phases=5, height=20, width=24)
    write_patient(tmp_path, hearts(1, geometry), geometry, {})
    assert read_nifti(tmp_path / "sa.nii.gz").voxels.shape == (24, 20, 4, 5)
    assert not list(tmp_path.glob("sa_E*"))
    assert read_nifti(tmp_path / "sa.nii.gz").frame_interval_s is None
    write_patient(tmp_path, hearts(1, geometry), geometry, {}, beat_s=0.8)
    assert read_nifti(tmp_path / "sa.nii.gz").frame_interval_s == pytest.approx(0.16)


def test_the_record_says_it_is_not_for_diagnosis(folder):
    record = json.loads((folder / "heart.json").read_text())
    assert "not for diagnosis" in record["note"].lower()
    assert record["seed"] == 7


def test_a_run_that_dies_half_way_leaves_the_earlier_folder_whole(folder, monkeypatch):
    def disk_full(*_, **__):
        raise OSError("no space left")

    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    monkeypatch.setattr("sampling.outputs.write_grid", disk_full)
    with pytest.raises(InputError, match="cannot be written"):
        write_patient(folder, 1 - hearts(), GEOMETRY, {})
    assert before == {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    assert [path.name for path in folder.parent.iterdir()] == [folder.name] and read_record(folder)


@pytest.mark.parametrize("content", [b"", b"[]", b"{", b"null", b"{}", b'{"files": []}', b'{"files": {}}', b"\xff\xfe"])
def test_a_record_that_vouches_for_nothing_is_of_no_finished_patient(folder, content):
    assert read_record(folder)["seed"] == 7
    (folder / "heart.json").write_bytes(content)
    assert read_record(folder) is None
    with pytest.raises(InputError, match="sample.py"):
        read_hearts(folder)


@pytest.mark.parametrize("name", ["sa_ED.nii.gz", "sd_ES.nii.gz", "grid.png", "sample_2/sa_ES.nii.gz"])
@pytest.mark.parametrize("damage", ["gone", "empty", "another"])
def test_a_record_beside_other_files_than_were_written_is_not_trusted(folder, name, damage):
    path = folder / name
    if damage == "gone":
        path.unlink()
    else:
        path.write_bytes(path.read_bytes()[:-1] if damage == "another" else b"")
    assert read_record(folder) is None


def test_what_somebody_else_put_into_the_folder_is_kept(folder):
    (folder / "seg_sa_ED.nii.gz").write_bytes(b"label maps")
    (folder / "notes").mkdir()
    (folder / "notes" / "a.txt").write_text("a note")
    write_patient(folder, hearts(1), GEOMETRY, {"samples": 1})
    assert (folder / "seg_sa_ED.nii.gz").read_bytes() == b"label maps"
    assert (folder / "notes" / "a.txt").read_text() == "a note" and read_record(folder)
    assert not list(folder.glob("sample_*"))


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_heart_that_is_not_finite_is_refused_and_nothing_is_written(folder, bad):
    spoilt = hearts()
    spoilt[1, 2, 1, 3, 3] = bad
    before = (folder / "heart.json").read_bytes()
    for given, record in ((spoilt, {}), (hearts(), {"phenotypes": {"LVEDV": {"mean": bad}}})):
        with pytest.raises(InputError, match="not finite"):
            write_patient(folder, given, GEOMETRY, record)
    assert (folder / "heart.json").read_bytes() == before and len(list(folder.parent.iterdir())) == 1


@pytest.mark.parametrize(("samples", "phases"), [(1, 2), (3, 2), (1, 5), (2, 5)])
def test_the_names_told_are_those_of_the_files_written(tmp_path, samples, phases):
    geometry = GridGeometry(slices=4, phases=phases, height=20, width=24)
    write_patient(tmp_path / "p", hearts(samples, geometry), geometry, {"samples": samples})
    assert set(written_names(samples, phases)) == {path.name for path in (tmp_path / "p").iterdir()}


def test_nothing_temporary_is_left_not_even_by_a_killed_run(folder):
    (folder / ".partial-0a1b2c3d-grid.png").write_bytes(b"half")
    write_patient(folder, hearts(), GEOMETRY, {})
    names = sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())
    stacks = ["sa_ED.nii.gz", "sa_ES.nii.gz"]
    spreads = ["sd_ED.nii.gz", "sd_ES.nii.gz"]
    assert names == sorted(["grid.png", "heart.json", *stacks, *spreads, *(f"sample_2/{name}" for name in stacks)])


@pytest.mark.parametrize("samples", [2, 5])
def test_the_sd_map_is_the_standard_deviation_of_the_samples(tmp_path, samples):
    write_patient(tmp_path, hearts(samples), GEOMETRY, {})
    for phase, moment in enumerate(("ED", "ES")):
        spread = read_nifti(tmp_path / f"sd_{moment}.nii.gz")
        expected = INTENSITY_MAX * hearts(samples)[:, :, phase].std(axis=0).transpose(2, 1, 0)
        np.testing.assert_allclose(spread.voxels[..., 0], expected, atol=0.51)
        np.testing.assert_allclose(spread.affine, read_nifti(tmp_path / f"sa_{moment}.nii.gz").affine)
    assert not list(tmp_path.glob("sample_*/sd*"))


def test_samples_that_do_not_differ_have_an_sd_map_of_zeros(tmp_path):
    write_patient(tmp_path, np.repeat(hearts(1), 3, axis=0), GEOMETRY, {})
    assert not nibabel.load(tmp_path / "sd_ED.nii.gz").get_fdata().any()  # which read_nifti takes for a blank export


def test_one_sample_has_no_sd_map_nor_keeps_an_earlier_one(tmp_path):
    write_patient(tmp_path / "fresh", hearts(1), GEOMETRY, {"samples": 1})
    for count in (2, 1):
        write_patient(tmp_path / "again", hearts(count), GEOMETRY, {"samples": count})
    assert not list(tmp_path.glob("*/sd*"))


def test_the_sd_map_of_a_cine_is_a_cine(tmp_path):
    geometry = GridGeometry(slices=4, phases=5, height=20, width=24)
    write_patient(tmp_path, hearts(3, geometry), geometry, {})
    expected = INTENSITY_MAX * hearts(3, geometry).std(axis=0).transpose(3, 2, 0, 1)
    np.testing.assert_allclose(read_nifti(tmp_path / "sd.nii.gz").voxels, expected, atol=0.51)


def test_slices_run_across_and_phases_down():
    heart = np.zeros(GEOMETRY.shape, np.float32)
    heart[2, 1, 3, 5] = 1.0
    picture = heart_rows(heart)
    assert picture.shape == (2 * 20, 4 * 24)
    assert np.argwhere(picture).tolist() == [[20 + 3, 2 * 24 + 5]]
    assert picture.max() == 255


MARGIN, CAPTION = room_for_words(ZOOM * 4 * 24)


def within_the_frame(picture: Image.Image) -> np.ndarray:
    """What lies between the red line and the marks, as greys at the grid's own size."""
    pixels = np.asarray(picture)
    head, foot = head_and_foot(MARGIN + ZOOM * 4 * 24)
    return pixels[head:-foot, : MARGIN + ZOOM * 4 * 24]


def greys(rows: np.ndarray) -> np.ndarray:
    """Greys as they are drawn: ZOOM times as large, in RGB."""
    return rows.repeat(ZOOM, axis=0).repeat(ZOOM, axis=1)[..., None].repeat(3, axis=2)


def test_a_drawn_picture_is_what_is_written_and_shows_every_heart_as_it_is(tmp_path):
    named = [("one", hearts()[0]), ("another", hearts()[1])]
    picture = draw_grid(named)
    write_grid(tmp_path / "grid.png", named)
    with Image.open(tmp_path / "grid.png") as image:
        np.testing.assert_array_equal(np.asarray(image), np.asarray(picture))
    shown = within_the_frame(picture)
    half = len(shown) // 2
    assert half == CAPTION + ZOOM * 2 * 20
    for k, (_, heart) in enumerate(named):
        np.testing.assert_array_equal(shown[k * half + CAPTION : (k + 1) * half, MARGIN:], greys(heart_rows(heart)))
    other = within_the_frame(draw_grid([("one", hearts()[0]), ("ANOTHER", hearts()[1])]))
    assert (other != shown).any() and (other[:, MARGIN + 60 :] == shown[:, MARGIN + 60 :]).all()  # only the name


def test_names_of_rows_and_phases_are_read_on_a_screen_1000_pixels_wide():
    """Letters are ten pixels high there, from ascender to descender."""
    size = (10, 2, 96, 96)
    with_name, without = (
        np.asarray(draw_grid([(name, np.zeros(size))], phases)).astype(int)
        for name, phases in (("Åg", ("Åg", "Åg")), ("", ("", "")))
    )
    rows, columns = np.nonzero((with_name != without).any(axis=2))
    margin, caption = room_for_words(ZOOM * 10 * 96)
    head = head_and_foot(with_name.shape[1])[0]
    of_name = rows[rows < head + caption]
    of_phase = rows[(rows > head + caption) & (rows < head + caption + ZOOM * 96)]
    for found in (of_name, of_phase):
        assert (found.max() - found.min() + 1) * 1000 / with_name.shape[1] >= 10
    assert columns.max() < margin and of_name.min() >= head


def test_outlines_are_drawn_on_the_heart_whose_label_map_is_given():
    named = [("one", 0 * hearts()[0]), ("another", 0 * hearts()[1])]
    labels = np.zeros(GEOMETRY.shape, np.uint8)
    labels[2, 1, 5:15, 8:18] = Label.RV_CAVITY
    shown = within_the_frame(draw_grid(named, labels=(None, labels)))
    rows, columns = np.nonzero((shown == OUTLINES[2].colour).all(axis=2))
    top, left = len(shown) // 2 + CAPTION + ZOOM * 20, MARGIN + ZOOM * 2 * 24
    assert abs(rows.min() - (top + ZOOM * 5)) <= 1 and abs(rows.max() - (top + ZOOM * 15)) <= 1
    assert abs(columns.min() - (left + ZOOM * 8)) <= 1 and abs(columns.max() - (left + ZOOM * 18)) <= 1


def test_the_picture_has_room_for_every_heart_and_one_window_for_all(tmp_path):
    sizes = []
    for count in (1, 3):
        write_grid(tmp_path / "grid.png", [(f"sample {k}", heart) for k, heart in enumerate(hearts(count))])
        with Image.open(tmp_path / "grid.png") as image:
            sizes.append(within_the_frame(image).shape)
    assert sizes[0][1] == sizes[1][1] >= 4 * 24
    assert sizes[1][0] == 3 * sizes[0][0] and sizes[0][0] > 2 * 20
    dim, bright = (np.full(GEOMETRY.shape, level, np.float32) for level in (0.2, 0.8))
    write_grid(tmp_path / "grid.png", [("dim", dim), ("bright", bright)])
    with Image.open(tmp_path / "grid.png") as image:
        shown = within_the_frame(image)
    half = len(shown) // 2
    assert (shown[half - 5, -1] == 51).all() and (shown[-5, -1] == 204).all()


def test_the_true_heart_is_on_top(tmp_path):
    truth = np.ones(GEOMETRY.shape, np.float32)
    write_patient(tmp_path, 0 * hearts(1), GEOMETRY, {}, truth)
    with Image.open(tmp_path / "grid.png") as image:
        shown = within_the_frame(image)
    half = len(shown) // 2
    assert (shown[half - 5, -1] == 255).all() and (shown[-5, -1] == 0).all()


def test_a_page_is_ours_and_gone_when_none_is_wanted(tmp_path):
    place = tmp_path / "p"
    write_patient(place, hearts(1), GEOMETRY, {"samples": 1}, page="<p>é</p>")
    assert (place / "heart.html").read_text(encoding="utf-8") == "<p>é</p>"
    assert "heart.html" in read_record(place)["files"]
    assert set(written_names(1, 2, page=True)) == {path.name for path in place.iterdir()}
    write_patient(place, hearts(1), GEOMETRY, {"samples": 1})
    assert not (place / "heart.html").exists() and "heart.html" not in read_record(place)["files"]


def test_samples_are_read_back_as_they_were_written(folder, tmp_path):
    write_patient(tmp_path / "again", hearts(3), GEOMETRY, {"samples": 3})
    np.testing.assert_allclose(read_hearts(tmp_path / "again"), hearts(3), atol=0.51 / INTENSITY_MAX)


def test_fewer_samples_leave_none_of_the_earlier_ones(tmp_path):
    write_patient(tmp_path, hearts(3), GEOMETRY, {"samples": 3})
    write_patient(tmp_path, hearts(1), GEOMETRY, {"samples": 1})
    assert not list(tmp_path.glob("sample_*"))


def test_reading_an_unfinished_patient_is_refused(tmp_path):
    with pytest.raises(InputError, match="no finished"):
        read_hearts(tmp_path)


def test_an_overview_shows_true_above_generated(tmp_path):
    true, made = hearts(2)
    write_overview(tmp_path / "overview.png", [("a", true, made), ("b", None, made)])
    with Image.open(tmp_path / "overview.png") as image:
        assert len(within_the_frame(image)) == 3 * (ZOOM * 2 * 20 + CAPTION)
