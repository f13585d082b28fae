import io

import numpy as np
from PIL import Image

from evaluation.hearts_picture import CAPTION, MOST_SLICES, NAMES, hearts_picture
from sampling.red_line import RED, head_and_foot

SIDE = 40


def heart(grey, slices=3):
    return np.full((slices, 2, SIDE, SIDE), grey)


def pixels(*people):
    with Image.open(io.BytesIO(hearts_picture(list(people), [""] * len(people)))) as image:
        whole = np.asarray(image)
    head, foot = head_and_foot(NAMES + people[0][0].shape[0] * SIDE)
    return whole[head : len(whole) - foot, : NAMES + people[0][0].shape[0] * SIDE, 0]


def test_the_red_line_stands_above_the_hearts():
    with Image.open(io.BytesIO(hearts_picture([(heart(0.2), heart(0.6), heart(0.05))], [""]))) as image:
        head = np.asarray(image.convert("RGB"))[: head_and_foot(image.width)[0]].reshape(-1, 3)
    assert (head == RED).all(axis=1).any()


def test_true_and_drawn_heart_stand_under_one_another_in_each_phase():
    seen = pixels((heart(0.2), heart(0.6), heart(0.05)), (heart(0.4), heart(0.8), heart(0.1)))
    assert seen.shape == (2 * (CAPTION + 6 * SIDE), NAMES + 3 * SIDE)
    rows = [CAPTION + k * SIDE + SIDE // 2 for k in range(6)]
    expected = [round(255 * grey) for grey in (0.2, 0.6, 0.5) * 2]  # of the two SDs the larger is white
    assert [int(seen[row, NAMES + SIDE]) for row in rows] == expected
    assert int(seen[CAPTION + 6 * SIDE + rows[1], NAMES]) == round(255 * 0.8)
    assert all((seen[row - 10 : row + 10, :NAMES] > 150).any() for row in rows)  # each row is named


def test_a_few_large_sds_leave_the_others_grey():
    spread = np.random.default_rng(0).uniform(0.0, 0.4, (3, 2, SIDE, SIDE))
    spread[0, 0, 0, :4] = 0.9
    row = CAPTION + 2 * SIDE
    seen = pixels((heart(0.2), heart(0.6), spread))[row : row + SIDE, NAMES:]
    assert (seen == 255).mean() < 0.01 and 120 < seen.mean() < 135
    assert (pixels((heart(0.2), heart(0.6), heart(0.0)))[row : row + SIDE, NAMES:] == 0).all()


def test_of_many_slices_some_from_base_to_apex_are_shown():
    many = heart(0.0, slices=40)
    many[0], many[-1] = 1.0, 0.5
    seen = pixels((many, many, many))[:, : NAMES + MOST_SLICES * SIDE]
    row = CAPTION + SIDE // 2
    assert (int(seen[row, NAMES + 1]), int(seen[row, -1])) == (255, 128)


def test_who_has_a_name_is_called_by_it_and_else_by_number():
    heads = [
        np.asarray(Image.open(io.BytesIO(hearts_picture([(heart(0.2),) * 3], [name]))))[:60]
        for name in ("", "patient 1", "9000001_20205_2_0")
    ]
    assert (heads[0] == heads[1]).all() and (heads[0] != heads[2]).any()
