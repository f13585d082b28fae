import torch

from models.places import Places


def places():
    return Places.short_axis(torch.tensor([[-10.0, 0.0, 10.0]]), torch.tensor([[0.0, 0.5, 0.0]]))


def test_a_short_axis_plane_is_perpendicular_to_the_long_axis_and_centred_on_it():
    pose = places().pose
    assert pose.shape == (1, 3, 3, 4)
    assert torch.equal(pose[0, :, :, :3], torch.eye(3).expand(3, 3, 3))
    assert torch.equal(pose[0, :, :2, 3], torch.zeros(3, 2))
    assert torch.equal(places().slice_position_mm, torch.tensor([[-10.0, 0.0, 10.0]]))


def test_planes_are_taken_by_number_for_several_hearts():
    chosen = torch.tensor([[2, 0], [1, 1]])
    some = places().of(chosen)
    assert torch.equal(some.slice_position_mm, torch.tensor([[10.0, -10.0], [0.0, 0.0]]))
    assert torch.equal(some.phase, torch.tensor([[0.0, 0.0], [0.5, 0.5]]))


def test_the_planes_of_one_heart_serve_any_number_of_hearts():
    many = places().repeated(5)
    assert many.pose.shape == (5, 3, 3, 4) and torch.equal(many.phase[4], places().phase[0])
