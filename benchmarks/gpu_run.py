"""A short training of the denoiser, its continuation, and hearts drawn by it: what benchmarks/gpu.py measures."""

import re
import resource
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from accelerate import Accelerator

from benchmarks.contenders import parameters
from benchmarks.machine import Clock, processor, seconds_of
from benchmarks.step_cost import gflop_of
from benchmarks.synthetic_cohort import CHANNELS, CohortSize, synthetic_cohort, write_noise
from cohort.errors import InputError
from cohort.prepared import PreparedCohort
from models.autoencoder import SliceAutoencoder
from sampling.pipeline import ECGToMRIPipeline, PatientBatch, sample_generator
from training.denoising import BatchPlan, TrainingData, denoising
from training.networks import fresh_generator, fresh_regressor
from training.options import DiffusionOptions
from training.recipe import Recipe
from training.run import Run
from training.session import Session
from training.stages import HEART_COMPONENTS, LENGTH_KEYS, Training, denoiser_stage, pipeline_of, with_lengths

UNTIMED = 4  # steps at the start of a part: compiling, first allocations
FEWEST = UNTIMED + 2  # steps of a part
# Dense bfloat16 operations, TFLOP/s, by the makers' data sheets; the first name that fits counts.
PEAK_TFLOPS = {
    r"\bH200 NVL\b": 835.0,
    r"\bH200\b": 989.0,
    r"\bH100 NVL\b": 835.0,
    r"\bH100 PCIe\b": 756.0,
    r"\bH100\b": 989.0,
    r"\bA100\b": 312.0,
}


@dataclass(frozen=True)
class GpuLoad:
    """What is trained and drawn.

    Attributes:
        preset: of the networks. hearts, slices: of a step, slices of each heart.
        first: steps before the training is broken off. rest: at most so many after it went on.
        drawn: hearts drawn at once. evaluations: of the denoiser for each heart; None for the pipeline's own number.
        size: of the synthetic cohort.
    """

    preset: str
    hearts: int
    slices: int
    first: int
    rest: int
    drawn: int
    evaluations: int | None
    size: CohortSize

    def require_sound(self) -> None:
        """Refuse (InputError) parts too short to be timed."""
        for option, steps in (("--first", self.first), ("--rest", self.rest)):
            if steps < FEWEST:
                raise InputError(option, f"{steps} steps are too few to time", f"give at least {FEWEST}")


def peak_tflops(device: torch.device, stated: float | None) -> float | None:
    """Dense bfloat16 TFLOP/s of a device; None for a CPU of which nothing is stated.

    Raises:
        InputError: a GPU that PEAK_TFLOPS does not know, or a slice of one.
    """
    if stated is not None or device.type != "cuda":
        return stated
    name = processor(device)
    known = [peak for pattern, peak in PEAK_TFLOPS.items() if re.search(pattern, name)]
    if not known or "MIG" in name:
        raise InputError(name, "has a peak that nobody told this benchmark", "give --peak-tflops, dense in bfloat16")
    return known[0]


# ---- Training ----


class Ticks:
    """Called where each step of a part begins: seconds of the first step, and of a step after UNTIMED ones.

    The device is waited for three times only, so that steps overlap as they do in a training.
    """

    def __init__(self, device: torch.device, steps: int) -> None:
        self.begun, self.first_s, self.step_s = 0, float("nan"), float("nan")
        self._device, self._steps, self._clock = device, steps, Clock(device)

    def __call__(self, *_: object) -> None:
        if self.begun == 1:
            self.first_s = self._clock.lap().wall_s
        elif self.begun == self._steps - 1:
            self.step_s = seconds_of(self._clock.lap(), self._device) / (self._steps - 1 - UNTIMED)
        if self.begun in (0, UNTIMED):
            self._clock.start()
        self.begun += 1


