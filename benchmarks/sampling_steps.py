"""How many evaluations of the denoiser a heart needs: steps against error, for diffusers' schedulers.

    python benchmarks/sampling_steps.py --pipeline runs/diffusion/pipeline

Every setting starts from the same noise and is compared with hearts of 300 steps, the reference: PSNR of the voxels,
and how far LVEDV, LV mass and LVEF, measured by the pipeline's segmenter, are off, in the training cohort's SDs. What
the autoencoder alone does to true hearts is the error that no number of steps removes. Guidance on part of the steps is
compared with guidance on all of them. Writes results/sampling_steps.md, .json and .png; the reference is kept.
"""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import tyro

sys.path.insert(0, str(Path(__file__).parents[1]))  # the repository, wherever the command is given

from cohort.errors import exit_code_of

SCHEDULERS = {
    "UniPC": "UniPCMultistepScheduler",
    "DPM++ 2M": "DPMSolverMultistepScheduler",
    "DEIS": "DEISMultistepScheduler",
    "Heun": "FlowMatchHeunDiscreteScheduler",
    "Euler": "FlowMatchEulerDiscreteScheduler",
    "DDIM": "DDIMScheduler",
}
GUIDED_BETWEEN = {  # noise levels
    "at all noise levels": (0.0, 1.0),
    "above 0.5": (0.5, 1.0),
    "above 0.75": (0.75, 1.0),
    "below 0.75": (0.0, 0.75),
    "0.25 to 0.75": (0.25, 0.75),
    "nowhere (the code is guided)": (2.0, 2.0),
}
PHENOTYPES_SHOWN = ("LVEDV", "LVM", "LVEF")


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


class Sampler:
    """Hearts of the same people from the same noise under any setting, counting what they cost."""

    def __init__(self, folder: Path, config: Config, data: Path) -> None:
        from accelerate import Accelerator

        from cohort.person import Person
        from models.segmenter import Segmenter
        from sampling.inputs import ecg_files
        from sampling.patients import read_patient
        from sampling.pipeline import ECGToMRIPipeline, load_part

        device = Accelerator().device
        self.pipeline = ECGToMRIPipeline.load(folder).to(device)
        self.pipeline.set_progress_bar_config(disable=True)
        self.segmenter = load_part(Segmenter, folder / "segmenter").to(device)
        files = ecg_files(data / "ecg")[: config.people]
        self.patients = [read_patient(path, self.pipeline, Person()) for path in files]
        self.seed, self.slices = config.seed, 0

        def count(_module, given) -> None:
            self.slices += len(given[0])

        self.pipeline.unet.register_forward_pre_hook(count)

    def hearts(self, people: int, scheduler: str, steps: int, *guidance: object) -> np.ndarray:
        """(people, slices, phases, height, width) in [0, 1].

        Args:
            guidance: guidance_scale and guided_between of the pipeline.
        """
        from sampling.patients import condition_of
        from sampling.pipeline import sample_generator
        from sampling.schedulers import make_scheduler

        self.pipeline.scheduler = make_scheduler(scheduler)
        chosen = self.patients[:people]
        generators = [sample_generator(self.seed, patient.name, 1) for patient in chosen]
        return self.pipeline(condition_of(chosen), generators, steps, *guidance).numpy()

    @contextmanager
    def counted(self, people: int) -> Iterator[dict[str, float]]:
        """Fills in what a heart costs within: passes through the denoiser and CPU seconds."""
        cost: dict[str, float] = {}
        self.slices, started = 0, time.process_time()
        yield cost
        per_heart = self.pipeline.grid.slices * self.pipeline.grid.phases * people
        cost |= {"passes": self.slices / per_heart, "CPU s a heart": (time.process_time() - started) / people}

    def phenotypes(self, hearts: np.ndarray) -> np.ndarray:
        """(n, 3) PHENOTYPES_SHOWN, in the training cohort's SDs."""
        from cohort.phenotypes import PHENOTYPES
        from evaluation.measuring import measured_phenotypes
        from evaluation.segmentation import segment

        about = self.pipeline.conditioner.config
        spread = dict(zip(about.phenotypes, about.phenotype_std, strict=True))
        found = [measured_phenotypes(segment(self.segmenter, heart)[0], self.pipeline.grid) for heart in hearts]
        return np.array([[row[PHENOTYPES.index(name)] / spread[name] for name in PHENOTYPES_SHOWN] for row in found])

    def off(self, hearts: np.ndarray, reference: np.ndarray) -> dict[str, float]:
        """How far hearts (n, ...) are from those of the reference."""
        far = self.phenotypes(hearts) - self.phenotypes(reference)
        rms = np.sqrt(np.nanmean(far**2, axis=0))
        return {"PSNR, dB": psnr(hearts, reference)} | {
            f"{name}, SD": float(value) for name, value in zip(PHENOTYPES_SHOWN, rms, strict=True)
        }


def psnr(hearts: np.ndarray, reference: np.ndarray) -> float:
    """Mean over hearts (n, ...) of intensities in [0, 1], dB."""
    error = ((hearts - reference) ** 2).mean(axis=tuple(range(1, hearts.ndim)))
    return float(np.mean(-10 * np.log10(error)))


