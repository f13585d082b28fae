import torch

from training.randomised_slices import placed, reseen, smooth_field, strewn


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def discs(n=6, side=40):
    """Slices whose grey value tells the label, 0 to 3, of smooth blobs."""
    labels = (smooth_field(n, 1, (side, side), 3, generator(9)).mul(1.5) + 1.5).clamp(0, 3).round().long()
    return labels.float() / 3, labels[:, 0]


def test_slices_and_labels_are_placed_together():
    slices, labels = discs()
    moved, marks = placed(slices, labels, (32, 32), generator())
    inside = torch.nn.functional.max_pool2d((moved[:, 0] * 3 - marks).abs()[:, None], 1)[:, 0] < 0.51
    assert moved.shape == (6, 1, 32, 32) and marks.shape == (6, 32, 32) and marks.dtype == torch.int64
    assert inside.float().mean() > 0.97  # linear and nearest interpolation differ on edges only
    assert not torch.equal(marks, labels[:, 4:36, 4:36])


def test_a_placed_slice_is_not_mirrored():
    """The order of three marks round their middle stays, whatever the seed."""
    labels = torch.zeros(64, 48, 48, dtype=torch.int64)
    for label, (row, column) in {1: (15, 24), 2: (32, 15), 3: (32, 33)}.items():
        labels[:, row - 3 : row + 4, column - 3 : column + 4] = label
    _, marks = placed(labels[:, None].float(), labels, (48, 48), generator(1))
    for mark in marks:
        a, b, c = ((mark == label).nonzero().float().mean(0) for label in (1, 2, 3))
        assert torch.linalg.det(torch.stack([b - a, c - a])) > 0


def test_another_look_is_a_function_of_its_generator_and_stays_between_black_and_white():
    slices = torch.rand(40, 1, 24, 24, generator=generator(5))
    one, again, other = reseen(slices, generator(1)), reseen(slices, generator(1)), reseen(slices, generator(2))
    assert torch.equal(one, again) and not torch.equal(one, other) and one.shape == slices.shape
    assert one.min() >= 0 and one.max() <= 1 and one.isfinite().all()
    as_drawn = (one == slices).flatten(1).all(1).float().mean()
    assert 0.05 < as_drawn < 0.6


def test_strange_surroundings_leave_the_heart_and_its_rim_as_they_were():
    labels = torch.zeros(30, 32, 32, dtype=torch.int64)
    labels[:, 12:20, 12:20] = 2
    slices = torch.rand(30, 1, 32, 32, generator=generator(3))
    other = strewn(slices, labels, generator())
    assert torch.equal(other[:, :, 11:21, 11:21], slices[:, :, 11:21, 11:21])
    changed = (other != slices).flatten(1).any(1).float().mean()
    assert 0.1 < changed < 0.9 and other.min() >= 0 and other.max() <= 1
