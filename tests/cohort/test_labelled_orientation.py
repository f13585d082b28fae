"""Hearts whose files state no orientation, as ACDC's, lie on the grid as their label maps tell, or are refused."""

import itertools

import numpy as np
import pytest

from cohort.cine import CineStack, Label, read_nifti
from cohort.errors import InputError
from cohort.heart_grid import HeartGrid, canonical_affine, cine_grid, stack_axes
from cohort.labelled_orientation import ORIENTED, TAKEN_FOR_GRANTED, USUAL_RV_DEG, oriented_by_labels
from cohort.phenotypes import CLASSES, dice
from phantom.heart import draw_heart
from phantom.scanner import scan
from tests.corpora.orientations import stored

PIXEL_MM, STEP_MM = 1.8, 10.0
STEPS_MM = (PIXEL_MM, PIXEL_MM, STEP_MM)
AXES = canonical_affine()[:3, :3] / STEPS_MM
FARTHEST_TURN_DEG = 36.0


def phantom(number: int) -> tuple[CineStack, CineStack]:
    images = scan(draw_heart(6, number))
    return CineStack(images.voxels, images.affine), CineStack(images.labels, images.affine)


@pytest.fixture(scope="module")
def heart() -> tuple[CineStack, CineStack]:
    return phantom(0)


def itk(stack: CineStack) -> np.ndarray:
    """ITK's identity in RAS, which ACDC's files have."""
    return np.diag([*stack.spacing_mm * [-1, -1, 1], 1.0])


def with_affine(stacks: tuple[CineStack, CineStack], affine: np.ndarray | None = None) -> tuple[CineStack, CineStack]:
    return tuple(CineStack(stack.voxels, itk(stack) if affine is None else affine) for stack in stacks)


def changed(stacks: tuple[CineStack, CineStack], change) -> tuple[CineStack, CineStack]:
    """The voxels changed, and the affine left as it was: nothing says what was done."""
    return tuple(CineStack(np.ascontiguousarray(change(stack.voxels)), stack.affine) for stack in stacks)


def remaining_turn_deg(cine: CineStack, labels: CineStack) -> float:
    """By how much the labels turn a heart within its slices from where it truly lies; nothing else may differ."""
    told = oriented_by_labels(CineStack(cine.voxels, itk(cine)), labels.voxels[..., 0], AXES, "heart")
    turn = (AXES.T @ told.affine[:3, :3]) @ np.linalg.inv(stack_axes(cine)[0].T @ cine.affine[:3, :3])
    degrees = np.degrees(np.arctan2(turn[1, 0], turn[0, 0]))
    assert np.allclose(turn, about_s(degrees), atol=1e-6)  # base is base, and nothing is mirrored
    return float(degrees)


def about_s(degrees: float) -> np.ndarray:
    cosine, sine = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    return np.array([[cosine, -sine, 0], [sine, cosine, 0], [0, 0, 1]])


def turned(stacks: tuple[CineStack, CineStack], degrees: float) -> tuple[CineStack, CineStack]:
    """A heart turned about its long axis, from x towards y."""
    axes, affine = stack_axes(stacks[0])[0], stacks[0].affine.copy()
    affine[:3] = axes @ about_s(degrees) @ axes.T @ affine[:3]
    return with_affine(stacks, affine)


def overlaps(one: HeartGrid, other: HeartGrid) -> list[float]:
    return [dice(one.labels, other.labels, label) for label in CLASSES]


def test_but_for_a_turn_the_heart_lies_where_it_truly_does():
    """20 phantoms. Their RVs lie at different angles, which no label map tells: so much turn remains."""
    turns = []
    for number in range(20):
        stacks = phantom(number)
        turns.append(remaining_turn_deg(*stacks))
        if number < 6:
            found = cine_grid(*with_affine(stacks))
            assert min(overlaps(found, cine_grid(*turned(stacks, turns[-1])))) > 0.95
            assert ORIENTED in found.notes and TAKEN_FOR_GRANTED in found.notes
    assert np.abs(turns).max() < FARTHEST_TURN_DEG and np.sqrt(np.mean(np.square(turns))) < 16


def test_slices_in_either_order_and_quarter_turns_make_no_difference(heart):
    expected = cine_grid(*with_affine(heart))
    for quarters, upside_down in itertools.product(range(4), (False, True)):
        other = changed(
            with_affine(heart), lambda v, q=quarters, u=upside_down: np.rot90(v[:, :, ::-1] if u else v, q, axes=(0, 1))
        )
        assert min(overlaps(cine_grid(*other), expected)) > 0.98


@pytest.mark.parametrize("order", itertools.permutations(range(3)))
@pytest.mark.parametrize("signs", [(1, 1, 1), (-1, -1, 1), (1, 1, -1), (-1, -1, -1)])
def test_what_a_permutation_says_of_the_storage_is_believed(heart, order, signs):
    """An image viewer that stores the axes in another order, and says so, changes no heart."""
    given = tuple(stored(stack, (0, 1, 2), signs) for stack in with_affine(heart))
    given = tuple(stored(stack, order, (1, 1, 1)) for stack in given)
    assert min(overlaps(cine_grid(*given), cine_grid(*with_affine(heart)))) > 0.98


def test_the_right_ventricle_lies_at_the_usual_angle(heart):
    labels = cine_grid(*with_affine(heart)).labels[:, 0]
    rv, lv = (
        np.argwhere(np.isin(labels, classes)).mean(axis=0)
        for classes in ((Label.RV_CAVITY,), (Label.LV_CAVITY, Label.LV_MYOCARDIUM))
    )
    _, down, right = rv - lv
    assert abs(np.degrees(np.arctan2(-down, -right)) - USUAL_RV_DEG) < 3
    shown = np.flatnonzero((labels == Label.LV_CAVITY).any(axis=(1, 2)))
    area = (labels == Label.RV_CAVITY).sum(axis=(1, 2))
    assert area[shown[0]] > 5 * area[shown[-1]]  # the first slice is the base


def test_a_mirror_image_cannot_be_seen_and_comes_out_mirrored(heart):
    """Nothing in a label map tells it: the note says what is taken for granted."""
    (mirrored, labels), (sound, _) = changed(with_affine(heart), lambda v: v[:, ::-1]), with_affine(heart)
    told = oriented_by_labels(mirrored, labels.voxels[..., 0], AXES, "heart")
    truth = oriented_by_labels(sound, heart[1].voxels[..., 0], AXES, "heart")
    assert np.linalg.det(told.affine) * np.linalg.det(truth.affine) > 0 and TAKEN_FOR_GRANTED in told.notes


def both_ends_alike(voxels: np.ndarray) -> np.ndarray:
    return np.concatenate([voxels[:, :, 7:0:-1], voxels[:, :, 1:8]], axis=2)


def without_rv(voxels: np.ndarray) -> np.ndarray:
    return np.where(voxels == Label.RV_CAVITY, 0, voxels)


def drawn(*sides_deg: float) -> np.ndarray:
    """A tapering LV in ten slices, and an RV on these sides of it, one after the other."""
    voxels = np.zeros((192, 208, 10, 2), np.uint8)
    x, y = np.ogrid[-95.5:96, -103.5:104]
    for number in range(1, 9):
        side, size = np.radians(sides_deg[number % len(sides_deg)]), 20 - 2 * number
        rv = np.hypot(x - 25 * np.cos(side), y - 25 * np.sin(side)) < size
        lv = np.hypot(x, y)
        voxels[:, :, number] = np.select([lv < size, lv < size + 5, rv], [1, 2, 3])[..., None]
    return voxels


def rv_all_round(_: np.ndarray) -> np.ndarray:
    """A ring about the LV."""
    voxels = drawn(0)
    voxels[voxels == Label.RV_CAVITY] = 0
    x, y = np.ogrid[-95.5:96, -103.5:104]
    for number in range(1, 9):
        ring = (np.hypot(x, y) > 26) & (np.hypot(x, y) < 40 - 2 * number)
        voxels[ring, number] = Label.RV_CAVITY
    return voxels


def opposed(voxels: np.ndarray) -> np.ndarray:
    """The RV's slices in the reverse order of the LV's."""
    lv, rv = np.where(voxels == Label.RV_CAVITY, 0, voxels), np.where(voxels == Label.RV_CAVITY, voxels, 0)
    shown = np.flatnonzero(voxels.any(axis=(0, 1, 3)))
    rv[:, :, shown] = rv[:, :, shown[::-1]]
    return np.where(lv > 0, lv, rv)


EVEN_FIRST = [*range(0, 12, 2), *range(1, 12, 2)]
UNCLEAR = {
    "both ends alike": (both_ends_alike, "neither end of both ventricles"),
    "no right ventricle": (without_rv, "neither end of both ventricles"),
    "the RV on several sides": (lambda _: drawn(0, 100), "on several sides"),
    "the RV all round": (rv_all_round, "on no side"),
    "slices interleaved": (lambda v: v[:, :, EVEN_FIRST], "grows and shrinks"),
    "few slices": (lambda v: v[:, :, :4], "on 3 slices"),
    "the RV wider at the apex": (opposed, "neither end of both ventricles"),
}


def test_a_drawn_label_map_that_is_clear_is_taken(heart):
    told = oriented_by_labels(with_affine(heart)[0], drawn(0, 30)[..., 0], AXES, "heart")
    assert told.affine[:3, 2] @ AXES[:, 2] > 0 and told.states_orientation


@pytest.mark.parametrize("name", UNCLEAR)
def test_an_ambiguous_label_map_is_refused(heart, name):
    change, words = UNCLEAR[name]
    cine, labels = with_affine(heart)
    labels = CineStack(np.asarray(change(labels.voxels), np.uint8), labels.affine)
    cine = CineStack(cine.voxels[:, :, np.arange(labels.voxels.shape[2]) % cine.voxels.shape[2]], cine.affine)
    with pytest.raises(InputError, match=f"states no orientation .* does not help: .*({words})") as refusal:
        cine_grid(cine, labels)
    assert refusal.value.code == "orientation"


@pytest.mark.parametrize(
    ("affine", "words"),
    [
        (np.diag([PIXEL_MM, -PIXEL_MM, STEP_MM, 1.0]), "mirrors the picture"),
        (np.diag([-PIXEL_MM, PIXEL_MM, -STEP_MM, 1.0]), "mirrors the picture"),
        (np.diag([-STEP_MM, -PIXEL_MM, PIXEL_MM, 1.0])[:, [1, 2, 0, 3]], "not on the third axis"),
    ],
)
def test_an_affine_that_leaves_a_mirror_image_open_is_refused(heart, affine, words):
    with pytest.raises(InputError, match=words):
        cine_grid(*with_affine(heart, affine))


def test_without_labels_it_is_refused(heart):
    cine, labels = with_affine(heart)
    for given in (None, CineStack(np.zeros_like(labels.voxels), itk(labels))):
        with pytest.raises(InputError, match="base and apex cannot be told apart") as refusal:
            cine_grid(cine, given)
        assert refusal.value.code == "orientation"


@pytest.mark.real
def test_a_real_heart_lies_where_its_affine_says_it_does(real_files):
    cine = read_nifti(real_files / "mri" / "sa.nii.gz")
    labels = read_nifti(real_files / "mri" / "seg_sa.nii.gz", labels=True)
    assert min(overlaps(cine_grid(*with_affine((cine, labels))), cine_grid(cine, labels))) > 0.95
