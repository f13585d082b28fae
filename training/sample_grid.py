"""Pictures of held-out patients while the denoiser learns."""

from collections.abc import Callable
from pathlib import Path

from cohort.disk import writing
from cohort.intensity import as_unit
from cohort.prepared import PreparedCohort
from sampling.grid import write_grid
from sampling.patients import patient_batch, prepared_patients
from sampling.pipeline import ECGToMRIPipeline, sample_generator

GRID_PATIENTS = 4


def sample_grid(pipeline: ECGToMRIPipeline, cohort: PreparedCohort, folder: Path, seed: int) -> Callable[[int], None]:
    """A function of the step that draws the same held-out patients with the same noise each time, into `folder`."""
    rows = cohort.rows("validation")[:GRID_PATIENTS]
    patients = patient_batch(prepared_patients(cohort, rows))
    pipeline.set_progress_bar_config(disable=True)

    def draw(step: int) -> None:
        generators = [sample_generator(seed, f"grid {k}", 1) for k in range(len(rows))]
        hearts = pipeline(patients, generators).numpy()
        named = []
        for number, (row, heart) in enumerate(zip(rows, hearts, strict=True), start=1):
            named += [(f"patient {number} true", as_unit(cohort.hearts[row])), (f"patient {number} generated", heart)]
        with writing(folder.parent):
            folder.mkdir(exist_ok=True)
        write_grid(folder / f"step_{step:06d}.png", named)

    return draw
