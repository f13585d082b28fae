"""The benchmark of segmenting does every part it names; never how fast it is."""

from benchmarks.segment_speed import rows_of
from benchmarks.segmented_beat import FLOOR, OURS, parts, write_beats
from sampling.release import RELEASED_SEGMENTER


def test_every_part_runs_and_the_whole_writes_a_patient(tmp_path):
    cine = write_beats(tmp_path / "NIFTI", people=2, frames=3)
    assert cine.voxels.shape[3] == 3
    jobs = parts(tmp_path / "NIFTI", RELEASED_SEGMENTER, 32)
    assert list(jobs)[:2] == [FLOOR, OURS]
    for job in jobs.values():
        job()
    assert len(list(tmp_path.rglob("phenotypes.json"))) == 1
    assert len(list(tmp_path.rglob("seg_sa.nii.gz"))) == 2


def test_rows_tell_frames_a_second_and_the_ratio_to_the_floor():
    rows = rows_of({FLOOR: [2.0, 3.0], OURS: [5.0, 4.0]}, frames=50)
    assert [(row["frames/s of a core"], row["times the floor"]) for row in rows] == [(25.0, 1.0), (12.5, 2.0)]
