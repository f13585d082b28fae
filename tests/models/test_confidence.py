import pytest
import torch

from models.confidence import calibrated, expected_dice, expected_dice_of_heart
from models.segmenter import CLASSES, Segmenter


def logits_of(labels, sureness):
    return sureness * torch.nn.functional.one_hot(labels, CLASSES).movedim(-1, 1).float()


@pytest.fixture
def labels():
    labels = torch.zeros(3, 12, 12, dtype=torch.int64)
    labels[:2, 2:10, 2:10], labels[:2, 4:8, 4:8] = 2, 1
    return labels  # the third slice shows no heart


def test_a_sure_map_expects_a_dice_of_1_and_an_empty_one_0(labels):
    assert expected_dice(logits_of(labels, 50)).tolist() == pytest.approx([1, 1, 0])


def test_the_less_sure_the_less_is_expected(labels):
    expected = [float(expected_dice_of_heart(logits_of(labels, sureness))) for sureness in (1, 2, 4, 8)]
    assert expected == sorted(expected) and expected[0] < 0.5 and expected[-1] > 0.95


def test_it_is_the_mean_dice_if_shares_are_probabilities():
    """Truths drawn from the shares: their Dice with the map is what was expected."""
    generator = torch.Generator().manual_seed(0)
    logits = 3 * torch.randn(1, CLASSES, 60, 60, generator=generator)
    logits[:, 0] += 3  # more of the heart is in doubt than is found
    shares = logits.softmax(1)[0].flatten(1)
    predicted = logits.argmax(1).flatten()
    found = []
    for _ in range(20):
        truth = torch.multinomial(shares.T, 1, generator=generator).squeeze(1)
        overlap = ((truth == predicted) & (truth > 0)).sum()
        found.append(2 * overlap / ((truth > 0).sum() + (predicted > 0).sum()))
    assert float(torch.stack(found).mean()) == pytest.approx(float(expected_dice(logits)[0]), abs=0.01)


def test_the_label_map_is_that_of_argmax_bit_by_bit():
    """Ties are among the logits: of equal shares the first class counts."""
    logits = torch.randint(-3, 4, (7, CLASSES, 24, 24), generator=torch.Generator().manual_seed(0)).float()
    shares = logits.softmax(1)
    marks = torch.nn.functional.one_hot(shares.argmax(1), CLASSES).movedim(-1, 1)
    overlap, total = ((part[:, 1:].sum(dim=(1, 2, 3))) for part in (shares * marks, shares + marks))
    assert torch.equal(expected_dice(logits), 2 * overlap / total)


def test_a_doubtful_slice_weighs_by_its_size_in_a_heart(labels):
    logits = logits_of(labels, 50)
    doubted = logits.clone()
    doubted[1] = logits[1] / 40
    heart, other = (float(expected_dice_of_heart(x)) for x in (logits, doubted))
    assert heart == pytest.approx(1) and 0.5 < other < 0.9
    assert float(expected_dice_of_heart(logits[2:])) == 0


def test_the_curve_is_followed_between_its_points_and_level_beyond_them():
    given = torch.tensor([0.0, 0.2, 0.5, 0.6, 0.9])
    found = calibrated(given, (0.0, 0.4, 0.8), (0.0, 0.1, 0.7))
    assert found.tolist() == pytest.approx([0, 0.05, 0.25, 0.4, 0.7])
    assert calibrated(given, None, None) is given


def test_a_segmenter_answers_by_its_own_curve(labels):
    segmenter = Segmenter(widths=(8, 16), dice_expected=(0.0, 1.0), dice_found=(0.0, 0.5))
    logits = logits_of(labels, 50)
    assert segmenter.confidence(logits).tolist() == pytest.approx([0.5, 0.5, 0])
    assert segmenter.confidence_of_heart(logits) == pytest.approx(0.5)
