"""How far hearts of few steps are from those of many, and what they cost."""

import hashlib
import io
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch
from accelerate import Accelerator
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from cohort.disk import whole_file
from cohort.person import Person
from cohort.phenotypes import PHENOTYPES
from models.segmenter import Segmenter
from sampling.inputs import ecg_files
from sampling.measured_phenotypes import measured_phenotypes
from sampling.patients import patient_batch, read_patient
from sampling.pipeline import ECGToMRIPipeline, load_part, sample_generator, weights_sha256
from sampling.schedulers import make_scheduler
from sampling.segmentation import segment
from sampling.true_heart import find_true_heart

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


class Sampler:
    """Hearts of the same people from the same noise under any setting, counting what they cost.

    Args:
        folder: of a pipeline with a segmenter. data: with ecg/ of at least `people` people.
    """

    def __init__(self, folder: Path, data: Path, people: int, seed: int) -> None:
        device = Accelerator().device
        self.folder, self.seed, self.hearts_denoised = folder, seed, 0
        self.pipeline = ECGToMRIPipeline.load(folder).to(device)
        self.pipeline.set_progress_bar_config(disable=True)
        self.segmenter = load_part(Segmenter, folder / "segmenter").to(device)
        self.patients = [read_patient(path, self.pipeline, Person()) for path in ecg_files(data / "ecg")[:people]]

        def count(_module, given) -> None:
            self.hearts_denoised += len(given[0])

        self.pipeline.denoiser.register_forward_pre_hook(count)

    def hearts(self, people: int, scheduler: str, steps: int, *guidance: object) -> np.ndarray:
        """(people, slices, phases, height, width) in [0, 1].

        Args:
            guidance: guidance_scale and guided_between of the pipeline.
        """
        self.pipeline.scheduler = make_scheduler(scheduler)
        patients = self.patients[:people]
        generators = [sample_generator(self.seed, patient.name, 1) for patient in patients]
        return self.pipeline(patient_batch(patients), generators, steps, *guidance).numpy()

    def reference(self, people: int, steps: int, scale: float, cache: Path) -> np.ndarray:
        """Hearts of so many steps of UniPC at a guidance scale, made once and kept in `cache`."""
        key = (weights_sha256(self.folder), *(p.sha256 for p in self.patients[:people]), self.seed, steps, scale)
        path = cache / f"{hashlib.sha256(repr(key).encode()).hexdigest()[:12]}.npy"
        if not path.exists():
            hearts = self.hearts(people, SCHEDULERS["UniPC"], steps, scale)
            cache.mkdir(parents=True, exist_ok=True)
            with whole_file(path) as unfinished:
                np.save(unfinished, hearts)
        return np.load(path)

    @contextmanager
    def counted(self, people: int) -> Iterator[dict[str, float]]:
        """Fills in what a heart costs within: passes through the denoiser and CPU seconds."""
        cost: dict[str, float] = {}
        self.hearts_denoised, started = 0, time.process_time()
        yield cost
        cost |= {
            "passes": self.hearts_denoised / people,
            "CPU s a heart": (time.process_time() - started) / people,
        }

    def phenotypes(self, hearts: np.ndarray) -> np.ndarray:
        """(n, 3) PHENOTYPES_SHOWN, in the training cohort's SDs."""
        about = self.pipeline.conditioner.config
        spread = dict(zip(about.phenotypes, about.phenotype_std, strict=True))
        rows = [measured_phenotypes(segment(self.segmenter, heart)[0], self.pipeline.grid) for heart in hearts]
        return np.array([[row[PHENOTYPES.index(name)] / spread[name] for name in PHENOTYPES_SHOWN] for row in rows])

    def error(self, hearts: np.ndarray, reference: np.ndarray) -> dict[str, float]:
        """How far hearts (n, ...) are from those of the reference."""
        difference = self.phenotypes(hearts) - self.phenotypes(reference)
        rms = np.sqrt(np.nanmean(difference**2, axis=0))
        return {"PSNR, dB": psnr(hearts, reference)} | {
            f"{name}, SD": float(value) for name, value in zip(PHENOTYPES_SHOWN, rms, strict=True)
        }


def psnr(hearts: np.ndarray, reference: np.ndarray) -> float:
    """Mean over hearts (n, ...) of intensities in [0, 1], dB."""
    error = ((hearts - reference) ** 2).mean(axis=tuple(range(1, hearts.ndim)))
    return float(np.mean(-10 * np.log10(error)))


def autoencoder_psnr(sampler: Sampler, data: Path) -> float | None:
    """PSNR of true hearts through the autoencoder alone, dB; None where there are none."""
    names = [patient.name for patient in sampler.patients]
    true = [find_true_heart(data, name, sampler.pipeline.grid) for name in names]
    known = np.array([heart.voxels for heart in true if heart is not None])
    if not len(known):
        return None
    made = np.array([sampler.pipeline.reconstruct(torch.from_numpy(heart)).numpy() for heart in known])
    return psnr(made, known)


# ---- Tables ----


def steps_table(sampler: Sampler, reference: np.ndarray, numbers: tuple[int, ...]) -> list[dict]:
    """Every scheduler at every number of steps, without guidance, against the reference (people, ...)."""
    people, rows = len(reference), []
    for name, scheduler in SCHEDULERS.items():
        for steps in numbers:
            if name == "Heun" and 2 * steps - 1 > max(numbers):
                continue  # it evaluates the denoiser twice a step
            with sampler.counted(people) as cost:
                hearts = sampler.hearts(people, scheduler, steps, 1.0)
            rows.append({"scheduler": name, "steps": steps} | cost | sampler.error(hearts, reference))
            print(rows[-1], flush=True)
    return rows


def guidance_table(sampler: Sampler, reference: np.ndarray, steps: int, scale: float) -> list[dict]:
    """Guidance at some noise levels only, against guidance at all of them: the reference (people, ...)."""
    people, rows = len(reference), []
    for name, between in GUIDED_BETWEEN.items():
        with sampler.counted(people) as cost:
            hearts = sampler.hearts(people, SCHEDULERS["UniPC"], steps, scale, between)
        rows.append({"guided": name} | cost | sampler.error(hearts, reference))
        print(rows[-1], flush=True)
    return rows


def picture(rows: list[dict], floor: float | None) -> bytes:
    """A PNG of PSNR, and of LVEF's error, against passes through the denoiser; a line a scheduler.

    Args:
        rows: of `steps_table`. floor: dB of the autoencoder alone, None where it is not known.
    """
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
