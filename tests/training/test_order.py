import torch

from training.order import keyed_generator, rows_of_step

ROWS = torch.arange(100, 123)  # 23 rows: no batch below divides them


def seen(steps, batch, seed=0, rank=0, ranks=1):
    return [rows_of_step(ROWS, batch, step, seed, rank, ranks).tolist() for step in steps]


def test_an_epoch_holds_every_row_once():
    flat = sum(seen(range(23), batch=5), [])  # five epochs
    for epoch in range(5):
        assert sorted(flat[23 * epoch : 23 * (epoch + 1)]) == ROWS.tolist()
    assert flat[:23] != flat[23:46]  # redrawn


def test_processes_share_an_epoch_without_overlap():
    """Two processes of batch 4 see, step by step, what one process of batch 8 sees."""
    one = seen(range(6), batch=8)
    two = [seen(range(6), batch=4, rank=rank, ranks=2) for rank in (0, 1)]
    assert [a + b for a, b in zip(*two, strict=True)] == one


def test_a_step_is_a_function_of_the_step_alone():
    assert seen([7], batch=5) == seen(range(10), batch=5)[7:8]
    assert seen([7], batch=5) != seen([7], batch=5, seed=1)


def test_a_batch_larger_than_the_cohort_flows_over():
    assert len(seen([0], batch=60)[0]) == 60
    assert set(seen([0], batch=60)[0]) == set(ROWS.tolist())


def test_generators_differ_by_any_part_of_their_key():
    def draw(*key):
        return torch.rand(1, generator=keyed_generator(*key)).item()

    assert draw(0, "step", 1, 2) == draw(0, "step", 1, 2)
    keys = [(0, "step", 1, 2), (1, "step", 1, 2), (0, "order", 1, 2), (0, "step", 2, 2), (0, "step", 1, 3), (0, "step")]
    assert len({draw(*key) for key in keys}) == len(keys)


def test_neither_order_nor_noise_depends_on_what_was_drawn_before():
    """A resumed run has drawn nothing yet."""
    first = seen([3], batch=5), torch.rand(3, generator=keyed_generator(0, "noise", 3, 0))
    torch.manual_seed(99)
    torch.rand(7)
    again = seen([3], batch=5), torch.rand(3, generator=keyed_generator(0, "noise", 3, 0))
    assert again[0] == first[0] and torch.equal(again[1], first[1])
