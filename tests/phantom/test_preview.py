"""The sheet to look at."""

import numpy as np
from PIL import Image

from phantom.calibration import prevalence_table
from phantom.heart import Draw, draw_heart
from phantom.population import CONDITIONS
from phantom.preview import MARGIN, SIDE, write_preview


def test_a_row_a_person_shows_hearts_and_beats(tmp_path):
    write_preview(tmp_path / "sheet.png", [draw_heart(1, 0), draw_heart(1, 1)])
    sheet = np.asarray(Image.open(tmp_path / "sheet.png"))
    assert sheet.shape[0] == 2 * (SIDE + MARGIN)
    first, second = np.split(sheet, 2)
    assert (first != second).mean() > 0.1
    for row in (first, second):
        assert row[MARGIN:, : 10 * SIDE].std() > 20  # hearts, neither black nor white
        assert 0.01 < (row[MARGIN:, 10 * SIDE :] > 200).mean() < 0.2  # lines


def test_prevalences_are_those_of_the_people():
    hearts = [draw_heart(1, index, Draw("infarct")) for index in range(10)] + [draw_heart(1, 0, Draw("lbbb"))] * 10
    table = prevalence_table(hearts)
    for name in CONDITIONS:
        assert f"| {name} | {50 if name in ('infarct', 'lbbb') else 0}.0% |" in table
    assert "| a scar | 50.0% |" in table and "of 20 people" in table
