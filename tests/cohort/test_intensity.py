"""Grey levels and intensities are inverse; every level is the float32 nearest to its fraction."""

import numpy as np

from cohort.intensity import as_grey_levels, as_unit

LEVELS = np.arange(256, dtype=np.uint8)


def test_a_level_survives_the_way_there_and_back():
    np.testing.assert_array_equal(as_grey_levels(as_unit(LEVELS)), LEVELS)


def test_a_level_is_the_float32_nearest_to_its_fraction():
    assert as_unit(LEVELS).dtype == np.float32
    np.testing.assert_array_equal(as_unit(LEVELS), (LEVELS / 255.0).astype(np.float32))


def test_intensities_go_to_the_nearest_level_and_what_lies_beyond_to_the_ends():
    unit = np.array([-1, 0, 0.4 / 255, 0.6 / 255, 1, 7], np.float32)
    assert as_grey_levels(unit).tolist() == [0, 0, 0, 1, 255, 255]