def main() -> None:
    config = tyro.cli(Config, description=__doc__)
    from sampling.release import pipeline_to_use

    folder = config.pipeline or pipeline_to_use(Path("runs"))
    with TemporaryDirectory() as made:
        data = config.data or phantoms(Path(made), config.people)
        sampler = Sampler(folder, config, data)
        floor = autoencoder_error(sampler, data)
    tables = {
        "Steps": steps_table(sampler, folder, config),
        f"Guidance {config.guidance_scale} on part of {config.guided_steps} steps": guidance_table(
            sampler, folder, config
        ),
    }
    write(config, sampler, tables, floor)


def phantoms(folder: Path, subjects: int) -> Path:
    """A cohort of simulated patients that no README trains on."""
    from phantom.cohort_writer import CohortPlan, write_cohort

    write_cohort(folder / "UKBB", CohortPlan(seed=4, subjects=subjects), processes=1)
    return folder / "UKBB"


def autoencoder_error(sampler: Sampler, data: Path) -> float | None:
    """PSNR of true hearts through the autoencoder alone, dB; None where there are none."""
    import torch

    from sampling.true_heart import find_true_heart

    names = [patient.name for patient in sampler.patients]
    true = [find_true_heart(data, name, sampler.pipeline.grid) for name in names]
    known = np.array([heart for heart in true if heart is not None])
    if not len(known):
        return None
    made = np.array([sampler.pipeline.reconstruct(torch.from_numpy(heart)).numpy() for heart in known])
    return psnr(made, known)


def steps_table(sampler: Sampler, folder: Path, config: Config) -> list[dict]:
    """Every scheduler at every number of steps, without guidance."""
    reference = reference_hearts(sampler, folder, config, config.people, 1.0)
    rows = []
    for name, scheduler in SCHEDULERS.items():
        for steps in config.steps:
            if name == "Heun" and 2 * steps - 1 > max(config.steps):
                continue  # it evaluates the denoiser twice a step
            with sampler.counted(config.people) as cost:
                hearts = sampler.hearts(config.people, scheduler, steps, 1.0)
            rows.append({"scheduler": name, "steps": steps} | cost | sampler.off(hearts, reference))
            print(rows[-1], flush=True)
    return rows


def guidance_table(sampler: Sampler, folder: Path, config: Config) -> list[dict]:
    """Guidance at some noise levels only, against guidance at all of them."""
    reference = reference_hearts(sampler, folder, config, config.guided_people, config.guidance_scale)
    rows = []
    for name, between in GUIDED_BETWEEN.items():
        with sampler.counted(config.guided_people) as cost:
            options = (SCHEDULERS["UniPC"], config.guided_steps, config.guidance_scale, between)
            hearts = sampler.hearts(config.guided_people, *options)
        rows.append({"guided": name} | cost | sampler.off(hearts, reference))
        print(rows[-1], flush=True)
    return rows


def reference_hearts(sampler: Sampler, folder: Path, config: Config, people: int, scale: float) -> np.ndarray:
    """Hearts of `reference_steps`, made once for a pipeline and its patients."""
    import hashlib

    from sampling.pipeline import weights_sha256

    key = (weights_sha256(folder), *(p.sha256 for p in sampler.patients[:people]), config.seed)
    name = hashlib.sha256(repr((*key, config.reference_steps, scale)).encode()).hexdigest()[:12]
    path = config.cache / f"{name}.npy"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        hearts = sampler.hearts(people, SCHEDULERS["UniPC"], config.reference_steps, scale)
        partial = path.with_name(f".{path.name}.partial")
        with partial.open("wb") as file:
            np.save(file, hearts)
        partial.replace(path)
    return np.load(path)


def write(config: Config, sampler: Sampler, tables: dict[str, list[dict]], floor: float | None) -> None:
    """The tables and the picture."""
    from benchmarks.machine import described
    from benchmarks.table import markdown, write_tables

    note = f"{config.people} hearts; the reference has {config.reference_steps} steps of UniPC."
    if floor is not None:
        note += f" True hearts through the autoencoder alone: {floor:.1f} dB."
    for title, rows in tables.items():
        print(f"{title}\n{markdown(rows)}")
    print(note)
    write_tables(config.output, "sampling_steps", described(sampler.pipeline.device), tables, note)
    (config.output / "sampling_steps.png").write_bytes(picture(tables["Steps"], floor))


def picture(rows: list[dict], floor: float | None) -> bytes:
    """PSNR, and the error of LVEF, against passes through the denoiser; a line a scheduler."""
    import io

    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 4), dpi=120, layout="constrained")
    panels = figure.subplots(1, 2)
    for axes, quantity in zip(panels, ("PSNR, dB", "LVEF, SD"), strict=True):
        for name in dict.fromkeys(row["scheduler"] for row in rows):
            line = [(row["passes"], row[quantity]) for row in rows if row["scheduler"] == name]
            axes.plot(*zip(*line, strict=True), "o-", markersize=4, linewidth=1.3, label=name)
        axes.set(xlabel="passes through the denoiser", ylabel=f"{quantity}, against the reference")
        axes.spines[["top", "right"]].set_visible(False)
    if floor is not None:
        panels[0].axhline(floor, color="#222222", linestyle="--", linewidth=1, label="autoencoder alone")
    panels[1].set_yscale("log")
    panels[0].legend(frameon=False)
    stream = io.BytesIO()
    FigureCanvasAgg(figure).print_png(stream)
    return stream.getvalue()


if __name__ == "__main__":
    sys.exit(exit_code_of(main))
