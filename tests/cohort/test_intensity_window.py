"""A few voxels of fat or of nothing do not decide how bright a heart is."""

import numpy as np
import pytest

from cohort.cine import CineStack, Label
from cohort.heart_grid import canonical_affine, cine_grid


def on_the_grid(geometry, artefact=None):
    """Voxels of a heart of 100 to 200 units; a cube of 8 voxels in a corner may hold something else."""
    shape = (geometry.width, geometry.height, geometry.slices, geometry.phases)
    voxels = np.random.default_rng(0).uniform(100, 200, shape)
    if artefact is not None:
        voxels[2:4, 2:4, 0] = artefact
    labels = np.zeros(shape, np.uint8)
    labels[10:22, 10:22] = Label.LV_CAVITY  # so that it is centred alike
    affine = canonical_affine(geometry)
    return cine_grid(CineStack(voxels.astype(np.int16), affine), CineStack(labels, affine), geometry).voxels


@pytest.mark.parametrize("artefact", [10_000.0, -10_000.0])
def test_a_hundredth_of_the_voxels_may_hold_anything_and_the_rest_stays_as_bright(geometry, artefact):
    clean, disturbed = on_the_grid(geometry), on_the_grid(geometry, artefact)
    assert clean.max() - clean.min() == 1 and 0.2 < clean.std() < 0.4
    changed = np.abs(disturbed - clean) > 0.02
    assert 0 < changed.mean() < 0.01