def fresh_training(
    folder: Path, cohort: PreparedCohort, latents: np.ndarray, load: GpuLoad, accelerator: Accelerator, steps: int
) -> Training:
    """A training with fresh networks and random heart codes, ready for the denoiser's stage.

    Args:
        folder: of the run. latents: (N, slices, phases, C, h, w). steps: at which the training ends.
    """
    torch.manual_seed(0)
    never = {"checkpoint_every": steps + 1, "evaluate_every": steps + 1}  # but at the end
    options = DiffusionOptions(data=folder, output=folder, preset=load.preset, steps=steps, **never)
    options = replace(options, hearts_per_batch=load.hearts, slices_per_heart=load.slices)
    training = Training(with_lengths(options, accelerator.device.type), accelerator, cohort, watch=lambda step: None)
    preset = training.preset
    training.autoencoder = SliceAutoencoder(preset.autoencoder_width, latent_channels=CHANNELS).eval()
    training.autoencoder.set_latent_statistics(torch.zeros(CHANNELS), torch.ones(CHANNELS))
    training.regressor = fresh_regressor(cohort, preset, HEART_COMPONENTS)
    conditioner = training.regressor.conditioner
    training.prior, training.denoiser = fresh_generator(conditioner, preset, latents.shape[-3:])
    training.latents, training.codes = latents, torch.randn(len(latents), conditioner.code_length)
    training.settings = {"preset": load.preset, "hearts": load.hearts, "slices": load.slices, "steps": steps}
    training.run = Run(folder, training.settings, accelerator.is_main_process, LENGTH_KEYS)
    return training


def gflop_of_step(training: Training) -> float:
    """GFLOP of products and convolutions of one step, forward and backward; the frozen regressor's are among them."""
    o, device = training.options, training.accelerator.device
    session = Session(training.run, Recipe(o.steps, o.learning_rate), training.accelerator, o.seed)
    plan = BatchPlan(o.hearts_per_batch, o.slices_per_heart, o.condition_dropout, o.shared_noise)
    data = TrainingData(training.cohort, training.latents, training.codes, plan)
    denoiser = training.denoiser.to(device).train()
    task = denoising(session, denoiser, training.regressor, data, lambda step: None)
    counted = gflop_of(lambda: task.loss_of(denoiser, 0)[0].backward())
    denoiser.zero_grad(set_to_none=True)
    return counted


def learn(training: Training, gflop: float, peak: float | None) -> dict:
    """Run the denoiser's stage from where its run stands to its end; a row of the table.

    Args:
        gflop: of a step. peak: the device's TFLOP/s, None if unknown.

    Raises:
        RuntimeError: another number of steps was made than was lacking.
    """
    device, options, begun_at = training.accelerator.device, training.options, training.run.done
    steps = options.steps - begun_at
    ticks = Ticks(device, steps)
    hook = training.regressor.register_forward_pre_hook(ticks)  # once a step, and it is not compiled
    forget_memory(device)
    denoiser_stage(training)
    hook.remove()
    if training.run.done != options.steps or ticks.begun <= steps:
        raise RuntimeError(f"the run stands at step {training.run.done}; {ticks.begun} of {steps} steps were begun")
    tflops = gflop / ticks.step_s / 1e3
    return {
        "from step": begun_at,
        "to step": options.steps,
        "first step, s": ticks.first_s,
        "ms a step": 1e3 * ticks.step_s,
        "hearts/s": options.hearts_per_batch / ticks.step_s,
        "GFLOP a step": gflop,
        "TFLOP/s": tflops,
        "model FLOP utilisation": None if peak is None else tflops / peak,
        "peak MB": peak_mb(device),
    }


def steps_that_fit(step_s: float, left_s: float, most: int) -> int:
    """How many further steps half of the time that is left allows; FEWEST at least, for they cost seconds."""
    return max(FEWEST, min(most, int(left_s / 2 / step_s)))


# ---- Drawing ----


