"""A pipeline whose hearts beat, with the segmenter that measures them, as the benchmarks of motion open it."""

from pathlib import Path

from cohort.errors import InputError
from models.segmenter import Segmenter
from sampling.pipeline import ECGToMRIPipeline, load_part


def open_beating(folder: Path) -> tuple[ECGToMRIPipeline, Segmenter]:
    """A pipeline folder and the segmenter in it.

    Raises:
        InputError: the pipeline draws stills, or a part is missing or damaged.
    """
    pipeline = ECGToMRIPipeline.load(folder)
    pipeline.set_progress_bar_config(disable=True)
    if pipeline.motion is None:
        raise InputError(folder, "draws stills", "train one on a cohort with cines")
    return pipeline, load_part(Segmenter, folder / "segmenter")
