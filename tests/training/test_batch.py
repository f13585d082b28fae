from dataclasses import replace

import numpy as np
import pytest
import torch

from training.batch import draw_slices, heart_batch

POSITIONS, PHASES = 3, 2


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.fixture
def addressed(prepared):
    """Latents that say where they come from: 100 row + 10 position + phase."""
    row, position, phase = np.ogrid[: len(prepared.eid), :POSITIONS, :PHASES]
    return (
        np.broadcast_to((100 * row + 10 * position + phase)[..., None, None, None], (18, POSITIONS, PHASES, 4, 4, 4))
        * 1.0
    )


def where(batch):
    """(row, position, phase) of every slice."""
    address = batch.latents[:, :, 0, 0, 0].long()
    return address // 100, address // 10 % 10, address % 10


def test_all_slices_come_position_by_position_and_belong_to_their_person(prepared, addressed):
    batch = heart_batch(prepared, addressed, torch.tensor([4, 11]), None)
    row, position, phase = where(batch)
    assert row.tolist() == [[4] * 6, [11] * 6]
    assert position[0].tolist() == [0, 0, 1, 1, 2, 2] and phase[0].tolist() == [0, 1] * 3
    assert torch.equal(batch.places.slice_position_mm, (position - 1) * 30.0)
    assert torch.equal(batch.places.phase, phase / 2)
    for k, person in enumerate((4, 11)):
        np.testing.assert_array_equal(batch.ecg[k], prepared.ecg[person])
        np.testing.assert_array_equal(batch.person[k], prepared.person[person])
        np.testing.assert_array_equal(batch.phenotypes[k], prepared.phenotypes[person])


def test_a_few_slices_are_distinct_and_tell_their_own_place(prepared, addressed):
    batch = heart_batch(prepared, addressed, torch.arange(18), 4, generator())
    row, position, phase = where(batch)
    assert torch.equal(row, torch.arange(18)[:, None].expand(-1, 4))
    assert all(len(set(slices)) == 4 for slices in (2 * position + phase).tolist())
    assert torch.equal(batch.places.slice_position_mm, (position - 1) * 30.0)
    assert torch.equal(batch.places.phase, phase / 2)
    assert len({tuple(slices) for slices in (2 * position + phase).tolist()}) > 9  # each heart its own choice


def test_acquired_slices_come_first_and_others_are_masked(prepared, addressed):
    mask = np.ones((18, POSITIONS, PHASES), bool)
    mask[:, 0] = False  # base outside the acquisition: four of six are left
    cohort = replace(prepared, mask=mask)
    few = heart_batch(cohort, addressed, torch.arange(18), 4, generator())
    assert few.mask.all() and (where(few)[1] > 0).all()
    more = heart_batch(cohort, addressed, torch.arange(18), 6, generator())
    assert torch.equal(more.mask, where(more)[1] > 0) and (~more.mask).sum() == 18 * 2


def test_a_draw_is_a_function_of_its_generator(prepared, addressed):
    def places(seed):
        return heart_batch(prepared, addressed, torch.arange(18), 3, generator(seed)).latents

    assert torch.equal(places(1), places(1)) and not torch.equal(places(1), places(2))


def test_drawn_slices_carry_their_labels_and_never_lie_outside(prepared):
    mask = np.ones((18, POSITIONS, PHASES), bool)
    mask[:, 1:] = False
    hearts = np.zeros((18, POSITIONS, PHASES, 2, 2), np.uint8)
    hearts += np.arange(18, dtype=np.uint8)[:, None, None, None, None] * 10
    hearts[:, 1:] += 5
    cohort = replace(prepared, mask=mask, hearts=hearts, labels=hearts)
    slices, labels = draw_slices(cohort, np.array([2, 3, 7]), 200, generator())
    assert slices.shape == (200, 1, 2, 2) and labels.shape == (200, 2, 2) and labels.dtype == torch.int64
    torch.testing.assert_close(slices[:, 0] * 255, labels.float())
    assert set(labels.unique().tolist()) == {20, 30, 70}  # each person, never a position that is masked


def test_moving_a_batch_moves_every_field(prepared, addressed):
    moved = heart_batch(prepared, addressed, torch.tensor([0]), 2, generator()).to(torch.device("meta"))
    fields = vars(moved) | vars(moved.places)
    del fields["places"]
    assert all(value.is_meta for value in fields.values())