def drawing_row(pipeline: ECGToMRIPipeline, patients: PatientBatch, evaluations: int | None, half: bool) -> dict:
    """Draw and decode a heart for each patient, once unmeasured and once timed; a row of the table.

    Args:
        half: in bfloat16 where autocast allows it; sample.py draws in float32.

    Raises:
        RuntimeError: a heart holds a number that is not finite.
    """
    device, count = pipeline.device, len(patients.ecg)
    forget_memory(device)
    with torch.autocast(device.type, torch.bfloat16, enabled=half):
        for _ in range(2):
            clock = Clock(device)
            generators = [sample_generator(0, "patient", number) for number in range(count)]
            hearts = pipeline(patients, generators, evaluations)
            lap = clock.lap()
    if not torch.isfinite(hearts).all():
        raise RuntimeError("a drawn heart holds a number that is not finite")
    seconds = seconds_of(lap, device)
    return {
        "precision": "bf16" if half else "float32",
        "hearts": count,
        "slices a heart": hearts.shape[1] * hearts.shape[2],
        "evaluations": evaluations or pipeline.config.steps,
        "s": seconds,
        "hearts/s": count / seconds,
        "peak MB": peak_mb(device),
    }


def drawing_pipeline(training: Training) -> ECGToMRIPipeline:
    """The trained networks as sample.py has them: not compiled, not in autocast."""
    conditioner = training.regressor.conditioner
    _, denoiser = fresh_generator(conditioner, training.preset, training.latents.shape[-3:])
    denoiser.load_state_dict(training.denoiser.state_dict())
    training.denoiser = denoiser
    pipeline = pipeline_of(training)
    pipeline.set_progress_bar_config(disable=True)
    for part in pipeline.parts.values():
        part.eval()
    return pipeline.to(training.accelerator.device)


def patients_of(cohort: PreparedCohort, count: int, device: torch.device) -> PatientBatch:
    """The first people of a cohort, of whom ECG and person are known."""
    rows = np.arange(count) % len(cohort.ecg)
    there = torch.ones(count, dtype=torch.bool)
    arrays = (np.asarray(cohort.ecg[rows], np.float32), cohort.lead_mask[rows], cohort.person[rows])
    return PatientBatch(*map(torch.from_numpy, arrays), there, there).to(device)


# ---- All of it ----


def measure(
    folder: Path, load: GpuLoad, accelerator: Accelerator, peak: float | None, limit_s: float
) -> dict[str, list[dict]]:
    """Train, go on, and draw: the tables by title.

    Args:
        folder: for the synthetic cohort and the run; some hundred MB.
        peak: TFLOP/s of the device, None if unknown. limit_s: what all of it may take.
    """
    load.require_sound()
    begun = time.perf_counter()
    write_noise(folder, load.size)
    cohort, latents = synthetic_cohort(folder, load.size)
    given = (folder / "run", cohort, latents, load, accelerator)
    training = fresh_training(*given, load.first)
    weights, gflop = parameters(training.denoiser), gflop_of_step(training)
    rows = [learn(training, gflop, peak)]
    left_s = limit_s - (time.perf_counter() - begun)
    rest = steps_that_fit(rows[0]["ms a step"] / 1e3, left_s, load.rest)
    let_go(training.run)
    training = fresh_training(*given, load.first + rest)
    rows.append(learn(training, gflop, peak))
    pipeline = drawing_pipeline(training)
    patients = patients_of(cohort, load.drawn, accelerator.device)
    drawn = [drawing_row(pipeline, patients, load.evaluations, half) for half in (False, True)]
    how = f"{load.hearts} hearts x {load.slices} slices a step, {weights / 1e6:.1f} M parameters"
    return {f"Training: preset {load.preset}, {how}": rows, "Drawing and decoding": drawn}


def let_go(run: Run) -> None:
    """Open a run's folder to its continuation in the same process."""
    run._held.release()


def forget_memory(device: torch.device) -> None:
    """From now on `peak_mb` counts anew, on a GPU."""
    if device.type == "cuda":
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats(device)


def peak_mb(device: torch.device) -> float:
    """Most memory held: by tensors on a GPU since `forget_memory`, by the whole process on a CPU."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 2**20
    unit = 2**20 if sys.platform == "darwin" else 2**10
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit
