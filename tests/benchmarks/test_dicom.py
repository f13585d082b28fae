"""The benchmark of DICOM reads what it says, by every way; never how fast it is."""

import numpy as np

from benchmarks.dicom_person import FRAMES, floor, grid_of, inflated, stack_of, write_zip
from benchmarks.dicom_speed import rows_of


def test_every_way_reads_the_whole_zip(tmp_path):
    path = tmp_path / "a.zip"
    write_zip(path, slices=6, frames=8)
    assert len(inflated(path)) == 6 * 8 + 1 and floor(path) == 6 * 8
    cine = stack_of(path)
    assert cine.voxels.shape == (256, 208, 6, 8) and cine.notes == () and np.ptp(cine.voxels[..., 3, 2]) > 400
    assert grid_of(path).mask.any() and FRAMES == 50


def test_rows_are_the_least_of_the_rounds_beside_the_floor():
    rows = rows_of({"the floor": [2.0, 4.0], "ours": [3.0, 1.0]})
    assert [(row["s of processor"], row["times the floor"]) for row in rows] == [(2.0, 1.0), (1.0, 0.5)]
