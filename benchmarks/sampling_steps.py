"""How many evaluations of the denoiser a heart needs: steps against error, for diffusers' schedulers.

    python benchmarks/sampling_steps.py --pipeline runs/diffusion/pipeline

Every setting starts from the same noise and is compared with the reference, hearts of 300 steps. Compared are the
voxels (PSNR) and LVEDV, LV mass and LVEF, as the pipeline's segmenter measures them, in the training cohort's SDs. What
the autoencoder alone does to true hearts is the error that no number of steps removes. Guidance on part of the steps is
compared with guidance on all of them. Writes results/sampling_steps.md, .json and .png; the reference is kept.
"""

import sys
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import tyro

sys.path.insert(0, str(Path(__file__).parents[1]))  # the repository, wherever the command is given

from cohort.errors import exit_code_of


@dataclass(frozen=True)
class Config:
    """Draw the curve of steps against error."""

    pipeline: Path | None = None
    """A pipeline folder with a segmenter; what sample.py would take if not given."""
    data: Path | None = None
    """A folder with ecg/ and NIFTI/ of people the pipeline never saw; phantoms are made if not given."""
    people: int = 8
    """One heart each."""
    steps: tuple[int, ...] = (2, 3, 4, 5, 6, 8, 10, 12, 15, 20)
    reference_steps: int = 300
    guidance_scale: float = 1.5
    """Of the comparison of guidance on part of the steps."""
    guided_steps: int = 8
    guided_people: int = 4
    """For that comparison, whose reference costs twice as much."""
    seed: int = 0
    cache: Path = Path("runs/sampling_steps")
    output: Path = Path(__file__).parent / "results"


def main() -> None:
    config = tyro.cli(Config, description=__doc__)
    from benchmarks.machine import described
    from benchmarks.sampling_error import Sampler, autoencoder_psnr, guidance_table, picture, steps_table
    from benchmarks.table import markdown, write_tables
    from cohort.disk import whole_file
    from phantom.cohort_plan import CohortPlan
    from phantom.cohort_writer import write_cohort
    from sampling.release import pipeline_to_use

    folder = config.pipeline or pipeline_to_use(Path("runs"))
    with TemporaryDirectory() as made:
        data = config.data or Path(made) / "UKBB"
        if not config.data:  # simulated patients that no README trains on, of the phantom that the weights know
            write_cohort(data, CohortPlan(seed=4, subjects=config.people, version=1), processes=1)
        sampler = Sampler(folder, data, config.people, config.seed)
        floor = autoencoder_psnr(sampler, data)
    plain = sampler.reference(config.people, config.reference_steps, 1.0, config.cache)
    guided = sampler.reference(config.guided_people, config.reference_steps, config.guidance_scale, config.cache)
    tables = {
        "Steps": steps_table(sampler, plain, config.steps),
        f"Guidance {config.guidance_scale} on part of {config.guided_steps} steps": guidance_table(
            sampler, guided, config.guided_steps, config.guidance_scale
        ),
    }
    note = f"{config.people} hearts; the reference has {config.reference_steps} steps of UniPC."
    if floor is not None:
        note += f" True hearts through the autoencoder alone: {floor:.1f} dB."
    for title, rows in tables.items():
        print(f"{title}\n{markdown(rows)}")
    print(note)
    write_tables(config.output, "sampling_steps", described(sampler.pipeline.device), tables, note)
    with whole_file(config.output / "sampling_steps.png") as unfinished:
        unfinished.write_bytes(picture(tables["Steps"], floor))


if __name__ == "__main__":
    sys.exit(exit_code_of(main))
